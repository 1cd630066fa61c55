"""The live parameters: every knob that can be set while the daemon runs.

`KNOBS` is the only list of them. The config file, the control port, the command line, the web page
and the docs all derive from it, the adjustments among them from `livewarp.adjustments`, the effects from
`livewarp.effects`.

Guarantees: `Parameters` is immutable and always valid; a change makes a new one, all or nothing, so
threads swap it whole.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from livewarp.adjustments import ADJUSTMENTS, Adjustment
from livewarp.effects import EFFECTS, Effect, given
from livewarp.errors import ParameterError, did_you_mean
from livewarp.knobs import Choice, Colour, Knob, Name, Number, Switch, Value


def knob_of(adjustment: Adjustment) -> Knob:
    """The knob that an adjustment is set by."""
    a = adjustment
    kind = Number(a.minimum, a.maximum)
    return Knob(a.name, kind, a.default, a.help, a.area, a.keywords, a.ends, scaled=True, in_presets=True)


BACKGROUND = (
    Knob(
        "background",
        Choice(("none", "blur", "picture", "colour")),
        "none",
        "What is shown behind people; all of the picture, where it is not certain who is one.",
        "background",
        keywords=("blur", "hide", "privacy", "room", "virtual background", "green screen", "replace", "bokeh", "color"),
    ),
    Knob(
        "background_blur",
        Number(0.0, 1.0),
        0.5,
        "How much the background is blurred, where it is; 0 is the least.",
        "background",
        keywords=("amount", "strength", "soft", "bokeh", "depth of field"),
        ends=("slightly", "strongly"),
    ),
    Knob(
        "background_colour",
        Colour(),
        "#3c4a52",
        "The background, where it is a colour, and the cover while there is no picture.",
        "background",
        keywords=("color", "green screen", "chroma key", "plain", "wall"),
    ),
    Knob(
        "background_picture",
        Name(),
        "shelf",
        "The background, where it is a picture: one of livewarp's or of your own, by name.",
        "background",
        keywords=("image", "photo", "wallpaper", "office", "beach", "own", "scene"),
    ),
    Knob(
        "background_compare",
        Switch(),
        False,
        "Show the real background in the upper half of a comparison.",
        "background",
        keywords=("split", "before and after", "original", "room", "privacy"),
        ends=("off", "on"),
    ),
    Knob(
        "hide_alone",
        Switch(),
        False,
        "Cover the whole picture when nobody has been seen for three seconds.",
        "picture",
        keywords=("away", "leave", "empty", "nobody", "absent", "privacy", "cover"),
        ends=("off", "on"),
    ),
)
"""The room and who is in it: bypass, strength and presets leave these alone."""


HAIR = (
    Knob(
        "hair",
        Number(0.0, 1.0),
        0.0,
        "How much of the new colour the hair has.",
        "hair",
        ("dye", "tint", "colour", "color", "blonde", "red", "black", "pink", "blue"),
        ("as it is", "dyed"),
        scaled=True,
        in_presets=True,
    ),
    Knob(
        "hair_colour",
        Colour(),
        "#8c3a24",
        "The new colour of the hair.",
        "hair",
        ("color", "dye", "tint", "blonde", "brunette", "ginger"),
        in_presets=True,
    ),
    Knob(
        "hair_grey",
        Number(0.0, 1.0),
        0.0,
        "Grey hair, the temples first.",
        "hair",
        ("gray", "white", "silver", "old", "salt and pepper"),
        ("as it is", "grey"),
        scaled=True,
        in_presets=True,
    ),
    Knob(
        "hair_light",
        Number(-1.0, 1.0),
        0.0,
        "Darker or lighter hair.",
        "hair",
        ("bleach", "bright", "dark", "shade", "highlights"),
        ("darker", "lighter"),
        scaled=True,
        in_presets=True,
    ),
)
"""Hair, which a network finds that `livewarp fetch hair` gets."""


def _knobs_of_effect(effect: Effect) -> list[Knob]:
    """The knob that an effect is set by, and the one of its colour, where it has one."""
    e = effect
    kind = Number(e.minimum, 1.0)
    knobs = [Knob(e.name, kind, 0.0, e.help, e.group, e.keywords, e.ends, scaled=True, in_presets=True)]
    if e.colour:
        what = f"The colour of {e.name.replace('_', ' ')}."
        knobs.append(Knob(e.colour_knob, Colour(), e.colour, what, e.group, ("color", *e.keywords), in_presets=True))
    return knobs


KNOBS: dict[str, Knob] = {
    knob.name: knob
    for knob in (
        Knob(
            "enabled",
            Switch(),
            True,
            "Reshape faces; off leaves them as they are.",
            keywords=("on", "off", "bypass", "filter", "effect", "compare", "before and after", "original"),
            ends=("off", "on"),
        ),
        Knob(
            "strength",
            Number(0.0, 1.0),
            1.0,
            "Master strength, times every adjustment.",
            keywords=("intensity", "amount", "overall", "all", "less", "more", "subtle"),
            ends=("off", "full"),
        ),
        Knob(
            "mirror",
            Switch(),
            False,
            "Mirror the picture, left for right.",
            "picture",
            keywords=("flip", "reverse", "selfie", "horizontal", "left and right", "text is backwards"),
            ends=("off", "on"),
        ),
        Knob(
            "overlay",
            Switch(),
            False,
            "Draw landmarks, ids and confidence.",
            "picture",
            keywords=("debug", "points", "dots", "show landmarks", "tracking", "face box"),
            ends=("off", "on"),
        ),
        Knob(
            "protect",
            Choice(("auto", "on", "off")),
            "auto",
            "Leave the wall beside a reshaped face straight; auto: where there is a mask of people, or time for one.",
            keywords=("straight", "bend", "warped background", "door", "lines", "world", "distortion"),
        ),
        *BACKGROUND,
        *map(knob_of, ADJUSTMENTS.values()),
        *(knob for effect in EFFECTS.values() for knob in _knobs_of_effect(effect)),
        *HAIR,
    )
}
"""Every live parameter by name, in the order in which people see them."""


_OWN: set[str] = set()  # names that `define` has added


def define(adjustment: Adjustment) -> None:
    """Add a person's own adjustment to the built-in ones: at start, before the first `Parameters` is made."""
    if adjustment.name not in KNOBS:
        _OWN.add(adjustment.name)
    ADJUSTMENTS[adjustment.name] = adjustment
    KNOBS[adjustment.name] = knob_of(adjustment)


