"""The effects: every way in which livewarp changes how a face looks, as data.

An effect is a name, bounds and a few parts of five kinds, *texture*, *tone*, *smooth*, *soften* and *dye*; none has
code of its own. `age` is the master: it gives to others, and they add their own value to it.

Convention: amounts are those at value 1. Regions are named in `livewarp.appearance.regions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from livewarp.knobs import Value

EffectGroup = Literal["age", "skin", "make-up", "own"]
"""Where people find an effect."""

Layer = Literal["creases", "volume", "fine", "pigment"]


@dataclass(frozen=True, slots=True)
class Texture:
    """A layer of the picture in face axes, drawn on skin.

    Attributes
    ----------
    layer
        Creases, volume and fine lines: a gain on luminance, on a log scale. Pigment: darker and browner.
    amount
        Times what the layer holds.
    onset
        Exponent of the value: above 1 it begins gently.
    """

    layer: Layer
    amount: float
    onset: float = 1.0


@dataclass(frozen=True, slots=True)
class Tone:
    """A region, lighter or darker, more or less coloured.

    Attributes
    ----------
    region
        See `livewarp.appearance.regions.REGIONS`.
    light
        Change of luminance, on a log scale; highlights get less of it.
    colour
        Change of saturation; -1 is grey.
    warm
        Change of red, on a log scale, at the same luminance.
    lift
        Share of the way from what is darker than the broad surroundings up to them.
    """

    region: str
    light: float = 0.0
    colour: float = 0.0
    warm: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True, slots=True)
class Smooth:
    """A region with less of some detail.

    Attributes
    ----------
    region
        As of `Tone`.
    fine
        Share of the fine detail, pores and lines, that goes.
    broad
        Share of the blotches, spots and shine that goes: what is larger than pores, and smaller than a cheek.
    """

    region: str
    fine: float = 0.0
    broad: float = 0.0


@dataclass(frozen=True, slots=True)
class Soften:
    """Lines and folds that this very face has, lightened; see `livewarp.appearance.softening`.

    Attributes
    ----------
    region
        As of `Tone`: one of skin.
    share
        Of their depth that goes.
    """

    region: str
    share: float


@dataclass(frozen=True, slots=True)
class Paint:
    """A texture of a person's own, by the name of its knob; see `livewarp.appearance.own`."""

    texture: str


@dataclass(frozen=True, slots=True)
class Dye:
    """A region in another colour, in the light that it has: `Effect.colour` is where the colour begins.

    Attributes
    ----------
    region
        See `livewarp.appearance.contours.CONTOURS`.
    cover
        Share of the colour that is replaced.
    depth
        How far the luminance follows the colour's, as an exponent: 0 leaves it.
    lightness
        Luminance of a colour that leaves the luminance as it is, levels.
    gloss
        Share of the shine that stays.
    anyway
        Share that falls on what has not the colours that are meant: skin between the hairs of a brow.
    dark
        Share of the cover on dark skin.
    """

    region: str
    cover: float
    depth: float
    lightness: float
    gloss: float = 1.0
    anyway: float = 0.0
    dark: float = 1.0


Part: TypeAlias = Texture | Tone | Smooth | Soften | Paint | Dye
"""What an effect is made of."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A live parameter that changes how a face looks; at 0 it changes no byte.

    Attributes
    ----------
    ends
        Words for its least and its most.
    keywords
        What people type who search for it, besides words of its name and help.
    below
        What it is made of below 0, times the (negative) value; None: the same parts.
    colour
        Default of its colour, "#rrggbb", a knob of its own (`colour_knob`); "": it has none.
    """

    name: str
    group: EffectGroup
    help: str
    ends: tuple[str, str]
    keywords: tuple[str, ...]
    parts: tuple[Part, ...] = ()
    minimum: float = 0.0
    below: tuple[Part, ...] | None = None
    colour: str = ""

    def parts_at(self, value: float) -> tuple[Part, ...]:
        """What it is made of at this value."""
        return self.parts if value >= 0.0 or self.below is None else self.below

    @property
    def colour_knob(self) -> str:
        """The name of the knob of its colour."""
        return f"{self.name}_colour"


