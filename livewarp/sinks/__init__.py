"""Sinks: where frames go. `SINK_KINDS` is the one table of them.

A new sink is a module with the sink, and an entry here: options, error texts, `auto`, `livewarp devices` and
`livewarp doctor` derive from the table. What an entry needs is imported when it is called, so that commands
which only name sinks start at once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from livewarp.errors import Problem, SettingsError, did_you_mean
from livewarp.system.regular import expanded

if TYPE_CHECKING:
    from livewarp.arrays import BgrFrame
    from livewarp.sinks.places import CameraPlace
    from livewarp.system.machine import Machine

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where frames go. All but `send` and `close` is cheap to read, from any thread."""

    @property
    def name(self) -> str:
        """For people: "null", "file out.mp4", "virtual camera /dev/video10"."""

    @property
    def records(self) -> bool:
        """Whether it keeps what it gets: then it gets frames of the source alone, and no placeholders."""

    @property
    def dropped(self) -> int:
        """Frames that it was too slow for, or that came while the output was gone."""

    @property
    def problem(self) -> Problem | None:
        """What is wrong while it lasts; None: all is well."""

    @property
    def watched(self) -> bool | None:
        """Whether someone watches it now; always True of one that keeps what it gets; None: the camera cannot say."""

    def send(self, pixels: BgrFrame) -> None:
        """Send one frame and return at once; the array is the caller's and changes after the call.

        Raises
        ------
        SinkError
            The frame has another size, or a recording cannot go on. What is wrong with a camera is a `problem`.
        """

    def close(self) -> None:
        """Release it; may be called more than once."""


class Geometry(NamedTuple):
    """Of the frames that a sink will be sent: px, px, frames a second; and whether it may replace a file."""

    width: int
    height: int
    fps: float
    force: bool = False


@dataclass(frozen=True)
class SinkKind:
    """A kind of sink.

    Attributes
    ----------
    name
        How a person asks for it, up to a colon.
    forms
        All ways to ask for it, for people.
    pattern
        The whole text that asks for it, as a regular expression.
    open
        Gets what follows the colon. []: there is none here (`auto`). Raises `SinkError`.
    camera
        Whether other programs see it as a camera.
    places
        Where at a machine programs would see it, as `livewarp devices` and `livewarp doctor` list them.
    file
        Whether what follows the colon is the path of a file, which it writes.
    """

    name: str
    forms: tuple[str, ...]
    pattern: str
    open: Callable[[str, Geometry], list[Sink]]
    camera: bool = False
    places: Callable[[Machine], tuple[CameraPlace, ...]] | None = None
    file: bool = False


def _open_auto(rest: str, geometry: Geometry) -> list[Sink]:
    """Every kind of camera that programs here look at; what others lack is logged."""
    from livewarp.sinks.virtualcam import automatic_cameras

    return list(automatic_cameras(*geometry[:3]))


def _open_virtual_camera(rest: str, geometry: Geometry) -> list[Sink]:
    from livewarp.sinks.virtualcam import VirtualCameraSink

    return [VirtualCameraSink(*geometry[:3], rest or None)]


def _virtual_camera_places(machine: Machine) -> tuple[CameraPlace, ...]:
    from livewarp.sinks.places import virtual_camera_places

    return virtual_camera_places(machine)


def _open_pipewire(rest: str, geometry: Geometry) -> list[Sink]:
    from livewarp.sinks.pipewire import BACKEND
    from livewarp.sinks.virtualcam import VirtualCameraSink

    return [VirtualCameraSink(*geometry[:3], backend=BACKEND)]


def _pipewire_places(machine: Machine) -> tuple[CameraPlace, ...]:
    from livewarp.sinks.places import pipewire_places

    return pipewire_places(machine)


def _open_file(rest: str, geometry: Geometry) -> list[Sink]:
    from livewarp.sinks.sender import Sender
    from livewarp.sinks.videofile import VideoFileSink

    sink = VideoFileSink(expanded(rest), *geometry)
    return [Sender(sink, geometry.width, geometry.height)]


def _open_null(rest: str, geometry: Geometry) -> list[Sink]:
    from livewarp.sinks.null import NullSink

    return [NullSink()]


SINK_KINDS: tuple[SinkKind, ...] = (
    SinkKind("auto", ("auto",), "auto", _open_auto, camera=True),
    SinkKind(
        "virtualcam",
        ("virtualcam", "virtualcam:DEVICE"),
        "virtualcam(:.+)?",
        _open_virtual_camera,
        camera=True,
        places=_virtual_camera_places,
    ),
    SinkKind(
        "pipewire",
        ("pipewire",),
        "pipewire",
        _open_pipewire,
        camera=True,
        places=_pipewire_places,
    ),
    SinkKind("file", ("file:PATH",), "(?s:file:.+)", _open_file, file=True),
    SinkKind("null", ("null",), "null", _open_null),
)
"""In the order in which they are listed: first what more programs can see."""

_FORMS = [form for kind in SINK_KINDS for form in kind.forms]
ALLOWED = f"{', '.join(_FORMS[:-1])} or {_FORMS[-1]}"


def sink_kind(wanted: str) -> SinkKind:
    """The kind of sink that the text asks for.

    Raises
    ------
    SettingsError
        It names no sink.
    """
    for kind in SINK_KINDS:
        if re.fullmatch(kind.pattern, wanted):
            return kind
    remedy = did_you_mean(wanted.partition(":")[0], (kind.name for kind in SINK_KINDS))
    raise SettingsError("sink", got=repr(wanted), allowed=ALLOWED, remedy=remedy)


def written_file(wanted: str) -> Path | None:
    """The file that the sink will write, if it writes one."""
    return expanded(wanted.partition(":")[2]) if sink_kind(wanted).file else None


def open_sinks(wanted: str, width: int, height: int, fps: float, watch_at: str = "", force: bool = False) -> list[Sink]:
    """The sink that a person asked for; `auto` may be several.

    Parameters
    ----------
    wanted
        One of `ALLOWED`.
    width, height, fps
        Of the frames that will be sent.
    watch_at
        Where the output can be watched instead, for the log.
    force
        Whether a file that exists may be replaced.

    Returns
    -------
    list of Sink
        []: `auto` found no virtual camera; the log says how to get one.

    Raises
    ------
    SettingsError
        `wanted` names no sink, or a file that exists while `force` is False.
    SinkError
        It cannot be opened.
    """
    sinks = sink_kind(wanted).open(wanted.partition(":")[2], Geometry(width, height, fps, force))
    if not sinks:
        _log.info("sink: none; watch at %s", watch_at)
    return sinks
