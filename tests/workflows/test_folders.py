"""From two folders to the list: what is written, what is reused, what is refused in time."""

import csv
import hashlib
import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from skxssr import (
    JoinedEmbedder,
    MAEEmbedder,
    RandomFeaturesEmbedder,
    Selection,
    TorchEmbedder,
    XSSRSelector,
)
from skxssr.exceptions import ImageReadError
from skxssr.workflows.embedders import training_parameters
from skxssr.workflows.select import group_by_pattern, select_from_folders
from skxssr.workflows.selection_folder import read_selection_folder
from tests.workflows.small_sites import N_SOURCE, N_TARGET, select, tiny_embedder


def test_csv_lists_the_picks_in_order(selected, folders):
    out, result = selected
    with (out / "selection.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    terms = ["density", "novelty", "diversity"]
    assert list(rows[0]) == ["rank", "file", "group", "reason", "score", *terms]
    assert [row["reason"] for row in rows] == result.reasons
    assert [int(row["rank"]) for row in rows] == [1, 2, 3, 4]
    assert [folders / "B" / row["file"] for row in rows] == result.files
    np.testing.assert_allclose(
        [float(row["novelty"]) for row in rows], result.selection.terms["novelty"], rtol=1e-8
    )


def test_json_holds_what_an_audit_needs(selected, folders):
    out, result = selected
    record = json.loads((out / "selection.json").read_text())
    assert record["picked"] == [path.relative_to(folders / "B").as_posix() for path in result.files]
    assert len(record["source_sha256"]) == N_SOURCE
    assert len(record["target_sha256"]) == N_TARGET
    for name, digest in record["target_sha256"].items():
        assert hashlib.sha256((folders / "B" / name).read_bytes()).hexdigest() == digest
    assert (
        record["embedder"]["weights_sha256"] == MAEEmbedder.load(out / "embedder").weights_sha256_
    )
    assert record["versions"]["skxssr"] and record["versions"]["torch"]
    assert record["alphas"] == record["alpha_losses"] == []  # novelty is off by default
    assert record["selection"]["parameters"]["random_state"] == 0
    assert len(record["coverage"]) == 4


def test_the_written_embeddings_repeat_the_selection(selected):
    out, result = selected
    with np.load(out / "embeddings.npz", allow_pickle=False) as stored:
        again = XSSRSelector().fit(stored["source"]).select(stored["target"], 4)
        names = stored["target_files"][again]
    with (out / "selection.csv").open(newline="") as stream:
        assert names.tolist() == [row["file"] for row in csv.DictReader(stream)]


def test_a_finished_run_is_read_back(selected, folders):
    out, result = selected
    read = read_selection_folder(out)
    assert read.files == [path.resolve() for path in result.files]
    assert [folders / "B" / name for name in read.names] == result.target
    np.testing.assert_array_equal(read.source_embeddings, result.source_embeddings)
    assert read.reasons == result.reasons and read.groups is None


def test_same_files_and_parameters_reuse_the_embedder(selected, folders, monkeypatch):
    out, result = selected
    with monkeypatch.context() as patch:
        patch.setattr(MAEEmbedder, "fit", lambda *_: pytest.fail("trained again"))
        again = select(folders, out, embedder=tiny_embedder(verbose=0), force=True)
    assert again.embedder_reused and not result.embedder_reused
    assert again.files == result.files
    # where it runs is as asked for now, not as saved
    asked = tiny_embedder(verbose=0).set_params(cache_dir=out / "squares")
    assert select(folders, out, embedder=asked, force=True).embedder_reused
    assert any((out / "squares").iterdir())
    other = select(folders, out, embedder=tiny_embedder().set_params(steps=3), force=True)
    assert not other.embedder_reused


def test_a_changed_source_image_trains_anew(folders, tmp_path):
    source = tmp_path / "A"
    source.mkdir()
    for path in (folders / "A").rglob("*.png"):
        (source / path.name).write_bytes(path.read_bytes())
    options = {"embedder": tiny_embedder(), "selector": XSSRSelector(), "verbose": 0}
    out = tmp_path / "out"
    select_from_folders(source, folders / "B", 2, out, **options)
    options["force"] = True
    assert select_from_folders(source, folders / "B", 2, out, **options).embedder_reused
    changed = next(source.glob("*.png"))
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(changed)
    assert not select_from_folders(source, folders / "B", 2, out, **options).embedder_reused


def test_a_stopped_training_goes_on_and_one_of_another_kind_starts_afresh(
    folders, tmp_path, monkeypatch
):
    from skxssr._torch import mae

    embedder = tiny_embedder().set_params(steps=6)
    whole = select(folders, tmp_path / "whole", embedder=embedder)
    step, calls = mae.MaskedLoss.__call__, []

    def counted(self, *args):
        calls.append(self)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *args)

    monkeypatch.setattr(mae.MaskedLoss, "__call__", counted)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt, match="after step 4 of 6"):
        select(folders, out, embedder=embedder)
    assert not (out / "selection.csv").exists()
    resumed = select(folders, out, embedder=embedder)
    assert len(calls) == 6
    np.testing.assert_array_equal(resumed.target_embeddings, whole.target_embeddings)

    del calls[:]
    with pytest.raises(KeyboardInterrupt):
        select(folders, out, embedder=tiny_embedder().set_params(steps=7), force=True)
    select(folders, out, embedder=tiny_embedder().set_params(steps=5), force=True)
    assert len(calls) == 4 + 5


