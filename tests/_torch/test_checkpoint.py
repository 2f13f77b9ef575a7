"""The checkpoint of a training run: taken up only by the same run, and only if it is whole."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")

from skxssr import MAEEmbedder  # noqa: E402
from skxssr._torch import checkpoint, loop  # noqa: E402
from skxssr._torch import images as squares  # noqa: E402
from skxssr._utils.parameters import RUN_ONLY  # noqa: E402
from skxssr.io import Images, Masks  # noqa: E402
from tests._torch.test_loop import Loss, Net, dataset, one_thread, recipe, same, weights  # noqa: E402, F401

FILMS = np.random.default_rng(0).integers(0, 256, (9, 16, 16), dtype=np.uint8)
MASKS = (FILMS > 128).astype(np.uint8)
MAE = {
    "image_size": 16,
    "patch_size": 8,
    "embed_dim": 8,
    "depth": 1,
    "num_heads": 2,
    "decoder_dim": 8,
    "decoder_depth": 1,
    "steps": 2,
    "batch_size": 2,
    "device": "cpu",
    "random_state": 0,
}
UNET = {
    "encoder_name": "tu-resnet10t",
    "arch_kwargs": {
        "encoder_depth": 3,
        "decoder_channels": (8, 8, 8),
        "channels": (8, 8, 8, 8),
        "stem_width": 8,
    },
    "image_size": 16,
    "steps": 1,
    "batch_size": 2,
    "device": "cpu",
    "random_state": 0,
}

# whose run it is

MAE_CHANGES = {
    "mask_ratio": 0.5,
    "augment": False,
    "pooling": "cls",
    "embed_dim": 12,
    "depth": 2,
    "decoder_dim": 12,
    "decoder_depth": 2,
    "patch_size": 4,
    "image_size": 32,
    "num_heads": 1,
    "steps": 3,
    "batch_size": 3,
    "learning_rate": 1e-2,
    "weight_decay": 0.1,
    "warmup": 0.2,
    "precision": "32-true",
    "random_state": 1,
}


@pytest.fixture(scope="module")
def mae_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    MAEEmbedder(**MAE, checkpoint_dir=folder).fit(FILMS)
    return folder


def test_every_parameter_of_the_embedder_is_tried_here():
    assert MAE_CHANGES.keys() == MAEEmbedder().get_params().keys() - RUN_ONLY


@pytest.mark.parametrize("name", MAE_CHANGES)
def test_a_run_with_another_parameter_is_refused_and_the_parameter_named(mae_run, name):
    named = "seed" if name == "random_state" else rf"{name} \(.* there, .* here\)"
    with pytest.raises(ValueError, match=rf"run that differs in .*{named}.*delete .*last\.ckpt"):
        MAEEmbedder(**MAE | {name: MAE_CHANGES[name], "checkpoint_dir": mae_run}).fit(FILMS)


def test_both_values_are_shown(mae_run):
    with pytest.raises(ValueError, match=r"differs in mask_ratio \(0\.75 there, 0\.5 here\)\. "):
        MAEEmbedder(**MAE | {"mask_ratio": 0.5, "checkpoint_dir": mae_run}).fit(FILMS)


@pytest.mark.parametrize(
    "settings",
    [{"verbose": 0, "cache_dir": None}, {"random_state": np.random.RandomState(0)}],
    ids=["run only", "a generator that gives the same seed"],
)
def test_what_decides_nothing_is_no_difference(mae_run, settings):
    expected = MAEEmbedder(**MAE).fit(FILMS).weights_sha256_
    again = MAEEmbedder(**MAE | settings | {"checkpoint_dir": mae_run}).fit(FILMS)
    assert again.weights_sha256_ == expected


@pytest.mark.parametrize("row", range(9))
def test_one_pixel_of_any_image_is_a_difference(mae_run, row):
    films = FILMS.copy()
    films[row, 7, 5] ^= 1
    with pytest.raises(ValueError, match="differs in the pixels or masks of the training images"):
        MAEEmbedder(**MAE, checkpoint_dir=mae_run).fit(films)


def test_order_and_number_of_images_are_a_difference(mae_run):
    with pytest.raises(ValueError, match="the pixels or masks"):
        MAEEmbedder(**MAE, checkpoint_dir=mae_run).fit(FILMS[::-1])
    with pytest.raises(ValueError, match=r"number of images \(9 there, 8 here\)"):
        MAEEmbedder(**MAE, checkpoint_dir=mae_run).fit(FILMS[:8])


def test_a_file_that_changed_under_its_name_is_a_difference_a_moved_folder_is_not(tmp_path):
    def saved(folder):
        (tmp_path / folder).mkdir()
        paths = [tmp_path / folder / f"{i}.png" for i in range(len(FILMS))]
        for path, film in zip(paths, FILMS, strict=True):
            Image.fromarray(film).save(path)
        return paths

    paths, run = saved("a"), tmp_path / "run"
    first = MAEEmbedder(**MAE, checkpoint_dir=run).fit(paths)
    moved = MAEEmbedder(**MAE, checkpoint_dir=run).fit(saved("b"))
    assert moved.weights_sha256_ == first.weights_sha256_
    Image.fromarray(255 - FILMS[1]).save(paths[1])
    with pytest.raises(ValueError, match="the pixels or masks"):
        MAEEmbedder(**MAE, checkpoint_dir=run).fit(paths)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("row", [0, 1, 8])
def test_the_identity_of_the_data_is_decided_by_every_mask(row, keep):
    coding = pytest.importorskip("skxssr._torch.classes")

    def identity(masks):
        codes = coding.ClassCodes(np.array([0, 1]))
        pair = {"masks": Masks(masks), "encode": codes, "n_classes": 2, "keep": keep}
        return squares.SquareDataset(Images(FILMS), 16, 1, **pair).identity()

    other = MASKS.copy()
    other[row, 3, 3] ^= 1
    assert identity(MASKS) == identity(MASKS.copy())
    assert identity(MASKS) != identity(other)
    assert identity(MASKS) != squares.SquareDataset(Images(FILMS), 16, 1, keep=keep).identity()


def test_a_segmenter_names_what_differs(tmp_path):
    pytest.importorskip("segmentation_models_pytorch")
    from skxssr import SMPSegmenter

    start = [SMPSegmenter(**UNET | {"random_state": seed}).fit(FILMS, MASKS) for seed in (1, 2)]
    settings = UNET | {"init_from": start[0], "checkpoint_dir": tmp_path}
    SMPSegmenter(**settings).fit(FILMS, MASKS)
    for change, named in [
        ({"augment": "strong"}, r'augment \(true there, "strong" here\)'),
        ({"classes": [0, 1]}, r"classes \(null there, \[0, 1\] here\)"),
        ({"init_from": None}, "init_from"),
        ({"init_from": start[1]}, "init_from"),
    ]:
        with pytest.raises(ValueError, match=f"differs in .*{named}"):
            SMPSegmenter(**settings | change).fit(FILMS, MASKS)
    other = MASKS.copy()
    other[4, 4, 4] ^= 1
    with pytest.raises(ValueError, match="differs in the pixels or masks"):
        SMPSegmenter(**settings).fit(FILMS, other)


def test_an_embedder_and_a_segmenter_do_not_take_up_each_others_runs(mae_run):
    pytest.importorskip("segmentation_models_pytorch")
    from skxssr import SMPSegmenter

    with pytest.raises(ValueError, match="estimator .*MAEEmbedder.* there, .*SMPSegmenter.* here"):
        SMPSegmenter(**UNET, checkpoint_dir=mae_run).fit(FILMS, MASKS)


@pytest.mark.parametrize(
    ("change", "n", "named"),
    [({"seed": 4}, 5, "seed"), ({"learning_rate": 1e-3}, 5, "learning_rate"), ({}, 6, "images")],
)
def test_the_loop_alone_refuses_another_run_too(tmp_path, change, n, named):
    loop.train(Net(), dataset(), Loss(), recipe(steps=2, checkpoint_dir=tmp_path))
    with pytest.raises(ValueError, match=rf"differs in .*{named}.*delete"):
        loop.train(
            Net(), dataset(n), Loss(), recipe(**{"steps": 2, "checkpoint_dir": tmp_path} | change)
        )


# whether it is whole


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a checkpoint, its bytes, and the weights in it."""
    folder, net = tmp_path_factory.mktemp("whole"), Net()
    loop.train(net, dataset(), Loss(), recipe(steps=2, checkpoint_dir=folder))
    return folder, (folder / "last.ckpt").read_bytes(), weights(net)


