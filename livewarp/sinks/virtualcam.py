"""A virtual camera as a sink, through pyvirtualcam: v4l2loopback on Linux, OBS elsewhere."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from pathlib import Path

import pyvirtualcam
from pyvirtualcam.camera import BACKENDS

from livewarp.arrays import BgrFrame
from livewarp.errors import SinkError

# Always one by name: a registered back end would otherwise stand in when the real one is missing.
BACKEND = "v4l2loopback" if sys.platform.startswith("linux") else "obs"

HOW_TO_GET_ONE = {
    "linux": "to get one: sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback exclusive_caps=1 "
    "card_label=livewarp",
    "darwin": "to get one: install OBS Studio 30 or later and start its virtual camera once",
    "win32": "to get one: install OBS Studio (its virtual camera comes with it)",
}

# Of linux/videodev2.h.
_VIDIOC_QUERYCAP = 0x80685600
_VIDIOC_STREAMON = 0x40045612
_BUF_TYPE_VIDEO_OUTPUT = 2
_CAPTURE_OR_OUTPUT = 0x3
_CAPABILITY = struct.Struct("=16s32s32sIII12x")  # driver, card, bus, version, capabilities, device_caps


def how_to_get_one() -> str:
    """How a person gets a virtual camera on this platform, in one line."""
    return HOW_TO_GET_ONE.get(sys.platform, "see the README for how to get one")


class VirtualCameraSink:
    """Sends frames to a virtual camera.

    Parameters
    ----------
    width, height, fps
        Of the frames that will be sent.
    device
        The device, as in /dev/video10; None: the first that is free.
    backend
        pyvirtualcam's name of the back end.

    Raises
    ------
    SinkError
        There is no such device, it is in use, or may not be written.
    """

    def __init__(self, width: int, height: int, fps: float, device: str | None = None, backend: str = BACKEND) -> None:
        if backend not in BACKENDS:  # Camera would raise a bare KeyError, and another one when it is collected
            raise SinkError(f"virtual camera: back end {backend!r}, allowed here: {', '.join(BACKENDS)}")
        if backend == "v4l2loopback":
            _free_stuck(device)
        try:
            self._camera = pyvirtualcam.Camera(
                width, height, fps, fmt=pyvirtualcam.PixelFormat.BGR, device=device, backend=backend
            )
        except (RuntimeError, ValueError) as error:
            raise SinkError(f"virtual camera {device or ''}: {_one_line(error)}; {how_to_get_one()}") from error
        self.name = f"virtual camera {self._camera.device}"

    def send(self, pixels: BgrFrame) -> None:
        """Send one frame (height, width, 3); the array may be changed after the call."""
        try:
            self._camera.send(pixels)
        except (RuntimeError, ValueError) as error:
            raise SinkError(f"{self.name}: {_one_line(error)}") from error

    def close(self) -> None:
        """Release the device; may be called more than once."""
        self._camera.close()


def _free_stuck(device: str | None) -> None:
    """Make an output again of the device, or all, that v4l2loopback 0.12 left as nothing when its writer ended."""
    import fcntl

    for node in [Path(device)] if device else sorted(Path("/dev").glob("video*")):
        with contextlib.suppress(OSError):
            fd = os.open(node, os.O_RDWR | os.O_NONBLOCK)
            try:
                reply = bytearray(_CAPABILITY.size)
                fcntl.ioctl(fd, _VIDIOC_QUERYCAP, reply)
                driver, *_, device_caps = _CAPABILITY.unpack(reply)
                if driver.startswith(b"v4l2 loopback") and not device_caps & _CAPTURE_OR_OUTPUT:
                    fcntl.ioctl(fd, _VIDIOC_STREAMON, struct.pack("i", _BUF_TYPE_VIDEO_OUTPUT))
            finally:
                os.close(fd)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
