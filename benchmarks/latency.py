"""From glass to glass inside the machine: how old a frame is when the program behind the virtual camera has it.

The time is drawn into the pixels by the webcam and read out of them at the output, through the running
daemon, while somebody changes parameters twenty times a second, asks for figures five times, and listens to
all events. Outputs: null; a back end of our own behind pyvirtualcam (with its conversion and its thread); a viewer
in another process that watches the PipeWire camera, where there is PipeWire. Each with the filter and
without, in turns. And 720p at 60 fps.

A frame is late when it is older than its period, lost when it never came.

Run: python benchmarks/latency.py [--quick] [--json FILE]
     python benchmarks/latency.py --hold 10     ten minutes of 720p30 and, in the same period, of a pass-through
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import Target, quantiles, save
from stamped import WARM_UP_S

from livewarp.control import Client
from livewarp.errors import ControlError

HERE = Path(__file__).parent
SETS_PER_S, ASKS_EVERY = 20, 4
START_S = 60.0
P50_MS, P99_MS = 6.0, 16.0


@dataclass(frozen=True)
class Case:
    """One way through."""

    sink: str
    fps: float = 30.0
    width: int = 1280
    height: int = 720
    through: bool = False

    @property
    def name(self) -> str:
        """For tables."""
        size = f"{self.height}p{self.fps:g}"
        return f"{self.sink}, {size}{', no filter' * self.through}"


class Daemon:
    """A daemon with a clock in its webcam, in a process and folders of its own."""

    def __init__(self, case: Case, environment: dict[str, str]) -> None:
        self.case = case
        self._folder = tempfile.TemporaryDirectory(prefix="livewarp-")
        folder = Path(self._folder.name)
        self.out = folder / "rows.json"
        own = {f"XDG_{name}": str(folder) for name in ("CONFIG_HOME", "STATE_HOME")}
        runtime = {"XDG_RUNTIME_DIR": str(folder)} if case.sink != "pipewire" else {}
        command = [case.sink, str(case.fps), str(case.width), str(case.height), str(self.out)]
        command += ["--through"] * case.through
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "stamped.py"), *command],
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, **own, **runtime},
            cwd=folder,  # no config.toml of the person who runs this
        )
        self._lines: list[str] = []
        self.address = self._find_address()
        self._drain = threading.Thread(target=self._read_on, daemon=True)
        self._drain.start()

    def result(self) -> dict[str, Any]:
        """Ask it to end; what its output saw."""
        try:
            with Client(self.address, timeout_s=10) as client:
                client.call("stop")
        except ControlError as error:
            self.end()
            self._drain.join(5.0)
            raise SystemExit(f"{self.case.name}: {error}; its log ends: {' | '.join(self._lines[-9:])}") from None
        self.process.wait(START_S)
        self._drain.join(5.0)
        if self.process.returncode != 0 or not self.out.exists():
            raise SystemExit(f"{self.case.name}: the daemon failed: {' | '.join(self._lines[-3:])}")
        told = json.loads(self.out.read_text())
        self._folder.cleanup()
        return dict(told)

    def end(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _find_address(self) -> str:
        assert self.process.stderr is not None
        address = ""
        timer = threading.Timer(START_S, self.process.kill)  # its end ends the lines
        timer.start()
        while line := self.process.stderr.readline():
            self._lines.append(line.strip())
            if found := re.search(r"socket: (\S+)", line):  # for which no token is needed
                address = f"unix:{found[1]}"
            if "running: " in line:
                timer.cancel()
                return address
        raise SystemExit(f"{self.case.name}: the daemon does not start: {' | '.join(self._lines[-3:])}")

    def _read_on(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line.strip())


class Traffic:
    """Somebody who plays with the controls, and a panel that listens."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = threading.Event()
        self.round_trips_s: list[float] = []
        self.events = 0
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._play, self._listen)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5.0)

    def _play(self) -> None:
        with contextlib.suppress(OSError, Exception), Client(self._address, timeout_s=10) as client:
            turn = 0
            while not self._stop.wait(1.0 / SETS_PER_S):
                turn += 1
                began_s = time.perf_counter()
                client.call("set", {"thin": round(0.5 + 0.4 * np.sin(turn / 10), 3)})
                self.round_trips_s.append(time.perf_counter() - began_s)
                if turn % ASKS_EVERY == 0:
                    client.call("stats")

    def _listen(self) -> None:
        import socket

        ask = {"jsonrpc": "2.0", "id": 1, "method": "subscribe"}
        topics = ["parameters", "state", "stats", "faces"]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(self._address.removeprefix("unix:"))
            connection.sendall(json.dumps(ask | {"params": {"topics": topics}}).encode() + b"\n")
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    data = connection.recv(65536)
                    if not data:
                        return
                    self.events += data.count(b"\n")


def measure(case: Case, seconds: float, environment: dict[str, str]) -> dict[str, Any]:
    """One case, with traffic."""
    daemon = Daemon(case, environment)
    viewer = None
    try:
        if case.sink == "pipewire":
            command = ["--view", str(seconds), str(case.fps), str(case.width), str(case.height)]
            written = daemon.out.with_name("seen.json")
            arguments = [sys.executable, str(HERE / "stamped.py"), *command, str(written)]
            viewer = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
        with Traffic(daemon.address) as traffic:
            pause(case.name, seconds)
            if viewer is not None:
                viewer.wait(START_S)
                rows = json.loads(written.read_text())["rows"]
            told = daemon.result()
        rows = told["rows"] if viewer is None else rows
        return figures(case, rows, told["made"], traffic)
    finally:
        daemon.end()
        if viewer is not None and viewer.poll() is None:
            viewer.kill()


