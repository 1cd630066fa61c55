"""A disk that may be full, or the place of a sudden death."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any
from unittest import mock


class Killed(BaseException):
    """The process is no more: no file operation of its happens from here on."""


class Disk:
    """What files below a folder are written by: it may be full, fail at random, or be the place of a sudden death."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self.full = False
        self.dies_after: int | None = None
        self.dead = False
        self._real = {name: getattr(os, name) for name in ("open", "replace", "unlink", "fsync", "mkdir")}
        self._patches = [mock.patch.object(os, name, self._wrapped(name)) for name in self._real]

    def _wrapped(self, name: str) -> Any:
        real = self._real[name]

        def run(what: Any, *args: Any, **options: Any) -> Any:
            self._operate(name, what, args)
            return real(what, *args, **options)

        return run

    def _operate(self, name: str, what: Any, args: tuple[Any, ...]) -> None:
        if name == "fsync":
            with contextlib.suppress(OSError):
                what = os.readlink(f"/proc/self/fd/{what}")
        if not str(what).startswith(self._folder) or str(what).endswith(".lock"):
            return
        if name == "open" and not (args and args[0] & (os.O_CREAT | os.O_WRONLY)):
            return
        if self.dies_after is not None:
            self.dies_after -= 1
            self.dead = self.dead or self.dies_after < 0
        if self.dead:
            raise Killed
        if self.full and name in {"open", "fsync", "mkdir"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(what))

    def __enter__(self) -> Disk:
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *error: object) -> None:
        for patch in self._patches:
            patch.stop()
