"""The calm pictures that stand in for the camera: each is drawn once, when it is first needed.

A dark ground with a soft light behind a camera glyph, a line that says what is the matter and a
smaller one with the reason. The font is the one that OpenCV has built in.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import cv2
import numpy as np

from livewarp.arrays import BgrFrame


class Placeholder(StrEnum):
    """What there is a picture of."""

    STARTING = "starting"
    UNAVAILABLE = "unavailable"
    PRIVATE = "private"


_TEXTS = {
    Placeholder.STARTING: "Camera is starting",
    Placeholder.UNAVAILABLE: "Camera unavailable",
    Placeholder.PRIVATE: "Camera is off",
}

_KEPT = 6  # pictures; reasons come and go
_LINE_CHARACTERS = 58
_LINES = 2

# Blue, green, red.
_EDGE = np.array((30.0, 22.0, 18.0))
_MIDDLE = np.array((64.0, 49.0, 40.0))
_INK = (236, 230, 224)
_QUIET_INK = (168, 155, 146)
_ACCENTS = {
    Placeholder.STARTING: (212, 178, 122),
    Placeholder.UNAVAILABLE: (96, 154, 224),
    Placeholder.PRIVATE: (150, 140, 132),
}


class Placeholders:
    """The pictures for one size of frame.

    Parameters
    ----------
    width, height
        px, of the pictures.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._ground: BgrFrame | None = None
        self._drawn: dict[tuple[Placeholder, str], BgrFrame] = {}

    def picture(self, kind: Placeholder, reason: str = "") -> BgrFrame:
        """(height, width, 3) uint8 BGR, read-only."""
        key = (kind, reason)
        if key not in self._drawn:
            while len(self._drawn) >= _KEPT:
                del self._drawn[next(iter(self._drawn))]
            self._drawn[key] = self._draw(kind, reason)
        return self._drawn[key]

    def _draw(self, kind: Placeholder, reason: str) -> BgrFrame:
        if self._ground is None:
            self._ground = _ground(*self._size)
        picture = self._ground.copy()
        width, height = self._size
        unit = min(width / 16, height / 9) / 80  # 1 at 1280x720
        cx, cy = width / 2, height * 0.40
        _draw_glyph(picture, cx, cy, unit, _ACCENTS[kind], kind)
        _draw_text(picture, _TEXTS[kind], cx, cy + 148 * unit, 40 * unit, _INK, 500)
        for i, line in enumerate(_lines(reason)):
            _draw_text(picture, line, cx, cy + (200 + 34 * i) * unit, 23 * unit, _QUIET_INK, 400)
        picture.setflags(write=False)
        return picture


def _ground(width: int, height: int) -> BgrFrame:
    """A dark ground, lighter about the glyph; noise of half a grey level keeps 8 bits from banding."""
    y, x = np.ogrid[:height, :width]
    radius = np.hypot((x - width / 2) / (0.62 * width), (y - 0.40 * height) / (0.78 * height))
    light = np.exp(-2.2 * np.square(radius.astype(np.float32)))[..., None]
    noise = np.random.default_rng(9).random((height, width, 1), np.float32)
    ground = _EDGE.astype(np.float32) + light * (_MIDDLE - _EDGE).astype(np.float32) + noise
    return np.asarray(ground.astype(np.uint8))


def _lines(reason: str) -> list[str]:
    return textwrap.wrap(" ".join(reason.split()), _LINE_CHARACTERS, max_lines=_LINES, placeholder=" …")


def _draw_text(
    picture: BgrFrame, text: str, cx: float, baseline: float, size: float, ink: tuple[int, int, int], weight: int
) -> None:
    """Centred about `cx`; smaller where it would not fit."""
    if size < 5:
        return  # not to be read in so small a picture
    font = cv2.FontFace("sans")
    (_, _, w, _) = cv2.getTextSize((0, 0), text, (0, 0), font, round(size), weight)
    room = picture.shape[1] * 0.92
    if w > room:
        size *= room / w
        (_, _, w, _) = cv2.getTextSize((0, 0), text, (0, 0), font, round(size), weight)
    cv2.putText(picture, text, (round(cx - w / 2), round(baseline)), ink, font, round(size), weight)


def _draw_glyph(
    picture: BgrFrame, cx: float, cy: float, unit: float, accent: tuple[int, int, int], kind: Placeholder
) -> None:
    """A camera in outline, struck through where it shows nothing; three dots while it starts."""
    shift = 4
    draw = _Pen(picture, cx, cy, unit, shift)
    draw.rounded(-66, -42, 30, 42, 16, accent, 6)
    lens = [(30, -10), (62, -32), (62, 32), (30, 10)]
    draw.path(lens, accent, 6)
    if kind is Placeholder.STARTING:
        for i in range(3):
            draw.dot(-42 + 24 * i, 0, 5, accent)
        return
    ground = tuple(int(v) for v in picture[min(int(cy), picture.shape[0] - 1), int(cx)])
    draw.path([(-70, -62), (70, 62)], ground, 22)
    draw.path([(-70, -62), (70, 62)], accent, 6)


class _Pen:
    """Draws anti-aliased lines in units about a centre."""

    def __init__(self, picture: BgrFrame, cx: float, cy: float, unit: float, shift: int) -> None:
        self._picture = picture
        self._centre = np.array((cx, cy))
        self._unit = unit
        self._shift = shift

    def _at(self, points: Any) -> Any:
        px = self._centre + np.asarray(points, float) * self._unit
        return np.round(px * (1 << self._shift)).astype(np.int32)

    def _stroke(self, draw: Callable[..., object], width: float) -> None:
        draw(max(1, round(width * self._unit)))

    def path(self, points: Sequence[tuple[float, float]], colour: tuple[int, ...], width: float) -> None:
        """Straight lines from point to point."""
        at = self._at(points)
        self._stroke(lambda w: cv2.polylines(self._picture, [at], False, colour, w, cv2.LINE_AA, self._shift), width)

    def rounded(
        self, x0: float, y0: float, x1: float, y1: float, radius: float, colour: tuple[int, ...], width: float
    ) -> None:
        """A rectangle with round corners."""
        turns = np.radians(np.arange(0, 91, 6))
        corners = []
        for x, y, start in (
            (x1 - radius, y0 + radius, -90),
            (x1 - radius, y1 - radius, 0),
            (x0 + radius, y1 - radius, 90),
            (x0 + radius, y0 + radius, 180),
        ):
            angle = turns + np.radians(start)
            corners.append(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1))
        at = self._at(np.concatenate(corners))
        self._stroke(lambda w: cv2.polylines(self._picture, [at], True, colour, w, cv2.LINE_AA, self._shift), width)

    def dot(self, x: float, y: float, radius: float, colour: tuple[int, ...]) -> None:
        """A filled circle."""
        (px, py) = self._at((x, y))
        size = round(radius * self._unit * (1 << self._shift))
        cv2.circle(self._picture, (int(px), int(py)), size, colour, -1, cv2.LINE_AA, self._shift)
