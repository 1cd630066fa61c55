"""The painter: faces and effective values in, the frame changed in place.

For each face: the mesh is placed and drawn as a map, the skin is told from the rest at a fraction of the size, then
the skin is smoothed and toned, textures are drawn on it, and lips, brows, eyes and teeth toned.

Guarantees: what no effect reaches keeps its bytes; faces are kept apart by their id; deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from livewarp.appearance import face_kernels, mapping, own, textures
from livewarp.appearance.recipe import Recipe, mix
from livewarp.appearance.regions import REGIONS
from livewarp.appearance.skin import SkinModels
from livewarp.appearance.toning import tone_parts, tone_skin
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
_EDGE_SPREAD = 0.055  # spread of luminance, as a share of it, from which detail is an edge
# Speed, IOD a frame, from which the camera's own blur hides lines, and how far it goes on.
_BLUR_FROM, _BLUR_RANGE, _BLUR_MOST = 0.10, 0.30, 0.75


class Painter:
    """The appearance with its buffers and what it remembers of faces, for one thread."""

    def __init__(self) -> None:
        self._values: Mapping[str, Value] | None = None
        self._recipe = Recipe(None, None, None, None)
        self._skins = SkinModels()
        self._places: dict[int, tuple[float, float]] = {}
        self._buffer = np.empty(0, np.float32)
        self._triangles = mapping.triangles()
        self._units = mapping.unit_coordinates()
        self._gain = face_kernels.exp_tables()

    def apply(self, frame: BgrFrame, faces: Sequence[Face], values: Mapping[str, Value], economy: int = 0) -> None:
        """Change the frame (H, W, 3) in place.

        Parameters
        ----------
        faces
            With landmarks in px of `frame`; each one's confidence (0..1) scales what is done.
        values
            Effective ones; see `livewarp.parameters.effective`.
        economy
            1: a coarser working size; 2: nor is the skin smoothed and toned.
        """
        if values is not self._values:
            self._values, self._recipe = values, mix(values)
        for face in faces:
            if face.confidence > 0.0 and face.pose.iod_px >= LEAST_IOD_PX:
                self._paint(frame, face, economy)
        ids = {face.id for face in faces}
        self._skins.keep(ids)
        self._places = {face.id: (face.pose.x, face.pose.y) for face in faces}

    def _paint(self, frame: BgrFrame, face: Face, economy: int) -> None:
        todo = self._recipe
        skin_tones = todo.skin if economy < 2 else None
        shrink = next(s for least, s in reversed(_SHRINKS) if face.pose.iod_px >= least) * (2 if economy else 1)
        placed = mapping.place_mesh(face)
        share = face.confidence * self._sharpness(face)
        placed[:, 2] *= share
        box = _box(placed, frame.shape[0], frame.shape[1], shrink)
        if box is None:
            return
        x0, y0, x1, y1 = box
        maps = self._maps(y1 - y0, x1 - x0)
        face_kernels.rasterise(placed, self._units, self._triangles, x0, y0, maps)
        part = frame[y0:y1, x0:x1]
        size = (x1 - x0) // shrink, (y1 - y0) // shrink
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        likely = np.empty(small.shape[:2], np.float32)
        face_kernels.shrunk(REGIONS["skin"].weights, maps, shrink, likely)
        likely /= share  # where skin is does not depend on how much is done
        blur_px = 0.03 * face.pose.iod_px / shrink
        skin = self._skins.weights(small, likely, face.id, blur_px)

        if skin_tones is not None:
            tone_skin(frame, (x0, y0), maps, _means(small, skin, likely, face.pose.iod_px / shrink), shrink, skin_tones)
        if todo.texture is not None:
            texture = textures.of_person(face.id)
            picture = texture.pictures[textures.level_for(texture, face.pose.iod_px)]
            face_kernels.blend_texture(frame, (x0, y0), maps, skin, shrink, picture, todo.texture, self._gain)
        for name, amount in todo.own:
            self._draw_own(frame, (x0, y0), maps, skin, likely, small, shrink, face.pose.iod_px, name, amount)
        parts = todo.parts if mapping.mouth_gap_iod(face) > LEAST_GAP_IOD else todo.parts_but_teeth
        if parts is not None:
            weights = skin * likely
            mean = np.tensordot(weights, small, 2) / max(float(weights.sum()), 1e-3)
            tone_parts(frame, (x0, y0), maps, mean.astype(np.float32), parts)

    def _draw_own(
        self,
        frame: BgrFrame,
        origin: tuple[int, int],
        maps: FloatArray,
        skin: FloatArray,
        likely: FloatArray,
        small: FloatArray,
        shrink: int,
        iod_px: float,
        name: str,
        amount: float,
    ) -> None:
        """Draw a texture of a person's own, unless it has just gone."""
        texture = own.own_textures().get(name)
        if texture is None:
            return
        weights = skin * likely
        light = small @ np.array([0.114, 0.587, 0.299], np.float32)
        mean = max(float((weights * light).sum()) / max(float(weights.sum()), 1e-3), 8.0)
        shade, paint, chroma = own.WEIGHTS[texture.blend]
        picture = texture.level_for(iod_px)
        own.draw_own(frame, origin, maps, skin, shrink, picture, amount, shade, paint, chroma, mean)

    def _maps(self, height: int, width: int) -> FloatArray:
        """(height, width, 4) of the buffer, which grows to the largest face."""
        size = height * width * 4
        if self._buffer.size < size:
            self._buffer = np.empty(size + size // 4, np.float32)
        return self._buffer[:size].reshape(height, width, 4)

    def _sharpness(self, face: Face) -> float:
        """1, but less the faster the face moves: drawn lines on a blurred face would give them away."""
        before = self._places.get(face.id)
        if before is None:
            return 1.0
        speed = math.hypot(face.pose.x - before[0], face.pose.y - before[1]) / face.pose.iod_px
        return 1.0 - _BLUR_MOST * smoothstep((speed - _BLUR_FROM) / _BLUR_RANGE)


def _box(placed: FloatArray, height: int, width: int, shrink: int) -> Box | None:
    """The part of the frame that the mesh shows anything in, its sides multiples of `shrink`; None: too little."""
    # Neighbours of what shows are corners of its triangles.
    shows = (placed[:, 2] > 0.0).reshape(mapping.ROWS, mapping.COLUMNS).astype(np.uint8)
    reached = placed[cv2.dilate(shows, np.ones((3, 3), np.uint8)).ravel() > 0, :2]
    if not len(reached):
        return None
    low, high = np.floor(reached.min(0)), np.ceil(reached.max(0)) + 1
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    across = (min(width, int(high[0])) - x0) // shrink
    down = (min(height, int(high[1])) - y0) // shrink
    return None if min(across, down) < 3 else (x0, y0, x0 + across * shrink, y0 + down * shrink)


def _means(small: FloatArray, skin: FloatArray, likely: FloatArray, iod_px: float) -> FloatArray:
    """(h, w, 8): near mean, broad mean of skin alone, share of detail that is an edge, skin; for `tone_skin`."""
    result = np.empty((*small.shape[:2], 8), np.float32)
    result[..., 0:3] = cv2.GaussianBlur(small, (0, 0), max(_NEAR_IOD * iod_px, 0.3))
    weights = skin * likely + np.float32(1e-4)
    deviation = _BROAD_IOD * iod_px
    total = cv2.GaussianBlur(weights, (0, 0), deviation)
    result[..., 3:6] = cv2.GaussianBlur(small * weights[..., None], (0, 0), deviation) / total[..., None]
    light = small @ np.array([0.114, 0.587, 0.299], np.float32)
    mean = cv2.GaussianBlur(light, (0, 0), 1.2)
    spread = cv2.GaussianBlur(light * light, (0, 0), 1.2) - mean * mean
    least = (_EDGE_SPREAD * mean + 2.0) ** 2
    result[..., 6] = np.clip(spread, 0, None) / (np.clip(spread, 0, None) + least)
    result[..., 7] = skin
    return result
