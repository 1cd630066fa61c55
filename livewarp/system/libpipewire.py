"""The part of libpipewire-0.3 that a camera needs, by ctypes: its functions and structures, as in its headers."""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
)
from ctypes import c_void_p as pointer
from typing import Any

PIPEWIRE_LIBRARY = "libpipewire-0.3.so.0"
GET_IT = "to get it: sudo apt install libpipewire-0.3-0 pipewire wireplumber"
START_IT = "start it: systemctl --user start pipewire wireplumber (to get it: sudo apt install pipewire wireplumber)"
NO_DAEMON = "no PipeWire daemon answers"

DIRECTION_INPUT, DIRECTION_OUTPUT = 0, 1
ANY_ID = 0xFFFFFFFF
FLAG_AUTOCONNECT = 1 << 0
FLAG_MAP_BUFFERS = 1 << 2
FLAG_DRIVER = 1 << 3  # the stream sets the pace
FLAG_DONT_RECONNECT = 1 << 7  # to another camera, when this one goes
CHUNK_CORRUPTED = 1 << 0
STATE_ERROR, STATE_UNCONNECTED, STATE_CONNECTING, STATE_PAUSED, STATE_STREAMING = range(-1, 4)


class Chunk(Structure):
    """struct spa_chunk."""

    _fields_ = (("offset", c_uint32), ("size", c_uint32), ("stride", c_int32), ("flags", c_int32))


class Data(Structure):
    """struct spa_data."""

    _fields_ = (
        ("type", c_uint32),
        ("flags", c_uint32),
        ("fd", c_int64),
        ("mapoffset", c_uint32),
        ("maxsize", c_uint32),
        ("data", pointer),
        ("chunk", POINTER(Chunk)),
    )


class Meta(Structure):
    """struct spa_meta."""

    _fields_ = (("type", c_uint32), ("size", c_uint32), ("data", pointer))


class Header(Structure):
    """struct spa_meta_header."""

    _fields_ = (("flags", c_uint32), ("offset", c_uint32), ("pts", c_int64), ("dts_offset", c_int64), ("seq", c_uint64))


class SpaBuffer(Structure):
    """struct spa_buffer."""

    _fields_ = (("n_metas", c_uint32), ("n_datas", c_uint32), ("metas", POINTER(Meta)), ("datas", POINTER(Data)))


class StreamBuffer(Structure):
    """struct pw_buffer; it has had more fields since, at its end."""

    _fields_ = (("buffer", POINTER(SpaBuffer)), ("user_data", pointer), ("size", c_uint64))


StateChanged = CFUNCTYPE(None, pointer, c_int, c_int, c_char_p)  # data, old, new, error
ParamChanged = CFUNCTYPE(None, pointer, c_uint32, pointer)  # data, id, pod
Process = CFUNCTYPE(None, pointer)  # data


class StreamEvents(Structure):
    """struct pw_stream_events, version 2."""

    _fields_ = (
        ("version", c_uint32),
        ("destroy", pointer),
        ("state_changed", StateChanged),
        ("control_info", pointer),
        ("io_changed", pointer),
        ("param_changed", ParamChanged),
        ("add_buffer", pointer),
        ("remove_buffer", pointer),
        ("process", Process),
        ("drained", pointer),
        ("command", pointer),
        ("trigger_done", pointer),
    )


HOOK_BYTES = 128  # struct spa_hook is 48

_FUNCTIONS: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("pw_init", None, (pointer, pointer)),
    ("pw_thread_loop_new", pointer, (c_char_p, pointer)),
    ("pw_thread_loop_get_loop", pointer, (pointer,)),
    ("pw_thread_loop_start", c_int, (pointer,)),
    ("pw_thread_loop_stop", None, (pointer,)),
    ("pw_thread_loop_lock", None, (pointer,)),
    ("pw_thread_loop_unlock", None, (pointer,)),
    ("pw_thread_loop_destroy", None, (pointer,)),
    ("pw_context_new", pointer, (pointer, pointer, c_size_t)),
    ("pw_context_connect", pointer, (pointer, pointer, c_size_t)),
    ("pw_context_connect_fd", pointer, (pointer, c_int, pointer, c_size_t)),
    ("pw_context_destroy", None, (pointer,)),
    ("pw_core_disconnect", c_int, (pointer,)),
    ("pw_properties_new_string", pointer, (c_char_p,)),
    ("pw_properties_set", c_int, (pointer, c_char_p, c_char_p)),
    ("pw_stream_new", pointer, (pointer, c_char_p, pointer)),
    ("pw_stream_add_listener", None, (pointer, pointer, POINTER(StreamEvents), pointer)),
    ("pw_stream_connect", c_int, (pointer, c_int, c_uint32, c_int, POINTER(pointer), c_uint32)),
    ("pw_stream_update_params", c_int, (pointer, POINTER(pointer), c_uint32)),
    ("pw_stream_dequeue_buffer", POINTER(StreamBuffer), (pointer,)),
    ("pw_stream_queue_buffer", c_int, (pointer, POINTER(StreamBuffer))),
    ("pw_stream_trigger_process", c_int, (pointer,)),
    ("pw_stream_destroy", None, (pointer,)),
)


@functools.cache
def pipewire_library() -> ctypes.CDLL:
    """The library, initialised. Raises OSError where there is none."""
    # It writes to stderr of its own accord whenever its daemon is away; what matters we say ourselves.
    os.environ.setdefault("PIPEWIRE_DEBUG", "0")
    try:
        library = ctypes.CDLL(PIPEWIRE_LIBRARY)
        for name, result, arguments in _FUNCTIONS:
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise OSError(f"no usable {PIPEWIRE_LIBRARY} here ({error})") from error
    library.pw_init(None, None)
    return library


def pointers(pods: list[bytes]) -> tuple[Any, list[Any]]:
    """An array of pointers to the pods, and what must be kept while it is used."""
    kept = [ctypes.create_string_buffer(pod, len(pod)) for pod in pods]
    return (pointer * len(pods))(*(ctypes.addressof(buffer) for buffer in kept)), kept


def object_at(address: int) -> bytes:
    """The bytes of the pod at that address."""
    size = c_uint32.from_address(address).value
    return ctypes.string_at(address, 8 + size)
