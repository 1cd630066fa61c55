"""`livewarp doctor` on machines as people have them, each a folder: the finding and its fix, done and undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from livewarp.doctor import checks, fixing, programs, webcams
from livewarp.doctor import virtual_cameras as outputs
from livewarp.doctor.case import Case
from livewarp.doctor.finding import Finding, Mending
from livewarp.errors import LivewarpError
from livewarp.settings import Settings
from livewarp.system import v4l2
from livewarp.system.machine import CommandResult
from machine_fixture import CAPTURE, KERNEL, OUTPUT, FakeMachine, Node

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="most checks are about Linux")

CAM = Node("uvcvideo", "Cam", CAPTURE, [("MJPG", 1280, 720, 30.0)])
FEDORA = 'ID=fedora\nVERSION_ID=42\nPRETTY_NAME="Fedora 42"\n'
ARCH = "ID=arch\n"
UBUNTU = "ID=ubuntu\nID_LIKE=debian\n"
NODE = {
    "info": {"props": {"media.class": "Video/Source", "node.name": "v4l2_input", "node.description": "livewarp (V4L2)"}}
}
LISTED = {"info": {"props": {**NODE["info"]["props"], "object.path": "v4l2:/dev/video10"}}}
LIBCAMERA = {
    "info": {"props": {"media.class": "Video/Source", "node.name": "libcamera.0", "object.path": "\\_SB_.PC00"}}
}


def answers(**said: str) -> Callable[[Sequence[str]], CommandResult]:
    """Programs by name → what they say; there is no other."""

    def answer(command: Sequence[str]) -> CommandResult:
        name = command[0].replace("-", "_")
        return CommandResult(0, said[name]) if name in said else CommandResult(127, "not found")

    return answer


def plain(m: FakeMachine) -> None:
    """Everything is there."""
    m.plug("video0", CAM, "usb-Cam-index0")
    m.load_v4l2loopback()


def debian_without_module(m: FakeMachine) -> None:
    """Debian as installed."""
    m.plug("video0", CAM)


def fedora_with_module_only(m: FakeMachine) -> None:
    """Its Firefox, and no PipeWire."""
    plain(m)
    m.write("/etc/os-release", FEDORA)
    (m.root / "usr/lib64/firefox").mkdir(parents=True)


def fedora_with_pipewire(m: FakeMachine) -> None:
    """Both kinds of camera."""
    fedora_with_module_only(m)
    m.sockets.append(m.start_pipewire())


def module_too_old(m: FakeMachine) -> None:
    """A kernel for which it does not compile."""
    m.write("/proc/sys/kernel/osrelease", "7.0.3-arch1-1")
    (m.root / "lib/modules/7.0.3-arch1-1").mkdir(parents=True)
    (m.root / "usr/src/v4l2loopback-0.12.7").mkdir(parents=True)
    m.write("/etc/os-release", ARCH)


def without_exclusive_caps(m: FakeMachine) -> None:
    """Loaded by hand, without options."""
    m.load_v4l2loopback(caps=CAPTURE | OUTPUT)


def secure_boot(m: FakeMachine) -> None:
    """Built here, and refused by the firmware."""
    m.write(f"/lib/modules/{KERNEL}/modules.dep", "updates/dkms/v4l2loopback.ko.xz:\n")
    m.write("/sys/firmware/efi/efivars/SecureBoot-8be4df61").write_bytes(b"\6\0\0\0\1")
    m.write("/var/lib/shim-signed/mok/MOK.der")


def not_loaded(m: FakeMachine) -> None:
    """Installed, no more."""
    m.write(f"/lib/modules/{KERNEL}/modules.dep", "updates/dkms/v4l2loopback.ko.xz:\n")


def lost_at_next_start(m: FakeMachine) -> None:
    """Loaded by hand, with options."""
    plain(m)
    (m.root / "etc/modules-load.d/v4l2loopback.conf").unlink()


def kernel_updated(m: FakeMachine) -> None:
    """DKMS has missed it."""
    (m.root / "var/lib/dkms/v4l2loopback/0.15.0").mkdir(parents=True)


def ipu6(m: FakeMachine) -> None:
    """A laptop whose camera is none for V4L2 nor PipeWire."""
    m.write("/sys/bus/pci/devices/0000:00:05.0/vendor", "0x8086\n")
    m.write("/sys/bus/pci/devices/0000:00:05.0/device", "0xa75d\n")
    m.answer = answers(pw_dump=json.dumps([NODE | LISTED]))


def ipu6_with_libcamera(m: FakeMachine) -> None:
    """The same, with libcamera."""
    m.write("/sys/module/intel_ipu6/refcnt")
    m.answer = answers(pw_dump=json.dumps([LIBCAMERA]))


def not_in_the_group(m: FakeMachine) -> None:
    """The node is not for this user."""
    m.plug("video0", CAM)
    m.denied.add("video0")
    m.write("/etc/group", f"video:x:{(m.root / 'dev/video0').stat().st_gid}:\n")


def held(m: FakeMachine) -> None:
    """Zoom has it open."""
    m.plug("video0", CAM)
    m.holders["/dev/video0"] = [(4242, "zoom")]


def portal_denied(m: FakeMachine) -> None:
    """Somebody has said no to Firefox."""
    said = 'a{sas}v 2 "org.mozilla.firefox" 1 "no" "org.gnome.Snapshot" 1 "yes" y 0\n'
    m.answer = answers(busctl=said)


def flatpak_zoom(m: FakeMachine) -> None:
    """As it comes."""
    m.write("/var/lib/flatpak/app/us.zoom.Zoom/current/active/metadata", "[Context]\ndevices=dri;\n")


def flatpak_zoom_allowed(m: FakeMachine) -> None:
    """Overridden by this user."""
    flatpak_zoom(m)
    m.write("/home/ann/.local/share/flatpak/overrides/us.zoom.Zoom", "[Context]\ndevices=all;\n")


def snap_zoom(m: FakeMachine) -> None:
    """As it comes."""
    m.write("/etc/os-release", UBUNTU)
    (m.root / "snap/zoom-client").mkdir(parents=True)
    m.answer = answers(snap="Interface  Plug  Slot  Notes\ncamera  zoom-client:camera  -  -\n")


def electron(m: FakeMachine) -> None:
    """Slack, and no V4L2 camera."""
    m.write("/usr/bin/slack")
    m.sockets.append(m.start_pipewire())


def listed_twice(m: FakeMachine) -> None:
    """WirePlumber 0.5 has started after livewarp."""
    plain(m)
    m.sockets.append(m.start_pipewire())
    m.answer = answers(pw_dump=json.dumps([LISTED]), wireplumber="Compiled with libwireplumber 0.5.8\n")


def listed_twice_old(m: FakeMachine) -> None:
    """WirePlumber 0.4 has."""
    listed_twice(m)
    m.answer = answers(pw_dump=json.dumps([LISTED]), wireplumber="Compiled with libwireplumber 0.4.13\n")


def old_pipewire(m: FakeMachine) -> None:
    """Ubuntu 22.04."""
    m.sockets.append(m.start_pipewire())
    m.write("/usr/lib/x86_64-linux-gnu/libpipewire-0.3.so.0.348.0")
    m.answer = answers(wireplumber="Compiled with libwireplumber 0.4.8\n")


def new_pipewire(m: FakeMachine) -> None:
    """Debian 13."""
    m.sockets.append(m.start_pipewire())
    m.write("/usr/lib/x86_64-linux-gnu/libpipewire-0.3.so.0.1402.0")
    m.answer = answers(wireplumber="Compiled with libwireplumber 0.5.8\n")


# Machine → check, verdict, part of what is said, part of what mends it ("": nothing has to), what --fix would do.
MACHINES = [
    (plain, "v4l2loopback", "ok", "/dev/video10 is free", "", ()),
    (
        debian_without_module,
        "v4l2loopback",
        "problem",
        "not installed",
        "sudo apt install v4l2loopback-dkms",
        ("apt-get install -y v4l2loopback-dkms", "modprobe v4l2loopback exclusive_caps=1"),
    ),
    (
        fedora_with_module_only,
        "browsers",
        "note",
        "Fedora's Firefox takes cameras from PipeWire alone",
        "allow-pipewire = false",
        (),
    ),
    (fedora_with_pipewire, "browsers", "ok", "livewarp is one of them", "", ()),
    (
        module_too_old,
        "v4l2loopback",
        "problem",
        "0.12.7 is installed, and kernel 7.0.3-arch1-1 needs 0.13",
        "newer v4l2loopback",
        (),
    ),
    (
        without_exclusive_caps,
        "v4l2loopback",
        "note",
        "without exclusive_caps",
        "exclusive_caps=1",
        ("modprobe -r v4l2loopback; modprobe",),
    ),
    (
        secure_boot,
        "v4l2loopback",
        "problem",
        "Secure Boot is on",
        "mokutil --import /var/lib/shim-signed/mok/MOK.der",
        (),
    ),
    (
        not_loaded,
        "v4l2loopback",
        "problem",
        "installed, not loaded",
        "sudo modprobe v4l2loopback",
        ("modprobe v4l2loopback",),
    ),
    (
        lost_at_next_start,
        "v4l2loopback",
        "note",
        "not loaded at the next start",
        "/etc/modules-load.d/livewarp.conf",
        ("livewarp.conf",),
    ),
    (
        kernel_updated,
        "v4l2loopback",
        "problem",
        "not built for this kernel",
        "dkms autoinstall",
        ("linux-headers", "dkms autoinstall"),
    ),
    (
        ipu6,
        "MIPI",
        "note",
        "MIPI camera (Intel IPU6 or IPU7)",
        "pipewire-libcamera",
        ("pipewire-libcamera", "restart wireplumber"),
    ),
    (ipu6_with_libcamera, "MIPI", "ok", "--source pipewire:libcamera.0", "", ()),
    (not_in_the_group, "permissions", "problem", "group 'video'", "usermod -aG video ann", ("usermod -aG video ann",)),
    (held, "camera", "problem", "is open in zoom (pid 4242)", "kill 4242", ()),
    (
        portal_denied,
        "portal",
        "note",
        "told that org.mozilla.firefox may not",
        "SetPermission",
        ("org.mozilla.firefox 1 yes",),
    ),
    (
        flatpak_zoom,
        "sandboxes",
        "note",
        "Zoom (Flatpak)",
        "--device=all us.zoom.Zoom",
        ("flatpak override --user --device=all",),
    ),
    (flatpak_zoom_allowed, "sandboxes", "ok", "no Flatpak or Snap", "", ()),
    (
        snap_zoom,
        "sandboxes",
        "note",
        "zoom-client (Snap)",
        "snap connect zoom-client:camera",
        ("snap connect zoom-client:camera",),
    ),
    (electron, "Electron", "note", "with a switch only", "slack --enable-features=WebRtcPipeWireCamera", ()),
    (
        listed_twice,
        "two of one",
        "note",
        "lists the v4l2loopback device itself",
        "wireplumber.conf.d/51-livewarp.conf",
        ("wireplumber.conf.d/51-livewarp.conf", "restart wireplumber"),
    ),
    (
        listed_twice_old,
        "two of one",
        "note",
        "livewarp (V4L2)",
        "main.lua.d/51-livewarp.lua",
        ("main.lua.d/51-livewarp.lua",),
    ),
    (
        old_pipewire,
        "PipeWire",
        "note",
        "PipeWire 0.3.48, WirePlumber 0.4.8: older than 0.3.65",
        "sudo apt install pipewire",
        (),
    ),
    (new_pipewire, "PipeWire", "ok", "PipeWire 1.4.2, WirePlumber 0.5.8", "", ()),
]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine without devices."""
    fake = FakeMachine(tmp_path / "root")
    monkeypatch.setattr("fcntl.ioctl", fake.ioctl)
    monkeypatch.setattr(
        v4l2, "holders", lambda node: fake.holders.get("/" + str(Path(node).relative_to(fake.root)), [])
    )
    monkeypatch.setattr(webcams, "measured_fps", lambda *asked: 30.0)
    yield fake
    for listening in fake.sockets:
        listening.close()


