"""Embed images on a cluster, into a zarr store that a later call goes on with."""

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr._utils.progress import progress_bar
from skxssr.distributed._cluster import Cluster

_CALLER = "skxssr.distributed.embed"
_WAVE = 4  # blocks for each thread between two looks at the bar
_SAME = 1e-3  # relative difference within which two runs of one network agree
_one_at_a_time = threading.Lock()  # in a process: a network and its batch take up a device


def embed(
    images: Sequence[Any],
    embedder: Any,
    client: Any = None,
    *,
    out: str | os.PathLike,
    ids: Sequence[str] | None = None,
    block_size: int = 256,
    verbose: int = 0,
) -> Any:
    """Embed images where the workers are, in blocks that are written as they are done.

    Parameters
    ----------
    images : sequence of length n
        Paths that every worker can read, or arrays; what ``embedder.transform`` takes, by slices.
    embedder : transformer
        Fitted. Each worker gets it once; ``device="auto"`` means the device of the worker.
    client : distributed.Client, optional
        Where to compute. By default the client in force, and without one the scheduler that Dask
        is set to.
    out : str or path
        A folder, or any address that zarr takes (``s3://bucket/name.zarr``, by fsspec), which every
        worker can write to. Where blocks of the same images are there already, the others are
        made.
    ids : sequence of str, optional
        A name for each image; by default its path, or its number.
    block_size : int, default=256
        Images in a block: what a worker embeds at a time, and what a killed run loses.
    verbose : int, default=0
        1 shows a progress bar over the images.

    Returns
    -------
    dask.array.Array of shape (n, d), float32
        The embeddings, a chunk a block; `skxssr.distributed.read_ids` returns the names.

    Raises
    ------
    ValueError
        There are no images, `ids` are of another length or not unique, `out` holds embeddings of
        other images or of another embedder, or an embedding is not finite (named by its image).
    MissingExtraError
        Dask or zarr is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skxssr.distributed import embed
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> images = np.arange(12.0).reshape(6, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Z = embed(images, FunctionTransformer(), out=folder, block_size=4)
    ...     print(Z.shape, Z.chunks[0], Z[5].compute())
    (6, 2) (4, 2) [10. 11.]
    """
    zarr = import_optional("zarr", extra="dask", caller=_CALLER)
    n = len(images)
    names = _names(images, ids)
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1. Got {block_size!r} instead.")
    cluster = Cluster(client)
    model = cluster.persist([cluster.delayed(_here, embedder)])[0]
    out = os.fspath(out)
    first = cluster.compute([cluster.delayed(_vectors, model, _part(images, 0, 1), names[:1])])[0]
    group = _store(zarr, out, names, first, block_size)
    left = np.flatnonzero(group["done"][:] == 0)
    n_done = n - int(np.minimum(block_size, n - left * block_size).sum())
    with progress_bar(n, "images", verbose=verbose, unit="image", done=n_done) as bar:
        wave = _WAVE * cluster.n_threads
        for lo in range(0, len(left), wave):
            tasks = []
            for block in left[lo : lo + wave]:
                start, stop = block * block_size, min((block + 1) * block_size, n)
                part = _part(images, start, stop), names[start:stop]
                tasks.append(cluster.delayed(_block, model, *part, out, int(block), int(start)))
            bar.update(sum(cluster.compute(tasks)))
    return _open(out)


def read_ids(out: str | os.PathLike) -> list[str]:
    """The names of the embeddings that `embed` wrote, in their order.

    Parameters
    ----------
    out : str or path
        As given to `embed`.

    Returns
    -------
    list of str
        One for each row of the embeddings.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skxssr.distributed import embed, read_ids
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Z = embed(np.eye(2), FunctionTransformer(), out=folder, ids=["film 7", "film 8"])
    ...     print(read_ids(folder))
    ['film 7', 'film 8']
    """
    zarr = import_optional("zarr", extra="dask", caller="skxssr.distributed.read_ids")
    return _decode(zarr.open_group(os.fspath(out), mode="r")["ids"][:])


def _open(out: str) -> Any:
    import dask.array

    return dask.array.from_zarr(out, component="embeddings")


