"""The live parameters: always valid, immutable, declared once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livewarp.adjustments import ADJUSTMENTS
from livewarp.errors import ParameterError
from livewarp.knobs import Switch
from livewarp.parameters import KNOBS, Parameters, knob


def test_every_adjustment_is_a_knob_with_its_own_bounds() -> None:
    """A new adjustment needs no second declaration."""
    for name, adjustment in ADJUSTMENTS.items():
        assert (KNOBS[name].kind.minimum, KNOBS[name].kind.maximum) == (adjustment.minimum, adjustment.maximum)
        assert KNOBS[name].check(KNOBS[name].default) == adjustment.default


def test_replace_leaves_the_original_as_it_was() -> None:
    """Threads that hold the old parameters keep seeing the old values."""
    before = Parameters(thin=0.2)
    after = before.replace(thin=0.9)
    assert (before["thin"], after["thin"], after["eyes"]) == (0.2, 0.9, before["eyes"])


def test_replace_is_all_or_nothing() -> None:
    """One bad value refuses the whole change, and the error names it."""
    with pytest.raises(ParameterError, match="eyes") as caught:
        Parameters().replace(thin=0.9, eyes=7)
    assert (caught.value.name, caught.value.got) == ("eyes", 7)
    assert "0 to 1" in caught.value.allowed


def test_reset_of_some_keeps_the_others() -> None:
    """Only the named knobs go back to their defaults."""
    p = Parameters(thin=0.9, eyes=0.9).reset(["thin"])
    assert (p["thin"], p["eyes"]) == (KNOBS["thin"].default, 0.9)


@given(st.one_of(st.none(), st.booleans(), st.text(), st.integers(), st.floats(), st.lists(st.integers())))
def test_whatever_is_accepted_is_within_bounds(value: object) -> None:
    """No value of any type gets past the bounds, and every refusal is a ParameterError."""
    for k in KNOBS.values():
        try:
            accepted = k.check(value)
        except ParameterError:
            continue
        if isinstance(k.kind, Switch):
            assert accepted is value
        elif isinstance(accepted, str):  # a colour, a choice or a name
            assert k.check(accepted) == accepted
            assert accepted.lower() == str(value).lower()
        else:
            assert isinstance(accepted, float)
            assert k.kind.minimum is not None
            assert k.kind.maximum is not None
            assert k.kind.minimum <= accepted <= k.kind.maximum


def test_an_unknown_name_is_told_which_there_are() -> None:
    """The error lists the names."""
    with pytest.raises(ParameterError, match=r"unknown parameter 'thinn'.*thin, head_size"):
        knob("thinn")


@pytest.mark.parametrize(("text", "value"), [("on", True), ("No", False), ("1", True), ("false", False)])
def test_a_switch_is_typed_in_the_usual_words(text: str, value: bool) -> None:
    """On/off, yes/no, true/false and 1/0 are understood."""
    assert knob("enabled").parse(text) is value


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "0x1", "", "half", "-0.1"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    """What a person mistypes is an error that names the bounds."""
    with pytest.raises(ParameterError, match="0 to 1"):
        knob("thin").parse(text)
