"""What cannot be selected from is said before anything long starts, and by name."""

import numpy as np
import pytest

from skxssr import CoreSetSelector, ProbCoverSelector
from skxssr.distributed import select
from skxssr.distributed._cluster import PACKAGES, check_versions

da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.usefixtures("in_this_thread")


def rows(n=12, p=2, chunks=(5, 2), seed=0):
    return da.from_array(np.random.default_rng(seed).normal(size=(n, p)), chunks=chunks)


def test_chunks_of_unknown_size():
    X = rows()
    with pytest.raises(ValueError, match=r"target are of unknown size.*compute_chunk_sizes"):
        CoreSetSelector().select(X[X[:, 0] > 0], 2)


def test_chunks_along_columns():
    with pytest.raises(ValueError, match=r"2 chunks along its columns \(1, 1\).*rechunk"):
        CoreSetSelector().select(rows(chunks=(5, 1)), 2)
    with pytest.raises(ValueError, match="The source has 2 chunks along its columns"):
        CoreSetSelector().fit(rows(chunks=(5, 1)))


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_a_block_that_is_not_finite_is_named(value, name):
    X = np.random.default_rng(0).normal(size=(12, 2))
    X[7, 1] = value
    lazy = da.from_array(X, chunks=(5, 2))
    match = rf"{name} in 1 rows of block 1 of the target \(rows 5 to 9\).*row 7, column 1"
    with pytest.raises(ValueError, match=match):
        CoreSetSelector().select(lazy, 2)
    selector = CoreSetSelector().fit(lazy)
    with pytest.raises(ValueError, match="block 1 of the source"):
        selector.select(rows(), 2)
    assert not hasattr(selector, "selection_")


def test_values_whose_squares_overflow():
    with pytest.raises(ValueError, match=r"Block 2 of the target.*magnitude 1e\+200"):
        CoreSetSelector().select(da.from_array(np.array([[0.0], [1.0], [1e200]]), chunks=1), 1)


def test_other_shapes_and_types():
    with pytest.raises(ValueError, match="3 features, but the source .* has 2"):
        CoreSetSelector().fit(rows()).select(rows(p=3, chunks=(5, 3)), 2)
    with pytest.raises(ValueError, match="1 dimensions"):
        CoreSetSelector().select(rows()[:, 0], 2)
    with pytest.raises(ValueError, match="at least one row"):
        CoreSetSelector().select(rows()[:0], 2)
    with pytest.raises(TypeError, match="dtype complex128"):
        CoreSetSelector().select(rows() * 1j, 2)


def test_a_data_frame_is_told_how_to_become_an_array():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), npartitions=1)
    with pytest.raises(TypeError, match="to_dask_array"):
        CoreSetSelector().select(frame, 1)


def test_selectors_and_parameters_without_a_form_for_dask():
    with pytest.raises(TypeError, match="ProbCoverSelector has no form for Dask arrays"):
        ProbCoverSelector().select(rows(), 2)
    with pytest.raises(TypeError, match="ProbCoverSelector has no form for Dask arrays"):
        ProbCoverSelector().fit(rows())
    with pytest.raises(ValueError, match="engine='torch' is for arrays in memory"):
        CoreSetSelector(engine="torch").select(rows(), 2)
    from sklearn.preprocessing import StandardScaler

    with pytest.raises(ValueError, match="StandardScaler.*cannot be fitted on a Dask array"):
        CoreSetSelector(preprocess=StandardScaler()).select(rows(), 2)


def test_a_budget_that_cannot_be_met():
    with pytest.raises(ValueError, match="at most 12 can be picked"):
        CoreSetSelector().select(rows(), 13)


def test_workers_that_lack_the_package_or_have_another():
    here = dict.fromkeys(PACKAGES, "1.0")
    check_versions(here, {"tcp://a": dict(here)})
    with pytest.raises(RuntimeError, match=r"worker tcp://b lacks the package skxssr 1.0.*pip"):
        check_versions(here, {"tcp://a": dict(here), "tcp://b": {**here, "skxssr": None}})
    with pytest.raises(RuntimeError, match=r"tcp://b has numpy 2.0 instead of 1.0"):
        check_versions(here, {"tcp://b": {**here, "numpy": "2.0"}})


def test_a_file_to_resume_from_that_is_of_another_selection(tmp_path):
    path = tmp_path / "picks.json"
    select(CoreSetSelector(), rows(), 3, resume=path)
    with pytest.raises(ValueError, match="another selection: budget differ"):
        select(CoreSetSelector(), rows(), 4, resume=path)
    with pytest.raises(ValueError, match="rows of the target and of the source differ"):
        select(CoreSetSelector(), rows(seed=1), 3, resume=path)
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match="holds no picks of ours"):
        select(CoreSetSelector(), rows(), 3, resume=path)
    with pytest.raises(ValueError, match="lies in no folder"):
        select(CoreSetSelector(), rows(), 3, resume=tmp_path / "none" / "picks.json")
    with pytest.raises(ValueError, match="random_state=None cannot be repeated"):
        select(CoreSetSelector(random_state=None), rows(), 3, resume=path)
