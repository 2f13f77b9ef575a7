"""Draw one stylised chest film and its lung mask.

The film is a map of attenuation: body thickness, less the air of the lungs, plus bones, heart and
disease, each an analytic shape in the body frame of `_chest_anatomy`. The site's exposure, grain
and collimator turn it into gray. All arithmetic is float32.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from skxssr.datasets._chest_anatomy import Anatomy, Film, Look

__all__ = ["render"]

_GLYPHS = {
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
}


def render(patient: Anatomy, film: Film, look: Look, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The film and the mask of its visible lungs.

    Returns
    -------
    film : ndarray of shape (size, size), dtype uint8
    mask : ndarray of shape (size, size), dtype uint8
        1 in the lungs.
    """
    rng = np.random.default_rng(film.seed)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    column, row = np.meshgrid(steps, steps)
    x, y = _to_body(column, row, patient, film)
    lungs = _Lungs(x, y, patient, film)
    attenuation = _body(x, y, patient, lungs) + _bones(x, y, patient, film, lungs)
    attenuation += _disease(x, y, patient, lungs)
    if patient.mode == "blank":  # an exposure without a patient
        attenuation = 0.3 + 0.2 * (column - 0.5) * film.skew / 0.012
    attenuation = gaussian_filter(attenuation, look.blur * size)
    local = attenuation - gaussian_filter(attenuation, 0.05 * size, truncate=2.5)
    attenuation += film.detail * local
    attenuation += film.shade[0] * (column - 0.5) + film.shade[1] * (row - 0.5)
    gray = np.clip((attenuation - film.black) / (film.white - film.black), 0, 1) ** film.gamma
    gray = np.tanh(1.35 * gray) / np.tanh(1.35)
    gray = film.fog + (1 - film.fog) * gray
    grain = rng.standard_normal((size, size), dtype=np.float32)
    gray += film.noise * (0.6 * grain + 1.2 * gaussian_filter(grain, 0.9))
    if patient.mode == "inverted":
        gray = 1 - gray
    exposed = _collimate(column, row, film)
    gray *= exposed
    _print(gray, look, film)
    if patient.mode == "dark":
        gray *= 0.10
    mask = lungs.mask & (exposed > 0.5)
    if patient.mode == "blank":
        mask[:] = False
    return (np.clip(gray, 0, 1) * 255 + 0.5).astype(np.uint8), mask.astype(np.uint8)


def _to_body(
    column: np.ndarray, row: np.ndarray, patient: Anatomy, film: Film
) -> tuple[np.ndarray, np.ndarray]:
    """Canvas to body coordinates: shift, scale, tilt, and a smooth deformation."""
    dx = (column - film.centre[0]) / film.height
    dy = (row - film.centre[1]) / film.height
    cos, sin = np.float32(np.cos(film.tilt)), np.float32(np.sin(film.tilt))
    x, y = cos * dx + sin * dy, cos * dy - sin * dx + np.float32(0.5)
    phase = patient.warp.astype(np.float32)
    wavy_x = np.sin(5 * y + phase[0]) + 0.6 * np.sin(9 * y + 4 * x + phase[1])
    wavy_y = np.sin(6 * x + phase[2]) + 0.6 * np.sin(8 * x + 5 * y + phase[3])
    return x + np.float32(0.010) * wavy_x, y + np.float32(0.010) * wavy_y


