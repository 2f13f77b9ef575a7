"""A test set as files: drawn from a folder and written down."""

import json
import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sklearn.utils import check_random_state

from skxssr._utils.files import make_writable, read_json, write_text
from skxssr._utils.names import few
from skxssr._utils.provenance import sha256_of_files
from skxssr._version import __version__
from skxssr.holdout.draw import images_asked_for, reserve_test_set
from skxssr.holdout.groups import groups_of, groups_of_scans, told_by_scans
from skxssr.holdout.reserved import FORMAT, HOW, POOL, TEST, ReservedSet, lines_of, sha256_of
from skxssr.holdout.sides import clusters_of_copies, on_one_side
from skxssr.io import Inventory, take_inventory


def split_folder(
    target: str | os.PathLike,
    size: int | float,
    out: str | os.PathLike,
    *,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    images: str | None = None,
    exclude: str | None = None,
    keep_junk: bool = False,
    window: str | Sequence[float] | None = None,
    axis: str = "axial",
    random_state: int = 0,
    verbose: int = 0,
    on_message: Callable[[str], object] = lambda text: None,
) -> ReservedSet:
    """Draw a test set from a folder of images and write it down; no image is moved.

    Parameters
    ----------
    target : path
        Folder of images, searched with its subfolders. Masks among them are left out, see
        `skxssr.io.take_inventory`; broken files may be drawn. Copies of one another, and without
        `group_pattern` and `group_from` images that are nearly the same, lie on one side.
    size : int or float
        At least so many images, or that share of those that may be drawn; see `reserve_test_set`.
    out : path
        Folder for the lists, made if missing. Receives ``test.txt`` and ``pool.txt`` (paths
        relative to `target`, one a line) and ``split.json`` (how they were drawn, hashes of the
        lists and of every reserved image). There is no date in them: drawn again from the same
        files they are the same, byte for byte.
    group_pattern : str, optional
        What in a file name says the patient, see `group_by_pattern`. By default every image is a
        patient of its own.
    group_from : "folder", "name", "dicom" or path, optional
        Instead of a pattern: the first folder in which paths differ, the name without its last
        number, the patient in the tags of DICOM files, or a CSV table with the columns ``file`` and
        ``group``. If all images are DICOM files or slices of volumes, "dicom" needs not be said.
    images, exclude : str, optional
        Which files are images, see `skxssr.io.take_inventory`.
    keep_junk : bool, default=False
        Whether images that nobody should annotate, blank or dark ones and copies, may be drawn. By
        default those of reserved patients are set aside: they are in neither list.
    window : str or two floats, optional
        Black and white of the images, see `skxssr.io.find_intensity_rule`.
    axis : {"axial", "coronal", "sagittal"}, default="axial"
        Along which volumes are cut; select along the same.
    random_state : int, default=0
        Seed of the draw.
    verbose : int, default=0
        Above 0 a progress bar is shown.
    on_message : callable, optional
        Called with what the folder holds.

    Returns
    -------
    ReservedSet

    Raises
    ------
    FileExistsError
        `out` holds another split already: a test set is drawn once.
    FileNotFoundError, NotADirectoryError
        There is no folder `target`.
    ValueError
        No image is in it, the size cannot be met, or the pattern does not match.
    PermissionError
        `out` cannot be written.

    See Also
    --------
    reserve_test_set : How it is drawn.
    skxssr.workflows.select.select_from_folders : Keeps away from it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skxssr.holdout import split_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = pathlib.Path(folder)
    ...     for name in ("p1_a.png", "p1_b.png", "p2_a.png", "p3_a.png"):
    ...         (root / name).touch()
    ...     reserved = split_folder(root, 1, root / "split", group_pattern="^(p[0-9]+)_")
    ...     (root / "split" / "test.txt").read_text().split()
    ['p3_a.png']
    """
    target, out = Path(target), Path(out)
    seed = operator.index(random_state)
    # what is wrong with the arguments themselves is said before images are opened
    groups_of([], group_pattern, group_from)
    images_asked_for(size, 1)
    check_random_state(seed)
    inventory = take_inventory(
        target,
        images=images,
        exclude=exclude,
        out=[out],
        window=window,
        axis=axis,
        verbose=verbose,
    )
    on_message(inventory.text("Target"))
    files = inventory.images
    names = [path.relative_to(target).as_posix() for path in files]
    groups = groups_of(names, group_pattern, group_from, root=target)
    if groups is None:
        groups = groups_of_scans(names, target)
        if groups is not None:
            group_from = "dicom"
            on_message(told_by_scans(groups))
    test, set_aside = _draw(inventory, names, groups, size, seed, keep_junk, on_message)
    pool = [name for name in names if name not in test and name not in set_aside]
    rule = "table" if group_from not in (None, "folder", "name") else group_from
    table = dict(zip(names, groups or [], strict=True)) if rule else {}
    reserved = ReservedSet(
        out, test, len(names), group_pattern, None if rule is None else str(rule), table, set_aside
    )
    n_groups = None if groups is None else len(set(groups))
    how = {
        "format": FORMAT,
        "version": __version__,
        "seed": seed,
        "size": int(size) if size >= 1 else float(size),
        "group_pattern": group_pattern,
        **({} if rule is None else {"group_from": rule, "groups": table}),
        "n_images": {"all": len(names), "test": len(test)},
        "n_patients": {"all": n_groups, "test": reserved.n_patients},
        "sha256": {
            "all": sha256_of(lines_of(names)),
            TEST: reserved.sha256,
            POOL: sha256_of(lines_of(pool)),
        },
        "test": test,
        **({"set_aside": set_aside} if set_aside else {}),
    }
    texts = {TEST: lines_of(test), POOL: lines_of(pool)}
    _refuse_another(out, how, texts)
    make_writable(out)
    for name, text in texts.items():
        write_text(out / name, text)
    if not (out / HOW).exists():  # last: where it lies, the lists are whole
        write_text(out / HOW, json.dumps(how, indent=1))
    return reserved


