"""What control costs the frame loop, and what the frame loop costs control: a real daemon, 720p at 30 fps.

The daemon runs in a process of its own, on the built-in portrait, and sends to nowhere. Measured are
the round trip of `get` while a preview is open; the frame loop with ten subscribers to everything and
two previews against none; and a second of 1000 changes against a second without, in late frames. What
is compared is interleaved, in phases as long as the window of `stats`.

Run: python benchmarks/control.py [--json FILE] [--plot FILE]; five minutes. --quick: to see that it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import psutil

from livewarp.control import Client
from livewarp.control.secret import read_token
from livewarp.live.stats import WINDOW

SIZE = (1280, 720)
FPS = 30
SUBSCRIBERS, PREVIEWS = 10, 2
SETS_PER_S = 1000
FOUND_S = 10.0  # within which the face of the portrait is followed
TOPICS = ("parameters", "switches", "presets", "state", "stats", "faces")
GET_PAUSE_S = 0.005  # between round trips: a client, not a flood


class Daemon:
    """A daemon in a process of its own, with folders of its own."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        os.environ["XDG_RUNTIME_DIR"] = self._folder.name  # where clients here find the token
        folders = {f"XDG_{name}": self._folder.name for name in ("CONFIG_HOME", "STATE_HOME", "RUNTIME_DIR")}
        width, height = map(str, size)
        arguments = ["--source", "portrait", "--sink", "null", "--width", width, "--height", height, "--fps", str(FPS)]
        arguments += ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0", "--fresh"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "livewarp", "run", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **folders},
        )
        assert self._process.stderr is not None
        log = ""
        while "preview:" not in log:
            line = self._process.stderr.readline()
            if not line:
                raise SystemExit(f"the daemon did not start:\n{log}")
            log += line
        threading.Thread(target=self._process.stderr.read, daemon=True).start()
        self.address = re.search(r"control: (\S+)", log)[1]  # type: ignore[index]
        self.panel = re.search(r"preview: (\S+)", log)[1]  # type: ignore[index]

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)
        self._folder.cleanup()


def tell(text: str) -> None:
    """How far it is, for people."""
    print(text, file=sys.stderr, flush=True)


def wait_for_frames(client: Client, count: int) -> None:
    """Until so many more frames have been sent."""
    wanted = client.call("stats")["frames"] + count
    while client.call("stats")["frames"] < wanted:
        time.sleep(0.05)


def verify(client: Client) -> None:
    """What is timed is right: values arrive, their frame comes, and a face is filtered all along."""
    assert client.set(thin=0.5) == {"thin": 0.5}
    assert client.get("thin") == {"thin": 0.5}
    frame = client.frame
    assert frame is not None
    wait_for_frames(client, 2)
    assert client.call("stats")["frames"] >= frame
    deadline_s = time.monotonic() + FOUND_S
    while client.call("stats")["faces"] != 1:  # it takes some frames until a new face is followed
        assert time.monotonic() < deadline_s, "no face is followed"
        time.sleep(0.05)
    client.reset()


@contextlib.contextmanager
def running(target: Any, *arguments: Any) -> Iterator[None]:
    """A thread that does something until the context ends."""
    ending = threading.Event()
    thread = threading.Thread(target=target, args=(*arguments, ending))
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def watch_preview(url: str, seen: list[int], ending: threading.Event) -> None:
    """Read the preview as a browser does."""
    at, _, _ = url.partition("?")
    request = Request(f"{at}preview.mjpeg", headers={"Authorization": f"Bearer {read_token()}"})
    with urlopen(request, timeout=10) as stream:
        while not ending.is_set():
            seen[0] += len(stream.read1(1 << 20))


def listen(address: str, seen: list[int], ending: threading.Event) -> None:
    """Read every event."""
    with Client(address) as client, client.subscribe(*TOPICS) as events:
        while not ending.is_set():
            with contextlib.suppress(TimeoutError):
                seen[0] += events.get(0.5) is not None


