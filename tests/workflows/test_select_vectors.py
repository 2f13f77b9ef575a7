"""Selection from embeddings that are there: formats, labels, budgets of every kind, the curve."""

import csv
import json
from collections import Counter

import numpy as np
import pytest

from skxssr import FacilityLocationSelector, RandomSelector, XSSRSelector
from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.holdout import split_folder
from skxssr.workflows.choice import Budget
from skxssr.workflows.embeddings_file import Embeddings, read_embeddings, write_embeddings
from skxssr.workflows.select_vectors import select_from_embeddings
from skxssr.workflows.selection_folder import read_selection_folder
from skxssr.workflows.worth import GAIN, flattens

N = 40
IDS = [f"site{row % 2}/p{row // 4:02d}_{row % 4}.png" for row in range(N)]
PATIENT = r"(p[0-9]+)_"


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(N, 6))


@pytest.fixture
def file(tmp_path, X):
    path = tmp_path / "mine.npz"
    np.savez(path, features=X, names=IDS)
    return path


def select(file, budget, out="out", **options):
    options = {"selector": XSSRSelector(), "force": True} | options
    return select_from_embeddings(file, budget, file.with_name(out), **options)


def written(path, X, kind):
    if kind == "npz":
        np.savez(path.with_suffix(".npz"), features=X, names=IDS)
    elif kind == "npy":
        np.save(path.with_suffix(".npy"), X)
        path.with_suffix(".txt").write_text("\n".join(IDS) + "\n")
    else:
        with path.with_suffix(".csv").open("w", newline="") as stream:
            rows = ([name, *map(repr, map(float, row))] for name, row in zip(IDS, X, strict=True))
            csv.writer(stream).writerows([["image", *(f"f{k}" for k in range(6))], *rows])
    return path.with_suffix(f".{kind}")


@pytest.mark.parametrize("kind", ["npz", "npy", "csv"])
def test_other_peoples_files_are_read_with_their_ids(tmp_path, X, kind):
    read = read_embeddings(written(tmp_path / "mine", X, kind))
    assert read.ids == IDS and read.sha256 is None
    np.testing.assert_array_equal(read.vectors, X)


