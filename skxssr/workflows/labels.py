"""Which images are labelled already: from a list, a finished selection, or a folder of masks."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from skxssr._utils.files import refuse_device
from skxssr._utils.names import few, same_text
from skxssr.holdout.groups import FILE_COLUMNS
from skxssr.io import list_images
from skxssr.io.annotations_file import annotated_images
from skxssr.io.pairs import matched_images

__all__ = ["labeled_rows"]


def labeled_rows(
    labeled: str | os.PathLike | Sequence[str], names: Sequence[str], tested: Sequence[str] = ()
) -> np.ndarray:
    """Rows of the pool that `labeled` names.

    Parameters
    ----------
    labeled : path or sequence of str
        A table with a column ``file`` (``selection.csv`` of an earlier batch), a text file of one
        name a line, a folder that ``skxssr select`` wrote, a folder of masks named after their
        images, a ``.json`` export of Label Studio or COCO, or the names themselves. A name is the
        path below the folder of the images, the file name, or the latter without its suffix.
    names : sequence of str
        The pool, a row each.
    tested : sequence of str, optional
        Names of reserved images, which may be labelled too and are no rows.

    Returns
    -------
    ndarray of int
        Ascending, each once.

    Raises
    ------
    ValueError
        It names nothing, or images that are not in the pool.
    FileNotFoundError
        There is no such file or folder.

    Examples
    --------
    >>> from skxssr.workflows.labels import labeled_rows
    >>> labeled_rows(["b.png", "a/c"], ["a/a.png", "a/b.png", "a/c.png"])
    array([1, 2])
    """
    if not isinstance(labeled, str | os.PathLike):
        return _look_up(list(labeled), names, tested, "labeled")
    path = Path(labeled)
    if not path.exists():
        raise FileNotFoundError(
            f"--labeled {path}: there is no such file or folder. Give a list of file names, a "
            "selection.csv, or a folder of masks"
        )
    if path.suffix.lower() == ".json":
        root = Path("pool")
        annotated = annotated_images(path, [root / name for name in (*names, *tested)], root)
        found = [one.relative_to(root).as_posix() for one in annotated]
        return _look_up(found, names, tested, str(path))
    if path.is_dir():
        if (path / "selection.csv").is_file():
            return _look_up(_read_names(path / "selection.csv"), names, tested, str(path))
        return _by_masks(path, names, tested)
    return _look_up(_read_names(path), names, tested, str(path))


def _read_names(path: Path) -> list[str]:
    """The column of files, or one name a line."""
    refuse_device(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(
            f"--labeled {path} is no text in UTF-8: give a list of file names, a selection.csv, or "
            "a folder of masks"
        ) from None
    lines = text.splitlines()
    header = lines[0] if lines else ""
    delimiter = max(",;\t", key=header.count)
    columns = [cell.strip().strip('"').lower() for cell in header.split(delimiter)]
    column = next((columns.index(name) for name in FILE_COLUMNS if name in columns), None)
    if column is None:
        return [line.strip() for line in lines if line.strip()]
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.reader(stream, delimiter=delimiter))[1:]
    return [row[column] for row in rows if len(row) > column and row[column].strip()]


def _by_masks(folder: Path, names: Sequence[str], tested: Sequence[str]) -> np.ndarray:
    masks = list_images(folder)
    root = Path("pool")
    images = [root / name for name in (*names, *tested)]
    matched, lonely = matched_images(images, root, masks, folder)
    if lonely:
        raise ValueError(
            f"--labeled {folder}: {len(lonely)} of {len(masks)} masks have the name of no target "
            f"image ({few([path.name for path in lonely])}): name masks after their images (they "
            "may end in _mask), or give a list of the labelled files"
        )
    row_of = {path: row for row, path in enumerate(images[: len(names)])}
    return np.array(sorted(row_of[path] for path in matched if path in row_of), dtype=np.intp)


def _look_up(
    wanted: list[str], names: Sequence[str], tested: Sequence[str], where: str
) -> np.ndarray:
    keys: dict[str, set[int]] = {}
    for row, name in enumerate((*names, *tested)):
        path = PurePosixPath(same_text(name))
        for key in {str(path), path.name, str(path.with_suffix("")), path.stem}:
            keys.setdefault(key, set()).add(row)
    rows: set[int] = set()
    unknown: list[str] = []
    doubtful: list[str] = []
    for name in wanted:
        plain = same_text(name.strip().replace("\\", "/").removeprefix("./"))
        found = keys.get(plain) or keys.get(PurePosixPath(plain).name) or set()
        if len(found) == 1:
            rows |= found
        else:
            (doubtful if found else unknown).append(name)
    if unknown or not wanted:
        what = f"{len(unknown)} of its {len(wanted)} names" if wanted else "it names nothing, and"
        raise ValueError(
            f"--labeled {where}: {what} {'are' if unknown else 'there are'} no target images"
            + (f" ({few(unknown)})" if unknown else "")
            + ". Names are paths below the folder of the target, such as "
            + few(list(names), 2)
        )
    if doubtful:
        raise ValueError(
            f"--labeled {where}: several target images are called {few(doubtful, 3)}: give their "
            "paths below the folder of the target"
        )
    return np.array(sorted(row for row in rows if row < len(names)), dtype=np.intp)