def change(address: str, sent: list[int], ending: threading.Event) -> None:
    """A thousand changes a second, each answered."""
    with Client(address) as client:
        due = time.monotonic()
        while not ending.is_set():
            client.set(thin=0.25 + sent[0] % 100 / 400)
            sent[0] += 1
            due = max(due + 1 / SETS_PER_S, time.monotonic() - 0.05)
            time.sleep(max(due - time.monotonic(), 0.0))


def round_trips(daemon: Daemon, seconds: float) -> dict[str, float]:
    """Round trips of `get`, ms, while one preview is open."""
    seen = [0]
    times = []
    with running(watch_preview, daemon.panel, seen), Client(daemon.address) as client:
        client.get()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter()
            client.get()
            times.append(1e3 * (time.perf_counter() - start))
            time.sleep(GET_PAUSE_S)
    assert seen[0] > 0
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": max(times), "samples": len(times)}


def phase(client: Client, frames: int) -> dict[str, Any]:
    """The frame loop over so many frames, which are the window of `stats` or the end of it."""
    before = client.call("stats")
    wait_for_frames(client, frames)
    after = client.call("stats")
    return {
        "p50_ms": after["latency"]["p50_ms"],
        "p99_ms": after["latency"]["p99_ms"],
        "late": after["late"] - before["late"],
        "dropped": after["dropped"] - before["dropped"],
        "frames": after["frames"] - before["frames"],
        "cpu_percent": after["cpu_percent"],
    }