class _Lungs:
    """Outline of both lungs as distances to their walls, positive inside."""

    def __init__(self, x: np.ndarray, y: np.ndarray, patient: Anatomy, film: Film) -> None:
        p = patient
        self.on_left = x < 0  # of the image
        self.side = np.abs(x)
        self.width = sum(p.width) / 2
        width = self._pick(p.width)
        t = 1 - np.clip(y / 0.85, 0, 1)
        self.outer = p.apex + (width - p.apex) * np.sqrt(1 - t * np.sqrt(t))
        self.outer += 0.10 * np.clip(y - 0.72, 0, 0.3) * width
        t = 1 - np.clip(y / 0.24, 0, 1)
        inner = p.apex - (p.apex - p.mediastinum) * np.sqrt(1 - t * t)
        t = np.clip((y - 0.42) / 0.44, 0, 1)
        heart = p.heart * np.sin(t * np.float32(np.pi / 2)) ** 1.4
        heart += p.knob * np.exp(-(((y - 0.27) / 0.055) ** 2))
        atrium = 0.28 * p.heart * np.exp(-(((y - 0.70) / 0.16) ** 2))
        self.inner = inner + np.where(self.on_left, atrium, heart)
        self.inner += np.where(self.on_left, -p.shift, p.shift) * np.clip(y * 4, 0, 1)
        top = self._pick(p.dome) + np.float32(film.breath)
        self.crest = width * 0.5
        out = np.clip((self.side - self.crest) / (width - self.crest), 0, 1.3)
        middle = np.clip((self.crest - self.side) / self.crest, 0, 1)
        self.dome = top + (self._pick(p.angle) - top) * out**2 + 0.05 * middle**2
        level = self._pick(p.fluid) - 0.10 * np.clip((self.side - 0.25) / 0.3, 0, 1) ** 2
        self.base = np.minimum(self.dome, level)
        walls = (self.outer - self.side, self.side - self.inner, self.base - y, y)
        aerated = self._pick(p.air) > 0
        self.mask = (np.minimum.reduce(walls) > 0) & aerated
        # depth of the air along the beam: shallow at the rim, abrupt at heart and diaphragm
        rims = ((0.12, 0.08), (0.35, 0.06), (0.45, 0.05), (0.15, 0.10))
        depth = np.ones_like(x)
        for wall, (floor, scale) in zip(walls, rims, strict=True):
            inside = np.clip(wall, 0, None)
            depth *= np.where(wall > 0, floor + (1 - floor) * (1 - np.exp(-inside / scale)), 0)
        self.air = self._pick(p.air) * depth

    def _pick(self, pair: tuple[float, float]) -> np.ndarray:
        return np.where(self.on_left, np.float32(pair[0]), np.float32(pair[1]))


def _body(x: np.ndarray, y: np.ndarray, patient: Anatomy, lungs: _Lungs) -> np.ndarray:
    """Soft tissue less the air in it."""
    p, side = patient, lungs.side
    wall = lungs.width + p.fat
    shoulder = -0.24 + 0.26 * np.clip((side - 0.15) / 0.6, 0, 1.5) ** 0.8
    under = 1 - np.exp(-np.clip(y - shoulder, 0, None) / 0.10)
    torso = np.sqrt(np.clip(1 - (side / wall) ** 2, 0, 1)) * under
    axilla = 0.30 + 0.9 * (side - wall)
    arm = np.sqrt(np.clip((axilla - y) / 0.25, 0, 1)) * under * (side > wall - 0.25)
    neck = np.sqrt(np.clip(1 - (side / 0.19) ** 2, 0, 1)) * 0.75
    body = np.maximum(np.maximum(0.95 * torso, 0.55 * arm), neck)
    below = y - lungs.dome
    dense = (y > lungs.base) & (side < wall)  # abdomen, or fluid above it
    body += np.where(dense, 0.18 * torso, 0)
    body -= lungs.air
    middle = x - p.shift * np.clip(y * 4, 0, 1)
    body += 0.16 * np.exp(-_fourth((middle - 0.08) / 0.2) - _fourth((y - 0.68) / 0.2))  # heart
    body -= 0.16 * np.exp(-_fourth(middle / 0.028)) * np.clip((0.34 - y) / 0.06, 0, 1)  # trachea
    bx, by, radius = p.bubble
    if radius > 0.02:
        centre = p.dome[1] + by
        inside = ((x - bx) / (1.5 * radius)) ** 2 + ((y - centre) / radius) ** 2
        body -= 0.35 * np.clip(1.4 - 1.4 * inside, 0, 1) * (below > 0.015)
    if p.breast > 0:
        bottom = ((side - 0.34) / 0.26) ** 2 + ((y - 0.70) / 0.26) ** 2
        body += p.breast * np.sqrt(np.clip(1 - bottom, 0, 1))
    return body


