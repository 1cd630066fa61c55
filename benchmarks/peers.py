"""What livewarp is compared with: other ways to move the same pixels, and other formulas for a thinner face.

Every formula is written anew from the source that its docstring names. facetweak itself is called where it is
installed (`pip install --no-deps facetweak==0.2.0`: the warps need NumPy and OpenCV alone, its detector more).

Convention: positions (x, y), px, pixel centres. Maps are backward: out(x, y) = frame(u, v).
"""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, Box, FloatArray, Landmarks
from livewarp.warping.field import AX, AY, COS, CX, CY, INV_RX_HIGH, INV_RX_LOW, INV_RY, IS_SCALE, SIN

try:
    from facetweak import effects
except ImportError:  # every other row works without it
    effects = None

FACETWEAK = f"facetweak {version('facetweak')}" if effects else "facetweak"
GPUPIXEL_MAXIMUM = 0.05
"""Strength at the end of the slider of gpupixel's demos (10 / 200)."""

Map = tuple[NDArray[np.floating], NDArray[np.floating]]
"""u and v, px, each of the shape of the positions that were asked for."""

# ------------------------------------------------------------------------------------- the field of livewarp


def stroke_field(strokes: FloatArray, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The summed displacement of placed strokes at positions (...), px, in the positions' own dtype.

    The formulas of `livewarp.warping.field.add_strokes` in NumPy; without the limit against folding.
    """
    kind = np.result_type(x, y)
    dx_total, dy_total = np.zeros(np.broadcast(x, y).shape, kind), np.zeros(np.broadcast(x, y).shape, kind)
    for stroke in strokes:
        ux, uy = _displacement(stroke.astype(kind), x, y)
        dx_total += ux
        dy_total += uy
    return dx_total, dy_total


def _displacement(stroke: NDArray[Any], x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of one stroke."""
    cos, sin = stroke[COS], stroke[SIN]
    dx, dy = x - stroke[CX], y - stroke[CY]
    fx, fy = cos * dx + sin * dy, cos * dy - sin * dx
    nx = fx * np.where(fx < 0, stroke[INV_RX_LOW], stroke[INV_RX_HIGH])
    ny = fy * stroke[INV_RY]
    t = np.maximum(1 - nx * nx - ny * ny, 0)
    if stroke[IS_SCALE]:
        k = t * t * t
        ux, uy = -stroke[AX] * fx * k, -stroke[AY] * fy * k
    else:
        ratio = t / (t + 1)
        k = 8 * ratio * ratio * ratio
        ux, uy = -stroke[AX] * k, -stroke[AY] * k
    return cos * ux - sin * uy, sin * ux + cos * uy


def _window(stroke: NDArray[Any], roi: Box) -> tuple[slice, slice]:
    """Rows and columns of the ROI that a stroke can reach."""
    x0, y0, x1, y1 = roi
    rx, ry = 1 / min(stroke[INV_RX_LOW], stroke[INV_RX_HIGH]), 1 / stroke[INV_RY]
    reach_x = math.hypot(rx * stroke[COS], ry * stroke[SIN])
    reach_y = math.hypot(rx * stroke[SIN], ry * stroke[COS])
    left, right = math.ceil(stroke[CX] - reach_x), math.floor(stroke[CX] + reach_x) + 1
    top, bottom = math.ceil(stroke[CY] - reach_y), math.floor(stroke[CY] + reach_y) + 1
    return slice(max(0, top - y0), max(0, min(bottom, y1) - y0)), slice(max(0, left - x0), max(0, min(right, x1) - x0))


# ------------------------------------------------------------------------------------------------- recipes


def opencv_recipe(frame: BgrFrame, roi: Box, strokes: FloatArray, scale: float) -> NDArray[np.uint8]:
    """The ROI, warped the way that one writes with NumPy and OpenCV: float32 maps, then one `cv2.remap`.

    Each stroke is evaluated in its own window only. `scale` is the limit against folding, known beforehand.
    """
    x0, y0, x1, y1 = roi
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    map_x, map_y = x.copy(), y.copy()
    for stroke in strokes:
        view = _window(stroke, roi)
        ux, uy = _displacement(stroke, x[view], y[view])
        map_x[view] += np.float32(scale) * ux
        map_y[view] += np.float32(scale) * uy
    return cv2.remap(frame, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def seed_recipe(frame: BgrFrame, landmarks: Landmarks) -> BgrFrame:
    """Face thinning as tutorials for dlib have it: two strokes, loops in plain Python, one pixel at a time.

    Landmarks 3 and 13 move towards 30, with radii |3 - 5| and |13 - 15|.
    Source: interactive image warping, A. Gustafsson 1993, the shift.
    """
    out = frame.copy()
    for anchor, rim in ((3, 5), (13, 15)):
        frame = out.copy()  # one stroke after another: each resamples what the last one made
        cx, cy = (float(v) for v in landmarks[anchor])
        mx, my = (float(v) for v in landmarks[30])
        r2 = float(((landmarks[anchor] - landmarks[rim]) ** 2).sum())
        m2 = (mx - cx) ** 2 + (my - cy) ** 2
        radius = math.sqrt(r2)
        height, width = frame.shape[:2]
        for y in range(max(0, math.ceil(cy - radius)), min(height, math.floor(cy + radius) + 1)):
            for x in range(max(0, math.ceil(cx - radius)), min(width, math.floor(cx + radius) + 1)):
                d2 = (x - cx) ** 2 + (y - cy) ** 2
                if d2 >= r2:
                    continue
                k = ((r2 - d2) / (r2 - d2 + m2)) ** 2
                u = min(max(x - k * (mx - cx), 0.0), width - 1.001)
                v = min(max(y - k * (my - cy), 0.0), height - 1.001)
                i, j = int(u), int(v)
                fx, fy = u - i, v - j
                for c in range(3):
                    upper = frame[j, i, c] * (1 - fx) + frame[j, i + 1, c] * fx
                    lower = frame[j + 1, i, c] * (1 - fx) + frame[j + 1, i + 1, c] * fx
                    out[y, x, c] = int(upper * (1 - fy) + lower * fy + 0.5)
    return out


def seed_eyes(frame: BgrFrame, landmarks: Landmarks, strength: float) -> BgrFrame:
    """Eye enlargement as tutorials have it: one circle an eye, loops in plain Python, one pixel at a time.

    Radius: 1.5 times the distance between the corners of the eye. Source: interactive image warping,
    A. Gustafsson 1993, the local scaling.
    """
    out = frame.copy()
    height, width = frame.shape[:2]
    for inner, outer in ((36, 39), (42, 45)):
        cx, cy = (float(v) for v in (landmarks[inner] + landmarks[outer]) / 2)
        radius = 0.75 * math.dist(landmarks[inner].tolist(), landmarks[outer].tolist())
        for y in range(max(0, math.ceil(cy - radius)), min(height, math.floor(cy + radius) + 1)):
            for x in range(max(0, math.ceil(cx - radius)), min(width, math.floor(cx + radius) + 1)):
                distance = math.hypot(x - cx, y - cy)
                if distance >= radius:
                    continue
                factor = 1 - (distance / radius - 1) ** 2 * strength
                u = min(max(cx + (x - cx) * factor, 0.0), width - 1.001)
                v = min(max(cy + (y - cy) * factor, 0.0), height - 1.001)
                i, j = int(u), int(v)
                fx, fy = u - i, v - j
                for c in range(3):
                    upper = frame[j, i, c] * (1 - fx) + frame[j, i + 1, c] * fx
                    lower = frame[j + 1, i, c] * (1 - fx) + frame[j + 1, i + 1, c] * fx
                    out[y, x, c] = int(upper * (1 - fy) + lower * fy + 0.5)
    return out


def facetweak_adjustments(value: float, names: tuple[str, ...] = ()) -> Any:
    """Parameters of facetweak: those of `names` or else all of them at `value`."""
    return effects.Adjustments.from_dict(dict.fromkeys(names or effects.PARAMS, value))


# ---------------------------------------------------------------------------------- formulas for a thinner face


def facetweak_slim(x: NDArray[Any], y: NDArray[Any], landmarks: Landmarks, strength: float) -> Map:
    """The map of facetweak's `face_slim`: four Gaussian shifts, each of the picture that the last one made.

    Strength 1 is its maximum. Source: facetweak 0.2.0, effects.py and warp.py; without the cut of each
    Gaussian at four sigma. `facetweak_map` is what the package itself does.
    """
    p = landmarks.astype(np.float64)
    width = abs(p[16, 0] - p[0, 0])
    unit = 0.6 * strength * width / 200.0
    shifts = (
        (p[1:6].mean(0), 0.2 * width, 15 * unit),
        (p[11:16].mean(0), 0.2 * width, -15 * unit),
        (p[2], 0.15 * width, 8 * unit),
        (p[14], 0.15 * width, -8 * unit),
    )
    for (cx, cy), radius, move in reversed(shifts):  # the last picture is asked first
        fall = np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / (0.5 * radius) ** 2)
        x = x - move * fall
    return x, y


def facetweak_map(shape_hw: tuple[int, int], landmarks: Landmarks, strength: float) -> Map:
    """The map that the package applies, from a picture whose two channels hold x and y; strength up to 1."""
    picture = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in reversed(shape_hw))), axis=-1)
    warped = effects.apply(picture, landmarks.astype(np.float64), facetweak_adjustments(strength, ("face_slim",)))
    return warped[..., 0], warped[..., 1]


