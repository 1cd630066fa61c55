"""Which pixels of a face are its skin: a model of this face's own colours, steady over time, for each face.

The model is the middle and the spread of chromaticity and of luminance where skin is likely; whatever lies far from
them, hair, spectacles' rims, a mask, a cup, is not skin. It follows the light slowly, and keeps faces apart.

Convention: arrays here are of the small picture of `livewarp.appearance.face_kernels`.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.appearance.face_kernels import weigh_skin
from livewarp.arrays import FloatArray

_SHARE = 0.12  # of a new frame in the model: about eight frames to follow the light
_SAMPLES = 300
_LEAST_SAMPLES = 24
_LIKELY = 0.8  # of the region's weight, where a pixel may speak for the skin
# Least spreads: red and green share of the sum, log luminance. Below them noise would cut holes.
_LEAST_SPREAD = np.array([0.020, 0.012, 0.26])
# How a distance in spreads counts: chroma, darker, lighter (lit skin is lighter by far more than it is darker); squared
# distance up to which it is skin, and from which it is not.
_RULE = np.array([0.36, 0.30, 0.07, 1.3, 4.4], np.float32)

Model = NDArray[np.float64]
"""(2, 3): middle and spread of red share, green share, log luminance."""


class SkinModels:
    """The models of the faces that are followed."""

    def __init__(self) -> None:
        self._models: dict[int, Model] = {}

    def keep(self, ids: set[int]) -> None:
        """Forget the faces that are not among these."""
        for gone in self._models.keys() - ids:
            del self._models[gone]

    def weights(self, features: FloatArray, likely: FloatArray, face_id: int, blur_px: float) -> FloatArray | None:
        """(h, w), 0 to 1: how much of each pixel is skin; None: so far there was too little skin to learn from.

        Parameters
        ----------
        features
            (h, w, 3) of each pixel, as `face_kernels.measure_small` gives them.
        likely
            (h, w), 0 to 1: where skin is to be expected.
        face_id
            Whose.
        blur_px
            How soft the edges are.
        """
        model = self._learn(features, likely, face_id)
        if model is None:
            return None
        weights = np.empty(features.shape[:2], np.float32)
        weigh_skin(features, model.astype(np.float32), _RULE, weights)
        return cast(FloatArray, cv2.GaussianBlur(weights, (0, 0), blur_px)) if blur_px > 0.3 else weights

    def light(self, face_id: int) -> float:
        """The middle luminance of a face whose skin was learnt, levels."""
        return float(np.exp(self._models[face_id][0, 2])) - 4.0

    def colour(self, face_id: int) -> tuple[float, float, float]:
        """Red share, green share and luminance, levels, of a face whose skin was learnt."""
        red, green, _ = self._models[face_id][0].tolist()
        return red, green, self.light(face_id)

    def _learn(self, features: FloatArray, likely: FloatArray, face_id: int) -> Model | None:
        """The model with this frame in it; None where there never was enough skin."""
        before = self._models.get(face_id)
        chosen = features[::2, ::2][likely[::2, ::2] > _LIKELY]
        if len(chosen) >= _LEAST_SAMPLES:
            chosen = chosen[:: max(1, len(chosen) // _SAMPLES)]
            middle = _middle(chosen)
            spread = np.maximum(1.4826 * _middle(np.abs(chosen - middle)), _LEAST_SPREAD)
            now = np.stack([middle, spread]).astype(np.float64)
            self._models[face_id] = now if before is None else before + _SHARE * (now - before)
        return self._models.get(face_id)


def _middle(values: FloatArray) -> FloatArray:
    """(3,): the upper median of each column; `np.median` takes four times as long on so few."""
    half = len(values) // 2
    return cast(FloatArray, np.partition(values, half, axis=0)[half])
