"""The reserved test set: drawn by chance, whole patients, written once, and kept away from."""

import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skxssr.holdout import group_by_pattern, read_test_set, reserve_test_set, split_folder
from skxssr.holdout.reserved import reserved_nearby

PATTERN = r"^(p[0-9]+)_"


@st.composite
def draws(draw):
    """Images, their patients, and a size that can be met."""
    counts = draw(st.lists(st.integers(1, 5), min_size=2, max_size=12))
    groups = draw(st.permutations(np.repeat(np.arange(len(counts)), counts).tolist()))
    most = sum(counts) - max(counts)
    size = draw(st.integers(1, most))
    if draw(st.booleans()):
        size = size / sum(counts)
    return np.array(groups), size, draw(st.integers(0, 2**32 - 1))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(draws())
def test_whole_groups_reach_the_size_and_no_more_than_needed(case):
    groups, size, seed = case
    n = len(groups)
    wanted = size if isinstance(size, int) else math.ceil(size * n - 1e-9)
    rows = reserve_test_set(range(n), size, groups=groups, random_state=seed)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert not set(groups[rows]) & set(np.delete(groups, rows))
    assert wanted <= len(rows) < n
    # whichever group came last, without the largest one it is too small
    assert len(rows) - np.bincount(groups[rows]).max() < wanted
    again = reserve_test_set(range(n), size, groups=groups, random_state=seed)
    np.testing.assert_array_equal(rows, again)
    shuffled = np.random.default_rng(seed).permutation(n)
    moved = reserve_test_set(shuffled, size, groups=groups[shuffled], random_state=seed)
    assert set(shuffled[moved]) == set(rows)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(draws(), st.integers(1, 3))
def test_a_larger_size_keeps_what_a_smaller_one_drew(case, smaller):
    groups, size, seed = case
    wanted = max(1, math.floor(size if size >= 1 else size * len(groups)))
    sizes = [max(1, wanted - smaller), wanted]
    small, large = (
        reserve_test_set(range(len(groups)), size, groups=groups, random_state=seed)
        for size in sizes
    )
    assert set(small) <= set(large)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(draws(), min_size=1, max_size=3), st.floats(0.01, 0.3))
def test_every_stratum_gives_its_share(cases, share):
    groups = np.concatenate([groups + 100 * s for s, (groups, _, _) in enumerate(cases)])
    strata = np.repeat([f"site {s}" for s in range(len(cases))], [len(c[0]) for c in cases])
    wanted = math.ceil(share * len(groups) - 1e-9)
    shares = {s: math.ceil(wanted * (strata == s).mean() - 1e-9) for s in set(strata)}
    most = {s: (strata == s).sum() - np.bincount(groups[strata == s]).max() for s in shares}

    def reserve():
        return reserve_test_set(range(len(groups)), share, groups=groups, strata=strata)

    if any(shares[s] > most[s] for s in shares):
        with pytest.raises(ValueError, match=r"of stratum site .* could leave nothing"):
            reserve()
        return
    rows = reserve()
    assert not set(groups[rows]) & set(np.delete(groups, rows))
    for s, least in shares.items():
        reserved = groups[rows][strata[rows] == s]
        assert least <= len(reserved) < (strata == s).sum()
        assert len(reserved) - np.bincount(reserved).max() < least


def test_patients_are_equally_likely_whatever_they_are_called_and_however_many_images():
    groups = np.repeat([f"p{i}" for i in range(10)], [1, 1, 1, 1, 1, 1, 1, 1, 1, 4])
    times = dict.fromkeys(groups, 0)
    for seed in range(600):
        first = reserve_test_set(range(13), 1, groups=groups, random_state=seed)
        for patient in set(groups[first]):
            times[patient] += 1
    # 600 draws of one of ten: 60 each, deviation 7.3
    assert sum(times.values()) == 600
    assert all(abs(drawn - 60) < 4 * 7.3 for drawn in times.values())


def test_without_groups_it_is_a_draw_of_images():
    rows = reserve_test_set([f"{i:03}" for i in range(50)], 0.2)
    order = np.random.RandomState(0).permutation(50)
    assert rows.tolist() == sorted(order[:10].tolist())


@pytest.mark.parametrize(
    ("size", "n", "expected"), [(1, 10, 1), (0.2, 10, 2), (0.21, 10, 3), (1e-9, 10, 1), (9, 10, 9)]
)
def test_a_share_is_rounded_up(size, n, expected):
    assert len(reserve_test_set(range(n), size)) == expected