# Contour point and the target on the middle line, in the order in which they are applied. gpupixel has 106
# points, of which 0-32 are the contour (dlib's 0-16, two for one), 43-46 the bridge and 49 the base of the nose.
_GPUPIXEL_CONES = (
    (3 / 2, 28), (29 / 2, 28), (7 / 2, 29), (25 / 2, 29), (10 / 2, 30), (22 / 2, 30), (14 / 2, 33), (18 / 2, 33),
    (16 / 2, 33),
)  # fmt: skip


def gpupixel_thin(x: NDArray[Any], y: NDArray[Any], landmarks: Landmarks, strength: float) -> Map:
    """The map of gpupixel's thin face: nine linear cones, each of the position that the last one gave.

    Source: gpupixel, face_reshape_filter.cc, curveWarp and thinFace; points between two of dlib's are their
    mean.
    """
    p = landmarks.astype(np.float64)
    for contour, target in _GPUPIXEL_CONES:
        origin = (p[math.floor(contour)] + p[math.ceil(contour)]) / 2
        way = p[target] - origin
        ratio = np.clip(1 - np.hypot(x - origin[0], y - origin[1]) / math.hypot(*way), 0, 1)
        x, y = x - strength * way[0] * ratio, y - strength * way[1] * ratio
    return x, y


def gpupixel_eyes(x: NDArray[Any], y: NDArray[Any], landmarks: Landmarks, strength: float) -> Map:
    """The map of gpupixel's big eyes: both eyes, one after the other.

    Source: gpupixel, face_reshape_filter.cc, enlargeEye and bigEye: the radius is five times the way from the
    middle of the eye to its upper lid; that has one point there, dlib two, whose mean it is here.
    """
    p = landmarks.astype(np.float64)
    for eye, lid in ((slice(36, 42), slice(37, 39)), (slice(42, 48), slice(43, 45))):
        centre = p[eye].mean(0)
        radius = 5 * math.dist(centre, p[lid].mean(0))
        away = np.hypot(x - centre[0], y - centre[1]) / radius
        weight = np.clip(1 - (1 - away * away) * strength, 0, 1)
        x, y = centre[0] + (x - centre[0]) * weight, centre[1] + (y - centre[1]) * weight
    return x, y
