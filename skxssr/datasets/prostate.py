"""Find the multi-site prostate MRI volumes on disk.

A volume is decoded when one of its slices is asked for; the last few are kept.
"""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skxssr._utils.optional import import_optional
from skxssr.datasets._layout import WHICH, LazyArray, check_slices, not_found
from skxssr.exceptions import ImageReadError

__all__ = ["load_prostate"]

_DESCR = """Prostate in T2-weighted MRI of six sites
========================================
116 axial volumes, prepared by Liu et al. from three public sources, with the whole prostate as one
class (two zones, where they were outlined, are merged).

RUNMC, BMC: 30 volumes each, NCI-ISBI 2013 challenge (3 T, and 1.5 T with endorectal coil)
I2CVB: 19 volumes, Initiative for Collaborative Computer Vision Benchmarking
UCL, BIDMC, HK: 13, 12 and 12 volumes, PROMISE12 challenge (BIDMC with endorectal coil)

{slices}
A patient is a stack of neighbouring slices: split, select and score by patient (`groups`).
Intensities are cut at the 1st and the 99th percentile of each volume and scaled to [0, 1].

https://liuquande.github.io/SAML/
The terms of the sources apply: NCI-ISBI 2013 at The Cancer Imaging Archive, I2CVB and PROMISE12.

Cite
- Q. Liu, Q. Dou and P.-A. Heng, "Shape-aware meta-learning for generalizing prostate MRI
  segmentation to unseen domains", MICCAI 2020. doi:10.1007/978-3-030-59713-9_46
- Q. Liu et al., "MS-Net: multi-site network for improving prostate segmentation with heterogeneous
  MRI data", IEEE Transactions on Medical Imaging 39(9), 2020. doi:10.1109/TMI.2020.2974574
- N. Bloch et al., "NCI-ISBI 2013 challenge: automated segmentation of prostate structures", The
  Cancer Imaging Archive, 2015. doi:10.7937/K9/TCIA.2015.zF0vlOPv
- G. Lemaitre et al., "Computer-aided detection and diagnosis for prostate cancer based on mono and
  multi-parametric MRI: a review", Computers in Biology and Medicine 60, 2015.
  doi:10.1016/j.compbiomed.2015.02.009
- G. Litjens et al., "Evaluation of prostate segmentation algorithms for MRI: the PROMISE12
  challenge", Medical Image Analysis 18(2), 2014. doi:10.1016/j.media.2013.12.002
"""

_SITES = ("RUNMC", "BMC", "I2CVB", "UCL", "BIDMC", "HK")
_NAME = re.compile(r"(case\d+)(_segmentation)?\.nii(\.gz)?", re.IGNORECASE)
_CALLER = "reading NIfTI volumes"

_LAYOUT = """the layout looked for is
  {root}/<site>/CaseXX.nii.gz, with CaseXX_segmentation.nii.gz (or _Segmentation) beside it,
  for the sites RUNMC, BMC, I2CVB, UCL, BIDMC and HK"""