def crowd(daemon: Daemon, rounds: int, frames: int) -> dict[str, list[dict[str, Any]]]:
    """The frame loop alone, and with subscribers and previews, in turns."""
    found: dict[str, list[dict[str, Any]]] = {"alone": [], "watched": []}
    with Client(daemon.address) as client:
        for turn in range(2 * rounds):
            name = ("alone", "watched")[(turn + turn // 2) % 2]  # alone, watched, watched, alone, ...
            tell(f"  {name}, round {turn // 2 + 1} of {rounds}")
            with contextlib.ExitStack() as stack:
                seen = [[0] for _ in range(SUBSCRIBERS + PREVIEWS)] if name == "watched" else []
                for i, count in enumerate(seen):
                    target, where = (listen, daemon.address) if i < SUBSCRIBERS else (watch_preview, daemon.panel)
                    stack.enter_context(running(target, where, count))
                found[name].append(phase(client, frames))
                assert all(count[0] > 0 for count in seen)
    return found


def changes(daemon: Daemon, rounds: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """The frame loop alone, and with a thousand changes a second, in turns."""
    found: dict[str, list[dict[str, Any]]] = {"alone": [], "changed": []}
    with Client(daemon.address) as client:
        for turn in range(2 * rounds):
            name = ("alone", "changed")[(turn + turn // 2) % 2]
            tell(f"  {name}, round {turn // 2 + 1} of {rounds}")
            sent = [0]
            with running(change, daemon.address, sent) if name == "changed" else contextlib.nullcontext():
                started = time.monotonic()
                found[name].append(phase(client, round(seconds * FPS)))
                found[name][-1]["sets_per_s"] = sent[0] / (time.monotonic() - started)
        client.reset()
    return found


def _counts(row: dict[str, Any]) -> str:
    return f"{row['late']:3d} late  {row['dropped']:3d} dropped  of {row['frames']} frames"


def report(get: dict[str, float], crowded: dict[str, Any], changed: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Print the tables; each target with what was found and whether it is met."""
    print(f"\nRound trip of `get`, one preview open, {get['samples']:.0f} of them")
    print("  " + "  ".join(f"{name[:-3]} {get[name]:.2f} ms" for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")))
    print(f"\nFrame loop: {SUBSCRIBERS} subscribers and {PREVIEWS} previews against none, rounds of {WINDOW} frames")
    for name, rows in crowded.items():
        for row in rows:
            print(f"  {name:8} p50 {row['p50_ms']:6.2f} ms  p99 {row['p99_ms']:6.2f} ms  {_counts(row)}")
    print(f"\nFrame loop: {SETS_PER_S} `set` a second against none")
    for name, rows in changed.items():
        for row in rows:
            print(f"  {name:8} {row['sets_per_s']:4.0f} set/s  {_counts(row)}")
    alone, watched = crowded["alone"], crowded["watched"]
    rounds = list(zip(alone, watched, strict=True))
    p50 = float(np.median([w["p50_ms"] / a["p50_ms"] for a, w in rounds]))
    p99 = float(np.median([w["p99_ms"] / a["p99_ms"] for a, w in rounds]))
    p99_ms = float(np.median([w["p99_ms"] - a["p99_ms"] for a, w in rounds]))
    late = sum(row["late"] for row in changed["changed"]) - sum(row["late"] for row in changed["alone"])
    rate = float(np.median([row["sets_per_s"] for row in changed["changed"]]))
    return [
        ("get: p99 below 10 ms", f"{get['p99_ms']:.2f} ms", get["p99_ms"] < 10),
        ("watched: median within 10 %", f"{p50:.2f}×", p50 <= 1.1),
        ("watched: p99 within 25 % or 1 ms", f"{p99:.2f}×, {p99_ms:+.2f} ms", p99 <= 1.25 or p99_ms <= 1.0),
        (f"{SETS_PER_S} set/s: no late frames more", f"{late:+d} late, {rate:.0f} set/s", late <= 0),
    ]


def plot(path: Path, crowded: dict[str, Any], changed: dict[str, Any]) -> None:
    """The rounds as points."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, (title, found) in zip(axes, {"watched": crowded, "changed": changed}.items(), strict=True):
        for i, (name, rows) in enumerate(found.items()):
            for marker, key in (("o", "p50_ms"), ("^", "p99_ms")):
                axis.plot([i] * len(rows), [row[key] for row in rows], marker, color=f"C{i}", label=f"{name}, {key}")
        axis.set(title=title, ylabel="latency, ms", ylim=(0, None), xticks=[0, 1], xticklabels=list(found))
        axis.legend(fontsize="small")
    figure.savefig(path)


def main() -> None:
    """Verify, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of each comparison [%(default)s]")
    parser.add_argument("--quick", action="store_true", help="short and small: nothing to quote")
    parser.add_argument("--json", type=Path, help="where results go")
    parser.add_argument("--plot", type=Path, help="a picture of the rounds; needs matplotlib")
    args = parser.parse_args()
    rounds, get_s, frames, set_s = (1, 1.0, 30, 1.0) if args.quick else (args.rounds, 20.0, WINDOW, 10.0)
    load = psutil.getloadavg()[0]
    daemon = Daemon((320, 180) if args.quick else SIZE)
    try:
        with Client(daemon.address, timeout_s=30) as client:
            wait_for_frames(client, 30 if args.quick else 150)  # the first search, the first caches
            verify(client)
        tell("round trips")
        get = round_trips(daemon, get_s)
        tell("subscribers and previews")
        crowded = crowd(daemon, rounds, frames)
        tell("changes")
        changed = changes(daemon, rounds, set_s)
    finally:
        daemon.close()
    targets = report(get, crowded, changed)
    print(f"\n{'target':36} {'found':24}")
    for target, found, met in targets:
        print(f"{target:36} {found:24} {'met' if met else 'MISSED'}")
    print(f"load of the machine before: {load:.1f} on {psutil.cpu_count()} cores")
    if args.json:
        results = {"load": load, "get": get, "crowd": crowded, "changes": changed}
        results["targets"] = [{"target": t, "found": f, "met": bool(m)} for t, f, m in targets]
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.plot:
        plot(args.plot, crowded, changed)


if __name__ == "__main__":
    main()
