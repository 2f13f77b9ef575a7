"""Pictures of what networks got wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skxssr._utils.figures import new_figure, save_figure
from skxssr.io import Images, Masks, check_mask_shapes
from skxssr.metrics import dice

__all__ = ["error_sheet"]

_SIDE = 2.1  # inches
_MOST_ROWS = 30
# kind of pixel -> colour of its area, and style of its outline for those who cannot tell colours
_KINDS: dict[str, tuple[str, Any]] = {
    "true positive": ("#2ca02c", "solid"),
    "false positive": ("#e31a1c", "dashed"),
    "false negative": ("#ffd92f", "dotted"),
}
_OPACITY = 0.45
_SMALLEST, _LARGEST = 1 / 3, 0.8  # share of the image in a part of it; beyond, all is shown


def error_sheet(
    images: Any,
    true: Any,
    predictions: Mapping[str, Any],
    path: str | Path | None = None,
    *,
    rows: Any = None,
    captions: Sequence[str] | None = None,
    truth: str = "truth",
    kinds: Sequence[str] = tuple(_KINDS),
) -> Any:
    """Draw images beside their true masks and what each network got right and wrong.

    One line an image: the image, the outline of the truth, and for each network the predicted mask
    with true positives green, false positives red and false negatives yellow. Outlines are solid,
    dashed and dotted in the same order, so that the three are told apart without colours too. All
    but the first show the part that holds the masks, framed in the image: a third of it or more, so
    that small targets are seen. The Dice of each image stands above its panel.

    Parameters
    ----------
    images : images
        See `skxssr.io.Images`; only those shown are read.
    true : masks
        One an image, of its size, see `skxssr.io.Masks`. Whatever is not 0 is foreground: classes
        are not told apart.
    predictions : mapping of str to masks
        Predicted masks, one an image, by name of the network; a column each.
    path : str or Path, optional
        Picture file to write; the suffix says the format. None: no file.
    rows : array-like of int, optional
        Images to show, from top to bottom, at most 30. All by default.
    captions : sequence of str, optional
        What to write beside each of `rows`; by default the name of the image.
    truth : str, default="truth"
        What the masks in `true` are called, where they are not taken for true.
    kinds : sequence of three str, optional
        What the legend calls pixels of both, of the prediction alone and of `true` alone.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on; not shown.

    Raises
    ------
    ValueError
        There is no prediction, masks do not pair with the images or differ from them in size, more
        than 30 rows are to be shown, or `captions` has another length than `rows`.
    MissingExtraError
        matplotlib is not installed.

    See Also
    --------
    contact_sheet : The picked images.
    skxssr.evaluation.subgroup_table : Where a model fails, in numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skxssr.report import error_sheet
    >>> true = np.zeros((1, 32, 32), dtype=np.uint8)
    >>> true[0, 8:24, 8:24] = 1
    >>> images, shifted = 0.5 * true, np.roll(true, 3, axis=2)
    >>> figure = error_sheet(images, true, {"shifted": shifted})
    >>> len(figure.axes)  # the image, the truth, one network
    3
    """
    images = Images(images)
    shown = np.arange(len(images)) if rows is None else np.asarray(rows)
    if not predictions:
        raise ValueError("predictions is empty: pass the masks of at least one network.")
    if len(shown) > _MOST_ROWS:
        raise ValueError(
            f"{len(shown)} images are too many for one sheet, which holds {_MOST_ROWS}: choose "
            "some with rows."
        )
    columns = {truth: Masks(true), **{name: Masks(m) for name, m in predictions.items()}}
    if len(columns) == len(predictions):
        raise ValueError(f"predictions has a network named {truth!r}: give it another name.")
    for name, masks in columns.items():
        if len(masks) != len(images):
            raise ValueError(
                f"{len(images)} images but {len(masks)} masks of {name!r}: pass one an image."
            )
    chosen = images.subset(shown)
    columns = {name: masks.subset(shown) for name, masks in columns.items()}
    if captions is None:
        captions = [Path(name).stem for name in chosen.names]
    if len(captions) != len(chosen):
        raise ValueError(f"captions has {len(captions)} entries, but {len(chosen)} rows are shown.")
    for masks in columns.values():
        check_mask_shapes(chosen, masks)
    figure = new_figure(
        _SIDE * (1 + len(columns)) + 0.4, (_SIDE + 0.2) * len(chosen) + 0.7, "error_sheet"
    )
    axes = figure.subplots(len(chosen), 1 + len(columns), squeeze=False)
    for line, image, caption, *drawn in zip(axes, chosen, captions, *columns.values(), strict=True):
        _draw_line(line, image, [mask > 0 for mask in drawn])
        line[0].set_ylabel(caption, fontsize=8)
    for axis, name in zip(axes[0], ["image", *columns], strict=True):
        axis.set_title("\n".join(filter(None, [name, axis.get_title()])), fontsize=8)
    _draw_legend(figure, kinds)
    return save_figure(figure, path)


def error_picture(image: np.ndarray, true: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """The image in gray under the colours of its errors: (H, W, 3) in [0, 1]."""
    picture = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.float64)
    for region, (colour, _) in zip(_regions(true, pred), _KINDS.values(), strict=True):
        tint = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        picture[region] = (1 - _OPACITY) * picture[region] + _OPACITY * tint
    return picture


def _regions(true: np.ndarray, pred: np.ndarray) -> tuple[np.ndarray, ...]:
    return true & pred, pred & ~true, true & ~pred


def _window(masks: Sequence[np.ndarray]) -> tuple[slice, slice]:
    """Rows and columns of a square that holds all masks; all, if it is most of the image."""
    height, width = masks[0].shape
    there = np.argwhere(np.any(masks, axis=0))
    low, high = (there.min(axis=0), there.max(axis=0) + 1) if len(there) else (0, masks[0].shape)
    side = int(max(1.4 * np.max(np.subtract(high, low)), _SMALLEST * max(height, width)))
    if side > _LARGEST * max(height, width):
        return slice(0, height), slice(0, width)
    starts = [
        min(max(0, int(middle) - side // 2), max(0, size - side))
        for middle, size in zip(np.add(low, high) / 2, (height, width), strict=True)
    ]
    return slice(starts[0], min(starts[0] + side, height)), slice(
        starts[1], min(starts[1] + side, width)
    )


def _draw_line(axes: Sequence[Any], image: np.ndarray, masks: Sequence[np.ndarray]) -> None:
    """The image, the truth (the first of the masks), and every prediction."""
    true = masks[0]
    gray = image[..., 0] if image.shape[2] == 1 else image
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for axis in axes[:2]:
        axis.imshow(gray, cmap="gray", vmin=0, vmax=1)
    rows, columns = _window(masks)
    frame = (columns.start - 0.5, rows.start - 0.5, columns.stop - 0.5, rows.stop - 0.5)
    axes[0].plot(*(np.take(frame, [0, 2, 2, 0, 0]), np.take(frame, [1, 1, 3, 3, 1])), "w:", lw=0.8)
    _outline(axes[1], true, "#2ca02c", "solid", 1.4)
    for axis, pred in zip(axes[2:], masks[1:], strict=True):
        axis.imshow(error_picture(image, true, pred))
        for region, (colour, style) in zip(_regions(true, pred), _KINDS.values(), strict=True):
            _outline(axis, region, colour, style, 0.9)
        score = dice([true], [pred], empty=np.nan)[0]
        axis.set_title("both empty" if np.isnan(score) else f"Dice {score:.2f}", fontsize=8)
    axes[0].set(xlim=(-0.5, true.shape[1] - 0.5), ylim=(true.shape[0] - 0.5, -0.5))
    for axis in axes[1:]:
        axis.set(xlim=(frame[0], frame[2]), ylim=(frame[3], frame[1]))


def _outline(axis: Any, region: np.ndarray, colour: str, style: str, width: float) -> None:
    if region.any():
        # padded, so that an outline closes where the region is cut by the border
        padded = np.pad(region, 1).astype(np.float64)
        where = [np.arange(-1, size + 1) for size in region.shape]
        axis.contour(
            *(where[1], where[0], padded),
            levels=[0.5],
            colors=[colour],
            linestyles=[style],
            linewidths=[width],
        )


def _draw_legend(figure: Any, kinds: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=(colour, _OPACITY), edgecolor=colour, linestyle=style, label=kind)
        for kind, (colour, style) in zip(kinds, _KINDS.values(), strict=True)
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=3, fontsize=8, handlelength=2.6
    )
