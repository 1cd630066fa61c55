"""`livewarp run`, on a machine whose webcam draws the time into its pixels, and whose output reads it back.

A program of its own; `latency.py` starts it. The webcam is the portrait from memory; the moment at which a
frame is there is drawn into its top left corner, where no face is, as black and white blocks.

Run: python benchmarks/stamped.py SINK FPS WIDTH HEIGHT OUT [--through]; SINK: null, camera (a back end of our
own behind pyvirtualcam) or pipewire (then `--view` in another process reads). --through: no filter.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import Clip
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.filtering.filter import FaceFilter
from livewarp.scene import Scene
from livewarp.sources import Plan

BITS = 56  # of a clock in microseconds: two thousand years
BLOCK_PX = 8  # survives colours at half the resolution
WARM_UP_S = 3.0  # not counted: the first search, the fade in, a reader that connects


def stamp(pixels: BgrFrame, time_s: float) -> None:
    """Draw a time into a frame."""
    bits = int(time_s * 1e6) >> np.arange(BITS) & 1
    pixels[:BLOCK_PX, : BITS * BLOCK_PX] = np.repeat(bits * 255, BLOCK_PX).astype(np.uint8)[:, None]


def read_stamp(channel: NDArray[np.uint8]) -> float | None:
    """The time that is drawn into a channel, or the luma, of a frame, s; None: there is none."""
    row = channel[BLOCK_PX // 2, BLOCK_PX // 2 : BITS * BLOCK_PX : BLOCK_PX]
    if (np.abs(row.astype(np.int16) - 128) < 64).any():  # a placeholder
        return None
    time_s = int((row > 128) @ (1 << np.arange(BITS, dtype=np.int64))) / 1e6
    return time_s if 0.0 <= time.monotonic() - time_s < 60.0 else None


class Reader:
    """Collects how old frames are when they arrive; each counts once."""

    def __init__(self) -> None:
        self._last_s = 0.0
        self._first_s = float("inf")
        self.rows: list[tuple[float, float]] = []  # arrival, latency; s

    def take(self, channel: NDArray[np.uint8]) -> None:
        """A frame has arrived."""
        now = time.monotonic()
        time_s = read_stamp(channel)
        if time_s is None or time_s == self._last_s:
            return
        self._last_s = time_s
        self._first_s = min(self._first_s, now)
        if now - self._first_s > WARM_UP_S:
            self.rows.append((now, now - time_s))

    def save(self, path: Path, made: Sequence[float] = ()) -> None:
        """Write what was collected, and when frames were made."""
        path.write_text(json.dumps({"rows": self.rows, "made": list(made)}))


class StampedWebcam(Clip):
    """The portrait, as live as a webcam is."""

    def __init__(self, width: int, height: int, fps: float) -> None:
        super().__init__(width, height, fps, live=True)
        self.name = "webcam with a clock"
        self.made: list[float] = []

    def read(self, out: BgrFrame) -> float:
        """The next frame, when its time has come."""
        super().read(out)
        now = time.monotonic()
        stamp(out, now)
        self.made.append(now)
        return now


class ReadBack:
    """A back end of pyvirtualcam that is read at once."""

    visible_to = label = "nobody"
    wanted = watched = True
    reader: Reader

    def __init__(
        self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, on_open: Callable[[Any], None]
    ) -> None:
        self._shape = height * 3 // 2, width
        self._fourcc = fourcc
        on_open(self)

    def send(self, frame: NDArray[np.uint8]) -> None:
        """Read the clock out of the luma."""
        self.reader.take(frame.reshape(self._shape))

    def check(self) -> None:
        """It is what it was."""

    def close(self) -> None:
        """Nothing to release."""

    def device(self) -> str:
        """Its name."""
        return "clock"

    def native_fourcc(self) -> int:
        """What it was given."""
        return self._fourcc


class Through(FaceFilter):
    """No filter."""

    def track(self, frame: BgrFrame, timestamp_s: float, since_s: float | None = None) -> Scene:
        """Nobody."""
        return Scene()

    def render(self, frame: BgrFrame, scene: Scene, out: BgrFrame | None = None) -> BgrFrame:
        """The frame."""
        return frame


def serve(sink: str, fps: float, width: int, height: int, out: Path, through: bool) -> None:
    """Run the daemon, with this webcam and this output."""
    import livewarp.daemon.building
    from livewarp.sinks import open_sinks, virtualcam
    from livewarp.sinks.null import NullSink

    reader = Reader()
    webcam = StampedWebcam(width, height, fps)

    def plan(*args: object) -> Plan:
        return Plan(webcam.name, True, width, height, fps, lambda: webcam)

    class ClockSink(NullSink):
        """Reads the clock."""

        def send(self, pixels: BgrFrame) -> None:
            """A frame has arrived."""
            reader.take(pixels[:, :, 1])

    def open_it(wanted: str, w: int, h: int, rate: float, watch_at: str = "", force: bool = False) -> Any:
        if wanted == "null":
            return [ClockSink()]
        if wanted == "virtualcam:clock":
            ReadBack.reader = reader
            virtualcam.OURS["clock"] = ReadBack  # type: ignore[assignment]
            return [virtualcam.VirtualCameraSink(w, h, rate, None, backend="clock")]
        return open_sinks(wanted, w, h, rate, watch_at, force)

    livewarp.daemon.building.plan_source = plan
    livewarp.daemon.building.open_sinks = open_it
    if through:
        livewarp.daemon.building.FaceFilter = Through  # type: ignore[misc]
    from livewarp.cli.main import main

    wanted = {"camera": "virtualcam:clock"}.get(sink, sink)
    sys.argv = [
        "livewarp",
        "run",
        "--source",
        "webcam",
        "--wait",
        "--sink",
        wanted,
        "--fps",
        str(fps),
        "--no-on-demand",
        "--fresh",
    ]
    sys.argv += ["--width", str(width), "--height", str(height)]
    sys.argv += ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"]
    try:
        with contextlib.suppress(SystemExit):
            main()
    finally:
        reader.save(out, webcam.made)


@contextlib.contextmanager
def pipewire_viewer(reader: Reader, width: int, height: int, fps: float) -> Iterator[None]:
    """Watch the PipeWire camera meanwhile; the environment says which session."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from pipewire.viewer import Viewer

    class ClockViewer(Viewer):
        """Reads the clock and keeps no frame."""

        def _take(self, data: object) -> None:
            super()._take(data)
            if self.frames:
                reader.take(self.frames.pop().reshape(height * 3 // 2, width))

    viewer = ClockViewer("livewarp", "I420", width, height, fps)
    try:
        yield
    finally:
        viewer.close()


def view(seconds: float, fps: float, width: int, height: int, out: Path) -> None:
    """Watch and write what was seen."""
    reader = Reader()
    with pipewire_viewer(reader, width, height, fps):
        time.sleep(seconds)
    reader.save(out)


def main() -> None:
    """What `latency.py` asks for; its arguments are its own."""
    if sys.argv[1] == "--view":
        seconds, fps, width, height, out = sys.argv[2:]
        view(float(seconds), float(fps), int(width), int(height), Path(out))
    else:
        sink, fps, width, height, out, *flags = sys.argv[1:]
        serve(sink, float(fps), int(width), int(height), Path(out), "--through" in flags)


if __name__ == "__main__":
    main()
