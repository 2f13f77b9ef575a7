"""Saved estimators and cached squares with damage: one documented error, or made again."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skxssr import MAEEmbedder, RandomFeaturesEmbedder  # noqa: E402
from skxssr._torch.cache import Square, _checksum, _read  # noqa: E402
from skxssr.exceptions import DamagedFileError  # noqa: E402

RNG = np.random.default_rng(0)
FILMS = RNG.integers(0, 256, (4, 16, 16), dtype=np.uint8)
TINY = {
    "image_size": 16,
    "patch_size": 8,
    "embed_dim": 8,
    "depth": 1,
    "num_heads": 2,
    "decoder_dim": 8,
    "steps": 1,
    "batch_size": 2,
    "random_state": 0,
    "device": "cpu",
}
KINDS = [MAEEmbedder(**TINY), RandomFeaturesEmbedder(image_size=16)]


@pytest.mark.parametrize("estimator", KINDS, ids=lambda kind: type(kind).__name__)
def test_any_damage_of_a_saved_estimator_is_one_documented_error(estimator, tmp_path):
    estimator.fit(FILMS).save(tmp_path)
    kind = type(estimator)
    expected = estimator.transform(FILMS)
    for name in ("config.json", "weights.safetensors"):
        file = tmp_path / name
        whole = file.read_bytes()
        damaged = [whole[:cut] for cut in (0, 1, len(whole) // 2, len(whole) - 2)]
        for at in RNG.integers(0, len(whole), 25):
            flipped = bytearray(whole)
            flipped[at] ^= 1 << int(RNG.integers(0, 8))
            damaged.append(bytes(flipped))
        for data in damaged:
            file.write_bytes(data)
            try:
                again = kind.load(tmp_path)
            except DamagedFileError as error:
                assert str(tmp_path) in str(error) and "save" in str(error)
            except ValueError as error:  # the name of the class was hit
                assert "load it with" in str(error)
            else:  # white space
                np.testing.assert_array_equal(again.transform(FILMS), expected)
        file.write_bytes(whole)
    np.testing.assert_array_equal(kind.load(tmp_path).transform(FILMS), expected)


@pytest.mark.parametrize("config", [[], None, {"class": "MAEEmbedder"}, "x", {}])
def test_a_configuration_of_something_else_is_named(config, tmp_path):
    KINDS[0].fit(FILMS).save(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json|holds a None"):
        MAEEmbedder.load(tmp_path)


def test_values_that_make_no_network_are_named(tmp_path):
    KINDS[0].fit(FILMS).save(tmp_path)
    path = tmp_path / "config.json"
    whole = json.loads(path.read_text())
    del whole["sha256"]  # as an older release wrote it
    for part in ("params", "fitted"):
        for key in whole[part]:
            for value in (None, "x", -1, [], {}):
                broken = {**whole, part: {**whole[part], key: value}}
                path.write_text(json.dumps(broken))
                try:
                    MAEEmbedder.load(tmp_path)
                except DamagedFileError as error:
                    assert str(tmp_path) in str(error)
    path.write_text(json.dumps(whole))
    MAEEmbedder.load(tmp_path)


def test_the_checksum_of_a_square_covers_its_size(tmp_path):
    import safetensors.torch

    pixels = torch.arange(12, dtype=torch.uint8).reshape(1, 3, 4)
    square = Square(pixels, (30, 40))
    whole = {"pixels": pixels, "original": torch.tensor([30, 40])}
    whole["checksum"] = torch.tensor(_checksum(square))
    path = tmp_path / "a.safetensors"

    def read(**changed):
        path.write_bytes(safetensors.torch.save({**whole, **changed}))
        return _read(path)

    found = read()
    assert torch.equal(found.pixels, pixels) and found.original == (30, 40)
    assert read(original=torch.tensor([30, 41])) is None
    assert read(original=torch.tensor([30, 40, 50])) is None
    assert read(pixels=pixels.reshape(1, 4, 3)) is None
    assert read(pixels=pixels.to(torch.int8)) is None
    assert read(checksum=torch.tensor([1, 2])) is None
    assert read(pixels=pixels.to(torch.bfloat16)) is None
