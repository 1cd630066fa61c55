"""What effective values ask for: the weights of the texture's channels, and maps of coefficients in face axes.

Effects are added up here, once for each set of values; a frame costs the same however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.appearance import toning
from livewarp.appearance.regions import HEIGHT, REGIONS, WIDTH, Pick
from livewarp.appearance.textures import CHANNELS, gains
from livewarp.arrays import FloatArray
from livewarp.effects import EFFECTS, Dye, Effect, Paint, Smooth, Soften, Texture, Tone
from livewarp.knobs import Value

CELL = 5  # side of a cell of `Recipe.reach`, px of the maps

# Columns for light and colour of what is no skin, by what is picked.
_PART_COLUMNS = {
    Pick.ALL: (toning.ALL_LIGHT, toning.ALL_COLOUR),
    Pick.DARKER: (toning.DARK_LIGHT, toning.DARK_COLOUR),
    Pick.WHITER: (toning.WHITE_LIGHT, toning.WHITE_COLOUR),
}


@dataclass(frozen=True, eq=False)
class Recipe:
    """What is to be done with every face.

    Attributes
    ----------
    texture
        (4,) float32: weight of each channel per step of its values; None: no texture.
    skin
        (HEIGHT / 2, WIDTH / 2, 6) float32 coefficients for `toning.line_up`, which small pixels are larger than; None:
        nothing.
    parts
        (6, HEIGHT * WIDTH) float32 coefficients for `toning.tone_parts`; None: nothing.
    parts_but_teeth
        `parts` for a mouth that is shut.
    used
        Which rows of `parts` have anything, a bit each.
    reach
        (HEIGHT / CELL, WIDTH / CELL) bool: near which of the cells `parts` has anything.
    lines
        (HEIGHT, WIDTH) float32: share of the face's own lines that goes; None: nothing.
    own
        Textures of a person's own, by the name of the knob, and how much of each.
    dyes
        Make-up: what, how much, and its colour.
    """

    texture: FloatArray | None
    skin: FloatArray | None
    parts: FloatArray | None
    parts_but_teeth: FloatArray | None
    used: int
    reach: NDArray[np.bool_]
    lines: FloatArray | None = None
    own: tuple[tuple[str, float], ...] = ()
    dyes: tuple[tuple[Dye, float, str], ...] = ()


def is_wanted(values: Mapping[str, Value]) -> bool:
    """Whether these effective values ask for anything here."""
    return any(effect.parts_at(value) for effect, value in _valued(values))


def _valued(values: Mapping[str, Value]) -> list[tuple[Effect, float]]:
    """The effects that have a value, and it; a copy, as a person's own may come and go in another thread."""
    valued = [(effect, float(values.get(effect.name, 0.0))) for effect in tuple(EFFECTS.values())]
    return [(effect, value) for effect, value in valued if value]


def mix(values: Mapping[str, Value]) -> Recipe:
    """Add up the effects of these effective values."""
    texture = np.zeros(4, np.float32)
    skin: FloatArray | None = None
    parts: FloatArray | None = None
    lines: FloatArray | None = None
    own: list[tuple[str, float]] = []
    dyes: list[tuple[Dye, float, str]] = []
    for effect, value in _valued(values):
        for part in effect.parts_at(value):
            if isinstance(part, Paint):
                own.append((part.texture, value))
                continue
            if isinstance(part, Dye):
                dyes.append((part, value, str(values[effect.colour_knob])))
                continue
            if isinstance(part, Texture):
                channel = CHANNELS.index(part.layer)
                texture[channel] += part.amount * abs(value) ** part.onset * gains()[channel]
                continue
            region = REGIONS[part.region]
            if isinstance(part, Soften):
                more = np.float32(part.share * value) * region.weights
                lines = more if lines is None else np.minimum(lines + more, np.float32(1.0))
            elif region.pick is Pick.SKIN:
                skin = np.zeros((HEIGHT, WIDTH, 6), np.float32) if skin is None else skin
                for column, amount in _skin_columns(part):
                    skin[..., column] += np.float32(amount * value) * region.weights
            elif isinstance(part, Tone):
                parts = np.zeros((6, HEIGHT, WIDTH), np.float32) if parts is None else parts
                for column, amount in zip(_PART_COLUMNS[region.pick], (part.light, part.colour), strict=True):
                    parts[column] += np.float32(amount * value) * region.weights
    shut = parts
    if parts is not None and values["teeth"]:
        shut = parts.copy()
        mouth = REGIONS["teeth"].weights > 0.0
        shut[toning.WHITE_LIGHT :, mouth] = 0.0
    reach = _reach(parts)
    used = 0 if parts is None else sum(1 << k for k in range(6) if parts[k].any())
    if skin is not None:
        skin = cast(FloatArray, cv2.resize(skin, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA))
    parts, shut = (None if p is None else p.reshape(6, -1) for p in (parts, shut))
    return Recipe(texture if texture.any() else None, skin, parts, shut, used, reach, lines, tuple(own), tuple(dyes))


def _reach(parts: FloatArray | None) -> NDArray[np.bool_]:
    """The cells within a small pixel, 0.03 IOD, of anything."""
    if parts is None:
        return np.zeros((HEIGHT // CELL, WIDTH // CELL), np.bool_)
    near: NDArray[Any] = cv2.dilate(np.any(parts != 0.0, axis=0).astype(np.uint8), np.ones((7, 7), np.uint8))
    return np.asarray(near.reshape(HEIGHT // CELL, CELL, WIDTH // CELL, CELL).any(axis=(1, 3)))


def _skin_columns(part: Tone | Smooth) -> list[tuple[int, float]]:
    if isinstance(part, Smooth):
        return [(toning.FINE, part.fine), (toning.BROAD, part.broad)]
    columns = (
        (toning.LIFT, part.lift),
        (toning.LIGHT, part.light),
        (toning.COLOUR, part.colour),
        (toning.WARM, part.warm),
    )
    return [(column, amount) for column, amount in columns if amount]
