"""Virtual cameras as outputs, all through pyvirtualcam: back ends of ours on Linux, OBS's elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import cv2
import numpy as np
import pyvirtualcam
from pyvirtualcam.camera import BACKENDS

from livewarp.arrays import BgrFrame
from livewarp.errors import SinkError
from livewarp.sinks import loopback, pipewire
from livewarp.sinks.camera import CameraSink, OpenCamera

_log = logging.getLogger(__name__)

# Always one by name: a registered back end would otherwise stand in when the real one is missing.
BACKEND = loopback.BACKEND if sys.platform.startswith("linux") else "obs"

# Back ends that take I420 and have more to them than pyvirtualcam asks for.
OURS = {loopback.BACKEND: loopback.LoopbackCamera, pipewire.BACKEND: pipewire.PipeWireCamera}

HOW_TO_GET_ONE = {
    "linux": loopback.GET_ONE,
    "darwin": "to get one: install OBS Studio 30 or later and start its virtual camera once",
    "win32": "to get one: install OBS Studio (its virtual camera comes with it)",
}


class CameraState(Protocol):
    """What a back end of ours has beyond pyvirtualcam's interface."""

    visible_to: str
    label: str  # the name that programs show

    @property
    def wanted(self) -> bool:
        """Whether a frame would be of use to anyone."""

    @property
    def watched(self) -> bool | None:
        """Whether someone watches."""

    def check(self) -> None:
        """Raise `SinkError` where it is not any more what was opened."""


class _UnknownState:
    """For a back end of somebody else's."""

    visible_to = "every program that uses cameras"
    label = ""
    wanted = True
    watched = None

    def check(self) -> None:
        """Nothing can be asked."""


def how_to_get_one() -> str:
    """How a person gets a virtual camera on this platform, in one line."""
    return HOW_TO_GET_ONE.get(sys.platform, "see the README for how to get one")


class VirtualCameraSink(CameraSink):
    """Sends frames to a virtual camera; a lost one is opened again.

    Parameters
    ----------
    width, height, fps
        Of the frames that will be sent.
    device
        The device, as in /dev/video10; None: the first that is free.
    backend
        pyvirtualcam's name of the back end.
    twin
        Another camera that gets the same frames: this one has its name, and hides where both would be listed.

    Raises
    ------
    SinkError
        There is no such device, it is in use, or may not be written.
    """

    def __init__(
        self,
        width: int,
        height: int,
        fps: float,
        device: str | None = None,
        backend: str = BACKEND,
        twin: VirtualCameraSink | None = None,
    ) -> None:
        more: dict[str, Any] = {}
        if twin is not None:
            more = {"label": twin.label, "twin": lambda: twin.device}

        def reopen(lost: OpenCamera | None) -> OpenCamera:
            if not isinstance(lost, VirtualCamera) or device is not None:
                return VirtualCamera(width, height, fps, device, backend, more)
            try:
                return VirtualCamera(width, height, fps, lost.device, backend, more)
            except SinkError:  # any will do, but whoever watches has the one that was lost
                return VirtualCamera(width, height, fps, None, backend, more)

        super().__init__(reopen)
        _log.info("%s is visible to %s", self.name, self.visible_to)

    @property
    def device(self) -> str:
        """Where it is, as in /dev/video10."""
        return self._shown.device if isinstance(self._shown, VirtualCamera) else ""


