"""In the machine: what happens to real cameras over a day, one scenario after the other; `by_hand.py` shows it.

    python scenarios.py NAME ...

Each scenario starts a daemon of its own from vivid to a v4l2loopback node, unless it says otherwise, does something
to one of them, and watches what the daemon says (`state`) and what a reader of the virtual camera sees. What was
found goes to /run/vm/results.jsonl, a line a scenario.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.control.client import Client
from livewarp.errors import LivewarpError
from v4l2node import CAPTURE, capabilities, opened, set_control

WEBCAM, VIRTUAL = "/dev/video0", "/dev/video10"
VIVID = Path("/sys/bus/platform/drivers/vivid")
BUSYBOX = "/run/vm/busybox"
SIZE, FPS = (640, 480), 25.0
GRACE_S = 2.0
WAIT_S = float(os.environ.get("VM_WAIT_S", "60"))

Frame = NDArray[np.uint8]
Scenario = Callable[[], str]


class Daemon:
    """A `livewarp run` in a process of its own."""

    def __init__(self, *options: str, source: str = f"webcam:{WEBCAM}") -> None:
        Path("config.toml").write_text(f"[video]\ngrace = {GRACE_S}\n")
        command = [sys.executable, "-m", "livewarp", "run", "--source", source, "--sink", f"virtualcam:{VIRTUAL}"]
        command += ["--width", str(SIZE[0]), "--height", str(SIZE[1]), "--fps", str(FPS)]
        command += ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0", *options]
        self.begin = time.monotonic()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.address = ""
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until(lambda: self.address or self.process.poll() is not None, f"the daemon's address; {self.log}")
        check(self.process.poll() is None, f"the daemon ended: {' / '.join(self.log[-3:])}")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            print(f"    {line.rstrip()}", flush=True)
            if "control: " in line:
                self.address = line.split("control: ")[1].split()[0]

    def call(self, method: str, **parameters: Any) -> Any:
        """One call over the control port."""
        with Client(self.address) as client:
            return client.call(method, parameters)

    def is_in(self, state: str) -> bool:
        """Whether it says that it is in this state."""
        with contextlib.suppress(LivewarpError):
            return bool(self.call("state")["state"] == state)
        return False

    def until_in(self, state: str) -> float:
        """Wait for a state; how long that took, s."""
        try:
            return until(lambda: self.is_in(state), f"state {state}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says {self.call('state')}") from None

    def stop(self) -> None:
        """End it as a person does; its exit status must be 0."""
        self.call("stop")
        check(self.process.wait(WAIT_S) == 0, f"exit status {self.process.returncode}: {' / '.join(self.log[-3:])}")


class Viewer:
    """A program that has the virtual camera open; `newest` is what it sees, as fast as frames come."""

    def __init__(self, node: str = VIRTUAL) -> None:
        until(lambda: capabilities(node) & CAPTURE, f"{node} as a camera")
        self._capture = cv2.VideoCapture()
        until(lambda: self._capture.open(node, cv2.CAP_V4L2), f"{node} to open")
        self.newest: Frame | None = None
        self.count = self.changes = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ending.is_set():
            got, frame = self._capture.read()
            if got:
                self.changes += self.newest is None or not np.array_equal(frame, self.newest)
                self.newest = np.asarray(frame)
                self.count += 1

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(WAIT_S)
        self._capture.release()

    def sees(self, picture: Frame) -> bool:
        """Whether the newest frame is this picture, but for its upper half, where vivid writes the time."""
        return self.newest is not None and self.newest.shape == picture.shape and distance(self.newest, picture) < 8.0

    def until_it_sees(self, picture: Frame) -> float:
        """Wait for the picture; how long that took, s."""
        return until(lambda: self.sees(picture), "the webcam's picture at the viewer's")

    def rate(self, seconds: float) -> tuple[float, float]:
        """Frames a second, and how many of them differ from the one before, over some seconds."""
        counts, begin = (self.count, self.changes), time.monotonic()
        until(lambda: time.monotonic() - begin > seconds, "time to pass", seconds + 1)
        passed = time.monotonic() - begin
        return (self.count - counts[0]) / passed, (self.changes - counts[1]) / passed


def distance(a: Frame, b: Frame) -> float:
    """Mean difference of the lower halves, grey levels."""
    half = a.shape[0] // 2
    return float(np.abs(a[half:].astype(int) - b[half:]).mean())


def check(holds: bool, what: str) -> None:
    """Fail the scenario with these words unless it holds."""
    if not holds:
        raise AssertionError(what)


def until(condition: Callable[[], object], what: str, wait_s: float = WAIT_S) -> float:
    """Ask until it holds; how long that took, s."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > wait_s:
            raise AssertionError(f"not within {wait_s:.0f} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - begin


def vivid_picture() -> Frame:
    """What vivid shows, read directly."""
    capture = cv2.VideoCapture(WEBCAM, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE[1])
    got, frame = capture.read()
    capture.release()
    check(got, "vivid gives no picture")
    return np.asarray(frame)


def load_loopback() -> None:
    """Load the module with the devices that the machine starts with."""
    options = os.environ["VM_LOOPBACK_OPTIONS"].split()
    subprocess.run([BUSYBOX, "insmod", os.environ["VM_LOOPBACK"], *options], check=True)


def plug_in_again() -> None:
    """Every camera as it was at first, whatever the scenario before left."""
    if not Path(VIRTUAL).exists():
        load_loopback()
    if not Path(WEBCAM).exists():
        with contextlib.suppress(OSError):
            (VIVID / "unbind").write_text("vivid.0")
        (VIVID / "bind").write_text("vivid.0")
    until(lambda: Path(WEBCAM).exists(), f"{WEBCAM}")
    set_control(WEBCAM, "Percentage of Dropped Buffers", 0)


@contextlib.contextmanager
def running(*options: str, source: str = f"webcam:{WEBCAM}") -> Iterator[tuple[Daemon, Viewer, Frame]]:
    """A daemon whose picture a viewer already sees; ended afterwards, whatever happened."""
    picture = vivid_picture()
    daemon = Daemon(*options, source=source)
    try:
        with Viewer() as viewer:
            daemon.until_in("running")
            viewer.until_it_sees(picture)
            yield daemon, viewer, picture
        daemon.stop()
    finally:
        daemon.process.kill()
        daemon.process.wait()


def holders(node: str) -> list[int]:
    """The processes that have a node open."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link).removesuffix(" (deleted)") == node:
                found.append(int(link.parts[2]))
    return found


def livewarp(*arguments: str) -> tuple[int, Any]:
    """Exit status of a command and what its --json says."""
    done = subprocess.run(
        [sys.executable, "-m", "livewarp", *arguments, "--json"], capture_output=True, text=True, timeout=4 * WAIT_S
    )
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"{arguments}: {done.returncode}, {done.stdout[-300:]}{done.stderr[-300:]}") from None


# ----------------------------------------------------------------------------------------- scenarios


def full_rate() -> str:
    """640x480 at vivid's 25 fps: behind the daemon, a viewer gets what it gets from vivid itself."""
    with Viewer(WEBCAM) as viewer:
        direct, _ = viewer.rate(5.0)
    with running() as (daemon, viewer, _):
        before = daemon.call("stats")
        rate, changes = viewer.rate(10.0)
        after = daemon.call("stats")
    figures = f"vivid {direct:.1f} fps; viewer {rate:.1f}, {changes:.1f} new; p50 {after['latency']['p50_ms']:.1f} ms"
    figures += f", late {after['late'] - before['late']}, dropped {after['dropped'] - before['dropped']}"
    check(min(rate, changes) >= 0.95 * direct, figures)  # the two clocks differ a little
    return figures


def restart() -> str:
    """A daemon that was stopped, and one that was killed, comes back on the same node."""
    took = []
    for end in ("first", "stopped", "killed"):
        picture = vivid_picture()
        daemon = Daemon()
        try:
            with Viewer() as viewer:
                viewer.until_it_sees(picture)
                took.append(f"{end} {time.monotonic() - daemon.begin:.1f} s")
            if end != "stopped":  # that one is killed, below
                daemon.stop()
        finally:
            daemon.process.kill()
            daemon.process.wait()
    return "picture after " + ", ".join(took)


def unplug() -> str:
    """Unplugged: stalled with a reason, the virtual camera goes on; plugged in again: the picture is back."""
    with running() as (daemon, viewer, picture):
        (VIVID / "unbind").write_text("vivid.0")
        stalled = daemon.until_in("stalled")
        reason = daemon.call("state")["reason"]
        until(lambda: not viewer.sees(picture), "the placeholder")
        rate, _ = viewer.rate(3.0)
        check(rate > 0.8 * FPS, f"virtual camera at {rate:.1f} fps while unplugged")
        (VIVID / "bind").write_text("vivid.0")
        until(lambda: Path(WEBCAM).exists(), "vivid to be back")
        daemon.until_in("running")
        back = viewer.until_it_sees(picture)
        threads = daemon.call("state").get("abandoned_threads")
    return (
        f"stalled after {stalled:.1f} s ({reason}); {rate:.1f} fps meanwhile; back {back:.1f} s; threads left {threads}"
    )


def own_controls() -> str:
    """A control that is set changes the picture, and is set again when the webcam is plugged in again."""
    with running() as (daemon, viewer, picture):
        controls = daemon.call("camera")["controls"]
        check({"brightness", "contrast", "saturation"} <= set(controls), f"controls {sorted(controls)}")
        most = controls["brightness"]["max"]
        daemon.call("camera.set", controls={"brightness": most})
        changed = until(lambda: not viewer.sees(picture), "a brighter picture")
        (VIVID / "unbind").write_text("vivid.0")
        daemon.until_in("stalled")
        (VIVID / "bind").write_text("vivid.0")  # a new device, with the driver's defaults
        until(lambda: Path(WEBCAM).exists(), "vivid to be back")
        daemon.until_in("running")
        restored = until(
            lambda: daemon.call("camera")["controls"]["brightness"]["value"] == most, "the control as it was kept"
        )
        daemon.call("camera.reset")
        viewer.until_it_sees(picture)
    return f"{len(controls)} controls; seen after {changed:.2f} s, restored {restored:.2f} s after the replug"


def replug_thrice() -> str:
    """Unplugged and plugged in again three times in a row: the picture is back and stays."""
    with running() as (daemon, viewer, picture):
        begin = time.monotonic()
        for _ in range(3):
            (VIVID / "unbind").write_text("vivid.0")
            # While someone holds the old node, its number is not free for the new one.
            until(lambda: not holders(WEBCAM), "the unplugged webcam to be released")
            (VIVID / "bind").write_text("vivid.0")
            until(lambda: Path(WEBCAM).exists(), "vivid to be back")
        until(lambda: daemon.is_in("running") and viewer.sees(picture), "the picture")
        passed = time.monotonic() - begin
        rate, _ = viewer.rate(3.0)
        check(viewer.sees(picture), "the picture is gone again")
    return f"picture after {passed:.1f} s, {rate:.1f} fps"


def another_number() -> str:
    """The only webcam comes back under another number: `--source webcam` finds it there."""
    with running(source="webcam") as (daemon, viewer, picture), opened(WEBCAM):
        (VIVID / "unbind").write_text("vivid.0")
        stalled = daemon.until_in("stalled")
        (VIVID / "bind").write_text("vivid.0")
        check(not Path(WEBCAM).exists(), f"{WEBCAM} is there again, so nothing is tried")
        daemon.until_in("running")
        back = viewer.until_it_sees(picture)
        name = daemon.call("state")["source"]
    return f"stalled after {stalled:.1f} s, back {back:.1f} s as {name}"


def silent() -> str:
    """The webcam is there but delivers nothing: stalled, the virtual camera goes on; then the picture is back."""
    with running() as (daemon, viewer, picture):
        set_control(WEBCAM, "Percentage of Dropped Buffers", 100)
        try:
            stalled = daemon.until_in("stalled")
            until(lambda: not viewer.sees(picture), "the placeholder")
            rate, _ = viewer.rate(5.0)
            reason = daemon.call("state")["reason"]
        finally:
            set_control(WEBCAM, "Percentage of Dropped Buffers", 0)
        begin = time.monotonic()
        daemon.until_in("running")
        viewer.until_it_sees(picture)
        back = time.monotonic() - begin
        threads = daemon.call("state").get("abandoned_threads")
    check(rate > 0.8 * FPS, f"virtual camera at {rate:.1f} fps meanwhile")
    return (
        f"stalled after {stalled:.1f} s ({reason}); {rate:.1f} fps meanwhile; back {back:.1f} s; threads left {threads}"
    )


def held() -> str:
    """Another program has the webcam: stalled with the reason; back within seconds once it is free."""
    picture = vivid_picture()
    other = cv2.VideoCapture(WEBCAM, cv2.CAP_V4L2)
    check(other.read()[0], "the other program gets no picture")
    daemon = Daemon()
    try:
        with Viewer() as viewer:
            stalled = daemon.until_in("stalled")
            reason = daemon.call("state")["reason"]
            other.release()
            back = viewer.until_it_sees(picture)
        daemon.stop()
    finally:
        other.release()
        daemon.process.kill()
        daemon.process.wait()
    check(back < 4.0, f"back only after {back:.1f} s")
    return f"stalled after {stalled:.1f} s ({reason}); back {back:.1f} s after it was free"


def viewers() -> str:
    """Nobody watches: idle, and the webcam is released; somebody does: the picture is there; and again."""
    begin = time.monotonic()
    picture = vivid_picture()
    alone = time.monotonic() - begin
    daemon = Daemon()
    figures = []
    try:
        for round_number in (1, 2):
            daemon.until_in("idle")
            released = until(lambda: daemon.process.pid not in holders(WEBCAM), "the webcam to be released")
            check(not daemon.call("state")["viewers"], f"viewers while idle: {daemon.call('state')['viewers']}")
            with Viewer() as viewer:
                opened = viewer.until_it_sees(picture)
                check(bool(daemon.call("state")["viewers"]), "no viewer is counted while one reads")
                rate, _ = viewer.rate(2 * GRACE_S)
                check(daemon.is_in("running"), f"while one reads: {daemon.call('state')}")
            figures.append(f"{round_number}: released {released:.1f} s after, picture {opened:.2f} s, {rate:.1f} fps")
        back_to_idle = daemon.until_in("idle")
        daemon.stop()
    finally:
        daemon.process.kill()
        daemon.process.wait()
    figures.append(f"idle {back_to_idle:.1f} s after the last (grace {GRACE_S:g})")
    return "; ".join([*figures, f"vivid by itself: first picture {alone:.2f} s"])


def ffmpeg() -> str:
    """Ffmpeg reads the virtual camera: the picture, in its size, and it counts as a viewer."""
    picture = vivid_picture()
    daemon = Daemon()
    try:
        daemon.until_in("idle")  # so that what comes first is the opening of the webcam, not the daemon's own start
        command = ["ffmpeg", "-loglevel", "error", "-f", "v4l2", "-i", VIRTUAL, "-frames:v", "100"]
        command += ["-pix_fmt", "bgr24", "-f", "rawvideo", "-"]
        begin = time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reader:
            assert reader.stdout is not None
            size = SIZE[0] * SIZE[1] * 3
            frames, seen_as = 0, None
            data = b""
            while chunk := reader.stdout.read(size):
                data, frames = chunk, frames + 1
                if frames == 50:
                    seen_as = daemon.call("state")["viewers"]
        passed = time.monotonic() - begin
        check(reader.returncode == 0 and frames == 100, f"{frames} frames, exit status {reader.returncode}")
        last = np.frombuffer(data, np.uint8).reshape(SIZE[1], SIZE[0], 3)
        check(distance(last, picture) < 8.0, f"{distance(last, picture):.1f} levels from the picture")
        check(bool(seen_as), f"viewers while it reads: {seen_as}")
        daemon.stop()
    finally:
        daemon.process.kill()
        daemon.process.wait()
    return f"100 frames in {passed:.1f} s, {distance(last, picture):.1f} levels off; viewers {seen_as}"


def taken() -> str:
    """A second daemon on the same node is refused with one line, and the first goes on."""
    with running() as (daemon, viewer, picture):
        command = [sys.executable, "-m", "livewarp", "run", "--source", "portrait", "--sink", f"virtualcam:{VIRTUAL}"]
        command += ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0", "--frames", "50"]
        second = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
        words = second.stderr.strip().splitlines()
        check(daemon.is_in("running") and viewer.sees(picture), "the first is disturbed")
    check(second.returncode != 0, f"the second wrote to it, too: {words[-1:]}")
    return f"status {second.returncode}: {words[-1]}"


def truth() -> str:
    """Doctor and devices before the module is loaded, after it, and while a daemon runs."""
    size = ["--width", str(SIZE[0]), "--height", str(SIZE[1])]

    def told() -> tuple[int, dict[str, str], list[str], list[str]]:
        status, report = livewarp("doctor", *size)
        verdicts = {entry["check"]: entry["verdict"] for entry in report["checks"]}
        _, devices = livewarp("devices")
        cameras = [str(camera.get("node") or camera.get("source")) for camera in devices["webcams"]]
        return status, verdicts, cameras, [str(s["sink"]) for s in devices["virtual_cameras"] if "video" in s["sink"]]

    subprocess.run([BUSYBOX, "rmmod", "v4l2loopback"], check=True)
    status, verdicts, cameras, sinks = told()
    check(any("video0" in camera for camera in cameras), f"before: webcams {cameras}")
    check(not sinks and verdicts["v4l2loopback"] == "problem" and status != 0, f"before: {status} {sinks} {verdicts}")
    check(verdicts["camera"] != "problem", f"before: camera {verdicts['camera']}")
    load_loopback()
    status, verdicts, cameras, sinks = told()
    check([s.partition(":")[2] for s in sinks] == ["/dev/video10", "/dev/video11", "/dev/video12"], f"after: {sinks}")
    check(verdicts["v4l2loopback"] != "problem" and status == 0, f"after: {status} {verdicts}")
    check(all("video1" not in camera for camera in cameras), f"after: webcams {cameras}")
    with running():
        _, devices = livewarp("devices")
        entry = next(s for s in devices["virtual_cameras"] if VIRTUAL in s["sink"])
        check(not entry["free"], f"while it runs: {entry}")
    return f"before: status not 0, no sink; after: status 0, {len(sinks)} sinks; running: {VIRTUAL} in use"


SCENARIOS: dict[str, Scenario] = {
    "25 fps at 640x480": full_rate,
    "restart": restart,
    "stops delivering": silent,
    "held by another": held,
    "viewers and idle": viewers,
    "ffmpeg reads": ffmpeg,
    "node in use": taken,
    "doctor and devices": truth,
    "unplug and replug": unplug,
    "webcam's controls": own_controls,
    "replugged thrice": replug_thrice,
    "another number": another_number,
}


def main() -> None:
    """See the module's docstring."""
    failed = 0
    for name in sys.argv[1:] or SCENARIOS:
        print(f"--- {name}", flush=True)
        try:
            plug_in_again()
            result = {"name": name, "ok": True, "figures": SCENARIOS[name]()}
        except Exception as error:  # whatever it is, the next scenario is still tried
            result = {"name": name, "ok": False, "figures": f"{type(error).__name__}: {error}"}
            failed += 1
        print(f"    {result}", flush=True)
        with Path("/run/vm/results.jsonl").open("a") as file:
            file.write(json.dumps(result) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
