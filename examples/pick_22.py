"""Pick 22 of 1197 images to annotate, from embeddings alone.

Two sites are made from the digits that come with scikit-learn: site A as they are, site B blurred
and darker. Any scikit-learn transformer is an embedder; here it is a PCA, and no torch is needed.

    python examples/pick_22.py
"""

import importlib.util

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skxssr import XSSRSelector


def two_sites() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of the source and of the target, and the digits of the target."""
    images, digits = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) / 16
    site_a, site_b = images[:600], 0.8 * gaussian_filter(images[600:], sigma=(0, 0.5, 0.5))
    embedder = PCA(16).fit(site_a.reshape(-1, 64))
    source, target = (embedder.transform(site.reshape(-1, 64)) for site in (site_a, site_b))
    return source, target, digits[600:]


def main() -> None:
    source, X, digits = two_sites()

    selector = XSSRSelector(alpha="auto").fit(source)
    picked = selector.select(X, 22)
    print(f"With a source of {len(source)} rows:")
    print(picked)
    print(selector.selection_.summary())
    if importlib.util.find_spec("pandas"):
        print("\nWhy, the first five (novelty and diversity are distances after preprocessing):")
        print(selector.selection_.to_frame().head().to_string(index=False, float_format="%.3f"))

    selector = XSSRSelector(alpha="auto")
    alone = selector.select(X, 22)
    print("\nWithout a source:")
    print(alone)
    print(selector.selection_.summary())

    print("\nDigits among the picks, which no selector was shown:")
    for name, rows in (("with a source", picked), ("without", alone)):
        counts = np.bincount(digits[rows], minlength=10)
        print(f"{name:>13}: " + "  ".join(f"{d}: {n}" for d, n in enumerate(counts)))


if __name__ == "__main__":
    main()
