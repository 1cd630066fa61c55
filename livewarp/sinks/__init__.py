"""Sinks: where frames go. `open_sink` turns what a person asked for into one of them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from livewarp.errors import SettingsError, SinkError

if TYPE_CHECKING:
    from livewarp.arrays import BgrFrame

ALLOWED = "auto, virtualcam, virtualcam:DEVICE, file:PATH or null"

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where frames go."""

    @property
    def name(self) -> str:
        """For people: "null", "file out.mp4", "virtual camera /dev/video10"."""

    def send(self, pixels: BgrFrame) -> None:
        """Send one frame; the array is the caller's and changes after the call. Raises `SinkError`."""

    def close(self) -> None:
        """Release it; may be called more than once."""


def open_sink(wanted: str, width: int, height: int, fps: float, watch_at: str = "") -> Sink | None:
    """The sink that a person asked for.

    Parameters
    ----------
    wanted
        auto | virtualcam[:DEVICE] | file:PATH | null.
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
    if kind == "virtualcam" or wanted == "auto":
        from livewarp.sinks.virtualcam import VirtualCameraSink, how_to_get_one

        try:
            return VirtualCameraSink(width, height, fps, rest or None)
        except SinkError:
            if wanted != "auto":
                raise
            _log.info("sink: no virtual camera here; %s", how_to_get_one())
            _log.info("sink: none; watch at %s", watch_at)
            return None
    raise SettingsError(f"sink: got {wanted!r}, allowed: {ALLOWED}")
