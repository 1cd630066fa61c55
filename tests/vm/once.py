"""In the machine: one daemon from a clip's webcam to a virtual camera, read back by OpenCV here; records what it saw.

    python once.py FOLDER WIDTH HEIGHT FPS OPTION ...

FOLDER has what `clip.make` wrote; the options are those of `livewarp run`. Leaves read.npz (frames, numbers) and
result.json there. It judges nothing but when enough has been seen: the test does.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import v4l2node
from clip import WARPED_SHARE, distances, number_in
from livewarp.control.client import Client

CLIP_NODE, VIRTUAL_NODE = "/dev/video11", "/dev/video10"
ENOUGH = 12  # different warped frames
READ_S = 900.0  # it ends with enough warped frames, after a minute on a quick host; only what never comes takes so long
END_S = 180.0  # for the daemon to end

HERE = Path(__file__).resolve().parent
_begin = time.monotonic()


def tell(text: str) -> None:
    """One line, with the time since the start."""
    print(f"{time.monotonic() - _begin:6.1f} s  {text}", flush=True)


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def control_address(daemon: subprocess.Popen[str]) -> str:
    """Where the daemon listens, from its log."""
    assert daemon.stderr is not None
    for line in daemon.stderr:
        tell(line.rstrip())
        if "control: " in line:
            return line.split("control: ")[1].split()[0]
    raise SystemExit(f"the daemon ended with {daemon.wait()} before it ran")


def read_back(
    expected: dict[str, np.ndarray], daemon: subprocess.Popen[str], wait_s: float
) -> tuple[list[np.ndarray], list[int]]:
    """Frames of the virtual camera with a new number, up to enough warped ones or the daemon's end; their numbers."""
    frames: list[np.ndarray] = []
    numbers: list[int] = []
    deadline = time.monotonic() + wait_s
    capture = cv2.VideoCapture()
    warped = others = 0
    while warped < ENOUGH and daemon.poll() is None and time.monotonic() < deadline:
        if not capture.isOpened():
            if not v4l2node.capabilities(VIRTUAL_NODE) & v4l2node.CAPTURE:
                time.sleep(0.1)  # nobody writes to it yet
                continue
            capture.open(VIRTUAL_NODE, cv2.CAP_V4L2)
        got, frame = capture.read()
        number = number_in(frame) if got else None
        if number is None:
            others += got
        elif not numbers or number != numbers[-1]:
            picture = number % len(expected["seen"])
            to_seen, to_warped, _ = distances(frame, expected["seen"][picture], expected["warped"][picture])
            warped += to_warped < WARPED_SHARE * to_seen
            frames.append(frame.copy())
            numbers.append(number)
            tell(f"frame {number}: {to_seen:.1f} from the input, {to_warped:.1f} from the warped")
    capture.release()
    tell(f"{len(numbers)} frames, {warped} of them warped; {others} without a number")
    return frames, numbers


def main() -> None:
    """See the module's docstring."""
    folder, (width, height, fps) = Path(sys.argv[1]), sys.argv[2:5]
    with np.load(folder / "expected.npz") as file:
        expected = dict(file)
    webcam = [sys.executable, str(HERE / "webcam.py"), CLIP_NODE, str(folder / "clip.i420"), width, height, fps]
    run = [sys.executable, "-m", "livewarp", "run", "--source", f"webcam:{CLIP_NODE}"]
    run += ["--sink", f"virtualcam:{VIRTUAL_NODE}", "--width", width, "--height", height, "--fps", fps]
    run += ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0", *sys.argv[5:]]
    with ended(subprocess.Popen(webcam)), ended(subprocess.Popen(run, stderr=subprocess.PIPE, text=True)) as daemon:
        address = control_address(daemon)
        frames, numbers = read_back(expected, daemon, READ_S)
        with Client(address) as client:
            state = client.call("state")
            stats = client.call("stats")
            client.call("stop")
        assert daemon.stderr is not None
        for line in daemon.stderr:
            tell(line.rstrip())
        status = daemon.wait(END_S)
    tell(f"the daemon ended with {status}")
    np.savez(folder / "read.npz", frames=np.array(frames), numbers=np.array(numbers))
    (folder / "result.json").write_text(json.dumps({"status": status, "state": state, "stats": stats}))


if __name__ == "__main__":
    main()
