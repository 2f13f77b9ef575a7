"""Reading images: threads, and squares kept in memory, in a temporary folder or in `cache_dir`.

The yardstick is always the same thing computed from arrays in memory, with nothing kept.
"""

import os
import pickle
import tempfile
import threading

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from skxssr import MAEEmbedder, TorchEmbedder  # noqa: E402
from skxssr._torch import cache, loop, threads  # noqa: E402
from skxssr._torch import images as squares  # noqa: E402
from skxssr.exceptions import ImageReadError  # noqa: E402
from skxssr.io import Images, Masks  # noqa: E402

CPU = torch.device("cpu")
MAE = {
    "image_size": 16,
    "patch_size": 8,
    "embed_dim": 8,
    "depth": 1,
    "num_heads": 2,
    "decoder_dim": 8,
    "decoder_depth": 1,
    "steps": 5,
    "batch_size": 4,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small gain nothing from more, and lose much where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def films(tmp_path):
    """Paths of 7 images of different sizes and kinds, and the arrays they decode to."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (20 + i, 31 - i), dtype=np.uint8) for i in range(5)]
    arrays.append(rng.integers(0, 65536, (24, 24), dtype=np.uint16))
    arrays.append(rng.integers(0, 256, (18, 30, 3), dtype=np.uint8))
    folder = tmp_path / "films"
    folder.mkdir()
    paths = [folder / f"{i}.png" for i in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(array).save(path)
    return paths, arrays


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were decoded, in no particular order."""
    import skxssr.io.stacks as stacks

    names, read_image, read_mask = [], stacks.read_image, stacks.read_mask

    def noted(read):
        return lambda path: names.append(os.path.basename(path)) or read(path)

    monkeypatch.setattr(stacks, "read_image", noted(read_image))
    monkeypatch.setattr(stacks, "read_mask", noted(read_mask))
    return names


def all_batches(images, cache_dir=None, size=16, channels=1):
    found = list(
        squares.batches(Images(images), size, channels, 3, device=CPU, cache_dir=cache_dir)
    )
    return torch.cat([batch for batch, _ in found]), [at for _, places in found for at in places]


def mask_set(films, masks, classes=(0, 1, 2), **how):
    coding = pytest.importorskip("skxssr._torch.classes")
    codes = coding.ClassCodes(np.array(classes))
    return squares.SquareDataset(
        Images(films), 16, 1, masks=Masks(masks), encode=codes, n_classes=len(classes), **how
    )


@pytest.fixture
def labels(films, tmp_path):
    """A mask for each film; the first is drawn in two files."""
    rng, found = np.random.default_rng(1), []
    for i, array in enumerate(films[1]):
        parts = rng.integers(0, 3, (2 if i == 0 else 1, *array.shape[:2]), dtype=np.uint8)
        paths = tuple(tmp_path / f"mask{i}-{k}.png" for k in range(len(parts)))
        for path, part in zip(paths, parts, strict=True):
            Image.fromarray(part).save(path)
        found.append(paths if len(paths) > 1 else paths[0])
    return found


# threads


@pytest.mark.parametrize("quick", [0, 1000], ids=["threads", "no threads"])
@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_results_keep_the_order_of_the_items_on_any_number_of_threads(monkeypatch, workers, quick):
    monkeypatch.setattr(threads.joblib, "cpu_count", lambda: workers)
    monkeypatch.setattr(threads, "QUICK", quick)

    def squared(key):
        return threads.in_threads(lambda x: x * x, range(key))

    sizes = (0, 1, 2, 11)
    expected = [[x * x for x in range(n)] for n in sizes]
    assert [squared(n) for n in sizes] == expected
    assert list(threads.prefetch(squared, sizes)) == expected


def test_readers_work_at_the_same_time_and_last_as_long_as_the_stream(monkeypatch):
    monkeypatch.setattr(threads.joblib, "cpu_count", lambda: 3)
    monkeypatch.setattr(threads, "QUICK", 0)
    meeting, names = threading.Barrier(3, timeout=30), set()

    def read(batch, row):
        if batch:  # with the first one it is found out whether threads are worth it
            meeting.wait()  # passes only if three threads are here at once
            names.add(threading.current_thread().name)
        return row

    def rows(batch):
        return threads.in_threads(lambda row: read(batch, row), range(3))

    before = threading.active_count()
    assert list(threads.prefetch(rows, range(4))) == [[0, 1, 2]] * 4
    assert len(names) == 3
    assert threading.active_count() == before


def test_what_takes_no_time_is_done_without_readers(monkeypatch):
    monkeypatch.setattr(threads, "QUICK", 1000)
    with monkeypatch.context() as patch:
        patch.setattr(threads._Readers, "all_of", lambda *args: pytest.fail("handed over"))
        assert all_batches(np.zeros((9, 8, 8)))[0].shape == (9, 1, 16, 16)


def test_an_error_in_a_reader_reaches_the_caller_and_ends_the_threads(films, monkeypatch):
    paths, _ = films
    monkeypatch.setattr(threads.joblib, "cpu_count", lambda: 2)
    paths[4].write_bytes(paths[4].read_bytes()[:40])
    before = threading.active_count()
    with pytest.raises(ImageReadError, match=r"4\.png"):
        all_batches(paths)
    stream = squares.batches(Images(paths[:3]), 16, 1, 1, device=CPU)
    next(stream)
    stream.close()  # not read to the end
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_training_from_files_does_not_depend_on_the_number_of_readers(films, monkeypatch, workers):
    paths, arrays = films
    from_memory = MAEEmbedder(**MAE).fit(arrays)
    monkeypatch.setattr(threads, "QUICK", 0)
    monkeypatch.setattr(threads.joblib, "cpu_count", lambda: workers)
    assert MAEEmbedder(**MAE).fit(paths).weights_sha256_ == from_memory.weights_sha256_


# the cache


@pytest.mark.parametrize("channels", [1, 3])
def test_what_comes_from_the_cache_equals_the_array_to_the_bit(films, tmp_path, reads, channels):
    paths, arrays = films
    expected, places = all_batches(arrays, channels=channels)
    for turn in ("written", "read"):
        found, at = all_batches(paths, tmp_path / "a" / "b", channels=channels)
        assert torch.equal(found, expected), turn
        assert at == places
    assert sorted(reads) == [path.name for path in paths]  # once each


def test_embedder_with_a_cache_equals_one_without(films, tmp_path, reads):
    paths, arrays = films
    plain = MAEEmbedder(**MAE).fit(arrays)
    cached = MAEEmbedder(**MAE, cache_dir=tmp_path / "cache").fit(paths)
    assert cached.weights_sha256_ == plain.weights_sha256_
    decoded = len(reads)
    assert cached.transform(paths).tobytes() == plain.transform(arrays).tobytes()
    assert len(reads) == decoded
    network = torch.nn.Conv2d(3, 4, 3)
    how = {"image_size": 16, "device": "cpu"}
    by_file = TorchEmbedder(network, **how, cache_dir=str(tmp_path / "cache")).fit(paths)
    by_array = TorchEmbedder(network, **how).fit(arrays)
    np.testing.assert_array_equal(by_file.transform(paths), by_array.transform(arrays))


def test_segmenter_with_a_cache_equals_one_without(films, labels, tmp_path, reads):
    pytest.importorskip("segmentation_models_pytorch")
    from skxssr import SMPSegmenter

    paths, _ = films
    how = {
        "encoder_name": "tu-resnet10t",
        "arch_kwargs": {
            "encoder_depth": 4,
            "decoder_channels": (16, 16, 16, 16),
            "channels": (8, 8, 8, 8),
            "stem_width": 8,
        },
        "image_size": 32,
        "steps": 2,
        "batch_size": 2,
        "device": "cpu",
        "random_state": 0,
    }
    plain = SMPSegmenter(**how).fit(paths, labels)
    cached = SMPSegmenter(**how, cache_dir=tmp_path / "cache").fit(paths, labels)
    assert cached.weights_sha256_ == plain.weights_sha256_
    for a, b in zip(cached.predict(paths), plain.predict(paths), strict=True):
        np.testing.assert_array_equal(a, b)
    assert cached.score(paths, labels) == plain.score(paths, labels)
    adapted = cached.adapt(paths)
    assert adapted.weights_sha256_ == plain.adapt(paths).weights_sha256_
    reads.clear()
    cached.predict(paths)
    assert not reads


def test_masks_and_images_come_back_and_classes_are_told_apart(films, labels, tmp_path, reads):
    paths, _ = films
    rows, folder = range(len(paths)), tmp_path / "cache"
    expected = mask_set(paths, labels).take(rows)
    assert expected[1].dtype == torch.int64
    for _ in range(2):
        reads.clear()
        found = mask_set(paths, labels, keep=False, cache_dir=folder).take(rows)
        assert all(map(torch.equal, found, expected))
    assert not reads
    # other classes: the images are there, the masks are not
    other = mask_set(paths, labels, classes=(0, 1, 2, 3), keep=False, cache_dir=folder)
    assert torch.equal(other.take(rows)[0], expected[0])
    assert set(reads) == {path.name for path in folder.parent.glob("mask*")}


@pytest.mark.parametrize("change", ["time", "size"])
def test_a_changed_file_is_read_anew(films, tmp_path, change):
    paths, arrays = films
    folder = tmp_path / "cache"
    all_batches(paths, folder)
    status = paths[0].stat()
    arrays[0] = 255 - arrays[0] if change == "time" else arrays[0][:8, :8]
    Image.fromarray(arrays[0]).save(paths[0])
    # with the one told apart by its size, the time of change is as it was
    later = status.st_mtime_ns + (10**9 if change == "time" else 0)
    os.utime(paths[0], ns=(status.st_atime_ns, later))
    found, places = all_batches(paths, folder)
    expected, at = all_batches(arrays)
    assert torch.equal(found, expected)
    assert places == at


def test_another_size_another_kind_and_other_versions_do_not_meet(films, tmp_path, monkeypatch):
    paths, arrays = films
    folder = tmp_path / "cache"
    for how in ({}, {"size": 8}, {"channels": 3}):
        assert torch.equal(all_batches(paths, folder, **how)[0], all_batches(arrays, **how)[0])
    count = len(list(folder.iterdir()))
    assert count == 3 * len(paths)
    monkeypatch.setattr(cache, "_made_by", lambda: (1, "another torch", "another Pillow"))
    all_batches(paths, folder)
    assert len(list(folder.iterdir())) == 4 * len(paths)


def test_a_damaged_file_is_made_again_and_nothing_is_unpickled(films, tmp_path):
    paths, arrays = films
    folder = tmp_path / "cache"
    expected, _ = all_batches(arrays)
    all_batches(paths, folder)
    kept = sorted(folder.iterdir())
    assert {path.suffix for path in kept} == {".safetensors"}
    kept[0].write_bytes(kept[0].read_bytes()[:-5])
    kept[1].write_bytes(b"")
    kept[2].write_bytes(pickle.dumps(print))
    for _ in range(2):
        assert torch.equal(all_batches(paths, folder)[0], expected)
    assert sorted(folder.iterdir()) == kept
    assert len({path.stat().st_size for path in kept}) == 1


def test_arrays_are_not_written_to_cache_dir(films, tmp_path):
    _, arrays = films
    expected, _ = all_batches(arrays)
    assert torch.equal(all_batches(arrays, tmp_path / "cache")[0], expected)
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_is_named(films, tmp_path):
    paths, _ = films
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match=r"cache_dir=.*taken.*cannot be written.*cache_dir=None"):
        all_batches(paths, tmp_path / "taken")
    with pytest.raises(ValueError, match="'cache_dir' parameter"):
        MAEEmbedder(**MAE, cache_dir=3).fit(paths)
    with pytest.raises(ImageReadError, match="no such file"):
        all_batches([*paths, tmp_path / "gone.png"], tmp_path / "cache")