# Amounts: found with benchmarks/appearance.py and by eye, on sheets of faces light and dark.
EFFECTS: dict[str, Effect] = {
    e.name: e
    for e in (
        Effect(
            "age",
            "age",
            "Older: wrinkles, spots, a sagging shape, paler lips, grey brows; or younger: softer lines, an even tone.",
            ("younger", "older"),
            ("old", "young", "elderly", "grandparent", "aging", "ageing", "years"),
            (
                Tone("lips", colour=-0.24, light=0.05),
                Tone("brows", colour=-0.34, light=0.24),
                Tone("complexion", colour=-0.12),
            ),
            minimum=-1.0,
            below=(
                Tone("lips", colour=-0.14, light=0.03),
                Tone("brows", light=0.08),
                Tone("complexion", colour=-0.05),
            ),
        ),
        Effect(
            "wrinkles",
            "age",
            "Wrinkles, folds and bags.",
            ("none", "deep"),
            ("lines", "creases", "crow's feet", "forehead", "nasolabial", "old"),
            (
                Texture("creases", 1.05, onset=1.4),
                Texture("volume", 1.15, onset=0.75),
                Texture("fine", 0.6, onset=1.2),
            ),
        ),
        Effect(
            "spots",
            "age",
            "Age spots, a set of one's own for each face.",
            ("none", "many"),
            ("freckles", "liver spots", "pigment", "sun", "blemish"),
            (Texture("pigment", 0.8),),
        ),
        Effect(
            "sag",
            "age",
            "The shape of a face that sags: jowls, long nose, thin lips, low brows.",
            ("as it is", "sagging"),
            ("jowls", "gravity", "droop", "old", "shape"),
        ),
        Effect(
            "skin_smooth",
            "skin",
            "Fine detail of the skin softened; a quarter of it stays.",
            ("as it is", "smooth"),
            ("pores", "soften", "beauty", "blur", "airbrush", "retouch"),
            (Smooth("skin", fine=0.90),),
        ),
        Effect(
            "skin_even",
            "skin",
            "Red spots, blotches and shine evened out.",
            ("as it is", "even"),
            ("acne", "redness", "blemish", "shiny", "foundation", "concealer"),
            (Smooth("skin", broad=0.75),),
        ),
        Effect(
            "skin_lines",
            "skin",
            "Lines and folds that this face has softened; pores stay.",
            ("as they are", "softened"),
            ("wrinkles", "crow's feet", "forehead", "frown", "botox", "young", "retouch"),
            (Soften("skin", 1.0),),
        ),
        Effect(
            "skin_tone",
            "skin",
            "Skin tanned or lightened.",
            ("tan", "light"),
            ("whiten", "tan", "bronze", "pale", "brighten"),
            (Tone("complexion", light=0.20, colour=-0.16, warm=-0.03), Tone("lips", light=0.10, colour=-0.06)),
            minimum=-1.0,
        ),
        Effect(
            "skin_rosy",
            "skin",
            "Rosy cheeks.",
            ("as they are", "rosy"),
            ("blush", "rouge", "cheeks", "red", "fresh", "healthy"),
            (Tone("cheeks", warm=0.075),),
        ),
        Effect(
            "under_eye",
            "skin",
            "Dark circles and bags under the eyes softened.",
            ("as they are", "gone"),
            ("dark circles", "eye bags", "tired", "concealer", "rested"),
            (Tone("under_eyes", lift=0.85), Smooth("under_eyes", fine=0.45, broad=0.35)),
        ),
        Effect(
            "smile_lines",
            "skin",
            "Lines from nose to mouth softened.",
            ("as they are", "softened"),
            ("nasolabial", "laugh lines", "folds", "marionette"),
            (Tone("smile_lines", lift=0.75), Smooth("smile_lines", fine=0.40, broad=0.30)),
        ),
        Effect(
            "teeth",
            "skin",
            "Teeth whiter, while the mouth is open.",
            ("as they are", "white"),
            ("whiten", "smile", "yellow", "dentist"),
            (Tone("teeth", colour=-0.70, light=0.16),),
        ),
        Effect(
            "eye_bright",
            "skin",
            "Eyes brighter.",
            ("as they are", "bright"),
            ("whites", "sparkle", "awake", "red eyes", "iris"),
            (Tone("eyes", light=0.22, colour=-0.20),),
        ),
        Effect(
            "lipstick",
            "make-up",
            "Lipstick; it keeps the light on the lips and leaves the teeth.",
            ("none", "full"),
            ("lips", "mouth", "rouge", "gloss", "red", "makeup", "cosmetics"),
            (Dye("lip_skin", cover=0.85, depth=0.75, lightness=150.0),),
            colour="#b23a47",
        ),
        Effect(
            "blush",
            "make-up",
            "Colour on the cheek bones.",
            ("none", "full"),
            ("rouge", "cheeks", "rosy", "red", "makeup", "cosmetics"),
            (Dye("cheek_bones", cover=0.42, depth=0.35, lightness=150.0, gloss=0.9, dark=0.75),),
            colour="#d96a70",
        ),
        Effect(
            "eye_shadow",
            "make-up",
            "Colour on the upper lids.",
            ("none", "full"),
            ("eyeshadow", "lids", "smoky", "makeup", "cosmetics"),
            (Dye("upper_lids", cover=0.80, depth=0.85, lightness=150.0, gloss=0.8),),
            colour="#80594a",
        ),
        Effect(
            "eye_liner",
            "make-up",
            "A line along the upper lashes.",
            ("none", "full"),
            ("eyeliner", "kajal", "kohl", "lashes", "mascara", "makeup", "cosmetics"),
            (Dye("lash_lines", cover=0.90, depth=0.75, lightness=150.0, gloss=0.2, anyway=1.0),),
            colour="#241c1a",
        ),
        Effect(
            "brow_tint",
            "make-up",
            "Brows tinted and filled in.",
            ("none", "full"),
            ("eyebrows", "pencil", "dye", "fuller", "darker", "makeup", "cosmetics"),
            (Dye("brow_hair", cover=0.75, depth=0.55, lightness=95.0, gloss=0.5, anyway=0.30),),
            colour="#4a3428",
        ),
    )
}
"""Every effect by name, in the order in which people see them; a person's own textures come and go at its end."""