def test_what_is_written_is_read_back(tmp_path, X):
    about = {"embedder": {"weights_sha256": "1"}, "junk": {"a\nb": "blank"}}
    made = Embeddings(X.astype(np.float32), IDS, ["0" * 64] * N, about)
    write_embeddings(tmp_path / "e.npz", made)
    read = read_embeddings(tmp_path / "e.npz")
    np.testing.assert_array_equal(read.vectors, made.vectors)
    assert (read.ids, read.sha256, read.about) == (IDS, made.sha256, about)
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.npz", None, "no such file"),
        ("a.txt", "x", "no format that holds embeddings"),
        ("a.npz", "x", "damaged|pickle"),
        ("a.npy", np.eye(3), r"write them to .*a\.txt"),
        ("a.csv", "file,f\na,1\na,2\n", "more than once .*a"),
        ("a.csv", "f,g\n1,2\n", "which column holds the ids"),
        ("a.csv", "file,f\na,x\n", "must be numbers"),
        ("a.csv", "file,f\na,1,2\n", "row 2"),
        ("a.csv", "file\na\n", "a table of numbers"),
    ],
)
def test_a_file_that_is_none_is_explained(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_embeddings(path)


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_embeddings(tmp_path / "a.npz")


def test_picks_are_those_of_the_selector(file, X):
    found = select(file, 5)
    expected = XSSRSelector().select(X, 5)
    assert found.names == [IDS[row] for row in expected]
    read = read_selection_folder(file.with_name("out"))
    assert read.picked_names == found.names and read.root is None and read.groups is None
    source = np.random.default_rng(1).normal(size=(9, 6))
    np.savez(file.with_name("s.npz"), source, np.array([f"s{k}" for k in range(9)]))
    found = select(file, 5, source_embeddings=file.with_name("s.npz"))
    assert found.names == [IDS[row] for row in XSSRSelector().fit(source).select(X, 5)]
    again = select_from_embeddings(
        file.with_name("out") / "embeddings.npz",
        5,
        file.with_name("again"),
        selector=XSSRSelector(),
        source_embeddings=file.with_name("out") / "embeddings.npz",
    )
    assert again.names == found.names


def test_two_embedders_are_not_mixed(tmp_path, X):
    for name, weights in ("a", "1"), ("b", "2"), ("c", "2"):
        about = {"embedder": {"weights_sha256": weights}}
        write_embeddings(tmp_path / f"{name}.npz", Embeddings(X, IDS, None, about))
    with pytest.raises(ValueError, match="different weights"):
        select(tmp_path / "a.npz", 3, source_embeddings=tmp_path / "b.npz")
    select(tmp_path / "b.npz", 3, source_embeddings=tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", X[:, :3], np.array(IDS))
    with pytest.raises(ValueError, match="3 numbers an image and --embeddings 6"):
        select(tmp_path / "a.npz", 3, source_embeddings=tmp_path / "d.npz")


@pytest.mark.parametrize("how", ["folder", "csv", "list", "names", "stems", "semicolons"])
def test_the_next_batch_goes_on_from_what_is_labelled(file, X, how):
    first = select(file, 4)
    rows = [IDS.index(name) for name in first.names]
    out = file.with_name("out")
    listed = file.with_name("done.txt")
    stems = [name.removesuffix(".png") for name in first.names]
    if how == "list":
        listed.write_text("\n".join(first.names) + "\n")
    elif how == "stems":
        listed.write_text("\r\n".join(stems))
    elif how == "semicolons":
        listed.write_text("who;File\n" + "".join(f"me;./{name}\n" for name in first.names))
    labeled = {"folder": out, "csv": out / "selection.csv", "names": first.names}.get(how, listed)
    second = select(file, 4, "second", labeled=labeled)
    expected = XSSRSelector().select(X, 4, labeled=rows)
    assert second.names == [IDS[row] for row in expected]
    assert not set(first.names) & set(second.names)
    assert sorted(second.labeled) == sorted(first.names)
    record = json.loads((file.with_name("second") / "selection.json").read_text())
    assert sorted(record["labeled"]) == sorted(first.names)


def test_a_folder_of_masks_says_what_is_labelled(file):
    for name in (IDS[3], IDS[8]):
        mask = file.with_name("masks") / name.replace(".png", "_mask.png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.touch()  # names alone are looked at
    found = select(file, 3, labeled=file.with_name("masks"))
    assert sorted(found.labeled) == sorted([IDS[3], IDS[8]])
    (file.with_name("masks") / "other.png").touch()
    with pytest.raises(ValueError, match=r"1 of 3 masks .*other\.png"):
        select(file, 3, labeled=file.with_name("masks"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody.png\n", r"1 of its 1 names are no target images \(nobody\.png\)"),
        ("", "names nothing"),
        ("file\n", "names nothing"),
    ],
)
def test_labels_that_are_none_are_said(file, text, message):
    listed = file.with_name("done.txt")
    listed.write_text(text)
    with pytest.raises(ValueError, match=message):
        select(file, 3, labeled=listed)
    with pytest.raises(FileNotFoundError, match="--labeled"):
        select(file, 3, labeled=file.with_name("nowhere"))


def test_a_name_of_two_images_is_not_guessed(tmp_path, X):
    np.savez(tmp_path / "two.npz", X[:2], np.array(["a/1.png", "b/1.png"]))
    with pytest.raises(ValueError, match="several target images are called 1.png"):
        select(tmp_path / "two.npz", 1, labeled=["1.png"])
    assert select(tmp_path / "two.npz", 1, labeled=["a/1.png"]).names == ["b/1.png"]


def test_whole_patients_are_picked_by_their_means(file, X):
    found = select(file, Budget(3, "patients"), group_pattern=PATIENT)
    means = X.reshape(N // 4, 4, 6).mean(axis=1)  # four images each, in order
    patients = XSSRSelector().select(means, 3, sample_weight=np.full(N // 4, 4.0))
    expected = [IDS[4 * patient + k] for patient in patients for k in range(4)]
    assert found.names == expected
    more = select(
        file, Budget(2, "patients"), "more", group_pattern=PATIENT, labeled=[found.names[0]]
    )
    assert not {name[6:9] for name in more.names} & {found.names[0][6:9]}
    with pytest.raises(ValueError, match="10 patients without a label"):
        select(file, Budget(11, "patients"), group_pattern=PATIENT)
    with pytest.raises(ValueError, match="--group-pattern or --group-from"):
        select(file, Budget(2, "patients"))
    with pytest.raises(ValueError, match="have no say"):
        select(file, Budget(2, "patients"), group_pattern=PATIENT, max_per_group=1)


def test_minutes_are_labels(file):
    assert len(select(file, Budget(60, "minutes"), minutes_per_label=7.5).names) == 8
    with pytest.raises(ValueError, match="--minutes-per-label"):
        select(file, Budget(60, "minutes"))
    with pytest.raises(ValueError, match="not enough for one label"):
        select(file, Budget(5, "minutes"), minutes_per_label=7.5)


def test_minutes_may_differ_from_image_to_image(file, X):
    table = file.with_name("minutes.csv")
    minutes = np.random.default_rng(2).uniform(1, 9, N).round(2)
    rows = [f"{name.split('/')[1]};{m}" for name, m in zip(IDS, minutes, strict=True)]
    table.write_text("\n".join(["file;minutes", *rows]))
    found = select(file, Budget(20, "minutes"), minutes_from=table)
    picked = found.selection.terms["minutes"]
    assert picked.sum() <= 20
    np.testing.assert_array_equal(picked, minutes[[IDS.index(name) for name in found.names]])
    assert found.selection.selector == "cost-effective facility location"
    for budget, options, message in (
        (5, {}, "goes with a budget of minutes"),
        (Budget(0.5, "minutes"), {}, "the shortest label"),
        (Budget(20, "minutes"), {"minutes_per_label": 2.0}, "leave --minutes-per-label"),
    ):
        with pytest.raises(ValueError, match=message):
            select(file, budget, minutes_from=table, **options)
    table.write_text("\n".join(["file;minutes", *rows[1:], f"{IDS[0]};-1"]))
    with pytest.raises(ValueError, match="must be above 0"):
        select(file, Budget(20, "minutes"), minutes_from=table)
    table.write_text("\n".join(["file;minutes", *rows[1:]]))
    with pytest.raises(ValueError, match="says no minutes for 1 of 40"):
        select(file, Budget(20, "minutes"), minutes_from=table)


@pytest.mark.parametrize("selector", [XSSRSelector(), RandomSelector(random_state=0)])
def test_each_site_gets_its_number_and_no_more_is_changed_than_must(tmp_path, X, selector):
    ids = [f"{'big' if row < 36 else 'small'}/{row}.png" for row in range(N)]
    np.savez(tmp_path / "sites.npz", X, np.array(ids))
    how = {"site_from": "folder", "selector": selector}
    free = select(tmp_path / "sites.npz", 8, selector=selector)
    got = Counter(name.split("/")[0] for name in free.names)
    same = select(tmp_path / "sites.npz", 8, min_per_site=min(got["big"], got["small"]) or 1, **how)
    if got["small"]:
        assert same.names == free.names
    forced = select(tmp_path / "sites.npz", 8, min_per_site=3, **how)
    assert Counter(name.split("/")[0] for name in forced.names)["small"] >= 3
    assert len(set(forced.names)) == 8
    rest = select(tmp_path / "sites.npz", 3, min_per_site=3, labeled=ids[36:39] + ids[:3], **how)
    assert len(rest.names) == 3  # labelled ones count
    with pytest.raises(ValueError, match="2 sites needs 6 labels, and the budget is 5"):
        select(tmp_path / "sites.npz", 5, min_per_site=3, **how)
    with pytest.raises(ValueError, match="--site-from"):
        select(tmp_path / "sites.npz", 5, min_per_site=1)


def test_junk_and_near_copies_that_embed_found_are_kept_away_from(tmp_path, X):
    about = {"junk": dict.fromkeys(IDS[:30], "blank"), "near_copies": [IDS[30:39]]}
    write_embeddings(tmp_path / "e.npz", Embeddings(X, IDS, None, about))
    found = select(tmp_path / "e.npz", 2)
    assert not set(found.names) & set(IDS[:30]) and len(found.junk) == 30
    assert IDS[39] in found.names  # a cluster is picked from once before any twice
    with pytest.raises(ValueError, match="--keep-junk"):
        select(tmp_path / "e.npz", 11)
    assert len(select(tmp_path / "e.npz", 11, keep_junk=True).names) == 11


def test_reserved_images_are_left_out_by_id(tmp_path, X):
    from PIL import Image

    for row in range(6):
        path = tmp_path / "B" / f"{row}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) * (row + 1)).save(path)
    reserved = split_folder(tmp_path / "B", 2, tmp_path / "split")
    np.savez(tmp_path / "e.npz", X[:6], np.array([f"{row}.png" for row in range(6)]))
    found = select(tmp_path / "e.npz", 1.0, test_set=tmp_path / "split")
    assert sorted(found.left_out) == sorted(reserved.images) and len(found.names) == 4
    np.savez(tmp_path / "f.npz", X[:6], np.array([f"film {row}" for row in range(6)]))
    with pytest.raises(ValueError, match="no id of --embeddings"):
        select(tmp_path / "f.npz", 1.0, test_set=tmp_path / "split")


def test_the_curve_is_the_mean_distance_to_the_nearest_and_stops_by_its_rule(file, X):
    worth = select(file, 6).worth
    Z = fit_scale_and_pca(None, X)(X).astype(float)
    order = FacilityLocationSelector().select(X, N)
    distances = np.linalg.norm(Z[:, None] - Z[None, order], axis=2)
    expected = np.minimum.accumulate(distances, axis=1).mean(axis=0)
    np.testing.assert_allclose(worth.losses, expected[: len(worth.losses)], atol=1e-5)
    assert "no accuracy" in worth.text()
    record = json.loads((file.with_name("out") / "selection.json").read_text())
    assert record["worth"]["stop"] == worth.stop and record["worth"]["gain"] == GAIN


def test_where_a_curve_flattens():
    assert flattens([100.0] * 10) == 1
    assert flattens([1.0 * 0.9**k for k in range(40)]) is None
    steps = [0.9**k for k in range(10)] + [0.9**9] * 10
    assert flattens(steps) == 10  # the first after which nothing comes
    assert flattens([0.0] * 10) == 1