# sets that do not fit in memory


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """No memory for squares; temporary folders lie where they can be counted."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(squares, "KEEP_BYTES", 0)
    return folder


@pytest.mark.parametrize("kind", ["paths", "arrays"])
def test_a_set_too_large_for_memory_is_decoded_once(films, temporary, reads, monkeypatch, kind):
    monkeypatch.setattr(squares, "KEEP_BYTES", 2**30)
    expected = MAEEmbedder(**MAE).fit(films[1]).weights_sha256_
    monkeypatch.setattr(squares, "KEEP_BYTES", 0)
    made, to_square = [], squares.to_square
    monkeypatch.setattr(squares, "to_square", lambda *args: made.append(1) or to_square(*args))
    embedder = MAEEmbedder(**MAE).fit(films[0] if kind == "paths" else films[1])
    assert embedder.weights_sha256_ == expected
    assert len(made) == len(films[0])
    assert not list(temporary.iterdir())  # nothing is left


def test_one_pass_through_the_images_writes_nothing(films, temporary, monkeypatch):
    monkeypatch.setattr(cache.Cache, "_write", lambda *args: pytest.fail("written"))
    MAEEmbedder(**MAE | {"steps": 1}).fit(films[0])


def test_no_room_means_reading_again(films, temporary, reads, monkeypatch):
    expected = MAEEmbedder(**MAE).fit(films[1]).weights_sha256_
    none = type("Usage", (), {"free": 10})
    monkeypatch.setattr(squares.shutil, "disk_usage", lambda path: none)
    assert MAEEmbedder(**MAE).fit(films[0]).weights_sha256_ == expected
    assert len(reads) > len(films[0])


def test_a_disk_that_fills_up_means_reading_again(films, temporary, monkeypatch):
    expected = MAEEmbedder(**MAE).fit(films[1]).weights_sha256_
    write, written = cache.Path.write_bytes, []

    def fails_at_the_third(path, data):
        written.append(path)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(cache.Path, "write_bytes", fails_at_the_third)
    assert MAEEmbedder(**MAE).fit(films[0]).weights_sha256_ == expected
    assert len(written) < len(films[0])


def test_a_resumed_run_equals_an_undisturbed_one_without_memory(films, temporary, tmp_path):
    from skxssr._torch import mae

    expected = MAEEmbedder(**MAE).fit(films[1]).weights_sha256_
    true_loss, calls = mae.MaskedLoss.__call__, []

    def stop(self, *args):
        calls.append(1)
        if len(calls) == 3:
            loop.signal.raise_signal(loop.signal.SIGINT)
        return true_loss(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mae.MaskedLoss, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            MAEEmbedder(**MAE, checkpoint_dir=tmp_path / "run").fit(films[0])
    assert not list(temporary.iterdir())
    resumed = MAEEmbedder(**MAE, checkpoint_dir=tmp_path / "run").fit(films[0])
    assert resumed.weights_sha256_ == expected


def test_a_set_can_be_handed_to_other_processes(films, labels, tmp_path):
    data = mask_set(films[0], labels, keep=False, cache_dir=tmp_path / "cache")
    again = pickle.loads(pickle.dumps(data))
    assert all(map(torch.equal, again.take(range(3)), data.take(range(3))))
