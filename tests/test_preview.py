"""The preview: who watches, what is copied, how often it is encoded."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import tracemalloc

import cv2
import numpy as np
import pytest

from livewarp.sinks.preview import MAX_FPS, MAX_WIDTH_PX, Picture, Preview, encode

TIMEOUT_S = 10.0


def gray(value, height=48, width=64):
    """A flat frame."""
    return np.full((height, width, 3), value, np.uint8)


def decoded(jpeg):
    """The picture in a JPEG."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def until(condition):
    """Return when it is so."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.001)


class Engine:
    """Offers frames from a thread, as the engine does, until it is closed."""

    def __init__(self, preview, pixels, interval_s=0.001):
        self.pixels = pixels
        self._preview = preview
        self._interval_s = interval_s
        self._left = 0
        self._enough = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._ended.wait(self._interval_s):
            self._preview.offer(self.pixels)
            self._left -= 1
            if self._left == 0:
                self._enough.set()

    def offer_more(self, count):
        """Return when so many more frames have been offered."""
        self._enough.clear()
        self._left = count
        assert self._enough.wait(TIMEOUT_S)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        self._thread.join(TIMEOUT_S)


@pytest.fixture
def jpegs():
    """What the preview has encoded."""
    return queue.SimpleQueue()


@pytest.fixture
def preview(jpegs):
    """A running preview."""
    preview = Preview(lambda picture: jpegs.put(picture.jpeg))
    preview.start()
    yield preview
    preview.close()


def test_nobody_watches_nothing_is_taken(preview, jpegs):
    """While nobody watches, an offered frame is neither copied nor encoded."""
    for value in range(100):
        preview.offer(gray(value))
    preview.close()
    assert jpegs.empty()
    assert preview._buffer.size == 0


def test_a_watched_frame_becomes_a_jpeg(preview, jpegs):
    """A viewer gets what was offered, as JPEG, although the caller's array changes after the call."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, 32:] = (20, 120, 220)  # asymmetric, and each channel another value
    preview.watch()
    with Engine(preview, pixels):
        picture = decoded(jpegs.get(timeout=TIMEOUT_S))
    # JPEG at quality 80 keeps a flat area to a few grey levels; rows or channels swapped would be 100 off.
    np.testing.assert_allclose(picture[:, 48:], pixels[:, 48:], atol=6)
    np.testing.assert_allclose(picture[:, :16], pixels[:, :16], atol=6)


def test_the_buffer_is_the_previews_own(preview, jpegs):
    """The frame is copied at once: what the engine writes afterwards is not seen."""
    preview.watch()
    until(lambda: preview._wanted)
    pixels = gray(200)
    preview.offer(pixels)
    pixels[:] = 0
    assert decoded(jpegs.get(timeout=TIMEOUT_S)).mean() == pytest.approx(200, abs=2)


def test_no_frame_is_torn(preview, jpegs):
    """While a frame is encoded the engine does not write into it."""
    preview.watch()
    with Engine(preview, gray(0, 480, 640), interval_s=0.0002) as engine:
        for i in range(20):
            engine.pixels = gray(i * 12, 480, 640)
            picture = decoded(jpegs.get(timeout=TIMEOUT_S))
            assert int(picture.max()) - int(picture.min()) <= 4  # a flat frame stays flat through JPEG


def test_a_viewer_that_comes_while_a_frame_is_copied(preview, jpegs):
    """A viewer that comes while the engine copies does not make it copy the next frame into that one."""
    wanted = []

    class SlowFrame:
        """Two viewers come, and are noticed, while it is copied."""

        shape = (48, 64, 3)

        def __array__(self, dtype=None, copy=None):
            for _ in range(2):  # when the second note is fetched, the first one has been acted on
                preview.watch()
                until(preview._notes.empty)
            wanted.append(preview._wanted)
            return gray(1)

    preview.watch()
    with Engine(preview, gray(1)):
        jpegs.get(timeout=TIMEOUT_S)
    until(lambda: preview._wanted)
    preview.offer(SlowFrame())
    assert wanted == [False]


def test_a_frame_that_came_too_late_is_not_encoded(preview, jpegs):
    """A frame that was wanted for a viewer that has left by then is not encoded."""
    preview.watch()
    until(lambda: preview._wanted)
    preview.unwatch()
    preview.offer(gray(1))
    preview.close()
    assert jpegs.empty()


