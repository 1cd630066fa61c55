"""The smooth step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livewarp.easing import smoothstep
from livewarp.face68 import Pose
from livewarp.sources.headmap import displaced


def test_it_goes_from_0_to_1() -> None:
    """It is 0 before, one half in the middle, and 1 after."""
    assert [smoothstep(t) for t in (-0.5, 0.0, 0.5, 1.0, 1.5)] == [0.0, 0.0, 0.5, 1.0, 1.0]


@given(st.floats(-0.5, 1.5), st.floats(0.0, 0.5))
def test_it_never_falls_and_is_steepest_in_the_middle(t: float, further: float) -> None:
    """It rises, and by no more than 1.5 times as fast as a straight line."""
    risen = smoothstep(t + further) - smoothstep(t)
    assert -1e-12 <= risen <= 1.5 * further + 1e-12


@pytest.mark.parametrize("y", [1.4, 1.7, 2.0])
def test_kernels_use_the_present_one(y: float) -> None:
    """A kernel that calls it equals its own plain Python: numba's cache holds no earlier smooth step."""
    turn = Pose(0.0, 0.0, 1.0, 0.0, 0.3, 0.0).rotation()[:2]
    assert 0.0 < smoothstep((y - 1.3) / 0.8) < 1.0, "over the neck, where it counts"
    compiled = displaced(0.1, y, turn)
    np.testing.assert_allclose(compiled, displaced.py_func(0.1, y, turn), rtol=1e-12)  # exp() may differ in a bit