def _bones(x: np.ndarray, y: np.ndarray, patient: Anatomy, film: Film, lungs: _Lungs) -> np.ndarray:
    """Ribs, spine, clavicles, shoulder blades, heads of the arms; vessels too."""
    p, side = patient, lungs.side
    u = np.clip(side / lungs.width, 0, 1.3)
    cage = np.clip((lungs.outer + 0.03 - side) / 0.02, 0, 1) * np.clip((side - 0.04) / 0.03, 0, 1)
    cage *= np.clip((1.02 - y) / 0.1, 0, 1)
    back = (y - p.rib_start - p.rib_slope * u * u * u + 0.05 * np.sin(np.pi * u)) / p.rib_spacing
    back += 0.15 * np.sin(1.7 * back + p.warp[4])
    bones = (1.1 - 0.5 * y) * _rib(back, 0.28) * cage * (back > 0)
    front = (y - p.rib_start - 0.05 - (0.22 + p.rib_slope) * (1 - u)) / (1.15 * p.rib_spacing)
    front += 0.15 * np.sin(1.4 * front + p.warp[5])
    visible = np.clip((u - 0.45) / 0.3, 0, 1) * np.clip((0.85 - y) / 0.2, 0, 1)
    bones += 0.42 * _rib(front, 0.30) * cage * visible * (front > 0)
    # clavicle: a shallow S from the breastbone to the shoulder
    t = (side - 0.05) / 0.62
    line = 0.12 - 0.15 * t + 0.025 * np.sin(2 * np.pi * t)
    ends = np.clip(t / 0.04, 0, 1) * np.clip((1 - t) / 0.04, 0, 1)
    bones += 1.5 * np.exp(-_fourth((y - line) / (0.020 + 0.012 * (1 - t) ** 2))) * ends
    # shoulder blade: its inner border runs down outside the upper lung
    border = lungs.width * 0.86 + 0.16 * (y - 0.2)
    blade = np.clip((side - border) / 0.012, 0, 1) * np.clip((border + 0.20 - side) / 0.05, 0, 1)
    bones += 0.55 * blade * np.clip((y + 0.02) / 0.06, 0, 1) * np.clip((0.46 - y) / 0.1, 0, 1)
    head = ((side - lungs.width - 0.27) / 0.10) ** 2 + ((y - 0.05) / 0.11) ** 2
    bones += 1.4 * np.clip(2 * (1 - head), 0, 1) ** 0.5
    arm = (side - lungs.width - 0.30) * 0.8 - (y - 0.12) * 0.6
    bones += 1.1 * np.exp(-_fourth(arm / 0.05)) * (y > 0.12) * (side > lungs.width + 0.22)
    vertebra = 0.75 + 0.25 * np.clip(1.6 * np.cos(2 * np.pi * y / 0.088), -1, 1)
    bones += 1.3 * np.exp(-_fourth(x / 0.065)) * vertebra
    bones *= film.ribs
    return bones + _vessels(x, y, patient, lungs)


def _rib(phase: np.ndarray, half: float) -> np.ndarray:
    """Bands of unit period, a little denser at their edges, as cortical bone is."""
    from_centre = np.abs(phase - np.floor(phase) - np.float32(0.5)) * 2
    edge = np.clip((half + 0.10 - from_centre) / 0.20, 0, 1)
    return edge * (0.75 + 0.25 * np.minimum(from_centre / half, 1) ** 2)


def _fourth(values: np.ndarray) -> np.ndarray:
    squares = values * values
    return squares * squares


