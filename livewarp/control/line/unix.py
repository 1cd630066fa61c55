"""The line port as a Unix socket: for this user alone, by the rights of the file system.

Guarantees: the socket can be reached by its owner only, from its first moment on; a file that another
livewarp listens at, or that is no socket, is left alone; a stale one is replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

import gevent.socket

from livewarp.control.secret import socket_file
from livewarp.errors import ControlError, SettingsError
from livewarp.system.regular import expanded
from livewarp.system.runtime import make_private, who_else_writes

AUTO, NONE = "auto", "none"
_PROBE_S = 1.0  # how long whoever listens at a file may take to accept
_REMEDY = "choose another with control.socket"


def has_unix_sockets() -> bool:
    """Whether this system has them (Python on Windows has not)."""
    return hasattr(socket, "AF_UNIX")


def socket_path(setting: str) -> Path | None:
    """The file that a `control.socket` setting means: "auto", "none" or a path; None: no socket."""
    if setting == NONE or (setting == AUTO and not has_unix_sockets()):
        return None
    if setting == AUTO:
        return socket_file()
    if not has_unix_sockets():
        what = "control.socket: this system has no Unix sockets"
        raise SettingsError(what, got=repr(setting), allowed="auto or none")
    return expanded(setting)


def listen_unix(path: Path) -> gevent.socket.socket:
    """A listening socket at that file, mode 0600; whoever closes it also unlinks the file, by `unlink`.

    Raises
    ------
    ControlError
        Somebody listens there, something else lies there, or the folder is not this user's own.
    """
    sock = gevent.socket.socket(gevent.socket.AF_UNIX, gevent.socket.SOCK_STREAM)
    try:
        _own_folder(path.parent)
        _clear(path)
        sock.bind(str(path))
        os.chmod(path, 0o600)  # before listen: until then nobody can connect
        sock.listen(128)
    except ControlError:
        sock.close()
        raise
    except OSError as error:  # a folder that cannot be made, a path over 107 bytes
        sock.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ControlError(f"cannot listen at {path}: {reason}", remedy=_REMEDY) from None
    return sock


def unlink(path: Path) -> None:
    """Remove the file of a socket that has been closed, unless another livewarp listens there by now."""
    with contextlib.suppress(OSError, ControlError):
        _clear(path)


def _own_folder(folder: Path) -> None:
    """Make the folder where it is missing; refuse one in which others could put a socket of theirs."""
    make_private(folder)
    others = who_else_writes(folder)
    if others is not None:
        what = f"cannot listen at {folder}: others can write in {others}"
        raise ControlError(what, remedy="choose another folder with control.socket")


def _clear(path: Path) -> None:
    """Remove a stale socket. Raises `ControlError` for anything else that lies there."""
    live = _is_live(path)
    if live:
        raise ControlError(f"a livewarp listens at {path} already", remedy=_REMEDY)
    if live is False:
        path.unlink()


def _is_live(path: Path) -> bool | None:
    """Whether somebody listens at a socket file; None: there is nothing. `ControlError`: it is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"cannot listen at {path}: it is no socket", remedy=_REMEDY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBE_S)
            probe.connect(str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        # A full backlog, a timeout: somebody is there, and busy.
        return error.errno != errno.ECONNREFUSED
    return True
