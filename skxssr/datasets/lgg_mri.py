"""Find the brain MRI slices of lower-grade glioma on disk.

Slices are decoded when asked for; only the masks of the published layout are opened beforehand, to
know which hold a tumour.
"""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skxssr.datasets._layout import Channel, Recoded, not_found
from skxssr.io import list_images, pair_images_and_masks, read_mask

__all__ = ["load_lgg_mri"]

_DESCR = """FLAIR slices of brains with lower-grade glioma, with masks of the abnormality
============================================================================
Magnetic resonance images of The Cancer Genome Atlas (TCGA-LGG) from four of its institutions,
coded DU, HT, FG and CS in the patients' barcodes; 256 x 256 pixels, FLAIR sequence. The fifth, EZ,
has one patient and is left out. Masks of the FLAIR abnormality by Buda et al.

Slices were kept by their masks: only those that hold a tumour. Every result on them is therefore
conditional on a lesion being present, and choosing the slices already used the labels: it says
nothing about healthy slices, on which a model may find what is not there. A patient is a run of
near-identical neighbouring slices: split, select and score by patient (`groups`).

Masks and files: listed as CC BY-NC-SA 4.0.
https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation
Images: The Cancer Imaging Archive, collection TCGA-LGG, under its data usage policy.
https://www.cancerimagingarchive.net/collection/tcga-lgg/

Attribute TCIA and TCGA (https://www.cancer.gov/tcga), and cite
- M. Buda, A. Saha and M. A. Mazurowski, "Association of genomic subtypes of lower-grade gliomas
  with shape features automatically extracted by a deep learning algorithm", Computers in Biology
  and Medicine 109, 2019. doi:10.1016/j.compbiomed.2019.05.002
"""

_SITES = ("DU", "HT", "FG", "CS")
_ID = re.compile(r"TCGA_([A-Z0-9]{2})_([A-Z0-9]+)_(\d{8})_(\d+)")
_FLAIR = 1  # of the channels pre-contrast, FLAIR, post-contrast
_TUMOUR = ((0, 0), (1, 1), (255, 1))

_LAYOUTS = """the layouts looked for are
  prepared:  {root}/<site>/images and masks beside it, for the sites DU, HT, FG and CS
  published: {root}/kaggle_3m/TCGA_<site>_<patient>_<date>/ or the same directly in {root}, with
             files <id>.tif and <id>_mask.tif"""


def load_lgg_mri(folder: str | os.PathLike) -> Bunch:
    """Tumour slices of brain MRI from four institutions, with patients as groups.

    The files may lie as published or prepared, one site a folder::

        <folder>/DU/images/TCGA_DU_<patient>_<date>_<slice>.png    prepared: gray, FLAIR
        <folder>/DU/masks/TCGA_DU_<patient>_<date>_<slice>.png     0 and 1
        <folder>/HT/...                                            and FG, CS

        <folder>/kaggle_3m/TCGA_DU_<patient>_<date>/<id>.tif       published: three sequences
        <folder>/kaggle_3m/TCGA_DU_<patient>_<date>/<id>_mask.tif  0 and 255

    Nothing is downloaded; get the files from Kaggle [1]_. No image is decoded. From the published
    layout FLAIR is read, the second channel, and the slices without tumour are left out, for which
    the masks of all 3,929 slices are opened once (some seconds).

    Parameters
    ----------
    folder : str or path-like
        The folder that holds the sites, or the published `kaggle_3m`, or its parent.

    Returns
    -------
    Bunch
        With `DESCR` (origin, terms, what to cite), `sites` (the names of the four) and attributes
        `DU`, `HT`, `FG` and `CS`, each a Bunch of

        images : list of Path or lazy array
            The n slices by patient, date and number; for `skxssr.io.Images`.
        masks : list of lazy array
            One per slice, for `skxssr.io.Masks`: 1 in the FLAIR abnormality, 0 elsewhere.
        ids : list of str
            Such as `"TCGA_DU_5849_19950405_20"`.
        groups : ndarray of shape (n,), dtype str
            The patient, such as `"TCGA_DU_5849"`.
        slices : ndarray of shape (n,), dtype int64
            The number of the slice in its examination, ascending.
        site : str
            As the attribute is called.
        n_without_tumour : int
            Slices left out because their mask is empty; 0 in the prepared layout, which has none.

    Raises
    ------
    FileNotFoundError
        A site is missing in `folder`; the message lists where was looked.
    ValueError
        Images and masks do not pair, a name is not of the form above, or lies in another site's
        folder.
    MissingExtraError
        The masks of the published layout are to be opened and Pillow is not installed.
    ImageReadError
        One of those masks cannot be decoded. Also when an item is read: its file cannot be decoded,
        or a mask has values other than 0, 1 and 255.

    See Also
    --------
    load_prostate : Whole volumes from six sites, with healthy slices.
    load_chest_xray : Two hospitals, one film a patient.

    Notes
    -----
    Slices were kept by their masks, so whatever is measured is conditional on a lesion being
    present. Masks are CC BY-NC-SA 4.0 [1]_; cite [2]_.

    References
    ----------
    .. [1] https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation
    .. [2] M. Buda et al., 2019. :doi:`10.1016/j.compbiomed.2019.05.002`

    Examples
    --------
    >>> from skxssr.datasets import load_lgg_mri
    >>> data = load_lgg_mri("data/lgg_mri")  # doctest: +SKIP
    >>> len(data.HT.images), len(set(data.HT.groups))  # doctest: +SKIP
    (404, 34)
    """
    root = Path(folder)
    for base in (root / "kaggle_3m", root):
        if any(base.glob("TCGA_*_*_*/")):
            return Bunch(**_published(base, root), sites=_SITES, DESCR=_DESCR)
    missing = [site for site in _SITES if not (root / site / "images").is_dir()]
    if missing:
        raise not_found(f"LGG MRI site {', '.join(missing)}", root, _LAYOUTS)
    parts = {site: _prepared(root / site, site) for site in _SITES}
    return Bunch(**parts, sites=_SITES, DESCR=_DESCR)