# What `age` gives above 0, and below (at -1).
OLDER = {"wrinkles": 1.0, "spots": 0.9, "sag": 1.0, "hair_grey": 0.85}
YOUNGER = {
    "skin_lines": 1.0,
    "skin_smooth": 0.25,
    "skin_even": 0.85,
    "under_eye": 1.0,
    "smile_lines": 0.6,
    "eye_bright": 0.4,
    "jaw": -0.2,
    "face_length": -0.2,
}

# The adjustments that `sag` gives to, at 1: those that ageing skin and bone change, by about a third of what a face of
# eighty has. More makes another person of the face, and to a reader of ages no older one.
SAG: Mapping[str, float] = {
    "jaw": 0.15,
    "chin_width": 0.09,
    "temples": -0.11,
    "nose_length": 0.15,
    "nose_width": 0.09,
    "nostrils": 0.07,
    "upper_lip": -0.18,
    "lower_lip": -0.11,
    "eye_openness": -0.12,
    "eye_tilt": -0.14,
    "brow_height": -0.11,
    "brow_tilt": -0.11,
    "smile": -0.11,
}


def given(values: Mapping[str, Value]) -> dict[str, float]:
    """What `age` and `sag` add to other effects and to adjustments, by name.

    Parameters
    ----------
    values
        Those of all effects, by name.
    """
    age = float(values["age"])
    result = {name: abs(age) * share for name, share in (OLDER if age > 0.0 else YOUNGER).items()} if age else {}
    sag = min(1.0, float(values["sag"]) + result.get("sag", 0.0))
    return result | {name: sag * share for name, share in SAG.items()} if sag else result
