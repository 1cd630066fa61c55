"""Random sequences of faults and commands: a quick part of `make chaos`, and all that ever failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import chaos

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")

QUICK = range(30)
FAILED: tuple[int, ...] = ()  # before they were mended


@pytest.mark.parametrize("seed", [*QUICK, *FAILED])
def test_nothing_is_stuck_lost_or_shown(seed: int, tmp_path: Path) -> None:
    """Whatever comes: a named state, the full rate, values kept, no camera while blanked, no new frame while frozen."""
    chaos.play(seed, tmp_path)
