"""A camera of a real PipeWire session as a source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livewarp.errors import SourceError
from livewarp.sources import open_source
from livewarp.sources.sessioncamera import SessionCamera
from livewarp.sources.sessionnodes import CameraNode, camera_nodes, session_choices
from livewarp.system import spa, v4l2
from pipewire.camera import ShownCamera
from pipewire.session import Session, missing, until

W, H, FPS = 320, 240, 30.0

NODES = [
    {"info": {"props": {"media.class": "Video/Source", "node.name": "livewarp", "node.virtual": True}}},
    {"info": {"props": {"media.class": "Video/Source", "node.name": "obs", "node.virtual": "true"}}},
    {"info": {"props": {"media.class": "Audio/Source", "node.name": "mic"}}},
    {
        "info": {
            "props": {
                "media.class": "Video/Source",
                "node.name": "libcamera_input.ov02c10",
                "node.description": "Built-in camera",
                "object.path": "libcamera:0",
            }
        }
    },
    {"info": None},
    {},
]


def test_cameras_of_hardware_come_first_and_our_own_is_none() -> None:
    """Of what the session has, cameras count, hardware first, never livewarp's own; what is no JSON has none."""
    assert camera_nodes(json.dumps(NODES)) == [
        CameraNode("libcamera_input.ov02c10", "Built-in camera", False, "libcamera:0"),
        CameraNode("obs", "obs", True, ""),
    ]
    assert camera_nodes("") == camera_nodes("{}") == []


def test_a_v4l2loopback_device_of_the_session_is_no_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """WirePlumber lists one that is fed when it starts; `auto` must not read livewarp's own output."""
    monkeypatch.setattr(v4l2, "is_virtual", lambda node: node == Path("/dev/video10"))
    props = {"media.class": "Video/Source", "node.name": "v4l2_input", "object.path": "v4l2:/dev/video10"}
    [node] = camera_nodes(json.dumps([{"info": {"props": props}}]))
    assert node.virtual
    [node] = camera_nodes(json.dumps([{"info": {"props": {**props, "object.path": "v4l2:/dev/video0"}}}]))
    assert not node.virtual


@pytest.mark.parametrize("fourcc", spa.WISHES)
def test_a_wish_says_what_is_agreed_on(fourcc: str) -> None:
    """A wish names its format, size and rate so that its defaults read back as the same."""
    agreed = spa.parse_captured(spa.wanted_format(fourcc, 640, 360, 25.0))
    assert agreed == spa.Captured(fourcc, 640, 360, 25.0, False, False)


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    """One session for all tests of this file."""
    if missing():
        pytest.skip(missing())
    session = Session()
    yield session
    session.close()


@pytest.fixture
def session(shared: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The session, as this process's own."""
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, shared.environment[name])
    return shared


def test_frames_of_a_camera_of_the_session(session: Session) -> None:
    """Its frames arrive with their colours and rising times; when it goes the source says so, and no other is taken."""
    picture = np.full((H, W, 3), (40, 120, 200), np.uint8)
    camera = ShownCamera("desk camera", picture, FPS)
    try:
        until(lambda: any(choice.source == "pipewire:desk camera" for choice in session_choices()))
        source = open_source("pipewire:desk camera", W, H, FPS)
        frame = np.empty((H, W, 3), np.uint8)
        stamps = [stamp for _ in range(6) if (stamp := source.read(frame)) is not None]
        assert len(stamps) >= 3
        assert stamps == sorted(stamps)
        assert np.abs(frame.astype(int) - picture).max() <= 3  # of 4:2:0 and back
        until(lambda: camera.node.watched)
    finally:
        camera.close()
    with pytest.raises(SourceError, match="is gone"):
        until(lambda: source.read(frame) is not None and False)
    source.close()
    source.close()


def test_a_camera_that_is_not_there_is_named(session: Session) -> None:
    """The error says which one is missing."""
    with pytest.raises(SourceError, match="pipewire:nobody"):
        SessionCamera("nobody", W, H)
