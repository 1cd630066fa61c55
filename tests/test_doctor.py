"""`livewarp doctor`: each check on a machine where it finds something and on one where it does not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from control_fixture import FakeDaemon, control
from livewarp import doctor
from livewarp.doctor import installation
from livewarp.doctor import readiness as running
from livewarp.doctor import virtual_cameras as outputs
from livewarp.doctor import webcams as cameras
from livewarp.doctor.case import Case, Running
from livewarp.errors import ModelError, Problem, SourceError
from livewarp.settings import Settings
from livewarp.system import v4l2
from livewarp.system.environment import install_command
from livewarp.system.machine import CommandResult, run_command
from machine_fixture import CAPTURE, KERNEL, OUTPUT, FakeMachine, Node

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="most checks are about Linux")

CAM = Node("uvcvideo", "Cam", CAPTURE, [("MJPG", 1280, 720, 30.0), ("MJPG", 640, 480, 30.0)])
SYSTEMS = {
    "apt": (
        'ID=linuxmint\nID_LIKE="ubuntu debian"\n',
        "sudo apt install v4l2loopback-dkms linux-headers-6.1.0-18-amd64",
    ),
    "dnf": ("ID=fedora\n", "sudo dnf install akmod-v4l2loopback kernel-devel-6.1.0-18-amd64"),
    "pacman": ("ID=endeavouros\nID_LIKE=arch\n", "sudo pacman -S --needed v4l2loopback-dkms linux-headers"),
    "zypper": ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "sudo zypper install v4l2loopback-kmp-default"),
    "none": ("ID=void\n", "install with your system's package manager: v4l2loopback"),
}


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A machine without devices."""
    fake = FakeMachine(tmp_path)
    monkeypatch.setattr("fcntl.ioctl", fake.ioctl)
    monkeypatch.setattr(v4l2, "holders", lambda node: [])  # by device number, which its files do not have
    monkeypatch.setattr(cameras, "measured_fps", lambda *asked: 30.0)
    return fake


def case(fake: FakeMachine, **video: object) -> Case:
    """An examination of it, with ports that nobody has and these settings of [video]."""
    tables = {"video": video, "control": {"address": "127.0.0.1:0", "panel": "127.0.0.1:0"}}
    return Case(fake.machine, Settings(**tables))  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------- installation


def test_python(fake):
    """Every wheel that livewarp names is loaded, in a process of its own, and is one of a tested version."""
    fake.answer = run_command
    finding = installation.python(fake.machine)
    assert (finding.verdict, finding.data["versions"]["numpy"]) == ("ok", sys.modules["numpy"].__version__)


def test_python_that_is_too_old(fake, monkeypatch):
    """An old Python is a problem, with the command that takes another one."""
    monkeypatch.setattr(installation, "OLDEST_PYTHON", (4, 0))
    assert installation.python(fake.machine).verdict == "problem"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("ImportError: libGL.so.1: cannot open shared object file: No such file", "sudo apt install libgl1"),
        ("ImportError: libodd.so.9: cannot open shared object file: x", install_command("opencv-python", again=True)),
        ("ModuleNotFoundError: No module named 'cv2'", install_command("opencv-python", again=True)),
    ],
)
def test_wheel_that_does_not_load(fake, error, remedy):
    """A wheel that does not load is named, with the system's package where a library of it is missing."""
    answers = [[m, error if m == "cv2" else None] for m in installation.MODULES.values()]
    fake.answer = lambda command: CommandResult(0, "a warning\n" + "\n".join(map(json.dumps, answers)))
    finding = installation.python(fake.machine)
    assert (finding.verdict, finding.remedy) == ("problem", (remedy,))
    assert "opencv-python does not load" in finding.text


def test_wheel_that_kills_python(fake):
    """A wheel that kills the process that loads it (built for another CPU) is found, and the doctor survives."""
    loaded = list(installation.MODULES.values())[:3]
    fake.answer = lambda command: CommandResult(-4, "\n".join(json.dumps([m, None]) for m in loaded))
    finding = installation.python(fake.machine)
    assert finding.verdict == "problem"
    assert f"{list(installation.MODULES)[3]} does not load: killed Python" in finding.text