def load_prostate(folder: str | os.PathLike, *, slices: str = "all") -> Bunch:
    """Axial slices of prostate MRI volumes from six sites, with patients as groups.

    The layout is the published one [1]_::

        <folder>/RUNMC/Case00.nii.gz
        <folder>/RUNMC/Case00_segmentation.nii.gz    at BMC: Case00_Segmentation.nii.gz
        <folder>/BMC/...                             and I2CVB, UCL, BIDMC, HK

    Nothing is downloaded. Only headers are read, and the masks with `slices="foreground"`.

    Parameters
    ----------
    folder : str or path-like
        The folder that holds the six sites.
    slices : {"all", "foreground"}, default="all"
        Which slices: all, as they come from the scanner, or those whose mask shows prostate. The
        second is the habit of many papers, but knows from the labels what is to be selected
        without them: results with it must say so, as `DESCR` then does.

    Returns
    -------
    Bunch
        With `DESCR` (origin, terms, what to cite), `sites` (the names of the six) and an attribute
        per site, such as `RUNMC`, each a Bunch of

        images : list of lazy array
            The n slices, volume by volume, from the first slice of each to the last; for
            `skxssr.io.Images`. float32 in [0, 1].
        masks : list of lazy array
            One per slice, for `skxssr.io.Masks`: 1 in the prostate, 0 elsewhere.
        ids : list of str
            Such as `"RUNMC_Case00_07"`.
        groups : ndarray of shape (n,), dtype str
            The patient, such as `"RUNMC_Case00"`.
        slices : ndarray of shape (n,), dtype int64
            The number of the slice in its volume, from 0.
        spacing : ndarray of shape (n, 2), dtype float64
            Distance between rows and between columns, in mm, from the header.
        site : str
            As the attribute is called.
        n_without_prostate : int or None
            Slices left out because their mask is empty; None with `slices="all"`, where no mask was
            opened.

    Raises
    ------
    FileNotFoundError
        A site is missing in `folder`, or empty; the message lists where was looked.
    ValueError
        `slices` is unknown, a volume lacks its mask or a mask its volume, or the two differ in
        shape.
    MissingExtraError
        nibabel is not installed (extra "volumes").
    ImageReadError
        A file is not a NIfTI volume of three dimensions; when an item is read: it cannot be
        decoded, intensities are not finite, or a mask has values other than 0, 1 and 2.

    See Also
    --------
    load_lgg_mri : Slices already drawn from their volumes, without this extra.

    Notes
    -----
    Rows are the second axis of the file and columns the first, so that slices look upright as
    scanners store them; nothing is flipped or resampled. The four volumes read last are kept, some
    60 MB a process: reading slices in order decodes each volume once, in random order nearly each
    time (a tenth of a second). To train on them, put them into one array first.

    Labels 1 and 2 (peripheral zone and central gland, outlined at some sites) become 1.

    Cite [2]_ and [3]_, and the sources: `DESCR` names them, [4]_ is that of three sites.

    References
    ----------
    .. [1] https://liuquande.github.io/SAML/
    .. [2] Q. Liu, Q. Dou and P.-A. Heng, 2020. :doi:`10.1007/978-3-030-59713-9_46`
    .. [3] Q. Liu et al., 2020. :doi:`10.1109/TMI.2020.2974574`
    .. [4] G. Litjens et al., 2014. :doi:`10.1016/j.media.2013.12.002`

    Examples
    --------
    >>> from skxssr.datasets import load_prostate
    >>> data = load_prostate("data/prostate")  # doctest: +SKIP
    >>> [len(set(data[site].groups)) for site in data.sites]  # doctest: +SKIP
    [30, 30, 19, 13, 12, 12]
    """
    check_slices(slices)
    root = Path(folder)
    missing = [site for site in _SITES if not (root / site).is_dir()]
    if missing:
        raise not_found(f"prostate site {', '.join(missing)}", root, _LAYOUT)
    data = Bunch(sites=_SITES, DESCR=_DESCR.format(slices=WHICH[slices]))
    for site in _SITES:
        volumes = _volumes(root / site)
        if not volumes:
            raise not_found(f"volume of prostate site {site}", root, _LAYOUT)
        data[site] = _site(volumes, site, slices)
    return data


