"""The record of a selection: immutable, told in words, as a frame, on disk and back."""

import dataclasses
import json
import pickle
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from skxssr import CoreSetSelector, RandomSelector, Selection, XSSRSelector
from skxssr._utils.optional import import_optional
from skxssr.exceptions import DamagedFileError, MissingExtraError
from skxssr.selection import make_variant
from tests.conftest import normal

RECORDS = {
    "calibrated": lambda X, S: (
        XSSRSelector(alpha="auto").fit(S).select(X, 7, return_selection=True)
    ),
    "residual": lambda X, S: make_variant("residual").fit(S).select(X, 7, return_selection=True),
    "full": lambda X, S: XSSRSelector(engine="full").select(X, 7, return_selection=True),
    "coreset": lambda X, S: CoreSetSelector().select(X, 7, return_selection=True),
    "random": lambda X, S: RandomSelector(random_state=0).select(X, 7, return_selection=True),
}


@pytest.fixture(params=list(RECORDS))
def record(request, pool, source):
    return RECORDS[request.param](pool, source)


def same(a, b):
    for f in dataclasses.fields(Selection):
        x, y = getattr(a, f.name), getattr(b, f.name)
        if isinstance(x, np.ndarray):
            assert x.dtype == y.dtype, f.name
            np.testing.assert_array_equal(x, y, err_msg=f.name)
        elif f.name == "terms":
            assert list(x) == list(y)
            for name in x:
                np.testing.assert_array_equal(x[name], y[name], err_msg=name)
        else:
            assert x == y, f.name