@pytest.mark.parametrize("size", [True, "20%", None])
def test_a_size_of_another_type_is_refused(size):
    with pytest.raises(TypeError, match="size must be a count"):
        reserve_test_set(range(9), size)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 1), "ids is empty"),
        ((["a", "b", "a"], 1), "ids holds 'a' more than once"),
        ((range(9), 0), "at least 1. Got 0"),
        ((range(9), 1.0), r"must be in \(0, 1\). Got 1.0"),
        ((range(9), 5.0), "For a count, pass an int"),
        ((range(9), float("nan")), "Got nan"),
        ((range(9), 9), "At most 8 can be asked for"),
    ],
)
def test_what_cannot_be_drawn_is_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        reserve_test_set(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": [0] * 4}, r"the largest of their 1 groups has 4.*At most 0"),
        ({"groups": [0, 1]}, "groups has 2 entries"),
        ({"strata": [0, 1]}, "strata has 2 entries"),
        ({"groups": ["a", 1, None, 2]}, "groups"),
        ({"strata": np.array(["a", 1, 2, 3], object)}, "strata mixes types"),
        ({"groups": list("aabb"), "strata": list("xyyy")}, "group a lies in more than one stratum"),
        ({"groups": list("abcd"), "strata": list("xyyy")}, "of stratum x.*merge the stratum"),
        ({"random_state": "seed"}, "seed"),
    ],
)
def test_groups_and_strata_that_do_not_fit_are_explained(options, message):
    with pytest.raises(ValueError, match=message):
        reserve_test_set(range(4), 1, **options)


# ---------------------------------------------------------------------------------- as files


@pytest.fixture
def target(tmp_path):
    """Files of 10 patients with 1 to 3 images, half of them in a subfolder."""
    folder = tmp_path / "site"
    for i in range(20):
        path = folder / ("sub" if i % 2 else ".") / f"p{i // 3 if i < 15 else i}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"image {i}".encode())
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_lists_and_record_are_of_the_folder(target, tmp_path):
    reserved = split_folder(target, 0.3, tmp_path / "split", group_pattern=PATTERN)
    files = contents(tmp_path / "split")
    assert sorted(files) == ["pool.txt", "split.json", "test.txt"]
    test, pool = (files[f"{name}.txt"].decode().splitlines() for name in ("test", "pool"))
    there = sorted(path.relative_to(target).as_posix() for path in target.rglob("*.png"))
    assert sorted(test + pool) == there
    assert len(test) >= 6
    patients = [{name.split("/")[-1].split("_")[0] for name in side} for side in (test, pool)]
    assert not patients[0] & patients[1]
    how = json.loads(files["split.json"])
    for name in ("test.txt", "pool.txt"):
        assert how["sha256"][name] == hashlib.sha256(files[name]).hexdigest()
    assert how["n_images"] == {"all": 20, "test": len(test)}
    assert how["n_patients"] == {"all": 10, "test": len(patients[0])}
    assert how["seed"] == 0 and how["size"] == 0.3 and how["group_pattern"] == PATTERN
    for name, digest in how["test"].items():
        assert digest == hashlib.sha256((target / name).read_bytes()).hexdigest()
    assert list(how["test"]) == list(reserved.images) == test
    assert str(tmp_path) not in files["split.json"].decode()


def test_drawn_again_it_is_the_same_and_another_is_refused(target, tmp_path):
    out = tmp_path / "split"
    first = split_folder(target, 4, out, group_pattern=PATTERN)
    before = contents(out)
    assert split_folder(target, 4, out, group_pattern=PATTERN) == first
    assert contents(out) == before
    for size, options in [
        (12, {"group_pattern": PATTERN}),
        (4, {}),
        (4, {"group_pattern": PATTERN, "random_state": 1}),
    ]:
        with pytest.raises(FileExistsError, match="holds another split already.*remove the folder"):
            split_folder(target, size, out, **options)
    (target / "p99_1.png").write_bytes(b"came later")
    with pytest.raises(FileExistsError, match="drawn once"):
        split_folder(target, 4, out, group_pattern=PATTERN)
    assert contents(out) == before


def test_another_version_of_the_package_and_a_lost_list_are_no_other_split(target, tmp_path):
    out = tmp_path / "split"
    split_folder(target, 4, out)
    how = json.loads((out / "split.json").read_text())
    (out / "split.json").write_text(json.dumps(how | {"version": "0.0.1"}))
    (out / "pool.txt").unlink()
    split_folder(target, 4, out)
    assert json.loads((out / "split.json").read_text())["version"] == "0.0.1"
    assert len((out / "pool.txt").read_text().splitlines()) == 16