def test_untested_version(fake, monkeypatch):
    """A wheel of an untested version is a note, with the command that brings a tested one."""
    fake.answer = run_command
    version = installation.metadata.version
    monkeypatch.setattr(installation.metadata, "version", lambda name: "99.0" if name == "numpy" else version(name))
    finding = installation.python(fake.machine)
    assert (finding.verdict, finding.remedy) == ("note", (install_command("numpy<3,>=2.4"),))


def test_weights(fake, monkeypatch, tmp_path):
    """Missing and damaged weights are problems, with the command that brings them; the right ones are ok."""
    from livewarp.tracking import weights

    assert installation.weights(case(fake)).verdict == "ok"

    def missing(path, which):
        raise ModelError("landmark weights: missing", remedy="do this")

    monkeypatch.setattr(weights, "find_weights", missing)
    finding = installation.weights(case(fake))
    assert (finding.verdict, finding.remedy) == ("problem", (weights.LANDMARKS_68.remedy, weights.OTHER_MODEL))
    damaged = tmp_path / "damaged.dat"
    damaged.write_bytes(b"x")
    monkeypatch.setattr(weights, "find_weights", lambda path, which: damaged)  # its size and date were remembered
    assert "checksum is wrong" in installation.weights(case(fake)).text


def test_kernels(fake):
    """Kernels that are compiled and kept are ok; without the compiler there is no call."""
    assert installation.kernels(case(fake)).verdict in ("ok", "note")
    fake.environ["NUMBA_DISABLE_JIT"] = "1"
    finding = installation.kernels(case(fake))
    assert (finding.verdict, finding.remedy) == ("problem", ("unset NUMBA_DISABLE_JIT",))


def test_kernels_that_cannot_be_kept(fake):
    """Where neither the package nor the home can be written, the variable that mends it is named."""
    script = "from livewarp.doctor import installation; from livewarp.doctor.case import Case\n"
    script += "import numba.core.caching as c\n"
    script += "c.CacheImpl._locator_classes = []\n"  # as if no folder would do
    script += "f = installation.kernels(Case()); print(f.verdict, *f.remedy)"
    environ = {**os.environ, "NUMBA_DISABLE_JIT": "0"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, check=False)
    assert done.stdout.startswith("problem export NUMBA_CACHE_DIR="), done.stderr


def test_config(fake, tmp_path):
    """A refused config file is a problem that names table and key; the other checks go on with the defaults."""
    file = tmp_path / "config.toml"
    file.write_text("[video]\nwidht = 640\n")
    refused = doctor._case(fake.machine, file, {})
    finding = installation.config(refused)
    assert (finding.verdict, finding.remedy) == ("problem", (f"edit {file}",))
    assert "[video] widht: unknown key" in finding.text
    assert refused.settings == Settings()
    file.write_text("[video]\nwidth = 640\n")
    assert installation.config(doctor._case(fake.machine, file, {})).verdict == "ok"


def test_option_that_is_refused(fake):
    """An option that `run` would refuse is a problem, not the end of the examination."""
    finding = installation.config(doctor._case(fake.machine, None, {"video": {"width": 1}}))
    assert finding.verdict == "problem"


# ------------------------------------------------------------------------------------------------ cameras


def test_camera(fake):
    """A free webcam that delivers is ok, with its measured rate."""
    fake.plug("video0", CAM, by_id="usb-Cam")
    finding = cameras.delivering_source(case(fake))
    assert finding.verdict == "ok"
    assert "Cam delivers 30.0 fps" in finding.text
    assert finding.data["source"] == "webcam:/dev/v4l/by-id/usb-Cam"


def test_no_camera(fake):
    """Without a webcam there is no call; how to try livewarp all the same is told."""
    finding = cameras.delivering_source(case(fake))
    assert (finding.verdict, finding.text) == ("problem", "no webcam is connected")
    assert any("livewarp run --source portrait" in step for step in finding.remedy)


