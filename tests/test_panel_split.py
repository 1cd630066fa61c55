"""The frame before the filter beside the one after it, and what streams carry while the output is blanked."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time

import cv2
import numpy as np
import pytest

import panel_fixture
from control_fixture import TIMEOUT_S, FakeDaemon
from livewarp.parameters import Switches
from livewarp.sinks.preview import MAX_WIDTH_PX, Preview
from panel_fixture import STREAM, Viewer, WatchedPreview, ask, bearer, serve_panel

SPLIT = "/split.mjpeg"
SHAPE = (48, 64, 3)


def gray(value, shape=SHAPE):
    """A flat frame."""
    return np.full(shape, value, np.uint8)


def levels(jpeg):
    """The gray levels of the upper and the lower half of a JPEG, and its shape."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    half = pixels.shape[0] // 2
    return round(pixels[:half].mean()), round(pixels[half:].mean()), pixels.shape


class Engine(panel_fixture.Engine):
    """Offers one and the same frame from a thread, before and after the filter, until it is closed."""

    def __init__(self, preview, before=40, after=200, shape=SHAPE):
        super().__init__(preview, shape)
        self.before = before
        self.after = after
        self.camera = True
        self._shape = shape

    def offer(self, i):
        """Offer both."""
        if self.before is not None:
            self.preview.offer_before(gray(self.before, self._shape))
        self.preview.offer(gray(self.after, self._shape), camera=self.camera)


@pytest.fixture
def daemon():
    """A daemon to blank."""
    return FakeDaemon()


@pytest.fixture
def preview():
    """A running preview."""
    preview = WatchedPreview()
    preview.start()
    yield preview
    preview.close()


@pytest.fixture
def panel(daemon, preview, tmp_path):
    """A panel of both."""
    with serve_panel(daemon, preview, tmp_path) as panel:
        yield panel


def test_both_halves_are_of_one_frame(panel, preview):
    """Compare viewers get the frame as it came above the same frame as it is sent; others get the latter."""
    with Engine(preview), Viewer(panel.address, SPLIT) as split, Viewer(panel.address) as plain:
        jpeg, halves = split.part()
        assert (levels(jpeg), halves) == ((40, 200, (96, 64, 3)), 2)
        jpeg, halves = plain.part()
        assert (levels(jpeg), halves) == ((200, 200, (48, 64, 3)), 1)


def test_halves_never_mix_frames():
    """However offers and wishes interleave, the halves of a pair belong together."""
    pictures = queue.SimpleQueue()
    preview = Preview(on_split=pictures.put)
    preview.start()
    preview.watch(split=True)
    ended = threading.Event()

    def run():
        i = 0
        while not ended.wait(0.0005):
            i = (i + 1) % 100
            preview.offer_before(gray(i))
            ended.wait(0.0005)  # in which the encoder may come to want a frame
            preview.offer(gray(i + 100))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(20):
            before, after, _ = levels(pictures.get(timeout=TIMEOUT_S).jpeg)
            assert after == pytest.approx(before + 100, abs=2)  # JPEG keeps flat levels within one or two
    finally:
        ended.set()
        thread.join(TIMEOUT_S)
        preview.close()


def test_without_a_frame_as_it_came_there_is_one_half(panel, preview):
    """Where there is nothing to compare (frozen, blanked, a placeholder), compare viewers get what is sent."""
    with Engine(preview, before=None), Viewer(panel.address, SPLIT) as split:
        jpeg, halves = split.part()
        assert (levels(jpeg), halves) == ((200, 200, SHAPE), 1)


def test_a_repeat_does_not_end_the_comparison():
    """Compare viewers keep the last pair while a frame is sent again to fill a gap."""
    pictures = queue.SimpleQueue()
    preview = Preview(on_split=pictures.put)
    preview.start()
    preview.watch(split=True)
    ended = threading.Event()

    def run():
        while not ended.wait(0.002):
            preview.offer_before(gray(40))
            preview.offer(gray(200))
            for _ in range(20):  # for longer than the encoder takes a break: it comes to see these, too
                ended.wait(0.002)
                preview.offer(gray(200))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while pictures.get(timeout=TIMEOUT_S).halves == 1:
            pass  # before the first pair
        assert {pictures.get(timeout=TIMEOUT_S).halves for _ in range(15)} == {2}
    finally:
        ended.set()
        thread.join(TIMEOUT_S)
        preview.close()


