"""The pictures that stand in for the camera: drawn once, at every size, and told apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from livewarp.live.placeholder import Placeholder, Placeholders


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (720, 1280), (7680, 16), (16, 4320), (16, 16), (33, 17)])
@pytest.mark.parametrize("kind", Placeholder)
def test_it_is_a_frame_of_any_size(size: tuple[int, int], kind: Placeholder) -> None:
    """Whatever the output measures, there is a picture of that size, and nobody can draw into it."""
    width, height = size
    picture = Placeholders(width, height).picture(kind, "no frame")
    assert (picture.shape, picture.dtype) == ((height, width, 3), np.uint8)
    assert picture.flags.c_contiguous
    assert not picture.flags.writeable


def test_it_is_drawn_once() -> None:
    """The loop sends it thirty times a second."""
    placeholders = Placeholders(320, 180)
    assert placeholders.picture(Placeholder.UNAVAILABLE, "why") is placeholders.picture(Placeholder.UNAVAILABLE, "why")


def test_reasons_come_and_go_without_a_heap_of_pictures() -> None:
    """A reason that counts or alternates does not fill the memory."""
    placeholders = Placeholders(64, 48)
    for i in range(50):
        placeholders.picture(Placeholder.UNAVAILABLE, f"reason {i}")
    assert len(placeholders._drawn) <= 6


def test_the_kinds_are_told_apart() -> None:
    """Starting, unavailable and private are different pictures, and so are two reasons."""
    placeholders = Placeholders(640, 360)
    pictures = [placeholders.picture(kind) for kind in Placeholder]
    pictures.append(placeholders.picture(Placeholder.UNAVAILABLE, "it does not answer"))
    for a, b in itertools.combinations(pictures, 2):
        assert (a != b).any(axis=2).mean() > 0.001


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (480, 640)])
def test_the_text_stays_inside(size: tuple[int, int]) -> None:
    """A long reason is wrapped and cut: a margin on both sides stays as dark as the ground."""
    width, height = size
    plain = Placeholders(width, height).picture(Placeholder.PRIVATE)
    told = Placeholders(width, height).picture(
        Placeholder.PRIVATE, "a reason that is far too long to be read by anyone " * 9
    )
    margin = width // 40
    np.testing.assert_array_equal(told[:, :margin], plain[:, :margin])
    np.testing.assert_array_equal(told[:, -margin:], plain[:, -margin:])
    assert (told != plain).any()


def test_it_is_calm() -> None:
    """Dark on the whole, without a bright spot beyond glyph and text, and the same at every drawing."""
    first, second = (Placeholders(1280, 720).picture(Placeholder.STARTING) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.mean() < 60
    assert (first.max(axis=2) > 120).mean() < 0.03
