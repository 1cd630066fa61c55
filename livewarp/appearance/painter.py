"""The painter: faces and effective values in, the frame changed in place.

For each face: the mesh is placed and drawn as a map, the skin is told from the rest at a fraction of the size, then
the skin is smoothed and toned, textures are drawn on it, and lips, brows, eyes and teeth toned.

Guarantees: what no effect reaches keeps its bytes; faces are kept apart by their id; deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.appearance import blending, face_kernels, mapping, own, textures, toning
from livewarp.appearance.makeup import Makeup
from livewarp.appearance.recipe import Recipe, mix
from livewarp.appearance.regions import HEIGHT, REGIONS, WIDTH
from livewarp.appearance.sharpness import STEPS_PX, Sharpness
from livewarp.appearance.skin import SkinModels
from livewarp.appearance.softening import soften_lines
from livewarp.appearance.spreading import BESIDE_SKIN, IN_LINES, ON_SKIN, Spreader
from livewarp.arrays import BgrFrame, Box, FloatArray
from livewarp.easing import smoothstep
from livewarp.face68 import Face
from livewarp.knobs import Value

LEAST_GAP_IOD = 0.025  # between the inner lips: no teeth are seen through less
LEAST_IOD_PX = 14.0  # nothing is drawn on smaller faces: their landmarks are not good enough
# Working size of skin by IOD, px: about 34 small px an IOD, so that a face costs the same at any size.
_SHRINKS = ((0.0, 1), (28.0, 2), (80.0, 4), (190.0, 8))
_NEAR_IOD = 0.024  # deviation of the mean that detail is measured against: pores and fine lines are smaller
_BROAD_IOD = 0.11  # and of the mean for blotches, which are smaller than a cheek
_EDGE_SPREAD = 0.10  # spread of luminance, as a share of it, from which detail is an edge
# Half the side of a square, and the share of skin in it from which a dark place may be a brow, and surely is one.
_BESIDE_IOD, _BESIDE_NONE, _BESIDE_RANGE = 0.09, 0.30, 0.25
_LIGHT = np.array([0.114, 0.587, 0.299], np.float32)
# Speed, IOD a frame, from which the camera's own blur hides lines, and how far it goes on.
_BLUR_FROM, _BLUR_RANGE, _BLUR_MOST = 0.10, 0.30, 0.75


@dataclass
class _Joined:
    """A person's texture as it is drawn: for which level and sharpness, and of which weights."""

    suits: tuple[int, int]
    picture: NDArray[np.uint8]
    weights: FloatArray | None
    joined: NDArray[np.int32]