def _prepared(folder: Path, site: str) -> Bunch:
    pairs = pair_images_and_masks(folder / "images", folder / "masks")
    return _bunch({image.stem: (image, mask) for image, mask in pairs}, site)


def _published(base: Path, root: Path) -> dict[str, Bunch]:
    found: dict[str, dict[str, tuple[Path, Path]]] = {site: {} for site in _SITES}
    n_empty = dict.fromkeys(_SITES, 0)
    for patient in sorted(path for path in base.glob("TCGA_*_*_*") if path.is_dir()):
        site = patient.name.split("_")[1]
        if site not in found:
            continue
        for name, (image, mask) in _published_pairs(patient).items():
            if read_mask(mask).any():
                found[site][name] = (image, mask)
            else:
                n_empty[site] += 1
    missing = [site for site in _SITES if not found[site]]
    if missing:
        raise not_found(f"LGG MRI site {', '.join(missing)}", root, _LAYOUTS)
    return {site: _bunch(found[site], site, n_empty[site], channel=_FLAIR) for site in _SITES}


def _published_pairs(patient: Path) -> dict[str, tuple[Path, Path]]:
    """Image and mask of each slice of a patient's folder, which holds both."""
    files = {path.stem: path for path in list_images(patient)}
    images = [name for name in files if not name.endswith("_mask")]
    alone = [files[name] for name in images if f"{name}_mask" not in files]
    alone += [files[name] for name in files if name.endswith("_mask") and name[:-5] not in files]
    if alone:
        raise ValueError(
            f"{len(alone)} files in {patient} have no partner, such as {alone[0].name}: a slice is "
            "<id>.tif and <id>_mask.tif; unpack the archive again, or move these files away"
        )
    return {name: (files[name], files[f"{name}_mask"]) for name in images}


def _bunch(
    pairs: dict[str, tuple[Path, Path]],
    site: str,
    n_without_tumour: int = 0,
    channel: int | None = None,
) -> Bunch:
    keys: dict[str, tuple[str, str, int]] = {}  # patient, date, slice
    for name in pairs:
        parts = _ID.fullmatch(name)
        if parts is None or parts[1] != site:
            raise ValueError(
                f"{pairs[name][0]} is not a slice of site {site}: names must be "
                f"TCGA_{site}_<patient>_<date>_<slice>, from which patient and slice are read; "
                "move other files away"
            )
        keys[name] = (f"TCGA_{site}_{parts[2]}", parts[3], int(parts[4]))
    ids = sorted(pairs, key=keys.__getitem__)  # slice 10 comes after slice 9
    images: list[Any] = [pairs[name][0] for name in ids]
    if channel is not None:
        images = [Channel(path, channel) for path in images]
    return Bunch(
        images=images,
        masks=[Recoded(pairs[name][1], _TUMOUR) for name in ids],
        ids=ids,
        groups=np.array([keys[name][0] for name in ids]),
        slices=np.array([keys[name][2] for name in ids], dtype=np.int64),
        site=site,
        n_without_tumour=n_without_tumour,
    )
