"""Draw one slice of a head scan and its mask.

Every tissue is an analytic shape in three dimensions, so that neighbouring slices resemble each
other as in a real stack. All arithmetic is float32.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from skxssr.datasets._brain_anatomy import Head, Lesion, Series

__all__ = ["render"]

_SOFT = np.float32(0.02)  # width of an edge
_CORE = 0.58  # radius of the core of a lesion to the radius of the whole


def render(
    head: Head, series: Series, index: int, size: int, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slice `index` of the stack and the mask of its lesions.

    Returns
    -------
    image : ndarray of shape (size, size), dtype uint8
    mask : ndarray of shape (size, size), dtype uint8
        With one class 1 in a lesion; with two 1 in the swelling and 2 in the core.
    """
    rng = np.random.default_rng((series.seed, index))
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    column, row = np.meshgrid(steps, steps)
    dx, dy = (column - head.centre[0]) / head.height, (row - head.centre[1]) / head.height
    cos, sin = np.float32(np.cos(head.tilt)), np.float32(np.sin(head.tilt))
    x, y, z = cos * dx + sin * dy, cos * dy - sin * dx, np.float32(head.levels[index])
    inside, depth = _depth(x, y, z, head)
    signal = _tissue(x, y, z, depth, head, series)
    mask = np.zeros((size, size), dtype=np.uint8)
    for lesion in head.lesions:
        away = _distance(x, y, z, lesion)
        bright = series.gray + series.lesion * (1 + 0.35 * _step(_CORE - away))
        signal += (bright - signal) * _step((1 - away) * lesion.radius[0]) * _step(depth)
        mask[(away < 1) & (depth > 0) & (mask == 0)] = 1
        if n_classes == 2:
            mask[(away < _CORE) & (depth > 0)] = 2
    signal *= _step(inside)
    bx, by, rim = series.bias
    signal *= np.exp(bx * x + by * y + rim * (x * x + y * y - 0.5))
    signal = gaussian_filter(signal, series.blur * size)
    if head.mode == "motion":
        shift = size // 9
        echo = np.roll(signal, shift, axis=0) + np.roll(signal, -shift, axis=0)
        signal = (1 - series.ghost) * signal + series.ghost / 2 * echo
    # the magnitude of a complex signal: noise does not vanish where nothing is
    real, imaginary = series.noise * rng.standard_normal((2, size, size), dtype=np.float32)
    gray = np.clip(np.hypot(signal + real, imaginary), 0, 1) ** series.gamma
    return (gray * 255 + 0.5).astype(np.uint8), mask


def _step(distance: np.ndarray) -> np.ndarray:
    """0 outside, 1 inside, soft between."""
    return np.clip(distance / _SOFT + 0.5, 0, 1)


def _depth(
    x: np.ndarray, y: np.ndarray, z: np.floating, head: Head
) -> tuple[np.ndarray, np.ndarray]:
    """Distance below the skin and below the surface of the brain, positive inside."""
    angle = np.arctan2(y, x)
    wave = np.cos(2 * angle + head.folds[0]) + np.cos(3 * angle + head.folds[1])
    radius = np.sqrt((x / head.aspect) ** 2 + y * y)
    below_skin = np.sqrt(1 - z * z) * (1 + np.float32(0.012) * wave) - radius
    return below_skin, below_skin - np.float32(0.17)


def _tissue(
    x: np.ndarray, y: np.ndarray, z: np.floating, depth: np.ndarray, head: Head, series: Series
) -> np.ndarray:
    """Signal of scalp, bone, fluid, gray and white matter."""
    p = head.folds.astype(np.float32)
    angle = np.arctan2(y, x)
    fold = np.sin(9 * angle + 4 * z + p[2]) + np.sin(14 * angle - 5 * z + p[3])
    fold += 0.8 * np.sin(9 * x + 7 * y + 6 * z + p[4]) * np.sin(8 * x - 9 * y + 5 * z + p[5])
    fold *= np.float32(0.4)
    signal = np.full_like(x, series.fat)

    def paint(distance: np.ndarray, value: float) -> None:
        signal[...] += (value - signal) * _step(distance)

    paint(depth + 0.11, 0.05)  # bone gives no signal
    paint(depth + 0.035, series.fluid)
    paint(depth - 0.07 * np.clip(fold, 0, 1), series.gray)
    paint(depth - 0.12 - 0.05 * fold, series.white)
    side = np.abs(x)
    # deep gray matter
    out = np.sqrt(((side - 0.25) / 0.11) ** 2 + ((y - 0.05) / 0.20) ** 2)
    paint((1 - out - _beyond(z, -0.25, 0.20)) * 0.11, series.gray)
    # lateral ventricles: two horns that bend outwards to the front and to the back
    width = np.float32(0.055 * head.ventricles) * (1 + 0.15 * np.sin(p[6]) * np.sign(x))
    middle = 0.085 + 0.05 * head.ventricles + 0.55 * (y + 0.02) ** 2
    out = np.sqrt(((side - middle) / width) ** 2 + ((y + 0.02) / 0.40) ** 2)
    paint((1 - out - _beyond(z, -0.12, 0.30)) * width, series.fluid)
    # the cleft between the halves, open towards front and back
    cleft = 0.016 + 0.012 * np.clip(0.12 - depth, 0, 0.12) / 0.12
    between = np.minimum(cleft - side, np.maximum(np.abs(y) - 0.38, z - 0.38))
    paint(np.minimum(between, depth + 0.03), series.fluid)
    # as bright as a lesion and none: plexus in the ventricles, and the sinus at the back
    bright = series.gray + 0.9 * series.lesion
    out = np.hypot(side - middle, y - 0.20) / 0.045
    paint((1 - out - _beyond(z, -0.05, 0.18)) * 0.045, bright)
    paint(0.055 - np.hypot(x, depth + 0.01) * (1 + 4 * (y < 0)), bright)
    return signal


def _beyond(z: np.floating, low: float, high: float) -> float:
    """0 within the levels, growing outside them: a structure tapers off."""
    return 6 * max(low - float(z), float(z) - high, 0.0)


def _distance(x: np.ndarray, y: np.ndarray, z: np.floating, lesion: Lesion) -> np.ndarray:
    """Distance from the middle of a lesion; 1 at its surface."""
    (cx, cy, cz), (rx, ry, rz) = lesion.centre, lesion.radius
    u, v = (x - cx) / rx, (y - cy) / ry
    angle = np.arctan2(v, u)
    bumps = np.cos(2 * angle + lesion.bumps[0]) + np.cos(3 * angle + lesion.bumps[1])
    return np.sqrt((u * u + v * v) * (1 + np.float32(0.12) * bumps) ** 2 + ((z - cz) / rz) ** 2)
