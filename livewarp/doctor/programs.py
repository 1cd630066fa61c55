"""Checks of the programs that are to show the camera: sandboxes, the portal's memory, Electron, one listed twice."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from livewarp.doctor.finding import Finding, Mending, note, ok
from livewarp.system.machine import Machine

if TYPE_CHECKING:
    from livewarp.doctor.case import Case

# Programs for calls that know V4L2 cameras alone, as Flatpaks and as Snaps.
FLATPAKS = {
    "us.zoom.Zoom": "Zoom",
    "com.discordapp.Discord": "Discord",
    "com.slack.Slack": "Slack",
    "com.github.IsmaelMartinez.teams_for_linux": "Teams for Linux",
    "org.signal.Signal": "Signal",
    "im.riot.Riot": "Element",
    "com.skype.Client": "Skype",
    "com.google.Chrome": "Chrome",
    "org.chromium.Chromium": "Chromium",
    "com.brave.Browser": "Brave",
    "com.microsoft.Edge": "Edge",
}
SNAPS = (
    "firefox",
    "chromium",
    "zoom-client",
    "discord",
    "slack",
    "teams-for-linux",
    "signal-desktop",
    "brave",
    "opera",
)
# Electron programs, by the name of their command: they are Chromium, without its page of flags.
ELECTRON = ("slack", "discord", "teams-for-linux", "signal-desktop", "element-desktop", "skypeforlinux", "webex")
ELECTRON_SWITCH = "--enable-features=WebRtcPipeWireCamera"

_PERMISSIONS = "org.freedesktop.impl.portal.PermissionStore"
_STORE = ("busctl", "--user", "call", _PERMISSIONS, "/org/freedesktop/impl/portal/PermissionStore", _PERMISSIONS)
_ANSWER = re.compile(r'"([^"]*)" \d+ "(yes|no|ask)"')

# When a device appears WirePlumber knows udev's name of it, which is the card's label; driver and card come later.
RULE_04 = (
    "~/.config/wireplumber/main.lua.d/51-livewarp.lua",
    """-- livewarp: do not list its v4l2loopback device a second time.
table.insert(v4l2_monitor.rules, {
  matches = {{ { "device.product.name", "equals", "livewarp" } }},
  apply_properties = { ["device.disabled"] = true },
})
""",
)
RULE_05 = (
    "~/.config/wireplumber/wireplumber.conf.d/51-livewarp.conf",
    """# livewarp: do not list its v4l2loopback device a second time.
monitor.v4l2.rules = [
  {
    matches = [ { device.product.name = "livewarp" } ]
    actions = { update-props = { device.disabled = true } }
  }
]
""",
)
RESTART_MANAGER = "systemctl --user restart wireplumber"


def sandboxes(case: Case) -> Finding:
    """Whether the Flatpaks and Snaps for calls that are installed here may open a camera."""
    machine = case.machine
    steps = [*_closed_flatpaks(machine), *_closed_snaps(machine)]
    if not steps:
        return ok("no Flatpak or Snap for calls that is installed here is kept from cameras")
    names = ", ".join(what for what, _ in steps)
    return note(f"sandboxed without a camera: {names}", *(step.command for _, step in steps)).fixed_by(*_of(steps))


def portal(case: Case) -> Finding:
    """Whether somebody has once said no where the desktop asked whether a program may use the camera."""
    denied = denied_programs(case.machine)
    if not denied:
        return ok("the desktop's portal keeps no program from the camera")
    steps = [Mending(f"let {app or 'programs'} use the camera", *_allowing(app)) for app in denied]
    names = ", ".join(app or "programs without a sandbox" for app in denied)
    text = f"the desktop was once told that {names} may not use the camera, and never asks again"
    return note(text, *(step.command for step in steps), denied=denied).fixed_by(*tuple(steps))


def denied_programs(machine: Machine) -> list[str]:
    """The programs that the portal refuses a camera."""
    said = machine.run([*_STORE, "Lookup", "ss", "devices", "camera"]).text
    return [app for app, answer in _ANSWER.findall(said) if answer == "no"]


def electron(case: Case) -> Finding:
    """Whether Electron programs need their switch: only where there is no V4L2 camera for them."""
    machine = case.machine
    installed = [name for name in ELECTRON if any(machine.path(f"{bin}/{name}").exists() for bin in _BINARIES)]
    if not installed:
        return ok("no Electron program for calls is installed here")
    if any(place.kind == "v4l2loopback" and place.problem is None for place in case.places):
        return ok(f"{', '.join(installed)}: see the v4l2loopback camera without a switch")
    if not any(place.kind == "pipewire" and place.problem is None for place in case.places):
        return ok(f"{', '.join(installed)}: nothing to switch on while there is no camera to see")
    commands = [f"{name} {ELECTRON_SWITCH}" for name in installed]
    return note(f"{', '.join(installed)}: take cameras from PipeWire with a switch only", *commands)


def listed_twice(case: Case) -> Finding:
    """Whether WirePlumber lists v4l2loopback devices as cameras of the session, beside livewarp's own."""
    from livewarp.sources.sessionnodes import camera_nodes

    machine = case.machine
    loopbacks = {place.node: place.name for place in case.places if place.kind == "v4l2loopback"}
    listed = [
        node for node in camera_nodes(machine.run(["pw-dump", "--no-colors"]).text) if _node(node.path) in loopbacks
    ]
    path, text = RULE_04 if manager_version(machine).startswith("0.4") else RULE_05
    file = path.replace("~", machine.environ.get("HOME", "~"))
    shared = path.replace("~/.config", "/usr/share")  # where packages put it
    if machine.path(file).exists() or machine.path(shared).exists() or not loopbacks:
        return ok("programs that see both kinds of camera list one")
    if not listed:
        return ok("the session does not list the v4l2loopback device: programs that see both kinds list one")
    step = Mending("tell WirePlumber to leave livewarp's v4l2loopback device out", path=file, text=text)
    restart = Mending("start WirePlumber anew", RESTART_MANAGER, RESTART_MANAGER)
    names = ", ".join(node.description for node in listed)
    said = f"the session lists the v4l2loopback device itself ({names}), so livewarp hides its own PipeWire camera"
    return note(said, f"write {path}, as docs/apps.md has it", RESTART_MANAGER).fixed_by(step, restart)


