"""Forms of XSSR for ablations, each against its naive twin and what it should reduce to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skxssr import XSSRSelector
from skxssr.exceptions import SkxssrWarning
from skxssr.selection import XSSR_VARIANTS, ScoreSpec, make_variant
from skxssr.selection._engine import scales
from skxssr.selection._engine.calibrate import choose_alpha
from skxssr.testing import check_selector
from tests import naive
from tests.conftest import DATA, lattice, normal
from tests.selection.test_properties import problems

GRID = (0.0, 0.25, 0.5, 1.0)
every_form = pytest.mark.parametrize("name", list(XSSR_VARIANTS))


def form(name, **overrides):
    return make_variant(name, **{"preprocess": None, "alphas": GRID, **overrides})


def twin(X, budget, name, **arguments):
    """The naive run of a form, calibrated where the selector is."""
    parameters = {"density": "typicality", "diversity": "clusters", **XSSR_VARIANTS[name]}
    if parameters.pop("diversity") == "clusters":
        how = naive.cluster_picks
        assert parameters.pop("density") == "typicality"
    else:
        how = naive.select
        parameters["novelty_in"] = parameters.pop("novelty", "score")
    parameters |= arguments
    tolerance = max(parameters.pop("alpha_tolerance", 0), 1e-6)
    alpha = parameters.pop("alpha", 0.0)
    trades = {"novelty", "diversity"} <= {*parameters.get("terms", ("novelty", "diversity"))}
    if alpha == "auto" and trades and "source" in parameters:
        return naive.calibrate(X, budget, GRID, tolerance=tolerance, how=how, **parameters).run
    return how(X, budget, alpha=0.0 if alpha == "auto" else alpha, **parameters)


WITHOUT_SOURCE = {  # what of a form needs a source, and is not there without one
    "source as covered": {"source_weight": 0.0},
}


def agree(record, expected):
    assert record.indices.tolist() == expected.indices
    close = {"rtol": 1e-6, "atol": 1e-9}
    np.testing.assert_allclose(record.scores, expected.scores, **close)
    for term in ("density", "novelty", "diversity"):
        np.testing.assert_allclose(record.terms[term], getattr(expected, term), **close)
    np.testing.assert_allclose(record.coverage, expected.coverage, **close)


def check_that_scores_never_rise(name, record):
    """In the greedy forms; picks from clusters have no such order."""
    if make_variant(name).scoring != "xssr" and "diversity" in XSSR_VARIANTS[name]:
        assert not (np.diff(record.utilities, axis=0) > 0).any()


@pytest.mark.parametrize("seed", range(3))
def test_the_residual_form_picks_what_it_always_picked(seed):
    # written down before there were forms
    smooth, ties = {
        0: ([43, 2, 32, 62, 164, 36, 66, 142, 79, 64, 86, 22],
            [118, 88, 64, 22, 57, 19, 40, 74, 13, 37, 103, 92]),
        1: ([15, 109, 1, 167, 99, 165, 146, 102, 133, 92, 21, 29],
            [92, 56, 41, 21, 16, 36, 26, 131, 13, 89, 80, 128]),
        2: ([141, 5, 153, 35, 101, 168, 99, 150, 46, 87, 91, 114],
            [13, 3, 42, 19, 24, 43, 40, 45, 130, 112, 7, 11]),
    }[seed]  # fmt: skip
    fitted = make_variant("residual", preprocess=None).fit(normal(30, 3, 100 + seed) + 0.5)
    assert fitted.select(normal(200, 3, seed), 12).tolist() == smooth
    fitted = make_variant("residual", preprocess=None, alpha=0.6)
    fitted.fit(lattice(30, 2, 9, 200 + seed))
    assert fitted.select(lattice(200, 2, 9, seed), 12).tolist() == ties


@every_form
@pytest.mark.parametrize("seed", range(3))
def test_every_form_is_its_twin(name, seed):
    X, source = normal(60, 3, seed), normal(15, 3, 40 + seed) * 0.5 + 0.3
    expected = twin(X, 9, name, source=source)
    for engine in ("lazy", "full"):
        record = form(name, engine=engine).fit(source).select(X, 9, return_selection=True)
        agree(record, expected)
    check_that_scores_never_rise(name, record)


@every_form
@pytest.mark.parametrize("data", ["normal", "duplicates", "line", "mostly one value"])
def test_every_form_with_every_argument(name, data):
    X = DATA[data]
    rng = np.random.default_rng(6)
    arguments = {
        "labeled": [8, 3, 21],
        "groups": rng.integers(0, 7, len(X)),
        "candidates": np.sort(rng.choice(len(X), len(X) - 10, replace=False)),
    }
    weight, source = rng.random(len(X)), normal(11, X.shape[1], 21)
    expected = twin(X, 8, name, source=source, weight=weight, n_neighbors=4, **arguments)
    for engine in ("lazy", "full"):
        fitted = form(name, engine=engine, n_neighbors=4).fit(source)
        record = fitted.select(X, 8, sample_weight=weight, return_selection=True, **arguments)
        agree(record, expected)
    np.testing.assert_allclose(record.utilities, expected.utilities, rtol=1e-5)


@every_form
def test_every_form_without_a_source(name, pool):
    chooser = form(name)
    if name == "novelty alone":
        with pytest.raises(ValueError, match=r"terms=\('novelty',\) .*fit\(source_embeddings\)"):
            chooser.select(pool, 5)
        return
    if name == "source as covered":
        with pytest.warns(SkxssrWarning, match=r"source_weight=1.0 .*0 is used") as caught:
            record = chooser.select(pool, 5, return_selection=True)
        assert caught[0].filename == __file__
    else:
        record = chooser.select(pool, 5, return_selection=True)
    agree(record, twin(pool, 5, name, **WITHOUT_SOURCE.get(name, {})))
    assert not record.novelty_used
    terms = XSSR_VARIANTS[name].get("terms", ["diversity"])
    assert record.alpha == (0 if "diversity" in terms else None)
    assert "Novelty had no say: there was no source." in record.summary()


@pytest.mark.filterwarnings("ignore::skxssr.exceptions.SkxssrWarning")
@settings(max_examples=80)
@given(problems(), st.sampled_from(list(XSSR_VARIANTS)), st.sampled_from([0.0, 0.3, 1.0, "auto"]))
def test_lazy_equals_full_scan_for_every_form(problem, name, alpha):
    X, source, budget, call = problem
    lazy, full = (
        form(name, alpha=alpha, engine=engine, alphas=(0, 0.5))
        .fit(source)
        .select(X, budget, **call, return_selection=True)
        for engine in ("lazy", "full")
    )
    assert lazy.indices.tolist() == full.indices.tolist()
    assert lazy.scores.tolist() == full.scores.tolist()
    for term in lazy.terms:
        assert lazy.terms[term].tolist() == full.terms[term].tolist()
    check_that_scores_never_rise(name, full)
    assert (full.scores >= 0).all()
    assert np.isfinite(full.scores).all()


@pytest.mark.parametrize(
    ("name", "true_of_it"),
    [
        ("XSSR as described", {"permutation": True}),
        ("residual", {"permutation": True}),
        ("typicality, distance", {"permutation": True}),
        ("novelty as demand weight", {"permutation": True}),
    ],
)
def test_contract(name, true_of_it):
    check_selector(make_variant(name), **true_of_it)


# What a form reduces to, by other means than its twin


def test_diversity_alone_is_greedy_k_center(pool):
    picks = form("diversity alone").select(pool, 12).tolist()
    assert picks == naive.k_center(pool, 12, first=0)


def test_novelty_alone_goes_from_the_farthest_inward(pool, source):
    picks = form("novelty alone", n_neighbors=3).fit(source).select(pool, 80).tolist()
    assert picks == np.argsort(-naive.novelty(pool, source, 3)).tolist()


def test_density_alone_is_greedy_kernel_coverage(pool):
    record = form("density alone", calibration="kernel").select(pool, 6, return_selection=True)
    h, picked = record.scales["bandwidth"], []
    for pick in record.indices:
        losses = {
            i: naive.coverage_loss(pool, [*picked, i], kind="kernel", h=h)
            for i in range(len(pool))
            if i not in picked
        }
        assert pick == min(losses, key=losses.get)
        picked.append(pick)
    assert record.alpha is None
    assert record.alphas.size == 0


@pytest.mark.parametrize("start", ["residual", "XSSR as described"])
def test_a_term_left_out_is_alpha_at_its_end(start, pool, source):
    for left_out, alpha in (("novelty", 0.0), ("diversity", 1.0)):
        removed = form(f"{start}, without {left_out}").fit(source)
        whole = form(start, alpha=alpha).fit(source)
        a, b = (s.select(pool, 15, return_selection=True) for s in (removed, whole))
        assert a.indices.tolist() == b.indices.tolist()
        assert a.scores.tolist() == b.scores.tolist()
        assert a.alpha == alpha
        assert a.novelty_used == (alpha == 1.0)
        assert ("it is not among the terms" in a.summary()) == (left_out == "novelty")


def test_demand_weighed_by_novelty_is_a_sample_weight(pool, source):
    terms = ("density", "novelty")
    weighed = form("novelty as demand weight", terms=terms, n_neighbors=4).fit(source)
    by_hand = form("density alone", n_neighbors=4)
    picks = by_hand.select(pool, 15, sample_weight=naive.novelty(pool, source, 4))
    assert weighed.select(pool, 15).tolist() == picks.tolist()


def test_a_source_that_counts_fully_is_as_good_as_labels(pool):
    labeled = [4, 50, 7, 33]
    rest = np.setdiff1d(np.arange(80), labeled)
    options = {"n_neighbors": 4, "terms": ("density",)}
    credited = form("source as covered", **options).fit(pool[labeled])
    expected = form("residual", **options).select(pool, 12, labeled=labeled, return_selection=True)
    record = credited.select(pool, 12, candidates=rest, return_selection=True)
    assert record.indices.tolist() == expected.indices.tolist()
    assert record.scores.tolist() == expected.scores.tolist()
    assert record.scales["source_weight"] == 1.0
    assert record.novelty_used
    assert "Novelty" not in record.summary()
    without = form("residual", **options).fit(pool[labeled]).select(pool, 12, return_selection=True)
    assert "source_weight" not in without.scales


def test_a_source_counts_in_proportion(pool, source):
    for share in (0.0, 0.4):
        fitted = form("residual", alpha=0.3, source_weight=share).fit(source)
        expected = naive.select(pool, 12, source=source, alpha=0.3, source_weight=share)
        agree(fitted.select(pool, 12, return_selection=True), expected)


def test_range_of_the_additive_form(monkeypatch, pool):
    record = form("residual, additive").select(pool, 5, return_selection=True)
    assert record.scales["diversity_range"] == pytest.approx(naive.distance_range(pool), rel=1e-12)
    assert "diversity_range" not in form("residual").select(pool, 5, return_selection=True).scales
    monkeypatch.setattr(scales, "MAX_RANGE", 12)
    ranges = [scales.distance_range(pool, seed=seed) for seed in (0, 0, 1)]
    assert ranges[0] == ranges[1] != ranges[2]
    assert max(ranges) <= naive.distances(pool, pool).max()


@pytest.mark.parametrize("rows", [np.ones((1, 2)), np.repeat([[0.0], [1.0]], [99, 1], axis=0)])
def test_additive_form_where_there_is_no_range(rows):
    budget = min(2, len(rows))
    record = form("residual, additive").select(rows, budget, return_selection=True)
    expected = naive.select(rows, budget, composite="additive")
    assert record.indices.tolist() == expected.indices


def test_bandwidth_follows_its_scale(pool):
    for scale in (0.5, 2.0, 3.0):
        record = form("residual", bandwidth_scale=scale).select(pool, 8, return_selection=True)
        agree(record, naive.select(pool, 8, bandwidth_scale=scale))
        assert record.scales["bandwidth"] == pytest.approx(
            naive.bandwidth(pool, record.scales["n_neighbors"], scale), rel=1e-12
        )


# Alpha


@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [(0.0, 0.6), (1e-9, 0.6), (0.009, 0.6), (0.011, 0.2), (0.05, 0.2), (0.051, 0.0), (9.0, 0.0)],
)
def test_alpha_within_a_tolerance_of_a_hand_made_curve(tolerance, expected):
    grid, losses = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [10.505, 10.1, 10.3, 10.0, 10.0 + 1e-7, 12]
    assert choose_alpha(grid, np.array(losses), tolerance) == expected


@pytest.mark.parametrize("name", ["XSSR, alpha auto", "residual"])
def test_tolerance_on_a_real_curve(name, pool, source):
    strict = form(name).fit(source).select(pool, 8, return_selection=True)
    order = np.sort(strict.alpha_losses)
    for tolerance in (0.0, 1e-3, order[1] / order[0] - 1 + 1e-9, 0.2, 5.0):
        record = form(name, alpha_tolerance=tolerance).fit(source)
        record = record.select(pool, 8, return_selection=True)
        assert record.alpha_losses.tolist() == strict.alpha_losses.tolist()
        limit = order[0] * (1 + max(tolerance, 1e-6))
        assert record.alpha == record.alphas[record.alpha_losses <= limit].min()
    assert record.alpha == 0
    assert "the smallest within 500.00% of the lowest loss of 4 tried" in record.summary()


def test_when_alpha_is_0_the_summary_says_that_the_source_had_no_influence(pool, source):
    sentence = "The distance to the source did not influence the picks."
    for parameters in ({"alpha": 0.0}, {"alpha": "auto", "alpha_tolerance": 9.0}):
        record = form("XSSR", **parameters).fit(source).select(pool, 8, return_selection=True)
        assert record.summary().endswith(f"Novelty had no say: alpha is 0.\n{sentence}")
    assert sentence not in form("XSSR").select(pool, 8, return_selection=True).summary()
    record = form("XSSR", alpha=0.5).fit(source).select(pool, 8, return_selection=True)
    assert sentence not in record.summary()


def test_novel_distance_weighs_what_is_far_from_the_source(pool, source):
    far = naive.novelty(pool, source, 4)
    kwargs = {"alpha": 0.5, "calibration": "novel_distance", "n_neighbors": 4}
    record = form("XSSR", **kwargs).fit(source).select(pool, 8, return_selection=True)
    expected = naive.coverage_loss(pool, record.indices, weight=far)
    assert record.coverage[-1] == pytest.approx(expected, rel=1e-9)
    assert record.calibration == "novel_distance"


# Input


def test_names(pool):
    with pytest.raises(ValueError, match="name must be one of .*'XSSR as described'"):
        make_variant("SSXR")
    assert make_variant("XSSR").get_params() == XSSRSelector().get_params()
    assert make_variant("residual, alpha 0", alpha=0.2).alpha == 0.2
    with pytest.raises(TypeError):
        XSSR_VARIANTS["mine"] = {}


@pytest.mark.parametrize(
    "terms", [(), ("density", "density"), ("novel",), [1], np.array(["density", "x"])]
)
def test_terms_that_are_none(terms):
    with pytest.raises(ValueError, match="terms must name at least one of"):
        ScoreSpec(terms=terms)


@pytest.mark.parametrize("terms", ["density", None, 3])
def test_terms_of_another_type(terms):
    with pytest.raises(ValueError, match="terms must name at least one of"):
        ScoreSpec(terms=terms)


def test_terms_in_any_order_and_container(pool, source):
    picks = [
        form("XSSR", terms=terms, alpha=0.4).fit(source).select(pool, 9).tolist()
        for terms in (
            ("density", "novelty", "diversity"),
            ["diversity", "density", "novelty"],
            np.array(["novelty", "diversity", "density"]),
        )
    ]
    assert picks[0] == picks[1] == picks[2]


@pytest.mark.parametrize("name", ["XSSR", "typicality, distance", "residual, without density"])
@pytest.mark.parametrize("asked", [{"novelty": "demand"}, {"source_weight": 0.5}])
def test_what_acts_on_the_demand_needs_one(name, asked, pool):
    with pytest.raises(ValueError, match=r"acts on the demand.*density='residual'"):
        form(name, **asked).select(pool, 3)


def test_an_alpha_that_has_nothing_to_trade_off_warns(pool, source):
    for left, only in ((("density", "diversity"), 0), (("density", "novelty"), 1)):
        chooser = form("XSSR", terms=left, alpha=0.5).fit(source)
        with pytest.warns(SkxssrWarning, match=rf"alpha=0.5 .*alpha={only} is used") as caught:
            record = chooser.select(pool, 3, return_selection=True)
        assert caught[0].filename == __file__
        assert record.alpha == only


@pytest.mark.parametrize(
    "wrong",
    [
        {"composite": "sum"},
        {"diversity": "radius"},
        {"novelty": "pool"},
        {"source_weight": 1.1},
        {"source_weight": -0.1},
        {"bandwidth_scale": 0.0},
        {"calibration": "dice"},
    ],
    ids=str,
)
def test_out_of_range(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        ScoreSpec(**wrong)


@pytest.mark.parametrize("wrong", [{"alpha_tolerance": -0.1}, {"scoring": "sum"}], ids=str)
def test_parameters_out_of_range(wrong, pool):
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter"):
        XSSRSelector(**wrong).select(pool, 3)
