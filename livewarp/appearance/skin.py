"""Which pixels of a face are its skin: a model of this face's own colours, steady over time, for each face.

The model is the middle and the spread of chromaticity and of luminance where skin is likely; whatever lies far from
them, hair, spectacles' rims, a mask, a cup, is not skin. It follows the light slowly, and keeps faces apart.

Convention: arrays here are at a quarter of the frame's size.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import FloatArray

_SHARE = 0.12  # of a new frame in the model: about eight frames to follow the light
_SAMPLES = 300
_LEAST_SAMPLES = 24
_LIKELY = 0.8  # of the region's weight, where a pixel may speak for the skin
# Least spreads: red and green share of the sum, log luminance. Below them noise would cut holes.
_LEAST_SPREAD = np.array([0.020, 0.012, 0.26])
# How a distance in spreads counts: chroma, darker, lighter. Lit skin is lighter by far more than it is darker.
_CHROMA, _DARKER, _LIGHTER = 0.36, 0.30, 0.10
_FULL, _NONE = 1.3, 4.4  # squared distance up to which it is skin, and from which it is not

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

    def weights(self, small: FloatArray, likely: FloatArray, face_id: int, blur_px: float) -> FloatArray:
        """(h, w), 0 to 1: how much of each pixel is skin.

        Parameters
        ----------
        small
            (h, w, 3) BGR, levels.
        likely
            (h, w), 0 to 1: where skin is to be expected.
        face_id
            Whose.
        blur_px
            How soft the edges are.
        """
        features = _features(small)
        model = self._learn(features, likely, face_id)
        if model is None:
            return np.zeros(small.shape[:2], np.float32)
        apart = (features - model[0].astype(np.float32)) / model[1].astype(np.float32)
        apart *= apart  # squared; the sign of the luminance's is needed
        darker = features[..., 2] < model[0, 2]
        distance = _CHROMA * (apart[..., 0] + apart[..., 1])
        distance += np.where(darker, _DARKER, _LIGHTER).astype(np.float32) * apart[..., 2]
        weights: FloatArray = np.clip((_NONE - distance) / (_NONE - _FULL), 0, 1)
        return cast(FloatArray, cv2.GaussianBlur(weights, (0, 0), blur_px)) if blur_px > 0.3 else weights

    def _learn(self, features: FloatArray, likely: FloatArray, face_id: int) -> Model | None:
        """The model with this frame in it; None where there never was enough skin."""
        before = self._models.get(face_id)
        chosen = features[likely > _LIKELY]
        if len(chosen) >= _LEAST_SAMPLES:
            chosen = chosen[:: max(1, len(chosen) // _SAMPLES)]
            middle = np.median(chosen, axis=0)
            spread = np.maximum(1.4826 * np.median(np.abs(chosen - middle), axis=0), _LEAST_SPREAD)
            now = np.stack([middle, spread]).astype(np.float64)
            self._models[face_id] = now if before is None else before + _SHARE * (now - before)
        return self._models.get(face_id)


def _features(small: FloatArray) -> FloatArray:
    """(h, w, 3): red and green share of the sum, log luminance; a little is added so that black has no colour."""
    total = small.sum(axis=2) + 12.0
    features = np.empty_like(small)
    features[..., 0] = (small[..., 2] + 4.0) / total
    features[..., 1] = (small[..., 1] + 4.0) / total
    np.log(0.114 * small[..., 0] + 0.587 * small[..., 1] + 0.299 * small[..., 2] + 4.0, out=features[..., 2])
    return features
