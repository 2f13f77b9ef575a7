"""A finished selection: what is written is read back, and what is damaged is said."""

import csv
import json

import numpy as np
import pytest

from skxssr import XSSRSelector
from skxssr.base.preprocess import fit_scale_and_pca
from skxssr.workflows.represented import find_represented, reasons_of
from skxssr.workflows.selection_folder import read_selection_folder, write_selection_folder

N, BUDGET = 12, 3
NAMES = [f"p{row // 2}/film {row}.png" for row in range(N - 2)] + ["=1+1.png", "a\nb.png"]


def write(out, *, groups=True, source=True):
    rng = np.random.default_rng(0)
    S, X = rng.normal(size=(5, 4)), rng.normal(size=(N, 4)).astype(np.float32)
    selector = XSSRSelector()
    if source:
        selector.fit(S)
    selection = selector.select(X, BUDGET, return_selection=True)
    represented = find_represented(S if source else None, X, selection.indices)
    out.mkdir(exist_ok=True)
    write_selection_folder(
        out,
        selection,
        names=NAMES,
        groups=[f"@p{row // 2}" for row in range(N)] if groups else None,
        reasons=reasons_of(represented, BUDGET),
        represented=represented,
        target_embeddings=X,
        source_embeddings=S if source else None,
        source_names=[f"s{row}.png" for row in range(5)] if source else [],
        about={"target": str(out / "images"), "budget": BUDGET},
    )
    return selection, X, S


def test_what_is_written_is_read_back(tmp_path):
    selection, X, S = write(tmp_path)
    read = read_selection_folder(tmp_path)
    np.testing.assert_array_equal(read.picks, selection.indices)
    np.testing.assert_array_equal(read.target_embeddings, X)
    np.testing.assert_array_equal(read.source_embeddings, S)
    np.testing.assert_array_equal(read.scores, selection.scores)
    np.testing.assert_array_equal(read.coverage, selection.coverage)
    for name, values in selection.terms.items():
        np.testing.assert_array_equal(read.terms[name], values)
    assert read.names == NAMES and read.source_names == [f"s{row}.png" for row in range(5)]
    assert read.ranks.tolist() == [1, 2, 3]
    assert read.files == [tmp_path / "images" / NAMES[row] for row in selection.indices]
    assert read.picked_groups == [f"@p{row // 2}" for row in selection.indices]
    assert read.record["budget"] == BUDGET


def test_without_a_source_and_without_groups_there_are_none(tmp_path):
    write(tmp_path, groups=False, source=False)
    read = read_selection_folder(tmp_path)
    assert read.source_embeddings is None and read.source_names == []
    assert read.groups is None and read.picked_groups is None


def test_the_list_is_for_people_and_harmless(tmp_path):
    selection, *_ = write(tmp_path)
    with (tmp_path / "selection.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [
        *("rank", "file", "group", "reason", "score", "density", "novelty", "diversity")
    ]
    assert [row["group"] for row in rows] == [f"./@p{row // 2}" for row in selection.indices]
    assert not any(cell[:1] in "=+-@" for row in rows for cell in (row["file"], row["group"]))


def test_every_row_is_stood_for_by_its_nearest_pick():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 3))
    picks, labeled = np.array([7, 3, 30]), [11, 12]
    found = find_represented(None, X, picks, labeled)
    Z = fit_scale_and_pca(None, X)(X).astype(float)
    centers = [*picks, *labeled]
    for row in range(40):
        distances = [np.linalg.norm(Z[row] - Z[center]) for center in centers]
        best = int(np.argmin(distances))
        assert found.nearest[row] == (best if best < 3 else -1)
        assert found.distance[row] == pytest.approx(distances[best], abs=1e-5)
    counts = [int((found.nearest == rank).sum()) - 1 for rank in range(3)]
    said = reasons_of(found, 3)
    assert [int("".join(filter(str.isdigit, text)) or 0) for text in said] == counts


def test_equal_rows_stand_for_themselves_where_picked():
    X = np.repeat([[0.0], [5.0]], 3, axis=0)
    found = find_represented(None, X, np.array([4, 0, 1]), [5])
    assert found.nearest.tolist() == [1, 2, 1, 0, 0, -1]
    assert reasons_of(found, 3) == [
        *("stands for 1 image like it", "stands for 1 image like it", "stands for itself alone")
    ]


def damage(out, what):
    record = json.loads((out / "selection.json").read_text())
    if what == "cut arrays":
        data = (out / "embeddings.npz").read_bytes()
        (out / "embeddings.npz").write_bytes(data[: len(data) // 2])
    elif what == "no arrays":
        (out / "embeddings.npz").unlink()
    elif what == "text":
        (out / "embeddings.npz").write_text("no arrays")
    elif what == "other arrays":
        np.savez(out / "embeddings.npz", target=np.zeros((2, 2)))
    elif what == "cut record":
        (out / "selection.json").write_text("{")
    elif what == "old record":
        (out / "selection.json").write_text(json.dumps(record | {"format": 1}))
    elif what == "another run":
        (out / "selection.json").write_text(json.dumps(record | {"picked": ["x.png"] * BUDGET}))
    elif what == "a key less":
        (out / "selection.json").write_text(
            json.dumps({key: value for key, value in record.items() if key != "terms"})
        )


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("cut arrays", r"embeddings\.npz is damaged"),
        ("text", r"embeddings\.npz is damaged"),
        ("no arrays", r"embeddings\.npz is missing"),
        ("other arrays", "incomplete .*target_files"),
        ("cut record", r"selection\.json is damaged"),
        ("old record", "is of format 1, and this version reads format 2"),
        ("another run", r"not of one run: embeddings\.npz does not know x\.png"),
        ("a key less", "incomplete .*terms"),
    ],
)
def test_what_is_damaged_or_missing_is_named_with_the_remedy(tmp_path, what, message):
    write(tmp_path)
    damage(tmp_path, what)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        read_selection_folder(tmp_path)
    assert "Run skxssr select into this folder again" in str(error.value)


def test_a_folder_without_a_selection_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no selection"):
        read_selection_folder(tmp_path)
