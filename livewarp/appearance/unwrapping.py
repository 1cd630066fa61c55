"""A picture unwrapped into face axes: by named points on it, or as a painted template.

Key points are landmarks with a name. Eight or more, wherever they are, place the whole picture: an affine map that fits
them best, and beside them what is left of each, spread smoothly.

Convention: px are pixel centres of the picture; face axes as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.appearance.mapping import EXTENT_IOD, unit_map
from livewarp.appearance.own import HEIGHT, SHADE_SCALE, WIDTH, Blend, OwnTexture
from livewarp.arrays import BgrFrame
from livewarp.errors import SettingsError
from livewarp.face68 import JAW, LEFT_BROW, LEFT_EYE, MEAN_FACE, NOSE, RIGHT_BROW, RIGHT_EYE

LEAST_POINTS = 8
TEMPLATE_SCALE = 2  # template px per texture px: room to paint in
_MAX_POINT = 20_000.0  # px
_NEAR_IOD = 0.05
_CHANGED, _SURELY = 6.0, 26.0  # levels by which a painted template must differ, and from which it covers wholly
_LEAST_COVER = 0.02  # mean of the cover, 0 to 255: below, nothing would be seen
_BROAD_IOD = 0.16  # what is larger than this is the picture's own light, not its shade

NAMES: Mapping[str, int] = {
    "right_ear": 0,
    "right_jaw": 4,
    "chin": 8,
    "left_jaw": 12,
    "left_ear": 16,
    "right_brow_outer": 17,
    "right_brow_middle": 19,
    "right_brow_inner": 21,
    "left_brow_inner": 22,
    "left_brow_middle": 24,
    "left_brow_outer": 26,
    "nose_root": 27,
    "nose_tip": 30,
    "right_nostril": 31,
    "nose_base": 33,
    "left_nostril": 35,
    "right_eye_outer": 36,
    "right_eye_inner": 39,
    "left_eye_inner": 42,
    "left_eye_outer": 45,
    "right_mouth_corner": 48,
    "upper_lip": 51,
    "left_mouth_corner": 54,
    "lower_lip": 57,
}
"""Key points by name, left and right the subject's; "0" to "67" name every landmark."""


def checked_points(given: Any, width: int, height: int) -> dict[int, tuple[float, float]]:
    """Landmark index → (x, y), px, of what a JSON file says: {name: [x, y], ...}, or that under "points".

    Raises
    ------
    SettingsError
        It is of another form, names what is no key point, or fewer than eight; one lies far outside the picture, or
        they lie on one line.
    """
    allowed = f"{LEAST_POINTS} or more of {', '.join(NAMES)}, or 0 to 67, each with [x, y] in px"
    if isinstance(given, dict) and isinstance(given.get("points"), dict):
        given = given["points"]
    if not isinstance(given, dict):
        raise SettingsError("points", got=type(given).__name__, allowed=allowed)
    points: dict[int, tuple[float, float]] = {}
    for name, place in given.items():
        index = NAMES.get(name, int(name) if name.isascii() and name.isdigit() and len(name) <= 2 else -1)
        if not 0 <= index < len(MEAN_FACE):
            raise SettingsError(f"points: {str(name)[:40]!r} is no key point", allowed=allowed)
        if not (
            isinstance(place, (list, tuple))
            and len(place) == 2
            and all(isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < _MAX_POINT for v in place)
        ):
            raise SettingsError(f"points: {name}", got=str(place)[:60], allowed="[x, y], px of the picture")
        x, y = float(place[0]), float(place[1])
        if not (-width <= x <= 2 * width and -height <= y <= 2 * height):
            raise SettingsError(
                f"points: {name} lies far outside the picture", got=f"{x:g}, {y:g}", allowed=f"within {width}x{height}"
            )
        points[index] = (x, y)
    if len(points) < LEAST_POINTS:
        raise SettingsError("points", got=f"{len(points)} of them", allowed=allowed)
    _check_spread(points)
    return points


