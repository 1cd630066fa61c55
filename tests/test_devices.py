"""`livewarp devices`, on machines that are folders and, where there is one, on this one."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from livewarp.doctor.devices import attached_cameras, camera_places, devices_as_json, devices_as_text
from livewarp.errors import Problem
from livewarp.sinks.places import pipewire_problem
from livewarp.system import v4l2
from machine_fixture import CAPTURE, OUTPUT, FakeMachine, Node

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's own")

USB = Node(
    "uvcvideo", "Cam C920", CAPTURE, [("YUYV", 640, 480, 30.0), ("MJPG", 1280, 720, 30.0), ("MJPG", 1920, 1080, 29.97)]
)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A machine without devices."""
    fake = FakeMachine(tmp_path)
    monkeypatch.setattr("fcntl.ioctl", fake.ioctl)
    monkeypatch.setattr(v4l2, "holders", lambda node: [])  # by device number, which its files do not have
    return fake


def test_webcam(fake):
    """A webcam is listed with its own name, the stable name for --source, and its pictures, largest first."""
    fake.plug("video0", USB, by_id="usb-C920-index0")
    (webcam,) = attached_cameras(fake.machine)
    assert (webcam.name, webcam.node) == ("Cam C920", "/dev/video0")
    assert webcam.source == "webcam:/dev/v4l/by-id/usb-C920-index0"
    assert [tuple(mode) for mode in webcam.modes] == [
        ("YUYV", 640, 480, 30.0),
        ("MJPG", 1920, 1080, pytest.approx(29.97)),
        ("MJPG", 1280, 720, 30.0),
    ]


def test_webcam_without_udev(fake):
    """Where udev gives no stable name, the node names the webcam."""
    fake.plug("video3", USB)
    assert attached_cameras(fake.machine)[0].source == "webcam:/dev/video3"


def test_range_of_sizes(fake):
    """A camera that offers any size in a range is listed with the two ends of it."""
    fake.plug("video0", Node("x", "Any", CAPTURE, [("YUYV", 32, 24, 0), ("YUYV", 1920, 1080, 0)], ranged=True))
    assert [mode[1:] for mode in attached_cameras(fake.machine)[0].modes] == [(1920, 1080, None), (32, 24, None)]


def test_what_is_no_webcam(fake):
    """Metadata nodes, outputs and v4l2loopback are no webcams; nodes come in the order of their numbers."""
    fake.plug("video10", USB)
    fake.plug("video2", USB)
    fake.plug("video1", Node("uvcvideo", "Cam C920", 0x00800000))
    fake.plug("video4", Node("vivid", "vivid", OUTPUT))
    fake.load_v4l2loopback(name="video7", caps=CAPTURE)
    fake.write("/dev/video", "")
    assert [webcam.node for webcam in attached_cameras(fake.machine)] == ["/dev/video2", "/dev/video10"]


def test_webcam_that_may_not_be_opened(fake, monkeypatch):
    """A webcam that this user may not open is listed by the name that sysfs has, with the reason."""
    fake.plug("video0", USB)

    def refuse(node):
        raise PermissionError(13, "Permission denied", str(node))

    monkeypatch.setattr(v4l2, "capabilities", refuse)
    (webcam,) = attached_cameras(fake.machine)
    assert (webcam.name, webcam.problem) == ("Cam C920", Problem("you may not open it"))


def test_holders_are_named(fake, monkeypatch):
    """Who has a webcam open is named with its pid."""
    fake.plug("video0", USB)
    monkeypatch.setattr(v4l2, "holders", lambda node: [(41, "zoom")])
    assert attached_cameras(fake.machine)[0].holders == ((41, "zoom"),)
    assert "open in zoom (pid 41)" in devices_as_text(fake.machine)


@pytest.mark.parametrize(
    ("caps", "free", "writer", "exclusive"),
    [
        (OUTPUT, True, False, True),
        (CAPTURE, False, True, True),
        (0, True, False, True),  # what 0.12 leaves behind; livewarp heals it
        (CAPTURE | OUTPUT, True, False, False),
    ],
)
def test_v4l2loopback(fake, caps, free, writer, exclusive):
    """The capabilities of a v4l2loopback device tell whether it is free, fed, and has exclusive_caps."""
    fake.load_v4l2loopback(caps=caps)
    camera = camera_places(fake.machine)[0]
    assert (camera.kind, camera.sink, camera.name) == ("v4l2loopback", "virtualcam:/dev/video10", "livewarp")
    assert (camera.free, camera.writer, camera.exclusive) == (free, writer, exclusive)


def test_pipewire(fake):
    """PipeWire is a sink once its library is installed and its daemon answers; until then the reason is told."""
    assert "libpipewire-0.3.so.0 is not installed" in str(pipewire_problem(fake.machine))
    with fake.start_pipewire():
        assert pipewire_problem(fake.machine) is None
    assert "does not answer at /run/u/pipewire-0" in str(pipewire_problem(fake.machine))
    del fake.environ["XDG_RUNTIME_DIR"]
    assert "XDG_RUNTIME_DIR" in str(pipewire_problem(fake.machine))


def test_text(fake):
    """People read names, the words for --source and --sink, and formats that offer the same on one line."""
    both = [(fourcc, *mode) for fourcc in ("YUYV", "MJPG") for mode in ((1280, 720, 30.0), (640, 480, 30.0))]
    fake.plug("video0", Node("uvcvideo", "Cam", CAPTURE, both))
    fake.load_v4l2loopback(caps=CAPTURE | OUTPUT)
    text = click.unstyle(devices_as_text(fake.machine))
    assert "  Cam  /dev/video0\n    --source webcam:/dev/video0\n    YUYV MJPG: 1280x720@30  640x480@30\n" in text
    assert "  livewarp  /dev/video10\n    --sink virtualcam:/dev/video10\n" in text
    assert "without exclusive_caps=1" in text


def test_nothing_there(fake):
    """A machine without a camera is told so, and still says why PipeWire is none."""
    text = click.unstyle(devices_as_text(fake.machine))
    assert "none is connected" in text
    assert "libpipewire-0.3.so.0 is not installed" in text


def test_json(fake):
    """--json has the same, with every key of both kinds."""
    fake.plug("video0", USB)
    found = json.loads(json.dumps(devices_as_json(fake.machine)))
    assert found["webcams"][0]["modes"][0] == ["YUYV", 640, 480, 30.0]
    assert found["virtual_cameras"][-1]["kind"] == "pipewire"


def test_command_is_quick():
    """`livewarp devices` runs on this machine, and loads neither OpenCV nor numpy."""
    script = "import sys; from livewarp.cli.main import cli; cli(['devices', '--json'], standalone_mode=False)\n"
    script += "assert not {'cv2', 'numpy', 'dlib'} & set(sys.modules), 'heavy'"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"webcams", "virtual_cameras"}
