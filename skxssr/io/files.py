"""Find, pair and check image files in folders. Imports `decode`, `_progress` and no numpy."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skxssr._progress import progress
from skxssr.exceptions import ImageReadError
from skxssr.io.decode import read_image

__all__ = ["IMAGE_SUFFIXES", "find_unreadable", "list_images", "pair_images_and_masks"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def list_images(folder: str | os.PathLike) -> list[Path]:
    """All image files in a folder and its subfolders, sorted by relative path.

    Files are recognised by suffix (`IMAGE_SUFFIXES`, in any case) and not opened. Hidden files and
    folders (names that begin with a dot) are skipped. The order is the same on every system.

    Parameters
    ----------
    folder : str or path-like
        Where to look.

    Returns
    -------
    list of Path
        `folder` joined with each relative path; at least one.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    NotADirectoryError
        It is a file.
    ValueError
        No image is in it.

    See Also
    --------
    pair_images_and_masks : Two folders, paired by file name.
    find_unreadable : Which of the files do not decode.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skxssr.io import list_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.PNG", "a.jpg", "notes.txt"):
    ...         pathlib.Path(folder, name).touch()
    ...     [path.name for path in list_images(folder)]
    ['a.jpg', 'b.PNG']
    """
    root = Path(folder)
    if not root.exists():
        raise FileNotFoundError(f"no folder {root}: give a folder that holds {_SUFFIX_TEXT} files")
    if not root.is_dir():
        raise NotADirectoryError(
            f"{root} is a file: give a folder that holds {_SUFFIX_TEXT} files, or a list of paths"
        )
    found = []
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(parent, name)
            for name in names
            if not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES)
        ]
    if not found:
        raise ValueError(f"no image in {root} or its subfolders: looked for {_SUFFIX_TEXT} files")
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


_SUFFIX_TEXT = ", ".join(IMAGE_SUFFIXES)


def pair_images_and_masks(
    images_dir: str | os.PathLike, masks_dir: str | os.PathLike
) -> list[tuple[Path, Path]]:
    """Pair the images of one folder with the masks of another, by file name.

    Names are compared without suffix (`a/film1.jpg` and `a/film1.png` pair) and relative to the two
    folders, so subfolders must have the same names. A mask's name may carry `_mask` at its end.

    Parameters
    ----------
    images_dir, masks_dir : str or path-like
        The two folders.

    Returns
    -------
    list of (Path, Path)
        Image and mask, in the order of `list_images(images_dir)`.

    Raises
    ------
    ValueError
        An image without a mask, a mask without an image, or two files of one name; a few are named.
    FileNotFoundError, NotADirectoryError
        As in `list_images`.

    See Also
    --------
    list_images : One folder.
    check_mask_shapes : Whether the paired files have the same size.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skxssr.io import pair_images_and_masks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = pathlib.Path(folder)
    ...     for name in ("film/p1.jpg", "film/p2.jpg", "lung/p1.png", "lung/p2_mask.png"):
    ...         (root / name).parent.mkdir(exist_ok=True)
    ...         (root / name).touch()
    ...     pairs = pair_images_and_masks(root / "film", root / "lung")
    ...     [(image.name, mask.name) for image, mask in pairs]
    [('p1.jpg', 'p1.png'), ('p2.jpg', 'p2_mask.png')]
    """
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path in list_images(images_dir):
        _add(images, _key(path, images_dir), path)
    for path in list_images(masks_dir):
        key = _key(path, masks_dir)
        _add(masks, key if key in images else key.removesuffix("_mask"), path)
    without_mask = [path for key, path in images.items() if key not in masks]
    without_image = [path for key, path in masks.items() if key not in images]
    problems = []
    if without_mask:
        problems.append(f"{len(without_mask)} of {len(images)} images lack a mask in {masks_dir}")
        problems[-1] += f" ({_few(without_mask)})"
    if without_image:
        problems.append(f"{len(without_image)} of {len(masks)} masks lack an image in {images_dir}")
        problems[-1] += f" ({_few(without_image)})"
    if problems:
        raise ValueError(
            "images and masks do not pair: "
            + "; ".join(problems)
            + ". Give each pair one file name (the mask's may end in _mask), or move the rest away"
        )
    return [(path, masks[key]) for key, path in images.items()]


def find_unreadable(
    paths: Iterable[str | os.PathLike], n_jobs: int | None = None, *, verbose: int = 0
) -> dict[Path, str]:
    """Which files do not decode, and why.

    Each file is decoded in full, since a truncated one has a sound header; one image per thread is
    in memory at a time.

    Parameters
    ----------
    paths : iterable of str or path-like
        Image files.
    n_jobs : int or None, default=None
        Threads; None or -1 for one per processor.
    verbose : int, default=0
        Above 0 a progress bar is shown.

    Returns
    -------
    dict of Path to str
        The reason for each file that `read_image` refuses, in the order of `paths`; empty if all
        are sound.

    See Also
    --------
    read_image : What is checked.

    Examples
    --------
    >>> from skxssr.io import find_unreadable
    >>> find_unreadable(["no/film.png"])
    {...Path('no/film.png'): 'no such file'}
    """
    files = [Path(path) for path in paths]
    if n_jobs is None or n_jobs == -1:
        n_jobs = os.cpu_count() or 1
    if n_jobs < 1:
        raise ValueError(f"n_jobs must be a positive number, -1 or None. Got {n_jobs} instead.")
    with ThreadPoolExecutor(n_jobs) as pool:
        reasons = progress(
            pool.map(_reason, files), "checking images", verbose=verbose, total=len(files)
        )
        return {path: reason for path, reason in zip(files, reasons, strict=True) if reason}


def _reason(path: Path) -> str:
    try:
        read_image(path)
    except ImageReadError as error:
        return str(error).removeprefix(f"cannot read image {path}: ")
    return ""


def _key(path: Path, root: str | os.PathLike) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _add(paths: dict[str, Path], key: str, path: Path) -> None:
    if key in paths:
        raise ValueError(
            f"{paths[key]} and {path} have the same name without suffix: which one to pair cannot "
            "be told; rename or remove one"
        )
    paths[key] = path


def _few(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:3])
    return names if len(paths) <= 3 else f"{names}, ..."
