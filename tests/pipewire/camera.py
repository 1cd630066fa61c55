"""A camera in a PipeWire session for tests, which shows one picture."""

from __future__ import annotations

import threading

import cv2
from pyvirtualcam import PixelFormat
from pyvirtualcam.util import encode_fourcc

from livewarp.arrays import BgrFrame
from livewarp.sinks.pipewire import PipeWireCamera


class ShownCamera:
    """A camera of the session that shows one picture for ever."""

    def __init__(self, name: str, bgr: BgrFrame, fps: float) -> None:
        fourcc = encode_fourcc(PixelFormat.I420.value)
        self.node = PipeWireCamera(width=bgr.shape[1], height=bgr.shape[0], fps=fps, fourcc=fourcc, device=name)
        self._i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
        self._period_s = 1 / fps
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self._period_s):
            self.node.send(self._i420)

    def close(self) -> None:
        """Take it away."""
        self._ended.set()
        self._thread.join()
        self.node.close()
