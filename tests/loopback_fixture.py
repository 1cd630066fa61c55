"""A v4l2loopback device for tests: a kernel that is played, and a pseudo-terminal that takes what is written.

Its structures are laid out by ctypes as in linux/videodev2.h, not by the code that is tested.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
import tty
from collections.abc import Iterator
from ctypes import c_uint32 as u32
from typing import BinaryIO, ClassVar

from livewarp.system import v4l2


class Capability(ctypes.Structure):
    """struct v4l2_capability."""

    _fields_: ClassVar = [
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        *((name, u32) for name in ("version", "capabilities", "device_caps")),
        ("reserved", u32 * 3),
    ]


class PixFormat(ctypes.Structure):
    """struct v4l2_pix_format."""

    _fields_: ClassVar = [
        (name, u32)
        for name in ("width", "height", "pixelformat", "field", "bytesperline", "sizeimage", "colorspace", "priv")
    ]


class FormatUnion(ctypes.Union):
    """The union in struct v4l2_format; one of its members holds pointers."""

    _fields_: ClassVar = [("pix", PixFormat), ("raw", ctypes.c_uint8 * 200), ("aligned", ctypes.c_void_p)]


class Format(ctypes.Structure):
    """struct v4l2_format."""

    _fields_: ClassVar = [("type", u32), ("fmt", FormatUnion)]


class StreamParameters(ctypes.Structure):
    """struct v4l2_streamparm, of an output."""

    _fields_: ClassVar = [
        *((name, u32) for name in ("type", "capability", "mode", "numerator", "denominator")),
        ("rest", ctypes.c_uint8 * 184),
    ]


class Subscription(ctypes.Structure):
    """struct v4l2_event_subscription."""

    _fields_: ClassVar = [("type", u32), ("id", u32), ("flags", u32), ("reserved", u32 * 5)]


class EventUnion(ctypes.Union):
    """The union in struct v4l2_event."""

    _fields_: ClassVar = [("count", u32), ("raw", ctypes.c_uint8 * 64), ("aligned", ctypes.c_int64)]


class Event(ctypes.Structure):
    """struct v4l2_event."""

    _fields_: ClassVar = [
        ("type", u32),
        ("u", EventUnion),
        ("pending", u32),
        ("sequence", u32),
        ("timestamp", ctypes.c_long * 2),
        ("id", u32),
        ("reserved", u32 * 8),
    ]


def request(direction: int, number: int, kind: type[ctypes.Structure] | type[ctypes.c_int]) -> int:
    """_IOR (2), _IOW (1) and _IOWR (3) of linux/ioctl.h, for Video4Linux."""
    return direction << 30 | ctypes.sizeof(kind) << 16 | ord("V") << 8 | number


class Kernel:
    """What the device does; the test says which."""

    def __init__(self) -> None:
        self.driver, self.card, self.caps = b"v4l2 loopback", b"Test", v4l2.OUTPUT
        self.format: tuple[int, int, int] | None = None
        self.keeps = False  # the format that it has
        self.fault = 0  # errno of what concerns the format
        self.faults_late = False  # refuses to say what format was made
        self.has_events = False
        self.events: list[tuple[int, int]] = []
        self.rate: tuple[int, int] | None = None
        self.calls: list[int] = []

    def ioctl(self, fd: int, number: int, argument: bytearray) -> None:
        """Answer."""
        self.calls.append(number)
        if number == request(2, 0, Capability):
            told = Capability.from_buffer(argument)
            told.driver, told.card, told.device_caps = self.driver, self.card, self.caps
        elif number in (request(3, 4, Format), request(3, 5, Format)):
            self._format(Format.from_buffer(argument), number == request(3, 5, Format))
        elif number == request(3, 22, StreamParameters):
            told = StreamParameters.from_buffer(argument)
            self.rate = (told.numerator, told.denominator)
        elif number == request(1, 18, ctypes.c_int):
            assert int.from_bytes(argument, sys.byteorder) == 2
            self.caps = v4l2.OUTPUT
            raise OSError(errno.EINVAL, "invalid")
        elif number == request(1, 90, Subscription) and self.has_events:
            told = Subscription.from_buffer(argument)
            assert (told.type, told.flags) == (0x08000000 + 0x08E00000 + 1, 1)
        elif number == request(2, 89, Event) and self.events:
            told = Event.from_buffer(argument)
            told.type, told.u.count = self.events.pop(0)
        else:
            raise OSError(errno.EINVAL, "invalid")

    def _format(self, asked: Format, sets: bool) -> None:
        if self.fault and (sets or not self.faults_late):
            raise OSError(self.fault, os.strerror(self.fault))
        if self.faults_late and not sets:
            raise OSError(errno.EINVAL, "invalid")
        assert asked.type == 2
        pix = asked.fmt.pix
        if sets and not (self.keeps and self.format):
            self.format = (pix.width, pix.height, pix.pixelformat)
            assert pix.sizeimage == pix.width * pix.height * 3 // 2
        assert self.format is not None
        pix.width, pix.height, pix.pixelformat = self.format
        pix.bytesperline, pix.sizeimage = pix.width, pix.width * pix.height * 3 // 2


@contextlib.contextmanager
def pseudo_terminal() -> Iterator[tuple[str, BinaryIO]]:
    """A character device that can be opened and written; its path, and what reads it."""
    reader, writer = os.openpty()
    tty.setraw(writer)
    path = os.ttyname(writer)
    os.close(writer)
    with os.fdopen(reader, "rb", 0) as file:
        yield path, file
