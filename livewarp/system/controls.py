"""A webcam's own controls (exposure, focus, white balance, zoom ...) by Video4Linux: listed, read and set.

They can be asked and set while another descriptor streams. Calls need Linux and raise OSError where the kernel
refuses. A control has a plain name, which stays the same whatever the kernel's version calls it.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from livewarp.system import v4l2

Kind = Literal["number", "switch", "choice"]
ControlValue = int | bool | str

# Of linux/videodev2.h.
_QUERYCTRL, _QUERYMENU, _G_CTRL, _S_CTRL = 0xC0445624, 0xC02C5625, 0xC008561B, 0xC008561C
_QUERY = struct.Struct("=II32siiiiI8x")  # id, type, name, minimum, maximum, step, default, flags
_MENU = struct.Struct("=II32s4x")  # id, index, name, or a number of 64 bits
_VALUE = struct.Struct("=Ii")  # id, value
_NEXT = 0x8000_0000  # asked with an id: the control after it
_DISABLED, _READ_ONLY, _INACTIVE, _WRITE_ONLY = 0x1, 0x4, 0x10, 0x40
_INTEGER, _BOOLEAN, _MENU_TYPE, _INTEGER_MENU = 1, 2, 3, 9
_KINDS: dict[int, Kind] = {_INTEGER: "number", _BOOLEAN: "switch", _MENU_TYPE: "choice", _INTEGER_MENU: "choice"}
_MOST = 200  # entries of a menu

# Of linux/v4l2-controls.h: what webcams have. The kernel's own names have changed ("Exposure (Absolute)", "Exposure
# Time, Absolute"), the numbers have not.
_NAMES = {
    0x0098_0900: "brightness",
    0x0098_0901: "contrast",
    0x0098_0902: "saturation",
    0x0098_0903: "hue",
    0x0098_090C: "auto_white_balance",
    0x0098_0910: "gamma",
    0x0098_0912: "auto_gain",
    0x0098_0913: "gain",
    0x0098_0918: "power_line_frequency",
    0x0098_0919: "auto_hue",
    0x0098_091A: "white_balance_temperature",
    0x0098_091B: "sharpness",
    0x0098_091C: "backlight_compensation",
    0x009A_0901: "exposure",
    0x009A_0902: "exposure_time",
    0x009A_0903: "exposure_may_slow",
    0x009A_0908: "pan",
    0x009A_0909: "tilt",
    0x009A_090A: "focus",
    0x009A_090C: "autofocus",
    0x009A_090D: "zoom",
    0x009A_0911: "iris",
}
_POWER_LINE, _EXPOSURE = 0x0098_0918, 0x009A_0901
# What drivers call in many words; a webcam with "Aperture Priority Mode" means that exposure is automatic.
_CHOICES = {
    _POWER_LINE: {0: "off", 1: "50 Hz", 2: "60 Hz", 3: "auto"},
    _EXPOSURE: {0: "auto", 1: "manual", 2: "shutter priority", 3: "aperture priority"},
}
# A value that an automatic one overrides → that one, and how it is switched off.
MANUAL: dict[str, tuple[str, ControlValue]] = {
    "exposure_time": ("exposure", "manual"),
    "white_balance_temperature": ("auto_white_balance", False),
    "focus": ("autofocus", False),
    "gain": ("auto_gain", False),
    "hue": ("auto_hue", False),
}
AUTOMATIC = frozenset(name for name, _ in MANUAL.values())


class Control(NamedTuple):
    """A control and its value.

    Attributes
    ----------
    number
        The kernel's.
    name, label
        By which it is set; as the driver calls it, for people.
    kind
        What its value is: a number, true or false, or one of `choices`.
    value, default
        None: it cannot be read.
    minimum, maximum, step
        Of a number.
    choices
        Text → the driver's number.
    active
        Whether it has an effect now: no, while an automatic one has its place.
    writable
        Whether it can be set at all.
    """

    number: int
    name: str
    label: str
    kind: Kind
    value: ControlValue | None
    default: ControlValue
    minimum: int
    maximum: int
    step: int
    choices: dict[str, int]
    active: bool
    writable: bool

    @property
    def allowed(self) -> str:
        """What it takes, for people."""
        if self.kind == "choice":
            return ", ".join(self.choices)
        if self.kind == "switch":
            return "true or false"
        step = f" in steps of {self.step}" if self.step > 1 else ""
        return f"a whole number from {self.minimum} to {self.maximum}{step}"

    def check(self, value: object) -> ControlValue:
        """The value that this one means: a switch takes on and off, a choice any case. Raises ValueError."""
        if self.kind == "choice":
            found = {text.casefold(): text for text in self.choices}.get(str(value).strip().casefold())
            if found is not None and not isinstance(value, bool):
                return found
        elif self.kind == "switch":
            words = {"on": True, "true": True, "off": False, "false": False}
            known = words.get(value.strip().casefold()) if isinstance(value, str) else value
            if isinstance(known, bool):
                return known
        elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
            number = float(value)
            if number == int(number) and self.minimum <= number <= self.maximum:
                step = max(self.step, 1)
                return min(self.minimum + round((int(number) - self.minimum) / step) * step, self.maximum)
        raise ValueError(value)


def controls(fd: int) -> dict[str, Control]:
    """The controls of a camera, in the order of its driver, which is by kind."""
    found: dict[str, Control] = {}
    for number, kind, label, minimum, maximum, step, default, flags in _queries(fd):
        if kind not in _KINDS or flags & (_DISABLED | _WRITE_ONLY):
            continue
        name = _NAMES.get(number) or _plain(label)
        choices = _choices(fd, number, kind, minimum, maximum)
        control = Control(
            number, name, label, _KINDS[kind], None, _meant(kind, choices, default), minimum, maximum, step, choices,
            not flags & _INACTIVE, not flags & _READ_ONLY,
        )  # fmt: skip
        with contextlib.suppress(OSError):  # it may not be read now
            control = control._replace(value=_meant(kind, choices, _read(fd, number)))
        found.setdefault(name if name not in found else f"{name}_{number & 0xFFFF:x}", control)
    return found


def set_control(fd: int, control: Control, value: ControlValue) -> None:
    """Set it to a value that `Control.check` gave."""
    number = control.choices[str(value)] if control.kind == "choice" else int(value)
    v4l2.ioctl(fd, _S_CTRL, bytearray(_VALUE.pack(control.number, number)))


def in_order(names: Iterable[str]) -> list[str]:
    """Those names with the automatic ones first: what they override takes a value only once they are off."""
    return sorted(names, key=lambda name: name not in AUTOMATIC)


def _queries(fd: int) -> Iterator[tuple[int, int, str, int, int, int, int, int]]:
    number = 0
    while True:
        query = bytearray(_QUERY.size)
        struct.pack_into("=I", query, 0, number | _NEXT)
        try:
            v4l2.ioctl(fd, _QUERYCTRL, query)
        except OSError:  # EINVAL: there are no more; ENOTTY: there are none
            return
        before, (number, kind, label, *numbers) = number, _QUERY.unpack(query)
        if number <= before:  # a driver that never ends its list
            return
        yield (number, kind, label.split(b"\0", 1)[0].decode("utf-8", "replace"), *numbers)


def _choices(fd: int, number: int, kind: int, minimum: int, maximum: int) -> dict[str, int]:
    """Text → number, of a menu; drivers leave out entries that they do not have."""
    found: dict[str, int] = {}
    for index in range(minimum, min(maximum, minimum + _MOST) + 1) if kind in (_MENU_TYPE, _INTEGER_MENU) else ():
        entry = bytearray(_MENU.pack(number, index, b""))
        try:
            v4l2.ioctl(fd, _QUERYMENU, entry)
        except OSError:
            continue
        raw = _MENU.unpack(entry)[2]
        text = raw.split(b"\0", 1)[0].decode("utf-8", "replace")
        if kind == _INTEGER_MENU:
            text = str(int.from_bytes(raw[:8], "little", signed=True))
        found[_CHOICES.get(number, {}).get(index, text)] = index
    if number == _EXPOSURE and "auto" not in found and "aperture priority" in found:
        found = {("auto" if text == "aperture priority" else text): index for text, index in found.items()}
    return found


def _meant(kind: int, choices: dict[str, int], number: int) -> ControlValue:
    if kind == _BOOLEAN:
        return bool(number)
    if kind == _INTEGER:
        return number
    return next((text for text, index in choices.items() if index == number), str(number))


def _read(fd: int, number: int) -> int:
    argument = bytearray(_VALUE.pack(number, 0))
    v4l2.ioctl(fd, _G_CTRL, argument)
    return int(_VALUE.unpack(argument)[1])


def _plain(label: str) -> str:
    """A driver's name as one word: "LED1 Mode" → "led1_mode"."""
    return re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_") or "control"
