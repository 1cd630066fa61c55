"""The addresses that a daemon may have: a loopback port, or a Unix socket. Standard library only."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import NamedTuple

from livewarp.errors import SettingsError
from livewarp.system.regular import expanded

DEFAULT_CONTROL = "127.0.0.1:8787"


class Address(NamedTuple):
    """A loopback host and a port, as sockets take them; `str` gives HOST:PORT."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def parse_address(text: str) -> Address:
    """The loopback address that HOST:PORT names.

    Parameters
    ----------
    text
        "127.0.0.1:8787", "localhost:8787" or "[::1]:8787"; port 0 binds any free port.

    Raises
    ------
    SettingsError
        It is not HOST:PORT, or the host is not this machine's loopback.
    """
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise SettingsError("address", got=repr(text), allowed=f"HOST:PORT such as {DEFAULT_CONTROL}")
    host = {"localhost": "127.0.0.1", "[::1]": "::1"}.get(host.lower(), host)
    try:
        loopback = host == "::1" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        only = "loopback only (127.0.0.1, [::1] or localhost), because whoever reaches the port controls the camera"
        remedy = f"from elsewhere: ssh -L {port}:127.0.0.1:{port} HOST"
        raise SettingsError("address", got=repr(text), allowed=only, remedy=remedy)
    return Address(host, int(port))


def parse_endpoint(text: str) -> Address | Path:
    """Where a daemon can be reached: HOST:PORT, or the path of its Unix socket as unix:PATH or /PATH.

    Raises
    ------
    SettingsError
        It is neither, or not on this machine.
    """
    if text.startswith("/"):
        return Path(text)
    if text.startswith("unix:") and text != "unix:":
        return expanded(text.removeprefix("unix:"))
    if ":" not in text:
        raise SettingsError("address", got=repr(text), allowed=f"HOST:PORT such as {DEFAULT_CONTROL}, or unix:PATH")
    return parse_address(text)
