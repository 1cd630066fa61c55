"""The webcam's own controls: asked and set of a scripted kernel, kept by its path, and set again when it is opened."""

from __future__ import annotations

import errno
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from livewarp.daemon.cameras import Cameras
from livewarp.errors import ParameterError, SourceError
from livewarp.sources import plan_source
from livewarp.system import controls

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Video4Linux is Linux's")

BRIGHTNESS, WHITE_AUTO, WHITE, POWER, EXPOSURE, TIME, PRIVACY, LED = (
    0x980900, 0x98090C, 0x98091A, 0x980918, 0x9A0901, 0x9A0902, 0x9A0910, 0xA046D05,
)  # fmt: skip
INTEGER, BOOLEAN, MENU = 1, 2, 3
INACTIVE, READ_ONLY = 0x10, 0x4


@dataclass
class Webcam:
    """The kernel's side of a UVC webcam: (type, label, min, max, step, default), values, menus."""

    values: dict[int, int] = field(default_factory=dict)
    written: list[tuple[int, int]] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    known: ClassVar = {
        BRIGHTNESS: (INTEGER, "Brightness", -64, 64, 1, 0),
        WHITE_AUTO: (BOOLEAN, "White Balance, Automatic", 0, 1, 1, 1),
        POWER: (MENU, "Power Line Frequency", 0, 2, 1, 1),
        WHITE: (INTEGER, "White Balance Temperature", 2800, 6500, 10, 4600),
        EXPOSURE: (MENU, "Auto Exposure", 0, 3, 1, 3),
        TIME: (INTEGER, "Exposure Time, Absolute", 3, 2047, 1, 166),
        PRIVACY: (BOOLEAN, "Privacy", 0, 1, 1, 0),
        LED: (INTEGER, "LED1 Frequency!", 0, 255, 1, 24),
    }
    menus: ClassVar = {
        POWER: {0: "Disabled", 1: "50 Hz", 2: "60 Hz"},
        EXPOSURE: {1: "Manual Mode", 3: "Aperture Priority Mode"},
    }

    def __post_init__(self) -> None:
        self.values = {number: about[5] for number, about in self.known.items()}

    def flags(self, number: int) -> int:
        """Those of a control now."""
        inactive = (number == TIME and self.values[EXPOSURE] == 3) or (number == WHITE and self.values[WHITE_AUTO])
        return (INACTIVE if inactive else 0) | (READ_ONLY if number == PRIVACY else 0)

    def ioctl(self, fd: int, request: int, argument: bytearray) -> int:
        """The calls of linux/videodev2.h, whose low bytes are size and number."""
        size, call = request >> 16 & 0x3FFF, request & 0xFF
        assert size == len(argument)
        (number,) = struct.unpack_from("=I", argument)
        if call == 0x24:  # VIDIOC_QUERYCTRL
            after = [known for known in sorted(self.known) if known > number & 0x7FFFFFFF]
            if not number & 0x80000000 or not after:
                raise OSError(errno.EINVAL, "Invalid argument")
            kind, label, *numbers = self.known[after[0]]
            struct.pack_into("=II32siiiiI", argument, 0, after[0], kind, label.encode(), *numbers, self.flags(after[0]))
        elif call == 0x25:  # VIDIOC_QUERYMENU
            (index,) = struct.unpack_from("=I", argument, 4)
            if index not in self.menus[number]:
                raise OSError(errno.EINVAL, "Invalid argument")
            struct.pack_into("=32s", argument, 8, self.menus[number][index].encode())
        elif call == 0x1B:  # VIDIOC_G_CTRL
            struct.pack_into("=i", argument, 4, self.values[number])
        elif call == 0x1C:  # VIDIOC_S_CTRL
            (value,) = struct.unpack_from("=i", argument, 4)
            if number in self.refused or self.flags(number):
                raise OSError(errno.EIO, "Input/output error")
            self.values[number] = value
            self.written.append((number, value))
        else:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        return 0


@pytest.fixture
def webcam(monkeypatch: pytest.MonkeyPatch) -> Webcam:
    """What answers the ioctls of any descriptor."""
    webcam = Webcam()
    monkeypatch.setattr("fcntl.ioctl", webcam.ioctl)
    return webcam


@pytest.fixture
def node(tmp_path: Path) -> str:
    """A file in the place of its device node."""
    (tmp_path / "video0").touch()
    return str(tmp_path / "video0")


@pytest.fixture
def cameras(tmp_path: Path, webcam: Webcam) -> Cameras:
    """What the daemon has, with its file."""
    return Cameras(tmp_path / "cameras.json")


def values(described: dict[str, dict[str, dict[str, object]]]) -> dict[str, object]:
    """Name → value."""
    return {name: control["value"] for name, control in described["controls"].items()}


def test_the_controls_have_plain_names_and_values(cameras: Cameras, node: str) -> None:
    """They are named alike on every kernel; menus are texts, and say automatic where the driver means it."""
    described = cameras.describe(node)
    assert values(described) == {
        "brightness": 0, "auto_white_balance": True, "power_line_frequency": "50 Hz",
        "white_balance_temperature": 4600, "exposure": "auto", "exposure_time": 166, "privacy": False,
        "led1_frequency": 24,
    }  # fmt: skip
    assert described["controls"]["exposure"]["choices"] == ["manual", "auto"]
    assert described["controls"]["power_line_frequency"]["choices"] == ["off", "50 Hz", "60 Hz"]
    time = described["controls"]["exposure_time"]
    assert (time["active"], time["overridden_by"], time["min"], time["max"]) == (False, "exposure", 3, 2047)
    assert described["controls"]["privacy"]["writable"] is False


