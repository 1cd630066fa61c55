"""Make-up: dyes on contours, each pixel in the light that it has.

Lips are told from skin, teeth and what is held before the mouth by this face's own colours, which are learnt as the
skin's are. Where the skin around is hidden, by hair or dark glasses, a region is left out.

Guarantees: what no dye reaches keeps its bytes; faces are kept apart by their id; deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import cast

import cv2
import numpy as np

from livewarp.appearance import dyeing
from livewarp.appearance.contours import CONTOURS, Contour, Points, joined
from livewarp.arrays import BgrFrame, FloatArray
from livewarp.easing import smoothstep
from livewarp.effects import Dye
from livewarp.face68 import Face

Wanted = tuple[Dye, float, str]
"""A dye, how much of it, and its colour as "#rrggbb"."""

_SHARE = 0.12  # of a new frame in what is known of lips: about eight frames to follow the light
_FINE_PX = 110.0  # IOD from which a contour is drawn at the frame's own pixels; below, at a half or a third of them
_SOFT_IOD = 0.007  # deviation of the blur of what is told by colour: noise would cut its edges to rags
_SHINE = 1.18  # times the mean luminance: what is brighter is shine
_LUMA = 0.299, 0.587, 0.114  # of red, green, blue
# How much skin must be seen around a region: nothing is drawn at the first, all from the second on.
_HIDDEN, _SEEN = 0.22, 0.55
# Share of the lips that has lips' colour: a cup or a microphone before them is the rest.
_LIPS_HIDDEN, _LIPS_SEEN = 0.30, 0.60

# What may be lips, beside the skin: redder, never greener; by red share, green share, luminance.
_LIPS_AT_FIRST = np.array(
    [[0.025, -0.020, 0.8], [-0.045, -0.08, -0.5], [0.12, 0.040, 0.55], [0.02, 0.015, 0.2]], np.float32
)
# Shares of red, green and blue of skin in white light; how far a dye follows what this face's skin has instead.
_SKIN_IN_WHITE, _FOLLOWS, _MOST_TINT = (0.430, 0.318, 0.252), 0.85, 1.7
# A colour is less of one the darker it is: dark skin gets a more vivid one. Luminance that gets it as it is, exponent.
_VIVID_AT, _VIVID = 135.0, 0.30
_LEAST_COLOUR = 0.025  # how far skin is from grey in a coloured picture: in another, a dye is grey as well
# Beside the skin: on lids all that is no lash, rim or eyeball, on brows what is darker.
_BESIDE_SKIN = {
    "upper_lids": np.array([[0.0, 0.0, 0.0], [-0.05, -0.07, 0.36], [0.12, 0.035, 1.7], [0.03, 0.02, 0.12]], np.float32),
    "brow_hair": np.array([[0.0, 0.0, 0.0], [-9.0, -9.0, -1.0], [9.0, 9.0, 0.62], [1.0, 1.0, 0.20]], np.float32),
}


class Makeup:
    """Draws dyes, and remembers the lips of faces."""

    def __init__(self) -> None:
        self._lips: dict[int, tuple[float, ...]] = {}  # red share, green share, luminance as a share of the skin's

    def keep(self, ids: set[int]) -> None:
        """Forget the faces that are not among these."""
        for gone in self._lips.keys() - ids:
            del self._lips[gone]

    def apply(
        self,
        frame: BgrFrame,
        face: Face,
        wanted: Iterable[Wanted],
        skin: FloatArray,
        origin: tuple[int, int],
        shrink: int,
        skin_colour: tuple[float, float, float],
    ) -> None:
        """Dye a face.

        Parameters
        ----------
        skin
            (rows, columns) of the small picture that `origin` and `shrink` describe: how much of each pixel is skin
            that faces the camera.
        skin_colour
            Red share, green share and luminance, levels, of this face's skin.
        """
        todo = tuple(wanted)
        points, parts = _stacked(tuple(dye.region for dye, _, _ in todo))
        places = points.on(face)
        size = frame.shape[1], frame.shape[0]
        for (dye, amount, colour), (first, last, around) in zip(todo, parts, strict=True):
            contour, corners = CONTOURS[dye.region], places[first:last]
            sides = 1.0, 1.0
            if around > last:
                sides = dyeing.see_skin(places[last:around], skin, origin, shrink, _HIDDEN, _SEEN)
            if contour.is_soft:
                window = _soft_window(contour, corners, sides, size, skin, origin, shrink)
            else:
                window = _window(contour, corners, sides, size, face.pose.iod_px)
            if window is None:
                continue
            corner, weights = window
            figures = _figures(dye, colour, skin_colour)
            there = self._there(frame, corner, weights, figures, dye, face, skin_colour)
            weights *= np.float32(there * amount * face.confidence)
            dyeing.dye_pixels(frame, corner, weights, figures)

    def _there(
        self,
        frame: BgrFrame,
        corner: tuple[int, int],
        weights: FloatArray,
        figures: FloatArray,
        dye: Dye,
        face: Face,
        skin_colour: tuple[float, float, float],
    ) -> float:
        """Lower the weights where the picture shows something else; how much of the region is there, 0 to 1."""
        there = 1.0
        if dye.region == "lip_skin":
            meant, there = self._told(frame, corner, weights, figures, face.id, skin_colour)
        elif dye.region in _BESIDE_SKIN:
            meant = _BESIDE_SKIN[dye.region].copy()
            meant[dyeing.MIDDLE, :2] += skin_colour[:2]
        else:
            return there
        dyeing.weigh_colours(frame, corner, weights, figures, meant, 0)
        cv2.GaussianBlur(weights, (0, 0), max(_SOFT_IOD * face.pose.iod_px, 0.5), weights)
        return there

    def _told(
        self,
        frame: BgrFrame,
        corner: tuple[int, int],
        weights: FloatArray,
        figures: FloatArray,
        face_id: int,
        skin_colour: tuple[float, float, float],
    ) -> tuple[FloatArray, float]:
        """Which colours are this face's lips, and how much of them is seen, 0 to 1; sets LIGHT of `figures`."""
        light = skin_colour[2]
        figures[dyeing.LIGHT] = light
        first = _LIPS_AT_FIRST.copy()
        first[dyeing.MIDDLE, :2] += skin_colour[:2]
        share, red, green, luminance = dyeing.weigh_colours(frame, corner, weights, figures, first, 2)
        known = self._lips.get(face_id)
        if share > _LIPS_SEEN or (known is None and share > _LIPS_HIDDEN):
            now = red, green, luminance / max(light, 1.0)
            known = now if known is None else tuple(k + _SHARE * (n - k) for k, n in zip(known, now, strict=True))
            self._lips[face_id] = known
        if known is None:
            return first, 0.0
        figures[dyeing.LIGHT] = _SHINE * known[2] * light
        # Skin is told from lips as far as they differ: two thirds of the way from lips to skin are still lips.
        redder, greener = known[0] - skin_colour[0], skin_colour[1] - known[1]
        meant = np.empty((4, 3), np.float32)
        meant[dyeing.MIDDLE] = known[0], known[1], 1.0 / _SHINE
        meant[dyeing.LOW] = -max(0.7 * redder, 0.03), -0.09, -0.55
        meant[dyeing.HIGH] = 0.13, max(0.7 * greener, 0.022), 1.0
        meant[dyeing.SOFT] = 0.035, 0.022, 0.2
        return meant, smoothstep((share - _LIPS_HIDDEN) / (_LIPS_SEEN - _LIPS_HIDDEN))


