"""A camera of the PipeWire session as a source: laptops with MIPI cameras (IPU6) have no other.

Threads: PipeWire's own loop calls `_on_state`, `_on_format` and `_on_process`; whoever reads holds the loop's lock
while it decodes, so that the buffer stays.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import SourceError
from livewarp.sources.fitted import FittedSource
from livewarp.sources.pixels import Damaged, Decoder, Resized, decode_jpeg
from livewarp.sources.plan import DEFAULT_FPS, DEFAULT_HEIGHT, DEFAULT_WIDTH, Plan, Request, Source
from livewarp.sources.sessionnodes import OWN, PREFIX, is_loopback
from livewarp.system import cameraportal, spa, v4l2
from livewarp.system import libpipewire as pw
from livewarp.system.pipewireloop import PipeWireLoop, Unreachable
from livewarp.system.sessionlist import SessionList
from livewarp.system.streaming import PictureFormat

FIRST_FRAME_S = 5.0  # a camera of libcamera's takes two or three to wake up
TIMEOUT_S = 0.5  # of waiting for a picture; then whoever reads may do something else
LISTED_S = 1.0  # for the session to say what it has; it takes milliseconds
STALE_S = 1.0  # a time stamp older than this is of another clock


def plan_session(wanted: str, request: Request) -> Plan:
    """The camera that "pipewire" or "pipewire:NAME" names."""
    name = wanted.partition(":")[2]

    def open_camera() -> Source:
        width, height, fps = request.geometry()
        return FittedSource(SessionCamera(name, width, height, fps), width, height, request.fit)

    return Plan(wanted, True, *request.geometry(), open_camera)


class SessionCamera:
    """A camera of the PipeWire session; whoever reads it closes it when it goes silent and opens another one.

    Parameters
    ----------
    node
        The name of its node; "": the first, those of hardware before others.
    width, height, fps
        What the camera is asked for; it may deliver something else.

    Raises
    ------
    SourceError
        There is no library, daemon or camera of that name, or it delivers no frame.
    """

    live = True
    ended = False

    def __init__(
        self, node: str, width: int = DEFAULT_WIDTH, height: int = DEFAULT_HEIGHT, fps: float = DEFAULT_FPS
    ) -> None:
        self._node = node
        self._state, self._error = pw.STATE_CONNECTING, ""
        self._agreed: spa.Captured | None = None
        self._decoder: Decoder | None = None
        self._arrived = threading.Event()
        self._first: tuple[BgrFrame, float] | None = None
        self.damaged = 0
        self.width, self.height, self.fps = width, height, fps
        self.name = f"{node} "
        # What C holds pointers to, for as long as the stream lives.
        self._hook = ctypes.create_string_buffer(pw.HOOK_BYTES)
        self._events = pw.StreamEvents(
            version=2,
            state_changed=pw.StateChanged(self._on_state),
            param_changed=pw.ParamChanged(self._on_format),
            process=pw.Process(self._on_process),
        )
        try:
            self._loop = PipeWireLoop(b"camera")
        except Unreachable as error:
            raise SourceError(error.args[0], remedy=error.args[1]) from error
        try:
            with self._loop.locked():
                self._session = SessionList(self._loop.connect(_remote()))
            self._node, description, path = self._find(node)
            with self._loop.locked():
                self._open([spa.wanted_format(fourcc, width, height, fps) for fourcc in spa.WISHES])
            self._first = self._first_frame()
        except Unreachable as error:
            self.close()
            raise SourceError(error.args[0], remedy=error.args[1]) from error
        except BaseException:
            self.close()
            raise
        self.device = v4l2.stable_name(path.removeprefix("v4l2:")) if path.startswith("v4l2:/") else ""
        self.name = f"{description} ({self.width}x{self.height})"

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3); when it was taken, s, monotonic clock. None: no frame."""
        if self._first is not None:
            first, self._first = self._first, None
            if first[0].shape == out.shape:
                np.copyto(out, first[0])
                return first[1]
        return self._newest(out)

    def close(self) -> None:
        """Release the camera; may be called more than once."""
        self._loop.close()

    def _find(self, node: str) -> tuple[str, str, str]:
        """Name, description and path of the camera, once the session has told of it."""
        deadline = time.monotonic() + LISTED_S
        while True:
            with self._loop.locked():
                there = [about for about in self._session.cameras() if about.get("node.name") not in (None, OWN)]
            # A camera of hardware belongs to a device; one that a program made, to none.
            there.sort(key=lambda about: "device.id" not in about or is_loopback(about.get("object.path", "")))
            found = next((about for about in there if node in ("", about["node.name"])), None)
            if found is not None:
                name = found["node.name"]
                return name, found.get("node.description") or name, found.get("object.path", "")
            if time.monotonic() > deadline:
                break
            time.sleep(LISTED_S / 50)
        if not node:
            raise SourceError(
                f"{PREFIX}: the session has no camera", remedy="is PipeWire running? `wpctl status` tells"
            )
        names = ", ".join(f"{PREFIX}:{about['node.name']}" for about in there)
        raise SourceError(f"{PREFIX}:{node}: no such camera", allowed=names or "the session has none")

    def _open(self, wishes: list[bytes]) -> None:
        properties = {
            "media.type": "Video",
            "media.category": "Capture",
            "media.role": "Camera",
            "node.name": f"{OWN}-capture",
            "target.object": self._node,
            "node.dont-reconnect": "true",
        }
        flags = pw.FLAG_AUTOCONNECT | pw.FLAG_MAP_BUFFERS | pw.FLAG_DONT_RECONNECT
        listener = self._hook, self._events
        self._loop.open_stream("livewarp capture", properties, listener, pw.DIRECTION_INPUT, flags, wishes)

    def _first_frame(self) -> tuple[BgrFrame, float]:
        """A frame of the camera's own size, and when it was taken."""
        deadline = time.monotonic() + FIRST_FRAME_S
        frame: BgrFrame = np.empty((self.height, self.width, 3), np.uint8)
        while time.monotonic() < deadline:
            if frame.shape[:2] != (self.height, self.width):
                frame = np.empty((self.height, self.width, 3), np.uint8)
            stamp_s = self._newest(frame)
            if stamp_s is not None:
                return frame, stamp_s
        raise SourceError(
            f"{PREFIX}:{self._node}: no frame within {FIRST_FRAME_S:g} s",
            remedy="is another program using it, or its shutter closed?",
        )

    def _newest(self, out: BgrFrame) -> float | None:
        """Wait for a picture, decode the newest one; None: none came, or it was damaged or of another size."""
        if self._state < pw.STATE_CONNECTING:
            reason = f" ({self._error})" if self._error else ""
            raise SourceError(f"{PREFIX}:{self._node}: the camera or PipeWire is gone{reason}", remedy="plug it in")
        if not self._arrived.wait(TIMEOUT_S):
            return None
        with self._loop.locked():
            self._arrived.clear()
            library, stream = self._loop.library, self._loop.stream
            newest = None
            while taken := library.pw_stream_dequeue_buffer(stream):
                if newest:
                    library.pw_stream_queue_buffer(stream, newest)
                newest = taken
            if not newest:
                return None
            try:
                return self._decode(newest.contents.buffer.contents, out)
            except Damaged:
                self.damaged += 1
                return None
            except Resized as error:
                self.height, self.width = error.args
                return None
            finally:
                library.pw_stream_queue_buffer(stream, newest)

    def _decode(self, buffer: pw.SpaBuffer, out: BgrFrame) -> float:
        """Fill `out` from a buffer of the camera; when it was taken, s."""
        data = buffer.datas[0]
        chunk = data.chunk.contents
        if self._agreed is None or not data.data or chunk.flags & pw.CHUNK_CORRUPTED or not chunk.size:
            raise Damaged("empty")
        offset = chunk.offset % data.maxsize
        size = min(chunk.size, data.maxsize - offset)
        memory = memoryview((ctypes.c_uint8 * size).from_address(data.data + offset)).cast("B")
        if self._agreed.fourcc == "MJPG":
            decode_jpeg(memory, out)
        else:
            self._decoder_of(chunk.stride, size).decode(memory, out)
        now = time.monotonic()
        for i in range(buffer.n_metas):
            meta = buffer.metas[i]
            if meta.type == spa.META_HEADER and meta.size >= ctypes.sizeof(pw.Header):
                stamp_s = pw.Header.from_address(meta.data).pts / 1e9
                if 0.0 <= now - stamp_s < STALE_S:
                    return float(stamp_s)
        return now

    def _decoder_of(self, stride: int, size: int) -> Decoder:
        """What decodes the agreed format; the camera says the length of its rows with each picture."""
        agreed = self._agreed
        assert agreed is not None
        stride = stride or agreed.width * spa.bytes_per_px(agreed.fourcc)
        if self._decoder is None or self._decoder.stride_bytes != stride:
            picture = PictureFormat(
                agreed.fourcc, agreed.width, agreed.height, stride, size, agreed.full_range, agreed.bt709
            )
            self._decoder = Decoder(picture)
        return self._decoder

    def _on_state(self, data: object, old: int, new: int, error: bytes | None) -> None:
        """Of the loop's thread."""
        self._state = new
        self._error = error.decode("utf-8", "replace") if error else ""

    def _on_format(self, data: object, param: int, pod: int | None) -> None:
        """Of the loop's thread: the camera has chosen among our wishes."""
        if param != spa.PARAM_FORMAT:
            return
        self._agreed = self._decoder = None
        if not pod:
            return
        with contextlib.suppress(KeyError):  # none of our wishes: no frames then
            agreed = spa.parse_captured(pw.object_at(pod))
            array, kept = pw.pointers([spa.mapped_buffers(), spa.header(ctypes.sizeof(pw.Header))])
            self._loop.library.pw_stream_update_params(self._loop.stream, array, len(kept))
            self._agreed = agreed
            self.width, self.height, self.fps = agreed.width, agreed.height, agreed.fps or self.fps

    def _on_process(self, data: object) -> None:
        """Of the loop's thread: a picture is there."""
        self._arrived.set()


def _remote() -> int | None:
    """In a sandbox the portal's connection, for which it may ask a person; None: the session's own."""
    if not cameraportal.is_sandboxed():
        return None
    try:
        return cameraportal.camera_remote()
    except OSError as error:
        what, _, remedy = str(error).partition("; ")
        raise SourceError(f"{PREFIX}: {what}", remedy=remedy) from error
