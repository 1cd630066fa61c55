"""Source, track, warp, null, as fast as they go, in one thread and deterministically."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import psutil

from livewarp.arrays import BgrFrame
from livewarp.bench.record import Run, percentiles
from livewarp.bench.verification import Verification
from livewarp.bench.yardstick import Yardstick
from livewarp.errors import LivewarpError
from livewarp.filtering.filter import FaceFilter
from livewarp.filtering.stages import READ
from livewarp.filtering.stages import SEND as SENDING
from livewarp.live.stats import COLUMNS, LATENCY, SENT
from livewarp.parameters import Parameters, hides
from livewarp.scene import Scene
from livewarp.sinks.null import NullSink
from livewarp.sources import Source
from livewarp.tracking import FaceTracker

Progress = Callable[[int, int | None], None]
"""Called with (done, total)."""


def bench_throughput(
    source: Source,
    parameters: Parameters,
    tracker: FaceTracker,
    frames: int = 300,
    progress: Progress = lambda done, total: None,
    faces: int | None = None,
) -> Run:
    """Push frames through the filter as fast as it goes.

    Parameters
    ----------
    source
        It is read to the end, or for `frames` frames; the caller closes it.
    frames
        How many are measured; as many as a tenth of them, at least 10, warm it up first.
    faces
        How many the source shows; None: nobody counted.

    Raises
    ------
    LivewarpError
        No frame had a face, or the warp did not change what it should, or changed what it should not.
    """
    face_filter = FaceFilter(parameters, tracker)
    frame = np.empty((source.height, source.width, 3), np.uint8)
    face_filter.warm_up(source.height, source.width)
    verification = Verification(source.name, hides(parameters))
    passed = 0
    rows = np.zeros((frames, len(COLUMNS)))
    cpu_s, yardstick_s = np.zeros(frames), np.zeros(frames)
    yardstick, sink = Yardstick(), NullSink()
    now, cpu_now = time.perf_counter, time.process_time
    done, found = 0, Scene()
    try:
        _verify(source, face_filter, frame, max(10, frames // 10), verification)
        process = psutil.Process()
        process.cpu_percent()
        while done < frames:
            yardstick_s[done] = yardstick.measure()
            t0 = now()
            timestamp_s = source.read(frame)
            if timestamp_s is None:
                break
            c1, t1 = cpu_now(), now()
            found = face_filter.track(frame, timestamp_s)
            face_filter.render(frame, found, frame)
            t2 = now()
            sink.send(frame)
            t3, c3 = now(), cpu_now()
            face_filter.times_s[READ], face_filter.times_s[SENDING] = t1 - t0, t3 - t2
            # Capture to sink: reading is the source's own business, as it is in the live loop.
            rows[done, :LATENCY], rows[done, LATENCY], rows[done, SENT] = face_filter.times_s, t3 - t1, t3
            cpu_s[done] = c3 - c1
            passed += not found.faces
            done += 1
            progress(done, frames)
        cpu_percent = process.cpu_percent()
    finally:
        face_filter.close()
    if done == 0:
        raise LivewarpError(
            "bench: the source ended before the first measured frame", allowed="a longer one, or --loop"
        )
    rows = rows[:done]
    late = int((rows[:, LATENCY] > 1.0 / source.fps).sum())
    figures = {
        "fps": round(float(done / rows[:, [READ, LATENCY]].sum()), 2),
        "frames": done,
        "late": late,
        "dropped": 0,
        "passed": passed,
        "repeated": 0,
        "faces": len(found.faces),
        **percentiles(rows),
        "budget_ms": round(1e3 / source.fps, 3),
        "cpu_percent": round(cpu_percent, 1),
        "memory_mb": round(process.memory_info().rss / 1e6, 1),
    }
    return Run(
        source=source.name,
        mode="throughput",
        width=source.width,
        height=source.height,
        fps=source.fps,
        faces=faces,
        figures=figures,
        changed=verification.changed(),
        cpu_ms=1e3 * float(cpu_s[:done].mean()),
        rows=rows,
        yardstick_s=yardstick_s[:done],
        deterministic=not source.live,
    )


def _verify(source: Source, face_filter: FaceFilter, frame: BgrFrame, frames: int, verification: Verification) -> None:
    """Filter some frames, and verify them."""
    for _ in range(frames):
        timestamp_s = source.read(frame)
        if timestamp_s is None:
            break
        scene = face_filter.track(frame, timestamp_s)
        verification.add(frame, face_filter.render(frame, scene), scene.faces)
    verification.changed()
