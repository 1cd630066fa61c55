"""FaceFilter and the package's public names."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from livewarp import FaceFilter, FaceTracker, Parameters
from livewarp.errors import FrameError
from livewarp.sources.portrait import PortraitSource
from livewarp.warping import warp


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """A frame with a face."""
    source = PortraitSource(640, 360)
    out = np.empty((360, 640, 3), np.uint8)
    source.read(out)
    return out


def test_the_filter_is_the_tracker_and_the_warp(frame: np.ndarray) -> None:
    """`apply` gives what the two public halves give."""
    parameters = Parameters(thin=0.7, eyes=0.5)
    expected = warp(frame, FaceTracker().update(frame, 0.0), parameters)
    result = FaceFilter(parameters).apply(frame)
    np.testing.assert_array_equal(result, expected)
    assert (result != frame).any()


def test_the_input_is_left_alone_unless_it_is_the_output(frame: np.ndarray) -> None:
    """A new array by default; the frame itself when asked."""
    before = frame.copy()
    face_filter = FaceFilter()
    result = face_filter.apply(frame)
    np.testing.assert_array_equal(frame, before)
    assert face_filter.apply(before, out=before) is before
    assert result is not frame


def test_parameters_take_effect_with_the_next_frame(frame: np.ndarray) -> None:
    """Swapping the whole object is all that it takes."""
    face_filter = FaceFilter(Parameters(thin=0, eyes=0))
    np.testing.assert_array_equal(face_filter.apply(frame), frame)
    face_filter.parameters = face_filter.parameters.replace(thin=1)
    assert (face_filter.apply(frame) != frame).any()


def test_what_is_no_frame_is_refused() -> None:
    """The error comes from the border, with the remedy."""
    with pytest.raises(FrameError, match="cvtColor"):
        FaceFilter().apply(np.zeros((10, 10), np.uint8))


def test_importing_livewarp_loads_nothing() -> None:
    """The package and its parameters come without numba, OpenCV, dlib or numpy."""
    code = (
        "import sys, livewarp; livewarp.Parameters; "
        "sys.exit(','.join({'numba', 'cv2', 'dlib', 'numpy', 'gevent'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.returncode == 0