def test_slow_camera(fake, monkeypatch):
    """A camera that delivers far less than asked is a note, with a size at which it claims to be fast."""
    monkeypatch.setattr(cameras, "measured_fps", lambda *asked: 9.8)
    fake.plug("video0", Node("uvcvideo", "Cam", CAPTURE, [("YUYV", 1280, 720, 10.0), ("YUYV", 640, 480, 30.0)]))
    finding = cameras.delivering_source(case(fake))
    assert (finding.verdict, finding.remedy) == ("note", ("livewarp run --width 640 --height 480 --fps 30",))


def test_camera_in_use(fake, monkeypatch):
    """A webcam that another program holds is a problem that names it; it is left alone."""
    fake.plug("video0", CAM)
    monkeypatch.setattr(v4l2, "holders", lambda node: [(41, "zoom")])
    monkeypatch.setattr(cameras, "measured_fps", lambda *asked: pytest.fail("it is in use"))
    finding = cameras.delivering_source(case(fake))
    assert finding.verdict == "problem"
    assert "open in zoom (pid 41)" in finding.text
    assert "kill 41" in finding.remedy[0]


def test_second_camera_helps(fake, monkeypatch):
    """As with `run`, a second webcam does where the first one is in use."""
    fake.plug("video0", CAM)
    fake.plug("video2", replace(CAM, card="Other"))
    monkeypatch.setattr(v4l2, "holders", lambda node: [(41, "zoom")] if node.name == "video0" else [])
    assert "Other delivers" in cameras.delivering_source(case(fake)).text
    assert cameras.delivering_source(case(fake, source="webcam:0")).verdict == "problem"


def test_camera_that_is_not_there(fake):
    """A webcam asked for by name that is not there is a problem, with those that are."""
    fake.plug("video0", CAM)
    finding = cameras.delivering_source(case(fake, source="webcam:/dev/video7"))
    assert (finding.verdict, finding.text) == ("problem", "no webcam /dev/video7; there are: webcam:/dev/video0")


def test_silent_camera(fake, monkeypatch):
    """A webcam that opens but delivers nothing is a problem with what it said."""
    fake.plug("video0", CAM)
    monkeypatch.setattr(cameras, "measured_fps", lambda *asked: Problem("opened, but no frame"))
    assert cameras.delivering_source(case(fake)).text == "opened, but no frame"


def test_other_sources(fake, tmp_path):
    """A file needs no webcam, a missing one is a problem, and the portrait is nobody in a call."""
    film = tmp_path / "a.mp4"
    film.touch()
    assert cameras.delivering_source(case(fake, source=str(film))).verdict == "ok"
    assert cameras.delivering_source(case(fake, source=str(film) + "x")).verdict == "problem"
    assert cameras.delivering_source(case(fake, source="portrait")).verdict == "note"


def test_rate_is_measured(monkeypatch):
    """The rate is that of frames that come, after those that waited in the driver."""
    now_s = [0.0]

    class Camera:
        name, width, height = "cam", 16, 16
        count = 0

        def read(self, out):
            self.count += 1
            now_s[0] += 0.0 if self.count < 5 else 0.05  # four wait and come at once
            return now_s[0]

        def close(self):
            self.count = -1

    camera = Camera()
    monkeypatch.setattr(cameras, "open_source", lambda *asked: camera)
    monkeypatch.setattr(cameras.time, "monotonic", lambda: now_s[0])
    assert cameras.measured_fps("webcam:0", 16, 16, 30.0) == pytest.approx(20.0)
    assert camera.count == -1


def test_driver_that_hangs(monkeypatch, tmp_path):
    """A driver that never answers is a problem after a while, not the end of the doctor."""
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(cameras, "_PATIENCE_S", 0.05)
    opened = []

    def block(*asked):
        opened.append(1)
        with (tmp_path / "fifo").open("rb"):  # nobody writes: a real block
            raise SourceError("it was let go")

    monkeypatch.setattr(cameras, "open_source", block)
    said = cameras.measured_fps("webcam:0", 16, 16, 30.0)
    assert "the driver hangs" in str(said)
    assert opened
    with (tmp_path / "fifo").open("wb"):  # lets it go
        pass
    for thread in threading.enumerate():
        if thread.name == "measure":
            thread.join(10)


