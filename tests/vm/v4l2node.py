"""A few words of the kernel's V4L2, spoken with ioctl; standard library only, for it starts at once in a slow machine.

Numbers are those of linux/videodev2.h on 64 bits.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

QUERYCAP, S_FMT, S_CTRL, QUERYCTRL = 0x80685600, 0xC0D05605, 0xC008561C, 0xC0445624
NEXT_CTRL = 0x80000000
BUF_TYPE_OUTPUT = 2
FIELD_NONE = 1
CAPTURE, OUTPUT = 0x1, 0x2

_CAPABILITY = struct.Struct("=16s32s32sIIII8x")  # driver, card, bus, version, capabilities, device_caps, reserved
_PICTURE_FORMAT = struct.Struct("=I4xII4sIIII 172x")  # type, then width, height, fourcc, field, stride, size, colours
_CONTROL = struct.Struct("=Ii")
_CONTROL_QUERY = struct.Struct("=II32s28x")


@contextmanager
def opened(node: str, flags: int = os.O_RDWR | os.O_NONBLOCK) -> Iterator[int]:
    """The descriptor of a node, for a while."""
    descriptor = os.open(node, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def capabilities(node: str) -> int:
    """What the node says that it is now: CAPTURE, OUTPUT, both or neither."""
    with opened(node) as descriptor:
        reply = bytearray(_CAPABILITY.size)
        fcntl.ioctl(descriptor, QUERYCAP, reply)
        return int(_CAPABILITY.unpack(reply)[5]) & (CAPTURE | OUTPUT)


def set_control(node: str, name: str, value: int) -> None:
    """Set the control that is called so ("Disconnect"); KeyError if there is none."""
    with opened(node) as descriptor:
        which = 0
        while True:
            query = bytearray(_CONTROL_QUERY.pack(which | NEXT_CTRL, 0, b""))
            try:
                fcntl.ioctl(descriptor, QUERYCTRL, query)
            except OSError:
                raise KeyError(f"{node} has no control {name!r}") from None
            which, _, found = _CONTROL_QUERY.unpack(query)
            if found.rstrip(b"\0").decode() == name:
                fcntl.ioctl(descriptor, S_CTRL, _CONTROL.pack(which, value))
                return


def open_output(node: str, width: int, height: int) -> int:
    """A descriptor of a v4l2loopback node to which whole I420 pictures can be written."""
    descriptor = os.open(node, os.O_RDWR)
    size = width * height * 3 // 2
    wanted = _PICTURE_FORMAT.pack(BUF_TYPE_OUTPUT, width, height, b"YU12", FIELD_NONE, width, size, 0)
    fcntl.ioctl(descriptor, S_FMT, bytearray(wanted))
    return descriptor
