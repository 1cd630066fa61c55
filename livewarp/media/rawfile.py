"""A file by its descriptor, as PyAV reads and writes one: any name, and nothing written after a failure."""

from __future__ import annotations

import contextlib
import os


class RawFile:
    """A descriptor with the methods that PyAV calls; closes itself when it is forgotten.

    Guarantees: what a failed write leaves is cut back to `mark` by `close`; nothing is written after it.

    Attributes
    ----------
    title
        Its name, for people.
    error
        Why a write has failed, or None.
    """

    def __init__(self, descriptor: int, name: str = "", writing: bool = False) -> None:
        self._descriptor = descriptor
        self.title = name
        self.name = "file"  # FFmpeg asks for it, and would not take every name
        self._writing = writing
        self._mark = 0
        self.error: OSError | None = None
        self._seekable = _is_seekable(descriptor)

    def readable(self) -> bool:
        """Whether it can be read."""
        return not self._writing

    def writable(self) -> bool:
        """Whether it can be written."""
        return self._writing

    def seekable(self) -> bool:
        """Whether it is a file, no pipe."""
        return self._seekable

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        return os.read(self._descriptor, size)

    def write(self, data: bytes) -> int:
        """All of it. Raises OSError, once."""
        if self.error is not None:
            return len(data)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.error = error
            raise
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        """Where it stands."""
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def mark(self) -> None:
        """What is written so far can be played: a later failure does not take it."""
        if self.error is None and self._seekable:
            self._mark = self.tell()

    def sync(self) -> None:
        """Wait until it is on the disk, or else a power cut may leave a name with nothing in it."""
        if self.error is None and self._seekable:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close it; may be called more than once."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        if self.error is not None and self._seekable:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._mark)
        os.close(descriptor)

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self.close()


def _is_seekable(descriptor: int) -> bool:
    try:
        os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError:
        return False
    return True