def _vessels(x: np.ndarray, y: np.ndarray, patient: Anatomy, lungs: _Lungs) -> np.ndarray:
    """Hila, and markings that leave them in all directions and thin out."""
    dx, dy = lungs.side - patient.mediastinum - 0.05, y - 0.43
    distance = np.sqrt(dx * dx + dy * dy)
    turn = (np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * 48 + 1.3 * np.sin(9 * distance)
    low = np.floor(turn).astype(np.intp)
    part = turn - low
    table = patient.vessels.astype(np.float32)
    side = np.where(lungs.on_left, 0, 1)
    streaks = table[side, low % 48] * (1 - part) + table[side, (low + 1) % 48] * part
    fade = np.exp(-distance / 0.16)
    hilum = 0.16 * np.exp(-((dx / 0.05) ** 2) - (dy / 0.10) ** 2)
    return (0.40 * streaks**3 * fade + hilum) * np.minimum(1.5 * lungs.air, 1)


def _disease(x: np.ndarray, y: np.ndarray, patient: Anatomy, lungs: _Lungs) -> np.ndarray:
    """Opacities fill air with something denser; a device is metal."""
    extra = np.zeros_like(x)
    if patient.blobs:
        rows = np.clip((y + 0.1) / 1.2, 0, 1) * 46
        columns = np.clip((x + 0.7) / 1.4, 0, 1) * 46
        fine = zoom(patient.texture.astype(np.float32), 47 / 12, order=1)
        rough = fine[rows.astype(np.intp), columns.astype(np.intp)]
        for cx, cy, rx, ry, strength in patient.blobs:
            inside = np.exp(-((((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2) ** 1.5))
            extra += strength * inside * np.clip(0.75 + 0.35 * rough, 0.1, 1.2)
        extra = np.minimum(extra, 0.96) * lungs.air
    if patient.device is not None:
        cx, cy = patient.device
        box = _fourth((x - cx) / 0.060) + _fourth((y - cy) / 0.048)
        extra += 0.9 * np.clip(3 * (1 - box), 0, 1)
        t = np.clip((y - cy) / (0.80 - cy), 0, 1)  # the lead, along a vein into the heart
        lead = cx * (1 - t) ** 2 - 0.16 * t * (1 - t) + 0.16 * t * t
        on_lead = (y > cy) & (y < 0.80)
        extra += 0.5 * np.exp(-(((x - lead) / 0.010) ** 2)) * on_lead
    return extra


def _collimate(column: np.ndarray, row: np.ndarray, film: Film) -> np.ndarray:
    """1 where the plate was exposed, falling to 0 within a pixel or so at the collimator's edge."""
    left, right, top, bottom = film.margins
    lean, rise = film.skew * (row - 0.5), film.skew * (column - 0.5)
    inside = np.minimum(
        np.minimum(column - left - lean, 1 - right - column + lean),
        np.minimum(row - top - rise, 1 - bottom - row + rise),
    )
    return np.clip(inside * column.shape[0] + 0.5, 0, 1)


def _print(gray: np.ndarray, look: Look, film: Film) -> None:
    """Side marker and label, in place."""
    size = len(gray)
    left, right, top, _ = film.margins
    scale = max(1, round(size / 160))
    bits = np.array([[int(bit) for bit in line] for line in _GLYPHS[look.marker]], dtype=np.float32)
    marks = [(bits, left + 0.04 if look.marker == "R" else 1 - right - 0.09, top + 0.06)]
    if look.label:
        print_ = np.repeat(film.label.astype(np.float32), 2, axis=0) * 0.95
        print_[1::2] = 0.15
        marks.append((print_, 1 - right - 0.17, top + 0.04))
    for pattern, at_x, at_y in marks:
        stamp = np.kron(pattern, np.ones((scale, scale), dtype=np.float32))
        r, c = int(at_y * size), int(at_x * size)
        window = gray[r : r + stamp.shape[0], c : c + stamp.shape[1]]
        np.maximum(window, stamp[: window.shape[0], : window.shape[1]] * 0.95, out=window)
