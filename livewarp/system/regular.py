"""Files that are read at start: regular ones of bounded size, so that no pipe, device or giant holds it up."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path
from typing import BinaryIO

# Names that Windows lacks; without them it has no pipes in folders, and links only for administrators.
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def read_regular(path: Path, max_bytes: int, *, private: bool = False) -> bytes:
    """What is in a file.

    Parameters
    ----------
    max_bytes
        The most that it may have.
    private
        Refuse one that is a link, another user's, or readable by others.

    Raises
    ------
    OSError
        There is none, or it cannot be read.
    ValueError
        It is no regular file, too long, or not private; the text says which.
    """
    with regular_file(path, _NOFOLLOW if private else 0) as file:
        status = os.fstat(file.fileno())
        if private and hasattr(os, "getuid"):
            if status.st_uid != os.getuid():
                raise ValueError("another user's")
            if status.st_mode & 0o077:
                raise ValueError("open to others")
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"over {max_bytes} bytes")
    return content


def regular_file(path: Path, flags: int = 0) -> BinaryIO:
    """Open a regular file to read. Raises OSError; ValueError where it is another kind."""
    # Opening a pipe to read would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | _CLOEXEC | _NONBLOCK | _BINARY | flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("no regular file")
    return os.fdopen(descriptor, "rb")


def read_text(path: Path, max_bytes: int = 1_000_000) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Raises
    ------
    OSError
        There is none, or it cannot be read.
    ValueError
        As `read_regular`; or it is in another encoding, which the text names.
    """
    data = read_regular(path, max_bytes)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("it is UTF-16; save it as UTF-8")
    return data.decode("utf-8-sig").replace("\r\n", "\n")


def expanded(text: str) -> Path:
    """The path with a leading ~ replaced; where there is no such user it stays, as the path of no file."""
    return Path(os.path.expanduser(text))  # pathlib's raises RuntimeError