@pytest.mark.parametrize("name", ["test.txt", "pool.txt", "split.json"])
def test_files_of_somebody_else_are_not_overwritten(target, tmp_path, name):
    (tmp_path / name).write_text("[1, 2]")
    with pytest.raises(FileExistsError):
        split_folder(target, 4, tmp_path)
    assert (tmp_path / name).read_text() == "[1, 2]"


def test_what_was_written_is_read_and_what_was_changed_is_not(target, tmp_path):
    out = tmp_path / "split"
    reserved = split_folder(target, 4, out, group_pattern=PATTERN)
    assert read_test_set(out) == reserved
    patients = {name.split("/")[-1].split("_")[0] for name in reserved.images}
    assert reserved.n_patients == len(patients)
    lines = (out / "test.txt").read_text()
    for changed in (lines.split("\n", 1)[1], lines + "p0_0.png\n", ""):
        (out / "test.txt").write_text(changed)
        with pytest.raises(ValueError, match="is not the list that"):
            read_test_set(out)
    (out / "test.txt").unlink()
    with pytest.raises(ValueError, match="is not the list that"):
        read_test_set(out)
    for nothing in (target, out / "nowhere", out / "pool.txt"):
        with pytest.raises(ValueError, match="no test set in .* skxssr split wrote"):
            read_test_set(nothing)
    how = json.loads((out / "split.json").read_text())
    (out / "test.txt").write_text(lines)
    assert read_test_set(out) == reserved
    del how["test"]
    (out / "split.json").write_text(json.dumps(how))
    with pytest.raises(ValueError, match="is not the list that"):
        read_test_set(out)


def test_a_pool_with_reserved_images_is_refused(target, tmp_path):
    reserved = split_folder(target, 5, tmp_path / "split")
    pool = (tmp_path / "split" / "pool.txt").read_text().splitlines()
    reserved.check_pool(pool)
    names = list(reserved.images)
    with pytest.raises(ValueError, match=rf"2 of 17 images are in.*{names[3]}.*--exclude-test"):
        reserved.check_pool([*pool, *names[3:]])
    with pytest.raises(ValueError, match=r"5 of 5 images"):
        reserved.check_pool(names)


def test_a_patient_on_both_sides_is_refused(target, tmp_path):
    by_patient = split_folder(target, 5, tmp_path / "by_patient", group_pattern=PATTERN)
    pool = (tmp_path / "by_patient" / "pool.txt").read_text().splitlines()
    by_patient.check_pool(pool)
    by_patient.check_pool(pool, PATTERN)
    patient = group_by_pattern([target / name for name in by_patient.images], PATTERN)[0]
    with pytest.raises(ValueError, match=rf"1 images .*new.*\({patient}\).*came later: move"):
        by_patient.check_pool([*pool, f"{patient}_new.png"])
    with pytest.raises(ValueError, match="matches no part"):
        by_patient.check_pool([*pool, "nobody.png"])

    by_image = split_folder(target, 5, tmp_path / "by_image")
    rest = (tmp_path / "by_image" / "pool.txt").read_text().splitlines()
    by_image.check_pool(rest)  # nobody said who is who
    with pytest.raises(ValueError, match=r"both sides; .*draw it anew.*--group-pattern"):
        by_image.check_pool(rest, PATTERN)


def test_a_test_set_nearby_is_found_and_files_of_others_are_not_taken_for_one(target, tmp_path):
    out = tmp_path / "work" / "picks"
    assert reserved_nearby(target, out) == []
    places = [tmp_path / "any", target / "split", tmp_path / "work" / "split", out]
    for place in places:
        split_folder(target, 3, place)
    for i, text in enumerate(["{}", "[", "[]", '{"format": "theirs"}']):
        (tmp_path / f"other{i}").mkdir()
        (tmp_path / f"other{i}" / "split.json").write_text(text)
    found = [test_set.folder for test_set in reserved_nearby(target, out)]
    assert found == sorted(places)
    assert reserved_nearby(tmp_path / "elsewhere" / "site", tmp_path / "third" / "out") == []


def test_pattern_and_size_are_checked_before_anything_is_written(target, tmp_path):
    for size, options, message in [
        (3, {"group_pattern": "^(x)"}, "matches no part of 20"),
        (20, {}, "At most 19"),
        (3, {"random_state": -1}, "[Ss]eed"),
    ]:
        with pytest.raises(ValueError, match=message):
            split_folder(target, size, tmp_path / "split", **options)
    with pytest.raises(TypeError):
        split_folder(target, 3, tmp_path / "split", random_state=None)
    with pytest.raises(FileNotFoundError):
        split_folder(target / "no", 3, tmp_path / "split")
    assert not (tmp_path / "split").exists()
