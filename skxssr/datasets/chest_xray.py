"""Find the Montgomery and Shenzhen chest X-rays on disk.

Only paths are collected; `skxssr.io.Images` and `Masks` read the files when asked.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skxssr.datasets._layout import not_found
from skxssr.io import list_images, pair_images_and_masks

__all__ = ["load_chest_xray"]

_DESCR = """Chest X-rays of Montgomery County and Shenzhen, with lung masks
===============================================================
montgomery: 138 frontal films (80 normal, 58 with tuberculosis) of the Department of Health and
Human Services, Montgomery County, Maryland, USA; masks of the left and the right lung.
shenzhen: 662 frontal films of Shenzhen No.3 People's Hospital, Guangdong, China; lung masks of 566
of them by Stirenko et al.

Films and Montgomery masks: U.S. National Library of Medicine (NLM), National Institutes of Health;
public and de-identified. https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/index.html
Shenzhen masks: CC BY-NC-SA 4.0.
https://www.kaggle.com/datasets/yoctoman/shcxr-lung-mask

Attribute NLM, NIH, Montgomery County DHHS and Shenzhen No.3 People's Hospital, and cite
- S. Jaeger et al., "Automatic tuberculosis screening using chest radiographs", IEEE Transactions on
  Medical Imaging 33(2), 2014. doi:10.1109/TMI.2013.2284099
- S. Candemir et al., "Lung segmentation in chest radiographs using anatomical atlases with nonrigid
  registration", IEEE Transactions on Medical Imaging 33(2), 2014. doi:10.1109/TMI.2013.2290491
- S. Stirenko et al., "Chest X-ray analysis of tuberculosis by deep learning with segmentation and
  augmentation", 2018. arXiv:1803.01199 (Shenzhen masks)
