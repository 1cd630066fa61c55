"""Compiles kernels in processes of their own while this one compiles others, the first time; and how far that is.

numba compiles one kernel at a time in a process, and a first start compiles for twelve seconds of one core. What
the helpers leave in the cache on disk is loaded here in a tenth of a second. They are only help: where one fails,
whoever needs a kernel compiles it.

    python -m livewarp.filtering.compiling PART ...     compile these parts; set-up does that before the first start
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from livewarp.adjustments import ADJUSTMENTS
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.filtering.background import Background
from livewarp.filtering.retouching import Retouching
from livewarp.knobs import Value
from livewarp.parameters import KNOBS, Parameters
from livewarp.system.kernel_cache import guard
from livewarp.tracking import FaceTracker, forest_kernels, picture_kernels, smoothing_kernels
from livewarp.tracking.warmup import warm_up_kernels
from livewarp.warping import Warp, fading, field, grids, kernels, squeeze
from livewarp.warping.kernels import sample

WARM_UP_IOD_PX = 60.0
HELP_S = 60.0  # after which this process does it itself

_KERNELS = 35  # that a start with dlib's model compiles
_MODULES = (forest_kernels, picture_kernels, smoothing_kernels, fading, field, grids, kernels, squeeze)

_log = logging.getLogger(__name__)

guard()


def warm_up_warp(warp: Warp, height: int, width: int, values: Mapping[str, Value]) -> None:
    """Compile or load all that a warp of these parameters may call, and touch its buffers for such frames."""
    frame = np.zeros((height, width, 3), np.uint8)
    nothing = {name: KNOBS[name].neutral for name in values}
    ones = {**nothing, **dict.fromkeys(ADJUSTMENTS, 1.0), "enabled": True, "strength": 1.0}
    pose = Pose(0.0, height / 2, WARM_UP_IOD_PX, 0.0, 0.0, 0.0)  # at the border, which has a kernel of its own
    face = Face.from_landmarks(pose.project(MEAN_FACE).astype(np.float32))
    warp.apply(frame, [face], ones, frame, np.zeros((2, 2), np.float32))  # people everywhere: a kernel as well


def is_cold() -> bool:
    """Whether no warp has ever been compiled here, and one that is would be kept."""
    stats = getattr(sample, "stats", None)  # None: numba is told not to compile
    folder = None if stats is None else stats.cache_path
    return folder is not None and not any(Path(folder).glob("kernels.sample-*.nbi"))


def compiled_kernels() -> int:
    """How many kernels the caches hold, for the people who wait."""
    folders = {
        str(kernel.stats.cache_path)
        for module in _MODULES
        for kernel in vars(module).values()
        if getattr(getattr(kernel, "stats", None), "cache_path", None) is not None
    }
    return sum(1 for folder in folders for _ in Path(folder).glob("*.nbi"))


def progress() -> str:
    """What a first start is doing, for people."""
    return f"compiling, once: {min(compiled_kernels(), _KERNELS)} of {_KERNELS} kernels"


def _compile_warp() -> None:
    warm_up_warp(Warp(), 720, 1280, Parameters())


def _compile_tracking() -> None:
    tracker = FaceTracker()
    tracker.warm_up()
    warm_up_kernels(np.zeros((72, 128, 3), np.uint8))
    tracker.close()


def _compile_effects() -> None:
    Retouching().prepare(720, 1280)
    Background().prepare(720, 1280)


PARTS: dict[str, Callable[[], None]] = {
    "warp": _compile_warp,
    "tracking": _compile_tracking,
    "effects": _compile_effects,
}
"""What can be compiled apart, for a core each. A start compiles the tracking itself, and no effects."""


class Helper:
    """Another process that compiles the warp's kernels, if that is of use."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.is_cold = is_cold()
        if self.is_cold:
            _log.info("compiling the kernels, once, for a quarter of a minute; the next start will be quick")
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            try:
                self._process = subprocess.Popen([sys.executable, "-m", __name__, "warp"], **quiet)  # type: ignore[call-overload]
            except OSError as error:
                _log.debug("nobody helps to compile: %s", error)

    def wait(self) -> None:
        """Until it has done its part, or cannot."""
        if self._process is None:
            return
        try:
            self._process.wait(HELP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    for part in sys.argv[1:]:
        PARTS[part]()
