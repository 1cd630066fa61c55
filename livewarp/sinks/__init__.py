"""Sinks: where frames go. `open_sink` turns what a person asked for into one of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from livewarp.errors import SettingsError, SinkError

if TYPE_CHECKING:
    from livewarp.arrays import BgrFrame
    from livewarp.sinks.camera import CameraSink

ALLOWED = "auto, virtualcam, virtualcam:DEVICE, pipewire, file:PATH or null"

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where frames go. All but `send` and `close` is cheap to read, from any thread."""

    @property
    def name(self) -> str:
        """For people: "null", "file out.mp4", "virtual camera /dev/video10"."""

    @property
    def dropped(self) -> int:
        """Frames that it was too slow for, or that came while the output was gone."""

    @property
    def problem(self) -> str | None:
        """What is wrong and the remedy, one line, while it lasts; None: all is well."""

    @property
    def watched(self) -> bool | None:
        """Whether someone looks at it now; always True of a sink that keeps what it gets; None: cannot be known."""

    def send(self, pixels: BgrFrame) -> None:
        """Send one frame and return at once; the array is the caller's and changes after the call.

        Raises
        ------
        SinkError
            The frame has another size, or a recording cannot go on. What ails a camera is a `problem`.
        """

    def close(self) -> None:
        """Release it; may be called more than once."""


def open_sink(wanted: str, width: int, height: int, fps: float, watch_at: str = "") -> Sink | None:
    """The sink that a person asked for.

    Parameters
    ----------
    wanted
        auto | virtualcam[:DEVICE] | pipewire | file:PATH | null.
    width, height, fps
        Of the frames that will be sent.
    watch_at
        Where the output can be seen instead, for the log.

    Returns
    -------
    Sink or None
        None: `auto` found no virtual camera; the log says how to get one.

    Raises
    ------
    SettingsError
        `wanted` names no sink.
    SinkError
        It cannot be opened.
    """
    kind, _, rest = wanted.partition(":")
    if wanted == "null":
        from livewarp.sinks.null import NullSink

        return NullSink()
    if kind == "file" and rest:
        from livewarp.sinks.sender import Sender
        from livewarp.sinks.videofile import VideoFileSink

        return Sender(VideoFileSink(Path(rest).expanduser(), width, height, fps), width, height)
    if kind == "virtualcam" and (rest or wanted == kind):
        return _told(_virtual_camera(width, height, fps, rest or None))
    if wanted == "pipewire":
        return _told(_pipewire_camera(width, height, fps))
    if wanted == "auto":
        return _auto(width, height, fps, watch_at)
    raise SettingsError(f"sink: got {wanted!r}, allowed: {ALLOWED}")


def _virtual_camera(width: int, height: int, fps: float, device: str | None = None) -> CameraSink:
    from livewarp.sinks.virtualcam import VirtualCameraSink

    return VirtualCameraSink(width, height, fps, device)


def _pipewire_camera(width: int, height: int, fps: float) -> CameraSink:
    from livewarp.sinks.pipewire import BACKEND
    from livewarp.sinks.virtualcam import VirtualCameraSink

    return VirtualCameraSink(width, height, fps, backend=BACKEND)


# What `auto` tries, the one that more programs can see first.
_AUTO: tuple[Callable[[int, int, float], CameraSink], ...] = (_virtual_camera, _pipewire_camera)


def _auto(width: int, height: int, fps: float, watch_at: str) -> Sink | None:
    """The first camera that can be had here; what those before it lack is logged."""
    for make in _AUTO:
        try:
            return _told(make(width, height, fps))
        except SinkError as error:
            _log.info("sink: %s", error)
    _log.info("sink: none; watch at %s", watch_at)
    return None


def _told(camera: CameraSink) -> Sink:
    _log.info("%s is visible to %s", camera.name, camera.visible_to)
    return camera
