"""Listening on loopback, and accepting connections, for the line port and the panel."""

from __future__ import annotations

import errno
import logging
import os
from typing import Any

import gevent.socket
from gevent import get_hub
from gevent.server import StreamServer

from livewarp.control.access import Access
from livewarp.control.address import Address
from livewarp.control.client import Client
from livewarp.errors import ControlError, Problem
from livewarp.system.peers import is_trusted, listener_uid

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_REST_S = 0.2  # before the next connection is accepted where descriptors have run out

log = logging.getLogger(__name__)


def listen(address: Address, option: str, access: Access) -> tuple[gevent.socket.socket, Problem | None]:
    """A listening socket on a loopback address; port 0: any free one.

    A port that another user's program holds does not stop the start: there is another one then, and a problem.

    Parameters
    ----------
    option
        What a person sets to choose another address; named in errors.

    Raises
    ------
    ControlError
        It cannot be bound; where a livewarp of this user answers there, with its pid.
    """
    try:
        return _bound(address), None
    except OSError as error:
        uid = listener_uid(address) if error.errno == errno.EADDRINUSE else None
        if uid is None or is_trusted(uid):
            raise _cannot_listen(address, option, error, access) from None
        other = _bound(Address(address.host, 0))
        at = Address(*other.getsockname()[:2])
        problem = Problem(
            f"{address} is taken by another user's program (uid {uid}); this livewarp listens at {at}",
            f"choose another port with {option}",
        )
        log.warning("%s", problem)
        return other, problem


def _bound(address: Address) -> gevent.socket.socket:
    sock = gevent.socket.socket(address.family, gevent.socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def _cannot_listen(address: Address, option: str, error: OSError, access: Access) -> ControlError:
    """Why the address cannot be had, and what to do."""
    if error.errno != errno.EADDRINUSE:
        reason = error.strerror or str(error)
        return ControlError(f"cannot listen on {address}: {reason}", remedy=f"choose another address with {option}")
    try:
        with Client(str(address), timeout_s=3.0, token=access.token) as client:  # it may be loading weights
            pid = int(client.call("version")["pid"])
    except (ControlError, LookupError, TypeError, ValueError):
        what = f"{address} is in use by another program"
        return ControlError(what, remedy=f"choose another port with {option}")
    what = f"livewarp is already running (pid {pid}) on {address}"
    return ControlError(what, remedy=f"stop it with `livewarp stop` or choose another port with {option}")


class Accepting(StreamServer):  # type: ignore[misc]  # gevent comes without types
    """A server that rests where descriptors have run out, and says so once; gevent would log each attempt."""

    exhausted = False

    def make_room(self) -> None:
        """Close what can be missed."""

    def do_read(self) -> Any:
        """One connection that waits; None: there is none."""
        try:
            accepted = super().do_read()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            if not self.exhausted:
                log.warning("cannot accept connections: %s; raise LimitNOFILE or `ulimit -n`", error.strerror)
            self.exhausted = True
            self.make_room()
            self.stop_accepting()
            self._timer = get_hub().loop.timer(_REST_S)
            self._timer.start(self._start_accepting_if_started)
            return None
        if accepted and self.exhausted:
            log.info("connections are accepted again")
            self.exhausted = False
        return accepted