@lru_cache(16)
def _stacked(regions: tuple[str, ...]) -> tuple[Points, list[tuple[int, int, int]]]:
    """The points of several contours as one, and of each where its corners begin, they end, and those around it end."""
    stacked: list[Points] = []
    parts, n = [], 0
    for name in regions:
        contour = CONTOURS[name]
        last = n + len(contour.amounts)
        around = last + (0 if contour.around is None else len(contour.around.rows))
        stacked += [contour.corners] if contour.around is None else [contour.corners, contour.around]
        parts.append((n, last, around))
        n = around
    return joined(*stacked), parts


@lru_cache(64)
def _plain(dye: Dye, colour: str) -> tuple[tuple[float, ...], float]:
    """Red, green and blue of a dye, 4 to 259, and its gain of luminance."""
    channels = tuple(v + 4.0 for v in bytes.fromhex(colour[1:]))
    light = sum(v * luma for v, luma in zip(channels, _LUMA, strict=True))
    return channels, math.exp(dye.depth * min(max(math.log(light / dye.lightness), -2.4), 0.9))


def _figures(dye: Dye, colour: str, skin_colour: tuple[float, float, float]) -> FloatArray:
    """The dye as `dyeing.dye_pixels` takes it, in the light that this skin shows."""
    channels, gain = _plain(dye, colour)
    red, green, skin_light = skin_colour
    lit, light = [], 0.0
    for v, share, white, luma in zip(channels, (red, green, 1.0 - red - green), _SKIN_IN_WHITE, _LUMA, strict=True):
        tint = (max(share, 0.05) / white) ** _FOLLOWS
        lit.append(v * min(max(tint, 1 / _MOST_TINT), _MOST_TINT))
        light += lit[-1] * luma
    vivid = min(math.hypot(red - 1 / 3, green - 1 / 3) / _LEAST_COLOUR, 1.0)
    vivid *= min(max((_VIVID_AT / max(skin_light, 1.0)) ** _VIVID, 0.85), 1.45)
    cover = dye.cover * (1.0 - (1.0 - dye.dark) * min(max((130.0 - skin_light) / 80.0, 0.0), 1.0))
    r, g, b = (max(1.0 + vivid * (v / light - 1.0), 0.0) for v in lit)
    return np.array([b, g, r, gain, cover, dye.gloss, _SHINE * skin_light, dye.anyway], np.float32)