@pytest.mark.parametrize("suffix", ["", ".json", ".npz", ".v2"])
def test_save_and_load_give_the_same_record(record, tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    record.save(path)
    stem = "run.v2" if suffix == ".v2" else "run"
    assert {p.name for p in tmp_path.iterdir()} == {f"{stem}.json", f"{stem}.npz"}
    for where in (path, str(path)):
        same(record, Selection.load(where))


def test_the_files_hold_nothing_that_is_executed(record, tmp_path):
    record.save(tmp_path / "run")
    plain = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert plain["n_samples"] == 80
    assert plain["selector"] == record.selector
    with np.load(tmp_path / "run.npz", allow_pickle=False) as stored:
        assert stored["indices"].tolist() == record.indices.tolist()
        assert "allow_pickle" not in stored.files


def test_parameters_that_are_no_plain_values_are_text(pool, tmp_path):
    from sklearn.decomposition import PCA

    selector = XSSRSelector(
        preprocess=PCA(2), random_state=np.random.RandomState(0), alphas=np.array([0, 0.5])
    )
    record = selector.select(pool, np.int64(3), return_selection=True)
    assert record.parameters["preprocess"] == "PCA(n_components=2)"
    assert record.parameters["alphas"] == [0.0, 0.5]
    record.save(tmp_path / "run")
    assert Selection.load(tmp_path / "run").parameters == record.parameters


def test_an_unknown_format_and_a_missing_file_are_refused(record, tmp_path):
    record.save(tmp_path / "run")
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(DamagedFileError, match="it is of format 99"):
        Selection.load(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        Selection.load(tmp_path / "nowhere")


def test_it_is_immutable_and_holds_no_input(record, pool):
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.alpha = 0.5
    with pytest.raises(ValueError, match="read-only"):
        record.indices[0] = 3
    for term in record.terms.values():
        with pytest.raises(ValueError, match="read-only"):
            term[0] = 3
    arrays = [v for v in vars(record).values() if isinstance(v, np.ndarray)]
    assert not any(np.shares_memory(a, pool) for a in [*arrays, *record.terms.values()])


def test_changing_the_returned_indices_does_not_change_the_record(pool):
    selector = CoreSetSelector()
    picks = selector.select(pool, 4)
    picks[:] = 0
    assert len(set(selector.selection_.indices.tolist())) == 4


def test_the_record_is_returned_or_its_indices(pool):
    selector = CoreSetSelector()
    record = selector.select(pool, 4, return_selection=True)
    assert record is selector.selection_
    assert len(record) == 4
    assert selector.select(pool, 4).tolist() == record.indices.tolist()
    assert selector.selection_ is not record


def test_frame_has_a_row_a_pick(record):
    frame = record.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert frame["index"].tolist() == record.indices.tolist()
    coverage = ["coverage"] if len(record.coverage) else []
    assert list(frame) == ["rank", "index", "score", *record.terms, *coverage]


def test_a_missing_package_names_the_extra(monkeypatch, record):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"to_frame .*'pandas'.*'skxssr\[report\]'"):
        record.to_frame()
    with pytest.raises(MissingExtraError, match="no_such_package"):
        import_optional("no_such_package.part", extra="torch", caller="This")


def test_summary_and_repr_say_what_happened(pool, source):
    record = RECORDS["calibrated"](pool, source)
    assert repr(record) == f"<Selection of 7 of 80 rows by XSSRSelector, alpha={record.alpha}>"
    text = record.summary()
    assert "7 of 80 rows by XSSRSelector" in text
    assert "Coverage loss (mean_distance)" in text
    assert f"alpha = {record.alpha:g} has the lowest loss of 11 tried" in text
    fixed = XSSRSelector(alpha=0).fit(source).select(pool, 7, return_selection=True)
    assert "Novelty had no say: alpha is 0" in fixed.summary()
    assert "Novelty" not in RECORDS["random"](pool, source).summary()


def test_what_was_asked_and_how_long_it_took(record):
    assert record.n_samples == 80
    assert record.n_source_samples in (0, 30)
    assert "preprocess" in record.elapsed
    assert all(isinstance(v, float) and v >= 0 for v in record.elapsed.values())
    if record.selector == "XSSRSelector":
        ours, by_distance = {"clusters", "picks"}, {"first bounds", "walks"}
        stages = ours if record.parameters["scoring"] == "xssr" else by_distance
        assert {"scales", "novelty", "start", "coverage"} | stages <= set(record.elapsed)


def test_a_selector_with_its_record_survives_a_pickle(pool, source):
    selector = XSSRSelector(alpha=0.3).fit(source)
    picks = selector.select(pool, 5)
    again = pickle.loads(pickle.dumps(selector))
    same(again.selection_, selector.selection_)
    assert again.select(pool, 5).tolist() == picks.tolist()


def test_two_records_of_one_call_agree_but_for_the_time(source):
    X = normal(50, 3, 1)
    first, second = (XSSRSelector().fit(source).select(X, 5, return_selection=True) for _ in "ab")
    same(dataclasses.replace(first, elapsed={}), dataclasses.replace(second, elapsed={}))


def test_a_notebook_shows_the_summary_and_the_picks(record):
    shown = record._repr_html_()
    assert shown.count("<tr>") == 1 + len(record)
    assert record.summary().splitlines()[0] in shown
    for row in record.indices:
        assert f"<td>{row}</td>" in shown


def test_names_are_escaped_and_long_records_cut_short(pool):
    terms = {"<b>": np.zeros(40)}
    record = Selection(np.arange(40), np.zeros(40, np.float32), terms=terms, n_samples=80)
    shown = record._repr_html_()
    assert "<b>" not in shown
    assert "and 10 more" in shown


def test_plot_draws_the_coverage_and_the_alpha_curve(pool, source):
    pytest.importorskip("matplotlib")
    calibrated = XSSRSelector(alpha="auto").fit(source).select(pool, 7, return_selection=True)
    curves = [axis.lines[0].get_ydata() for axis in calibrated.plot().axes]
    np.testing.assert_array_equal(curves[0], calibrated.coverage)
    np.testing.assert_array_equal(curves[1], calibrated.alpha_losses)
    given = calibrated.plot().axes[0]
    assert calibrated.plot(ax=given) is given.figure
    assert len(XSSRSelector().select(pool, 7, return_selection=True).plot().axes) == 1
    with pytest.raises(ValueError, match="keeps no coverage"):
        Selection(np.arange(3), np.zeros(3, np.float32), selector="Mine").plot()


def test_a_notebook_shows_both_curves_and_escapes_every_text(pool, source):
    shown = RECORDS["calibrated"](pool, source)._repr_html_()
    assert shown.count("<polyline") == 2
    assert "coverage loss (mean_distance)" in shown
    hostile = Selection(
        np.arange(3),
        np.zeros(3, np.float32),
        coverage=np.arange(3.0),
        calibration="<script>",
        selector='"><script>',
        n_samples=9,
    )
    assert "<script>" not in hostile._repr_html_()
    parser = HTMLParser()
    tags = []
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)
    parser.feed(hostile._repr_html_())
    drawn = {"div", "p", "br", "figure", "svg", "polyline", "figcaption"}
    assert set(tags) == drawn | {"table", "thead", "tbody", "tr", "th", "td"}


def test_the_arrays_of_the_caller_stay_writable_and_apart():
    rows, scores, term = np.arange(3), np.zeros(3, np.float32), np.ones(3)
    notes = {"sampled": [1, 2]}
    record = Selection(rows, scores, terms={"density": term}, scales=notes)
    rows[0], scores[0], term[0] = 7, 7, 7
    notes["sampled"].append(3)
    assert record.indices.tolist() == [0, 1, 2]
    assert record.scores.tolist() == [0, 0, 0]
    assert record.terms["density"].tolist() == [1, 1, 1]
    assert record.scales == {"sampled": [1, 2]}
    assert dataclasses.replace(record, selector="Mine").indices is record.indices


def test_equal_records_have_one_hash_and_others_differ(record, pool, source):
    again = dataclasses.replace(record, elapsed={"preprocess": 1e9})
    assert again == record
    assert hash(again) == hash(record)
    assert len({record, again}) == 1
    assert record != 7
    for field, value in {
        "selector": "Mine",
        "n_samples": 81,
        "alpha": 0.123,
        "scales": {"exact": "no"},
        "scores": record.scores + 1 if np.isfinite(record.scores).all() else np.zeros(7, "f4"),
        "coverage": np.arange(7.0),
        "terms": {**record.terms, "other": np.zeros(7)},
        "utilities": np.zeros((7, 80), np.float32),
    }.items():
        assert dataclasses.replace(record, **{field: value}) != record, field
