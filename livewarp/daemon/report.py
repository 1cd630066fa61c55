"""What the daemon tells of itself, ready for JSON: plain types, rounded for people."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from livewarp.errors import Problem
from livewarp.face68 import Face
from livewarp.live.engine import Engine
from livewarp.settings import Settings
from livewarp.sources import SOURCE_KINDS


def state_of(engine: Engine, problems: Sequence[Problem] = ()) -> dict[str, Any]:
    """What it is doing, why and for how long, and what ails it."""
    state, now = engine.state, time.monotonic()
    return {
        "state": state.state,
        "reason": state.reason,
        "since_s": round(now - state.since, 1),
        "conditions": [
            {"state": c.state, "reason": c.reason, "since_s": round(now - c.since, 1)} for c in state.conditions
        ],
        "source": engine.source_name,
        "sinks": [sink.name for sink in engine.sinks],
        "model": engine.model,
        "outputs": [
            {
                "name": output.name,
                "problem": str(output.problem) if output.problem is not None else None,
                "watched": output.watched,
                "dropped": output.dropped,
            }
            for output in engine.outputs()
        ],
        "switches": asdict(engine.switches),
        "getting_ready": engine.getting_ready,
        # In twentieths: not every breath of a face is news.
        "limited": {name: round(20 * share) / 20 for name, share in engine.limited.items() if share >= 0.025},
        "covered": engine.covered,
        "problems": [asdict(problem) for problem in (*engine.problems(), *problems)],
        "viewers": engine.viewers,
        "abandoned_threads": engine.abandoned_threads,
        "economy": engine.economy,
    }


def face_of(face: Face) -> dict[str, Any]:
    """A face; `box` is that of its landmarks, px: x0, y0, x1, y1."""
    x0, y0 = face.landmarks.min(axis=0)
    x1, y1 = face.landmarks.max(axis=0)
    pose = face.pose
    return {
        "id": face.id,
        "confidence": round(face.confidence, 3),
        "box": [round(float(v), 1) for v in (x0, y0, x1, y1)],
        "yaw_deg": round(math.degrees(pose.yaw), 1),
        "pitch_deg": round(math.degrees(pose.pitch), 1),
        "roll_deg": round(math.degrees(pose.roll), 1),
    }


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