def finding(machine: FakeMachine, check: str) -> Finding:
    """What that check finds."""
    settings = Settings(control={"address": "127.0.0.1:0", "panel": "127.0.0.1:0"})  # type: ignore[arg-type]
    case = Case(machine.machine, settings)
    return next(each for each in checks.for_machine(case) if each.name == check).run(case)


@pytest.mark.parametrize(
    ("prepare", "check", "verdict", "said", "mended", "fixed"), MACHINES, ids=[row[0].__name__ for row in MACHINES]
)
def test_each_machine_s_finding_comes_with_its_fix(
    machine: FakeMachine,
    prepare: Callable[[FakeMachine], None],
    check: str,
    verdict: str,
    said: str,
    mended: str,
    fixed: tuple[str, ...],
) -> None:
    """The finding, what a person would do about it, and what --fix would."""
    prepare(machine)
    found = finding(machine, check)
    assert (found.verdict, said in found.text) == (verdict, True), found
    assert any(mended in step for step in found.remedy) if mended else not found.remedy, found.remedy
    done = [step.command + step.path for step in found.fix]
    assert all(any(part in each for each in done) for part in fixed), done
    assert bool(done) is bool(fixed)


def stubs(folder: Path, *names: str) -> Path:
    """Programs that write down how they were called."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/log\n')
        (folder / name).chmod(0o755)
    return folder


def test_fix_does_what_it_shows_and_undo_takes_it_back(
    machine: FakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented files alone are written and removed; the commands run as they were shown, once each."""
    listed_twice(machine)
    (machine.root / "etc/modules-load.d/v4l2loopback.conf").unlink()
    bins = stubs(tmp_path / "bin", "systemctl", "modprobe")
    before = {path for path in machine.root.rglob("*") if path.is_file()}
    steps = fixing.steps_of([finding(machine, name) for name in ("v4l2loopback", "two of one", "two of one")])
    shown = "\n".join(fixing.described(steps, "/home/ann"))
    assert shown.index("as root") < shown.index("as you")
    ran: list[str] = []

    def run(command: Sequence[str]) -> int:
        ran.append(command[-1])
        return subprocess.call(command, env={**os.environ, "PATH": f"{bins}:{os.environ['PATH']}"})

    monkeypatch.setattr(fixing, "_as_root", lambda machine: [])
    fixing.fix(machine.machine, steps, run)
    written = {path for path in machine.root.rglob("*") if path.is_file()} - before
    names = {
        "/etc/modules-load.d/livewarp.conf": outputs.LOAD_FILE[1],
        "/etc/modprobe.d/livewarp.conf": outputs.OPTIONS_FILE[1],
        "/home/ann/.config/wireplumber/wireplumber.conf.d/51-livewarp.conf": programs.RULE_05[1],
    }
    assert {str(path).removeprefix(str(machine.root)): path.read_text() for path in written} == names
    assert all(name in shown for name in names)
    assert (bins / "log").read_text() == "systemctl --user restart wireplumber\n"
    assert finding(machine, "v4l2loopback").verdict == finding(machine, "two of one").verdict == "ok"
    assert len(ran) == 2
    assert fixing.undo(machine.machine, run) == steps
    assert {path for path in machine.root.rglob("*") if path.is_file()} == before
    assert fixing.remembered() == []


