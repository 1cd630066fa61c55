"""The desktop's camera portal: the way to PipeWire's cameras for a program in a sandbox (Flatpak, Snap).

`org.freedesktop.portal.Camera` of xdg-desktop-portal: AccessCamera asks the person, OpenPipeWireRemote gives a
connection that sees cameras and nothing else. See https://flatpak.github.io/xdg-desktop-portal/.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0  # for a person to answer
CALL_S = 5.0  # for the portal to
_BUS, _PATH = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop"
_CAMERA, _REQUEST = "org.freedesktop.portal.Camera", "org.freedesktop.portal.Request"
_GRANTED = 0


class PortalError(OSError):
    """The portal is not there, does not answer, or a person has said no."""


def is_sandboxed(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this program runs in a Flatpak or a Snap."""
    return (root / ".flatpak-info").exists() or bool(environ.get("SNAP"))


def camera_remote() -> int:
    """A descriptor of a connection to PipeWire that has the cameras. Blocks while a person is asked.

    Raises
    ------
    PortalError
        With what to do about it in its text.
    """
    from jeepney.io.blocking import open_dbus_connection

    try:
        bus = open_dbus_connection(bus="SESSION", enable_fds=True)
    except (OSError, KeyError, ValueError) as error:
        raise PortalError(f"no session bus answers ({error}); log in to a desktop") from error
    with bus:
        try:
            _ask(bus)
            (descriptor,) = _call(bus, "OpenPipeWireRemote", {})
            return int(descriptor.to_raw_fd())
        except TimeoutError as error:
            raise PortalError(
                "the desktop's camera portal does not answer; is xdg-desktop-portal installed?"
            ) from error


def _ask(bus: Any) -> None:
    """Ask for the camera; a person may be asked, once."""
    from jeepney import MatchRule, message_bus

    token = f"livewarp{secrets.token_hex(4)}"
    path = f"{_PATH}/request/{bus.unique_name[1:].replace('.', '_')}/{token}"
    answered = MatchRule(type="signal", interface=_REQUEST, member="Response", path=path)
    bus.send_and_get_reply(message_bus.AddMatch(answered), timeout=CALL_S)
    with bus.filter(answered) as answers:
        _call(bus, "AccessCamera", {"handle_token": ("s", token)})
        code, _ = bus.recv_until_filtered(answers, timeout=PATIENCE_S).body
    if code != _GRANTED:
        raise PortalError("the desktop refuses the camera; allow it in its settings, or: livewarp doctor --fix")


def _call(bus: Any, method: str, options: Mapping[str, Any]) -> Any:
    """Call a method of the portal; what it gives."""
    from jeepney import DBusAddress, MessageType, new_method_call

    portal = DBusAddress(_PATH, bus_name=_BUS, interface=_CAMERA)
    reply = bus.send_and_get_reply(new_method_call(portal, method, "a{sv}", (options,)), timeout=CALL_S)
    if reply.header.message_type is MessageType.error:
        why = reply.body[0] if reply.body else "no reason given"
        raise PortalError(f"the desktop's camera portal refuses {method}: {why}; is xdg-desktop-portal installed?")
    return reply.body
