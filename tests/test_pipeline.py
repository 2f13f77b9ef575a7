"""The pipeline and the report, against other libraries and hand-worked numbers."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skxssr import RandomSelector, XSSRSelector
from skxssr.pipeline import dice_summary, embed_and_select, train_and_score
from skxssr.report import contact_sheet, format_table, plot_picks


class Copycat:
    """Predicts the mask of the training image nearest in mean gray level."""

    def fit(self, images, masks):
        self.levels_ = np.array([image.mean() for image in images])
        self.masks_ = [np.asarray(mask) for mask in masks]
        return self

    def predict(self, images):
        return np.stack(
            [self.masks_[np.abs(self.levels_ - image.mean()).argmin()] for image in images]
        )


def test_any_scikit_learn_pipeline_is_an_embedder():
    rng = np.random.default_rng(0)
    source, target = rng.random((20, 6, 6)), rng.random((30, 6, 6))
    flatten = FunctionTransformer(lambda images: np.reshape(images, (len(images), -1)))
    embedder = make_pipeline(flatten, PCA(5, svd_solver="full")).fit(source)
    picked = embed_and_select(
        embedder, XSSRSelector(), source, target, 4, groups=np.arange(30) // 10
    )
    expected = XSSRSelector().fit(embedder.transform(source))
    assert (
        picked.indices.tolist()
        == expected.select(embedder.transform(target), 4, groups=np.arange(30) // 10).tolist()
    )
    assert picked.selection.n_source_samples == 20


def test_only_the_picked_masks_are_used_and_every_test_image_is_scored():
    rng = np.random.default_rng(0)
    images = rng.random((8, 5, 5))
    masks = (rng.random((8, 5, 5)) > 0.5).astype(np.uint8)
    rows = [1, 4, 6]
    scored = train_and_score(Copycat(), images, masks, rows, images, masks)
    model = Copycat().fit(images[rows], masks[rows])
    expected = [
        f1_score(true.ravel(), guess.ravel())
        for true, guess in zip(masks, model.predict(images), strict=True)
    ]
    np.testing.assert_allclose(scored.dice, expected)
    np.testing.assert_allclose(scored.dice[rows], 1.0)
    poisoned = [mask if row in rows else None for row, mask in enumerate(masks)]
    again = train_and_score(Copycat(), images, poisoned, rows, images, masks)
    np.testing.assert_array_equal(again.dice, scored.dice)


def test_dice_summary_leaves_uncounted_images_out():
    summary = dice_summary(np.array([0.2, np.nan, 0.6]), full=0.8)
    assert summary["mean"] == pytest.approx(0.4)
    assert summary["worst"] == 0.2
    assert summary["percent_of_full"] == pytest.approx(50.0)


def test_table_is_aligned_markdown():
    lines = format_table([{"a": "x", "b": 1}, {"a": "longer", "b": 100}]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "|--------|----:|"


@pytest.mark.parametrize("with_source", [True, False])
@pytest.mark.parametrize("n_features", [1, 5])
def test_pictures_are_drawn(tmp_path, with_source, n_features):
    pytest.importorskip("matplotlib")
    from PIL import Image

    rng = np.random.default_rng(0)
    source = rng.random((9, n_features)) if with_source else None
    target = rng.random((12, n_features))
    picks = {"one": np.array([0, 3]), "two": RandomSelector(random_state=0).select(target, 3)}
    plot_picks(source, target, picks, tmp_path / "picks.png")
    contact_sheet(rng.random((12, 8, 6)), np.arange(7), tmp_path / "sheet.png")
    for name in ("picks.png", "sheet.png"):
        with Image.open(tmp_path / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 10

    figure = plot_picks(source, target, picks)
    assert [axis.get_title().split(" (")[0] for axis in figure.axes] == ["one", "two"]
    assert plot_picks(None, target, {"one": [0]}, ax=figure.axes[1]) is figure
    assert len(contact_sheet(rng.random((12, 8, 6)), np.arange(6)).axes) == 6
    with pytest.raises(ValueError, match="plot_picks draws 2 panels, but ax holds 1 axes"):
        plot_picks(None, target, picks, ax=figure.axes[0])
