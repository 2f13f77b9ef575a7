"""What the embedders share: the tags of a transformer of images."""

from typing import Any

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

__all__ = ["ImageEmbedder"]


class ImageEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A transformer whose `X` are images: an array, or a sequence of paths or arrays."""

    n_features_out_: int

    @property
    def _n_features_out(self) -> int:
        return self.n_features_out_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.no_validation = True  # skxssr.io checks images, not scikit-learn
        tags.transformer_tags.preserves_dtype = []  # float32, whatever the images are
        return tags
