"""The parts of `SMPSegmenter`: loss, augmentation, class codes, batch norm, against plain ones."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")

from skxssr._torch import augment as augmenting  # noqa: E402
from skxssr._torch import batch_norm, classes, unet  # noqa: E402
from skxssr._torch.augment import augment  # noqa: E402
from skxssr.io import Images  # noqa: E402


def test_adapted_statistics_are_averages_over_batches():
    images = np.random.default_rng(0).random((5, 8, 8)).astype(np.float32)
    norm = torch.nn.BatchNorm2d(1, momentum=0.3)
    network = torch.nn.Sequential(norm, torch.nn.Dropout(0.5))
    batch_norm.reestimate(network, Images(images), size=8, channels=1, batch_size=2, device="cpu")
    parts = np.split(images[np.random.default_rng(0).permutation(5)], [3])  # no batch of one
    expected = np.mean([[part.mean(), part.var(ddof=1)] for part in parts], axis=0)
    np.testing.assert_allclose(norm.running_mean, expected[:1], rtol=1e-5)
    np.testing.assert_allclose(norm.running_var, expected[1:], rtol=1e-5)
    assert norm.momentum == 0.3
    assert not any(part.training for part in network.modules())


def test_the_loss_is_cross_entropy_plus_dice():
    logits = torch.randn(2, 1, 8, 8)
    masks = (torch.rand(2, 8, 8) > 0.6).long()
    p = logits.sigmoid()[:, 0]
    entropy = -(masks * p.log() + (1 - masks) * (1 - p).log()).mean()
    overlap = 2 * (p * masks).sum() / (p.sum() + masks.sum())
    loss = unet.MaskLoss(2, augmented=False)(lambda x: logits, (masks, masks), None)
    assert float(loss) == pytest.approx(float(entropy + 1 - overlap), rel=1e-4)


def test_augmentation_moves_image_and_mask_together():
    torch.manual_seed(0)
    image = torch.zeros(8, 1, 64, 64)
    image[:, :, 20:44, 16:40] = 1
    images, masks = augment(image, image[:, 0].long())
    assert images.shape == (8, 1, 64, 64)
    assert masks.dtype == torch.int64
    assert set(masks.unique().tolist()) == {0, 1}
    assert not torch.equal(masks[0], masks[1])
    for one, mask in zip(images[:, 0], masks, strict=True):
        ring = (
            torch.nn.functional.max_pool2d(mask[None].float(), 5, 1, 2)[0]
            != -(torch.nn.functional.max_pool2d(-mask[None].float(), 5, 1, 2)[0])
        )  # the border itself is soft
        assert float(one[(mask == 1) & ~ring].mean()) > 0.5
        assert float(one[(mask == 0) & ~ring].mean()) < 0.3
    assert images.min() >= 0
    assert images.max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_strong_augmentation_keeps_range_and_shape(channels):
    torch.manual_seed(0)
    images = torch.rand(128, channels, 32, 32)
    masks = torch.zeros(128, 32, 32, dtype=torch.int64)
    masks[:, 10:20, 10:20] = 1
    images[:, :, 10:20, 10:20] *= 0.3
    changed, moved = augment(images, masks, strong=True)
    assert changed.shape == images.shape
    assert type(changed) is torch.Tensor
    assert changed.dtype == images.dtype
    assert moved.dtype == torch.int64
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1
    inside = torch.stack([i[:, m == 1].mean() for i, m in zip(changed, moved, strict=True)])
    outside = torch.stack([i[:, m == 0].mean() for i, m in zip(changed, moved, strict=True)])
    assert 0 < (inside > outside).sum() < 64  # some contrasts are inverted, most are not
    flat = augment(torch.full((16, channels, 32, 32), 0.5), masks[:16], strong=True)[0]
    assert flat.isfinite().all()


def test_random_convolution_against_scipys():
    from scipy.ndimage import correlate

    image = torch.rand(1, 20, 20)
    sides = set()
    for seed in range(8):
        torch.manual_seed(seed)
        changed = augmenting._random_convolution(image)
        torch.manual_seed(seed)
        side = 2 * int(torch.randint(0, 4, ())) + 1
        weight, share = torch.randn(side, side).numpy() / side, float(torch.rand(()))
        plain = image[0].numpy()
        mixed = share * plain + (1 - share) * correlate(plain, weight, mode="mirror")
        unit = (mixed - mixed.min()) / np.ptp(mixed)
        expected = plain.min() + unit * np.ptp(plain)
        np.testing.assert_allclose(changed[0].numpy(), expected, atol=1e-5)
        sides.add(side)
    assert len(sides) > 2


def test_class_codes():
    codes = classes.ClassCodes(np.array([0, 3, 255]))
    np.testing.assert_array_equal(codes(np.array([[255, 0], [3, 3]]), "m"), [[2, 0], [1, 1]])
    for strange in (1, 256, -1):
        with pytest.raises(
            ValueError, match=rf"film_mask.png holds the values {strange}, .*classes"
        ):
            codes(np.array([[0, strange]]), "film_mask.png")