class VirtualCamera:
    """An opened virtual camera; the parameters are those of `VirtualCameraSink`, `more` is for the back end alone."""

    def __init__(
        self,
        width: int,
        height: int,
        fps: float,
        device: str | None,
        backend: str,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        for ours, made_by in OURS.items():
            pyvirtualcam.register_backend(ours, _keeping_refusals(made_by))
        kind = "PipeWire camera" if backend == pipewire.BACKEND else "virtual camera"
        if backend not in BACKENDS:  # Camera would raise a bare KeyError, and another one when it is collected
            raise SinkError(f"{kind}: back end", got=repr(backend), allowed=", ".join(BACKENDS))
        name = f"{kind} {device}" if device else kind
        refusals: list[SinkError] = []
        self.size_hw = (height, width)
        self._state: CameraState = _UnknownState()
        # I420 has a colour for every 2 × 2 pixels: a last odd row or column is left out.
        self._even_hw = (height & ~1, width & ~1)
        self._packs = backend in OURS
        if self._packs:
            height, width = self._even_hw
            self.packed_shape = (height * 3 // 2, width, 1)
            options = {"fmt": pyvirtualcam.PixelFormat.I420, "on_open": self._meet, "refusals": refusals, **more}
        else:
            self.packed_shape = (height, width, 3)
            options = {"fmt": pyvirtualcam.PixelFormat.BGR}
        try:
            self._camera = pyvirtualcam.Camera(width, height, fps, device=device, backend=backend, **options)
        except (RuntimeError, ValueError) as error:
            if refusals:
                raise _named(name, refusals[0]) from error
            why = " ".join(str(error).split()).removeprefix(f"'{backend}' backend: ")
            raise SinkError(f"{name}: {why}", remedy=how_to_get_one()) from error
        self.device: str = self._camera.device
        self.label = self._state.label
        self.name = f"{kind} {self.label if backend == pipewire.BACKEND else self.device}"
        self.visible_to = self._state.visible_to

    @property
    def wanted(self) -> bool:
        """Whether a frame would be of use to anyone."""
        return self._state.wanted

    @property
    def watched(self) -> bool | None:
        """Whether someone watches; None: the camera cannot say."""
        return self._state.watched

    def pack(self, pixels: BgrFrame, buffer: BgrFrame) -> None:
        """BGR → I420 for back ends of ours; others get a copy."""
        if self._packs:
            height, width = self._even_hw
            cv2.cvtColor(pixels[:height, :width], cv2.COLOR_BGR2YUV_I420, buffer[:, :, 0])
        else:
            np.copyto(buffer, pixels)

    def write(self, buffer: BgrFrame) -> None:
        """Send what was packed."""
        try:
            self._camera.send(buffer)
        except (RuntimeError, ValueError, OSError) as error:
            raise SinkError(f"{self.name}: {' '.join(str(error).split())}") from error
        except SinkError as error:
            raise _named(self.name, error) from error

    def check(self) -> None:
        """Raise `SinkError` where the camera is not any more what was opened."""
        try:
            self._state.check()
        except SinkError as error:
            raise _named(self.name, error) from error

    def close(self) -> None:
        """Release the device; may be called more than once."""
        self._camera.close()

    def _meet(self, state: CameraState) -> None:
        self._state = state


def _keeping_refusals(open_camera: Callable[..., Any]) -> Callable[..., Any]:
    """A back end that also keeps the error with which it cannot be opened: pyvirtualcam passes on its text alone."""

    def open_or_refuse(*, refusals: list[SinkError], **options: Any) -> Any:
        try:
            return open_camera(**options)
        except SinkError as error:
            refusals.append(error)
            raise

    return open_or_refuse


def _named(name: str, error: SinkError) -> SinkError:
    """The same error, with the name of the camera before it."""
    return SinkError(f"{name}: {error.problem.what}", remedy=error.remedy)


def automatic_cameras(width: int, height: int, fps: float) -> list[VirtualCameraSink]:
    """Every kind of camera that programs here look at, under one name; what the others lack is logged.

    Most programs know Video4Linux alone; Firefox on Fedora, GNOME and sandboxed programs know PipeWire alone.
    """
    cameras: list[VirtualCameraSink] = []
    for backend in dict.fromkeys((BACKEND, *([pipewire.BACKEND] if sys.platform.startswith("linux") else []))):
        try:
            twin = cameras[0] if cameras else None
            cameras.append(VirtualCameraSink(width, height, fps, backend=backend, twin=twin))
        except SinkError as error:
            _log.info("sink: %s", error)
    return cameras