def test_no_more_than_thirty_a_second(preview, jpegs):
    """However many frames are offered, at most thirty a second are encoded."""
    preview.watch()
    with Engine(preview, gray(9), interval_s=0.0001):
        jpegs.get(timeout=TIMEOUT_S)
        began_s = time.monotonic()
        for _ in range(12):
            jpegs.get(timeout=TIMEOUT_S)
    # The first may have been taken late and one may run half an interval ahead.
    assert time.monotonic() - began_s >= (12 - 1.5) / MAX_FPS


def test_nothing_is_encoded_after_the_last_viewer_left(preview, jpegs):
    """When the last viewer has left, frames are no longer encoded; when one comes, they are again."""
    with Engine(preview, gray(9)) as engine:
        for _ in range(3):
            preview.watch()
            preview.watch()
            jpegs.get(timeout=TIMEOUT_S)
            preview.unwatch()
            jpegs.get(timeout=TIMEOUT_S)
            preview.unwatch()
            assert preview.viewers == 0
            before = jpegs.qsize()
            engine.offer_more(100)
            assert jpegs.qsize() <= before + 1  # one may have been under way
            while not jpegs.empty():
                jpegs.get()


def test_offers_allocate_nothing(preview, jpegs):
    """After the first frame of a geometry an offer allocates no buffer; another geometry works, too."""
    preview.watch()
    with Engine(preview, gray(9, 480, 640)):
        jpegs.get(timeout=TIMEOUT_S)
        buffer = preview._buffer
        tracemalloc.start()
        try:
            for _ in range(5):
                jpegs.get(timeout=TIMEOUT_S)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert preview._buffer is buffer
    assert peak < buffer.nbytes / 4  # the JPEGs are some kilobytes
    with Engine(preview, gray(9, 100, 30)):
        while decoded(jpegs.get(timeout=TIMEOUT_S)).shape != (100, 30, 3):
            pass


@pytest.mark.parametrize("width", [MAX_WIDTH_PX, MAX_WIDTH_PX + 1, 3840, 7680])
def test_wide_frames_are_reduced(width):
    """A JPEG is at most 1280 wide and keeps the frame's proportions."""
    height, reduced, _ = decoded(encode(np.zeros((width // 2, width, 3), np.uint8))).shape
    assert reduced == MAX_WIDTH_PX
    assert height == pytest.approx(MAX_WIDTH_PX / 2, abs=1)


def test_tiny_frames_pass():
    """A frame of one pixel, and one a pixel high, can be previewed."""
    assert decoded(encode(np.zeros((1, 1, 3), np.uint8))).shape == (1, 1, 3)
    assert decoded(encode(np.zeros((1, 4000, 3), np.uint8))).shape == (1, MAX_WIDTH_PX, 3)


def test_start_and_close_may_be_repeated(jpegs):
    """`start` and `close` may each be called more than once, and `close` without `start`."""
    preview = Preview(lambda picture: jpegs.put(picture.jpeg))
    preview.close()
    preview.close()
    preview = Preview(lambda picture: jpegs.put(picture.jpeg))
    preview.start()
    preview.start()
    assert sum(thread.name == "preview" for thread in threading.enumerate()) == 1
    preview.close()
    preview.close()
    assert not any(thread.name == "preview" for thread in threading.enumerate())
    preview.offer(gray(1))


def test_encoding_yields_to_the_frames() -> None:
    """On Linux its thread has a lower priority than the loop's: where cores are short, frames do not wait for it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("priorities of threads are Linux's")
    found: list[int] = []
    came = threading.Event()

    def take(picture: Picture) -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        came.set()

    preview = Preview(take)
    preview.start()
    preview.watch()
    frame = np.zeros((36, 64, 3), np.uint8)
    while not came.wait(0.01):
        preview.offer(frame)
    preview.close()
    assert found[0] > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_colours_arrive_in_the_preview() -> None:
    """Greys 16, 128, 235 and six patches leave the JPEG within two levels."""
    patches = [(16,) * 3, (128,) * 3, (235,) * 3]
    patches += [(30, 40, 200), (40, 180, 60), (200, 60, 40), (180, 180, 40), (160, 50, 170), (60, 190, 200)]
    for colour in patches:
        picture = np.full((48, 64, 3), colour, np.uint8)
        np.testing.assert_allclose(decoded(encode(picture)).astype(int), picture.astype(int), atol=2)
