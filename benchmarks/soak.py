"""A long run: it must not leak and not slow down.

First so many minutes of the built-in portrait through the filter as fast as it goes, then the live
engine in real time, where every second parameters change, now and then it is blanked or frozen, and
once a minute its source is closed and opened anew. Memory, threads and file descriptors are sampled
all along; after the first quarter, in which caches fill, they must be flat, and the last quarter must
not be later than the second.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from livewarp.filtering.filter import FaceFilter
from livewarp.live.engine import Engine
from livewarp.live.state import StateName
from livewarp.parameters import Parameters, Switches, Wanted
from livewarp.sinks.null import NullSink
from livewarp.sinks.preview import Preview
from livewarp.sources import plan_source
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker

SAMPLES = 60  # a phase
GROWTH_MB = 12.0  # after the first quarter; an arena more or less of the allocator is no leak
LATE_GROWTH = 0.05  # of the frames: another program's start costs as much


@dataclass(frozen=True)
class Sample:
    """The process at one moment; latencies are those of the frames since the last sample, or of a window."""

    at_s: float
    frames: int
    late: int
    memory_mb: float
    threads: int
    descriptors: int
    p50_ms: float
    p99_ms: float


class Watch:
    """Takes samples of this process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._began_s = time.monotonic()
        self.samples: list[Sample] = []

    def take(self, frames: int, late: int, p50_ms: float, p99_ms: float) -> None:
        """One sample."""
        process = self._process
        files = process.num_fds() if hasattr(process, "num_fds") else len(process.open_files())
        memory_mb = process.memory_info().rss / 1e6
        at_s = time.monotonic() - self._began_s
        self.samples.append(Sample(at_s, frames, late, memory_mb, process.num_threads(), files, p50_ms, p99_ms))


def as_fast_as_it_goes(minutes: float, size: tuple[int, int]) -> list[Sample]:
    """So many minutes of video at 30 fps, unpaced, synchronously."""
    width, height = size
    source = PortraitSource(width, height, 30.0)
    face_filter = FaceFilter(Parameters(), FaceTracker())
    face_filter.warm_up(height, width)
    frame = np.empty((height, width, 3), np.uint8)
    total = max(SAMPLES, round(minutes * 60 * 30))
    every = total // SAMPLES
    watch, late, times = Watch(), 0, []
    for number in range(1, total + 1):
        timestamp_s = source.read(frame)
        assert timestamp_s is not None
        began_s = time.thread_time()  # what the frame costs, whatever else this machine does
        face_filter.apply(frame, timestamp_s, frame)
        times.append(time.thread_time() - began_s)
        late += times[-1] > 1 / 30
        if number % every == 0:
            p50, p99 = np.percentile(times, [50, 99]) * 1e3
            watch.take(number, late, float(p50), float(p99))
            times.clear()
            tell(f"{number} of {total} frames")
    face_filter.close()
    return watch.samples


def in_real_time(minutes: float, size: tuple[int, int]) -> list[Sample]:
    """The live engine, with somebody who plays with everything."""
    width, height = size
    seconds = minutes * 60
    preview = Preview()
    preview.start()
    preview.watch()
    ended = threading.Event()
    parameters = Parameters()
    plan = plan_source("portrait", width, height, 30.0)
    tracker = FaceTracker(live=True)
    face_filter = FaceFilter(parameters, tracker)
    engine = Engine(plan, lambda: face_filter, Wanted(parameters), [NullSink()], preview, on_end=ended.set)
    engine.start()
    while engine.state.state is not StateName.RUNNING:
        assert not ended.wait(0.01), engine.error
    watch = Watch()
    rng = np.random.default_rng(1)
    began_s = time.monotonic()
    turn, sample_s = 0, 0.0
    while (now_s := time.monotonic() - began_s) < seconds and not ended.wait(min(1.0, seconds / SAMPLES / 2)):
        turn += 1
        engine.parameters = engine.parameters.replace(thin=float(rng.random()), eyes=float(rng.random()))
        engine.switches = Switches(blank=turn % 30 == 29, freeze=turn % 30 == 14)
        if turn % 60 == 0:
            engine.switch_source(plan)
        if now_s >= sample_s:
            sample_s += seconds / SAMPLES
            figures = engine.stats.as_dict()
            latency = figures["latency"]
            watch.take(figures["frames"], figures["late"], latency["p50_ms"], latency["p99_ms"])
            tell(f"{now_s:.0f} of {seconds:.0f} s")
    engine.stop()
    engine.join()
    preview.close()
    if engine.error is not None:
        raise engine.error
    return watch.samples


def tell(text: str) -> None:
    """Progress, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")


def judge(samples: list[Sample]) -> list[str]:
    """What is not flat."""
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    wrong = []
    grown_mb = np.median([s.memory_mb for s in last]) - np.median([s.memory_mb for s in second])
    if grown_mb > GROWTH_MB:
        wrong.append(f"memory grew by {grown_mb:.1f} MB")
    for name in ("threads", "descriptors"):
        before, after = (np.median([getattr(s, name) for s in part]) for part in (second, last))
        if after > before:
            wrong.append(f"{name} grew from {before:.0f} to {after:.0f}")
    before, after = ((p[-1].late - p[0].late) / max(p[-1].frames - p[0].frames, 1) for p in (second, last))
    if after > before + LATE_GROWTH:
        wrong.append(f"late frames grew from {before:.1%} to {after:.1%}")
    return wrong


def table(name: str, samples: list[Sample]) -> None:
    """Ten rows of it."""
    print(f"\n{name}")
    print(f"{'s':>7} {'frames':>8} {'late':>6} {'MB':>7} {'threads':>8} {'files':>6} {'p50 ms':>7} {'p99 ms':>7}")
    for s in [*samples[:: max(1, len(samples) // 9)], samples[-1]]:
        print(
            f"{s.at_s:7.0f} {s.frames:8} {s.late:6} {s.memory_mb:7.1f} {s.threads:8} {s.descriptors:6} "
            f"{s.p50_ms:7.2f} {s.p99_ms:7.2f}"
        )


def main() -> None:
    """Run both, print tables, write JSON; exit status 1 where something is not flat, unless only told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=float, default=30.0, metavar="MINUTES", help="of video [%(default)s]")
    parser.add_argument("--real", type=float, default=10.0, metavar="MINUTES", help="of real time [%(default)s]")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--json", type=Path, help="where results go")
    parser.add_argument("--tell", action="store_true", help="exit status 0 whatever is found")
    args = parser.parse_args()
    size = (args.width, args.height)
    results = {}
    wrong = []
    for name, run, minutes in (
        (f"{args.video:g} minutes of video as fast as it goes", as_fast_as_it_goes, args.video),
        (f"{args.real:g} minutes of real time", in_real_time, args.real),
    ):
        samples = run(minutes, size)
        tell("")
        table(name, samples)
        found = judge(samples)
        print("  flat" if not found else "  NOT FLAT: " + "; ".join(found))
        wrong += found
        results[name] = {"flat": not found, "samples": [asdict(sample) for sample in samples]}
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if wrong and not args.tell:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
