"""Find the RIGA+ photographs of the optic nerve on disk.

Only the lists (csv) are opened; photographs and masks are decoded when asked for.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from sklearn.utils import Bunch

from skxssr.datasets._layout import Recoded, check_files, not_found
from skxssr.exceptions import ImageReadError

__all__ = ["load_riga_plus"]

_DESCR = """RIGA+: optic disc and cup in fundus photographs of five domains
================================================================
Crops of 800 x 800 pixels around the optic nerve head. BinRushed (195) and Magrabia (95): two eye
centres in Saudi Arabia; MESSIDOR_Base1, Base2 and Base3: three departments in France. 744 have the
optic disc and cup outlined by six ophthalmologists, each of whom is a reader here; further
photographs of the MESSIDOR domains have no outlines (`unlabeled`). No patient is identified, so
there are no groups: both eyes of a person may be among them.

Repackaged from RIGA by Hu et al.: https://zenodo.org/record/6325549 (RIGAPlus.zip, 1.08 GB).
The record says CC BY 4.0, RIGA itself CC BY-NC 4.0 (https://doi.org/10.7302/Z23R0R29): take the
stricter. The MESSIDOR photographs are also under the terms of https://www.adcis.net.

Cite
- S. Hu, Z. Liao and Y. Xia, "Domain specific convolution and high frequency reconstruction based
  unsupervised domain adaptation for medical image segmentation", MICCAI 2022.
  doi:10.1007/978-3-031-16449-1_62
- A. Almazroa et al., "Retinal fundus images for glaucoma analysis: the RIGA dataset", SPIE Medical
  Imaging 2018. doi:10.1117/12.2293584
- E. Decenciere et al., "Feedback on a publicly distributed image database: the Messidor database",
  Image Analysis & Stereology 33(3), 2014. doi:10.5566/ias.1155
"""

_DOMAINS = ("BinRushed", "Magrabia", "MESSIDOR_Base1", "MESSIDOR_Base2", "MESSIDOR_Base3")
_N_READERS = 6
_BACKGROUND, _CUP, _RIM = 0, 128, 255
_CODES = {
    "disc": ((_BACKGROUND, 0), (_RIM, 1), (_CUP, 1)),
    "cup": ((_BACKGROUND, 0), (_RIM, 0), (_CUP, 1)),
    "both": ((_BACKGROUND, 0), (_RIM, 1), (_CUP, 2)),
}
_CLASSES = {
    "disc": {"background": 0, "disc": 1},
    "cup": {"background": 0, "cup": 1},
    "both": {"background": 0, "rim": 1, "cup": 2},
}

_LAYOUT = """the layout looked for is that of RIGAPlus.zip:
  {root}/<domain>_train.csv and <domain>_test.csv, with columns image and mask
  {root}/RIGA/<domain>/.../<name>.tif and {root}/RIGA-mask/<domain>/.../<name>-<reader>.tif
  for the domains BinRushed, Magrabia, MESSIDOR_Base1, MESSIDOR_Base2 and MESSIDOR_Base3"""


def load_riga_plus(folder: str | os.PathLike, structure: str = "disc", *, reader: int = 1) -> Bunch:
    """Optic disc and cup in fundus photographs from five domains.

    The layout is that of the published archive [1]_, unpacked::

        <folder>/BinRushed_train.csv, BinRushed_test.csv    columns image, mask; the other domains
        <folder>/MESSIDOR_Base1_unlabeled.csv               column image; optional
        <folder>/RIGA/BinRushed/BinRushed1/image1.tif
        <folder>/RIGA-mask/BinRushed/BinRushed1/image1-1.tif    to -6.tif: one mask per reader

    Nothing is downloaded and no photograph is opened.

    Parameters
    ----------
    folder : str or path-like
        The folder that holds the csv files.
    structure : {"disc", "cup", "both"}, default="disc"
        What the masks show. "disc" is the whole optic disc, cup included, as is usual; "both" tells
        the rim (1) from the cup (2), so that the disc is where the mask is above 0.
    reader : int, default=1
        Whose outlines, 1 to 6. Published results use the first reader.

    Returns
    -------
    Bunch
        With `DESCR` (origin, terms, what to cite), `sites` (the names of the five domains) and an
        attribute per domain, such as `BinRushed` and `MESSIDOR_Base1`, each a Bunch of

        images : list of Path
            The n labelled photographs, training before test, in the order of the csv files; for
            `skxssr.io.Images`.
        masks : list of lazy array
            One per photograph, for `skxssr.io.Masks`; labels as in `classes`.
        ids : list of str
            Such as `"BinRushed/BinRushed1/image1"`.
        groups : None
            Patients are not published.
        split : dict of str to ndarray
            Indices of the "train" and "test" photographs.
        unlabeled : list of Path
            Photographs of the domain that nobody outlined; empty without a list of them.
        classes : dict of str to int
            What the mask values mean.
        site : str
            The domain.

    Raises
    ------
    FileNotFoundError
        A csv file, or a photograph or mask that one lists, is missing; the message says which.
    ValueError
        `structure` or `reader` is unknown, a csv file lacks its columns or rows, or lists a
        photograph twice.
    ImageReadError
        When a mask is read: it cannot be decoded, or its values are not coded as below.

    See Also
    --------
    load_chest_xray : Two hospitals, gray films.

    Notes
    -----
    In the files background is 0, the rim 255 and the cup within it 128. Other collections of
    the same photographs are coded otherwise (0 the cup, 255 the background, as in REFUGE); a mask
    with a background of 255, or with 255 enclosed by 128, is refused rather than misread.

    The archive's SHA-256, as recorded by the library torch-em:
    ``f9fa96df2faa70852ccd4c73d0e79ed6eb258b5a37e72292f5efa3f81f195d20``. RIGA is CC BY-NC 4.0
    [3]_; cite [2]_ and [3]_.

    References
    ----------
    .. [1] https://zenodo.org/record/6325549
    .. [2] S. Hu, Z. Liao and Y. Xia, 2022. :doi:`10.1007/978-3-031-16449-1_62`
    .. [3] A. Almazroa et al., 2018. :doi:`10.1117/12.2293584`

    Examples
    --------
    >>> from skxssr.datasets import load_riga_plus
    >>> data = load_riga_plus("data/RIGAPlus", "cup")  # doctest: +SKIP
    >>> len(data.BinRushed.images), data.BinRushed.classes  # doctest: +SKIP
    (195, {'background': 0, 'cup': 1})
    """
    if structure not in _CODES:
        raise ValueError(f"structure must be one of {sorted(_CODES)}. Got {structure!r} instead.")
    if isinstance(reader, bool) or reader not in range(1, _N_READERS + 1):
        raise ValueError(f"reader must be an int from 1 to {_N_READERS}. Got {reader!r} instead.")
    root = Path(folder)
    lists = [f"{domain}_{part}.csv" for domain in _DOMAINS for part in ("train", "test")]
    missing = [name for name in lists if not (root / name).is_file()]
    if missing:
        raise not_found(", ".join(missing), root, _LAYOUT)
    data = Bunch(sites=_DOMAINS, DESCR=_DESCR)
    for domain in _DOMAINS:
        data[domain] = _domain(root, domain, structure, reader)
    return data


def _domain(root: Path, domain: str, structure: str, reader: int) -> Bunch:
    parts = {
        part: _rows(root / f"{domain}_{part}.csv", ("image", "mask")) for part in ("train", "test")
    }
    rows = parts["train"] + parts["test"]
    names = [image for image, _ in rows]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"{domain}_train.csv and {domain}_test.csv list {len(names) - len(set(names))} "
            f"photographs more than once, such as {twice}: one is for training or for testing"
        )
    images = [root / image for image in names]
    masks = [_mask_path(root, image, mask, reader) for image, mask in rows]
    others = root / f"{domain}_unlabeled.csv"
    unlabeled = [root / image for (image,) in _rows(others, ("image",))] if others.is_file() else []
    check_files(
        [*images, *masks, *unlabeled],
        f"{root / domain}_*.csv",
        "unpack RIGAPlus.zip whole, and keep RIGA and RIGA-mask beside the csv files",
    )
    n_train = len(parts["train"])
    return Bunch(
        images=images,
        masks=[_DiscAndCup(path, _CODES[structure]) for path in masks],
        ids=[_id(image) for image in names],
        groups=None,
        split={"train": np.arange(n_train), "test": np.arange(n_train, len(rows))},
        unlabeled=unlabeled,
        classes=dict(_CLASSES[structure]),
        site=domain,
    )


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The named columns of a csv file, as paths with forward slashes."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        absent = [name for name in columns if name not in (table.fieldnames or [])]
        if absent:
            raise ValueError(
                f"{path} lacks the column {absent[0]!r}: its first line must name the columns "
                f"{', '.join(columns)}. Got {table.fieldnames} instead."
            )
        rows = [
            tuple((row[name] or "").strip().replace("\\", "/") for name in columns) for row in table
        ]
    if not rows or not all(all(row) for row in rows):
        raise ValueError(f"{path} must list at least one file, and leave no cell of it empty")
    return rows


def _mask_path(root: Path, image: str, mask: str, reader: int) -> Path:
    """The published lists name masks like their photographs, without the reader's number."""
    listed = PurePosixPath(mask)
    return root / listed.with_name(f"{PurePosixPath(image).stem}-{reader}{listed.suffix}")


def _id(image: str) -> str:
    return PurePosixPath(image).with_suffix("").as_posix().removeprefix("RIGA/")


@dataclass(frozen=True)
class _DiscAndCup(Recoded):
    """A RIGA+ mask; refuses the codings of other collections, which would swap the classes."""

    def check(self, stored: np.ndarray) -> None:
        super().check(stored)
        frame = np.concatenate([stored[0], stored[-1], stored[:, 0], stored[:, -1]])
        # a disc may be cut by one side of the crop, never by most of its frame
        odd_frame = (frame != _BACKGROUND).mean() > 0.5
        if odd_frame or _encloses(stored == _CUP, stored == _RIM):
            raise ImageReadError(
                f"cannot read mask {self.path}: in RIGA+ the background is {_BACKGROUND} and a rim "
                f"of {_RIM} surrounds the cup of {_CUP}, which this mask contradicts. Is it from "
                "another collection?"
            )


def _encloses(outer: np.ndarray, inner: np.ndarray) -> bool:
    """Whether the outer region reaches further than the inner one on all four sides."""
    if not (outer.any() and inner.any()):
        return False
    (top, bottom, left, right), (top_in, bottom_in, left_in, right_in) = _box(outer), _box(inner)
    return top < top_in and bottom > bottom_in and left < left_in and right > right_in


def _box(region: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return rows[0], rows[-1], columns[0], columns[-1]
