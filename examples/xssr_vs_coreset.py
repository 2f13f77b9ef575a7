"""What XSSR and CoreSet pick from the same two-dimensional target, and what each pick covers.

The target has three tight modes, a diffuse one, one that overlaps the source, and a few outliers.
Both selectors are fitted on the same source and see the plane as it is drawn (preprocess=None).

    python examples/xssr_vs_coreset.py --out xssr_vs_coreset.png
"""

import argparse

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from sklearn.metrics import pairwise_distances_argmin

from skxssr import CoreSetSelector, XSSRSelector
from skxssr.metrics import coverage_loss

BUDGET = 12
# name: centre, deviation, number of rows
MODES = {
    "tight 1": ((6.0, 5.5), 0.30, 110),
    "tight 2": ((7.8, 2.2), 0.30, 90),
    "tight 3": ((3.2, 6.8), 0.25, 60),
    "diffuse": ((4.5, 1.8), 0.95, 120),
    "like the source": ((0.4, 3.2), 0.55, 70),
}
OUTLIERS = ((-1.8, 7.8), (10.6, 7.6), (9.9, -1.4), (-2.2, -1.0), (0.8, 8.9), (11.2, 4.0))


def make_plane(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, target, and the name of the mode that each target row comes from."""
    rng = np.random.default_rng(seed)
    source = rng.normal((0.0, 3.4), 0.8, size=(150, 2))
    parts = [rng.normal(centre, spread, size=(n, 2)) for centre, spread, n in MODES.values()]
    names = np.repeat([*MODES, "outlier"], [n for *_, n in MODES.values()] + [len(OUTLIERS)])
    return source, np.vstack([*parts, OUTLIERS]), names


def draw(axis, source, target, names, picked) -> None:
    """Each target row in the colour of the pick nearest to it, with a line to that pick."""
    palette = [f"C{i}" for i in range(10)] + ["#1b7f6e", "#8a6d3b"]
    nearest = pairwise_distances_argmin(target, target[picked])
    colours = np.array(palette)[nearest % len(palette)]
    lines = np.stack([target, target[picked][nearest]], axis=1)
    axis.scatter(*source.T, s=16, marker="s", c="#d4d4d4", lw=0, label="source")
    axis.add_collection(LineCollection(lines, colors=colours, lw=0.6, alpha=0.45))
    axis.scatter(*target.T, s=9, c=colours, lw=0, label="target")
    far = names == "outlier"
    axis.scatter(*target[far].T, s=300, fc="none", ec="#999999", lw=0.9, label="outlier")
    axis.scatter(*target[picked].T, s=150, c="black", ec="white", lw=1.2, zorder=3, label="picked")
    for rank, point in enumerate(target[picked], 1):
        axis.text(*point, rank, color="white", size=7.5, ha="center", va="center", zorder=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="xssr_vs_coreset.png", help="picture to write")
    parser.add_argument("--seed", type=int, default=0, help="of the points")
    args = parser.parse_args()

    source, target, names = make_plane(args.seed)
    figure = Figure(figsize=(13, 5.9), layout="constrained", dpi=110)
    figure.get_layout_engine().set(h_pad=0.1)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for axis, selector in zip(
        axes, (XSSRSelector(preprocess=None), CoreSetSelector(preprocess=None)), strict=True
    ):
        picked = selector.fit(source).select(target, BUDGET)
        alpha = selector.selection_.alpha
        name = type(selector).__name__.removesuffix("Selector")
        mean, radius = (
            coverage_loss(target, picked, kind=kind) for kind in ("mean_distance", "radius")
        )
        far = int((names[picked] == "outlier").sum())
        print(f"{name}: {len(set(picked.tolist()))} picks, {far} of them outliers;", end=" ")
        print(f"distance to the nearest pick: mean {mean:.3f}, largest {radius:.3f}")
        draw(axis, source, target, names, picked)
        chosen = "" if alpha is None else f", alpha = {alpha:g} by calibration"
        axis.set_title(
            f"{name}{chosen}\ncoverage loss: mean distance {mean:.2f}, radius {radius:.2f}; "
            f"{far} of {BUDGET} picks are outliers"
        )
        axis.set(aspect="equal", xticks=[], yticks=[])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(args.out)
    print(f"Look at {args.out}.")


if __name__ == "__main__":
    main()
