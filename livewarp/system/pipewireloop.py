"""A connection to the PipeWire session with a thread of PipeWire's own, for what sends to it and what reads from it.

Threads: whoever touches the core or a stream holds the lock; PipeWire's loop holds it while it calls back.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Mapping
from typing import Any

from livewarp.system import libpipewire as pw
from livewarp.system.libpipewire import GET_IT, NO_DAEMON, START_IT


class Unreachable(Exception):
    """There is no library or no daemon: what is wrong, and what helps, as `args`."""


class PipeWireLoop:
    """PipeWire's loop, not yet connected.

    Parameters
    ----------
    name
        Of the thread.

    Raises
    ------
    Unreachable
        No library, or it cannot start.
    """

    def __init__(self, name: bytes) -> None:
        try:
            self.library = library = pw.pipewire_library()
        except OSError as error:
            raise Unreachable(str(error), GET_IT) from error
        self.core: int | None = None
        self.stream: int | None = None
        self._loop: int | None = library.pw_thread_loop_new(name, None)
        self._context = library.pw_context_new(library.pw_thread_loop_get_loop(self._loop), None, 0)
        if not self._context or library.pw_thread_loop_start(self._loop) < 0:
            self.close()
            raise Unreachable("PipeWire's client library cannot start", "install PipeWire again")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep PipeWire's thread from calling back meanwhile."""
        self.library.pw_thread_loop_lock(self._loop)
        try:
            yield
        finally:
            self.library.pw_thread_loop_unlock(self._loop)

    def connect(self, remote: int | None = None) -> int:
        """The session's core, by that descriptor of the portal, or None: as any program; the lock is held.

        Raises
        ------
        Unreachable
            No daemon answers.
        """
        if remote is None:
            self.core = self.library.pw_context_connect(self._context, None, 0)
        else:
            self.core = self.library.pw_context_connect_fd(self._context, remote, None, 0)
        if not self.core:
            raise Unreachable(NO_DAEMON, START_IT)
        return self.core

    def open_stream(
        self,
        name: str,
        properties: Mapping[str, str],
        listener: tuple[Any, pw.StreamEvents],
        direction: int,
        flags: int,
        formats: list[bytes],
    ) -> None:
        """Open `stream`, in the place of one that there was; the lock is held.

        Parameters
        ----------
        listener
            The hook and the events: C holds pointers to them for as long as the stream lives.
        formats
            Pods, the best first.

        Raises
        ------
        Unreachable
            The daemon has gone.
        """
        library = self.library
        self._close_stream()
        made = library.pw_properties_new_string(b"")
        for key, value in properties.items():
            library.pw_properties_set(made, key.encode(), value.encode())
        self.stream = library.pw_stream_new(self.core, name.encode(), made)
        hook, events = listener
        library.pw_stream_add_listener(self.stream, hook, ctypes.byref(events), None)
        array, kept = pw.pointers(formats)
        if library.pw_stream_connect(self.stream, direction, pw.ANY_ID, flags, array, len(kept)) < 0:
            raise Unreachable(NO_DAEMON, START_IT)

    def close(self) -> None:
        """End the thread and the connection; may be called more than once."""
        if self._loop is None:
            return
        library = self.library
        with self.locked():
            self._close_stream()
            if self.core:
                library.pw_core_disconnect(self.core)
        library.pw_thread_loop_stop(self._loop)
        if self._context:
            library.pw_context_destroy(self._context)
        library.pw_thread_loop_destroy(self._loop)
        self._loop = None

    def _close_stream(self) -> None:
        if self.stream:
            self.library.pw_stream_destroy(self.stream)
        self.stream = None
