"""The benchmarks run: once, tiny, for what they verify; nobody looks at the clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "video" / "grid"
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (["sampling.py", "--samples", "3"], "remap fixed"),
        (["warp.py", "--quick"], "livewarp all, in place"),
        (["landmarks.py", "--samples", "2"], "dlib"),
        (["control.py", "--quick"], "get: p99"),
        (["soak.py", "--frames", "90", "--real", "0.05", "--width", "320", "--height", "180", "--tell"], "real time"),
        (["tracking.py", "--quick", *(f"--only={s}" for s in ("jitter", "lag", "blink", "calm"))], "overshoot"),
        (["tracking.py", "--quick", "--only=hold"], "switches of the id"),
        (["tracking.py", "--quick", "--only=occlusion", "--only=cost"], "naive / ours"),
        (["tracking.py", "--quick", "--only=accuracy"], "targets"),
        (["tracking.py", "--quick", "--only=jitter", "--model=mesh", "--detector=blaze"], "jitter of the jaw"),
        (["appearance.py", "--quick", "--only=sticks", "--only=equal"], "lines against landmarks"),
        (["makeup.py", "--quick", "--only=cost"], "all make-up"),
        (["detectors.py", "--quick"], "blaze found"),
        (
            ["identities.py", "--quick", "--model=mesh", "--scene=still"],
            "identities" if not CLIPS.is_dir() else "people",
        ),
        (["startup.py", "--quick"], "first frame, warm"),
        (["pipeline.py", "--quick", "--only=peers"], "OpenCV, half size"),
        (["pipeline.py", "--quick", "--only=live"], "CPU added at 720p30"),
        (["decoding.py", "--quick"], "240p MJPEG, whole"),
        (["latency.py", "--quick"], "camera, 720p30, no filter"),
        (["suite.py", "--quick", "--only=matrix"], "720p30, 2 faces: "),
    ],
)
def test_a_benchmark_verifies_and_prints_its_table(arguments: list[str], shows: str) -> None:
    """Each verifies what it measures before it does, so a run that ends well is a test of its own."""
    command = [sys.executable, str(BENCHMARKS / arguments[0]), *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert shows in done.stdout