def _window(
    contour: Contour, corners: FloatArray, sides: tuple[float, float], size: tuple[int, int], iod_px: float
) -> tuple[tuple[int, int], FloatArray] | None:
    """The first pixel and the weights of the part of a frame (width, height) that the contour is in; None: in none."""
    x0, y0, width, height = dyeing.bound(corners, *size)
    if width < 2 or height < 2 or max(sides) <= 0.0:
        return None
    fine = min(3, math.ceil(_FINE_PX / iod_px))
    weights = np.empty((height * fine, width * fine), np.float32)
    dyeing.fill_triangles(corners, (x0, y0), float(fine), contour.amounts, sides, contour.triangles, weights)
    if fine > 1:
        weights = cast(FloatArray, cv2.resize(weights, (width, height), interpolation=cv2.INTER_AREA))
    return (x0, y0), weights


def _soft_window(
    contour: Contour,
    corners: FloatArray,
    sides: tuple[float, float],
    size: tuple[int, int],
    skin: FloatArray,
    origin: tuple[int, int],
    shrink: int,
) -> tuple[tuple[int, int], FloatArray] | None:
    """The same on skin only, for a contour without edges: worked out on the small picture that `skin` belongs to."""
    x0, y0, width, height = dyeing.bound(corners, *size)
    left, top = max(0, (x0 - origin[0]) // shrink), max(0, (y0 - origin[1]) // shrink)
    right = min(skin.shape[1], -((origin[0] - x0 - width) // shrink))
    bottom = min(skin.shape[0], -((origin[1] - y0 - height) // shrink))
    if right - left < 2 or bottom - top < 2:
        return None
    small = np.empty((bottom - top, right - left), np.float32)
    corner = origin[0] + left * shrink, origin[1] + top * shrink
    dyeing.fill_triangles(corners, corner, 1.0 / shrink, contour.amounts, sides, contour.triangles, small)
    small *= skin[top:bottom, left:right]
    whole = (right - left) * shrink, (bottom - top) * shrink
    weights = cast(FloatArray, cv2.resize(small, whole, interpolation=cv2.INTER_LINEAR))
    return corner, weights[: size[1] - corner[1], : size[0] - corner[0]]