def manager_version(machine: Machine) -> str:
    """WirePlumber's, as in "0.4.13"; "": there is none."""
    found = re.search(r"libwireplumber (\d+\.\d+\.\d+)", machine.run(["wireplumber", "--version"]).text)
    return found[1] if found else ""


_BINARIES = ("/usr/bin", "/usr/local/bin", "/opt/bin")


def _of(steps: list[tuple[str, Mending]]) -> tuple[Mending, ...]:
    return tuple(step for _, step in steps)


def _node(path: str) -> str:
    return path.removeprefix("v4l2:")


def _allowing(app: str) -> tuple[str, str]:
    """The command that lets a program use the camera, and the one that takes that back."""
    base = shlex.join([*_STORE, "SetPermission", "sbssas", "devices", "true", "camera", app, "1"])
    return f"{base} yes", f"{base} no"


def _closed_flatpaks(machine: Machine) -> list[tuple[str, Mending]]:
    home = machine.environ.get("HOME", "")
    homes = ["/var/lib/flatpak", *([f"{home}/.local/share/flatpak"] if home else [])]
    found = []
    for app, name in FLATPAKS.items():
        for base in homes:
            metadata = machine.text(f"{base}/app/{app}/current/active/metadata")
            if metadata and not _has_devices(
                "\n".join([metadata, *(machine.text(f"{b}/overrides/{app}") for b in homes)])
            ):
                command = f"flatpak override --user --device=all {app}"
                undo = f"flatpak override --user --nodevice=all {app}"
                found.append((f"{name} (Flatpak)", Mending(f"let the Flatpak {name} see /dev/video*", command, undo)))
                break
    return found


def _has_devices(metadata: str) -> bool:
    """Whether it may see every device; the last word counts."""
    words = [word for line in re.findall(r"^devices=(.*)$", metadata, re.MULTILINE) for word in line.split(";")]
    return "all" in words and words[::-1].index("all") < (words[::-1].index("!all") if "!all" in words else len(words))


def _closed_snaps(machine: Machine) -> list[tuple[str, Mending]]:
    found = []
    for name in SNAPS:
        if not machine.path(Path("/snap") / name).exists():
            continue
        said = machine.run(["snap", "connections", name]).text
        if re.search(rf"^camera\s+{re.escape(name)}:camera\s+-\s", said, re.MULTILINE):
            command, undo = f"snap connect {name}:camera", f"snap disconnect {name}:camera"
            found.append((f"{name} (Snap)", Mending(f"let the Snap {name} use cameras", command, undo, root=True)))
    return found
