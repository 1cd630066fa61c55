"""Kinds of knobs: what a live parameter may be, and all that follows from that.

There are five: a number, a switch, a colour, a choice and a name. A kind says which values are allowed, what a
person types for one, how one becomes another over time, how `strength` scales one, and how it is described in JSON
and shown in a table. Nothing else in livewarp asks what kind a knob is.

Guarantees: pure, and quick to import; a value that `check` returns is JSON and TOML as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Value: TypeAlias = bool | float | str
"""A switch's, a number's, and a colour's ("#rrggbb", lower case), a choice's or a name's."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # never a path
_WORDS = {"1": True, "on": True, "true": True, "yes": True, "0": False, "off": False, "false": False, "no": False}


class Kind(Protocol):
    """What every kind of knob answers. The values it is given, but for `check`'s, are allowed ones."""

    @property
    def allowed(self) -> str:
        """What `check` accepts, in words."""

    @property
    def span(self) -> str:
        """The same as short as a column wants it."""

    @property
    def words(self) -> tuple[str, ...]:
        """What a shell may offer for completion; none where there are too many values."""

    def check(self, value: object) -> Value | None:
        """The value in its own type; None: it is not allowed."""

    def read(self, text: str) -> object:
        """What a person means by this text, still to be checked."""

    def show(self, value: Value) -> str:
        """A value as people write it."""

    def describe(self) -> dict[str, Any]:
        """Its part of `describe`: type, min, max, choices, unit."""

    def schema(self) -> dict[str, Any]:
        """JSON Schema of its values."""

    def neutral(self, default: Value) -> Value:
        """The value that changes nothing; the default where none is such."""

    def blend(self, before: Value, after: Value, share: float) -> Value:
        """What a frame uses on the way from one value to another; share 0 to 1."""

    def scale(self, value: Value, share: float) -> Value:
        """What is left of a value at this share of the full strength, 0 to 1."""

    def add(self, value: Value, by: float) -> tuple[float, float] | None:
        """Where a relative change leads, and where it stops at the bounds; None: there is no such change."""


def number_of(text: str) -> float | None:
    """What a person means by "0.5", "0,5" or "50%"; None: no number."""
    plain = text.strip().replace(",", ".")
    try:
        return float(plain[:-1]) / 100.0 if plain.endswith("%") else float(plain)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Number:
    """A number between two bounds, both allowed.

    Attributes
    ----------
    unit
        "" where the value is a plain ratio.
    """

    minimum: float
    maximum: float
    unit: str = ""

    @property
    def allowed(self) -> str:
        return f"a number from {self.minimum:g} to {self.maximum:g}"

    @property
    def span(self) -> str:
        return f"{self.minimum:g} to {self.maximum:g}{self.unit and ' '}{self.unit}"

    @property
    def words(self) -> tuple[str, ...]:
        return ()

    def check(self, value: object) -> Value | None:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return None
        # Compared before conversion: float() of an integer of 400 digits overflows.
        return float(value) if self.minimum <= value <= self.maximum and math.isfinite(value) else None

    def read(self, text: str) -> object:
        return number_of(text)

    def show(self, value: Value) -> str:
        return f"{value:.6g}"

    def describe(self) -> dict[str, Any]:
        return _described("float", low=self.minimum, high=self.maximum, unit=self.unit)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.minimum, "maximum": self.maximum}

    def neutral(self, default: Value) -> Value:
        return min(max(0.0, self.minimum), self.maximum)

    def blend(self, before: Value, after: Value, share: float) -> Value:
        a, b = float(before), float(after)
        return a + (b - a) * share

    def scale(self, value: Value, share: float) -> Value:
        return float(value) * share

    def add(self, value: Value, by: float) -> tuple[float, float] | None:
        # Rounded, so that ten steps of 0.1 from 0 end at 1 and not a hair beside it.
        wanted = round(float(value) + by, 9)
        return wanted, min(max(wanted, self.minimum), self.maximum)


class _Jumping:
    """What switches, colours and choices have in common: they change at once, and nothing can be added to them."""

    __slots__ = ()

    def neutral(self, default: Value) -> Value:
        return default

    def blend(self, before: Value, after: Value, share: float) -> Value:
        return after

    def scale(self, value: Value, share: float) -> Value:
        return value

    def add(self, value: Value, by: float) -> tuple[float, float] | None:
        return None