def test_permissions(fake):
    """A node that may not be used is a problem: another group, or a new login where one is in it already."""
    fake.plug("video0", CAM)
    gid = (fake.root / "dev/video0").stat().st_gid
    assert cameras.permissions(case(fake)).verdict == "ok"
    fake.denied = {"video0"}
    finding = cameras.permissions(case(fake))
    assert (finding.verdict, finding.remedy[0]) == ("problem", "sudo usermod -aG video ann")
    fake.write("/etc/group", f"video:x:{gid}:bob,ann\n")
    finding = cameras.permissions(case(fake))
    assert (finding.verdict, finding.remedy) == ("problem", ("log out and in again",))


# ------------------------------------------------------------------------------------------------ outputs


@pytest.mark.parametrize("family", SYSTEMS)
def test_v4l2loopback_is_not_installed(fake, family):
    """The remedy is the command of this distribution, and of those that are like it."""
    system, command = SYSTEMS[family]
    fake.write("/etc/os-release", system)
    finding = outputs.v4l2loopback(case(fake))
    assert finding.verdict == "problem"
    assert finding.remedy == (command, outputs.MODPROBE)


def test_arch_kernel_flavour(fake):
    """On Arch the headers are those of the kernel's flavour."""
    fake.write("/etc/os-release", "ID=arch\n")
    fake.write("/proc/sys/kernel/osrelease", "6.12.1-2-lts")
    (fake.root / "lib/modules/6.12.1-2-lts").mkdir()
    assert "linux-lts-headers" in outputs.v4l2loopback(case(fake)).remedy[0]


def test_v4l2loopback_of_another_kernel(fake):
    """Installed by DKMS, but not built for this kernel: its headers, then a new build."""
    (fake.root / "var/lib/dkms/v4l2loopback/0.12.7").mkdir(parents=True)
    finding = outputs.v4l2loopback(case(fake))
    assert "not built for this kernel" in finding.text
    assert finding.remedy[:2] == (f"sudo apt install linux-headers-{KERNEL}", "sudo dkms autoinstall")


def test_kernel_without_modules(fake):
    """In a container no package helps: the host must load it."""
    fake.write("/proc/sys/kernel/osrelease", "6.9.9-cloud")
    finding = outputs.v4l2loopback(case(fake))
    assert "a container?" in finding.text
    assert finding.remedy[0].startswith("on the host")


@pytest.mark.parametrize("firmware", ["off", "on", "mokutil", "old"])
def test_v4l2loopback_is_not_loaded(fake, firmware):
    """Installed but not loaded: modprobe; with Secure Boot on, also the command that enrols the key."""
    fake.write(f"/lib/modules/{KERNEL}/modules.dep", "updates/dkms/v4l2loopback.ko.xz: kernel/x.ko\n")
    fake.write("/var/lib/shim-signed/mok/MOK.der")
    if firmware in ("on", "off"):
        variable = fake.write("/sys/firmware/efi/efivars/SecureBoot-8be4df61")
        variable.write_bytes(b"\6\0\0\0" + (b"\1" if firmware == "on" else b"\0"))
    elif firmware == "mokutil":
        (fake.root / "sys/firmware/efi").mkdir(parents=True)
        fake.answer = lambda command: CommandResult(0, "SecureBoot enabled\n")
    finding = outputs.v4l2loopback(case(fake))
    assert (finding.verdict, finding.remedy[0]) == ("problem", outputs.MODPROBE)
    enrols = [step for step in finding.remedy if "mokutil --import /var/lib/shim-signed/mok/MOK.der" in step]
    assert bool(enrols) == (firmware in ("on", "mokutil"))


def test_v4l2loopback_is_fine(fake):
    """Loaded, free and exclusive is ok, with version and label."""
    fake.load_v4l2loopback()
    finding = outputs.v4l2loopback(case(fake))
    assert (finding.verdict, finding.text) == ("ok", "version 0.15.0, /dev/video10 is free, shown as 'livewarp'")


def test_v4l2loopback_of_before_0_13(fake):
    """Before 0.13 the module does not tell its version; a device that its first writer left stuck is free."""
    fake.load_v4l2loopback(version="", caps=0)
    finding = outputs.v4l2loopback(case(fake))
    assert (finding.verdict, finding.data["version"]) == ("ok", "older than 0.13")


