"""What stands between a person and a call, as three steps: a camera, a virtual camera, a program that shows it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from livewarp.control.protocol.reports import StepReport
from livewarp.live.outputs import Output
from livewarp.live.state import State, StateName
from livewarp.sources.sitters import SITTERS

_WHY = "livewarp doctor"
_GET_ONE = "livewarp doctor --fix" if sys.platform.startswith("linux") else _WHY
_WORDS = {
    StateName.STOPPING: "Stopping",
    StateName.STARTING: "Starting",
    StateName.BLANKED: "Blanked",
    StateName.IDLE: "Waiting for a viewer",
    StateName.STALLED: "No picture",
    StateName.RUNNING: "Running",
}


def checklist(state: State, source: str, live: bool, outputs: Sequence[Output]) -> list[StepReport]:
    """The three steps: whether each is done, what to say, and the command that helps.

    Parameters
    ----------
    source, live
        Its name, and whether it is a camera.
    """
    cameras = [output for output in outputs if output.camera]
    working = [output for output in cameras if output.problem is None]
    return [_camera(state, source, live), _virtual_camera(cameras, working), _program(working)]


def headline(state: State, steps: Sequence[StepReport], source: str) -> str:
    """The state in a word or two, as people call it; "Running" only when a call is possible."""
    if state.state is not StateName.RUNNING:
        return _WORDS[state.state]
    if _is_demo(source):
        return "Demo portrait"
    return _WORDS[state.state] if is_ready(steps) else "Preview only"


def is_ready(steps: Sequence[StepReport]) -> bool:
    """Whether a call is possible: frames come, and programs find a camera."""
    return all(step.done for step in steps[:2])


def _camera(state: State, source: str, live: bool) -> StepReport:
    held = {condition.state: condition.reason for condition in state.conditions}
    if _is_demo(source):
        return StepReport("camera", False, "camera: no webcam is used, the demo portrait stands in", _WHY)
    if StateName.STALLED in held:
        return StepReport("camera", False, f"camera: {held[StateName.STALLED]}", _WHY)
    if StateName.IDLE in held:
        return StepReport("camera", True, f"camera: {source}, opened when somebody watches", "")
    if StateName.STARTING in held:
        return StepReport("camera", False, f"camera: {held[StateName.STARTING]}", "")
    return StepReport("camera", True, f"{'camera' if live else 'file'}: {source}", "")


def _virtual_camera(cameras: Sequence[Output], working: Sequence[Output]) -> StepReport:
    if working:
        names = ", ".join(output.name for output in working)
        return StepReport("virtual_camera", True, f"virtual camera: {names}", "")
    why = str(cameras[0].problem) if cameras else "none, so that no program sees the picture"
    return StepReport("virtual_camera", False, f"virtual camera: {why}", _WHY if cameras else _GET_ONE)


def _program(working: Sequence[Output]) -> StepReport:
    label = next((output.label for output in working if output.label), "livewarp")
    if any(output.watched is True for output in working):
        return StepReport("program", True, f'a program shows "{label}"', "")
    return StepReport("program", False, f'choose "{label}" as the camera in your program', "")


def _is_demo(source: str) -> bool:
    return source.partition(" ")[0] in {sitter.name for sitter in SITTERS}
