"""Parameters glide: begun with the next frame, complete in time, smooth in between."""

from __future__ import annotations

import numpy as np
import pytest

from livewarp.filtering.glide import Glide
from livewarp.parameters import Parameters

LOW, HIGH = Parameters(thin=0.2), Parameters(thin=0.8)


def frames(glide: Glide, target: Parameters, times: list[float], name: str = "thin") -> list[float]:
    """The values of a parameter that frames at these times use."""
    return [float(glide.at(target, t)[name]) for t in times]


@pytest.mark.parametrize("now_s", [5.0, 70000.1])  # 70000.1 - (70000.1 - 0.15) < 0.15
def test_the_first_frame_uses_the_parameters_as_they_are(now_s: float) -> None:
    """Nothing glides in at the start, whenever that is, so a still image has its full effect."""
    assert Glide().at(HIGH, now_s) is HIGH


def test_a_step_begins_with_the_next_frame_and_is_complete_in_time() -> None:
    """At 30 fps a change of 0.6 shows at once, rises, and is whole after 150 ms."""
    glide = Glide(0.15)
    frames(glide, LOW, [0.0, 1 / 30])
    values = frames(glide, HIGH, [n / 30 for n in range(2, 9)])
    assert 0.2 < values[0] < 0.8
    assert (np.diff(values) >= 0).all()
    assert values[3] < 0.8
    assert values[4:] == [0.8] * 3


def test_zero_is_at_once() -> None:
    """A duration of 0 turns gliding off."""
    glide = Glide(0.0)
    frames(glide, LOW, [0.0, 0.1])
    assert glide.at(HIGH, 0.2) is HIGH


def test_a_new_change_starts_from_what_is_shown() -> None:
    """A slider that turns back half-way does not jump."""
    glide = Glide(0.15)
    frames(glide, LOW, [0.0, 0.033])
    half_way = frames(glide, HIGH, [0.066, 0.1])[-1]
    back = frames(glide, LOW, [0.11, 0.12, 0.13, 0.3])
    assert back[0] == pytest.approx(half_way, abs=0.02)
    assert back[-1] == 0.2


def test_switching_off_and_on_fades() -> None:
    """`enabled` goes by way of the strength: no pop."""
    glide = Glide(0.15)
    off = HIGH.replace(enabled=False)
    frames(glide, HIGH, [0.0, 0.033])
    falling = frames(glide, off, [0.066, 0.1, 0.133], "strength")
    assert (np.diff([1.0, *falling]) < 0).all()
    assert glide.at(off, 0.3) is off
    rising = frames(glide, HIGH, [0.333, 0.366, 0.4], "strength")
    assert (np.diff([0.0, *rising]) > 0).all()
    assert glide.at(HIGH, 1.0) is HIGH


def test_the_first_frame_is_whole_whenever_it_comes() -> None:
    """At any time, however that rounds, the first frame shows the parameters as they are."""
    assert all(Glide(0.15).at(HIGH, 1000.0 + index * 0.0137) is HIGH for index in range(1000))


def test_time_that_runs_backwards_is_a_new_start() -> None:
    """A film that begins again shows the parameters as they are."""
    glide = Glide(0.15)
    frames(glide, LOW, [5.0, 5.03])
    assert glide.at(HIGH, 0.0) is HIGH
