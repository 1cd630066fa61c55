"""A program that watches a PipeWire camera, as small as can be: what it got, in which format, how late."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import numpy as np

from livewarp.system import libpipewire as pw
from livewarp.system import spa

_AUTOCONNECT = 1 << 0
_DIRECTION_INPUT = 0


class Viewer:
    """Watches the camera `name` in one format; `frames` grows in a thread of PipeWire's."""

    def __init__(self, name: str, format_: str, width: int, height: int, fps: float) -> None:
        self.frames: list[np.ndarray[Any, Any]] = []
        self.late_s: list[float] = []
        self.numbers: list[int] = []
        self.state = 0
        self._bytes = spa.frame_bytes(format_, width, height)
        self._library = library = pw.pipewire_library()
        self._hook = ctypes.create_string_buffer(pw.HOOK_BYTES)
        self._calls = (pw.Process(self._take), pw.StateChanged(self._on_state), pw.ParamChanged(self._on_param))
        self._events = pw.StreamEvents(
            version=2,
            process=self._calls[0],
            state_changed=self._calls[1],
            param_changed=self._calls[2],
        )
        self._loop = library.pw_thread_loop_new(b"viewer", None)
        self._context = library.pw_context_new(library.pw_thread_loop_get_loop(self._loop), None, 0)
        library.pw_thread_loop_start(self._loop)
        library.pw_thread_loop_lock(self._loop)
        self._core = library.pw_context_connect(self._context, None, 0)
        assert self._core
        properties = library.pw_properties_new_string(b"")
        about = {"media.type": "Video", "media.category": "Capture", "media.role": "Camera", "target.object": name}
        for key, value in about.items():
            library.pw_properties_set(properties, key.encode(), value.encode())
        self._stream = library.pw_stream_new(self._core, b"viewer", properties)
        library.pw_stream_add_listener(self._stream, self._hook, ctypes.byref(self._events), None)
        array, kept = pw.pointers([spa.enum_format(format_, width, height, fps)])
        flags = _AUTOCONNECT | pw.FLAG_MAP_BUFFERS
        library.pw_stream_connect(self._stream, _DIRECTION_INPUT, pw.ANY_ID, flags, array, len(kept))
        library.pw_thread_loop_unlock(self._loop)

    def close(self) -> None:
        """Stop watching."""
        library = self._library
        library.pw_thread_loop_lock(self._loop)
        library.pw_stream_destroy(self._stream)
        library.pw_core_disconnect(self._core)
        library.pw_thread_loop_unlock(self._loop)
        library.pw_thread_loop_stop(self._loop)
        library.pw_context_destroy(self._context)
        library.pw_thread_loop_destroy(self._loop)

    def _on_state(self, data: object, old: int, new: int, error: bytes | None) -> None:
        self.state = new

    def _on_param(self, data: object, param: int, pod: int | None) -> None:
        if param == spa.PARAM_FORMAT and pod:
            array, kept = pw.pointers([spa.header(ctypes.sizeof(pw.Header))])
            self._library.pw_stream_update_params(self._stream, array, len(kept))

    def _take(self, data: object) -> None:
        taken = self._library.pw_stream_dequeue_buffer(self._stream)
        if not taken:
            return
        buffer = taken.contents.buffer.contents
        for i in range(buffer.n_metas):
            if buffer.metas[i].type == spa.META_HEADER:
                header = pw.Header.from_address(buffer.metas[i].data)
                self.late_s.append(time.monotonic() - header.pts / 1e9)
                self.numbers.append(header.seq)
        if buffer.datas[0].chunk.contents.size == self._bytes:
            seen = (ctypes.c_uint8 * self._bytes).from_address(buffer.datas[0].data)
            self.frames.append(np.ctypeslib.as_array(seen).copy())
        self._library.pw_stream_queue_buffer(self._stream, taken)