def _here(embedder: Any) -> Any:
    return embedder


def _part(images: Any, start: int, stop: int) -> Any:
    if hasattr(images, "subset"):  # files with a rule of how to read them
        return images.subset(np.arange(start, stop))
    return images[start:stop]


def _names(images: Any, ids: Sequence[str] | None) -> list[str]:
    n = len(images)
    if n == 0:
        raise ValueError("There are no images to embed.")
    if ids is None:
        paths = not isinstance(images, np.ndarray) and not hasattr(images, "subset")
        paths = paths and all(isinstance(image, str | os.PathLike) for image in images)
        ids = [os.fspath(image) for image in images] if paths else [str(i) for i in range(n)]
    names = [str(name) for name in ids]
    if len(names) != n:
        raise ValueError(f"ids has {len(names)} entries, but there are {n} images: pass one each.")
    if len(set(names)) < n:
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"ids must differ, but {twice!r} is there twice.")
    return names


def _vectors(embedder: Any, images: Any, names: list[str]) -> np.ndarray:
    with _one_at_a_time:
        vectors = np.asarray(embedder.transform(images), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise ValueError(
            f"{type(embedder).__name__}.transform returned shape {vectors.shape} for {len(names)} "
            "images: a row of numbers for each is needed."
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise ValueError(
            f"The embedding of {names[bad[0]]!r} is not finite ({len(bad)} of {len(names)} in its "
            "block): look at the image, or leave it out."
        )
    return vectors


def _block(embedder: Any, images: Any, names: list[str], out: str, block: int, start: int) -> int:
    """Embed one block and write it; it counts as done once it is written whole."""
    import zarr

    vectors = _vectors(embedder, images, names)
    group: Any = zarr.open_group(out, mode="r+")
    group["embeddings"][start : start + len(vectors)] = vectors
    group["done"][block] = 1
    return len(vectors)


def _encode(names: list[str]) -> np.ndarray:
    """Names as bytes of one length, which every version of zarr writes alike."""
    coded = [name.encode("utf-8", "surrogateescape") for name in names]
    width = max(1, *map(len, coded))
    return np.frombuffer(b"".join(code.ljust(width, b"\0") for code in coded), np.uint8).reshape(
        len(coded), width
    )


def _decode(coded: np.ndarray) -> list[str]:
    return [row.tobytes().rstrip(b"\0").decode("utf-8", "surrogateescape") for row in coded]


def _store(zarr: Any, out: str, names: list[str], first: np.ndarray, block_size: int) -> Any:
    """The store: made, or one of the same images and embedder that is not done yet."""
    n, d = len(names), first.shape[1]
    group = zarr.open_group(out, mode="a")
    kept = dict(group.attrs).get("skxssr embeddings")
    if kept is None:
        if len(list(group)):
            raise ValueError(f"out={out!r} holds other data: choose another name.")
        coded = _encode(names)
        ids = group.create_array(
            "ids", shape=coded.shape, dtype="uint8", chunks=(min(n, 100_000), coded.shape[1])
        )
        ids[:] = coded
        group.create_array("embeddings", shape=(n, d), dtype="float32", chunks=(block_size, d))
        group.create_array("done", shape=(-(-n // block_size),), dtype="uint8", chunks=(1,))
        group.create_array("first", shape=(d,), dtype="float32", chunks=(d,))[:] = first[0]
        group.attrs["skxssr embeddings"] = {"format": 1, "block_size": block_size}
        return group
    if _decode(group["ids"][:]) != names:
        raise ValueError(
            f"out={out!r} holds embeddings of other images: choose another name, or pass the same "
            "images in the same order."
        )
    if kept["block_size"] != block_size:
        raise ValueError(
            f"out={out!r} was begun with block_size={kept['block_size']}. Got {block_size}: pass "
            "the same, or choose another name."
        )
    before = group["first"][:]
    scale = float(np.abs(before).max()) or 1.0
    if before.shape != first[0].shape or np.abs(before - first[0]).max() > _SAME * scale:
        raise ValueError(
            f"out={out!r} was begun with another embedder, which gives other numbers for "
            f"{names[0]!r}: choose another name, or pass that embedder."
        )
    return group