"""

_LAYOUTS = """the layouts looked for are
  prepared:  {root}/montgomery/images and masks beside it; the same for shenzhen
  published: {root}/MontgomerySet/CXR_png,
             with ManualMask/leftMask and ManualMask/rightMask beside it
             {root}/ChinaSet_AllFiles/CXR_png or {root}/CXR_png, with <id>_mask.png files in
             {root}/mask or {root}/ChinaSet_AllFiles/mask"""

_Masks = Sequence[Path | tuple[Path, Path]]


def load_chest_xray(root: str | os.PathLike) -> Bunch:
    """The Montgomery (source) and Shenzhen (target) chest X-rays, as paths with ids and classes.

    Each set may lie in its published layout or in the prepared one::

        <root>/montgomery/images/<id>.png            prepared; split/*.txt are optional
        <root>/montgomery/masks/<id>.png
        <root>/montgomery/split/{train,test}.txt     one id per line
        <root>/shenzhen/...                          the same

        <root>/MontgomerySet/CXR_png/<id>.png        published
        <root>/MontgomerySet/ManualMask/leftMask/<id>.png
        <root>/MontgomerySet/ManualMask/rightMask/<id>.png
        <root>/ChinaSet_AllFiles/CXR_png/<id>.png    or <root>/CXR_png
        <root>/mask/<id>_mask.png                    or <root>/ChinaSet_AllFiles/mask

    No file is opened and nothing is downloaded; get the films from NLM [1]_ and the Shenzhen masks
    from their authors [2]_.

    Parameters
    ----------
    root : str or path-like
        The folder that holds both sets.

    Returns
    -------
    Bunch
        With `DESCR` (origin, terms, what to cite) and two attributes, `montgomery` and `shenzhen`,
        each a Bunch of

        images : list of Path
            The n films, sorted by id; for `skxssr.io.Images`.
        masks : list of Path, or of (Path, Path)
            One item per film, for `skxssr.io.Masks`; a pair holds the left and the right lung,
            which `Masks` unites as it reads them. Lungs are 255 (Montgomery's originals and
            the prepared files) and background 0.
        ids : list of str
            Such as `"CHNCXR_0001_0"`.
        labels : ndarray of shape (n,), dtype int64
            0 normal, 1 tuberculosis, from the end of the id.
        split : dict of str to ndarray, or None
            Indices of the "train" and "test" films; None without split files.
        n_without_mask : int
            Films left out because nobody outlined them; only in the published Shenzhen set.

    Raises
    ------
    FileNotFoundError
        A set is in neither layout below `root`; the message lists where was looked.
    ValueError
        Films and masks do not pair, a split file names an unknown film or one twice, or an id does
        not end in `_0` or `_1`.

    See Also
    --------
    make_phantoms : Films for which no data are needed.
    skxssr.io.Images : Read the films.
    skxssr.io.Masks : Read the masks.

    Notes
    -----
    The films are public and de-identified; attribute NLM, NIH, Montgomery County DHHS and Shenzhen
    No.3 People's Hospital, and cite [3]_ and [4]_. The Shenzhen masks are CC BY-NC-SA 4.0 [5]_.

    References
    ----------
    .. [1] https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/index.html
    .. [2] https://www.kaggle.com/datasets/yoctoman/shcxr-lung-mask
    .. [3] S. Jaeger et al., 2014. :doi:`10.1109/TMI.2013.2284099`
    .. [4] S. Candemir et al., 2014. :doi:`10.1109/TMI.2013.2290491`
    .. [5] S. Stirenko et al., 2018. :arxiv:`1803.01199`

    Examples
    --------
    >>> from skxssr.datasets import load_chest_xray
    >>> data = load_chest_xray("data/cxr")  # doctest: +SKIP
    >>> len(data.shenzhen.images), len(data.shenzhen.split["train"])  # doctest: +SKIP
    (550, 440)
    """
    base = Path(root)
    return Bunch(montgomery=_montgomery(base), shenzhen=_shenzhen(base), DESCR=_DESCR)


def _montgomery(root: Path) -> Bunch:
    if (root / "montgomery" / "images").is_dir():
        return _prepared(root / "montgomery")
    folder = root / "MontgomerySet"
    sides = [folder / "ManualMask" / side for side in ("leftMask", "rightMask")]
    if not all(path.is_dir() for path in (folder / "CXR_png", *sides)):
        raise not_found("Montgomery set", root, _LAYOUTS)
    lefts, rights = (pair_images_and_masks(folder / "CXR_png", side) for side in sides)
    masks = [(left, right) for (_, left), (_, right) in zip(lefts, rights, strict=True)]
    return _bunch([image for image, _ in lefts], masks)


def _shenzhen(root: Path) -> Bunch:
    if (root / "shenzhen" / "images").is_dir():
        return _prepared(root / "shenzhen")
    for folder in (root / "ChinaSet_AllFiles", root):
        for mask_folder in (folder / "mask", root / "mask"):
            if (folder / "CXR_png").is_dir() and mask_folder.is_dir():
                return _published_shenzhen(folder / "CXR_png", mask_folder)
    raise not_found("Shenzhen set", root, _LAYOUTS)


def _published_shenzhen(image_folder: Path, mask_folder: Path) -> Bunch:
    images = {path.stem: path for path in list_images(image_folder)}
    masks = {path.stem.removesuffix("_mask"): path for path in list_images(mask_folder)}
    strays = [str(path) for name, path in masks.items() if name not in images]
    if strays:
        raise ValueError(
            f"{len(strays)} of {len(masks)} masks have no film in {image_folder}, such as "
            f"{strays[0]}: complete the films, or move these masks away"
        )
    ids = [name for name in images if name in masks]
    return _bunch(
        [images[name] for name in ids],
        [masks[name] for name in ids],
        n_without_mask=len(images) - len(ids),
    )


def _prepared(folder: Path) -> Bunch:
    pairs = pair_images_and_masks(folder / "images", folder / "masks")
    data = _bunch([image for image, _ in pairs], [mask for _, mask in pairs])
    if (folder / "split").is_dir():
        row = {name: i for i, name in enumerate(data.ids)}
        data.split = {
            part: _read_split(folder / "split" / f"{part}.txt", row) for part in ("train", "test")
        }
        both = np.intersect1d(data.split["train"], data.split["test"])
        if len(both):
            raise ValueError(
                f"{len(both)} films are in both files of {folder / 'split'}, such as "
                f"{data.ids[both[0]]}: a film is for training or for testing"
            )
    return data


def _read_split(path: Path, row: dict[str, int]) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"no {path}: a split folder holds train.txt and test.txt")
    names = path.read_text(encoding="utf-8").split()
    unknown = [name for name in names if name not in row]
    if unknown or len(set(names)) != len(names) or not names:
        raise ValueError(
            f"{path} must name films of the set, at least one and each once. Got {len(names)} "
            f"names, {len(set(names))} distinct, {len(unknown)} unknown"
            + (f" (such as {unknown[0]})" if unknown else "")
        )
    return np.array([row[name] for name in names], dtype=np.intp)


def _bunch(images: list[Path], masks: _Masks, n_without_mask: int = 0) -> Bunch:
    ids = [path.stem for path in images]
    odd = [name for name in ids if not name.endswith(("_0", "_1"))]
    if odd:
        raise ValueError(
            f"{len(odd)} film names do not end in _0 (normal) or _1 (tuberculosis), such as "
            f"{odd[0]}: the class is read from the name; move other files away"
        )
    return Bunch(
        images=images,
        masks=list(masks),
        ids=ids,
        labels=np.array([int(name[-1]) for name in ids], dtype=np.int64),
        split=None,
        n_without_mask=n_without_mask,
    )