def resume(folder):
    net = Net()
    loop.train(net, dataset(), Loss(), recipe(steps=2, checkpoint_dir=folder))
    return weights(net)


REFUSED = r"last\.ckpt is .*Delete it to start the training anew"


@pytest.fixture(scope="module")
def damaged(finished):
    """Resumes from other bytes in the place of the checkpoint, and puts the old ones back."""
    folder, whole, _ = finished

    def tried(content):
        (folder / "last.ckpt").write_bytes(content)
        try:
            with pytest.raises(ValueError, match=REFUSED):
                resume(folder)
        finally:
            (folder / "last.ckpt").write_bytes(whole)

    return tried


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_flipped_bit_is_found(finished, damaged, data):
    content = bytearray(finished[1])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged(bytes(content))


def test_a_flipped_bit_in_any_byte_of_the_header_is_found(finished, damaged):
    for place in range(checkpoint.HEADER + 4):
        content = bytearray(finished[1])
        content[place] ^= 0x10
        damaged(bytes(content))


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_file_cut_short_or_with_something_behind_it_is_found(finished, damaged, data):
    damaged(finished[1][: data.draw(st.integers(0, len(finished[1]) - 1))])
    damaged(finished[1] + data.draw(st.binary(min_size=1, max_size=9)))


@settings(max_examples=20, deadline=None)
@given(content=st.binary(max_size=200))
def test_garbage_is_found(damaged, content):
    damaged(content)


