"""What one picture is like: size, depth, grey values and a hash, from a single decoding."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from skxssr._utils.progress import progress
from skxssr._utils.slice_names import split_name
from skxssr._utils.threads import check_n_jobs
from skxssr.io.decode import read_picture, upright
from skxssr.io.intensity import IntensityRule, own_range, scaled
from skxssr.io.stacks import Images

_SIDE = 16  # of the small copy
_SAMPLE = 200_000  # pixels looked at to count values that are no small integers


@dataclass(frozen=True, eq=False)
class Facts:
    """What `examine` finds out about one picture.

    Attributes
    ----------
    height, width : int
    kind : str
        Bit depth and channels, such as "8-bit gray".
    content : str
        Hash of the pixels: the same for one picture saved in two formats without loss. That of a
        slice holds its place too.
    n_values : int
        How many different values the pixels hold.
    low, middle, high : float
        1st, 50th and 99th percentile of the gray values, from black as 0 to white as 1.
    at_top : float
        Share of pixels at the highest value that the format allows.
    small : ndarray of shape (16, 16), float32
        Means of blocks.
    """

    height: int
    width: int
    kind: str
    content: str
    n_values: int
    low: float
    middle: float
    high: float
    at_top: float
    small: np.ndarray


def examine(
    paths: Iterable[str | os.PathLike],
    n_jobs: int | None = None,
    *,
    rule: IntensityRule | None = None,
    verbose: int = 0,
) -> tuple[dict[Path, Facts], dict[Path, str]]:
    """Decode every picture once: facts about those that can be used, reasons for the others.

    A picture that decodes to values which `Images` refuses with this rule cannot be used either,
    nor one that the rule does not fit.
    """
    files = [Path(path) for path in paths]
    check_n_jobs(n_jobs)
    workers = (os.cpu_count() or 1) if n_jobs is None or n_jobs < 0 else n_jobs
    with ThreadPoolExecutor(workers) as pool:
        done = progress(
            pool.map(partial(_look, rule=rule), files),
            "reading images",
            verbose=verbose,
            total=len(files),
        )
        found = dict(zip(files, done, strict=True))
    facts = {path: what for path, what in found.items() if isinstance(what, Facts)}
    return facts, {path: what for path, what in found.items() if isinstance(what, str)}


def _look(path: Path, rule: IntensityRule | None) -> Facts | str:
    if rule is not None and path in rule.problems:
        return rule.problems[path]
    try:
        picture = read_picture(path)
        raw = upright(picture)
        if rule is not None:
            gray = rule(picture)
        elif picture.modality:
            gray = scaled(picture.values, *own_range(picture), picture.inverted)
        else:
            gray = Images([raw])[0]
        gray = gray if gray.ndim == 2 else gray.mean(axis=2)
    except ValueError as error:  # an ImageReadError among them
        return str(error).removeprefix(f"cannot read image {path}: ").removeprefix("image 0 ")
    except (OSError, MemoryError) as error:
        return str(error) or type(error).__name__
    low, middle, high = np.percentile(gray, [1, 50, 99])
    content = hashlib.sha256(f"{raw.shape} {raw.dtype}".encode())
    content.update(np.ascontiguousarray(raw).view(np.uint8).data)
    _, axis, number = split_name(path)
    if axis is not None:  # slices of one volume are no copies of one another
        content.update(f"{axis} {number}".encode())
    return Facts(
        height=gray.shape[0],
        width=gray.shape[1],
        kind=f"{8 * raw.dtype.itemsize}-bit {'float ' if raw.dtype.kind == 'f' else ''}"
        + ("gray" if raw.ndim == 2 or raw.shape[2] == 1 else "colour"),
        content=content.hexdigest(),
        n_values=_count_values(raw),
        low=float(low),
        middle=float(middle),
        high=float(high),
        at_top=float((gray > 1 - 1e-6).mean()),
        small=_blocks(gray),
    )


def _count_values(raw: np.ndarray) -> int:
    flat = raw.reshape(-1)
    if flat.dtype in (np.uint8, np.uint16):
        return int(np.count_nonzero(np.bincount(flat)))
    return len(np.unique(flat[:: max(1, flat.size // _SAMPLE)]))


def _blocks(gray: np.ndarray) -> np.ndarray:
    """Means of 16 by 16 blocks."""
    edges = [np.linspace(0, size, _SIDE + 1).astype(np.intp) for size in gray.shape]
    starts = [np.minimum(edge[:-1], size - 1) for edge, size in zip(edges, gray.shape, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(gray, starts[0], axis=0), starts[1], axis=1)
    rows, columns = (np.maximum(np.diff(edge), 1) for edge in edges)
    return (sums / (rows[:, None] * columns)).astype(np.float32)
