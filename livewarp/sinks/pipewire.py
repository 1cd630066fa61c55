"""A pyvirtualcam back end that is a camera of the PipeWire session: no kernel module, no root.

Threads: PipeWire's own loop calls `_on_state` and `_on_format`; whatever else touches the stream holds the
loop's lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyvirtualcam import PixelFormat
from pyvirtualcam.util import encode_fourcc

from livewarp.errors import SinkError
from livewarp.sinks.viewers import SteadyWatch
from livewarp.system import libpipewire as pw
from livewarp.system import spa
from livewarp.system.libpipewire import NO_DAEMON, START_IT
from livewarp.system.pipewireloop import PipeWireLoop, Unreachable
from livewarp.system.sessionlist import SessionList

BACKEND = "livewarp-pipewire"
NAME = "livewarp"  # programs remember a camera by its node's name, so it stays the same
ANSWER_S = 3.0  # a daemon that is alive answers in milliseconds

_log = logging.getLogger(__name__)


class PipeWireCamera:
    """Sends I420 frames to whoever watches the PipeWire camera.

    Parameters
    ----------
    width, height, fps, fourcc, device
        As pyvirtualcam gives them; `device` is the node's name.
    label
        The name that programs show; "": the node's.
    twin
        Gives the device node ("": none) at which the same pictures can be had by Video4Linux. While the session lists
        that one as a camera, too, this one is none, so that nobody has to choose between two of one name.
    on_open
        Called with the camera once it is open, so that its user meets it behind pyvirtualcam's front.

    Raises
    ------
    SinkError
        No library or no daemon.
    """

    visible_to = (
        "OBS and other programs that use PipeWire; Firefox with media.webrtc.camera.allow-pipewire in about:config; "
        'Chromium with "PipeWire Camera support" in chrome://flags'
    )

    def __init__(
        self,
        *,
        width: int,
        height: int,
        fps: float,
        fourcc: int,
        device: str | None,
        label: str = "",
        twin: Callable[[], str] = lambda: "",
        on_open: Callable[[Any], None] = lambda camera: None,
    ) -> None:
        if fourcc != encode_fourcc(PixelFormat.I420.value):
            raise SinkError("takes I420 only")
        self._fourcc = fourcc
        self._name = device or NAME
        self.label = label or self._name
        self._twin = twin
        self._shown = True
        self._offers = [spa.enum_format(name, width, height, fps) for name in spa.LAYOUTS]
        self._viewers = SteadyWatch()
        self._agreed: spa.Negotiated | None = None
        self._state = pw.STATE_CONNECTING
        self._error = ""
        self._answered = threading.Event()
        self._number = 0
        # What C holds pointers to, for as long as the stream lives.
        self._hook = ctypes.create_string_buffer(pw.HOOK_BYTES)
        self._events = pw.StreamEvents(
            version=2, state_changed=pw.StateChanged(self._on_state), param_changed=pw.ParamChanged(self._on_format)
        )
        try:
            self._loop = PipeWireLoop(b"pipewire")
        except Unreachable as error:
            raise SinkError(error.args[0], remedy=error.args[1]) from error
        try:
            with self._loop.locked():
                self._session = SessionList(self._loop.connect())
                self._offer()
            self._answered.wait(ANSWER_S)
            if not self._works():
                raise SinkError(f"{NO_DAEMON}{self._reason()}", remedy=START_IT)
        except Unreachable as error:
            self.close()
            raise SinkError(error.args[0], remedy=error.args[1]) from error
        except BaseException:
            self.close()
            raise
        on_open(self)

    @property
    def wanted(self) -> bool:
        """Whether a viewer takes frames at this moment."""
        return self._state == pw.STATE_STREAMING and self._agreed is not None

    @property
    def watched(self) -> bool:
        """Whether someone watches, or did a moment ago."""
        return self._viewers.watched

    def send(self, frame: NDArray[np.uint8]) -> None:
        """Hand one frame, (width · height · 3/2,) uint8, to the viewers, if there are any."""
        self.check()
        with self._loop.locked():
            if not self.wanted or self._agreed is None:
                return
            library, stream = self._loop.library, self._loop.stream
            taken = library.pw_stream_dequeue_buffer(stream)
            if taken:
                self._fill(taken.contents.buffer.contents, frame, self._agreed)
                library.pw_stream_queue_buffer(stream, taken)
            # Without a free buffer too: it is what brings them back.
            library.pw_stream_trigger_process(stream)

    def check(self) -> None:
        """Raise `SinkError` where the connection is lost."""
        if self._state < pw.STATE_CONNECTING:
            raise SinkError(f"the connection to PipeWire is lost{self._reason()}", remedy=START_IT)
        twin = f"v4l2:{self._twin()}"
        with self._loop.locked():
            shown = all(about.get("object.path") != twin for about in self._session.cameras())
            if shown is not self._shown:
                self._shown = shown
                self._offer()
                why = (
                    "shows it again as a camera"
                    if shown
                    else "lists the virtual camera itself: one of the two is enough"
                )
                _log.info("PipeWire camera %s: the session %s", self.label, why)

    def close(self) -> None:
        """Take the camera away."""
        self._loop.close()

    def device(self) -> str:
        """Its name."""
        return self._name

    def native_fourcc(self) -> int:
        """I420."""
        return self._fourcc

    def _reason(self) -> str:
        """What PipeWire said, to be appended to a sentence."""
        return f" ({self._error})" if self._error else ""

    def _works(self) -> bool:
        return self._state >= pw.STATE_PAUSED

    def _offer(self) -> None:
        """Be a camera of the session; or, while its twin is one, a node that no program looks for."""
        properties = {
            **({"media.class": "Video/Source", "media.role": "Camera"} if self._shown else {}),
            "node.name": self._name,
            "node.description": self.label,  # browsers leave out a camera without one
            "node.nick": self.label,
            "node.virtual": "true",
        }
        flags = pw.FLAG_DRIVER | pw.FLAG_MAP_BUFFERS
        listener = self._hook, self._events
        self._loop.open_stream(self._name, properties, listener, pw.DIRECTION_OUTPUT, flags, self._offers)

    def _fill(self, buffer: pw.SpaBuffer, frame: NDArray[np.uint8], agreed: spa.Negotiated) -> None:
        data = buffer.datas[0]
        size = spa.frame_bytes(*agreed)
        chunk = data.chunk.contents
        chunk.offset, chunk.flags, chunk.stride = 0, 0, spa.stride_bytes(agreed.format, agreed.width)
        chunk.size = 0
        if data.data and data.maxsize >= size:
            out = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(data.data))
            spa.LAYOUTS[agreed.format].fill(frame, out, agreed.width, agreed.height)
            chunk.size = size
        for i in range(buffer.n_metas):
            meta = buffer.metas[i]
            if meta.type == spa.META_HEADER and meta.size >= ctypes.sizeof(pw.Header):
                header = pw.Header.from_address(meta.data)
                header.flags = header.offset = header.dts_offset = 0
                header.pts, header.seq = time.monotonic_ns(), self._number
        self._number += 1

    def _on_state(self, data: object, old: int, new: int, error: bytes | None) -> None:
        """Of the loop's thread."""
        self._state = new
        self._error = error.decode("utf-8", "replace") if error else ""
        self._viewers.update(new == pw.STATE_STREAMING)
        if new != pw.STATE_CONNECTING:
            self._answered.set()

    def _on_format(self, data: object, param: int, pod: int | None) -> None:
        """Of the loop's thread: a viewer has chosen, or the last one has gone."""
        if param != spa.PARAM_FORMAT:
            return
        self._agreed = None
        if pod:
            with contextlib.suppress(KeyError):  # none of our offers: no frames then
                agreed = spa.parse_format(pw.object_at(pod))
                array, kept = pw.pointers([spa.buffers(agreed), spa.header(ctypes.sizeof(pw.Header))])
                self._loop.library.pw_stream_update_params(self._loop.stream, array, len(kept))
                self._agreed = agreed