def test_random_features_are_saved_and_reused_and_the_picks_stay(folders, tmp_path):
    embedder = RandomFeaturesEmbedder(image_size=16, device="cpu")
    first = select(folders, tmp_path, embedder=embedder)
    again = select(folders, tmp_path, embedder=embedder, force=True)
    anew = select(folders, tmp_path / "other", embedder=embedder)
    assert again.embedder_reused and not anew.embedder_reused
    assert first.files == again.files == anew.files
    record = json.loads((tmp_path / "selection.json").read_text())["embedder"]
    saved = RandomFeaturesEmbedder.load(tmp_path / "embedder")
    assert record["weights_sha256"] == saved.weights_sha256_
    assert (record["class"], record["saved_in"]) == ("RandomFeaturesEmbedder", "embedder")
    assert record["parameters"] == {"image_size": 16, "batch_size": 32, "random_state": 0}


def test_what_cannot_be_saved_is_told_by_the_record(folders, tmp_path):
    embedder = TorchEmbedder(
        "test_resnet.r160_in1k", image_size=32, mean=(0.5, 0.5, 0.5), pretrained=False, device="cpu"
    )
    result = select(folders, tmp_path, embedder=embedder)
    fitted = embedder.fit(result.target)
    np.testing.assert_array_equal(result.target_embeddings, fitted.transform(result.target))
    record = json.loads((tmp_path / "selection.json").read_text())["embedder"]
    assert record["weights_sha256"] == fitted.weights_sha256_
    assert (record["saved_in"], record["fitted_here"]) == (None, True)
    assert record["parameters"]["module"] == "test_resnet.r160_in1k"
    assert record["parameters"]["mean"] == [0.5, 0.5, 0.5]
    assert not (tmp_path / "embedder").exists()


def test_seeds_are_compared_by_the_picks_of_each_alone(folders, tmp_path):
    embedder = JoinedEmbedder(tiny_embedder(), seeds=[0, 1, 2])
    result = select(folders, tmp_path, embedder=embedder)
    alone = {
        seed: select(
            folders, tmp_path / str(seed), embedder=tiny_embedder().set_params(random_state=seed)
        ).files
        for seed in embedder.seeds
    }
    assert result.seeds.files == alone  # a scale changes no pick
    pairs = [len({*alone[a]} & {*alone[b]}) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert result.seeds.shared == np.mean(pairs)
    assert result.seeds.by_chance == 4 * 4 / N_TARGET
    assert select(folders, tmp_path / "0", embedder=tiny_embedder(), force=True).seeds is None
    again = select(folders, tmp_path, embedder=embedder, force=True)
    assert again.embedder_reused and again.files == result.files
    np.testing.assert_array_equal(again.target_embeddings, result.target_embeddings)


def test_a_stopped_training_of_several_seeds_goes_on(folders, tmp_path, monkeypatch):
    from skxssr._torch import mae

    embedder = JoinedEmbedder(tiny_embedder().set_params(steps=3), seeds=[0, 1])
    whole = select(folders, tmp_path / "whole", embedder=embedder)
    step, calls = mae.MaskedLoss.__call__, []

    def counted(self, *args):
        calls.append(self)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *args)

    monkeypatch.setattr(mae.MaskedLoss, "__call__", counted)
    with pytest.raises(KeyboardInterrupt):
        select(folders, tmp_path / "out", embedder=embedder)
    resumed = select(folders, tmp_path / "out", embedder=embedder)
    assert len(calls) == 6
    np.testing.assert_array_equal(resumed.target_embeddings, whole.target_embeddings)