def define_effect(effect: Effect) -> None:
    """Add an effect of a person's own; `Parameters` made before lack it, and `refitted` brings it in."""
    EFFECTS[effect.name] = effect
    KNOBS.update((knob.name, knob) for knob in _knobs_of_effect(effect))


def withdraw_effect(name: str) -> None:
    """Take back one that `define_effect` added."""
    del EFFECTS[name]
    del KNOBS[name]


def is_own(name: str) -> bool:
    """Whether a knob is a person's own adjustment, and not built in."""
    return name in _OWN


def knob(name: str, knobs: Mapping[str, Knob] = KNOBS) -> Knob:
    """The knob of that name, or a `ParameterError` that lists the names there are and suggests the nearest."""
    try:
        return knobs[name]
    except KeyError:
        raise unknown(name, knobs) from None


def unknown(name: str, knobs: Iterable[str], got: object = None) -> ParameterError:
    """The error for a name that no knob has: it lists those there are and suggests the nearest."""
    what = f"unknown parameter {reprlib.repr(name)}"
    return ParameterError(name, got, ", ".join(knobs), what, did_you_mean(name, knobs))


@dataclass(frozen=True, slots=True)
class Switches:
    """What the sinks get instead of the filtered frame; not parameters: no reset, preset or config sets them.

    Attributes
    ----------
    blank
        The privacy picture, and nothing of the camera.
    freeze
        The last frame, again and again.
    """

    blank: bool = False
    freeze: bool = False


class Parameters(Mapping[str, Value]):
    """A value for every knob: immutable, complete, valid.

    Parameters
    ----------
    **values
        Knobs by name; those not given have their default.

    Raises
    ------
    ParameterError
        An unknown name, a value of the wrong type or out of bounds.

    Examples
    --------
    >>> p = Parameters(thin=0.5)
    >>> p["thin"], p.replace(eyes=0)["eyes"]
    (0.5, 0.0)
    """

    __slots__ = ("_values",)

    def __init__(self, **values: Value) -> None:
        self._values = {name: k.default for name, k in KNOBS.items()} | check(values)

    def replace(self, **changes: Value) -> Parameters:
        """A copy with these values changed, all or nothing (`ParameterError`)."""
        return Parameters(**(self._values | check(changes)))

    def reset(self, names: Iterable[str] | None = None) -> Parameters:
        """A copy with these knobs, or all of them, at their defaults."""
        return self.replace(**{name: knob(name).default for name in (KNOBS if names is None else names)})

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"


def refitted(parameters: Parameters) -> Parameters:
    """A copy for the knobs that there are now: new ones at their default, without those that are gone."""
    return Parameters(**{name: value for name, value in parameters.items() if name in KNOBS})


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a frame is made with: one object, so that no frame can see half of a change."""

    parameters: Parameters
    switches: Switches = Switches()


def hides(values: Mapping[str, Value]) -> bool:
    """Whether these values want the room hidden, or an empty room covered."""
    return values["background"] != "none" or bool(values["hide_alone"])


def hides_as_much(values: Mapping[str, Value], as_much_as: Mapping[str, Value]) -> bool:
    """Whether a frame that was made with these values hides all that others want hidden."""
    room = values["background"] != "none" or as_much_as["background"] == "none"
    return room and bool(values["hide_alone"] or not as_much_as["hide_alone"])


def effective(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values at work: `strength` and `enabled` are in those that they scale, and then at 1 and on.

    Where `enabled` is off nothing is left of those; the others (mirror, overlay, ...) stay as they are. What `age` and
    `sag` give to other knobs is in those, within their bounds.
    """
    share = float(values["strength"]) * float(values["enabled"])
    # A person's own texture may come or go just now, in another thread: then these values lack it, or have one more.
    scaled = {
        name: k.kind.scale(values[name], share) for name, k in tuple(KNOBS.items()) if k.scaled and name in values
    }
    for name, by in given(scaled).items():
        led = KNOBS[name].kind.add(scaled[name], by)
        assert led is not None  # they are numbers
        scaled[name] = led[1]  # within the bounds
    return {**values, **scaled, "enabled": True, "strength": 1.0}


def check(values: Mapping[str, object], knobs: Mapping[str, Knob] = KNOBS) -> dict[str, Value]:
    """The values in their own types, or a `ParameterError` for the first that is not allowed."""
    return {name: knob(name, knobs).check(value) for name, value in values.items()}
