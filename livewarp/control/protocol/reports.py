"""What the daemon reports of itself: the members of `state`, `stats` and `faces`, from which their schema derives."""

from __future__ import annotations

import types
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class ProblemReport:
    """What is wrong, and the remedy."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ConditionReport:
    """Something that holds, and for how long."""

    state: str
    reason: str
    since_s: float


@dataclass(frozen=True, slots=True)
class OutputReport:
    """How a sink is doing; `watched`: null where that cannot be known; `camera`: whether programs see it as one."""

    name: str
    problem: str | None
    watched: bool | None
    dropped: int
    camera: bool = False
    label: str = ""  # what programs call that camera


@dataclass(frozen=True, slots=True)
class StepReport:
    """A step towards a call: `step` is camera, virtual_camera or program; `command` helps where it is not done."""

    step: str
    done: bool
    text: str
    command: str


@dataclass(frozen=True, slots=True)
class SwitchesReport:
    """What is sent instead of frames."""

    blank: bool
    freeze: bool


@dataclass(frozen=True, slots=True)
class WornReport:
    """The preset that is on, null: none, and whether it was edited since."""

    name: str | None
    edited: bool


@dataclass(frozen=True, slots=True)
class StateReport:
    """What the daemon is doing and why; those with a default may be missing in what an older daemon says."""

    state: str
    reason: str
    since_s: float
    source: str
    sinks: list[str]
    camera: str = ""  # the webcam whose controls the method camera has; "": none
    headline: str = ""  # the state as people call it
    ready: bool = False  # whether a call is possible
    checklist: list[StepReport] = field(default_factory=list)
    conditions: list[ConditionReport] = field(default_factory=list)
    outputs: list[OutputReport] = field(default_factory=list)
    switches: SwitchesReport = SwitchesReport(False, False)
    model: str = ""
    problems: list[ProblemReport] = field(default_factory=list)
    getting_ready: list[str] = field(default_factory=list)
    limited: dict[str, float] = field(default_factory=dict)  # by what share a knob is held back
    covered: str = ""  # why the newest frame was hidden whole
    preset: WornReport = WornReport(None, False)
    size: list[int] = field(default_factory=list)  # width and height of the frames that are sent, px
    viewers: int = 0
    abandoned_threads: int = 0
    economy: int = 0


@dataclass(frozen=True, slots=True)
class TimesReport:
    """Percentiles over the newest frames, ms."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class StatsReport:
    """The figures of the loop, and what the process costs."""

    fps: float
    frames: int
    budget_ms: float
    late: int
    dropped: int
    faces: int
    latency: TimesReport
    stages: dict[str, TimesReport]
    cpu_percent: float
    memory_mb: float
    passed: int = 0
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class FaceReport:
    """A face; its box is that of its landmarks: x0, y0, x1, y1, px."""

    id: int
    confidence: float
    box: list[float]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float


_PLAIN: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean", "description": "true or false"},
    int: {"type": "integer", "description": "an integer"},
    float: {"type": "number", "description": "a number"},
    str: {"type": "string", "description": "a text"},
}


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a report, or of what one of its members may be."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
        return {"type": "object", "properties": {n: schema_of(hint) for n, hint in hints.items()}, "required": needed}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if origin in (Union, types.UnionType) and arguments[1] is type(None):
        return {"anyOf": [schema_of(arguments[0]), {"type": "null"}]}
    raise TypeError(f"no schema for {kind!r}")
