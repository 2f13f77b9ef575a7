"""Find the two public collections behind most of the six-site prostate MRI, as published.

PROMISE12 comes as MetaImage volumes, NCI-ISBI 2013 as DICOM series with masks in NRRD volumes.
Pictures are decoded when asked for.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skxssr.datasets._layout import WHICH, Recoded, check_slices, not_found
from skxssr.io import list_slices, pixel_spacing
from skxssr.io.dicom import is_dicom, place_in_patient
from skxssr.io.medical import check_geometry
from skxssr.io.volume_files import open_volume

__all__ = ["load_nci_isbi", "load_promise12"]

_PROMISE12 = """PROMISE12: prostate in T2-weighted MRI of several centres
========================================================
50 axial volumes with masks of the whole prostate, of the training set of the challenge; acquired
at four centres by different protocols, with and without endorectal coil. Which volume is from
which centre is not published.

{slices}
A patient is a stack of neighbouring slices: split, select and score by patient (`groups`).

https://promise12.grand-challenge.org, https://zenodo.org/records/8026660 (see the terms there)

Cite
- G. Litjens et al., "Evaluation of prostate segmentation algorithms for MRI: the PROMISE12
  challenge", Medical Image Analysis 18(2), 2014. doi:10.1016/j.media.2013.12.002
"""

_NCI_ISBI = """NCI-ISBI 2013: prostate in T2-weighted MRI of two sites
======================================================
RUNMC (files Prostate3T-*): Radboud University Nijmegen Medical Centre, 3 T, surface coil
BMC (files ProstateDx-*): Boston Medical Center, 1.5 T, endorectal coil
30 patients each in the training set, 5 more each in the leader board and in the test set. Two zones
were outlined, peripheral zone and central gland; here they are one class.

{slices}
A patient is a stack of neighbouring slices: split, select and score by patient (`groups`).

https://www.cancerimagingarchive.net/analysis-result/isbi-mr-prostate-2013/ (see the terms there)

Cite
- N. Bloch et al., "NCI-ISBI 2013 challenge: automated segmentation of prostate structures", The
  Cancer Imaging Archive, 2015. doi:10.7937/K9/TCIA.2015.zF0vlOPv