def pause(name: str, seconds: float) -> None:
    """Let it run, with a sign of life."""
    began_s = time.monotonic()
    while (gone_s := time.monotonic() - began_s) < seconds:
        tell(f"{name}: {gone_s:.0f} of {seconds:.0f} s")
        time.sleep(min(0.5, seconds - gone_s))
    tell("")


def figures(case: Case, rows: list[list[float]], made: list[float], traffic: Traffic | None) -> dict[str, Any]:
    """Percentiles, and what was late or lost between the first and the last frame that arrived."""
    if len(rows) < 10:
        raise SystemExit(f"{case.name}: only {len(rows)} frames arrived; something is wrong")
    arrived, latency = np.array(rows).T
    first_s, last_s = arrived[0] - latency[0], arrived[-1] - latency[-1]
    sent = np.array(made)
    expected = int(((sent >= first_s - 1e-3) & (sent <= last_s + 1e-3)).sum())
    return {
        **quantiles(latency),
        "late": int((latency > 1.0 / case.fps).sum()),
        "late_at_s": [round(float(v), 3) for v in arrived[latency > 1.0 / case.fps]],
        "lost": max(expected - len(rows), 0),
        "source_gaps": int((np.diff(sent[sent >= first_s]) > 1.5 / case.fps).sum()),
        "fps": round((len(rows) - 1) / float(arrived[-1] - arrived[0]), 3),
        "round_trip": None if traffic is None else quantiles(traffic.round_trips_s),
        "events": None if traffic is None else traffic.events,
    }


# ---------------------------------------------------------------------------------------------------- the sections


@contextlib.contextmanager
def pipewire_session() -> Iterator[tuple[dict[str, str] | None, str]]:
    """The environment of a session of our own, or None and the reason."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from pipewire.session import Session, missing

    if reason := missing():
        yield None, reason
        return
    session = Session()
    try:
        yield session.environment, ""
    finally:
        session.close()


def row(name: str, found: dict[str, Any]) -> str:
    """For a table."""
    return (
        f"{name:28}{found['n']:7}{found['p50_ms']:9.2f}{found['p95_ms']:9.2f}{found['p99_ms']:9.2f}{found['worst_ms']:9.1f}"
        f"{found['late']:6}{found['lost']:6}{found['fps']:8.2f}"
    )


def latency_section(quick: bool) -> tuple[dict[str, Any], list[Target]]:
    """All outputs, with the filter and without."""
    seconds = 2.0 if quick else 12.0
    sinks = ("camera",) if quick else ("null", "camera")
    cases = [Case(sink, through=through) for sink in sinks for through in (False, True)]
    if not quick:
        cases.append(Case("camera", fps=60.0))
    told: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    print(f"{'ms':28}{'frames':>7}{'p50':>9}{'p95':>9}{'p99':>9}{'worst':>9}{'late':>6}{'lost':>6}{'fps':>8}")
    with pipewire_session() as (environment, reason):
        if environment is None:
            skipped["pipewire"] = reason
        elif not quick:
            cases += [Case("pipewire", through=through) for through in (False, True)]
        for case in cases:
            own = environment if case.sink == "pipewire" and environment is not None else dict(os.environ)
            told[case.name] = measure(case, seconds + WARM_UP_S, own)
            print(row(case.name, told[case.name]), flush=True)
    for name, why in skipped.items():
        print(f"{name}: left out: {why}")
    targets = []
    for sink in sinks:
        found = told[Case(sink).name]
        targets.append(Target(f"p50 with control traffic, {Case(sink).name}", found["p50_ms"], P50_MS, None, "ms"))
        targets.append(Target(f"p99 with control traffic, {Case(sink).name}", found["p99_ms"], P99_MS, None, "ms"))
    if (fast := told.get(Case("camera", fps=60.0).name)) is not None:
        targets.append(Target("fps held at 720p60", fast["fps"], 59.4, 59.9, "", at_least=True))
    return {"latency": told, "skipped": skipped}, targets


def hold_section(minutes: float) -> tuple[dict[str, Any], list[Target]]:
    """A long run of the filter and, at the same time, of a pass-through: which lateness is the machine's."""
    seconds = 60.0 * minutes + WARM_UP_S
    kinds = {"filter": Case("camera"), "pass-through": Case("camera", through=True)}
    daemons: dict[str, Daemon] = {}
    try:
        for name, case in kinds.items():
            daemons[name] = Daemon(case, dict(os.environ))
        with Traffic(daemons["filter"].address) as traffic:
            pause("filter and pass-through", seconds)
            results = {name: daemon.result() for name, daemon in daemons.items()}
    finally:
        for daemon in daemons.values():
            daemon.end()
    told = {name: figures(kinds[name], r["rows"], r["made"], traffic) for name, r in results.items()}
    ours, beside = told["filter"], told["pass-through"]
    # The same hiccup of the machine: within a second of each other.
    alone = [t for t in ours["late_at_s"] if not any(abs(t - other) < 1.0 for other in beside["late_at_s"])]
    told["filter"]["late_alone"] = len(alone)
    for name, found in told.items():
        print(row(name, found))
    print(f"late while the pass-through was not: {len(alone)}; load {psutil.getloadavg()[0]:.1f}")
    return {"hold": {"minutes": minutes, **told}}, [
        Target(f"late frames of {ours['n']} in {minutes:g} minutes", ours["late"], max(2.0, 2 * minutes / 10)),
        Target("... and not in the pass-through within a second", len(alone), 0.0),
    ]


def tell(text: str) -> None:
    """Progress, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short: its figures say nothing")
    parser.add_argument("--hold", type=float, metavar="MINUTES", help="the long run instead")
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    results, targets = hold_section(args.hold) if args.hold else latency_section(args.quick)
    save(args.json, "latency", args.quick, results, targets)


if __name__ == "__main__":
    main()
