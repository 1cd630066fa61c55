"""What the checks examine: the machine, the settings that `run` would use, and a daemon that runs already."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

from livewarp.control.address import Address, parse_address
from livewarp.control.client import Client
from livewarp.doctor.devices import camera_places
from livewarp.errors import LivewarpError
from livewarp.settings import Settings
from livewarp.sinks.places import CameraPlace
from livewarp.system.machine import Machine


@dataclass(frozen=True)
class Running:
    """A livewarp that answers at the control port; pid is None where the system does not say."""

    pid: int | None
    state: dict[str, Any]

    def __str__(self) -> str:
        return "livewarp" + (f" (pid {self.pid})" if self.pid else "")


@dataclass
class Case:
    """One examination; what costs time is asked once.

    Attributes
    ----------
    settings
        What `run` would use: of the file and the options, the defaults where the file is refused.
    config, config_error
        The file, if any, and why it is refused, else "".
    """

    machine: Machine = field(default_factory=Machine)
    settings: Settings = field(default_factory=Settings)
    config: Path | None = None
    config_error: str = ""

    @cached_property
    def places(self) -> tuple[CameraPlace, ...]:
        """The places where other programs see a camera."""
        return camera_places(self.machine)

    @cached_property
    def running(self) -> Running | None:
        """The livewarp that runs with these settings' control port."""
        try:
            address = parse_address(self.settings.control.address)
            if address.port == 0 or is_free(address):
                return None
            with Client(str(address), timeout_s=2.0) as client:
                state = client.call("state")
        except LivewarpError:
            return None
        owner = owner_of(address)
        return Running(owner[0] if owner else None, state) if isinstance(state, dict) else None

    def asks_for(self, kind: str) -> bool:
        """Whether the settings name a sink of this kind, as in virtualcam:/dev/video10."""
        return any(sink.partition(":")[0] == kind for sink in self.settings.video.sinks)


def is_free(address: Address) -> bool:
    """Whether livewarp could listen there."""
    with socket.socket(address.family, socket.SOCK_STREAM) as server:
        if hasattr(socket, "AF_UNIX"):  # on Windows it would let two listen at one port
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((address.host, address.port))
            server.listen(1)
        except OSError:
            return False
    return True


def owner_of(address: Address) -> tuple[int, str] | None:
    """Pid and name of the process that listens there; None where it is another user's."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (address.port,) and connection.pid:
                return connection.pid, psutil.Process(connection.pid).name()
    except psutil.Error:  # macOS answers root only; or it has just ended
        pass
    return None
