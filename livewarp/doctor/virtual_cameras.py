"""Checks of where frames go: v4l2loopback, PipeWire, OBS, and what must be switched on in browsers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from livewarp.doctor.devices import held_by
from livewarp.doctor.finding import Finding, note, ok, problem
from livewarp.errors import SettingsError
from livewarp.sinks import SinkKind, sink_kind
from livewarp.sinks.places import MODPROBE, RESTART_PIPEWIRE, CameraPlace
from livewarp.system.machine import Machine

if TYPE_CHECKING:
    from livewarp.doctor.case import Case

MODPROBE_TWO = "sudo modprobe v4l2loopback devices=2 exclusive_caps=1,1 card_label=livewarp,second"
UNLOAD = "sudo modprobe -r v4l2loopback"
AT_START = (
    "echo v4l2loopback | sudo tee /etc/modules-load.d/v4l2loopback.conf",
    "echo 'options v4l2loopback exclusive_caps=1 card_label=livewarp' | sudo tee /etc/modprobe.d/v4l2loopback.conf",
)
# Where the key lies that signs modules which are built on this machine.
_SIGNING_KEYS = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub", "/etc/pki/akmods/certs/public_key.der")
_FIREFOX_SWITCH = 'user_pref("media.webrtc.camera.allow-pipewire", true);'
_CHROMIUM_SWITCH = "enable-webrtc-pipewire-camera@1"
_BROWSERS = {
    "Firefox": ("~/.mozilla/firefox/*/prefs.js", "~/snap/firefox/common/.mozilla/firefox/*/prefs.js"),
    "Chromium": ("~/.config/chromium/Local State",),
    "Chrome": ("~/.config/google-chrome/Local State",),
}


def v4l2loopback(case: Case) -> Finding:
    """Whether there is a v4l2loopback device that livewarp can write and every program sees."""
    finding = _v4l2loopback(case)
    if finding.verdict != "problem" or case.asks_for("virtualcam"):
        return finding
    others = _usable(case, "pipewire")
    if others:
        text = f"{finding.text}; PipeWire stands in, but Zoom and others that know V4L2 alone will not see it"
        return note(text, *finding.remedy, **finding.data)
    return finding if case.asks_for("auto") else note(finding.text, *finding.remedy, **finding.data)


def pipewire(case: Case) -> Finding:
    """Whether livewarp can be a camera of PipeWire, and whether sandboxed programs and browsers can get at it."""
    machine = case.machine
    place = next(place for place in case.places if place.kind == "pipewire")
    failed = problem if case.asks_for("pipewire") else note
    distribution = machine.distribution
    if place.problem is not None:
        return failed(place.problem.what, place.problem.remedy)
    if not machine.running("wireplumber", "pipewire-media-session"):
        remedies = () if machine.path("/usr/bin/wireplumber").exists() else (distribution.install("PipeWire"),)
        return failed("no session manager runs: nobody would see the camera", *remedies, RESTART_PIPEWIRE)
    portal = "/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service"
    if not (machine.running("xdg-desktop-portal") or machine.path(portal).exists()):
        return note(
            "PipeWire answers, but browsers and Flatpaks ask for cameras through xdg-desktop-portal, which is missing",
            distribution.install("xdg-desktop-portal"),
        )
    return ok("PipeWire, session manager and portal are there: --sink pipewire works")


def browsers(case: Case) -> Finding:
    """Whether the browsers here take cameras from PipeWire; V4L2 ones need no switch."""
    if not case.asks_for("pipewire"):
        if _usable(case, "v4l2loopback"):
            return ok("nothing to switch on: browsers see v4l2loopback cameras")
        if not _usable(case, "pipewire"):
            return ok("nothing to switch on while there is no camera to see")
    allowed = {name: said for name in _BROWSERS if (said := _allows_pipewire(case.machine, name)) is not None}
    closed = [name for name, said in allowed.items() if not said]
    steps = {
        "Firefox": "Firefox: about:config, media.webrtc.camera.allow-pipewire = true",
        "Chromium": "chromium --enable-features=WebRtcPipeWireCamera",
        "Chrome": "google-chrome --enable-features=WebRtcPipeWireCamera",
    }
    if allowed and not closed:
        return ok(f"{', '.join(allowed)}: cameras from PipeWire are switched on", browsers=allowed)
    text = f"{', '.join(closed) or 'browsers'}: cameras from PipeWire are off until switched on"
    return note(text, *(steps[name] for name in closed or ("Firefox", "Chromium")), browsers=allowed)


def obs(case: Case) -> Finding:
    """Whether OBS's virtual camera is there (macOS, Windows)."""
    trouble = case.places[0].problem
    if trouble is None:
        return ok("OBS Studio is installed: its virtual camera carries the picture")
    return problem(trouble.what, trouble.remedy)


def usable_place(kind: SinkKind, case: Case) -> Finding:
    """Whether a sink without a check of its own could be used now; a problem only where the settings ask for it."""
    places = list(kind.places(case.machine)) if kind.places is not None else []
    usable = _usable_of(case, places)
    if usable:
        return ok(f"{usable[0].name}: --sink {usable[0].sink} works")
    failed = problem if case.asks_for(kind.name) else note
    trouble = places[0].problem if places else None
    if trouble is None:
        return failed("in use by another program" if places else "there is none here")
    return failed(trouble.what, *([trouble.remedy] if trouble.remedy else []))


def visible_sinks(case: Case) -> Finding:
    """Whether the settings name a sink that other programs see at all."""
    sinks = case.settings.video.sinks
    try:
        if any(sink_kind(sink).camera for sink in sinks):
            return ok(", ".join(sinks))
    except SettingsError as error:
        return problem(str(error), "livewarp run --sink auto")
    return problem(f"{', '.join(sinks) or 'none'}: no other program sees that", "livewarp run --sink auto")


