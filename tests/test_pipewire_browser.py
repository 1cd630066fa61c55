"""The whole way: a webcam, the daemon, PipeWire, the desktop's portal, and a page in Chromium that shows it."""

from __future__ import annotations

import base64
import http.server
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from browser import Browser, BrowserError, Page, find_chromium
from livewarp.control.client import Client
from livewarp.control.secret import read_token
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import Parameters, Value
from livewarp.tracking import FaceTracker
from pipewire.session import HERE, Session, missing, until
from pipewire.webcam_daemon import FPS as CAMERA_FPS
from pipewire.webcam_daemon import HEIGHT, WIDTH, number_of, pictures

SYSTEM_PYTHON = "/usr/bin/python3"  # the portal is played by python3-gi, which is no package of the environment
GRACE_S = 1.0
FPS = 25.0  # of the camera's 30: the rest is for a machine that does other things, too
WINDOW_S = 2.0
PATIENCE_S = 60.0
SETTLED = 20  # pictures until a face that was found is warped in full
CODED = 3.0  # mean error in grey levels of a picture with half the colours, and of rounding

SHOW = """
(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    window.label = stream.getVideoTracks()[0].label;
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = stream;
    window.canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    window.seen = [];  // of each frame: when it was shown, and a number for its pixels
    const show = (now) => {
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        context.drawImage(video, 0, 0);
        const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
        let sum = 0;
        for (let i = 0; i < pixels.length; i += 61) sum = (sum * 31 + pixels[i]) | 0;
        seen.push([now, sum]);
        video.requestVideoFrameCallback(show);
    };
    video.requestVideoFrameCallback(show);
    await video.play();
    return label;
})()
"""


def lacking() -> str:
    """Why this cannot be tried here, or nothing."""
    if find_chromium() is None:
        return missing() or "not installed here: chromium"
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", "import gi"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return missing() or "not installed here: python3-gi"
    return missing()


pytestmark = [pytest.mark.skipif(bool(lacking()), reason=lacking() or "all there"), pytest.mark.timeout(300)]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session with a camera portal, as this process's own, for what it starts."""
    opened = Session()
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, opened.environment[name])
    opened.run(SYSTEM_PYTHON, str(HERE / "portal.py"))
    until(lambda: "ready" in (opened.folder / "python3.log").read_text())
    yield opened
    opened.close()


