"""What becomes of hair: its colour, lightness and grey, head by head.

Hair keeps its light: the middle luminance of this very hair moves part of the way to that of the new colour, and what
is lighter or darker around it stays so, on a log scale. Chroma grows with luminance and fades in highlights, as that
of dyed hair does.

Guarantees: where there is no hair no byte changes; heads are kept apart by their id; deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.appearance import hair_kernels as kernels
from livewarp.appearance.brow_masks import brows_of
from livewarp.arrays import BgrFrame, FloatArray
from livewarp.face68 import Face, Pose
from livewarp.knobs import Value
from livewarp.scene import Hair

_LIGHT = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green, red
_SHARE = 0.15  # of a new frame in what is known of a head's hair
_SURE, _SAMPLES, _LEAST_SAMPLES = 200, 600, 8  # of the mask, what may speak for the hair
_NEAR_IOD = 0.10  # how far around a pixel the colour of hair and of what is beside it is asked for
_LIFT, _LOWER = 0.55, 0.80  # share of the way to the new colour's luminance: up, and down
_GREY_LIGHT, _GREY_U, _GREY_V = 152.0, 1.0, -1.5  # of grey hair: luminance at least, and a touch of blue
_BROWS = 0.75  # how grey brows are, where hair is
_SURE_BROW = 110  # of their mask, what may speak for them: there is little of it
_FOOT = 6.0  # levels: below, luminance is noise


def dyes(values: Mapping[str, Value]) -> bool:
    """Whether these values change hair."""
    return bool(values["hair"] or values["hair_grey"] or values["hair_light"])


class Dyer:
    """Changes hair, and remembers whose has which colour; for one thread."""

    def __init__(self) -> None:
        self._known: dict[int, NDArray[np.float64]] = {}
        self._brows: dict[int, NDArray[np.float64]] = {}

    def apply(self, frame: BgrFrame, faces: Sequence[Face], heads: Sequence[Hair], values: Mapping[str, Value]) -> None:
        """Change the hair of all heads, in place.

        Parameters
        ----------
        frame
            (H, W, 3) uint8 BGR.
        faces, heads
            What is in it.
        values
            Effective ones.
        """
        known = {face.id: face for face in faces}
        for kept in (self._known, self._brows):
            for gone in kept.keys() - known.keys():
                del kept[gone]
        for head in heads:
            face = known.get(head.face_id)
            if face is None:
                continue
            self._change(frame, head, face.pose, values, self._known, _SURE)
            grey = float(values["hair_grey"])
            brows = brows_of(frame, face, head.trust) if grey > 0.0 else None
            if brows is not None:
                wanted: dict[str, Value] = {
                    "hair": 0.0,
                    "hair_colour": "#000000",
                    "hair_light": 0.0,
                    "hair_grey": _BROWS * grey,
                }
                self._change(frame, brows, face.pose, wanted, self._brows, _SURE_BROW)

    def _change(
        self,
        frame: BgrFrame,
        head: Hair,
        pose: Pose,
        values: Mapping[str, Value],
        known: dict[int, NDArray[np.float64]],
        sure: int,
    ) -> None:
        """Change what a mask covers; `known`: middle colours by id, `sure`: of the mask, what may speak for them."""
        rows, columns = head.weights.shape
        x, y = head.origin_xy
        here = frame[y : y + 2 * rows, x : x + 2 * columns]
        # Every fourth pixel: means over more are taken of it, and OpenCV's reduction takes twenty times as long.
        small = np.ascontiguousarray(here[1 : rows // 2 * 4 : 4, 1 : columns // 2 * 4 : 4])
        hair = np.asarray(cv2.resize(head.weights, small.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
        own = _learn(small, hair > sure, head.face_id, known)
        if own is None:
            return
        sides = np.empty((*hair.shape, 4), np.float32)
        kernels.weigh_sides(small, hair, sides)
        side = 2 * max(1, round(_NEAR_IOD * pose.iod_px / 4)) + 1
        means = np.asarray(cv2.blur(sides, (side, side)), np.float32)
        settled = np.empty((*hair.shape, 3), np.float32)
        kernels.settle_sides(means, settled)
        table, kept = table_for(own, values)
        chroma = np.array([own[1], own[2], kept], np.float32)
        grey = float(values["hair_grey"])
        kernels.dye(frame, head.origin_xy, head.weights, settled, table, chroma, grey, _to_face(pose), head.trust)


def _learn(
    small: BgrFrame, certain: NDArray[np.bool_], face_id: int, known: dict[int, NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """(3,): the middle luminance and chroma of this hair, steady over time; None: there is too little of it."""
    before = known.get(face_id)
    chosen = small[certain]
    if len(chosen) >= _LEAST_SAMPLES:
        chosen = chosen[:: max(1, len(chosen) // _SAMPLES)].astype(np.float32)
        light = chosen @ _LIGHT
        now = np.array([np.median(v) for v in (light, chosen[:, 0] - light, chosen[:, 2] - light)])
        known[face_id] = now if before is None else before + _SHARE * (now - before)
    return known.get(face_id)


def table_for(own: NDArray[np.float64], values: Mapping[str, Value]) -> tuple[FloatArray, float]:
    """What each luminance of this hair becomes, and which share of how strands differ in chroma stays.

    Parameters
    ----------
    own
        (3,): its middle luminance and chroma, as `hair_kernels` has them.
    values
        Effective ones.

    Returns
    -------
    (256, 6) float32
        Luminance and chroma where it is dyed, then where it is grey.
    """
    amount, lighter, grey = (float(values[name]) for name in ("hair", "hair_light", "hair_grey"))
    red, green, blue = bytes.fromhex(str(values["hair_colour"])[1:])
    to_light = float(np.array([blue, green, red]) @ _LIGHT)
    to_u, to_v = blue - to_light, red - to_light
    middle = max(float(own[0]), 2.0)
    way = to_light - middle
    goal = middle + amount * way * (_LIFT if way > 0 else _LOWER)
    goal = goal * math.exp(0.9 * lighter) if lighter < 0 else goal + lighter * 0.40 * max(230.0 - goal, 0.0)

    table = np.empty((256, 6), np.float32)
    light = _relit(middle, goal)
    # As of a coloured surface: chroma grows with luminance, the less the lighter it is, and what shines is white.
    shine = np.clip((light - goal) / max(255.0 - goal, 1.0), 0.0, 1.0)
    ratio = light / (to_light + 6.0)
    scale = np.where(ratio > 1.0, np.maximum(ratio, 1.0) ** 0.35, ratio) * (1.0 - 0.6 * shine)
    more = np.clip((light + _FOOT) / (np.arange(256.0) + _FOOT), 0.6, 1.6)  # own chroma moves with luminance
    table[:, 0] = light
    table[:, 1] = own[1] * (1 - amount) * more + amount * to_u * scale
    table[:, 2] = own[2] * (1 - amount) * more + amount * to_v * scale
    silver = max(_GREY_LIGHT, middle + 15.0)
    light = _relit(middle, middle + (silver - middle) * (0.62 + 0.38 * grey))
    table[:, 3], table[:, 4], table[:, 5] = light, _GREY_U, _GREY_V
    return table, 1.0 - 0.8 * amount


def _relit(middle: float, goal: float) -> NDArray[np.float64]:
    """(256,): each luminance once the middle one is `goal`; the further up, the less contrast: nothing burns."""
    power = float(np.clip(((middle + _FOOT) / (goal + _FOOT)) ** 0.32, 0.55, 1.2))
    light = (goal + _FOOT) * ((np.arange(256.0) + _FOOT) / (middle + _FOOT)) ** power - _FOOT
    knee = max(200.0, goal)
    over = np.maximum(light - knee, 0.0)
    bent = np.where(over > 0.0, knee + (250.0 - knee) * np.tanh(over / (250.0 - knee)), light)
    share = min(abs(math.log((goal + _FOOT) / (middle + _FOOT))) * 4.0, 1.0)  # unchanged stays unchanged
    return np.asarray(np.clip(light + share * (bent - light), 0.0, 255.0))


def _to_face(pose: Pose) -> FloatArray:
    """(2, 3): px of the frame to face axes of a head from the front."""
    c, s = math.cos(pose.roll) / pose.iod_px, math.sin(pose.roll) / pose.iod_px
    move = [[c, s, -c * pose.x - s * pose.y], [-s, c, s * pose.x - c * pose.y]]
    return np.array(move, np.float32)