class Painter:
    """The appearance with its buffers and what it remembers of faces, for one thread."""

    def __init__(self) -> None:
        self._values: Mapping[str, Value] | None = None
        self._recipe: Recipe | None = None
        self._skins = SkinModels()
        self._makeup = Makeup()
        self._places: dict[int, tuple[float, float]] = {}
        self._joined: dict[int, _Joined] = {}
        self._sharpness = Sharpness()
        self._triangles = mapping.triangles()
        self._units = mapping.unit_coordinates()
        self._gain = blending.gain_table()
        self._spreader = Spreader()

    def apply(self, frame: BgrFrame, faces: Sequence[Face], values: Mapping[str, Value], economy: int = 0) -> None:
        """Change the frame (H, W, 3) in place.

        Parameters
        ----------
        faces
            With landmarks in px of `frame`; each one's confidence (0..1) scales what is done.
        values
            Effective ones; see `livewarp.parameters.effective`.
        economy
            From 1: a coarser working size; from 2: nor is the skin smoothed and toned, which costs most.
        """
        if values is not self._values:
            self._values, self._recipe = values, mix(values)
        for face in faces:
            if face.confidence > 0.0 and face.pose.iod_px >= LEAST_IOD_PX:
                self._paint(frame, face, economy)
        ids = {face.id for face in faces}
        self._skins.keep(ids)
        self._makeup.keep(ids)
        self._sharpness.keep(ids)
        for gone in self._joined.keys() - ids:
            del self._joined[gone]
        self._places = {face.id: (face.pose.x, face.pose.y) for face in faces}

    def _paint(self, frame: BgrFrame, face: Face, economy: int) -> None:
        todo = self._recipe
        assert todo is not None  # `apply` made it
        iod_px = face.pose.iod_px
        shrink = next(s for least, s in reversed(_SHRINKS) if iod_px >= least) * (2 if economy else 1)
        placed = mapping.place_mesh(face)
        share = face.confidence * self._stillness(face)
        placed[:, 2] *= share
        box = _box(placed, frame.shape[0], frame.shape[1], shrink)
        if box is None:
            return
        x0, y0, columns, rows = box
        origin = x0, y0
        placed[:, :2] = (placed[:, :2] - (np.array([x0, y0], np.float32) - 0.5)) / shrink - 0.5
        maps = np.empty((4, rows, columns), np.float32)
        face_kernels.rasterise(placed, self._units, self._triangles, maps)
        flat = frame.reshape(frame.shape[0], -1)
        small, features = np.empty((2, rows, columns, 3), np.float32)
        likely = np.empty((rows, columns), np.float32)
        face_kernels.measure_small(flat, origin, shrink, maps, REGIONS["skin"].weights, small, features, likely)
        likely /= share  # where skin is does not depend on how much is done
        skin = self._skins.weights(features, likely, face.id, 0.03 * iod_px / shrink)
        if skin is None:
            return

        if todo.lines is not None and economy < 2:
            share_of: NDArray[Any] = cv2.remap(
                todo.lines, maps[0] * WIDTH - 0.5, maps[1] * HEIGHT - 0.5, cv2.INTER_LINEAR
            )
            soften_lines(frame, origin, shrink, share_of * skin * maps[2], iod_px)
        if todo.skin is not None and economy < 2:
            lines = _lines(maps, small, skin, likely, iod_px / shrink, todo.skin)
            toning.tone_skin(flat, origin, shrink, self._spreader.spread(lines, shrink), _spans(lines[7], shrink))
        if todo.texture is not None or todo.own or todo.parts is not None:
            self._draw(todo, flat, origin, shrink, maps, skin, face)
        if todo.dyes:
            seen = skin * np.minimum(maps[2] * np.float32(1.0 / share), np.float32(1.0))
            self._makeup.apply(frame, face, todo.dyes, seen, origin, shrink, self._skins.colour(face.id))

    def _draw(
        self,
        todo: Recipe,
        flat: NDArray[np.uint8],
        origin: tuple[int, int],
        shrink: int,
        maps: FloatArray,
        skin: FloatArray,
        face: Face,
    ) -> None:
        """Draw textures, and tone what is no skin."""
        rows, columns = skin.shape
        iod_px = face.pose.iod_px
        planes = np.empty((6, rows, columns), np.float32)
        planes[:3] = maps[:3]
        side = 2 * round(_BESIDE_IOD * iod_px / shrink) + 1
        cv2.blur(skin, (side, side), planes[BESIDE_SKIN])
        planes[BESIDE_SKIN] = np.clip((planes[BESIDE_SKIN] - _BESIDE_NONE) * (1.0 / _BESIDE_RANGE), 0.0, 1.0)
        np.multiply(maps[2], skin, out=planes[ON_SKIN])
        np.multiply(planes[ON_SKIN], maps[3], out=planes[IN_LINES])
        wide, spans = self._spreader.spread(planes, shrink), _spans(planes[ON_SKIN], shrink)
        if todo.texture is not None:
            texture = self._texture(flat.reshape(flat.shape[0], -1, 3), face, todo.texture)
            blending.blend_texture(flat, origin, shrink, wide, spans, texture.ravel(), texture.shape[1])
        for name, amount in todo.own:
            self._draw_own(flat, origin, shrink, wide, spans, face, name, amount)
        parts = todo.parts if mapping.mouth_gap_iod(face) > LEAST_GAP_IOD else todo.parts_but_teeth
        if parts is not None:
            light = self._skins.light(face.id)
            toning.tone_parts(flat, origin, shrink, wide, maps, todo.reach, light, parts, WIDTH, todo.used)

    def _draw_own(
        self,
        flat: NDArray[np.uint8],
        origin: tuple[int, int],
        shrink: int,
        wide: FloatArray,
        spans: NDArray[np.int32],
        face: Face,
        name: str,
        amount: float,
    ) -> None:
        """Draw a texture of a person's own, unless it has just gone."""
        texture = own.own_textures().get(name)
        if texture is None:
            return
        weights = amount, *own.WEIGHTS[texture.blend], max(self._skins.light(face.id), 8.0)
        picture = texture.level_for(face.pose.iod_px)
        own.draw_own(flat, origin, shrink, wide, spans, picture.reshape(5, -1), picture.shape[2], weights)

    def _texture(self, frame: BgrFrame, face: Face, weights: FloatArray) -> NDArray[np.int32]:
        """The joined texture of this person, for a face of this size and sharpness; made anew where these change."""
        texture = textures.of_person(face.id)
        iod_px = face.pose.iod_px
        suits = textures.level_for(texture, iod_px), self._sharpness.step(frame, face)
        kept = self._joined.get(face.id)
        if kept is None or kept.suits != suits:
            picture = texture.pictures[suits[0]]
            blur = STEPS_PX[suits[1]] * picture.shape[1] / (textures.WIDTH_IOD * iod_px)
            if blur > 0.0:
                picture = cast(NDArray[np.uint8], cv2.GaussianBlur(picture, (0, 0), blur))
            kept = self._joined[face.id] = _Joined(suits, picture, None, np.empty(picture.shape[:2], np.int32))
        if kept.weights is not weights:
            blending.join_layers(kept.picture, weights, self._gain, kept.joined)
            kept.weights = weights
        return kept.joined

    def _stillness(self, face: Face) -> float:
        """1, but less the faster the face moves: drawn lines on a blurred face would give them away."""
        before = self._places.get(face.id)
        if before is None:
            return 1.0
        speed = math.hypot(face.pose.x - before[0], face.pose.y - before[1]) / face.pose.iod_px
        return 1.0 - _BLUR_MOST * smoothstep((speed - _BLUR_FROM) / _BLUR_RANGE)


