"""Files that are written whole or not at all: under another name first, renamed when they are complete.

Whoever reads the file, and whatever fails meanwhile, finds the old one or the new one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from livewarp.system.runtime import make_private

PRIVATE = 0o600
SHARED = 0o666  # less what the umask takes away, as of any new file


def begin(path: Path, mode: int = SHARED) -> Path:
    """Create an empty file beside `path` to write to; its name is hidden and has the same suffix.

    Raises OSError.
    """
    # The same folder, or the rename would be a copy; a name of its own, as that of the file may be as long as may be.
    partial = path.with_name(f".livewarp-{secrets.token_hex(4)}.partial{path.suffix[:16]}")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode))
    return partial


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
