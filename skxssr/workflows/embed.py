"""A folder of images embedded once, with names, so that selecting takes seconds."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.files import make_writable
from skxssr._utils.optional import import_optional
from skxssr._utils.provenance import sha256_of_files, versions
from skxssr.io.junk import near_copies
from skxssr.workflows.about import about_embedder, below
from skxssr.workflows.embedders import fit_or_reuse, timed_transform
from skxssr.workflows.embeddings_file import Embeddings, write_embeddings
from skxssr.workflows.inputs import Inputs, check_readable
from skxssr.workflows.values import rule_to_record, ruled, take_named_inventories

__all__ = ["embed_folder"]


def embed_folder(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    *,
    embedder: Any,
    refit: bool = True,
    force: bool = False,
    images: str | None = None,
    exclude: str | None = None,
    skip_unreadable: bool = False,
    window: str | Sequence[float] | None = None,
    axis: str = "axial",
    scheduler: str | None = None,
    verbose: int = 1,
    on_message: Callable[[str], object] = lambda text: None,
) -> Embeddings:
    """Embed every image of a folder and write the vectors with names and hashes.

    Parameters
    ----------
    folder : path
        Images, searched with their subfolders, as `select_from_folders` does.
    out : path
        A file that ends in ``.npz``. It also keeps what was found on the way: junk and near copies,
        so that a selection from it leaves out what one from the folder does.
    embedder : transformer of images
        A clone is fitted on these images and, if it can be saved, saved beside `out`, in
        ``NAME.embedder``, for the images of another site.
    refit : bool, default=True
        False: the embedder is fitted already.
    force : bool, default=False
        Whether to replace `out` if it is there.
    scheduler : str, optional
        Address of a Dask scheduler whose workers embed; they must see the files under the same
        paths. What they have done is kept in ``NAME.zarr``, and the same call goes on with it.
    images, exclude, skip_unreadable, window, axis, verbose, on_message
        As for `select_from_folders`.

    Returns
    -------
    Embeddings

    Raises
    ------
    ValueError
        `out` is no ``.npz``, or the folder holds no image.
    FileExistsError
        `out` is there.
    ImageReadError
        An image cannot be read.

    See Also
    --------
    skxssr.workflows.select_vectors.select_from_embeddings : What comes next.
    """
    folder, out = Path(folder), Path(out)
    if out.suffix.lower() != ".npz":
        raise ValueError(f"--out {out} must be a file that ends in .npz")
    if out.exists() and not force:
        raise FileExistsError(f"--out {out} is there already: name another file, or give --force")
    which = {"images": images, "exclude": exclude, "window": window, "axis": axis}
    inventory = take_named_inventories({"Images": folder}, which, on_message, verbose)[0]
    files = [path for path in inventory.images if path not in inventory.unreadable]
    names = {path: path.relative_to(folder).as_posix() for path in inventory.images}
    found = Inputs(inventory, None, [], files, names, {}, excluded=inventory.unreadable)
    check_readable(found, skip_unreadable)
    make_writable(out.parent)
    hashes = sha256_of_files(files)
    if refit:
        saved = out.with_suffix(".embedder")
        rule = inventory.rule
        embedder, _ = fit_or_reuse(embedder, folder, files, hashes, saved, rule, replace=force)
    named = below(folder, files)
    if scheduler is None:
        vectors = timed_transform(embedder, ruled(files, inventory.rule), on_message)
    else:
        vectors = _on_cluster(
            scheduler, ruled(files, inventory.rule), embedder, named, out, verbose
        )
    facts = {path: inventory.facts[path] for path in files if path not in inventory.junk}
    about = {
        "versions": versions(),
        "folder": str(folder.resolve()),
        "excluded": {str(path): why for path, why in inventory.unreadable.items()},
        "values": inventory.rule.text,
        "rule": rule_to_record(inventory.rule),
        "embedder": about_embedder(embedder, fitted_here=refit, reused=False),
        "junk": {names[path]: why for path, why in inventory.junk.items() if path in hashes},
        "near_copies": [[names[path] for path in cluster] for cluster in near_copies(facts)],
    }
    embeddings = Embeddings(vectors, named, [hashes[path] for path in files], about)
    write_embeddings(out, embeddings)
    return embeddings


def _on_cluster(
    scheduler: str, images: Any, embedder: Any, names: list[str], out: Path, verbose: int
) -> np.ndarray:
    """The vectors, made by the workers of a scheduler in a store beside `out`."""
    distributed = import_optional("distributed", extra="dask", caller="--scheduler")
    from skxssr.distributed import embed

    store = out.with_suffix(".zarr").resolve()
    try:
        client = distributed.Client(scheduler)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--scheduler {scheduler} cannot be reached: start one with 'dask scheduler', and "
            "workers with 'dask worker ADDRESS'."
        ) from error
    with client:
        return embed(images, embedder, client, out=store, ids=names, verbose=verbose).compute()