def test_v4l2loopback_without_exclusive_caps(fake):
    """Without exclusive_caps browsers do not list it: loaded anew with it."""
    fake.load_v4l2loopback(caps=CAPTURE | OUTPUT)
    finding = outputs.v4l2loopback(case(fake))
    assert (finding.verdict, finding.remedy) == ("note", (outputs.UNLOAD, outputs.MODPROBE))


def test_v4l2loopback_is_not_loaded_at_start(fake):
    """A module that the next start of the computer will not load is a note with the two files that change it."""
    fake.load_v4l2loopback()
    (fake.root / "etc/modules-load.d/v4l2loopback.conf").unlink()
    finding = outputs.v4l2loopback(case(fake))
    assert (finding.verdict, finding.remedy) == ("note", outputs.AT_START)
    fake.write("/etc/modules", "# at start\nv4l2loopback\n")
    assert outputs.v4l2loopback(case(fake)).verdict == "ok"


def test_v4l2loopback_without_that_device(fake):
    """Loaded without the device that was asked for, or without any, is loaded anew."""
    fake.load_v4l2loopback(name="")
    assert outputs.v4l2loopback(case(fake)).remedy == (outputs.UNLOAD, outputs.MODPROBE)
    fake.load_v4l2loopback()
    assert outputs.v4l2loopback(case(fake, sinks=["virtualcam:/dev/video10"])).verdict == "ok"
    finding = outputs.v4l2loopback(case(fake, sinks=["virtualcam:/dev/video11"]))
    assert "has no device /dev/video11" in finding.text


def test_v4l2loopback_is_taken(fake, monkeypatch):
    """A device that another program feeds is a problem that names it, unless that program is our own daemon."""
    fake.load_v4l2loopback(caps=CAPTURE)
    monkeypatch.setattr(v4l2, "holders", lambda node: [(41, "obs")])
    taken = case(fake)
    finding = outputs.v4l2loopback(taken)
    assert (finding.verdict, finding.text) == ("problem", "/dev/video10 is fed by obs (pid 41)")
    assert "kill 41" in finding.remedy[0]
    ours = case(fake)
    ours.__dict__["running"] = Running(41, {"state": "running"})
    finding = outputs.v4l2loopback(ours)
    assert finding.verdict == "ok"
    assert "fed by livewarp (pid 41)" in finding.text


def test_pipewire(fake):
    """PipeWire with session manager and portal is ok; each thing that is missing is named with its command."""
    wanted = {"sinks": ["pipewire"]}
    finding = outputs.pipewire(case(fake, **wanted))
    assert (finding.verdict, finding.remedy) == ("problem", ("sudo apt install pipewire wireplumber",))
    with fake.start_pipewire():
        assert outputs.pipewire(case(fake, **wanted)).verdict == "ok"
        (fake.root / "usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service").unlink()
        finding = outputs.pipewire(case(fake, **wanted))
        assert (finding.verdict, finding.remedy) == (
            "note",
            ("sudo apt install xdg-desktop-portal xdg-desktop-portal-gtk",),
        )
        (fake.root / "proc/77/comm").write_text("other")
        finding = outputs.pipewire(case(fake, **wanted))
        assert (finding.verdict, finding.remedy[-1]) == ("problem", outputs.RESTART_PIPEWIRE)
    finding = outputs.pipewire(case(fake, **wanted))
    assert (finding.verdict, finding.remedy) == ("problem", (outputs.RESTART_PIPEWIRE,))
    del fake.environ["XDG_RUNTIME_DIR"]
    assert "XDG_RUNTIME_DIR" in outputs.pipewire(case(fake, **wanted)).remedy[0]


def test_one_of_the_two_is_enough(fake):
    """By `auto`, PipeWire stands in for v4l2loopback: then its absence is a note, and asked for by name a problem."""
    assert outputs.v4l2loopback(case(fake)).verdict == "problem"
    assert outputs.pipewire(case(fake)).verdict == "note"
    with fake.start_pipewire():
        finding = outputs.v4l2loopback(case(fake))
        assert finding.verdict == "note"
        assert "Zoom" in finding.text
        assert outputs.v4l2loopback(case(fake, sinks=["virtualcam"])).verdict == "problem"
        assert outputs.v4l2loopback(case(fake, sinks=["pipewire"])).verdict == "note"


