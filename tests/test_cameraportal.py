"""A camera through the desktop's portal, as from a sandbox: a real session, and the portal played on its own bus."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livewarp.errors import SourceError
from livewarp.sources import open_source
from livewarp.system import cameraportal
from pipewire.camera import ShownCamera
from pipewire.session import HERE, Session, missing, until
from test_sessioncamera import FPS, H, W

SYSTEM_PYTHON = "/usr/bin/python3"  # the portal is played by python3-gi, which is no package of the environment


def lacking() -> str:
    """Why there can be no portal here, or nothing."""
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", "import gi"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return missing() or "not installed here: python3-gi"
    return missing()


pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "all there")


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    """A session with a portal."""
    session = Session()
    session.run(SYSTEM_PYTHON, str(HERE / "portal.py"))
    until(lambda: "ready" in (session.folder / "python3.log").read_text())
    yield session
    session.close()


@pytest.fixture
def session(shared: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """The session as a sandbox sees it: the bus, and no way to PipeWire but the portal's."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", shared.environment["DBUS_SESSION_BUS_ADDRESS"])
    monkeypatch.setattr(cameraportal, "is_sandboxed", lambda: True)
    return shared


def test_a_sandbox_is_known_by_what_it_has(tmp_path: Path) -> None:
    """Flatpak has a file, Snap a variable, and neither is no sandbox."""
    assert not cameraportal.is_sandboxed(tmp_path, {})
    assert cameraportal.is_sandboxed(tmp_path, {"SNAP": "/snap/livewarp/1"})
    (tmp_path / ".flatpak-info").touch()
    assert cameraportal.is_sandboxed(tmp_path, {})


def test_a_camera_is_read_through_the_portal(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, granted, listed and read over the connection that the portal hands over."""
    picture = np.full((H, W, 3), (40, 120, 200), np.uint8)
    with monkeypatch.context() as outside:
        outside.setenv("XDG_RUNTIME_DIR", session.environment["XDG_RUNTIME_DIR"])
        camera = ShownCamera("desk camera", picture, FPS)
    try:
        until(session.cameras)
        with pytest.raises(SourceError, match=r"nobody: no such camera.*pipewire:desk camera"):
            open_source("pipewire:nobody", W, H, FPS)
        source = open_source("pipewire", W, H, FPS)
        assert source.name.startswith("desk camera (")
        frame = np.empty((H, W, 3), np.uint8)
        until(lambda: source.read(frame) is not None)
        assert np.abs(frame.astype(int) - picture).max() <= 3
        source.close()
    finally:
        camera.close()


def test_a_no_is_said_with_what_to_do(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The portal answers with another code than granted; nothing is opened."""
    monkeypatch.setattr(cameraportal, "_GRANTED", 17)
    with pytest.raises(SourceError, match="the desktop refuses the camera; allow it in its settings"):
        open_source("pipewire", W, H, FPS)


def test_without_a_portal_or_a_bus_it_is_said(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each has its own sentence."""
    monkeypatch.setattr(cameraportal, "_BUS", "org.freedesktop.portal.Nobody")
    with pytest.raises(SourceError, match=r"portal refuses AccessCamera.*is xdg-desktop-portal installed"):
        open_source("pipewire", W, H, FPS)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    with pytest.raises(SourceError, match="no session bus answers"):
        open_source("pipewire", W, H, FPS)
