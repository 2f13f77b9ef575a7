"""Every file below a folder, and for each whether it is a picture or why it is left out."""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from skxssr.io.dicom import is_picture

# The outputs of this package that a later run could take for something else.
_OF_MODELS = ("training.json", "predictions.json", "evaluation.json", "review.json")
_OWN_RECORDS = (
    "selection.json",
    "split.json",
    "inputs.json",
    "summary.json",
    "demo.json",
    *_OF_MODELS,
)
_OWN_FILES = {
    *_OWN_RECORDS,
    *("selection.csv", "embeddings.npz", "test.txt", "pool.txt", "runs.jsonl"),
    *("forest.png", "efficiency.png", "picks.png", "sheet.png", "worst.png", "best.png"),
}
_SYSTEM_FOLDERS = {
    *("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"),
    *("thumbnails", "__pycache__", "#recycle"),
}
_SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}

HIDDEN = "hidden (the name begins with a dot)"
SYSTEM = "thumbnails and folders of the system"
OWN = "written by skxssr"
UNKNOWN = "not of a format that is read"
BROKEN = "a link to nothing"
CYCLE = "a link to a folder that is read already, or lies above"
SPECIAL = "a pipe, socket or device"
CLOSED = "a folder that may not be read"
NO_PICTURE = "without a picture: DICOM without pixels, or an empty volume"
NOT_ASKED = "left out by --images or --exclude"


@dataclass
class Found:
    """What `walk` finds: pictures in the order of their relative paths, and the rest by reason."""

    images: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


def walk(
    root: Path,
    suffixes: Sequence[str],
    *,
    images: str | None = None,
    exclude: str | None = None,
    out: Iterable[Path] = (),
) -> Found:
    """Look at every file below `root` once; links to folders are followed, circles are cut.

    Parameters
    ----------
    root : Path
        A folder.
    suffixes : sequence of str
        Those of pictures, in lower case.
    images, exclude : str, optional
        Patterns of paths relative to `root`, of names, or of folders (all below them).
    out : iterable of Path
        Folders for results: what lies in them is never read back, unless it is `root` itself or
        lies above.
    """
    found = Found()
    own = {Path(os.path.realpath(path)) for path in out}
    top = Path(os.path.realpath(root))
    own = {path for path in own if path != top and not top.is_relative_to(path)}
    seen: set[tuple[int, int]] = set()
    linked: list[Path] = []
    _visit(root, root, suffixes, found, seen, linked, own)
    # after all true folders, so that a file is known by its own path rather than by a link
    while linked:
        link = min(linked, key=lambda path: path.as_posix())
        linked.remove(link)
        target = Path(os.path.realpath(link))
        if _identity(link) in seen or top.is_relative_to(target):
            found.left_out[link] = CYCLE
        elif target in own or any(target.is_relative_to(path) for path in own):
            found.left_out[link] = OWN
        else:
            _visit(link, root, suffixes, found, seen, linked, own)
    taken = []
    for path in sorted(found.images, key=lambda path: path.relative_to(root).as_posix()):
        relative = path.relative_to(root).as_posix()
        wanted = images is None or _matches(relative, images)
        if wanted and not (exclude is not None and _matches(relative, exclude)):
            taken.append(path)
        else:
            found.left_out[path] = NOT_ASKED
    found.images = taken
    return found


def _visit(
    folder: Path,
    root: Path,
    suffixes: Sequence[str],
    found: Found,
    seen: set[tuple[int, int]],
    linked: list[Path],
    own: set[Path],
) -> None:
    identity = _identity(folder)
    if identity in seen:
        return
    if identity is not None:
        seen.add(identity)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        found.left_out[folder] = CLOSED
        return
    is_own = any(entry.name in _OWN_RECORDS for entry in entries)
    for entry in entries:
        path = folder / entry.name
        if _is_folder(entry):
            reason = _no_folder(entry.name, is_own, path, own)
            if reason:
                found.left_out[path] = reason
            elif entry.is_symlink():
                linked.append(path)
            else:
                _visit(path, root, suffixes, found, seen, linked, own)
            continue
        reason = _no_file(entry, is_own, suffixes)
        if reason:
            found.left_out[path] = reason
        else:
            found.images.append(path)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _no_folder(name: str, is_own: bool, path: Path, own: set[Path]) -> str:
    if name.startswith("."):
        return HIDDEN
    if name.lower() in _SYSTEM_FOLDERS:
        return SYSTEM
    if (is_own and name == "embedder") or (own and Path(os.path.realpath(path)) in own):
        return OWN
    return ""


def _no_file(entry: os.DirEntry, is_own: bool, suffixes: Sequence[str]) -> str:
    """Why a file is no picture; nothing if it is one."""
    name = entry.name
    if name.startswith("."):
        return HIDDEN
    if name.lower() in _SYSTEM_FILES:
        return SYSTEM
    if is_own and name in _OWN_FILES:
        return OWN
    try:
        mode = entry.stat().st_mode
    except OSError:
        return BROKEN
    if not stat.S_ISREG(mode):
        return SPECIAL
    if name.lower().endswith(tuple(suffixes)) or _is_bare_picture(Path(entry.path)):
        return ""
    return UNKNOWN


def _is_bare_picture(path: Path) -> bool:
    """A name without suffix, or one that ends in a number, as UIDs do."""
    suffix = path.suffix.removeprefix(".")
    return (not suffix or suffix.isdecimal()) and is_picture(path)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _matches(relative: str, pattern: str) -> bool:
    """Whether a pattern names a file, its path, or a folder that it lies in."""
    pattern = pattern.rstrip("/").removeprefix("./")
    parts = relative.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return any(fnmatchcase(text, pattern) for text in {relative, f"/{relative}", *parts, *above})