def test_browsers(fake):
    """Browsers need a switch for PipeWire cameras alone; which of those here have it is read from their profiles."""
    assert outputs.browsers(case(fake)).verdict == "ok"
    with fake.start_pipewire():
        finding = outputs.browsers(case(fake))
        assert (finding.verdict, len(finding.remedy)) == ("note", 2)
        prefs = fake.write("/home/ann/.mozilla/firefox/x.default/prefs.js", 'user_pref("a", 1);\n')
        assert outputs.browsers(case(fake)).remedy == (
            "Firefox: about:config, media.webrtc.camera.allow-pipewire = true",
        )
        prefs.write_text('user_pref("media.webrtc.camera.allow-pipewire", true);\n')
        flags = {"browser": {"enabled_labs_experiments": ["enable-webrtc-pipewire-camera@1"]}}
        state = fake.write("/home/ann/.config/chromium/Local State", json.dumps(flags))
        assert outputs.browsers(case(fake)).verdict == "ok"
        state.write_text("{")
        assert outputs.browsers(case(fake)).remedy == ("chromium --enable-features=WebRtcPipeWireCamera",)
        fake.load_v4l2loopback()
        assert outputs.browsers(case(fake)).verdict == "ok"


def test_sinks_that_nobody_sees(fake):
    """Settings that send to nothing that other programs see are a problem."""
    assert outputs.visible_sinks(case(fake)).verdict == "ok"
    finding = outputs.visible_sinks(case(fake, sinks=["null", "file:a.mp4"]))
    assert (finding.verdict, finding.remedy) == ("problem", ("livewarp run --sink auto",))


def test_obs(fake):
    """Where OBS carries the picture (macOS), it must be installed."""
    mac = Case(replace(fake.machine, platform="darwin"))
    assert outputs.obs(mac).verdict == "problem"
    (fake.root / "Applications/OBS.app").mkdir(parents=True)
    assert outputs.obs(Case(replace(fake.machine, platform="darwin"))).verdict == "ok"


# ------------------------------------------------------------------------------------------------ running


def with_ports(fake: FakeMachine, address: str, panel: str = "127.0.0.1:0") -> Case:
    """An examination with these ports."""
    return Case(fake.machine, Settings(control={"address": address, "panel": panel}))  # type: ignore[arg-type]


def test_free_ports(fake):
    """Ports that nobody has are ok."""
    assert running.ports(case(fake)).verdict == "ok"


