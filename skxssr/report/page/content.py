"""What the report of a selection says, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Card", "Content", "Counts", "Coverage", "Map", "Picture"]


@dataclass(frozen=True)
class Picture:
    """A picture that is shown small.

    Attributes
    ----------
    name : str
        As it is in the folder.
    uri : str or None
        The picture itself as a ``data:`` address; None where it cannot be shown.
    note : str
        What is said of it, such as why it was left out.
    """

    name: str
    uri: str | None
    note: str = ""


@dataclass(frozen=True)
class Card:
    """One pick.

    Attributes
    ----------
    rank : int
        From 1.
    picture : Picture
    reason : str
        A sentence.
    facts : list of (str, str)
        Name and value: patient, site, terms of the score.
    near : list of Picture
        Unpicked pictures that it stands for, the nearest first; not all of them.
    n_near : int
        How many it stands for.
    """

    rank: int
    picture: Picture
    reason: str
    facts: Sequence[tuple[str, str]]
    near: Sequence[Picture]
    n_near: int


@dataclass(frozen=True, eq=False)
class Map:
    """Where the pictures lie in two dimensions.

    Attributes
    ----------
    target : ndarray of shape (n_samples, 2)
    source : ndarray of shape (n_source, 2)
    names : list of str
        Of the target.
    nearest : ndarray of shape (n_samples,), int
        Position of the pick that stands for each picture, from 0; -1 for none.
    picks : ndarray of shape (n_picks, 2)
    pick_names : list of str
    shares : tuple of float
        Share of the variance that both dimensions hold.
    notes : list of str
        What is not shown, in sentences.
    """

    target: np.ndarray
    source: np.ndarray
    names: Sequence[str]
    nearest: np.ndarray
    picks: np.ndarray
    pick_names: Sequence[str]
    shares: tuple[float, float]
    notes: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Coverage:
    """Mean distance of a picture to its nearest label, after each of so many labels.

    Attributes
    ----------
    picks : ndarray of shape (n_picks,)
        Of this selection.
    random, coreset : ndarray of shape (n_draws, n_labels)
        Of draws; the band goes from the 10th to the 90th percentile.
    greedy : ndarray of shape (n_labels,)
        Of greedy facility location, which picks for nothing else; empty if it is not known.
    """

    picks: np.ndarray
    random: np.ndarray
    coreset: np.ndarray
    greedy: np.ndarray


@dataclass(frozen=True)
class Counts:
    """How many pictures and picks there are of each site or patient.

    Attributes
    ----------
    title : str
    head : tuple of str
        Of the columns.
    rows : list of tuple
        A name, pictures, picks.
    note : str
        What the table leaves out.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, int, int]]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Content:
    """Everything that the page says.

    Attributes
    ----------
    title : str
    question : str
    answer : list of str
        Sentences.
    cards : list of Card
        In pick order.
    junk : list of Picture
        Left out, with the reason as a note; the first of them with a picture.
    n_junk : int
        How many were left out.
    copies : list of list of str
        Names of pictures that are nearly the same.
    map : Map
    coverage : Coverage or None
    coverage_text : list of str
        The same in sentences.
    counts : list of Counts
    stability : list of str
        Sentences.
    repeat : list of (str, str)
        Name and value.
    notes : list of str
        What the page lacks, and why.
    """

    title: str
    question: str
    answer: Sequence[str]
    cards: Sequence[Card]
    junk: Sequence[Picture]
    n_junk: int
    copies: Sequence[Sequence[str]]
    map: Map
    coverage: Coverage | None
    coverage_text: Sequence[str]
    counts: Sequence[Counts]
    stability: Sequence[str]
    repeat: Sequence[tuple[str, str]]
    notes: Sequence[str] = field(default_factory=tuple)