def _box(placed: FloatArray, height: int, width: int, shrink: int) -> Box | None:
    """The part of the frame that the mesh shows anything in: x0, y0, px, columns and rows, small px; None: too little.

    Small pixels stay where they are in the frame when the face moves, so that nothing swims.
    """
    if placed[:, 2].max() <= 0.0:
        return None
    low, high = placed[:, :2].min(axis=0).tolist(), placed[:, :2].max(axis=0).tolist()
    x0, y0 = (max(0, int(low[k] // shrink) * shrink) for k in (0, 1))
    columns, rows = (
        -((a - min(int(b) + 2, most)) // shrink) for a, b, most in ((x0, high[0], width), (y0, high[1], height))
    )
    return None if min(columns, rows) < 3 else (x0, y0, columns, rows)


def _lines(
    maps: FloatArray, small: FloatArray, skin: FloatArray, likely: FloatArray, iod_px: float, coefficients: FloatArray
) -> FloatArray:
    """What `toning.tone_skin` takes; `iod_px` in small px."""
    near: NDArray[Any] = cv2.GaussianBlur(small, (0, 0), max(_NEAR_IOD * iod_px, 0.3))
    weighted = np.empty((*skin.shape, 4), np.float32)
    np.multiply(skin, likely, out=weighted[..., 3])
    weighted[..., 3] += 1e-4
    np.multiply(small, weighted[..., 3:], out=weighted[..., :3])
    side = 2 * round(_BROAD_IOD * iod_px * 1.22) + 1  # two means over a square are about a bell of that deviation
    broad: NDArray[Any] = cv2.blur(cv2.blur(weighted, (side, side)), (side, side))
    moments = np.empty((*skin.shape, 2), np.float32)
    np.matmul(small, _LIGHT, out=moments[..., 0])
    np.square(moments[..., 0], out=moments[..., 1])
    moments_around: NDArray[Any] = cv2.GaussianBlur(moments, (5, 5), 1.2)
    lines = np.empty((8, *skin.shape), np.float32)
    toning.line_up(maps, skin, near, broad, moments_around, _EDGE_SPREAD, coefficients, lines)
    return lines


def _spans(amount: FloatArray, shrink: int) -> NDArray[np.int32]:
    spans = np.empty((len(amount), 2), np.int32)
    face_kernels.find_spans(amount, shrink, spans)
    return spans
