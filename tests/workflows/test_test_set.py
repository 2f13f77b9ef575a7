"""A test set that was set aside: in no list, recorded, and refused where it is forgotten."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from skxssr import (
    MAEEmbedder,
)
from skxssr.holdout import split_folder
from skxssr.workflows.select import group_by_pattern
from tests.workflows.small_sites import N_SOURCE, N_TARGET, select

PATTERN = r"B-(p[0-9]+)-"


def copied(folders, root):
    """Both sites, to add files to."""
    for path in folders.rglob("*.png"):
        copy = root / path.relative_to(folders)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return root


def test_reserved_images_are_in_no_list_and_the_record_says_which(folders, tmp_path):
    reserved = split_folder(folders / "B", 4, tmp_path / "split", group_pattern=PATTERN)
    result = select(folders, tmp_path / "out", budget=1.0, test_set=tmp_path / "split")
    kept = {folders / "B" / name for name in reserved.images}
    assert len(kept) >= 4
    assert set(result.left_out) == kept
    assert not kept & {*result.files, *result.target}
    assert len(result.files) == len(result.target) == N_TARGET - len(kept)
    assert result.test_set == reserved
    record = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert record["test_set"]["sha256"] == (
        hashlib.sha256((tmp_path / "split" / "test.txt").read_bytes()).hexdigest()
    )
    assert record["test_set"]["n_images"] == len(kept)
    assert record["test_set"]["n_patients"] == len(set(group_by_pattern(list(kept), PATTERN)))
    assert len(record["test_set"]["left_out"]) == len(kept)
    assert not reserved.images.keys() & {*record["picked"], *record["target_sha256"]}
    with np.load(tmp_path / "out" / "embeddings.npz", allow_pickle=False) as stored:
        assert len(stored["target"]) == len(stored["target_files"]) == N_TARGET - len(kept)
        assert not reserved.images.keys() & set(stored["target_files"].tolist())


def test_without_a_test_set_the_record_says_so(selected):
    out, result = selected
    assert json.loads((out / "selection.json").read_text())["test_set"] is None
    assert result.test_set is None and result.left_out == []


def test_a_copy_of_a_reserved_image_is_left_out_under_any_name_and_of_the_source(folders, tmp_path):
    root = copied(folders, tmp_path)
    reserved = split_folder(root / "B", 3, root / "split")
    original = root / "B" / next(iter(reserved.images))
    copies = [root / "B" / "x.png", root / "A" / "y.png"]
    for copy in copies:
        copy.write_bytes(original.read_bytes())
    result = select(root, root / "out", budget=1.0, test_set=root / "split")
    assert set(result.left_out) == {*copies, *(root / "B" / name for name in reserved.images)}
    assert len(result.source_embeddings) == N_SOURCE
    assert len(result.files) == N_TARGET - len(reserved.images)


@pytest.mark.parametrize("beside", ["split", "out", "B"])
def test_a_forgotten_test_set_is_refused_before_training(folders, tmp_path, monkeypatch, beside):
    monkeypatch.setattr(MAEEmbedder, "fit", lambda *_: pytest.fail("trained before checking"))
    root = copied(folders, tmp_path)
    split_folder(root / "B", 3, root / beside)
    with pytest.raises(ValueError, match=rf"3 of {N_TARGET} images .*--exclude-test .*{beside}"):
        select(root, root / "out")


def test_a_test_set_of_other_images_nearby_does_not_matter(folders, tmp_path):
    root = copied(folders, tmp_path)
    split_folder(root / "A", 3, root / "split")
    assert select(root, root / "out").test_set is None


def test_a_patient_on_both_sides_is_refused_before_training(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(MAEEmbedder, "fit", lambda *_: pytest.fail("trained before checking"))
    root = copied(folders, tmp_path)
    reserved = split_folder(root / "B", 3, root / "split", group_pattern=PATTERN)
    patient = group_by_pattern([root / "B" / name for name in reserved.images], PATTERN)[0]
    late = root / "B" / f"B-{patient}-late.png"
    Image.fromarray(np.full((40, 40), 7, np.uint8)).save(late)
    with pytest.raises(ValueError, match=rf"1 images \({late.name}\).*{patient}.*move them out"):
        select(root, root / "out", test_set=root / "split")
    late.unlink()
    names = [path.relative_to(root / "B").as_posix() for path in (root / "B").rglob("*.png")]

    def is_torn(images):
        rest = [root / "B" / name for name in names if name not in images]
        tested = group_by_pattern([root / "B" / name for name in images], PATTERN)
        return not set(tested).isdisjoint(group_by_pattern(rest, PATTERN))

    splits = (split_folder(root / "B", 3, root / "s" / str(i), random_state=i) for i in range(20))
    torn = next(split for split in splits if is_torn(split.images))
    with pytest.raises(ValueError, match="drawn without regard to them"):
        select(root, root / "out", test_set=torn.folder, group_pattern=PATTERN)


def test_a_pool_without_images_or_a_folder_without_a_split_is_refused(folders, tmp_path):
    with pytest.raises(ValueError, match="no test set in"):
        select(folders, tmp_path / "out", test_set=folders / "A")
    root = copied(folders, tmp_path)
    reserved = split_folder(root / "B", 3, root / "split")
    for path in [*(root / "B").rglob("*.png")]:
        if path.relative_to(root / "B").as_posix() not in reserved.images:
            path.unlink()
    with pytest.raises(ValueError, match="every image of .*B is in the test set"):
        select(root, root / "out", test_set=root / "split")
