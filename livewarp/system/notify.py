"""Messages to systemd: ready, what the daemon does, still alive, stopping (sd_notify).

A datagram to the socket that the variable NOTIFY_SOCKET names, which systemd sets for units of `Type=notify`;
without it nothing happens. Source: sd_notify(3).

Guarantees: no call blocks, and none raises for a manager that is gone or does not listen.
"""

from __future__ import annotations

import logging
import os
import socket

_log = logging.getLogger(__name__)


def ready() -> bool:
    """Start-up is done: what was ordered after the service may start."""
    return _send("READY=1")


def stopping() -> bool:
    """The end has begun, asked for or not."""
    return _send("STOPPING=1")


def status(text: str) -> bool:
    """What the daemon is doing, in one line, for `systemctl status`."""
    return _send("STATUS=" + " ".join(text.split()))


def watchdog() -> bool:
    """Still alive; to be called at least every `watchdog_s()`, else systemd kills the service and starts it again."""
    return _send("WATCHDOG=1")


def watchdog_s() -> float | None:
    """How often `watchdog` is to be called, s: half of what systemd allows. None: it does not watch this process."""
    text, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        return None
    if pid and pid != str(os.getpid()):  # meant for the parent, whose variables this process inherited
        return None
    return int(text) / 2e6


def _send(message: str) -> bool:
    """Send it; whether there is someone who got it."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@") or not hasattr(socket, "AF_UNIX"):
        return False
    # "@" stands for the zero byte of an abstract socket, which has no file.
    address = "\0" + path[1:] if path[0] == "@" else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_manager:
            to_manager.setblocking(False)
            to_manager.sendto(message.encode(), address)
    except OSError as error:  # the camera matters more than its supervisor
        _log.debug("sd_notify %r to %s: %s", message, path, error)
        return False
    return True
