"""A pyvirtualcam back end for v4l2loopback that sees what goes wrong.

Notes
-----
pyvirtualcam's own prints the errors of writes and counts the frame as sent, holds the GIL while it writes,
checks no size, and cannot open again what v4l2loopback 0.12 left behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyvirtualcam import PixelFormat
from pyvirtualcam.util import encode_fourcc

from livewarp.errors import SinkError
from livewarp.sinks.viewers import viewers_of
from livewarp.system import v4l2

BACKEND = "livewarp-v4l2"
FOURCC = "YU12"  # the kernel's name of I420

_TAKEN = frozenset({errno.EBUSY, errno.EWOULDBLOCK})  # the second is what a lock says

LOAD = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=livewarp"
NO_DEVICE = f"no v4l2loopback device here; to get one: sudo apt install v4l2loopback-dkms && {LOAD}"


class LoopbackCamera:
    """Writes I420 frames to a v4l2loopback device.

    Parameters
    ----------
    width, height, fps, fourcc, device
        As pyvirtualcam gives them; None is the first device that is free.
    on_open
        Called with the camera once it is open, so that its user meets it behind pyvirtualcam's front.

    Raises
    ------
    SinkError
        It cannot be had; the text names the remedy.
    """

    visible_to = "every program that uses cameras (browsers and Zoom: with the module's exclusive_caps=1)"
    wanted = True  # a reader that comes is to find a picture

    def __init__(
        self,
        *,
        width: int,
        height: int,
        fps: float,
        fourcc: int,
        device: str | None,
        on_open: Callable[[Any], None] = lambda camera: None,
    ) -> None:
        if fourcc != encode_fourcc(PixelFormat.I420.value):
            raise SinkError("takes I420 only")
        self._fourcc = fourcc
        self._bytes = width * height * 3 // 2
        problems = []
        for node in [device] if device is not None else v4l2.nodes():
            try:
                self._fd = self._open(node, width, height, fps)
            except _NotLoopback:
                if device is not None:
                    raise
            except SinkError as error:
                problems.append(str(error) if device is not None else f"{node}: {error}")
            else:
                self._node = node
                break
        else:
            raise SinkError("; ".join(problems) or NO_DEVICE)
        self._wanted = v4l2.output_format(self._fd)
        self._viewers = viewers_of(self._fd, node)
        on_open(self)

    @property
    def watched(self) -> bool | None:
        """Whether someone reads from it."""
        return self._viewers.watched

    def send(self, frame: NDArray[np.uint8]) -> None:
        """Write one frame, (width · height · 3/2,) uint8."""
        try:
            written = os.write(self._fd, frame.data)
        except OSError as error:
            raise SinkError(self._explain(error)) from error
        if written != self._bytes:
            raise SinkError(f"took {written} of {self._bytes} bytes: {self._changed()}")

    def check(self) -> None:
        """Raise `SinkError` where the device has gone or takes another format."""
        try:
            now = v4l2.output_format(self._fd)
        except OSError as error:
            raise SinkError(self._explain(error)) from error
        if now != self._wanted:
            raise SinkError(self._changed())

    def close(self) -> None:
        """Release the device."""
        self._viewers.close()
        os.close(self._fd)

    def device(self) -> str:
        """The node."""
        return self._node

    def native_fourcc(self) -> int:
        """I420."""
        return self._fourcc

    def _open(self, node: str, width: int, height: int, fps: float) -> int:
        """A descriptor of the node, at that format."""
        import fcntl

        try:
            if not stat.S_ISCHR(os.stat(node).st_mode):
                raise _NotLoopback(f"is no device; {_remedy()}")
            with contextlib.suppress(OSError):
                v4l2.free_stuck(node)
            fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SinkError(_cannot_open(error)) from error
        try:
            seen = _capabilities(fd)
            if not seen.loopback:
                raise _NotLoopback(f"is {seen.card or 'no camera'}, not a v4l2loopback device; {_remedy()}")
            # v4l2loopback 0.12 lets two write, where it does not hide what is taken.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not seen.device_caps & v4l2.OUTPUT and not _left_to_readers(node):
                raise SinkError(_taken(node))
            made = v4l2.set_output_format(fd, width, height, FOURCC, self._bytes)
            if made[:3] != (width, height, FOURCC):
                raise SinkError(
                    f"keeps {made.width}x{made.height} {made.fourcc}, asked for {width}x{height} {FOURCC}; "
                    f"close the programs that use it{_named(node)}"
                )
            with contextlib.suppress(OSError):  # only what readers are told
                v4l2.set_output_rate(fd, fps)
            return fd
        except OSError as error:
            os.close(fd)
            raise SinkError(_taken(node) if error.errno in _TAKEN else _cannot_open(error)) from error
        except BaseException:
            os.close(fd)
            raise

    def _explain(self, error: OSError) -> str:
        if error.errno in {errno.ENODEV, errno.ENXIO, errno.EIO}:
            return f"the device has gone; load the module again: {LOAD}"
        if error.errno in _TAKEN:
            return _taken(self._node)
        if error.errno == errno.EINVAL:
            return self._changed()
        return f"{error.strerror}; load the module again: sudo modprobe -r v4l2loopback && {LOAD}"

    def _changed(self) -> str:
        now = v4l2.loopback_format(self._node) or "another format"
        return f"was set to {now} by another program; close that{_named(self._node)}"


class _NotLoopback(SinkError):
    """A node of another driver: of no interest unless it was named."""


def _capabilities(fd: int) -> v4l2.Capabilities:
    try:
        return v4l2.capabilities(fd)
    except OSError as error:
        raise _NotLoopback(f"is no video device; {_remedy()}") from error


def _cannot_open(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ENXIO, errno.ENODEV}:
        return f"does not exist; {_remedy()}"
    if isinstance(error, PermissionError):
        return "may not be written; join the group that may: sudo usermod -aG video $USER, then log in again"
    return f"{error.strerror or error}; {_remedy()}"


def _remedy() -> str:
    found = [f"{node} ({card})" for node, card in _loopbacks()]
    return f"allowed here: {', '.join(found)}" if found else NO_DEVICE


def _loopbacks() -> list[tuple[str, str]]:
    """The v4l2loopback nodes of this machine, with their labels."""
    found = []
    for node in v4l2.nodes():
        with contextlib.suppress(OSError):
            seen = v4l2.capabilities(node)
            if seen.loopback:
                found.append((node, seen.card))
    return found


def _left_to_readers(node: str) -> bool:
    """Whether those who hold a node all read from it: 0.12 lets nobody see that the writer has gone while they do."""
    held = v4l2.holders(node)
    return bool(held) and all(v4l2.maps(pid, node) for pid, _ in held)


def _taken(node: str) -> str:
    return f"is in use by another program; close it{_named(node)}"


def _named(node: str) -> str:
    """Who has it open, to be appended to a sentence."""
    with contextlib.suppress(OSError):
        held = ", ".join(f"{command} (pid {pid})" for pid, command in v4l2.holders(node))
        return f": {held}" if held else ""
    return ""
