"""Do masks agree with one another? Each is compared with what the others would have had there."""

from skxssr.review.masks import OUTCOMES, MaskReview, review_masks

__all__ = ["MaskReview", "OUTCOMES", "review_masks"]
