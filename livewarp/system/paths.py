"""Paths as people write them, and what may become of a file that has the name of a new one."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from livewarp.errors import SettingsError

TIME = "{time}"
"""Stands for the moment of writing in the name of an output."""

_TIME_FORMAT = "%Y%m%d-%H%M%S"


def timed(path: Path, at_s: float | None = None) -> Path:
    """The path with the local time for "{time}"; a name that is taken gets a number behind it."""
    if TIME not in path.name:
        return path
    stamp = time.strftime(_TIME_FORMAT, time.localtime(at_s))
    named = path.with_name(path.name.replace(TIME, stamp))
    number = 2
    while os.path.lexists(named):
        named = path.with_name(path.name.replace(TIME, f"{stamp}-{number}"))
        number += 1
    return named


def check_output(path_out: Path, force: bool, *inputs: Path) -> None:
    """Refuse what must not be written.

    Raises
    ------
    SettingsError
        `path_out` is an input, no file, its name too long, or exists and `force` is False.
    """
    what = f"output {path_out}"
    if not path_out.name or path_out.is_dir():
        raise SettingsError(f"{what}: is a folder", allowed="the name of a file")
    try:
        status = path_out.stat()
    except FileNotFoundError:
        if os.path.lexists(path_out) and not path_out.resolve().parent.is_dir():
            raise SettingsError(f"{what}: is a link to a folder that is missing", allowed="another name") from None
        return  # where the folder is missing, the writing says so
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise SettingsError(f"{what}: {getattr(error, 'strerror', None) or error}", allowed="another name") from error
    if not stat.S_ISREG(status.st_mode):
        raise SettingsError(f"{what}: is a device or a pipe", allowed="the name of a file, or - for standard output")
    if any(_is_same(path_out, path) for path in inputs):
        raise SettingsError(f"{what}: is the input itself", allowed="another name")
    if not force:
        allowed = "a new name, or --force to overwrite it"
        raise SettingsError(f"{what}: exists", allowed=allowed, remedy=f"{TIME} in a name stands for the moment")


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False
