"""Which of the pictures that a webcam offers is taken: rate first, then what is left of the size, then the cost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from livewarp.sources.pixels import LAYOUTS
from livewarp.system import streaming, v4l2
from livewarp.system.v4l2 import Mode

_SAME_RATE = 0.8  # 25 is nearly as good as 30: not worth a smaller picture


def offered(node: str | Path, width: int, height: int) -> list[Mode]:
    """The pictures that a camera offers and we can read, and what its drivers make of this size.

    Raises
    ------
    OSError
        It cannot be asked.
    """
    modes = [mode for mode in v4l2.formats(node) if mode.fourcc in LAYOUTS]
    # Of a range of sizes only the ends are listed; a driver that has this size itself says so when asked.
    for fourcc in {mode.fourcc for mode in modes}:
        if not any((mode.fourcc, mode.width, mode.height) == (fourcc, width, height) for mode in modes):
            with contextlib.suppress(OSError):
                tried = streaming.tried_format(node, fourcc, width, height)
                if (tried.fourcc, tried.width, tried.height) == (fourcc, width, height):
                    modes.append(Mode(fourcc, width, height, v4l2.most_fps(node, fourcc, width, height)))
    return modes


def best_mode(modes: Iterable[Mode], width: int, height: int, fps: float) -> Mode | None:
    """The one that gives most for output of this size and rate; None where there is none."""

    def worth(mode: Mode) -> tuple[bool, float, float, float, float]:
        layout = LAYOUTS[mode.fourcc]
        rate = fps if mode.fps is None else mode.fps
        cost = layout.cost * mode.width * mode.height
        return layout.colour, min(rate, _SAME_RATE * fps), _detail(mode, width, height), -cost, rate

    return max(modes, key=worth, default=None)


def smaller_mode(modes: Iterable[Mode], taken: Mode, fps: float, share: float) -> Mode | None:
    """The largest one at this rate that has at most that share of the pixels of the one that was taken."""
    fits = [
        mode
        for mode in modes
        if LAYOUTS[mode.fourcc].colour
        and mode.width * mode.height <= share * taken.width * taken.height
        and (mode.fps is None or mode.fps >= _SAME_RATE * fps)
    ]
    alike = [mode for mode in fits if mode.width * taken.height == mode.height * taken.width]
    return max(alike or fits, key=lambda mode: mode.width * mode.height, default=None)


def _detail(mode: Mode, width: int, height: int) -> float:
    """How much of (width, height) it fills, within bars, with pixels of its own: 0 to 1."""
    factor = min(width / mode.width, height / mode.height)
    filled = (mode.width * factor) * (mode.height * factor) / (width * height)
    return round(filled * min(1.0, 1.0 / factor**2), 2)
