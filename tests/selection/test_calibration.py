"""The choice of alpha: the curve is what separate runs give, ties go to the smallest alpha."""

import numpy as np
import pytest

from skxssr.exceptions import SkxssrWarning
from skxssr.selection import make_variant
from tests import naive
from tests.conftest import DATA, normal

GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


def selector(**parameters):
    return make_variant("residual", **{"preprocess": None, "alphas": GRID, **parameters})


@pytest.mark.parametrize("kind", ["mean_distance", "radius", "kernel", "novel_distance"])
@pytest.mark.parametrize("name", ["normal", "lattice", "duplicates", "line"])
def test_curve_alpha_and_overlap_are_those_of_separate_runs(name, kind):
    X = DATA[name]
    source = normal(12, X.shape[1], 3) * 0.3
    fitted = selector(calibration=kind).fit(source)
    record = fitted.select(X, 8, return_selection=True)
    expected = naive.calibrate(X, 8, GRID, source=source, calibration=kind)
    assert record.alpha == expected.alpha
    assert record.indices.tolist() == expected.run.indices
    assert record.alphas.tolist() == list(GRID)
    np.testing.assert_allclose(record.alpha_losses, expected.losses, rtol=1e-9)
    assert record.alpha_zero_overlap == expected.overlap
    for alpha, loss in zip(GRID, record.alpha_losses, strict=True):
        fixed = selector(alpha=alpha, calibration=kind).fit(source)
        assert fixed.select(X, 8, return_selection=True).coverage[-1] == loss
        assert fixed.selection_.alphas.size == fixed.selection_.alpha_losses.size == 0
        assert fixed.selection_.alpha_zero_overlap is None
        assert fixed.selection_.novelty_used == (alpha > 0)


def test_novelty_can_win_the_calibration():
    # The source sits where the target's small, dense mode is: only novelty leads away from it.
    X = np.vstack([normal(40, 2, 0) * 0.05, normal(60, 2, 1) + 6])
    curve = [
        selector().fit(source).select(X, budget, return_selection=True)
        for source in (normal(20, 2, 2) * 0.05, normal(20, 2, 3) + 6)
        for budget in range(1, 13)
    ]
    assert any(record.novelty_used for record in curve)
    for record in curve:
        assert record.novelty_used == (record.alpha > 0)
        lowest = record.alpha_losses.min()
        ties = record.alphas[record.alpha_losses <= lowest * (1 + 1e-6)]
        assert record.alpha == ties[0]
        assert ("Novelty had no say" in record.summary()) == (record.alpha == 0)


def test_ties_go_to_the_smallest_alpha():
    X = np.arange(10.0)[:, None]
    source = np.full((3, 1), 4.5)
    record = selector(alphas=(1.0, 0.5, 0.2, 0.5)).fit(source).select(X, 10, return_selection=True)
    assert record.alphas.tolist() == [0.2, 0.5, 1.0]
    assert record.alpha_losses.tolist() == [0.0, 0.0, 0.0]  # everything picked
    assert record.alpha == 0.2
    assert record.alpha_zero_overlap == 1.0


@pytest.mark.parametrize("alphas", [(0.5,), [0.5], np.array([0.5]), 0.5])
def test_a_grid_of_one(alphas, pool, source):
    if np.ndim(alphas) == 0:
        with pytest.raises(ValueError, match="alphas"):
            selector(alphas=alphas).fit(source).select(pool, 6)
        return
    record = selector(alphas=alphas).fit(source).select(pool, 6, return_selection=True)
    fixed = selector(alpha=0.5).fit(source).select(pool, 6)
    assert record.alpha == 0.5
    assert record.indices.tolist() == fixed.tolist()
    assert record.alphas.tolist() == [0.5]
    assert 0 <= record.alpha_zero_overlap <= 1


def test_without_a_source_alpha_is_zero_and_says_so(pool):
    record = selector().select(pool, 6, return_selection=True)
    assert (record.alpha, record.novelty_used, record.n_source_samples) == (0.0, False, 0)
    assert (record.alphas.size, record.alpha_losses.size) == (0, 0)
    assert record.alpha_zero_overlap is None
    assert (record.terms["novelty"] == 1).all()
    assert "Novelty had no say: there was no source" in record.summary()
    assert record.indices.tolist() == naive.select(pool, 6).indices


def test_a_fixed_alpha_without_a_source_warns_and_becomes_zero(pool):
    chooser = selector(alpha=0.4)
    with pytest.warns(SkxssrWarning, match=r"alpha=0.4 .*fit\(source_embeddings\)") as caught:
        record = chooser.select(pool, 6, return_selection=True)
    assert caught[0].filename == __file__
    assert (record.alpha, chooser.alpha) == (0.0, 0.4)
    assert record.indices.tolist() == selector(alpha=0.0).select(pool, 6).tolist()


@pytest.mark.parametrize("alpha", [0, 1, np.float64(0.5), np.float32(0.5)])
def test_any_real_number_is_an_alpha(alpha, pool, source):
    record = selector(alpha=alpha).fit(source).select(pool, 3, return_selection=True)
    assert (record.alpha, type(record.alpha)) == (float(alpha), float)


@pytest.mark.parametrize("exponent", [-20, 3, 40])
def test_a_unit_that_is_a_power_of_two_changes_nothing(exponent, pool, source):
    # A few source rows are copied into the pool: their novelty is floored.
    pool = np.vstack([pool, source[:5]])
    unit = 2.0**exponent
    for parameters in ({}, {"alpha": 0.1, "n_neighbors": 1}, {"alpha": 1.0, "n_neighbors": 1}):
        one = selector(**parameters).fit(source).select(pool, 40, return_selection=True)
        other = selector(**parameters).fit(source * unit)
        other = other.select(pool * unit, 40, return_selection=True)
        assert other.indices.tolist() == one.indices.tolist()
        assert other.scores.tolist() == one.scores.tolist()
        assert (other.coverage == one.coverage * unit).all()
        assert other.alpha == one.alpha
