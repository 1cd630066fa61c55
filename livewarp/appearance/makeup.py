"""Make-up: dyes on contours, each pixel in the light that it has.

Lips are told from skin, teeth and what is held before the mouth by this face's own colours, which are learnt as the
skin's are. Where the skin around is hidden, by hair or dark glasses, a region is left out.

Guarantees: what no dye reaches keeps its bytes; faces are kept apart by their id; deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.appearance import dyeing
from livewarp.appearance.contours import CONTOURS, Contour
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
_LIPS_AT_FIRST = np.array([[0.025, -0.020, 0.8], [-0.035, -0.08, -0.5], [0.12, 0.035, 0.45], [0.02, 0.015, 0.2]])
# Shares of red, green and blue of skin in white light; how far a dye follows what this face's skin has instead.
_SKIN_IN_WHITE, _FOLLOWS, _MOST_TINT = (0.430, 0.318, 0.252), 0.85, 1.7
# A colour is less of one the darker it is: dark skin gets a more vivid one. Luminance that gets it as it is, exponent.
_VIVID_AT, _VIVID = 135.0, 0.45
_LEAST_COLOUR = 0.025  # how far skin is from grey in a coloured picture: in another, a dye is grey as well
# Beside the skin: on lids all that is no lash, rim or eyeball, on brows what is darker.
_BESIDE_SKIN = {
    "upper_lids": np.array([[0.0, 0.0, 0.0], [-0.05, -0.07, 0.36], [0.12, 0.035, 1.7], [0.03, 0.02, 0.12]]),
    "brow_hair": np.array([[0.0, 0.0, 0.0], [-9.0, -9.0, -1.0], [9.0, 9.0, 0.62], [1.0, 1.0, 0.20]]),
}


class Makeup:
    """Draws dyes, and remembers the lips of faces."""

    def __init__(self) -> None:
        self._lips: dict[int, NDArray[np.float64]] = {}  # red share, green share, luminance as a share of the skin's

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
        skin_colour: NDArray[np.float64],
    ) -> None:
        """Dye a face.

        Parameters
        ----------
        skin
            (rows, columns) of the small picture that `origin` and `shrink` describe: how much of each pixel is skin
            that faces the camera.
        skin_colour
            (3,): red share, green share and luminance, levels, of this face's skin.
        """
        for dye, amount, colour in wanted:
            contour = CONTOURS[dye.region]
            amounts = contour.amounts * _seen(contour, face, skin, origin, shrink)
            size = frame.shape[1], frame.shape[0]
            if contour.is_soft:
                window = _soft_window(contour, amounts, face, size, skin, origin, shrink)
            else:
                window = _window(contour, amounts, face, size)
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
        skin_colour: NDArray[np.float64],
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
        dyeing.weigh_colours(frame, corner, weights, figures, meant.astype(np.float32), 0)
        cv2.GaussianBlur(weights, (0, 0), max(_SOFT_IOD * face.pose.iod_px, 0.5), weights)
        return there

    def _told(
        self,
        frame: BgrFrame,
        corner: tuple[int, int],
        weights: FloatArray,
        figures: FloatArray,
        face_id: int,
        skin_colour: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], float]:
        """Which colours are this face's lips, and how much of them is seen, 0 to 1; sets LIGHT of `figures`."""
        light = skin_colour[2]
        figures[dyeing.LIGHT] = light
        first = _LIPS_AT_FIRST.copy()
        first[dyeing.MIDDLE, :2] += skin_colour[:2]
        share, red, green, luminance = dyeing.weigh_colours(
            frame, corner, weights, figures, first.astype(np.float32), 2
        )
        known = self._lips.get(face_id)
        if share > _LIPS_SEEN or (known is None and share > _LIPS_HIDDEN):
            now = np.array([red, green, luminance / max(light, 1.0)])
            known = now if known is None else known + _SHARE * (now - known)
            self._lips[face_id] = known
        if known is None:
            return first, 0.0
        figures[dyeing.LIGHT] = _SHINE * known[2] * light
        # Skin is told from lips as far as they differ: about half of the way from lips to skin is still lips.
        redder, greener = known[0] - skin_colour[0], skin_colour[1] - known[1]
        meant = np.array([[known[0], known[1], 1.0 / _SHINE], [0.0, -0.09, -0.55], [0.13, 0.0, 1.0], [0.03, 0.02, 0.2]])
        meant[dyeing.LOW, 0] = -max(0.6 * redder, 0.02)
        meant[dyeing.HIGH, 1] = max(0.6 * greener, 0.015)
        return meant, smoothstep((share - _LIPS_HIDDEN) / (_LIPS_SEEN - _LIPS_HIDDEN))