"""

_ONE_CLASS = ((0, 0), (1, 1))
_TWO_ZONES = ((0, 0), (1, 1), (2, 1))

_META = re.compile(r"case(\d+)(_segmentation)?\.mh[ad]", re.IGNORECASE)
_META_LAYOUT = """the layout looked for is that of the training data:
  {root}/.../CaseXX.mhd and CaseXX.raw, with CaseXX_segmentation.mhd and .raw beside them"""

_CASE = re.compile(r"(Prostate(3T|Dx)-\d{2}-\d{4})(_\w+)?", re.IGNORECASE)
_NRRD_LAYOUT = """the layout looked for is that of The Cancer Imaging Archive:
  {root}/.../Prostate3T-01-0001/.../*.dcm and {root}/.../Prostate3T-01-0001.nrrd (or
  Prostate3T-01-0001_truth.nrrd), and the same for ProstateDx-01-0001"""
_SITES = {"3t": "RUNMC", "dx": "BMC"}


class _Case(NamedTuple):
    """The pictures of a patient and their masks, from foot to head."""

    name: str
    images: list[Path]
    masks: list[Path]


def load_promise12(folder: str | os.PathLike, *, slices: str = "all") -> Bunch:
    """Axial slices of the prostate MRI of the PROMISE12 challenge, with patients as groups.

    The layout is the published one [1]_, in one folder or in the parts it came in::

        <folder>/Case00.mhd, Case00.raw
        <folder>/Case00_segmentation.mhd, Case00_segmentation.raw

    Volumes without a mask, as in the test set, are left out. Nothing is downloaded.

    Parameters
    ----------
    folder : str or path-like
        The folder that holds the files, at any depth.
    slices : {"all", "foreground"}, default="all"
        Which slices: all, as they come from the scanner, or those whose mask shows prostate. The
        second knows from the labels what is to be selected without them, as `DESCR` then says.

    Returns
    -------
    Bunch
        With `DESCR` (origin, terms, what to cite) and

        images : list of Path
            The n slices, patient by patient, from foot to head; for `skxssr.io.Images`.
        masks : list of lazy array
            One per slice, for `skxssr.io.Masks`: 1 in the prostate, 0 elsewhere.
        ids : list of str
            Such as `"Case00_07"`.
        groups : ndarray of shape (n,), dtype str
            The patient, such as `"Case00"`.
        slices : ndarray of shape (n,), dtype int64
            The number of the slice in its volume, from 0.
        spacing : ndarray of shape (n, 2), dtype float64
            Distance between rows and between columns, in mm, from the header.
        site : str
            "PROMISE12".
        n_without_prostate : int or None
            Slices left out because their mask is empty; None with `slices="all"`.

    Raises
    ------
    FileNotFoundError
        There is no volume with a mask in `folder`.
    ValueError
        `slices` is unknown, a mask has no volume or another geometry than its volume, or two files
        are of one case.
    MissingExtraError
        nibabel is not installed (extra "volumes").
    ImageReadError
        A header cannot be read; when an item is read: it cannot be decoded, or a mask has values
        other than 0 and 1.

    See Also
    --------
    load_prostate : Six sites, these among them, in one form.

    References
    ----------
    .. [1] G. Litjens et al., 2014. :doi:`10.1016/j.media.2013.12.002`

    Examples
    --------
    >>> from skxssr.datasets import load_promise12
    >>> data = load_promise12("data/promise12")  # doctest: +SKIP
    >>> len(set(data.groups))  # doctest: +SKIP
    50
    """
    check_slices(slices)
    root = Path(folder)
    volumes: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path in _files(root):
        name = _META.fullmatch(path.name)
        if name:
            _put(masks if name[2] else volumes, f"Case{name[1]}", path)
    if not masks:
        raise not_found("volume with a mask", root, _META_LAYOUT)
    alone = sorted(set(masks) - set(volumes))
    if alone:
        raise ValueError(
            f"{len(alone)} of {len(masks)} masks have no volume, such as {masks[alone[0]]}: "
            f"{alone[0]}.mhd belongs beside it; complete them, or move these files away"
        )
    cases = []
    for case in sorted(masks):
        images, labels = (list_slices([p[case]], keep_empty=True) for p in (volumes, masks))
        check_geometry(images[0], labels[0])
        cases.append(_Case(case, images, labels))
    return Bunch(
        DESCR=_PROMISE12.format(slices=WHICH[slices]),
        **_slices_of(cases, "PROMISE12", _ONE_CLASS, slices),
    )


def load_nci_isbi(folder: str | os.PathLike, *, slices: str = "all") -> Bunch:
    """Axial slices of the prostate MRI of the NCI-ISBI 2013 challenge, with patients as groups.

    The layout is that of The Cancer Imaging Archive [1]_, at any depth::

        <folder>/.../Prostate3T-01-0001/<study>/<series>/*.dcm
        <folder>/.../Prostate3T-01-0001.nrrd       or Prostate3T-01-0001_truth.nrrd
        <folder>/.../ProstateDx-01-0001/...        and ProstateDx-01-0001.nrrd

    Which DICOM file belongs to which slice of a mask is told by where they lie in the patient.
    Series without a mask are left out. Nothing is downloaded.

    Parameters
    ----------
    folder : str or path-like
        The folder that holds the files.
    slices : {"all", "foreground"}, default="all"
        Which slices: all, as they come from the scanner, or those whose mask shows prostate. The
        second knows from the labels what is to be selected without them, as `DESCR` then says.

    Returns
    -------
    Bunch
        With `DESCR`, `sites` (those that are there, of RUNMC and BMC) and an attribute per site,
        each a Bunch as `load_promise12` returns, of

        images : list of Path
            DICOM files, patient by patient, from foot to head.
        masks : list of lazy array
            One per slice: 1 in the prostate, either zone, 0 elsewhere.

        and `ids`, `groups`, `slices`, `spacing`, `site`, `n_without_prostate`.

    Raises
    ------
    FileNotFoundError
        There is no mask, or no DICOM file of the patient of one.
    ValueError
        `slices` is unknown, two masks are of one patient, or a series and its mask differ in
        size, in the number of slices or in place, or it is not axial.
    MissingExtraError
        pydicom, pynrrd or nibabel is not installed (extra "medical").
    ImageReadError
        A header cannot be read; when an item is read: it cannot be decoded, or a mask has values
        other than 0, 1 and 2.

    See Also
    --------
    load_prostate : Six sites, these among them, in one form.

    References
    ----------
    .. [1] N. Bloch et al., 2015. :doi:`10.7937/K9/TCIA.2015.zF0vlOPv`

    Examples
    --------
    >>> from skxssr.datasets import load_nci_isbi
    >>> data = load_nci_isbi("data/nci_isbi")  # doctest: +SKIP
    >>> data.sites, data.BMC.ids[0]  # doctest: +SKIP
    (('RUNMC', 'BMC'), 'ProstateDx-01-0001_00')
    """
    check_slices(slices)
    root = Path(folder)
    masks: dict[str, Path] = {}
    series: dict[str, list[Path]] = {}
    for path in _files(root):
        name = _CASE.fullmatch(path.stem)
        if name and path.suffix.lower() == ".nrrd":
            _put(masks, name[1], path)
            continue
        owner = next((part for part in path.parts if _CASE.fullmatch(part)), None)
        if owner is not None and is_dicom(path):
            series.setdefault(owner, []).append(path)
    if not masks:
        raise not_found("mask", root, _NRRD_LAYOUT)
    without = [case for case in sorted(masks) if case not in series]
    if without:
        raise not_found(f"DICOM file of {', '.join(without[:5])}", root, _NRRD_LAYOUT)
    of_site: dict[str, list[_Case]] = {}
    for case in sorted(masks):
        kind = _CASE.fullmatch(case)
        assert kind is not None
        of_site.setdefault(_SITES[kind[2].lower()], []).append(
            _paired(case, series[case], masks[case])
        )
    sites = tuple(site for site in _SITES.values() if site in of_site)
    data = Bunch(DESCR=_NCI_ISBI.format(slices=WHICH[slices]), sites=sites)
    for site in sites:
        data[site] = Bunch(**_slices_of(of_site[site], site, _TWO_ZONES, slices))
    return data


def _paired(case: str, files: list[Path], mask: Path) -> _Case:
    """The series of a patient and the slices of its mask, which lie in the same places."""
    images, labels = list_slices(files), list_slices([mask], keep_empty=True)
    grid = open_volume(mask, voxels=False)
    columns, rows, depth = grid.shape
    if len(images) != depth:
        raise ValueError(
            f"{mask} has {depth} slices but the {len(images)} DICOM files of {case} are not as "
            "many: keep one T2-weighted series a patient, whole"
        )
    where = place_in_patient(images[0])
    if where is None or np.abs(where.axes - np.eye(3)[:2]).max() > 0.7:
        raise ValueError(
            f"{images[0]} is no axial slice with the patient's front on top, by its tags: the mask "
            f"{mask} cannot be laid on it"
        )
    size = np.linalg.norm(grid.affine[:3, :3], axis=0)
    corner = (grid.affine @ [columns - 1, rows - 1, 0, 1])[:3] * [-1, -1, 1]  # to the left, back
    if (where.rows, where.columns) != (rows, columns) or (
        np.linalg.norm(corner - where.position) > size.max()
    ):
        raise ValueError(
            f"{mask} and {images[0]} are of different places or sizes: {rows} x {columns} pixels "
            f"from {corner.round(1).tolist()} mm there, {where.rows} x {where.columns} from "
            f"{where.position.round(1).tolist()} here; is it the mask of another series?"
        )
    return _Case(case, images, labels)


def _slices_of(
    cases: Iterable[_Case], site: str, codes: tuple[tuple[int, int], ...], slices: str
) -> dict[str, object]:
    rows: list[tuple[str, int]] = []
    images, masks, spacing, n_empty = [], [], [], 0
    for case in cases:
        size = pixel_spacing(case.images[0])
        for number, (image, path) in enumerate(zip(case.images, case.masks, strict=True)):
            mask = Recoded(path, codes)
            if slices == "foreground" and not mask.read().any():
                n_empty += 1
                continue
            rows.append((case.name, number))
            images.append(image)
            masks.append(mask)
            spacing.append((np.nan, np.nan) if size is None else size)
    if not rows:
        raise ValueError(f"no slice of {site} shows prostate: all masks are empty")
    return {
        "images": images,
        "masks": masks,
        "ids": [f"{case}_{number:02d}" for case, number in rows],
        "groups": np.array([case for case, _ in rows]),
        "slices": np.array([number for _, number in rows], dtype=np.int64),
        "spacing": np.array(spacing, dtype=np.float64),
        "site": site,
        "n_without_prostate": n_empty if slices == "foreground" else None,
    }


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else []


def _put(found: dict[str, Path], case: str, path: Path) -> None:
    if case in found:
        raise ValueError(
            f"{found[case]} and {path} are both {case}: which one to read cannot be told; move one "
            "away"
        )
    found[case] = path