def test_an_automatic_one_is_switched_off_before_what_it_overrides_is_set(
    cameras: Cameras, webcam: Webcam, node: str
) -> None:
    """One message does both, whatever the order; alone, what is overridden is refused with the command that sets it."""
    with pytest.raises(ParameterError, match="livewarp camera exposure=manual exposure_time=300"):
        cameras.set(node, {"brightness": 5, "exposure_time": 300})
    assert webcam.written == []
    described = cameras.set(node, {"exposure_time": "300", "exposure": "MANUAL"})
    assert webcam.written == [(EXPOSURE, 1), (TIME, 300)]
    assert described["controls"]["exposure_time"]["kept"] is True
    cameras.set(node, {"auto_white_balance": "off", "white_balance_temperature": 3204})
    assert webcam.values[WHITE] == 3200  # in the driver's steps


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"brightnes": 1}, "no control brightnes.*did you mean brightness"),
        ({"brightness": 65}, "allowed: a whole number from -64 to 64"),
        ({"brightness": "bright"}, "allowed: a whole number"),
        ({"brightness": True}, "allowed: a whole number"),
        ({"brightness": float("inf")}, "allowed: a whole number"),
        ({"power_line_frequency": "55 Hz"}, "allowed: off, 50 Hz, 60 Hz"),
        ({"auto_white_balance": 7}, "allowed: true or false"),
        ({"privacy": True}, "privacy can only be read"),
    ],
)
def test_what_a_control_does_not_take_is_refused_and_nothing_is_set(
    cameras: Cameras, webcam: Webcam, node: str, wanted: dict[str, object], said: str
) -> None:
    """The error names what is allowed, and what came before in the same message is not set either."""
    with pytest.raises(ParameterError, match=said):
        cameras.set(node, {"led1_frequency": 3, **wanted})
    assert webcam.written == []


def test_what_was_set_is_set_again_when_the_camera_is_opened(
    cameras: Cameras, webcam: Webcam, node: str, tmp_path: Path
) -> None:
    """After a replug and a new start, for this camera alone; what is so already is not written."""
    cameras.set(node, {"exposure": "manual", "exposure_time": 300, "brightness": 9})
    again = Cameras(tmp_path / "cameras.json")
    webcam.__post_init__()  # a camera that was unplugged has forgotten it
    webcam.values[BRIGHTNESS], webcam.written = 9, []
    again.restore("/dev/another")
    assert webcam.written == []

    class Opened:
        device = node

    plan = plan_source("portrait")
    assert plan.then(again.restored).open().name == plan.open().name  # it has no controls, and needs none
    again.restored(Opened())  # type: ignore[arg-type]
    assert webcam.written == [(EXPOSURE, 1), (TIME, 300)]
    assert again.problems == []


def test_a_camera_that_refuses_what_is_kept_is_a_problem_that_says_how_to_forget_it(
    cameras: Cameras, webcam: Webcam, node: str
) -> None:
    """The rest is set all the same."""
    cameras.set(node, {"brightness": 9, "led1_frequency": 3})
    webcam.__post_init__()
    webcam.refused, webcam.written = {BRIGHTNESS}, []
    cameras.restore(node)
    assert webcam.written == [(LED, 3)]
    assert "does not take what is kept of brightness; livewarp camera --reset" in str(cameras.problems[0])
    with pytest.raises(SourceError, match="brightness=3 is refused: input/output error"):
        cameras.set(node, {"brightness": 3})


def test_reset_goes_back_to_the_camera_s_defaults_and_forgets(
    cameras: Cameras, webcam: Webcam, node: str, tmp_path: Path
) -> None:
    """Those that are named, or all; what an automatic one overrides is set before that one is on again."""
    cameras.set(node, {"exposure": "manual", "exposure_time": 300, "brightness": 9})
    described = cameras.reset(node, ["brightness"])
    assert (webcam.values[BRIGHTNESS], described["controls"]["brightness"]["kept"]) == (0, False)
    cameras.reset(node, None)
    assert webcam.values == {number: about[5] for number, about in webcam.known.items()}
    Cameras(tmp_path / "cameras.json").restore(node)
    with pytest.raises(ParameterError, match="no control zoom"):
        cameras.reset(node, ["zoom"])


@pytest.mark.parametrize("text", ["", "{", '{"version": 9}', '{"version": 1, "cameras": [1]}', "[" * 9999])
def test_a_damaged_file_is_a_problem_that_the_next_change_mends(
    webcam: Webcam, node: str, tmp_path: Path, text: str
) -> None:
    """And no camera is kept from being opened."""
    (tmp_path / "cameras.json").write_text(text)
    cameras = Cameras(tmp_path / "cameras.json")
    assert "mends it" in str(cameras.problems[0])
    cameras.restore(node)
    cameras.set(node, {"brightness": 3})
    assert cameras.problems == []
    assert Cameras(tmp_path / "cameras.json").problems == []


def test_without_a_webcam_it_is_said(cameras: Cameras, tmp_path: Path) -> None:
    """None is used, or it is gone."""
    assert cameras.describe("") == {"camera": "", "controls": {}}
    with pytest.raises(SourceError, match="no webcam is used"):
        cameras.set("", {"brightness": 1})
    with pytest.raises(SourceError, match="no such file or directory; is it plugged in"):
        cameras.describe(str(tmp_path / "gone"))


def test_a_driver_that_never_ends_its_list_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it says the same again."""

    def endless(fd: int, request: int, argument: bytearray) -> int:
        if len(argument) == 68:
            struct.pack_into("=II32siiiiI", argument, 0, BRIGHTNESS, INTEGER, b"Brightness", 0, 1, 1, 0, 0)
        return 0

    monkeypatch.setattr("fcntl.ioctl", endless)
    assert list(controls.controls(0)) == ["brightness"]