def test_what_torch_saved_itself_is_found(damaged, tmp_path):
    """A checkpoint of an earlier version of skxssr was such a file."""
    torch.save({"losses": []}, tmp_path / "old.ckpt")
    damaged((tmp_path / "old.ckpt").read_bytes())


def test_the_undamaged_file_is_taken_up(finished):
    folder, whole, expected = finished
    assert same(resume(folder), expected)
    assert (folder / "last.ckpt").read_bytes() == whole


def test_it_holds_nothing_but_tensors_and_plain_values(finished, tmp_path):
    folder, whole, _ = finished
    assert [path.name for path in folder.iterdir()] == ["last.ckpt"]
    (tmp_path / "payload").write_bytes(whole[checkpoint.HEADER :])
    state = torch.load(tmp_path / "payload", weights_only=True)
    assert set(state) == {"identity", "module", "optimizer", "losses"}


def test_a_kill_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    """Whatever was being written stands under another name until it is whole."""
    monkeypatch.setattr(checkpoint, "SECONDS", -1.0)  # after each step
    replaced, count = checkpoint.os.replace, []

    def killed(source, target):
        count.append(1)
        if len(count) == 3:
            raise SystemExit
        replaced(source, target)

    setting = recipe(checkpoint_dir=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "replace", killed)
        with pytest.raises(SystemExit):
            loop.train(Net(), dataset(), Loss(), setting)
    net, undisturbed, rest = Net(), Net(), Loss()
    loop.train(net, dataset(), rest, setting)
    loop.train(undisturbed, dataset(), Loss(), recipe())
    assert rest.calls == 12 - 2
    assert same(weights(net), weights(undisturbed))