def _check_spread(points: Mapping[int, tuple[float, float]]) -> None:
    mean = MEAN_FACE[list(points), :2].astype(np.float64)
    placed = np.array(list(points.values()))
    for what, at, least in (("on the face", mean, 0.08), ("in the picture", placed, 2.0)):
        spread = np.linalg.svd(at - at.mean(axis=0), compute_uv=False)[1] / np.sqrt(len(at))
        if spread < least:
            raise SettingsError(f"points: they lie on one line {what}", allowed="points all over the face")
    turns = np.linalg.lstsq(np.c_[mean, np.ones(len(mean))], placed, rcond=None)[0][:2]
    if np.linalg.det(turns) <= 0.0:
        raise SettingsError(
            "points: left and right are swapped",
            remedy="left and right are the subject's: the right eye is on the left",
        )


def unwrapped(picture: NDArray[np.uint8], points: Mapping[int, tuple[float, float]]) -> NDArray[np.uint8]:
    """(HEIGHT, WIDTH, 4) BGRA in face axes of a picture (h, w, 4); what it does not show is transparent."""
    mean = MEAN_FACE[list(points), :2].astype(np.float64)
    placed = np.array(list(points.values()), np.float64)
    affine = np.linalg.lstsq(np.c_[mean, np.ones(len(mean))], placed, rcond=None)[0]
    left = placed - np.c_[mean, np.ones(len(mean))] @ affine
    coarse = unit_map(WIDTH // 8, HEIGHT // 8)
    weights = 1.0 / (np.linalg.norm(coarse[..., None, :] - mean, axis=-1) + _NEAR_IOD) ** 3
    weights /= weights.sum(axis=-1, keepdims=True)
    beside = cv2.resize((weights @ left).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    at = (unit_map(WIDTH, HEIGHT) @ affine[:2] + affine[2]).astype(np.float32) + beside
    # Shrunk first where it is far larger than the texture: remap alone would leave out pixels.
    scale = min(1.0, 1.6 / max(np.sqrt(abs(np.linalg.det(affine[:2]))) / (WIDTH / 2.0), 1e-6))
    if scale < 1.0:
        picture = cast(NDArray[np.uint8], cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        at = (at + 0.5) * np.float32(scale) - 0.5
    moved = cv2.remap(
        picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0)
    )
    return np.ascontiguousarray(moved, np.uint8)


def of_given(given: NDArray[np.uint8], points: Any | None, blend: Blend) -> OwnTexture:
    """A texture of what a person gives, (h, w, 4) BGRA: placed by points as of JSON, or None: a painted template.

    Raises
    ------
    SettingsError
        As `checked_points` and `of_template`; or none of it lies on the face.
    """
    if points is None:
        made = of_template(given, template(), blend)
    else:
        made = of_picture(given, checked_points(points, given.shape[1], given.shape[0]), blend)
    if made.picture[..., 3].mean() < _LEAST_COVER:
        raise SettingsError("picture: none of it lies on the face", remedy="check the points")
    return made


def of_picture(picture: NDArray[np.uint8], points: Mapping[int, tuple[float, float]], blend: Blend) -> OwnTexture:
    """A texture of any picture (h, w, 4) BGRA, placed by its points."""
    flat = unwrapped(picture, points)
    cover = flat[..., 3].astype(np.float32) / 255
    light = _light(flat) + 8.0
    sigma = _BROAD_IOD * WIDTH / 2
    total = cv2.GaussianBlur(cover, (0, 0), sigma) + np.float32(1e-4)
    broad = cv2.GaussianBlur(light * cover, (0, 0), sigma) / total
    return _assembled(flat[..., :3], cover, np.log(light / np.maximum(broad, 8.0)), blend)


def of_template(painted: NDArray[np.uint8], original: BgrFrame, blend: Blend) -> OwnTexture:
    """A texture of a template (H, W, 4) that was painted over: what differs from the original (H, W, 3) was painted.

    Raises
    ------
    SettingsError
        It has another size, or nothing on it was painted.
    """
    if painted.shape[:2] != original.shape[:2]:
        wanted = f"{original.shape[1]}x{original.shape[0]}"
        raise SettingsError(
            "picture",
            got=f"{painted.shape[1]}x{painted.shape[0]}",
            allowed=f"a painted template, {wanted}",
            remedy="name points on it with --points",
        )
    seen = painted[..., 3:].astype(np.float32) / 255
    both = painted[..., :3] * seen + original * (1 - seen)
    apart = np.abs(both - original).max(axis=2)
    cover = np.clip((apart - _CHANGED) / (_SURELY - _CHANGED), 0, 1).astype(np.float32)
    if cover.mean() < 1e-5:
        raise SettingsError("picture: nothing is painted on the template", remedy="paint over it, and keep its size")
    shade = np.log((_light(both) + 8.0) / (_light(original) + 8.0)) * (cover > 0)
    size = WIDTH, HEIGHT
    small = [cv2.resize(layer, size, interpolation=cv2.INTER_AREA) for layer in (both, cover, shade)]
    return _assembled(small[0], small[1], small[2], blend)


def _light(picture: NDArray[Any]) -> NDArray[np.float32]:
    return picture[..., :3].astype(np.float32) @ np.array([0.114, 0.587, 0.299], np.float32)


def _assembled(colours: NDArray[Any], cover: NDArray[Any], shade: NDArray[Any], blend: Blend) -> OwnTexture:
    picture = np.empty((HEIGHT, WIDTH, 5), np.uint8)
    picture[..., :3] = np.clip(colours + 0.5, 0, 255)
    picture[..., 3] = np.clip(cover * 255 + 0.5, 0, 255)
    picture[..., 4] = np.clip(128.5 + shade * cover / SHADE_SCALE * 127, 0, 255)
    return OwnTexture.of(picture, blend)


def template() -> BgrFrame:
    """(H, W, 3) the face to paint over: a plain drawing in face axes with its key points and their names."""
    scale = TEMPLATE_SCALE * WIDTH / 2.0  # px an IOD
    width, height = TEMPLATE_SCALE * WIDTH, TEMPLATE_SCALE * HEIGHT
    canvas = np.full((height, width, 3), (176, 190, 214), np.uint8)
    left, top = EXTENT_IOD[:2]

    def px(points: NDArray[Any]) -> NDArray[np.int32]:
        return np.round(((points[..., :2] - [left, top]) * scale - 0.5) * 16).astype(np.int32)

    line: dict[str, Any] = {"lineType": cv2.LINE_AA, "shift": 4}
    dark, lips = (120, 132, 160), (128, 132, 196)
    cv2.fillPoly(canvas, [px(MEAN_FACE[48:60])], lips, **line)
    for part in (RIGHT_EYE, LEFT_EYE):
        cv2.fillPoly(canvas, [px(MEAN_FACE[part])], (236, 238, 240), **line)
        cv2.polylines(canvas, [px(MEAN_FACE[part])], True, dark, 3, **line)
    for part in (JAW, RIGHT_BROW, LEFT_BROW, slice(27, 31), slice(NOSE.start + 4, NOSE.stop)):
        cv2.polylines(canvas, [px(MEAN_FACE[part])], False, dark, 3, **line)
    cv2.polylines(canvas, [px(MEAN_FACE[48:60]), px(MEAN_FACE[60:68])], True, dark, 2, **line)
    for name, index in NAMES.items():
        x, y = (px(MEAN_FACE[index]) / 16).round().astype(int)
        cv2.drawMarker(canvas, (int(x), int(y)), (90, 70, 200), cv2.MARKER_CROSS, 15, 2)
        at = int(min(x + 8, width - 8 * len(name))), int(y - 8)
        cv2.putText(canvas, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (100, 104, 128), 1, cv2.LINE_AA)
    return canvas


def template_points() -> dict[str, list[float]]:
    """Where the key points are on the template, px, as `--points` takes them."""
    scale = TEMPLATE_SCALE * WIDTH / 2.0
    left, top = EXTENT_IOD[:2]
    return {
        name: [
            round(float((MEAN_FACE[i, 0] - left) * scale - 0.5), 1),
            round(float((MEAN_FACE[i, 1] - top) * scale - 0.5), 1),
        ]
        for name, i in NAMES.items()
    }
