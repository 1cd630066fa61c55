"""A long run: it must not leak, not slow down, and be late no more often than a daemon that changes nothing.

First the portrait through the filter as fast as it goes, beside it each frame merely copied and sent. Then two
daemons side by side in real time, one that filters and one that passes frames through: every second a client
changes parameters, now and then it blanks or freezes, saves and loads a preset; a viewer watches the preview, and
once a minute the source is closed and opened anew. Memory, threads and file descriptors are sampled all along; after
the first quarter, in which caches fill, they must be flat. At most 2 frames in 100,000 more may be late than in the
pass-through beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from livewarp.control.client import Client
from livewarp.control.secret import read_token
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.sinks.null import NullSink
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker

FPS = 30
SAMPLES = 60  # a phase
GROWTH_MB = 12.0  # after the first quarter; an arena more or less of the allocator is no leak
LATE_MORE = 2e-5  # of the frames, above the pass-through beside it
LATE_GROWTH = 0.05  # of the frames: another program's start costs as much
START_S = 300.0


@dataclass(frozen=True)
class Sample:
    """A process at one moment; latencies are those of the frames since the last sample, or of a window."""

    at_s: float
    frames: int
    late: int
    memory_mb: float
    threads: int
    descriptors: int
    p50_ms: float
    p99_ms: float


class Watch:
    """Takes samples of a process."""

    def __init__(self, pid: int | None = None) -> None:
        self._process = psutil.Process(pid)
        self._began_s = time.monotonic()
        self.samples: list[Sample] = []

    def take(self, frames: int, late: int, p50_ms: float, p99_ms: float) -> None:
        """One sample."""
        process = self._process
        files = process.num_fds() if hasattr(process, "num_fds") else len(process.open_files())
        memory_mb = process.memory_info().rss / 1e6
        at_s = time.monotonic() - self._began_s
        self.samples.append(Sample(at_s, frames, late, memory_mb, process.num_threads(), files, p50_ms, p99_ms))


def as_fast_as_it_goes(total: int, size: tuple[int, int]) -> tuple[list[Sample], int]:
    """So many frames, unpaced, synchronously; and how many were late that were only copied and sent."""
    width, height = size
    source, sink = PortraitSource(width, height, float(FPS)), NullSink()
    face_filter = FaceFilter(Parameters(), FaceTracker())
    face_filter.warm_up(height, width)
    frame, copy = np.empty((height, width, 3), np.uint8), np.empty((height, width, 3), np.uint8)
    total = max(SAMPLES, total)
    every = total // SAMPLES
    watch, late, late_beside, times = Watch(), 0, 0, []
    for number in range(1, total + 1):
        timestamp_s = source.read(frame)
        assert timestamp_s is not None
        began_s = time.thread_time()  # what the frame costs, whatever else this machine does
        np.copyto(copy, frame)
        sink.send(copy)
        copied_s = time.thread_time()
        face_filter.apply(frame, timestamp_s, frame)
        sink.send(frame)
        times.append(time.thread_time() - copied_s)
        late += times[-1] > 1 / FPS
        late_beside += copied_s - began_s > 1 / FPS
        if number % every == 0:
            p50, p99 = np.percentile(times, [50, 99]) * 1e3
            watch.take(number, late, float(p50), float(p99))
            times.clear()
            tell(f"{number} of {total} frames")
    face_filter.close()
    return watch.samples, late_beside


class Running:
    """A daemon of its own folders, a client of it, and a viewer of its preview."""

    def __init__(self, folder: Path, size: tuple[int, int], *values: str) -> None:
        folder.mkdir(mode=0o700)
        names = ("CONFIG_HOME", "STATE_HOME", "RUNTIME_DIR")
        environment = {**os.environ, **{f"XDG_{name}": str(folder / name.lower()) for name in names}}
        (folder / "runtime_dir").mkdir(mode=0o700)
        self._log = folder / "log"
        command = [sys.executable, "-m", "livewarp", "run", "--source", "portrait", "--sink", "null"]
        command += ["--width", str(size[0]), "--height", str(size[1]), "--fps", str(FPS), *values]
        command += ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.watch = Watch(self._process.pid)
        self.client = Client(f"unix:{folder / 'runtime_dir' / 'livewarp' / 'control.sock'}", timeout_s=60.0)
        self._token = folder / "runtime_dir" / "livewarp" / "token"
        self._open = True

    def start(self) -> None:
        """Wait for its first frame, then watch."""
        until_s = time.monotonic() + START_S
        while True:
            with contextlib.suppress(Exception):
                if self.client.call("state")["state"] == "running":
                    break
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise SystemExit(self._log.read_text())
            time.sleep(0.2)
        threading.Thread(target=self._view, daemon=True).start()

    def _view(self) -> None:
        """Thread: read the preview, and begin anew when it ends."""
        found = re.search(r"http://(127\.0\.0\.1:\d+)/", self._log.read_text())
        token = read_token(self._token)
        assert found is not None
        while self._open:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(found[1], timeout=60)
                connection.request("GET", "/preview.mjpeg", headers={"Authorization": f"Bearer {token}"})
                response = connection.getresponse()
                while self._open and response.read1(65_536):
                    pass
                connection.close()
            time.sleep(0.5)

    def sample(self) -> None:
        """How it is doing."""
        figures = self.client.call("stats")
        self.watch.take(figures["frames"], figures["late"], figures["latency"]["p50_ms"], figures["latency"]["p99_ms"])

    def stop(self) -> None:
        """End it in order."""
        self._open = False
        self.client.call("stop")
        assert self._process.wait(60) == 0, self._log.read_text()
        self.client.close()


@contextlib.contextmanager
def two_daemons(size: tuple[int, int]) -> Iterator[list[Running]]:
    """One that filters, one that passes frames through."""
    with tempfile.TemporaryDirectory(prefix="livewarp-soak-") as folder:
        both = [Running(Path(folder) / "filter", size, "--set", "skin_smooth=0.3")]
        both.append(Running(Path(folder) / "passing", size, "--set", "enabled=false"))
        for daemon in both:
            daemon.start()
        yield both
        for daemon in both:
            daemon.stop()


def in_real_time(minutes: float, size: tuple[int, int]) -> tuple[list[Sample], int]:
    """The samples of a daemon with somebody who plays with everything; late frames of the one beside it."""
    seconds = minutes * 60
    rng = np.random.default_rng(1)
    with two_daemons(size) as both:
        began_s = time.monotonic()
        turn, sample_s = 0, 0.0
        while (now_s := time.monotonic() - began_s) < seconds:
            turn += 1
            values = {"thin": float(rng.random()), "eyes": float(rng.random())}
            for daemon in both:
                play(daemon.client, turn, values)
                if now_s >= sample_s:
                    daemon.sample()
            if now_s >= sample_s:
                sample_s += seconds / SAMPLES
                tell(f"{now_s:.0f} of {seconds:.0f} s")
            time.sleep(min(1.0, seconds / SAMPLES / 2))
        for daemon in both:
            daemon.sample()
        beside = both[1].watch.samples
        return both[0].watch.samples, beside[-1].late - beside[0].late


def play(client: Client, turn: int, values: dict[str, float]) -> None:
    """What a person does in one second."""
    client.set(**values)
    client.switch("blank", turn % 30 == 29)
    client.switch("freeze", turn % 30 == 14)
    if turn % 20 == 10:
        client.call("presets.save", {"name": "soak", "replace": True})
        client.load_preset("soak")
    if turn % 60 == 0:
        client.call("source.switch", {"source": "portrait"})


def tell(text: str) -> None:
    """Progress, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")


