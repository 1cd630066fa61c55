"""The folder for what lives as long as a person's session: the control socket and the token.

Standard library only, since every client command needs it.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

PRIVATE_FOLDER = 0o700


def runtime_folder() -> Path:
    """Livewarp's part of this user's runtime folder; it may not exist yet."""
    return _runtime() / "livewarp"


def _runtime() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and Path(given).is_dir():
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Temp"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "TemporaryItems"
    usual = Path(f"/run/user/{os.getuid()}")
    return usual if usual.is_dir() else Path(os.environ.get("TMPDIR") or "/tmp") / f"runtime-{os.getuid()}"


def make_private(folder: Path) -> None:
    """Make the folder, and those above it that are missing, for this user alone, whatever the umask.

    Raises
    ------
    OSError
        It cannot be made.
    """
    if folder.is_dir():
        return
    make_private(folder.parent)
    try:
        folder.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return  # another process has just made it
    folder.chmod(PRIVATE_FOLDER)


def who_else_writes(folder: Path) -> Path | None:
    """The folder, it or the one above, in which another user could put a file of theirs; None: neither.

    Raises OSError.
    """
    if sys.platform == "win32":
        return None  # its rights are lists; the runtime folder's keep others out
    for each in (folder, folder.parent):
        status = each.stat()
        sticky = bool(status.st_mode & stat.S_ISVTX)  # as /tmp: nobody replaces what is another's
        if status.st_uid not in (os.getuid(), 0) or (status.st_mode & 0o022 and not sticky):
            return each
    return None
