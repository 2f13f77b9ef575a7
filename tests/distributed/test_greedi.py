"""Partition, select, merge: one round, and what it covers against the exact picks."""

import numpy as np
import pytest

from skxssr import CoreSetSelector, FacilityLocationSelector, MaxHerdingSelector
from skxssr.distributed import _regions, select

da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.usefixtures("in_this_thread")


def rows(n=600):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)) * rng.choice([0.3, 1.0, 2.0], size=(n, 1))


@pytest.mark.parametrize("selector", [FacilityLocationSelector(), MaxHerdingSelector()])
@pytest.mark.parametrize("n_blocks", [1, 4])
def test_the_guarantee_and_the_record(selector, n_blocks, monkeypatch):
    monkeypatch.setattr(_regions, "n_regions", lambda _: n_blocks)
    monkeypatch.setattr("skxssr.distributed._greedi.n_regions", lambda _: n_blocks)
    X = da.from_array(rows(), chunks=(200, 3))
    given = {"labeled": [5], "sample_weight": np.random.default_rng(1).random(600)}
    one = select(selector, X, 12, **given, return_selection=True)
    quick = select(selector, X, 12, **given, approximate=True, return_selection=True)
    assert len(set(quick.indices.tolist()) - {5}) == 12
    assert not quick.scales["exact"]
    assert "(1 - 1/e) / 2" in quick.scales["guarantee"]
    assert (quick.scales["n_rounds"], quick.scales["n_blocks"]) == (1, n_blocks)
    term = "gain" if "gain" in one.terms else "density"
    covered, best = quick.terms[term].sum(), one.terms[term].sum()
    # the exact picks cover at most all that is possible
    assert covered >= (1 - 1 / np.e) / 2 * best
    if n_blocks == 1:
        np.testing.assert_array_equal(quick.indices, one.indices)
        np.testing.assert_array_equal(quick.scores, one.scores)
    # the record is of the picks that were made: coverage falls by what they gained
    assert (np.diff(quick.coverage) <= 1e-12).all()


def test_what_has_no_guarantee_is_refused(tmp_path):
    X = da.from_array(rows(40), chunks=(20, 3))
    with pytest.raises(ValueError, match="FacilityLocationSelector and MaxHerdingSelector alone"):
        select(CoreSetSelector(), X, 3, approximate=True)
    with pytest.raises(ValueError, match="no guarantee with groups"):
        select(MaxHerdingSelector(), X, 3, groups=np.arange(40), approximate=True)
    with pytest.raises(ValueError, match="leave resume out"):
        select(MaxHerdingSelector(), X, 3, resume=tmp_path / "p.json", approximate=True)