@dataclass(frozen=True, slots=True)
class Switch(_Jumping):
    """On or off; where strength scales it, off at strength 0."""

    @property
    def allowed(self) -> str:
        return "true or false"

    @property
    def span(self) -> str:
        return "on, off"

    @property
    def words(self) -> tuple[str, ...]:
        return "on", "off"

    def check(self, value: object) -> Value | None:
        return value if isinstance(value, bool) else None

    def read(self, text: str) -> object:
        return _WORDS.get(text.strip().lower())

    def show(self, value: Value) -> str:
        return "on" if value else "off"

    def describe(self) -> dict[str, Any]:
        return _described("bool")

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def neutral(self, default: Value) -> Value:
        return False

    def scale(self, value: Value, share: float) -> Value:
        return bool(value) and share > 0.0


@dataclass(frozen=True, slots=True)
class Colour(_Jumping):
    """A colour as "#rrggbb", sRGB."""

    @property
    def allowed(self) -> str:
        return "a colour as #rrggbb, such as #c02040"

    @property
    def span(self) -> str:
        return "#rrggbb"

    @property
    def words(self) -> tuple[str, ...]:
        return ()

    def check(self, value: object) -> Value | None:
        return value.lower() if isinstance(value, str) and _COLOUR.fullmatch(value) else None

    def read(self, text: str) -> object:
        return text.strip()

    def show(self, value: Value) -> str:
        return str(value)

    def describe(self) -> dict[str, Any]:
        return _described("colour")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_COLOUR.pattern}$"}

    def blend(self, before: Value, after: Value, share: float) -> Value:
        # Channel by channel as they are coded: sRGB's steps look about equal, while linear light would pass
        # most of the way from dark to light in the first frames.
        channels = zip(_channels(before), _channels(after), strict=True)
        return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in channels)


@dataclass(frozen=True, slots=True)
class Choice(_Jumping):
    """One of a few words."""

    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return " or ".join(self.choices) if len(self.choices) < 3 else f"one of {', '.join(self.choices)}"

    @property
    def span(self) -> str:
        return ", ".join(self.choices)

    @property
    def words(self) -> tuple[str, ...]:
        return self.choices

    def check(self, value: object) -> Value | None:
        return value if isinstance(value, str) and value in self.choices else None

    def read(self, text: str) -> object:
        return text.strip()

    def show(self, value: Value) -> str:
        return str(value)

    def describe(self) -> dict[str, Any]:
        return _described("choice", choices=list(self.choices))

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.choices)}


@dataclass(frozen=True, slots=True)
class Name(_Jumping):
    """The name of something that people add and remove while livewarp runs; that it exists is for its user to check."""

    @property
    def allowed(self) -> str:
        return "a name of 1 to 40 small letters, digits, - and _"

    @property
    def span(self) -> str:
        return "a name"

    @property
    def words(self) -> tuple[str, ...]:
        return ()

    def check(self, value: object) -> Value | None:
        return value if isinstance(value, str) and _NAME.fullmatch(value) else None

    def read(self, text: str) -> object:
        return text.strip()

    def show(self, value: Value) -> str:
        return str(value)

    def describe(self) -> dict[str, Any]:
        return _described("name")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_NAME.pattern}$"}


def _described(
    name: str, *, low: float | None = None, high: float | None = None, choices: list[str] | None = None, unit: str = ""
) -> dict[str, Any]:
    return {"type": name, "min": low, "max": high, "choices": choices, "unit": unit}


def _channels(colour: Value) -> tuple[int, ...]:
    """Red, green and blue, 0 to 255."""
    return tuple(bytes.fromhex(str(colour)[1:]))


TYPES: Mapping[str, Callable[[Mapping[str, Any]], Kind]] = {
    "float": lambda d: Number(d["min"], d["max"], d["unit"]),
    "bool": lambda d: Switch(),
    "colour": lambda d: Colour(),
    "choice": lambda d: Choice(tuple(d["choices"])),
    "name": lambda d: Name(),
}
"""Each kind by the `type` that `describe` gives it, made from what that says of a knob."""
