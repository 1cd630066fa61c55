"""The whole path through a kernel: a webcam, the daemon, a virtual camera, each a real device node of a small machine.

The machine is slow (QEMU in software), so there is one start of a daemon and no word about rates.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import build
import machine
from clip import WARPED_SHARE, distances
from once import END_S, ENOUGH, READ_S

SIZE, FPS = ("320", "240"), "5"
STRONG = ("thin=1", "eyes=1")
LIMIT_S = READ_S + END_S + 300.0  # 100 s on a quick host; `once` waits for frames, not for time
# numba's kernels are compiled here and must fit the machine's processor, which cannot do what this one can.
ANY_CPU = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}


@pytest.mark.timeout(LIMIT_S + 240)  # and for the build, if it still goes on, and the kernels
def test_a_webcam_comes_out_of_the_virtual_camera_warped_and_in_order(tmp_path: Path) -> None:
    """A clip that v4l2loopback plays as a webcam is read back from another node: the same frames, in order, warped."""
    if not os.environ.get("LIVEWARP_VM"):
        pytest.skip("a machine of its own, two minutes and at first 100 MB of Debian packages: LIVEWARP_VM=1 allows it")
    try:
        build.build()
        _make_clip(tmp_path)
        once = [sys.executable, str(machine.HERE / "once.py"), "/run/vm", *SIZE, FPS]
        status = machine.run(
            [*once, *(word for text in STRONG for word in ("--set", text))],
            tmp_path,
            environment={**ANY_CPU, "NUMBA_CACHE_DIR": "/run/vm/numba", "PYTHONDONTWRITEBYTECODE": "1"},
            timeout_s=LIMIT_S,
        )
    except build.Unavailable as reason:
        pytest.skip(f"no machine with cameras: {reason}")
    assert status == 0

    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == 0
    assert result["state"]["state"] == "running"
    assert "/dev/video11" in result["state"]["source"]
    assert [name for name in result["state"]["sinks"] if "/dev/video10" in name]

    with np.load(tmp_path / "expected.npz") as expected, np.load(tmp_path / "read.npz") as read:
        seen, warped, frames, numbers = expected["seen"], expected["warped"], read["frames"], read["numbers"]
    assert (np.diff(numbers) > 0).all(), numbers
    pictures = numbers % len(seen)
    to_seen, to_warped, elsewhere = np.transpose(
        [distances(frame, seen[i], warped[i]) for frame, i in zip(frames, pictures, strict=True)]
    )
    is_warped = to_warped < WARPED_SHARE * to_seen
    assert is_warped.sum() >= ENOUGH
    # The first frames pass while the face is searched; then one may be off, for the machine drops frames.
    assert (~is_warped[is_warped.argmax() :]).sum() <= 1
    # Two conversions to I420 and back cost about one level.
    assert elsewhere.max() < 3


def _make_clip(folder: Path) -> None:
    """The clip, what is expected of it, and every kernel that the daemon needs, compiled for any processor."""
    environment = {**os.environ, **ANY_CPU, "NUMBA_CACHE_DIR": str(folder / "numba")}
    clip = [str(machine.HERE / "clip.py"), str(folder), *SIZE, *STRONG]
    daemon = ["-m", "livewarp", "run", "--source", "portrait", "--sink", "null", "--frames", "10"]
    daemon += ["--width", SIZE[0], "--height", SIZE[1], "--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"]
    for arguments in (clip, daemon):
        subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True)