def _figures(dye: Dye, colour: str, skin_colour: NDArray[np.float64]) -> FloatArray:
    """The dye as `dyeing.dye_pixels` takes it, in the light that this skin shows."""
    red, green, skin_light = skin_colour.tolist()
    shares = red, green, 1.0 - red - green
    channels = [v + 4.0 for v in bytes.fromhex(colour[1:])]  # in plain numbers: arrays of three take ten times as long
    plain = sum(v * luma for v, luma in zip(channels, _LUMA, strict=True))
    tints = [max(share, 0.05) / white for share, white in zip(shares, _SKIN_IN_WHITE, strict=True)]
    lit = [v * min(max(t**_FOLLOWS, 1 / _MOST_TINT), _MOST_TINT) for v, t in zip(channels, tints, strict=True)]
    light = sum(v * luma for v, luma in zip(lit, _LUMA, strict=True))
    vivid = min(math.hypot(red - 1 / 3, green - 1 / 3) / _LEAST_COLOUR, 1.0)
    vivid *= min(max((_VIVID_AT / max(skin_light, 1.0)) ** _VIVID, 0.85), 1.45)
    figures = np.empty(8, np.float32)
    for place, v in zip((dyeing.RED, dyeing.GREEN, dyeing.BLUE), lit, strict=True):
        figures[place] = max(1.0 + vivid * (v / light - 1.0), 0.0)
    figures[dyeing.GAIN] = math.exp(dye.depth * min(max(math.log(plain / dye.lightness), -2.4), 0.9))
    figures[dyeing.COVER] = dye.cover * (1.0 - (1.0 - dye.dark) * min(max((130.0 - skin_light) / 80.0, 0.0), 1.0))
    figures[dyeing.GLOSS], figures[dyeing.LIGHT], figures[dyeing.ANYWAY] = dye.gloss, _SHINE * skin_light, dye.anyway
    return figures


def _seen(contour: Contour, face: Face, skin: FloatArray, origin: tuple[int, int], shrink: int) -> FloatArray:
    """(n,) or (): how much of each corner's side of the region is not hidden, 0 to 1, by the skin seen around it."""
    if contour.around is None:
        return np.float32(1.0)  # type: ignore[return-value]
    small = ((contour.around.on(face) - np.array(origin) + 0.5) / shrink - 0.5).round().astype(int)
    inside = ((small >= 0) & (small < skin.shape[::-1])).all(axis=1)
    small[~inside] = 0
    found = np.where(inside, skin[small[:, 1], small[:, 0]], 0.0)
    sides = np.clip((found.reshape(2, -1).mean(axis=1) - _HIDDEN) / (_SEEN - _HIDDEN), 0, 1)
    return np.repeat((sides * sides * (3 - 2 * sides)).astype(np.float32), len(contour.amounts) // 2)


def _window(
    contour: Contour, amounts: FloatArray, face: Face, size: tuple[int, int]
) -> tuple[tuple[int, int], FloatArray] | None:
    """The first pixel and the weights of the part of a frame (width, height) that the contour is in; None: in none."""
    places = contour.corners.on(face)
    x0, y0 = (max(0, math.floor(v)) for v in places.min(axis=0))
    width, height = (
        min(most, math.ceil(v) + 1) - v0 for v, v0, most in zip(places.max(axis=0), (x0, y0), size, strict=True)
    )
    if width < 2 or height < 2 or not amounts.any():
        return None
    fine = min(3, math.ceil(_FINE_PX / face.pose.iod_px))
    weights = np.empty((height * fine, width * fine), np.float32)
    places = ((places - np.array([x0, y0]) + 0.5) * fine - 0.5).astype(np.float32)
    dyeing.fill_triangles(places, amounts, contour.triangles, weights)
    if fine > 1:
        weights = cast(FloatArray, cv2.resize(weights, (width, height), interpolation=cv2.INTER_AREA))
    return (x0, y0), weights


def _soft_window(
    contour: Contour,
    amounts: FloatArray,
    face: Face,
    size: tuple[int, int],
    skin: FloatArray,
    origin: tuple[int, int],
    shrink: int,
) -> tuple[tuple[int, int], FloatArray] | None:
    """The same on skin only, for a contour without edges: worked out on the small picture that `skin` belongs to."""
    places = ((contour.corners.on(face) - np.array(origin) + 0.5) / shrink - 0.5).astype(np.float32)
    low = np.maximum(np.floor(places.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(places.max(axis=0)).astype(int) + 1, skin.shape[::-1])
    if (high - low < 2).any():
        return None
    small = np.empty((high - low)[::-1], np.float32)
    dyeing.fill_triangles(places - low.astype(np.float32), amounts, contour.triangles, small)
    small *= skin[low[1] : high[1], low[0] : high[0]]
    first = low * shrink + np.array(origin)
    width, height = (high - low) * shrink
    weights = cast(FloatArray, cv2.resize(small, (int(width), int(height)), interpolation=cv2.INTER_LINEAR))
    return (int(first[0]), int(first[1])), weights[: size[1] - first[1], : size[0] - first[0]]
