"""The textures of age, and how they differ from person to person.

The package holds them as arrays (`tools/draw_textures.py` draws them); here they become one picture of four channels
per person, with its mip levels. A person is the tracker's id: who is followed keeps the same lines and spots.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.appearance.mapping import EXTENT_IOD

LEVELS = 4
WIDTH_IOD = EXTENT_IOD[2] - EXTENT_IOD[0]
CHANNELS = ("creases", "volume", "fine", "pigment")


class Levels(NamedTuple):
    """A texture, each level half the size of the one before.

    Attributes
    ----------
    pictures
        (h, w, 4) uint8 each: creases, volume, fine (128: nothing) and pigment (0: nothing).
    px_per_iod
        Of the first.
    """

    pictures: tuple[NDArray[np.uint8], ...]
    px_per_iod: float


@lru_cache(1)
def _packed() -> Mapping[str, NDArray[Any]]:
    with resources.files("livewarp").joinpath("assets", "textures", "age.npz").open("rb") as file:
        packed = np.load(file, allow_pickle=False)
        return {name: packed[name] for name in packed.files}


@lru_cache(1)
def gains() -> tuple[float, float, float, float]:
    """What one step of each channel's values stands for: log gain, and for pigment its share of the darkest."""
    creases, volume, fine = (float(scale) / 127 for scale in _packed()["scales"])
    return creases, volume, fine, 1 / 255


@lru_cache(8)
def of_person(seed: int) -> Levels:
    """The textures of one person; the same seed gives the same, another most likely others."""
    packed = _packed()
    bits = (seed * 2654435761) >> 7  # Knuth's multiplicative hash: neighbours get others
    height, width = packed["creases"].shape[1:]
    fine, pigment = packed["fine"], packed["pigment"]
    lines = (bits >> 4) % len(packed["creases"])
    layers = [
        packed["creases"][lines],
        cv2.resize(packed["volume"][lines], (width, height), interpolation=cv2.INTER_CUBIC),
        fine[bits % len(fine)],
        pigment[(bits >> 3) % len(pigment)],
    ]
    flips = bits >> 6, bits >> 6, bits >> 7, bits >> 8  # creases and volume belong together
    picture = np.dstack([layer[:, ::-1] if flip & 1 else layer for layer, flip in zip(layers, flips, strict=True)])
    pictures: list[NDArray[np.uint8]] = [np.ascontiguousarray(picture, np.uint8)]
    for _ in range(LEVELS - 1):
        half = cv2.resize(pictures[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        pictures.append(cast(NDArray[np.uint8], half))
    return Levels(tuple(pictures), float(packed["px_per_iod"]))


def level_for(texture: Levels, iod_px: float) -> int:
    """The level whose pixels are about as large as the frame's, rather finer than coarser."""
    ratio = texture.px_per_iod / iod_px
    return int(np.clip(np.floor(np.log2(max(ratio, 1e-6)) + 0.35), 0, LEVELS - 1))