def secure_boot(machine: Machine) -> bool | None:
    """Whether the firmware has the kernel refuse unsigned modules; None: the machine does not say."""
    for variable in machine.path("/sys/firmware/efi/efivars").glob("SecureBoot-*"):
        try:
            return variable.read_bytes()[4:5] == b"\1"  # four bytes of attributes come first
        except OSError:
            break
    if not machine.path("/sys/firmware/efi").exists():
        return False
    said = machine.run(["mokutil", "--sb-state"]).text.lower()
    return None if "secureboot" not in said else "enabled" in said


def _v4l2loopback(case: Case) -> Finding:
    machine = case.machine
    if not machine.path("/sys/module/v4l2loopback").exists():
        return _not_loaded(machine)
    version = machine.text("/sys/module/v4l2loopback/version") or "older than 0.13"
    places = [place for place in case.places if place.kind == "v4l2loopback"]
    wanted = [sink.partition(":")[2] for sink in case.settings.video.sinks if sink.startswith("virtualcam:")]
    chosen = [place for place in places if not wanted or place.node in wanted]
    if not chosen:
        text = f"version {version} is loaded, but has no device {', '.join(wanted)}".rstrip()
        return problem(text, UNLOAD, MODPROBE)
    usable = _usable_of(case, chosen)
    if not usable:
        return problem(*_taken(chosen))
    place = usable[0]
    now = "is free" if place.free else f"is fed by {case.running}"
    text = f"version {version}, {place.node} {now}, shown as {place.name!r}"
    data = {"version": version, "sink": place.sink, "label": place.name}
    if place.exclusive is False:
        return note(f"{text}, without exclusive_caps=1: Chromium and Zoom will not list it", UNLOAD, MODPROBE, **data)
    if not _loaded_at_start(machine):
        return note(f"{text}; not loaded at the next start of the computer", *AT_START, **data)
    return ok(text, **data)


def _not_loaded(machine: Machine) -> Finding:
    if _is_installed(machine):
        if secure_boot(machine):
            key = next((key for key in _SIGNING_KEYS if machine.path(key).exists()), _SIGNING_KEYS[1])
            enrol = f"sudo mokutil --import {key}    # if it is refused: sets a password, asked for at the next start"
            return problem("installed, not loaded; Secure Boot is on and refuses it unsigned", MODPROBE, enrol)
        return problem("installed, not loaded", MODPROBE)
    if not machine.path(f"/lib/modules/{machine.kernel}").exists():
        text = f"not loaded, and kernel {machine.kernel} has no modules here: a container? Then its host must load it"
        return problem(text, f"on the host, with v4l2loopback installed: {MODPROBE}")
    if machine.path("/var/lib/dkms/v4l2loopback").exists():
        headers = machine.distribution.install("kernel headers")
        text = f"installed, but not built for this kernel ({machine.kernel})"
        return problem(text, headers, "sudo dkms autoinstall", MODPROBE)
    return problem(
        f"not installed for this kernel ({machine.kernel})", machine.distribution.install("v4l2loopback"), MODPROBE
    )


def _is_installed(machine: Machine) -> bool:
    """Whether modprobe would find it."""
    folder = f"/lib/modules/{machine.kernel}"
    listed = machine.text(f"{folder}/modules.dep") + machine.text(f"{folder}/modules.builtin")
    return "/v4l2loopback.ko" in listed


def _loaded_at_start(machine: Machine) -> bool:
    folders = ("/etc/modules-load.d", "/usr/lib/modules-load.d", "/run/modules-load.d")
    files = [file for folder in folders for file in machine.path(folder).glob("*.conf")]
    files.append(machine.path("/etc/modules"))
    lines = [line.strip() for file in files if file.is_file() for line in file.read_text(errors="replace").splitlines()]
    return "v4l2loopback" in lines


def _usable(case: Case, kind: str) -> list[CameraPlace]:
    return _usable_of(case, [place for place in case.places if place.kind == kind])


def _usable_of(case: Case, places: list[CameraPlace]) -> list[CameraPlace]:
    """Those that are free, or that the livewarp which runs feeds."""
    pid = case.running.pid if case.running else None
    own = [place for place in places if pid is not None and pid in [holder[0] for holder in place.holders]]
    return own + [place for place in places if place.free and place.problem is None and place not in own]


def _taken(places: list[CameraPlace]) -> tuple[str, ...]:
    """Why none of them can be used, and what to do."""
    place = places[0]
    if place.problem is not None:
        return f"{place.node}: {place.problem.what}", "see `permissions`"
    holders = held_by(place.holders) or "another user's program"
    end = f"close it there, or: kill {place.holders[0][0]}" if place.holders else "close that program"
    return f"{place.node} is fed by {holders}", end, f"{UNLOAD} && {MODPROBE_TWO}    # or have two"


def _allows_pipewire(machine: Machine, browser: str) -> bool | None:
    """Whether a profile of the browser has the switch; None: it was never used here."""
    home = machine.environ.get("HOME", "")
    found: bool | None = None
    for pattern in _BROWSERS[browser] if home else ():
        for file in machine.path(home).glob(pattern.removeprefix("~/")):
            found = bool(found) or _has_switch(file)
    return found


def _has_switch(file: Path) -> bool:
    try:
        text = file.read_text(errors="replace")
        if file.name == "prefs.js":
            return _FIREFOX_SWITCH in text
        return _CHROMIUM_SWITCH in json.loads(text).get("browser", {}).get("enabled_labs_experiments", [])
    except (OSError, ValueError, AttributeError):
        return False
