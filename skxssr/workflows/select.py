"""From two folders of images to the list to annotate.

Whatever can be wrong with the input is found before the first training step.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from skxssr._utils.files import make_writable
from skxssr._utils.threads import check_n_jobs
from skxssr.base import Selection
from skxssr.holdout import group_by_pattern
from skxssr.workflows.about import about_embedder, about_images, below
from skxssr.workflows.choice import Budget, Choice
from skxssr.workflows.embedders import fit_or_reuse, timed_transform
from skxssr.workflows.inputs import Inputs, check_choice, minutes_of, read_inputs, sites_of
from skxssr.workflows.out_folder import check_out
from skxssr.workflows.outcome import FolderSelection, SeedAgreement, agreement, conclude
from skxssr.workflows.uncertainty import load_segmenter, uncertainty
from skxssr.workflows.values import ruled

__all__ = ["FolderSelection", "SeedAgreement", "group_by_pattern", "select_from_folders"]


def select_from_folders(
    source: str | os.PathLike | None,
    target: str | os.PathLike,
    budget: int | float | Budget,
    out: str | os.PathLike,
    *,
    embedder: Any,
    selector: Any,
    group_pattern: str | None = None,
    group_from: str | os.PathLike | None = None,
    max_per_group: int | None = None,
    min_per_site: int = 0,
    site_from: str | os.PathLike | None = None,
    minutes_per_label: float | None = None,
    minutes_from: str | os.PathLike | None = None,
    labeled: str | os.PathLike | Sequence[str] | None = None,
    model: str | os.PathLike | None = None,
    test_set: str | os.PathLike | None = None,
    images: str | None = None,
    exclude: str | None = None,
    skip_unreadable: bool = False,
    keep_junk: bool = False,
    window: str | Sequence[float] | None = None,
    axis: str = "axial",
    refit: bool = True,
    command: str | None = None,
    force: bool = False,
    verbose: int = 1,
    on_message: Callable[[str], object] = lambda text: None,
) -> FolderSelection:
    """Fit an embedder on the source images, pick target images, write the list and its record.

    Parameters
    ----------
    source, target : path
        Folders of images, searched with their subfolders. Masks among them are left out, see
        `skxssr.io.take_inventory`. `source` may be None: then the embedder is fitted on the target,
        and nothing is known of novelty, which the default score does not use.
    budget : int, float or Budget
        A count; a fraction of the target images that may be picked: that can be read, are not
        reserved, not labelled and no junk; or whole patients, or minutes (`choice.Budget`).
    out : path
        Folder for the results, made if missing. Receives ``selection.csv`` (rank, file,
        group, reason, score, density, novelty, diversity), ``selection.json`` (versions,
        parameters, SHA-256 of every image and of the weights, exclusions, alpha curve, coverage),
        ``embeddings.npz`` and, in ``embedder/``, the embedder, if it has a method `save`.
    embedder : transformer of images
        A clone is fitted on the source images (the target's, without a source) and saved, or read
        back from `out` if one of the same parameters was fitted there on the same files; a training
        that was stopped goes on. One that has no `save`, as `TorchEmbedder`, is told by the record
        alone: its parameters and the hash of its weights. With ``refit=False`` taken as fitted. Of
        a `JoinedEmbedder` the record also says how much the picks of its seeds agree.
    selector : BaseSelector
        Fitted here.
    group_pattern : str, optional
        See `skxssr.holdout.group_by_pattern`; the groups of `select`. If neither this nor
        `group_from` is given, patients are told as they were for `test_set`.
    group_from : "folder", "name", "dicom" or path, optional
        Instead of a pattern: the first folder in which paths differ, the name without its last
        number, or a CSV table with the columns ``file`` and ``group``.
    max_per_group : int, optional
        See `skxssr.base.BaseSelector.select`.
    min_per_site : int, default=0
        At least so many images of each site, labelled ones included; where the selector picks fewer
        by itself, each site gets its number first.
    site_from : "folder", path or pattern, optional
        Which target image is of which site: the first folder in which paths differ, a CSV table
        with the columns ``file`` and ``group``, or a regular expression with one group.
    minutes_per_label : float, optional
        Turns a budget of minutes into a count.
    minutes_from : path, optional
        A CSV table with the columns ``file`` and ``minutes``: labels that differ in what they take.
        Coverage per minute then picks instead of `selector`, without regard to patients; see
        `skxssr.selection.cost_effective.cost_effective` for what that guarantees.
    labeled : path or sequence of str, optional
        Target images that are labelled already: they count as covered and are not picked again. See
        `skxssr.workflows.labels.labeled_rows`.
    model : path, optional
        A saved segmenter. Demand is weighed by its mean entropy in each target image.
    test_set : path, optional
        Folder that `skxssr.holdout.split_folder` (``skxssr split``) wrote. Its images are left out
        altogether, under any name: neither picked, nor embedded, nor trained on. Without it, a test
        set of these images that lies in or beside `target` or `out` is not overlooked but refused.
    images, exclude : str, optional
        Which files are images, see `skxssr.io.take_inventory`.
    skip_unreadable : bool, default=False
        Leave images out that cannot be read, and list them, instead of stopping.
    keep_junk : bool, default=False
        Let images be picked that are blank, dark, saturated, inverted or of an odd size among the
        others, or copies. By default they count as seen, and nobody is asked to annotate them, and
        images that are nearly the same count as one patient, if nobody says who is who.
    window : str or two floats, optional
        Black and white of the images, see `skxssr.io.find_intensity_rule`.
    axis : {"axial", "coronal", "sagittal"}, default="axial"
        Along which volumes are cut.
    refit : bool, default=True
        Whether to fit the embedder on the source.
    command : str, optional
        The command that asked for it, for the record and the report.
    force : bool, default=False
        Whether a selection in `out`, or an embedder of another configuration there, is replaced.
    verbose : int, default=1
        0 for silence.
    on_message : callable, optional
        Called with what the folders hold and what the values of the images mean, before anything
        is trained.

    Returns
    -------
    FolderSelection

    Raises
    ------
    ImageReadError
        An image cannot be read; all of them are named.
    ValueError
        A folder holds no image, the budget cannot be met, groups do not match, a patient of the
        test set has images outside of it, or a test set of these images was reserved and `test_set`
        does not say so.
    FileExistsError
        `out` holds a selection, or an embedder that differs, and `force` is False.
    PermissionError
        `out` cannot be written. All of these come before anything is trained.

    See Also
    --------
    skxssr.workflows.select_vectors.select_from_embeddings : Without images, in seconds.
    skxssr.workflows.selection_folder.read_selection_folder : Read what is written here.
    skxssr.workflows.compare.compare_folders : Would it have paid, where masks are there.

    Examples
    --------
    Phantoms in two folders, and an autoencoder far too small to be of use:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skxssr import MAEEmbedder, XSSRSelector
    >>> from skxssr.datasets import make_phantoms
    >>> from skxssr.workflows.select import select_from_folders
    >>> with tempfile.TemporaryDirectory() as name:
    ...     home = Path(name)
    ...     for site, n in ("A", 6), ("B", 9):
    ...         (home / site).mkdir()
    ...         films = make_phantoms("chest", site, n, random_state=0, image_size=32)
    ...         for film, pixels in zip(films.ids, films.images):
    ...             Image.fromarray(pixels).save(home / site / f"{film}.png")
    ...     result = select_from_folders(
    ...         home / "A", home / "B", 3, home / "out", verbose=0, selector=XSSRSelector(),
    ...         embedder=MAEEmbedder(
    ...             image_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=2,
    ...             decoder_dim=16, steps=3, batch_size=4, random_state=0,
    ...         ),
    ...     )
    ...     written = sorted(path.name for path in (home / "out").iterdir())
    >>> len(result.files)
    3
    >>> written
    ['embedder', 'embeddings.npz', 'selection.csv', 'selection.json']
    """
    selector._validate_params()
    check_n_jobs(getattr(selector, "n_jobs", None))
    target, out = Path(target), Path(out)
    check_out(out, force=force)
    segmenter = None if model is None else load_segmenter(model)
    inputs = read_inputs(
        None if source is None else Path(source),
        target,
        out,
        group_pattern=group_pattern,
        group_from=group_from,
        max_per_group=max_per_group,
        labeled=labeled,
        test_set=test_set,
        images=images,
        exclude=exclude,
        skip_unreadable=skip_unreadable,
        keep_junk=keep_junk,
        window=window,
        axis=axis,
        verbose=verbose,
        on_message=on_message,
    )
    names = below(target, inputs.target_files)
    choice = inputs.choice(
        budget,
        max_per_group=max_per_group,
        sites=sites_of(names, site_from),
        min_per_site=min_per_site,
        minutes_per_label=minutes_per_label,
        minutes=minutes_of(names, minutes_from),
    )
    check_choice(choice, [inputs.names[path] for path in inputs.junk])
    make_writable(out)
    embedder, reused = _fitted(embedder, inputs, out, force) if refit else (embedder, False)
    target_images = ruled(inputs.target_files, inputs.target.rule)
    if segmenter is not None:
        choice.sample_weight = uncertainty(segmenter, target_images, on_message)
    source_z, target_z = _embedded(embedder, inputs, target_images, on_message)
    selection, seeds = _pick(embedder, selector, choice, source_z, target_z, inputs.target_files)
    junk = {} if inputs.candidates is None else inputs.junk
    about = about_images(inputs, None if seeds is None else seeds.named(inputs.names), junk) | {
        "command": command,
        "group_pattern": group_pattern,
        "group_from": None if group_from is None else str(group_from),
        "model": None if segmenter is None else about_embedder(segmenter, saved_in=str(model)),
        "embedder": about_embedder(embedder, fitted_here=refit, reused=reused),
    }
    reasons, worth = conclude(
        out,
        choice,
        selection,
        names=names,
        groups=inputs.groups,
        source_names=below(Path(source), inputs.source_files) if source is not None else [],
        source_embeddings=source_z,
        target_embeddings=target_z,
        about=about,
    )
    return FolderSelection(
        files=[inputs.target_files[row] for row in selection.indices],
        selection=selection,
        target=inputs.target_files,
        source_embeddings=source_z,
        target_embeddings=target_z,
        reasons=reasons,
        worth=worth,
        groups=inputs.groups,
        excluded=inputs.excluded,
        embedder_reused=reused,
        test_set=inputs.reserved,
        left_out=inputs.left_out,
        labeled=[inputs.target_files[row] for row in inputs.labeled],
        seeds=seeds,
        junk=junk,
        source_inventory=inputs.source,
        target_inventory=inputs.target,
    )


def _fitted(embedder: Any, inputs: Inputs, out: Path, force: bool) -> tuple[Any, bool]:
    """Fitted on the source, or without one on the target; and whether it was read back."""
    root, files = inputs.sides[0]
    rule = (inputs.source or inputs.target).rule
    saved = out / "embedder"
    return fit_or_reuse(embedder, root, files, inputs.hashes, saved, rule, replace=force)


def _embedded(
    embedder: Any, inputs: Inputs, target_images: Any, on_message: Callable[[str], object]
) -> tuple[np.ndarray | None, np.ndarray]:
    """Embeddings of both sides."""
    source_z = None
    if inputs.source is not None:
        source_images = ruled(inputs.source_files, inputs.source.rule)
        source_z = timed_transform(embedder, source_images, on_message)
    return source_z, timed_transform(embedder, target_images, on_message)


def _pick(
    embedder: Any,
    selector: Any,
    choice: Choice,
    source_z: np.ndarray | None,
    target_z: np.ndarray,
    files: list[Path],
) -> tuple[Selection, SeedAgreement | None]:
    """Select; and how far the seeds of a `JoinedEmbedder` agree."""

    def pick(selector: Any, source_z: np.ndarray | None, target_z: np.ndarray) -> Selection:
        return choice.select(selector if source_z is None else selector.fit(source_z), target_z)

    selection = pick(selector, source_z, target_z)
    if not hasattr(embedder, "split"):
        return selection, None
    targets = embedder.split(target_z)
    sources = [None] * len(targets) if source_z is None else embedder.split(source_z)
    by_seed = {
        int(seed): pick(clone(selector), source, target).indices
        for seed, source, target in zip(embedder.seeds, sources, targets, strict=True)
    }
    return selection, agreement(by_seed, files)
