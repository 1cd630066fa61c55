"""Files that are written whole or not at all: under another name first, renamed when they are complete.

Whoever reads the file, and whatever fails meanwhile, finds the old one or the new one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from livewarp.system.runtime import make_private

try:
    import fcntl
except ImportError:  # Windows, which does not remove a file that is open
    fcntl = None  # type: ignore[assignment]

PRIVATE = 0o600
SHARED = 0o666  # less what the umask takes away, as of any new file

_PREFIX, _MARK = ".livewarp-", ".partial"
ABANDONED_S = 60.0  # untouched for so long, and locked by nobody: its process was killed


def begin(path: Path, mode: int = SHARED) -> Path:
    """Create an empty file beside `path` to write to; its name is hidden and has the same suffix.

    What a process that was killed left in that folder is removed. Whoever writes for longer than `ABANDONED_S`
    holds the file (`claim`). Raises OSError.
    """
    _remove_abandoned(path.parent)
    # The same folder, or the rename would be a copy; a name of its own, as that of the file may be as long as may be.
    partial = path.with_name(f"{_PREFIX}{secrets.token_hex(4)}{_MARK}{path.suffix[:16]}")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode))
    return partial


def claim(descriptor: int) -> None:
    """Say that a partial file is in use, for as long as the descriptor is open."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_abandoned(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(_PREFIX) and _MARK in name:
                _remove_if_abandoned(folder / name)


def _remove_if_abandoned(partial: Path) -> None:
    with contextlib.suppress(OSError):  # gone, somebody else's, in use
        status = partial.lstat()
        if not stat.S_ISREG(status.st_mode) or time.time() - status.st_mtime < ABANDONED_S:
            return
        if fcntl is not None:
            descriptor = os.open(partial, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(descriptor)
        partial.unlink()


def target(path: Path) -> Path:
    """Where a file of that name really is: a symbolic link stays one."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def complete(partial: Path, path: Path, keep_mode: bool = False) -> None:
    """Give a file that is complete its name; `keep_mode`: and the permissions of the one that it replaces.

    Where that fails the partial file is removed. Raises OSError.
    """
    try:
        if keep_mode:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(partial, stat.S_IMODE(path.stat().st_mode))
        os.replace(partial, path)
    except BaseException:
        discard(partial)
        raise


def discard(partial: Path) -> None:
    """Remove a partial file, unless it is gone already."""
    with contextlib.suppress(OSError):
        partial.unlink()


@contextlib.contextmanager
def replacing(path: Path, mode: int = SHARED, keep_mode: bool = False) -> Iterator[Path]:
    """Yield a file to write to, which becomes `path` at the end of the block; an exception discards it.

    `keep_mode` is for files that a person named: one that is there keeps its permissions, and a symbolic link stays
    one. Elsewhere a link is replaced and never followed: somebody else may have put it there. Raises OSError.
    """
    if keep_mode:
        path = target(path)
    partial = begin(path, mode)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut may leave the new name with nothing in it
    except BaseException:
        discard(partial)
        raise
    complete(partial, path, keep_mode)


def write_whole(path: Path, text: str, mode: int = PRIVATE) -> None:
    """Replace a file by this text, in UTF-8. Folders that are missing are made. Raises OSError."""
    make_private(path.parent)
    with replacing(path, mode) as partial:
        partial.write_text(text, encoding="utf-8")
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # else a power cut may leave the old name
        finally:
            os.close(folder)
