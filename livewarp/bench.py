"""`livewarp bench`: source, track, warp, null, as fast as they go, and what that costs.

The work is verified before it is reported: frames with a face must have changed, and pixels far
from every face must not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from livewarp.arrays import BgrFrame
from livewarp.errors import LivewarpError
from livewarp.face68 import Face
from livewarp.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.sinks.null import NullSink
from livewarp.sources import Source
from livewarp.stats import Meter
from livewarp.tracking import FaceTracker

# Strokes reach less than this far from the middle of the face, in IOD.
REACH_IOD = 2.5


@dataclass(frozen=True)
class BenchResult:
    """What was measured.

    Attributes
    ----------
    figures
        The keys of the control method `stats`.
    changed
        Mean absolute change, grey levels, within the faces of the frames that were checked.
    """

    source: str
    figures: dict[str, Any]
    changed: float


def bench(
    source: Source,
    parameters: Parameters,
    tracker: FaceTracker,
    frames: int = 300,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> BenchResult:
    """Push frames through the filter as fast as it goes.

    Parameters
    ----------
    source
        Not live. It is read to the end, or for `frames` frames; the caller closes it.
    frames
        How many are measured; as many as a tenth of them, at least 10, warm it up first.

    Raises
    ------
    LivewarpError
        No frame had a face, or the warp did not change what it should, or changed what it should not.
    """
    face_filter = FaceFilter(parameters, tracker)
    frame = np.empty((source.height, source.width, 3), np.uint8)
    face_filter.warm_up(source.height, source.width)
    changed = _verify(source, face_filter, frame, max(10, frames // 10))

    meter = Meter(1.0 / source.fps, time.perf_counter)
    sink = NullSink()
    process = psutil.Process()
    process.cpu_percent()
    done = faces = 0
    while done < frames:
        t0 = time.perf_counter()
        timestamp_s = source.read(frame)
        if timestamp_s is None:
            break
        t1 = time.perf_counter()
        found = face_filter.track(frame, timestamp_s)
        t2 = time.perf_counter()
        face_filter.warp(frame, found, frame)
        t3 = time.perf_counter()
        sink.send(frame)
        t4 = time.perf_counter()
        faces = len(found)
        # Capture to sink: reading is the source's own business, as it is in the live loop.
        meter.record(t1 - t0, t2 - t1, t3 - t2, t4 - t3, t4 - t1, faces, 0)
        done += 1
        progress(done, frames)
    cpu_percent = process.cpu_percent()
    face_filter.close()
    if done == 0:
        raise LivewarpError("bench: the source ended before the first measured frame; allowed: a longer one, or --loop")
    meter.publish(faces, 0)
    figures = {
        **meter.published.as_dict(),
        "cpu_percent": round(cpu_percent, 1),
        "memory_mb": round(process.memory_info().rss / 1e6, 1),
    }
    return BenchResult(source.name, figures, changed)


def _verify(source: Source, face_filter: FaceFilter, frame: BgrFrame, frames: int) -> float:
    """Filter some frames and compare them with the input; the mean change within the faces."""
    changes = []
    for _ in range(frames):
        timestamp_s = source.read(frame)
        if timestamp_s is None:
            break
        faces = face_filter.track(frame, timestamp_s)
        result = face_filter.warp(frame, faces)
        difference = np.abs(result.astype(np.int16) - frame)
        near = _near_faces(frame.shape[:2], faces)
        if difference[~near].any():
            raise LivewarpError("bench: pixels far from every face changed; the warp is broken, figures would be void")
        if faces and min(face.confidence for face in faces) > 0.5:
            changes.append(float(difference[near].mean()))
    if not changes:
        raise LivewarpError(f"bench: no face in {frames} frames of {source.name}; allowed: a source that shows one")
    if max(changes) == 0.0:
        raise LivewarpError("bench: the warp changed no pixel; allowed: parameters that do something (--set thin=0.5)")
    return float(np.mean(changes))


def _near_faces(shape_hw: tuple[int, ...], faces: list[Face]) -> np.ndarray:
    """(H, W) bool: within reach of some face."""
    y, x = np.ogrid[: shape_hw[0], : shape_hw[1]]
    near = np.zeros(shape_hw, bool)
    for face in faces:
        centre = face.landmarks.mean(axis=0)
        near |= (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (REACH_IOD * face.pose.iod_px) ** 2
    return near
