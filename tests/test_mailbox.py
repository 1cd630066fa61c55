"""The mailbox between capture and engine: newest wins, every buffer comes back."""

from __future__ import annotations

import threading

from livewarp.mailbox import Mailbox, Parcel

SHAPE = (2, 3, 3)


def post(box: Mailbox, index: int) -> None:
    """Post a frame that holds its number."""
    buffer = box.take()
    buffer[:] = index % 256
    box.post(Parcel(buffer, float(index), index, 0.0))


def test_the_newest_frame_wins_and_the_others_are_counted() -> None:
    """A slow reader gets the last frame; what it missed is in `dropped`."""
    box = Mailbox(SHAPE)
    for index in range(10):
        post(box, index)
    parcel = box.receive(timeout_s=1.0)
    assert parcel is not None
    assert (parcel.number, int(parcel.pixels[0, 0, 0]), box.dropped) == (9, 9, 9)


def test_a_deep_mailbox_keeps_order() -> None:
    """With depth, waiting frames come in order, the oldest having made room."""
    box = Mailbox(SHAPE, depth=3)
    for index in range(5):
        post(box, index)
    received = [box.receive(timeout_s=1.0) for _ in range(3)]
    assert [p.number for p in received if p is not None] == [2, 3, 4]


def test_a_silence_of_the_source_is_told_from_a_slow_reader() -> None:
    """`since_s` is the time of the first frame after the last silence, whichever frames the reader missed."""
    box = Mailbox(SHAPE, silence_s=2.0)
    for index in (0, 1, 2, 3, 4, 5):
        post(box, index)
    parcel = box.receive(timeout_s=1.0)
    assert parcel is not None
    assert (parcel.timestamp_s, parcel.since_s) == (5.0, 0.0)
    for index in (8, 9, 10):
        post(box, index)
    parcel = box.receive(timeout_s=1.0)
    assert parcel is not None
    assert (parcel.timestamp_s, parcel.since_s) == (10.0, 8.0)


def test_no_frame_is_a_value() -> None:
    """Nothing in time, and the end, are None; what waited at the end still comes."""
    box = Mailbox(SHAPE)
    assert box.receive(timeout_s=0.001) is None
    post(box, 1)
    box.close()
    parcel = box.receive(timeout_s=1.0)
    assert parcel is not None
    assert box.receive(timeout_s=1000.0) is None


def test_a_frame_never_changes_while_it_is_read() -> None:
    """With both sides at full speed, a received frame is whole, frames come in order, and the sum fits."""
    box = Mailbox((50, 50, 3))
    total = 3000

    def write() -> None:
        for index in range(total):
            post(box, index)
        box.close()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while (parcel := box.receive(timeout_s=30.0)) is not None:
        assert (parcel.pixels == parcel.number % 256).all()
        seen.append(parcel.number)
        box.give(parcel.pixels)
    writer.join()
    assert seen == sorted(seen)
    assert seen[-1] == total - 1
    assert len(seen) + box.dropped == total


def test_buffers_go_round() -> None:
    """No buffer is made after the start."""
    box = Mailbox(SHAPE)
    seen = set()
    for index in range(50):
        post(box, index)
        parcel = box.receive(timeout_s=1.0)
        assert parcel is not None
        seen.add(parcel.pixels.ctypes.data)
        box.give(parcel.pixels)
    assert len(seen) <= 3


def test_a_buffer_that_never_comes_back_is_made_up_for() -> None:
    """A writer that hangs keeps its buffer for ever; with one in its place there is room for all."""
    box = Mailbox(SHAPE, depth=2)
    box.take()
    box.replace()
    for index in range(2):
        post(box, index)
    written, read = box.take(), box.take()
    assert (box.waiting, box.dropped) == (2, 0)
    assert written.shape == read.shape == SHAPE
    assert not written.any()