def judge(samples: list[Sample], late_beside: int) -> list[str]:
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
    late, frames = samples[-1].late - samples[0].late, samples[-1].frames - samples[0].frames
    if late > late_beside + max(1.0, LATE_MORE * frames):
        wrong.append(f"{late} of {frames} frames were late, of the pass-through's {late_beside}")
    return wrong


def table(name: str, samples: list[Sample], late_beside: int) -> None:
    """Ten rows of it."""
    print(f"\n{name}; late beside it: {late_beside}")
    print(f"{'s':>7} {'frames':>8} {'late':>6} {'MB':>7} {'threads':>8} {'files':>6} {'p50 ms':>7} {'p99 ms':>7}")
    for s in [*samples[:: max(1, len(samples) // 9)], samples[-1]]:
        print(
            f"{s.at_s:7.0f} {s.frames:8} {s.late:6} {s.memory_mb:7.1f} {s.threads:8} {s.descriptors:6} "
            f"{s.p50_ms:7.2f} {s.p99_ms:7.2f}"
        )
    sys.stdout.flush()


def main() -> None:
    """Run both, print tables, write JSON; exit status 1 where something is not flat, unless only told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=15_000, help="as fast as it goes [%(default)s]")
    parser.add_argument("--real", type=float, default=7.0, metavar="MINUTES", help="of real time [%(default)s]")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--json", type=Path, help="where results go")
    parser.add_argument("--tell", action="store_true", help="exit status 0 whatever is found")
    args = parser.parse_args()
    size = (args.width, args.height)
    results = {}
    wrong = []
    for name, run in (
        (f"{args.frames} frames as fast as it goes", lambda: as_fast_as_it_goes(args.frames, size)),
        (f"{args.real:g} minutes of real time", lambda: in_real_time(args.real, size)),
    ):
        samples, late_beside = run()
        tell("")
        table(name, samples, late_beside)
        found = judge(samples, late_beside)
        print("  flat" if not found else "  NOT FLAT: " + "; ".join(found), flush=True)
        wrong += found
        results[name] = {
            "flat": not found,
            "late beside it": late_beside,
            "samples": [asdict(sample) for sample in samples],
        }
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if wrong and not args.tell:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
