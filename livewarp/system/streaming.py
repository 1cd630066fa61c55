"""Raw pictures of a Video4Linux camera: its buffers are mapped into memory and taken as the driver fills them.

No picture is decoded or copied here. Calls need Linux on 64 bits (`AVAILABLE`), and raise OSError where the
kernel refuses. One thread uses a stream.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import select
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from livewarp.system import v4l2

AVAILABLE = sys.platform.startswith("linux") and struct.calcsize("P") == 8

BUFFERS = 4  # one is decoded, one is filled, two wait; the newest is taken
_NAP_S = 0.05
_STREAMING = 0x0400_0000  # of device_caps: buffers can be mapped

# Of linux/videodev2.h, on 64 bits.
_VIDIOC_S_FMT, _VIDIOC_TRY_FMT = 0xC0D05605, 0xC0D05640
_VIDIOC_REQBUFS, _VIDIOC_QUERYBUF, _VIDIOC_QBUF, _VIDIOC_DQBUF = 0xC0145608, 0xC0585609, 0xC058560F, 0xC0585611
_VIDIOC_STREAMON, _VIDIOC_STREAMOFF = 0x40045612, 0x40045613
_VIDIOC_S_PARM = 0xC0CC5616
_BUF_TYPE_CAPTURE = 1
_MEMORY_MMAP = 1
# Type, then width, height, fourcc, field, bytes per line, bytes in all, colour space, priv, flags, matrix, range.
_FORMAT = struct.Struct("=I4x11I156x")
_EXTENDED = 0xFEED_CAFE  # as `priv`: matrix and range are there
_REQUEST = struct.Struct("=3I8x")  # count, type, memory
# Index, type, bytes used, flags, field, time (s, µs), sequence, memory, offset, length.
_BUFFER = struct.Struct("=5I4xqq16xIII4xI12x")
_PARAMETERS = struct.Struct("=5I184x")  # type, capability, mode, seconds a frame as a fraction
_HAS_RATE = 0x1000
_ERROR = 0x40  # flag of a buffer whose picture is damaged
_CLOCKS, _MONOTONIC = 0xE000, 0x2000  # flags: by which clock a buffer is stamped

# Colour spaces, matrices and ranges.
_SPACE_JPEG, _SPACE_REC709, _SPACE_DCI_P3 = 7, 3, 12
_MATRIX_601, _MATRIX_709 = 1, 2
_RANGE_FULL, _RANGE_LIMITED = 1, 2


class PictureFormat(NamedTuple):
    """What a camera delivers."""

    fourcc: str
    width: int
    height: int
    stride_bytes: int
    frame_bytes: int
    full_range: bool  # Y from 0 to 255; else from 16 to 235
    bt709: bool  # the matrix of HD television; else that of BT.601


class RawPicture(NamedTuple):
    """A picture as the driver left it.

    Attributes
    ----------
    data
        In the driver's memory: valid inside of `CameraStream.newest` alone.
    stamp_s
        When it was taken, s, monotonic clock; None: the driver stamps by another clock.
    damaged
        Whether the driver says that bytes are missing.
    """

    data: memoryview
    stamp_s: float | None
    damaged: bool


def can_stream(node: str | Path) -> bool:
    """Whether this camera can be read here: one plane, buffers that can be mapped."""
    wanted = v4l2.CAPTURE | _STREAMING
    return AVAILABLE and v4l2.capabilities(node).device_caps & wanted == wanted


def tried_format(node: str | Path, fourcc: str, width: int, height: int) -> PictureFormat:
    """What the driver would make of this wish; changes nothing."""
    with v4l2.opened(node) as fd:
        return _ask(fd, _VIDIOC_TRY_FMT, fourcc, width, height)


class CameraStream:
    """A camera that streams; close it.

    Parameters
    ----------
    node
        Its path.
    fourcc, width, height, fps
        What it is asked for; `format` and `fps` are what it does.

    Raises
    ------
    OSError
        EBUSY: another program streams from it. Other numbers as the kernel gives them.
    """

    def __init__(self, node: str | Path, fourcc: str, width: int, height: int, fps: float) -> None:
        self._maps: list[mmap.mmap] = []
        self._fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self.format = _ask(self._fd, _VIDIOC_S_FMT, fourcc, width, height)
            self.fps = _set_rate(self._fd, fps)
            self._map_buffers()
            v4l2.ioctl(self._fd, _VIDIOC_STREAMON, bytearray(struct.pack("=i", _BUF_TYPE_CAPTURE)))
        except BaseException:
            self.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    @contextlib.contextmanager
    def newest(self, timeout_s: float) -> Iterator[RawPicture | None]:
        """The newest picture; None where none came in time. Older ones that wait are given back to the driver.

        Raises
        ------
        OSError
            ENODEV: the camera has been unplugged.
        """
        events = self._poll.poll(1e3 * timeout_s)
        filled = None
        while (later := self._dequeue()) is not None:
            if filled is not None:
                self._enqueue(filled[0])
            filled = later
        if filled is None:
            if events:  # an error that no picture follows: do not spin
                time.sleep(min(timeout_s, _NAP_S))
            yield None
            return
        index, _, used, flags, _, seconds, microseconds, *_ = filled
        stamp_s = seconds + microseconds / 1e6 if flags & _CLOCKS == _MONOTONIC else None
        try:
            with memoryview(self._maps[index]) as mapped, mapped[:used] as data:
                yield RawPicture(data, stamp_s, bool(flags & _ERROR) or used == 0)
        finally:
            self._enqueue(index)

    def close(self) -> None:
        """Stop and let go of the camera; may be called more than once."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        with contextlib.suppress(OSError):  # it may be gone
            v4l2.ioctl(fd, _VIDIOC_STREAMOFF, bytearray(struct.pack("=i", _BUF_TYPE_CAPTURE)))
        while self._maps:
            self._maps.pop().close()
        os.close(fd)

    def _map_buffers(self) -> None:
        request = bytearray(_REQUEST.pack(BUFFERS, _BUF_TYPE_CAPTURE, _MEMORY_MMAP))
        v4l2.ioctl(self._fd, _VIDIOC_REQBUFS, request)
        for index in range(_REQUEST.unpack(request)[0]):
            buffer = _empty_buffer(index)
            v4l2.ioctl(self._fd, _VIDIOC_QUERYBUF, buffer)
            *_, offset, length = _BUFFER.unpack(buffer)
            self._maps.append(mmap.mmap(self._fd, length, mmap.MAP_SHARED, offset=offset))
            self._enqueue(index)

    def _enqueue(self, index: int) -> None:
        v4l2.ioctl(self._fd, _VIDIOC_QBUF, _empty_buffer(index))

    def _dequeue(self) -> tuple[int, ...] | None:
        """A buffer that is filled, if there is one."""
        buffer = _empty_buffer(0)
        try:
            v4l2.ioctl(self._fd, _VIDIOC_DQBUF, buffer)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            raise
        return _BUFFER.unpack(buffer)