def test_a_fitted_embedder_is_taken_as_it_is(folders, tmp_path):
    embedder = tiny_embedder().fit([*(folders / "B").rglob("*.png")])
    result = select(folders, tmp_path, embedder=embedder, refit=False)
    np.testing.assert_array_equal(result.target_embeddings, embedder.transform(result.target))
    assert not (tmp_path / "embedder").exists()


def test_unreadable_images_are_all_named_before_training(folders, tmp_path, monkeypatch):
    target = tmp_path / "B"
    target.mkdir()
    for path in (folders / "B").rglob("*.png"):
        (target / path.name).write_bytes(path.read_bytes())
    whole = next(target.glob("*.png")).read_bytes()
    (target / "cut.png").write_bytes(whole[: len(whole) // 2])
    (target / "text.png").write_text("no image")
    options = {"selector": XSSRSelector(), "verbose": 0}
    with monkeypatch.context() as patch:
        patch.setattr(MAEEmbedder, "fit", lambda *_: pytest.fail("trained before checking"))
        with pytest.raises(ImageReadError, match=r"(?s)2 of 22 images.*cut\.png.*text\.png.*skip"):
            select_from_folders(
                folders / "A", target, 2, tmp_path / "out", embedder=tiny_embedder(), **options
            )
    result = select_from_folders(
        folders / "A",
        target,
        2,
        tmp_path / "out",
        embedder=tiny_embedder(),
        skip_unreadable=True,
        **options,
    )
    assert {path.name for path in result.excluded} == {"cut.png", "text.png"}
    record = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert len(record["excluded"]) == 2 and len(record["target_sha256"]) == N_TARGET


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": N_TARGET + 1}, f"at most {N_TARGET} can be picked"),
        ({"budget": 0}, "at least 1"),
        ({"group_pattern": "["}, "not a regular expression"),
        ({"group_pattern": "p"}, "0 bracketed parts"),
        ({"group_pattern": "^(x)"}, "matches no part of 14"),
        ({"group_pattern": "(.)", "max_per_group": 1, "budget": 2}, "at most 1 can be picked"),
    ],
)
def test_a_request_that_cannot_be_met_fails_before_training(
    folders, tmp_path, monkeypatch, options, message
):
    monkeypatch.setattr(MAEEmbedder, "fit", lambda *_: pytest.fail("trained before checking"))
    with pytest.raises(ValueError, match=message):
        select(folders, tmp_path / "out", **options)


def test_a_folder_that_cannot_be_written_fails_before_training(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(MAEEmbedder, "fit", lambda *_: pytest.fail("trained before checking"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(PermissionError, match="cannot be written"):
        select(folders, blocked / "out")
    if os.geteuid() != 0:  # root may write anywhere
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        with pytest.raises(PermissionError, match="choose a folder"):
            select(folders, closed / "out")


def test_groups_from_names_spread_the_picks(folders, tmp_path):
    pattern = r"B-(p[0-9]+)-"
    result = select(folders, tmp_path, budget=5, group_pattern=pattern)
    assert result.groups == group_by_pattern(result.target, pattern)
    assert read_selection_folder(tmp_path).groups == result.groups
    groups = group_by_pattern(result.files, pattern)
    available = len(set(group_by_pattern(result.target, pattern)))
    assert len(set(groups)) == min(5, available)


def test_selection_record_survives_saving(selected, tmp_path):
    record = selected[1].selection
    record.save(tmp_path / "record")
    again = Selection.load(tmp_path / "record")
    np.testing.assert_array_equal(again.indices, record.indices)
    assert again.to_dict() == record.to_dict()


def test_where_and_how_to_run_trains_no_encoder_anew(tmp_path):
    elsewhere = MAEEmbedder(device="cpu", cache_dir=tmp_path, checkpoint_dir=tmp_path, verbose=1)
    assert training_parameters(elsewhere) == training_parameters(MAEEmbedder())
    assert training_parameters(MAEEmbedder(steps=7)) != training_parameters(MAEEmbedder())
