"""FaceFilter and the package's public names."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from livewarp import FaceFilter, FaceTracker, Parameters
from livewarp.errors import FrameError
from livewarp.filtering.overlay import draw_overlay, mirror
from livewarp.scene import Scene
from livewarp.sources.portrait import PortraitSource
from livewarp.warping import Warp, warp


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


def test_mirror_and_overlay_off_leave_every_byte(frame: np.ndarray) -> None:
    """Neither is on by default, and off they are not there at all."""
    faces = FaceTracker().update(frame, 0.0)
    assert faces
    expected = warp(frame, faces, Parameters())
    np.testing.assert_array_equal(FaceFilter().render(frame, Scene(tuple(faces))), expected)


@pytest.mark.parametrize("is_in_place", [False, True])
def test_the_mirror_comes_after_the_warp(frame: np.ndarray, is_in_place: bool) -> None:
    """The mirrored result is the result, mirrored; the input is left alone unless it is the output."""
    plain, mirrored = FaceFilter(Parameters(thin=0.7)), FaceFilter(Parameters(thin=0.7, mirror=True))
    before = frame.copy()
    given = frame.copy()
    result = mirrored.apply(given, out=given if is_in_place else None)
    np.testing.assert_array_equal(result, plain.apply(frame)[:, ::-1])
    assert is_in_place == (result is given)
    np.testing.assert_array_equal(frame, before)


def test_mirror_and_overlay_do_not_glide(frame: np.ndarray) -> None:
    """While sliders are on their way, a picture is mirrored or it is not, from the very frame of the change on."""
    face_filter = FaceFilter(Parameters(thin=0, eyes=0), glide_s=0.5)
    np.testing.assert_array_equal(face_filter.apply(frame, 0.0), frame)
    face_filter.parameters = face_filter.parameters.replace(mirror=True)
    np.testing.assert_array_equal(face_filter.apply(frame, 0.03), frame[:, ::-1])
    face_filter.parameters = face_filter.parameters.replace(mirror=False)
    np.testing.assert_array_equal(face_filter.apply(frame, 0.06), frame)
    face_filter.parameters = face_filter.parameters.replace(overlay=True)
    assert (face_filter.apply(frame, 0.09) != frame).any()


def test_the_overlay_is_drawn_upon_the_mirrored_picture(frame: np.ndarray) -> None:
    """What the filter does with both on is: warp, mirror, draw."""
    faces = FaceTracker().update(frame, 0.0)
    expected = warp(frame, faces, Parameters(thin=0.7))
    mirror(expected)
    draw_overlay(expected, faces, is_mirrored=True)
    result = FaceFilter(Parameters(thin=0.7, mirror=True, overlay=True)).render(frame, Scene(tuple(faces)))
    np.testing.assert_array_equal(result, expected)


def test_warming_up_turns_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every adjustment is warmed up, but nothing is mirrored or drawn, also where the parameters say so."""

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("drawn or mirrored while warming up")

    used = []
    apply = Warp.apply
    monkeypatch.setattr("livewarp.filtering.stages.mirror", refuse)
    monkeypatch.setattr("livewarp.filtering.stages.draw_overlay", refuse)
    monkeypatch.setattr(
        Warp,
        "apply",
        lambda self, f, faces, values, *rest: used.append(values) or apply(self, f, faces, values, *rest),
    )
    FaceFilter(Parameters(mirror=True, overlay=True)).warm_up(90, 120)
    assert used
    for values in used:
        assert values["enabled"] is True
        assert values["mirror"] is False
        assert values["overlay"] is False
        assert values["thin"] == values["strength"] == 1.0


def test_economy_is_the_trackers() -> None:
    """The engine's governor reaches the tracker through the filter."""
    tracker = FaceTracker()
    face_filter = FaceFilter(tracker=tracker)
    assert face_filter.economy == 0
    face_filter.economy = 3
    assert tracker.economy == 3


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=500)
    assert done.stderr == ""
    assert done.returncode == 0


_WARM = """
import sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker

source = PortraitSource(640, 480, 25.0)
frame = np.empty((480, 640, 3), np.uint8)
source.read(frame)
face_filter = FaceFilter(Parameters(), FaceTracker())
face_filter.warm_up(480, 640)
kernels = {
    kernel
    for name, module in list(sys.modules.items())
    if name.startswith(("livewarp.tracking", "livewarp.warping"))
    for kernel in vars(module).values()
    if isinstance(kernel, Dispatcher)
}
assert len(kernels) > 10
there = {kernel: kernel.signatures for kernel in kernels}
seen = 0
for i in range(20):
    source.read(frame)
    scene = face_filter.track(frame, i / 25)
    face_filter.render(frame, scene, frame)
    seen += bool(scene.faces)
assert seen > 10
late = [kernel.__name__ for kernel in kernels if kernel.signatures != there[kernel]]
assert not late, late
"""


def test_no_frame_waits_for_a_kernel() -> None:
    """After `warm_up`, frames with and without a face need no kernel that is not there: the first is as fast as any."""
    done = subprocess.run([sys.executable, "-c", _WARM], capture_output=True, text=True, timeout=500)
    assert (done.returncode, done.stderr) == (0, "")