def _volumes(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Volume and mask of each case, sorted by name."""
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = _NAME.fullmatch(path.name)
        if name:
            kind = masks if name[2] else images
            case = name[1].capitalize()
            if case in kind:
                raise ValueError(
                    f"{kind[case]} and {path} are both {case}: which one to read cannot be told; "
                    "move one away"
                )
            kind[case] = path
    for ours, theirs, what in ((images, masks, "mask"), (masks, images, "volume")):
        alone = [path for case, path in ours.items() if case not in theirs]
        if alone:
            raise ValueError(
                f"{len(alone)} of {len(ours)} files in {folder} have no {what}, such as "
                f"{alone[0].name}: CaseXX.nii.gz and CaseXX_segmentation.nii.gz belong together; "
                "complete them, or move these files away"
            )
    return {case: (images[case], masks[case]) for case in sorted(images)}


def _site(volumes: dict[str, tuple[Path, Path]], site: str, slices: str) -> Bunch:
    rows: list[tuple[str, int]] = []
    images, masks, spacing = [], [], []
    n_empty = 0
    for case, (image, mask) in volumes.items():
        header = _open(image)
        if _open(mask).shape != header.shape:
            raise ValueError(
                f"{mask} has shape {_open(mask).shape} but {image} has {header.shape}: a mask must "
                "have the shape of its volume"
            )
        kept = np.arange(header.shape[2])
        if slices == "foreground":
            kept = np.flatnonzero(_labels(mask).any(axis=(1, 2)))
            n_empty += header.shape[2] - len(kept)
        width, height = header.header.get_zooms()[:2]
        for number in kept.tolist():
            rows.append((case, number))
            images.append(_Slice(image, number))
            masks.append(_MaskSlice(mask, number))
            spacing.append((height, width))
    if not rows:
        raise ValueError(f"no slice of site {site} shows prostate: all its masks are empty")
    return Bunch(
        images=images,
        masks=masks,
        ids=[f"{site}_{case}_{number:02d}" for case, number in rows],
        groups=np.array([f"{site}_{case}" for case, _ in rows]),
        slices=np.array([number for _, number in rows], dtype=np.int64),
        spacing=np.array(spacing, dtype=np.float64),
        site=site,
        n_without_prostate=n_empty if slices == "foreground" else None,
    )


@dataclass(frozen=True)
class _Slice(LazyArray):
    """An axial slice of a volume, scaled with it."""

    path: Path
    number: int

    def read(self) -> np.ndarray:
        return _scaled(self.path)[self.number]


@dataclass(frozen=True)
class _MaskSlice(LazyArray):
    """An axial slice of a mask."""

    path: Path
    number: int

    def read(self) -> np.ndarray:
        return _labels(self.path)[self.number]


def _open(path: Path) -> Any:
    """The volume with its header read, as a nibabel image of three dimensions."""
    nibabel = import_optional("nibabel", extra="volumes", caller=_CALLER)
    try:
        volume = nibabel.load(path)
    except Exception as error:  # nibabel meets broken bytes with several kinds of exception
        raise ImageReadError(f"cannot read volume {path}: {error}") from error
    if len(volume.shape) != 3 or 0 in volume.shape:
        raise ImageReadError(
            f"cannot read volume {path}: it has shape {volume.shape}, and a volume has three "
            "dimensions, none of them empty"
        )
    return volume


def _decode(path: Path) -> np.ndarray:
    """The values as float32, of shape (slices, rows, columns)."""
    volume = _open(path)
    try:
        values = volume.get_fdata(dtype=np.float32, caching="unchanged")
    except Exception as error:
        raise ImageReadError(f"cannot read volume {path}: {error}") from error
    if not np.isfinite(values).all():
        raise ImageReadError(f"cannot read volume {path}: it has values that are not finite")
    return np.ascontiguousarray(values.transpose(2, 1, 0))


@lru_cache(maxsize=4)
def _scaled(path: Path) -> np.ndarray:
    values = _decode(path)
    low, high = np.percentile(values, [1, 99]).astype(np.float32)
    # a volume of one value has no contrast to scale
    values = (np.clip(values, low, high) - low) / (high - low if high > low else np.float32(1))
    values.flags.writeable = False
    return values


@lru_cache(maxsize=4)
def _labels(path: Path) -> np.ndarray:
    values = _decode(path)
    odd = np.setdiff1d(values, [0, 1, 2])
    if len(odd):
        raise ImageReadError(
            f"cannot read mask {path}: its values must be among [0, 1, 2]. Got also "
            f"{odd[:5].tolist()}; the published files have none of these (was it resampled with "
            "interpolation?)"
        )
    labels = (values > 0).astype(np.uint8)
    labels.flags.writeable = False
    return labels