def test_a_frame_that_is_forgotten_is_never_shown():
    """What `offer_before` took is gone when another picture than its frame is sent."""
    pictures = queue.SimpleQueue()
    preview = Preview(on_split=pictures.put)
    preview.start()
    preview.watch(split=True)
    try:
        while pictures.empty():
            preview.offer_before(gray(40))
            preview.forget_before()
            preview.offer(gray(200), camera=False)
            threading.Event().wait(0.002)
        picture = pictures.get()
        assert (levels(picture.jpeg)[:2], picture.halves, picture.camera) == ((200, 200), 1, False)
    finally:
        preview.close()


def test_nothing_is_copied_before_the_filter_while_nobody_compares():
    """The frame as it came is not touched while all viewers watch only what is sent."""

    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError(f"read {name}")

    preview = Preview()
    preview.watch()
    preview.offer_before(Untouchable())
    assert preview.viewers == 1


def test_wide_pairs_are_reduced_as_one(panel, preview):
    """Frames that are wider than the preview are reduced, both halves alike."""
    with Engine(preview, shape=(720, 2 * MAX_WIDTH_PX, 3)), Viewer(panel.address, SPLIT) as split:
        assert levels(split.frame()) == (40, 200, (720, MAX_WIDTH_PX, 3))


def test_those_who_compare_are_viewers(panel, preview):
    """A compare viewer counts as a viewer, and no more when it leaves."""
    with Engine(preview):
        with Viewer(panel.address, SPLIT) as split:
            split.frame()
            assert preview.viewers == 1
        assert preview.left.wait(TIMEOUT_S)


@pytest.mark.parametrize("path", [STREAM, SPLIT])
def test_nothing_of_the_camera_is_seen_while_blanked(panel, daemon, preview, path):
    """From the moment that it is blanked no stream brings a picture of the camera, not even one under way."""
    with Engine(preview, before=40, after=80) as engine, Viewer(panel.address, path) as viewer:
        assert levels(viewer.frame())[1] == 80
        assert ask(panel.address, "POST", "/api/blank", {"on": True}).status == 200
        # The engine goes on with the camera for a while, as with the frame under way, and then blanks.
        timer = threading.Timer(0.3, lambda: vars(engine).update(before=None, after=200, camera=False))
        timer.start()
        seen = [levels(viewer.frame())[:2] for _ in range(12)]
        timer.join()
    # What lay in the sockets when it was blanked is of before.
    first = seen.index((200, 200))
    assert first < 8
    assert seen[first:] == [(200, 200)] * (12 - first)


def test_a_snapshot_obeys_blank(panel, daemon, preview, monkeypatch):
    """While blanked, a snapshot is the privacy picture, or none; never one of the camera."""
    monkeypatch.setattr("livewarp.control.web.streams._SNAPSHOT_S", 0.2)
    daemon.switches = Switches(blank=True)
    with Engine(preview) as engine:
        assert ask(panel.address, "GET", "/snapshot.jpg").status == 503
        vars(engine).update(before=None, after=90, camera=False)
        reply = ask(panel.address, "GET", "/snapshot.jpg")
    assert (reply.status, levels(reply.body)[0]) == (200, 90)
    assert preview.viewers == 0


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the queue of a socket is asked for by ioctl")
@pytest.mark.parametrize("path", [STREAM, SPLIT])
def test_a_viewer_who_does_not_read_is_cut_off_when_it_goes_blank(panel, preview, daemon, path):
    """Blank on and off: what waited on this side never arrives, and a viewer who reads stays."""
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    with Engine(preview, before=40, after=200) as engine, Viewer(panel.address, path) as reader:
        engine.offer = lambda i: (preview.offer_before(noise), preview.offer(noise))
        reader.frame()
        stalled = socket.socket()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        stalled.settimeout(TIMEOUT_S)
        stalled.connect(panel.address)
        head = f"GET {path} HTTP/1.1\r\nHost: {panel.address}\r\n"
        stalled.sendall((head + f"Authorization: {bearer()['Authorization']}\r\n\r\n").encode())
        assert stalled.recv(1_000).startswith(b"HTTP/1.1 200")
        for _ in range(30):  # many more than its buffers take
            reader.frame()
        for on in (True, False):
            assert ask(panel.address, "POST", "/api/blank", {"on": on}).status == 200
        deadline_s = time.monotonic() + TIMEOUT_S
        while preview.viewers > 1:
            assert time.monotonic() < deadline_s
            reader.frame()
        left = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while chunk := stalled.recv(65_536):
                left += chunk
        assert left.count(b"Content-Type: image/jpeg") <= 1  # in the client's own system
        stalled.close()
        reader.frame()