def _empty_buffer(index: int) -> bytearray:
    return bytearray(_BUFFER.pack(index, _BUF_TYPE_CAPTURE, 0, 0, 0, 0, 0, 0, _MEMORY_MMAP, 0, 0))


def _ask(fd: int, request: int, fourcc: str, width: int, height: int) -> PictureFormat:
    code = int.from_bytes(fourcc.ljust(4).encode("latin-1"), "little")
    argument = bytearray(_FORMAT.pack(_BUF_TYPE_CAPTURE, width, height, code, 0, 0, 0, 0, _EXTENDED, 0, 0, 0))
    v4l2.ioctl(fd, request, argument)
    _, width, height, code, _, stride, size, space, priv, _, matrix, levels = _FORMAT.unpack(argument)
    if priv != _EXTENDED:
        matrix = levels = 0
    # What a driver leaves open follows from the colour space, as in videodev2.h.
    matrix = matrix or (_MATRIX_709 if space in {_SPACE_REC709, _SPACE_DCI_P3} else _MATRIX_601)
    name = code.to_bytes(4, "little").decode("latin-1").strip()
    # Of brightness alone the sensor's own values come, as of RGB, unless the driver says otherwise.
    levels = levels or (_RANGE_FULL if space == _SPACE_JPEG or name == "GREY" else _RANGE_LIMITED)
    return PictureFormat(name, width, height, stride, size, levels == _RANGE_FULL, matrix == _MATRIX_709)


def _set_rate(fd: int, fps: float) -> float:
    """Ask for a rate; the one that holds, or the one that was asked for where the driver knows of none."""
    argument = bytearray(_PARAMETERS.pack(_BUF_TYPE_CAPTURE, 0, 0, 1000, round(1000 * fps)))
    try:
        v4l2.ioctl(fd, _VIDIOC_S_PARM, argument)
    except OSError:
        return fps
    _, capability, _, numerator, denominator = _PARAMETERS.unpack(argument)
    return denominator / numerator if capability & _HAS_RATE and numerator and denominator else fps
