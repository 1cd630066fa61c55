"""What the daemon tells of itself, ready for JSON: plain types, rounded for people."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from livewarp.control.protocol.reports import (
    ConditionReport,
    FaceReport,
    OutputReport,
    ProblemReport,
    StateReport,
    StatsReport,
    SwitchesReport,
)
from livewarp.daemon.checklist import checklist, headline, is_ready
from livewarp.errors import Problem
from livewarp.face68 import Face
from livewarp.live.engine import Engine
from livewarp.live.stats import ProcessMeter
from livewarp.settings import Settings
from livewarp.sources import SOURCE_KINDS


def state_of(engine: Engine, problems: Sequence[Problem] = ()) -> dict[str, Any]:
    """What it is doing, why and for how long, and what ails it."""
    state, now, outputs = engine.state, time.monotonic(), engine.outputs()
    steps = checklist(state, engine.source_name, engine.live, outputs)
    report = StateReport(
        state=state.state,
        reason=state.reason,
        since_s=round(now - state.since, 1),
        headline=headline(state, steps, engine.source_name),
        ready=is_ready(steps),
        checklist=steps,
        conditions=[ConditionReport(c.state, c.reason, round(now - c.since, 1)) for c in state.conditions],
        source=engine.source_name,
        camera=engine.camera,
        sinks=[sink.name for sink in engine.sinks],
        model=engine.model,
        outputs=[
            OutputReport(
                o.name, str(o.problem) if o.problem is not None else None, o.watched, o.dropped, o.camera, o.label
            )
            for o in outputs
        ],
        switches=SwitchesReport(**asdict(engine.switches)),
        getting_ready=engine.getting_ready,
        # In twentieths: not every breath of a face is news.
        limited={name: round(20 * share) / 20 for name, share in engine.limited.items() if share >= 0.025},
        covered=engine.covered,
        problems=[ProblemReport(problem.what, problem.remedy) for problem in (*engine.problems(), *problems)],
        size=list(engine.size),
        viewers=engine.viewers,
        abandoned_threads=engine.abandoned_threads,
        economy=engine.economy,
    )
    return asdict(report)


def face_of(face: Face) -> dict[str, Any]:
    """A face; `box` is that of its landmarks, px: x0, y0, x1, y1."""
    x0, y0 = face.landmarks.min(axis=0)
    x1, y1 = face.landmarks.max(axis=0)
    pose = face.pose
    report = FaceReport(
        id=face.id,
        confidence=round(face.confidence, 3),
        box=[round(float(v), 1) for v in (x0, y0, x1, y1)],
        yaw_deg=round(math.degrees(pose.yaw), 1),
        pitch_deg=round(math.degrees(pose.pitch), 1),
        roll_deg=round(math.degrees(pose.roll), 1),
    )
    return asdict(report)


def stats_of(engine: Engine, process: ProcessMeter, budget_ms: float) -> dict[str, Any]:
    """The loop's figures, and what the process costs."""
    cost = process.as_dict()
    report = StatsReport(
        **engine.stats.as_dict(), budget_ms=budget_ms, cpu_percent=cost["cpu_percent"], memory_mb=cost["memory_mb"]
    )
    return asdict(report)


def sources_of(engine: Engine, wanted: str) -> list[dict[str, Any]]:
    """The sources there are beside files, and the one that is used: {source, name, current}.

    Parameters
    ----------
    wanted
        The text by which a person asked for the source that is used.
    """
    name = engine.source_name
    listed = [
        {
            "source": choice.source,
            "name": choice.name,
            "current": wanted == choice.source or f"{name} ".startswith(choice.opened_as),
        }
        for kind in SOURCE_KINDS
        for choice in kind.choices()
    ]
    if not any(entry["current"] for entry in listed):
        listed.append({"source": wanted, "name": name, "current": True})
    return listed


def differences(old: Settings, new: Settings) -> list[str]:
    """What differs between two settings, as "table.key"; parameters are left out."""
    before, after = old.model_dump(), new.model_dump()
    return [
        f"{table}.{key}"
        for table in before
        if table != "parameters"
        for key in sorted({*before[table], *after[table]})
        if before[table].get(key) != after[table].get(key)
    ]
