"""Find, pair and check image files in folders."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from skxssr._utils.names import few
from skxssr._utils.progress import progress
from skxssr._utils.slice_names import split_name
from skxssr._utils.threads import check_n_jobs, in_threads
from skxssr.io.dicom import DICOM_SUFFIXES
from skxssr.io.mask_names import masks_by_name
from skxssr.io.medical import list_slices
from skxssr.io.pairs import pair_files
from skxssr.io.stacks import Images
from skxssr.io.volumes import VOLUME_SUFFIXES
from skxssr.io.walk import UNKNOWN, walk

__all__ = ["IMAGE_SUFFIXES", "find_unreadable", "list_images", "pair_images_and_masks"]

_PILLOW = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2")
IMAGE_SUFFIXES = (*_PILLOW, *DICOM_SUFFIXES, *VOLUME_SUFFIXES)


def list_images(
    folder: str | os.PathLike, *, axis: str = "axial", keep_empty: bool = False
) -> list[Path]:
    """All image files in a folder and its subfolders, sorted by relative path.

    Files are recognised by suffix (`IMAGE_SUFFIXES`, in any case), those without one by their first
    bytes. Hidden files and folders (names that begin with a dot), thumbnails of the system and
    pictures that this package wrote are skipped. Links to folders are followed, each folder is read
    once. The order is the same on every system. A file of several pictures gives one path for each,
    see `list_slices`.

    Parameters
    ----------
    folder : str or path-like
        Where to look.
    axis : {"axial", "coronal", "sagittal"}, default="axial"
        Along which volumes are cut.
    keep_empty : bool, default=False
        Whether slices of volumes that show nothing stay.

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
    take_inventory : The same without masks, and with what was left out.
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
    root = check_folder(folder)
    found = walk(root, IMAGE_SUFFIXES)
    if not found.images:
        raise nothing_found(root, found.left_out)
    return pictures_of(found.images, root, axis=axis, keep_empty=keep_empty)


_SUFFIX_TEXT = ", ".join(IMAGE_SUFFIXES)


def check_folder(folder: str | os.PathLike) -> Path:
    """The folder as a path, if it is one."""
    root = Path(folder)
    if not root.exists():
        raise FileNotFoundError(f"no folder {root}: give a folder that holds {_SUFFIX_TEXT} files")
    if not root.is_dir():
        raise NotADirectoryError(
            f"{root} is a file: give a folder that holds {_SUFFIX_TEXT} files, or a list of paths"
        )
    return root


def pictures_of(files: list[Path], root: Path, *, axis: str, keep_empty: bool) -> list[Path]:
    """The pictures of the files that were found, slice by slice."""
    pictures = list_slices(files, axis=axis, keep_empty=keep_empty)
    if not pictures:
        raise ValueError(
            f"none of the {len(files)} files in {root} holds a picture: they are DICOM files "
            "without pixels, or volumes of empty slices"
        )
    return pictures


def kind_of(name: str) -> str:
    """The suffix of a file in lower case, with that before ``.gz``; "(no suffix)" if none."""
    path = Path(split_name(name).file.name.lower())
    if path.suffix == ".gz":
        return "".join(path.suffixes[-2:])
    return path.suffix or "(no suffix)"


def kinds_of(paths: Iterable[Path]) -> str:
    """How many of each kind, the most frequent first: ``12 .png, 9 slices of 2 .nii.gz``."""
    pictures: Counter[str] = Counter()
    slices: Counter[str] = Counter()
    files: dict[str, set[Path]] = defaultdict(set)
    for path in paths:
        kind, (file, axis, _) = kind_of(path.name), split_name(path)
        pictures[kind] += 1
        slices[kind] += axis is not None
        files[kind].add(file)
    return ", ".join(
        f"{count} slices of {len(files[kind])} {kind}" if slices[kind] else f"{count} {kind}"
        for kind, count in pictures.most_common()
    )


def nothing_found(root: Path, left_out: Mapping[Path, str]) -> ValueError:
    """An error that says what was looked for, what is there instead, and what to do."""
    text = f"no image in {root} or its subfolders: looked for {_SUFFIX_TEXT} files"
    unknown = [path for path, reason in left_out.items() if reason == UNKNOWN]
    if unknown:
        text += f", found {kinds_of(unknown)}: convert them to PNG or TIFF, one picture a file"
    for reason in dict.fromkeys(left_out.values()):
        if reason != UNKNOWN:
            paths = [path for path, why in left_out.items() if why == reason]
            names = few([path.relative_to(root).as_posix() for path in paths], 2)
            text += f"; {len(paths)} {reason} ({names})"
    return ValueError(text)


def pair_images_and_masks(
    images_dir: str | os.PathLike,
    masks_dir: str | os.PathLike,
    *,
    mask_suffix: str | None = None,
    join: bool = False,
    axis: str = "axial",
) -> list[tuple[Path, Any]]:
    """Pair the images of one folder with the masks of another, by file name.

    Names are compared without suffix (`a/film1.jpg` and `a/film1.png` pair) and relative to the two
    folders; where these paths do not pair, by the names alone, if no name occurs twice. A mask's
    name may carry `_mask` or another word for it at its end (`_segmentation`, `_seg`, `_label`,
    `_gt`). Letters with accents pair however the system writes them.

    Parameters
    ----------
    images_dir, masks_dir : str or path-like
        The two folders. If they are one, masks are the files of it that are named as masks.
    mask_suffix : str, optional
        What the names of masks have at their end, such as ``_lesion``. Other files of `masks_dir`
        are then no masks.
    join : bool, default=False
        Whether several masks of one image, such as ``film_mask.png`` and ``film_mask_1.png``, are
        one mask in parts; `Masks` takes their union.
    axis : {"axial", "coronal", "sagittal"}, default="axial"
        Along which volumes are cut.

    Returns
    -------
    list of (Path, Path)
        Image and mask, in the order of `list_images(images_dir)`. With `join` a mask may be a tuple
        of paths. Slices of volumes pair by number.

    Raises
    ------
    ValueError
        An image without a mask, a mask without an image, two files of one name, or a folder that
        would be its own masks; a few are named.
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
    images = list_images(images_dir, axis=axis)
    masks = list_images(masks_dir, axis=axis, keep_empty=True)
    if os.path.realpath(images_dir) == os.path.realpath(masks_dir):
        files = list(dict.fromkeys(split_name(path).file for path in masks))
        marked = masks_by_name(files, Path(images_dir))
        images = [path for path in images if split_name(path).file not in marked]
        masks = [path for path in masks if split_name(path).file in marked]
    return pair_files(
        images, Path(images_dir), masks, Path(masks_dir), mask_suffix=mask_suffix, join=join
    )


def find_unreadable(
    paths: Iterable[str | os.PathLike], n_jobs: int | None = None, *, verbose: int = 0
) -> dict[Path, str]:
    """Which files do not decode, or hold values that are no image, and why.

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
        The reason for each file that `read_image` refuses, or whose values `Images` does, in the
        order of `paths`; empty if all are sound.

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
    check_n_jobs(n_jobs)
    found = in_threads(_why_not, files, n_jobs=-1 if n_jobs is None else n_jobs)
    shown = progress(found, "reading images", verbose=verbose, total=len(files))
    return {path: why for path, why in zip(files, shown, strict=True) if why}


def _why_not(path: Path) -> str:
    try:
        Images([path])[0]
    except ValueError as error:  # an ImageReadError among them
        return str(error).removeprefix(f"cannot read image {path}: ").removeprefix(f"{path} ")
    except (OSError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""