@pytest.fixture
def control(session: Session) -> Iterator[Client]:
    """A daemon with a webcam and a PipeWire camera; what speaks to it."""
    config = session.folder / "config.toml"
    config.write_text(f"[video]\ngrace = {GRACE_S}\n")
    ports = ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"]
    options = ["--config", str(config), "--sink", "pipewire", "--set", "enabled=false"]
    daemon = session.run(sys.executable, str(HERE / "webcam_daemon.py"), "run", *ports, *options)
    log = session.folder / f"{Path(sys.executable).name}.log"

    def address() -> str | None:
        assert daemon.poll() is None, log.read_text()
        found = re.search(r"control: (127\.0\.0\.1:\d+)", log.read_text())
        return found[1] if found else None

    at = str(until(address))
    with Client(at, token=read_token(session.folder / "livewarp" / "token")) as client:
        yield client
        client.call("stop")
    assert daemon.wait(500) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def url() -> Iterator[str]:
    """An empty page on loopback, where browsers allow a camera."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>camera</title>")

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def watch(tmp_path: Path, url: str) -> Iterator[Callable[[], Page]]:
    """Opens a page that shows the camera."""
    browsers: list[Browser] = []

    def show() -> Page:
        # About one start in twenty, Chromium finds no camera at first, and never looks again.
        for last in (False, True):
            arguments = ("--use-fake-ui-for-media-stream", "--enable-features=WebRtcPipeWireCamera")
            browsers.append(Browser(str(find_chromium()), tmp_path / f"profile{last}", *arguments))
            page = browsers[-1].page(640, 480)
            page.open(url)
            try:
                assert page.run(SHOW) == "livewarp"
            except BrowserError as error:
                if last or "NotFoundError" not in str(error):
                    raise
            else:
                break
        return page

    yield show
    for browser in browsers:
        browser.close()


def unique_rate(page: Page) -> float:
    """Different pictures a second that the page has shown lately."""
    shown = page.run(f"seen.filter(([at]) => at > performance.now() - {1000 * WINDOW_S})")
    return len({number for _, number in shown}) / WINDOW_S


def snapshot(page: Page) -> np.ndarray[Any, Any]:
    """What the page shows, BGR."""
    _, _, data = page.run('canvas.toDataURL("image/png")').partition(",")
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


class Expected:
    """What the page is to show of each picture of the webcam: as it is, and as the filter makes it, offline."""

    def __init__(self, **parameters: Value) -> None:
        self._plain = pictures()
        tracker = FaceTracker()
        face_filter = FaceFilter(Parameters(**parameters), tracker, 0.0)
        face_filter.warm_up(HEIGHT, WIDTH)
        self._warped = []
        for number, picture in enumerate(self._plain):
            scene = face_filter.track(picture, number / CAMERA_FPS)
            self._warped.append(np.empty_like(picture))
            face_filter.render(picture, scene, self._warped[-1])
        face_filter.close()
        # Where the filter changes anything, in any picture; the first ones are left out: the face fades in.
        changed = [
            np.abs(plain.astype(int) - warped).max(2) > 16
            for plain, warped in zip(self._plain[SETTLED:], self._warped[SETTLED:], strict=True)
        ]
        self._face = np.any(changed, 0)
        assert 0.01 < self._face.mean() < 0.3

    def compare(self, page: Page) -> tuple[float, float, float]:
        """How far the page is from the plain picture beside the face and in it, and from the warped one in it."""
        while (number := number_of(shown := snapshot(page))) < SETTLED:
            pass
        from_plain = np.abs(shown.astype(int) - self._plain[number])
        from_warped = np.abs(shown.astype(int) - self._warped[number])
        beside = cv2.dilate(self._face.astype(np.uint8), np.ones((31, 31))) == 0
        return from_plain[beside].mean(), from_plain[self._face].mean(), from_warped[self._face].mean()


def state(control: Client) -> str:
    """What the daemon says that it does."""
    return str(control.call("state")["state"])


def test_a_page_shows_the_warped_camera_and_its_leaving_closes_the_webcam(
    control: Client, watch: Callable[[], Page]
) -> None:
    """Nobody watches: idle. A page does: it moves at full rate, and shows what is set. It leaves: idle again."""
    until(lambda: state(control) == "idle", PATIENCE_S)
    page = watch()
    until(lambda: state(control) == "running", PATIENCE_S)
    assert page.run("[canvas.width, canvas.height]") == [640, 480]
    until(lambda: unique_rate(page) >= FPS, PATIENCE_S, every_s=0.5)

    expected = Expected(enabled=True, thin=1.0, eyes=1.0)
    assert max(expected.compare(page)[:2]) < CODED
    control.call("set", {"enabled": True, "thin": 1.0, "eyes": 1.0})

    def warped() -> bool:
        beside, from_plain, from_warped = expected.compare(page)
        assert beside < CODED
        return from_warped < 0.5 * from_plain

    until(warped, PATIENCE_S)
    until(lambda: unique_rate(page) >= FPS, PATIENCE_S, every_s=0.5)
    outputs = control.call("state")["outputs"]
    assert [(o["name"], o["problem"], o["watched"]) for o in outputs] == [("PipeWire camera livewarp", None, True)]

    page.close()
    left_s = time.monotonic()
    until(lambda: state(control) == "idle", PATIENCE_S)
    assert time.monotonic() - left_s < GRACE_S + 5, json.dumps(control.call("state"))
