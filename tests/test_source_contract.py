"""What every source promises (`livewarp.sources.Source` and `Plan`), held by each kind of the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from livewarp.sources import SOURCE_KINDS, Plan, Source, nodes, plan_source
from livewarp.system import v4l2
from pipewire.camera import ShownCamera
from pipewire.session import Session, missing, until
from samples import write_video

W, H, FPS = 320, 240, 25.0
COUNT = 5  # frames of the clip
SENTINELS = 3, 251  # gray levels of what `read` must overwrite


def clip(tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """A short video of another shape."""
    yield str(write_video(tmp_path / "clip.mp4", [np.full((36, 64, 3), 30 * i + 20, np.uint8) for i in range(COUNT)]))


def still(tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """A picture of another shape."""
    path = tmp_path / "image.png"
    assert cv2.imwrite(str(path), np.full((80, 20, 3), 90, np.uint8))
    yield str(path)


def webcam(tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The first webcam of this machine."""
    if not nodes.webcam_choices():
        pytest.skip("no webcam here; the machine of tests/vm has one")
    yield "webcam"


def no_webcam(tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """`auto` where there is neither a webcam nor a session: the portrait."""
    patch.setattr(v4l2, "nodes", list)
    yield "auto"


def session_camera(tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """A camera of a PipeWire session of its own."""
    if missing():
        pytest.skip(missing())
    session = Session()
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        patch.setenv(name, session.environment[name])
    camera = ShownCamera("desk camera", np.full((H, W, 3), (40, 120, 200), np.uint8), FPS)
    until(session.cameras)
    yield "pipewire:desk camera"
    camera.close()
    session.close()


ASKED = {
    "auto": (no_webcam,),
    "webcam": (webcam,),
    "pipewire": (session_camera,),
    "portrait": (lambda tmp_path, patch: iter(["portrait"]), lambda tmp_path, patch: iter(["portrait:2"])),
    "": (clip, still),
}


@pytest.fixture(params=[(kind.name, i) for kind in SOURCE_KINDS for i in range(len(ASKED[kind.name]))], ids=str)
def plan(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    """How to open one of each kind, at a size and rate that none of them has; a kind without a maker fails."""
    name, which = request.param
    making = ASKED[name][which](tmp_path, monkeypatch)
    yield plan_source(next(making), W, H, FPS)
    next(making, None)


def frame_of(source: Source, sentinel: int) -> tuple[float | None, np.ndarray]:
    """The next frame, read over that gray; a live source may need a few tries."""
    out = np.full((source.height, source.width, 3), sentinel, np.uint8)
    for _ in range(50 if source.live else 1):
        if (stamp_s := source.read(out)) is not None or source.ended:
            return stamp_s, out
    raise AssertionError("no frame came")


def test_a_source_keeps_its_contract(plan: Plan) -> None:
    """It is what was planned, fills whole frames in rising time, ends for good, closes twice, and opens again."""
    source = plan.open()
    assert source.name
    assert "\n" not in source.name
    assert (source.width, source.height) == (plan.width, plan.height) == (W, H)
    assert source.fps > 0
    assert plan.live or not source.live
    assert not source.ended

    stamps, frames = [], []
    for i in range(COUNT):
        stamp_s, out = frame_of(source, SENTINELS[i % 2])
        assert stamp_s is not None
        assert not (out == SENTINELS[i % 2]).all(axis=(1, 2)).any()  # no row is left as it was
        stamps.append(stamp_s)
        frames.append(out)
    assert stamps == sorted(set(stamps))
    if not source.live:
        np.testing.assert_allclose(np.diff(stamps), 1 / FPS, rtol=1e-6)

    if plan.name.endswith(".mp4"):  # all others go on for ever
        assert [(frame_of(source, SENTINELS[0])[0], source.ended) for _ in range(2)] == [(None, True)] * 2
    source.close()
    source.close()

    again = plan.open()
    stamp_s, out = frame_of(again, SENTINELS[0])
    assert stamp_s is not None
    if not source.live:
        np.testing.assert_array_equal(out, frames[0])
    again.close()