def _draw(
    inventory: Inventory,
    names: list[str],
    groups: list[str] | None,
    size: int | float,
    seed: int,
    keep_junk: bool,
    on_message: Callable[[str], object],
) -> tuple[dict[str, str], dict[str, str]]:
    """Hashes of the images that are drawn, and of what belongs to them and is not worth it."""
    files = inventory.images
    clusters = clusters_of_copies(inventory, near=groups is None)
    together = on_one_side(files, groups, clusters)
    if clusters:
        n = sum(map(len, clusters))
        on_message(
            f"{n} images are copies of others, or nearly the same, in {len(clusters)} clusters "
            f"(the first: {few([path.name for path in clusters[0]], 3)}): each lies on one side."
        )
    junk = {} if keep_junk else inventory.junk
    open_rows = [row for row, path in enumerate(files) if path not in junk]
    if not open_rows:
        raise ValueError(
            f"none of the {len(files)} images of {inventory.root} is worth a label: give "
            "--keep-junk (keep_junk=True) if they are meant"
        )
    drawn = reserve_test_set(
        [names[row] for row in open_rows],
        size,
        groups=None if together is None else [together[row] for row in open_rows],
        random_state=seed,
    )
    rows = [open_rows[row] for row in drawn.tolist()]
    aside: list[int] = []
    if together is not None:
        tested = {together[row] for row in rows}
        aside = [r for r, path in enumerate(files) if path in junk and together[r] in tested]
    hashes = sha256_of_files([files[row] for row in (*rows, *aside)])
    if aside:
        on_message(
            f"{len(aside)} images of the test patients are not worth a label, or copies: they are "
            "set aside, in neither list."
        )
    return (
        {names[row]: hashes[files[row]] for row in rows},
        {names[row]: hashes[files[row]] for row in aside},
    )


def _refuse_another(out: Path, how: dict[str, Any], texts: dict[str, str]) -> None:
    """Unless what lies in `out` is the same draw, perhaps by another version of this package."""
    there = read_json(out / HOW)
    same = not (out / HOW).exists() or (
        isinstance(there, dict) and {**there, "version": how["version"]} == how
    )
    for name, text in texts.items():
        path = out / name
        same = same and (not path.exists() or path.read_bytes() == text.encode())
    if not same:
        raise FileExistsError(
            f"{out} holds another split already, of other files or drawn in another way. A test "
            "set is drawn once, before anything is selected: if nothing was selected, annotated "
            f"or tested with that one, remove the folder {out} and repeat the command; otherwise "
            "keep it, or name another folder with --out"
        )
