"""Do masks agree with one another? Each is compared with what the others would have had there."""

from skxssr.review.masks import review_masks
from skxssr.review.record import OUTCOMES, MaskReview

__all__ = ["MaskReview", "OUTCOMES", "review_masks"]
