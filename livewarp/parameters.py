"""The live parameters: every knob that can be turned while the daemon runs.

`KNOBS` is the only list of them. The config file, the control port, the command line, the web page
and the docs all derive from it, and the adjustments among them from `livewarp.adjustments`.

Guarantees: `Parameters` is immutable and always valid; a change makes a new one, all or nothing, so
threads swap it whole.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from livewarp.adjustments import ADJUSTMENTS, Adjustment
from livewarp.errors import ParameterError

Value = bool | float


@dataclass(frozen=True, slots=True)
class Knob:
    """One live parameter: what it is called, what it may be and what it does.

    Attributes
    ----------
    type
        "float" or "bool".
    minimum, maximum
        Inclusive bounds of a float; None for a bool.
    unit
        "" where the value is a plain ratio.
    area
        What it is about: "filter", "picture", or the part of the face that an adjustment reshapes.
    """

    name: str
    type: str
    default: Value
    minimum: float | None
    maximum: float | None
    unit: str
    help: str
    area: str = "filter"

    @property
    def allowed(self) -> str:
        """What `check` accepts, in words."""
        if self.type == "bool":
            return "true or false"
        return f"a number from {self.minimum:g} to {self.maximum:g}"

    def check(self, value: object) -> Value:
        """The value in its own type, or a `ParameterError` that names what is allowed."""
        if self.type == "bool":
            if isinstance(value, bool):
                return value
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            assert self.minimum is not None and self.maximum is not None
            # Compared before conversion: float() of an integer of 400 digits overflows.
            if self.minimum <= value <= self.maximum and math.isfinite(value):
                return float(value)
        raise ParameterError(self.name, value, self.allowed)

    def parse(self, text: str) -> Value:
        """The value that a person typed: a number, or on/off, true/false, yes/no."""
        if self.type == "bool":
            word = text.strip().lower()
            if word in {"1", "on", "true", "yes"}:
                return True
            if word in {"0", "off", "false", "no"}:
                return False
            raise ParameterError(self.name, text, self.allowed)
        try:
            return self.check(float(text))
        except ValueError:
            raise ParameterError(self.name, text, self.allowed) from None

    def describe(self) -> dict[str, Any]:
        """The knob as the control port describes it."""
        return {
            "type": self.type,
            "default": self.default,
            "min": self.minimum,
            "max": self.maximum,
            "unit": self.unit,
            "help": self.help,
            "area": self.area,
        }


def knob_of(adjustment: Adjustment) -> Knob:
    """The knob that an adjustment is turned by."""
    a = adjustment
    return Knob(a.name, "float", a.default, a.minimum, a.maximum, "", a.help, a.area)


KNOBS: dict[str, Knob] = {
    knob.name: knob
    for knob in (
        Knob("enabled", "bool", True, None, None, "", "Reshape faces; off leaves them as they are."),
        Knob("strength", "float", 1.0, 0.0, 1.0, "", "Master strength, times every adjustment."),
        Knob("mirror", "bool", False, None, None, "", "Mirror the picture, left for right.", "picture"),
        Knob("overlay", "bool", False, None, None, "", "Draw landmarks, ids and confidence.", "picture"),
        *map(knob_of, ADJUSTMENTS.values()),
    )
}
"""Every live parameter by name, in the order in which people see them."""


def define(adjustment: Adjustment) -> None:
    """Add a person's own adjustment to the built-in ones: at start, before the first `Parameters` is made."""
    ADJUSTMENTS[adjustment.name] = adjustment
    KNOBS[adjustment.name] = knob_of(adjustment)


def knob(name: str, knobs: Mapping[str, Knob] = KNOBS) -> Knob:
    """The knob of that name, or a `ParameterError` that lists the names there are."""
    try:
        return knobs[name]
    except KeyError:
        raise ParameterError(name, None, ", ".join(knobs), f"unknown parameter {reprlib.repr(name)}") from None


@dataclass(frozen=True, slots=True)
class Switches:
    """What the sinks get instead of the filtered frame; not parameters: no reset, preset or config turns them.

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a frame is made with: one object, so that no frame can see half of a change."""

    parameters: Parameters
    switches: Switches = Switches()


def check(values: Mapping[str, object], knobs: Mapping[str, Knob] = KNOBS) -> dict[str, Value]:
    """The values in their own types, or a `ParameterError` for the first that is not allowed."""
    return {name: knob(name, knobs).check(value) for name, value in values.items()}