def test_port_that_another_program_has(fake):
    """A port that is taken is a problem that names the program, and another port that is free."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        finding = running.ports(with_ports(fake, "127.0.0.1:0", panel=address))
    assert finding.verdict == "problem"
    assert f"(pid {os.getpid()})" in finding.text
    option, other = finding.remedy[0].removeprefix("livewarp run ").split()
    assert option == "--panel"
    assert other != address


def test_port_that_livewarp_has(fake):
    """A livewarp that answers there is no problem: it runs, and the source is asked of it."""
    with control(FakeDaemon()) as server:
        examined = with_ports(fake, str(server.address))
        assert examined.running is not None
        finding = running.ports(examined)
        assert finding.verdict == "ok"
        assert f"livewarp (pid {os.getpid()}) runs already" in finding.text
        assert "has the source" in cameras.delivering_source(examined).text


def test_bad_address(fake):
    """An address that is refused is a problem, not the end."""
    assert running.ports(with_ports(fake, "0.0.0.0:1")).verdict == "problem"


@pytest.mark.parametrize(("fps", "verdict"), [(1.0, "ok"), (240.0, None)])
def test_speed(fake, monkeypatch, fps, verdict):
    """The filter is timed on the portrait; whether that suffices is said in words."""
    monkeypatch.setattr(running, "BENCHMARK_S", 0.2)
    finding = running.budget(case(fake, width=320, height=240, fps=fps))
    assert verdict in (None, finding.verdict)
    assert finding.data["fps"] > 1.0
    assert "320x240" in finding.text


@pytest.mark.parametrize(("frame_s", "verdict"), [(0.01, "ok"), (0.05, "note"), (0.2, "problem")])
def test_speed_in_words(fake, frame_s, verdict):
    """Slower than asked is a note with a smaller size; under ten frames a second there is no call."""
    now_s = [0.0]

    def clock():
        now_s[0] += frame_s
        return now_s[0]

    finding = running.budget(case(fake, width=640, height=480, fps=30.0), clock)
    assert finding.verdict == verdict
    assert finding.remedy == (() if verdict == "ok" else ("livewarp run --width 480 --height 270",))


# ------------------------------------------------------------------------------------------------ the whole


@pytest.fixture
def quick(fake, monkeypatch):
    """The machine, with wheels that load and a benchmark that is over at once."""
    loaded = "\n".join(json.dumps([module, None]) for module in installation.MODULES.values())
    fake.answer = lambda command: CommandResult(0, loaded if "-c" in command else "")
    monkeypatch.setattr(running, "BENCHMARK_S", 0.1)
    return fake


OPTIONS = {"video": {"fps": 1.0}, "control": {"address": "127.0.0.1:0", "panel": "127.0.0.1:0"}}


def test_healthy_machine(quick):
    """On a machine with webcam and v4l2loopback nothing is a problem, and the verdict says so."""
    quick.plug("video0", CAM)
    quick.load_v4l2loopback()
    begun, ended = [], []
    reports = doctor.examine(None, OPTIONS, quick.machine, begun.append, ended.append)
    assert [r.check for r in reports if r.finding.verdict == "problem"] == []
    assert begun == [r.check for r in reports] == [r.check for r in ended]
    assert "A call can be made now" in doctor.conclusion(reports)


def test_bare_machine(quick):
    """On a machine with nothing the verdict names what to mend; each problem comes with a remedy."""
    reports = doctor.examine(None, OPTIONS, quick.machine)
    problems = [r for r in reports if r.finding.verdict == "problem"]
    assert [r.check for r in problems] == ["camera", "v4l2loopback"]
    assert all(r.finding.remedy for r in problems)
    assert "mend camera, v4l2loopback" in doctor.conclusion(reports)


def test_broken_installation_ends_it(fake):
    """Where a wheel is broken nothing else is asked."""
    fake.answer = lambda command: CommandResult(1, "")
    assert [r.check for r in doctor.examine(None, {}, fake.machine)] == ["Python"]


def test_check_that_fails_itself(quick, monkeypatch):
    """A check that raises is a problem of its own; the others are made all the same."""

    def fall_ill(machine):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("livewarp.sinks.places.pipewire_problem", fall_ill)
    reports = {r.check: r.finding for r in doctor.examine(None, OPTIONS, quick.machine)}
    assert "ZeroDivisionError" in reports["PipeWire"].text
    assert reports["speed"].verdict == "ok"


def test_lines():
    """A report for people: verdict, name, text in its column, a line for each remedy, commands unbroken."""
    finding = doctor.problem("it is " + "very " * 20 + "bad", "sudo mend --everything " + "x" * 90)
    lines = doctor.report_lines(doctor.Report("camera", finding, 0.1), 80).splitlines()
    assert "problem" in lines[0]
    assert "camera" in lines[0]
    assert lines[-1].endswith("x" * 90 + "\x1b[0m")
    assert "→ sudo mend --everything" in lines[-1]


def test_command_on_this_machine():
    """`livewarp doctor` runs here, says as JSON what it found, and its exit status is its verdict."""
    command = [sys.executable, "-m", "livewarp", "doctor", "--json", "--source", "portrait", "--sink", "null"]
    command += ["--width", "320", "--height", "240", "--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    result = json.loads(done.stdout)
    verdicts = {check["check"]: check["verdict"] for check in result["checks"]}
    assert (done.returncode, result["able"]) == (1, False)
    assert (verdicts["Python"], verdicts["sinks"]) == ("ok", "problem")
