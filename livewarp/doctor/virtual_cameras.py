"""Checks of where frames go: v4l2loopback, PipeWire, OBS, and what must be switched on in browsers."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from livewarp.doctor.devices import held_by
from livewarp.doctor.finding import Finding, Mending, note, ok, problem
from livewarp.doctor.programs import manager_version
from livewarp.errors import SettingsError
from livewarp.sinks import SinkKind, sink_kind
from livewarp.sinks.places import MODPROBE, RESTART_PIPEWIRE, CameraPlace
from livewarp.system.machine import Machine
from livewarp.system.versions import pipewire_version

if TYPE_CHECKING:
    from livewarp.doctor.case import Case

LOAD_FILE = ("/etc/modules-load.d/livewarp.conf", "v4l2loopback\n")
OPTIONS_FILE = ("/etc/modprobe.d/livewarp.conf", "options v4l2loopback exclusive_caps=1 card_label=livewarp\n")
MODPROBE_TWO = "sudo modprobe v4l2loopback devices=2 exclusive_caps=1,1 card_label=livewarp,second"
UNLOAD = "sudo modprobe -r v4l2loopback"
AT_START = tuple(f"echo {shlex.quote(text.strip())} | sudo tee {path}" for path, text in (LOAD_FILE, OPTIONS_FILE))
# What `doctor --fix` does of it.
KEEP_LOADED = (
    Mending("load v4l2loopback at every start", path=LOAD_FILE[0], text=LOAD_FILE[1], root=True),
    Mending("as a camera that browsers and Zoom list", path=OPTIONS_FILE[0], text=OPTIONS_FILE[1], root=True),
)
LOAD = Mending("load v4l2loopback now", MODPROBE.removeprefix("sudo "), "modprobe -r v4l2loopback", root=True)
LOAD_AGAIN = Mending("load it again with these options", f"modprobe -r v4l2loopback; {LOAD.command}", root=True)
# Kernel → the oldest v4l2loopback that compiles for it. Source: v4l2loopback's issue 667.
_NEEDS = (((7, 0), (0, 13)),)
# Where the key lies that signs modules which are built on this machine.
_SIGNING_KEYS = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub", "/etc/pki/akmods/certs/public_key.der")
OLDEST_PIPEWIRE = (0, 3, 65)
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
        return replace(finding, verdict="note", text=text)
    return finding if case.asks_for("auto") else replace(finding, verdict="note")


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
    library, manager = pipewire_version(machine), manager_version(machine)
    named = f"PipeWire{f' {library}' if library else ''}, WirePlumber{f' {manager}' if manager else ''}"
    data = {"pipewire": library, "wireplumber": manager}
    if library and tuple(map(int, library.split("."))) < OLDEST_PIPEWIRE:
        oldest = ".".join(map(str, OLDEST_PIPEWIRE))
        text = f"{named}: older than {oldest}, the oldest that livewarp was tried with"
        return note(text, distribution.install("PipeWire"), **data)
    return ok(f"{named} and the portal are there: --sink pipewire works", **data)


def browsers(case: Case) -> Finding:
    """Whether the browsers here take cameras from PipeWire; V4L2 ones need no switch."""
    if _fedora_firefox(case.machine) and not _seen_by_pipewire(case):
        text = "Fedora's Firefox takes cameras from PipeWire alone, and would not see this one"
        switch = "or in Firefox: about:config, media.webrtc.camera.allow-pipewire = false"
        return note(text, "livewarp run --sink auto", switch)
    if _fedora_firefox(case.machine):
        return ok("Fedora's Firefox takes cameras from PipeWire alone, and livewarp is one of them")
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


def _fedora_firefox(machine: Machine) -> bool:
    """Whether Firefox here lists PipeWire cameras alone, as Fedora's does since 41."""
    system = machine.distribution
    if system.id != "fedora" or not machine.path("/usr/lib64/firefox").exists():
        return False
    return not system.version.isdecimal() or int(system.version) >= 41


def _seen_by_pipewire(case: Case) -> bool:
    return (case.asks_for("pipewire") or case.asks_for("auto")) and bool(_usable(case, "pipewire"))


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
        what = f"{text}, without exclusive_caps=1: Chromium and Zoom will not list it"
        return note(what, UNLOAD, MODPROBE, **data).fixed_by(*KEEP_LOADED, LOAD_AGAIN)
    if not _loaded_at_start(machine):
        return note(f"{text}; not loaded at the next start of the computer", *AT_START, **data).fixed_by(*KEEP_LOADED)
    return ok(text, **data)


def _not_loaded(machine: Machine) -> Finding:
    if _is_installed(machine):
        if secure_boot(machine):
            key = next((key for key in _SIGNING_KEYS if machine.path(key).exists()), _SIGNING_KEYS[1])
            enrol = f"sudo mokutil --import {key}    # if it is refused: sets a password, asked for at the next start"
            return problem("installed, not loaded; Secure Boot is on and refuses it unsigned", MODPROBE, enrol)
        return problem("installed, not loaded", MODPROBE).fixed_by(*KEEP_LOADED, LOAD)
    if not machine.path(f"/lib/modules/{machine.kernel}").exists():
        text = f"not loaded, and kernel {machine.kernel} has no modules here: a container? Then its host must load it"
        return problem(text, f"on the host, with v4l2loopback installed: {MODPROBE}")
    if (old := _too_old(machine)) is not None:
        text = f"version {old[0]} is installed, and kernel {machine.kernel} needs {old[1]} or newer"
        newer = (
            "install a newer v4l2loopback: from your distribution's backports, or github.com/v4l2loopback/v4l2loopback"
        )
        return problem(text, newer, MODPROBE)
    if machine.path("/var/lib/dkms/v4l2loopback").exists():
        headers = machine.distribution.install("kernel headers")
        text = f"installed, but not built for this kernel ({machine.kernel})"
        build = Mending("build it for this kernel", "dkms autoinstall", root=True)
        fix = (*_installing(machine, "kernel headers"), build, *KEEP_LOADED, LOAD)
        return problem(text, headers, "sudo dkms autoinstall", MODPROBE).fixed_by(*fix)
    missing = f"not installed for this kernel ({machine.kernel})"
    finding = problem(missing, machine.distribution.install("v4l2loopback"), MODPROBE)
    installing = _installing(machine, "v4l2loopback")
    return finding.fixed_by(*installing, *KEEP_LOADED, LOAD) if installing else finding


def _installing(machine: Machine, wanted: str) -> tuple[Mending, ...]:
    command, undo = machine.distribution.install_unasked(wanted)
    return (Mending(f"install {wanted}", command, undo, root=True),) if command else ()


def _too_old(machine: Machine) -> tuple[str, str] | None:
    """The version that is installed as source, and the oldest that compiles for this kernel; None: all is well."""
    kernel = tuple(map(int, re.findall(r"\d+", machine.kernel)[:2]))
    names = [path.name for path in machine.path("/usr/src").glob("v4l2loopback-*")]
    names += [path.name for path in machine.path("/var/lib/dkms/v4l2loopback").glob("[0-9]*")]
    versions = [tuple(map(int, re.findall(r"\d+", name.removeprefix("v4l2loopback-"))[:3])) for name in names]
    for newest_kernel, needed in _NEEDS:
        if versions and kernel >= newest_kernel and max(versions) < needed:
            return ".".join(map(str, max(versions))), ".".join(map(str, needed))
    return None


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
