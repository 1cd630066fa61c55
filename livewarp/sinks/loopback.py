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
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyvirtualcam import PixelFormat
from pyvirtualcam.util import encode_fourcc

from livewarp.errors import SinkError
from livewarp.sinks.places import MODPROBE
from livewarp.sinks.viewers import viewers_of
from livewarp.system import v4l2

BACKEND = "livewarp-v4l2"
FOURCC = "YU12"  # the kernel's name of I420

_TAKEN = frozenset({errno.EBUSY, errno.EWOULDBLOCK})  # the second is what a lock says

GET_ONE = f"to get one: sudo apt install v4l2loopback-dkms && {MODPROBE}"


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
        It cannot be had.
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
        self.label = ""
        refused: dict[str, SinkError] = {}
        for node in [device] if device is not None else v4l2.nodes():
            try:
                self._fd = self._open(node, width, height, fps)
            except _NotLoopback:
                if device is not None:
                    raise
            except SinkError as error:
                if device is not None:
                    raise
                refused[node] = error
            else:
                self._node = node
                break
        else:
            raise _none_of(refused)
        try:
            self._wanted = v4l2.output_format(self._fd)
            self._viewers = viewers_of(self._fd, node)
            on_open(self)
        except BaseException as error:  # with the descriptor goes the lock, which would refuse every later attempt
            os.close(self._fd)
            if isinstance(error, OSError):
                raise self._explained(error) from error
            raise

    @property
    def watched(self) -> bool | None:
        """Whether someone reads from it."""
        return self._viewers.watched

    def send(self, frame: NDArray[np.uint8]) -> None:
        """Write one frame, (width · height · 3/2,) uint8."""
        try:
            written = os.write(self._fd, frame.data)
        except OSError as error:
            raise self._explained(error) from error
        if written != self._bytes:
            changed = self._changed()
            raise SinkError(f"took {written} of {self._bytes} bytes: {changed.what}", remedy=changed.remedy)

    def check(self) -> None:
        """Raise `SinkError` where the device has gone or takes another format."""
        try:
            now = v4l2.output_format(self._fd)
        except OSError as error:
            raise self._explained(error) from error
        if now != self._wanted:
            raise self._changed()

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
                raise _NotLoopback("is no device", **_instead())
            with contextlib.suppress(OSError):
                v4l2.free_stuck(node)
            fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _cannot_open(error) from error
        try:
            found = _capabilities(fd)
            self.label = found.card
            if not found.loopback:
                raise _NotLoopback(f"is {found.card or 'no camera'}, not a v4l2loopback device", **_instead())
            # v4l2loopback 0.12 lets two write, where it does not hide what is taken.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not found.device_caps & v4l2.OUTPUT and not _left_to_readers(node):
                raise _taken(node)
            made = v4l2.set_output_format(fd, width, height, FOURCC, self._bytes)
            if made[:3] != (width, height, FOURCC):
                raise SinkError(
                    f"keeps {made.width}x{made.height} {made.fourcc}, asked for {width}x{height} {FOURCC}",
                    remedy=f"close the programs that use it{_named(node)}",
                )
            with contextlib.suppress(OSError):  # readers only ask for it
                v4l2.set_output_rate(fd, fps)
            return fd
        except OSError as error:
            os.close(fd)
            raise (_taken(node) if error.errno in _TAKEN else _cannot_open(error)) from error
        except BaseException:
            os.close(fd)
            raise

    def _explained(self, error: OSError) -> SinkError:
        if error.errno in {errno.ENODEV, errno.ENXIO, errno.EIO}:
            return SinkError("the device has gone", remedy=f"load the module again: {MODPROBE}")
        if error.errno in _TAKEN:
            return _taken(self._node)
        if error.errno == errno.EINVAL:
            return self._changed()
        return SinkError(
            str(error.strerror), remedy=f"load the module again: sudo modprobe -r v4l2loopback && {MODPROBE}"
        )

    def _changed(self) -> SinkError:
        now = v4l2.loopback_format(self._node) or "another format"
        return SinkError(f"was set to {now} by another program", remedy=f"close that{_named(self._node)}")


class _NotLoopback(SinkError):
    """A node of another driver: of no interest unless it was named."""


def _capabilities(fd: int) -> v4l2.Capabilities:
    try:
        return v4l2.capabilities(fd)
    except OSError as error:
        raise _NotLoopback("is no video device", **_instead()) from error


def _none_of(refused: Mapping[str, SinkError]) -> SinkError:
    """Why none of the v4l2loopback devices can be had."""
    if not refused:
        return SinkError("no v4l2loopback device here", remedy=GET_ONE)
    what = "; ".join(f"{node}: {error.problem.what}" for node, error in refused.items())
    remedies = dict.fromkeys(error.remedy for error in refused.values() if error.remedy)
    return SinkError(what, remedy=", or: ".join(remedies))


def _cannot_open(error: OSError) -> SinkError:
    if error.errno in {errno.ENOENT, errno.ENXIO, errno.ENODEV}:
        return SinkError("does not exist", **_instead())
    if isinstance(error, PermissionError):
        remedy = "join the group that may: sudo usermod -aG video $USER, then log in again"
        return SinkError("may not be written", remedy=remedy)
    return SinkError(error.strerror or str(error), **_instead())


def _instead() -> dict[str, str]:
    """For an error: the devices that would do, or how to get one."""
    found = [f"{node} ({card})" for node, card in _loopbacks()]
    return {"allowed": ", ".join(found)} if found else {"remedy": f"no v4l2loopback device here; {GET_ONE}"}


def _loopbacks() -> list[tuple[str, str]]:
    """The v4l2loopback nodes of this machine, with their labels."""
    found = []
    for node in v4l2.nodes():
        with contextlib.suppress(OSError):
            device = v4l2.capabilities(node)
            if device.loopback:
                found.append((node, device.card))
    return found


def _left_to_readers(node: str) -> bool:
    """Whether those who hold a node all read from it: while they do, 0.12 shows nobody that the writer has gone."""
    held = v4l2.holders(node)
    return bool(held) and all(v4l2.maps(pid, node) for pid, _ in held)


def _taken(node: str) -> SinkError:
    return SinkError("is in use by another program", remedy=f"close it{_named(node)}")


def _named(node: str) -> str:
    """Who has it open, to be appended to a sentence."""
    with contextlib.suppress(OSError):
        held = ", ".join(f"{command} (pid {pid})" for pid, command in v4l2.holders(node))
        return f": {held}" if held else ""
    return ""