@pytest.mark.parametrize(
    ("programs_here", "desktop", "terminal", "how"),
    [
        (("sudo", "pkexec"), True, True, "sudo"),
        (("sudo", "pkexec"), True, False, "pkexec"),
        (("sudo", "pkexec"), False, False, "sudo"),
        (("pkexec",), True, True, "pkexec"),
        (("pkexec",), False, True, ""),
        ((), True, True, ""),
    ],
)
def test_root_is_asked_for_where_a_person_can_answer(
    machine: FakeMachine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    programs_here: tuple[str, ...],
    desktop: bool,
    terminal: bool,
    how: str,
) -> None:
    """On a terminal by sudo, from a desktop by a window; without either the commands are left to a person."""
    monkeypatch.setenv("PATH", str(stubs(tmp_path / "bin", *programs_here)))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"isatty": lambda self: terminal})())
    if desktop:
        machine.environ["WAYLAND_DISPLAY"] = "wayland-0"
    if how:
        assert [Path(word).name for word in fixing._as_root(machine.machine)] == [how]
    else:
        with pytest.raises(LivewarpError, match="run the commands that are shown as root"):
            fixing._as_root(machine.machine)


def test_what_fails_is_said_and_what_was_done_before_can_be_undone(machine: FakeMachine) -> None:
    """The first command that fails ends it; a damaged journal is none."""
    steps = [Mending("one", path="~/a", text="x"), Mending("two", "exit 3"), Mending("three", path="~/b", text="y")]
    with pytest.raises(LivewarpError, match=r"failed \(status 3\).*--undo"):
        fixing.fix(machine.machine, steps)
    assert (machine.root / "home/ann/a").read_text() == "x"
    assert not (machine.root / "home/ann/b").exists()
    fixing.undo(machine.machine)
    assert not (machine.root / "home/ann/a").exists()
    fixing.journal().write_text("{")
    assert fixing.remembered() == []


def test_the_documented_files_are_those_that_are_written() -> None:
    """docs/apps.md names each of them, with what is in it."""
    text = (Path(__file__).parents[1] / "docs" / "apps.md").read_text(encoding="utf-8")
    for path, content in (outputs.LOAD_FILE, outputs.OPTIONS_FILE, programs.RULE_04, programs.RULE_05):
        assert f"`{path}`" in text
        assert content.strip() in text
