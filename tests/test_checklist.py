"""The steps towards a call, and the state as people call it, for every situation."""

from __future__ import annotations

import pytest

from livewarp.daemon.checklist import checklist, headline, is_ready
from livewarp.daemon.showing import checklist_lines
from livewarp.errors import Problem
from livewarp.live.outputs import Output
from livewarp.live.state import Conditions, State, StateName
from livewarp.system.machine import Machine
from livewarp.system.versions import versions

LOOPBACK = Output("virtual camera /dev/video10", None, False, 0, True, "Studio")
WATCHED = Output("PipeWire camera Studio", None, True, 0, True, "Studio")
BROKEN = Output("virtual camera /dev/video10", Problem("the device has gone", "load it"), None, 0, True, "Studio")
CAM = "webcam Cam"
NULL = Output("null", None, True, 0)


def state(name: StateName, reason: str = "why") -> State:
    """A state of the loop."""
    conditions = Conditions()
    conditions.release(StateName.STARTING)
    if name is not StateName.RUNNING:
        conditions.hold(name, reason)
    return conditions.published


@pytest.mark.parametrize(
    ("name", "source", "outputs", "done", "said", "word"),
    [
        (StateName.RUNNING, CAM, [LOOPBACK], "110", 'choose "Studio" as the camera', "Running"),
        (StateName.RUNNING, CAM, [LOOPBACK, WATCHED], "111", 'a program shows "Studio"', "Running"),
        (StateName.RUNNING, CAM, [NULL], "100", "no program sees the picture  →  livewarp doctor", "Preview only"),
        (StateName.RUNNING, CAM, [], "100", 'choose "livewarp"', "Preview only"),
        (StateName.RUNNING, CAM, [BROKEN], "100", "the device has gone; load it  →  livewarp doctor", "Preview only"),
        (StateName.RUNNING, CAM, [BROKEN, WATCHED], "111", "virtual camera: PipeWire camera Studio", "Running"),
        (StateName.RUNNING, "portrait (1280x720)", [LOOPBACK], "010", "the demo portrait stands in", "Demo portrait"),
        (StateName.RUNNING, "portrait:2", [NULL], "000", "the demo portrait stands in", "Demo portrait"),
        (StateName.STALLED, CAM, [LOOPBACK], "010", "✗ camera: why  →  livewarp doctor", "No picture"),
        (StateName.IDLE, CAM, [LOOPBACK], "110", "opened when somebody watches", "Waiting for a viewer"),
        (StateName.BLANKED, CAM, [WATCHED], "111", "camera: webcam Cam", "Blanked"),
        (StateName.STARTING, CAM, [LOOPBACK], "010", "✗ camera: why", "Starting"),
    ],
)  # fmt: skip
def test_what_is_done_and_what_helps_with_the_rest(
    name: StateName, source: str, outputs: list[Output], done: str, said: str, word: str
) -> None:
    """A camera, a virtual camera, a program; it is called Running only when a call is possible."""
    now = state(name)
    steps = checklist(now, source, True, outputs)
    assert "".join(str(int(step.done)) for step in steps) == done
    lines = checklist_lines([{"done": step.done, "text": step.text, "command": step.command} for step in steps])
    assert any(said in line for line in lines), lines
    assert headline(now, steps, source) == word
    assert is_ready(steps) is done.startswith("11")


def test_the_versions_tell_what_matters(tmp_path) -> None:
    """Of the machine that it runs on: PipeWire's by the name of its library, the module's, system and processor."""
    for path, text in {
        "usr/lib/x86_64-linux-gnu/libpipewire-0.3.so.0.1402.0": "",
        "sys/module/v4l2loopback/version": "0.15.0\n",
        "etc/os-release": 'PRETTY_NAME="Debian 13"\n',
        "proc/sys/kernel/osrelease": "6.12.1\n",
        "proc/cpuinfo": "processor : 0\nmodel name\t: Some CPU @ 2 GHz\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = versions(Machine(root=tmp_path, platform="linux"))
    assert found["PipeWire"] == "1.4.2"
    assert found["v4l2loopback"] == "0.15.0"
    assert found["system"] == "Debian 13, kernel 6.12.1"
    assert found["processor"] == "Some CPU @ 2 GHz"
    assert found["numba"][0].isdecimal()
    old = tmp_path / "usr/lib/x86_64-linux-gnu/libpipewire-0.3.so.0.1402.0"
    old.rename(old.with_name("libpipewire-0.3.so.0.365.0"))
    assert versions(Machine(root=tmp_path, platform="linux"))["PipeWire"] == "0.3.65"
