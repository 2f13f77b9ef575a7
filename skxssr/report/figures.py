"""Pictures of a selection."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.figures import make_panels, new_figure, save_figure
from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.io import Images

_COLUMNS = 6


def plot_picks(
    source: np.ndarray | None,
    target: np.ndarray,
    picks: Mapping[str, np.ndarray],
    path: str | Path | None = None,
    *,
    ax: Any = None,
) -> Any:
    """Draw the first two principal components of both sites, and what each selector picked.

    Parameters
    ----------
    source : ndarray of shape (n_source, d) or None
        Source embeddings.
    target : ndarray of shape (n, d)
        Target embeddings.
    picks : mapping of str to ndarray of int
        Picked rows of the target by name of the selector, one panel each, numbered in pick order.
    path : str or Path, optional
        Picture file to write; the suffix says the format. None: no file.
    ax : matplotlib.axes.Axes or sequence of Axes, optional
        Where to draw instead of a new figure: one for each of `picks`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on; not shown.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    ValueError
        `ax` holds another number of axes than `picks` entries.

    Notes
    -----
    The space is that of ``preprocess="auto"``; selectors see up to 32 components of it, the
    picture two.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skxssr import CoreSetSelector
    >>> from skxssr.report import plot_picks
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "picks.png"
    ...     figure = plot_picks(None, X, {"CoreSet": CoreSetSelector().select(X, 5)}, path)
    ...     path.stat().st_size > 1000
    True
    """
    figure, axes = make_panels(
        (1, len(picks)),
        (1 + 5.0 * len(picks), 5.2),
        ax=ax,
        caller="plot_picks",
        sharex=True,
        sharey=True,
    )
    transform = fit_scale_and_pca(source, target)
    here = transform(target)[:, :2]
    there = np.empty((0, here.shape[1])) if source is None else transform(source)[:, :2]
    if here.shape[1] == 1:
        here, there = (np.column_stack([z, np.zeros(len(z))]) for z in (here, there))
    shown = np.vstack([here, there])
    low, high = np.percentile(shown, [0.5, 99.5], axis=0)
    margin = 0.08 * (high - low) + 1e-9
    for axis, (name, rows) in zip(axes, picks.items(), strict=True):
        axis.scatter(*there.T, s=10, c="#b8b8b8", marker="s", lw=0, label="source")
        axis.scatter(*here.T, s=14, c="#7fb3d5", alpha=0.7, lw=0, label="target")
        axis.scatter(*here[rows].T, s=90, c="#c0392b", edgecolors="white", lw=0.8, label="picked")
        for rank, row in enumerate(rows, 1):
            axis.annotate(str(rank), here[row], color="white", fontsize=6, ha="center", va="center")
        outside = int(
            ((here[rows] < low - margin) | (here[rows] > high + margin)).any(axis=1).sum()
        )
        axis.set_title(name + (f" ({outside} beyond the frame)" if outside else ""))
        axis.set(xticks=[], yticks=[])
        axis.set_xlim(low[0] - margin[0], high[0] + margin[0])
        axis.set_ylim(low[1] - margin[1], high[1] + margin[1])
        axis.set_xlabel("first principal component")
    axes[0].set_ylabel("second principal component")
    axes[0].legend(loc="best", fontsize=8, framealpha=0.9)
    return save_figure(figure, path)


def contact_sheet(
    images: Any,
    picks: np.ndarray,
    path: str | Path | None = None,
    *,
    captions: Sequence[str] | None = None,
    first: int = 1,
) -> Any:
    """Draw the picked images in pick order.

    Parameters
    ----------
    images : images
        The target, see `skxssr.io.Images`; only the picked are read.
    picks : ndarray of int
        Rows in pick order.
    path : str or Path, optional
        Picture file to write; the suffix says the format. None: no file.
    captions : sequence of str, optional
        One a pick; by default the name of the image.
    first : int, default=1
        Rank of the first of `picks`, for the second of several sheets.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on; not shown.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skxssr.datasets import make_phantoms
    >>> from skxssr.report import contact_sheet
    >>> films = make_phantoms("chest", "A", 8, random_state=0, image_size=32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sheet.png"
    ...     figure = contact_sheet(films.images, np.array([5, 0, 2]), path, captions="abc")
    ...     path.stat().st_size > 1000
    True
    """
    chosen = Images(images).subset(picks)
    if captions is None:
        captions = [Path(name).stem for name in chosen.names]
    columns = min(_COLUMNS, len(chosen))
    lines = -(-len(chosen) // columns)
    figure = new_figure(2.0 * columns, 2.25 * lines, "contact_sheet")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for rank, (axis, caption) in enumerate(zip(axes, captions, strict=False)):
        image = chosen[rank]
        axis.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=1)
        axis.set_title(f"{first + rank}. {caption}", fontsize=7)
    return save_figure(figure, path)
