"""The pictures of `skxssr.evaluation` draw what its tables say."""

import numpy as np
import pytest

from skxssr.evaluation import plot_forest, plot_label_efficiency, summarize
from tests.evaluation.test_summary import make_runs, reference

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def runs():
    return make_runs(blocks=("picks", "finetune"), n_pools=3)


def test_pictures(tmp_path, runs):
    more = [
        reference("all labels", 0.95, budget=440),
        reference("source only", 0.90, block="zero labels"),
    ]
    plot_label_efficiency([*runs, *more], tmp_path / "efficiency.png", n_bootstrap=20)
    plot_label_efficiency(runs[:1], tmp_path / "single.png", n_bootstrap=20)
    comparisons = summarize(runs, n_bootstrap=20).comparisons
    plot_forest(comparisons, tmp_path / "forest.png")
    plot_forest(comparisons, tmp_path / "coreset.png", against="CoreSet")
    for name in ("efficiency.png", "single.png", "forest.png", "coreset.png"):
        assert (tmp_path / name).stat().st_size > 1000
    with pytest.raises(ValueError, match="against='XSSR' is in no row"):
        plot_forest(comparisons, tmp_path / "no.png", against="XSSR")
    with pytest.raises(ValueError, match="references alone"):
        plot_label_efficiency(more, tmp_path / "no.png")


def test_the_efficiency_picture_draws_what_the_table_says(tmp_path, runs, monkeypatch):
    from matplotlib.axes import Axes

    drawn = []
    original = Axes.errorbar

    def spy(self, x, y, **kwargs):
        drawn.append(np.array(y))
        return original(self, x, y, **kwargs)

    monkeypatch.setattr(Axes, "errorbar", spy)
    picks = [r for r in runs if r["block"] == "picks"]
    plot_label_efficiency(picks, tmp_path / "one.png", n_bootstrap=20)
    rows = summarize(picks, n_bootstrap=20).rows
    expected = [
        [row["dice"] for row in rows if row["selector"] == name]
        for name in ("CoreSet", "MaxHerding", "XSSR", "random")
    ]
    np.testing.assert_allclose(drawn, expected)


def test_they_draw_into_the_axes_passed_and_return_the_figure(runs):
    from matplotlib.figure import Figure

    picks = [r for r in runs if r["block"] == "picks"]
    comparisons = summarize(picks, n_bootstrap=20).comparisons
    mine = Figure()
    left, right = mine.subplots(1, 2)
    assert plot_label_efficiency(picks, ax=left, n_bootstrap=20) is mine
    assert plot_forest(comparisons, ax=[right]) is mine
    alone = plot_label_efficiency(picks, n_bootstrap=20).axes[0], plot_forest(comparisons).axes[0]
    for drawn, expected in zip((left, right), alone, strict=True):
        assert len(drawn.lines) == len(expected.lines) > 0
    with pytest.raises(ValueError, match="plot_forest draws 1 panels, but ax holds 2 axes"):
        plot_forest(comparisons, ax=[left, right])
