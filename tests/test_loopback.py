"""v4l2loopback's back end and the ioctls below it, over a kernel that is played by the test."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pytest

pytest.importorskip("fcntl", reason="no fcntl here: Video4Linux is Linux's")

from livewarp.errors import SinkError
from livewarp.sinks import loopback
from livewarp.sinks.virtualcam import VirtualCamera, VirtualCameraSink
from livewarp.system import v4l2
from loopback_fixture import Kernel, pseudo_terminal

W, H = 32, 16
I420 = int.from_bytes(b"YU12", "little")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A kernel that answers in place of the real one."""
    played = Kernel()
    monkeypatch.setattr(v4l2, "ioctl", played.ioctl)
    return played


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, BinaryIO]]:
    """A device that can be opened and written; its path, and what reads it."""
    with pseudo_terminal() as made:
        monkeypatch.setattr(v4l2, "nodes", lambda: [made[0]])
        yield made


def open_camera(device: str | None = None) -> VirtualCamera:
    """The back end behind pyvirtualcam, as the sink opens it."""
    return VirtualCamera(W, H, 25.0, device, loopback.BACKEND)


def refusal(device: str | None = None) -> str:
    """Why it cannot be opened."""
    with pytest.raises(SinkError) as caught:
        open_camera(device)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_structures_are_the_kernels(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """Every request number and field agrees with linux/videodev2.h."""
    path, _ = node
    told = v4l2.capabilities(path)
    assert (told.driver, told.card, told.device_caps) == ("v4l2 loopback", "Test", v4l2.OUTPUT)
    assert told.loopback
    kernel.has_events, kernel.events = True, [(0x08000000 + 0x08E00000 + 1, 3), (4, 1)]
    with v4l2.opened(path) as fd:
        assert v4l2.set_output_format(fd, W, H, "YU12", W * H * 3 // 2) == (W, H, "YU12", W, W * H * 3 // 2)
        assert v4l2.output_format(fd) == (W, H, "YU12", W, W * H * 3 // 2)
        v4l2.set_output_rate(fd, 29.97)
        v4l2.subscribe_viewers(fd)
        assert [v4l2.viewers(fd), v4l2.viewers(fd)] == [3, None]
        with pytest.raises(OSError, match="invalid"):
            v4l2.viewers(fd)
    assert kernel.rate == (1000, 29970)
    assert kernel.format == (W, H, I420)


def test_a_frame_arrives_as_i420(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """BT.601, limited range, the planes one after the other, of the first device that is free."""
    path, reader = node
    frame = np.zeros((H, W, 3), np.uint8)
    frame[:, :, 2] = 255  # red
    sink = VirtualCameraSink(W, H, 25.0)
    assert sink.name == f"virtual camera {path}"
    sink.send(frame)
    got = b""
    while len(got) < W * H * 3 // 2:
        got += reader.read(W * H * 3 // 2 - len(got))
    sink.close()
    luma, u, v = np.split(np.frombuffer(got, np.uint8), [W * H, W * H * 5 // 4])
    np.testing.assert_allclose(luma, 81, atol=1)  # rounding
    np.testing.assert_allclose(u, 90, atol=1)
    np.testing.assert_allclose(v, 240, atol=1)
    assert sink.problem is None


@pytest.mark.parametrize("fault", ["the format", "what was made", "its user"])
def test_a_refusal_leaves_no_lock(
    kernel: Kernel, node: tuple[str, BinaryIO], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Whatever fails once the device is locked, the next attempt gets it."""
    path, _ = node
    with monkeypatch.context() as patch:
        if fault == "the format":
            kernel.fault = errno.EINVAL
        elif fault == "what was made":
            kernel.faults_late = True
        else:
            patch.setattr(loopback, "viewers_of", lambda fd, node: 1 / 0)
        kept = []  # the error holds all that was on the stack
        with pytest.raises((SinkError, ZeroDivisionError)) as caught:
            open_camera(path)
        kept.append(caught.value)
    kernel.fault, kernel.faults_late = 0, False
    open_camera(path).close()
    assert kept


def test_an_odd_size_loses_its_last_row_and_column(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """I420 has no odd sizes."""
    output = VirtualCamera(W + 1, H + 1, 25.0, None, loopback.BACKEND)
    buffer = np.zeros(output.packed_shape, np.uint8)
    output.pack(np.full((H + 1, W + 1, 3), 255, np.uint8), buffer)
    output.close()
    assert kernel.format == (W, H, I420)
    assert (buffer.ravel()[: W * H] == 235).all()


def test_what_is_no_loopback_device_is_told(kernel: Kernel, node: tuple[str, BinaryIO], tmp_path: Any) -> None:
    """A webcam, a file and a missing node: what it is, and what there is instead."""
    path, _ = node
    (tmp_path / "file").touch()
    assert "is no device; allowed: " in refusal(str(tmp_path / "file"))
    assert f"does not exist; allowed: {path} (Test)" in refusal("/dev/none such")
    kernel.driver, kernel.card = b"uvcvideo", b"Webcam"
    assert "is Webcam, not a v4l2loopback device; no v4l2loopback device here; to get one: " in refusal(path)
    assert refusal().startswith("virtual camera: no v4l2loopback device here; to get one: sudo apt install")


def test_a_device_that_another_writes_to_is_told(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """By the kernel's word (busy, or no output any more), or by the lock of another livewarp."""
    path, _ = node
    busy = f"virtual camera {path}: is in use by another program; close it"
    kernel.fault = errno.EBUSY
    assert refusal(path) == busy
    kernel.fault, kernel.caps = 0, v4l2.CAPTURE
    assert refusal(path) == busy
    kernel.caps = v4l2.OUTPUT
    output = open_camera(path)
    assert refusal(path) == busy
    assert refusal() == busy.replace(f" {path}:", f": {path}:")
    output.close()
    open_camera(path).close()


def test_a_format_that_the_device_keeps_is_told(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """While a reader stays, v4l2loopback keeps its size in silence."""
    kernel.format, kernel.keeps = (640, 480, I420), True
    assert "keeps 640x480 YU12, asked for 32x16 YU12; close the programs that use it" in refusal()


def test_a_stuck_device_is_freed(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """v4l2loopback 0.12 leaves a device as neither input nor output when its writer ends."""
    kernel.caps = 0
    open_camera().close()
    assert kernel.caps == v4l2.OUTPUT


def test_a_device_that_the_writer_left_to_readers_can_be_had(
    kernel: Kernel, node: tuple[str, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 0.12 a device stays an input while readers stay: those who hold its buffers read, others may write."""
    kernel.caps = v4l2.CAPTURE
    monkeypatch.setattr(v4l2, "holders", lambda path: [(7, "browser"), (8, "obs")])
    monkeypatch.setattr(v4l2, "maps", lambda pid, path: pid == 7)
    assert refusal(node[0]).endswith("close it: browser (pid 7), obs (pid 8)")
    monkeypatch.setattr(v4l2, "maps", lambda pid, path: True)
    open_camera(node[0]).close()


def test_a_device_that_was_set_to_another_format_is_told(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """A check tells of it, without a frame being lost to it first."""
    output = open_camera()
    output.check()
    kernel.format = (640, 480, I420)
    with pytest.raises(SinkError, match="was set to another format by another program; close that"):
        output.check()
    output.close()


def test_a_device_that_has_gone_is_told(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """The error of the write itself, which pyvirtualcam's own back end only prints."""
    path, reader = node
    output = open_camera()
    reader.close()
    with pytest.raises(SinkError, match=f"{path}: the device has gone; load the module again: sudo modprobe"):
        output.write(np.zeros(output.packed_shape, np.uint8))
    output.close()


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENODEV, "has gone"), (errno.EBUSY, "is in use by another program"), (errno.EINVAL, "was set to")],
)
def test_errors_of_the_kernel_have_words(kernel: Kernel, node: tuple[str, BinaryIO], number: int, told: str) -> None:
    """Each of those that v4l2loopback is known to answer with."""
    output = open_camera()
    kernel.fault = number
    with pytest.raises(SinkError, match=told):
        output.check()
    output.close()


def test_a_frame_that_is_taken_in_part_is_told(kernel: Kernel, node: tuple[str, BinaryIO]) -> None:
    """v4l2loopback takes only as much as a frame of its own has."""
    output = VirtualCamera(640, 480, 25.0, None, loopback.BACKEND)
    with pytest.raises(SinkError, match=r"took \d+ of 460800 bytes: was set to"):
        output.write(np.zeros(output.packed_shape, np.uint8))
    output.close()


def test_holders_are_found(node: tuple[str, BinaryIO]) -> None:
    """Another process that has the node open is named with its pid; this one is not, nor one that has left."""
    path, _ = node
    with v4l2.opened(path):
        assert v4l2.holders(path) == []
    hold = "import sys; f = open(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline()
        [(pid, command)] = v4l2.holders(path)
        assert pid == process.pid
        assert command.startswith("python")
    assert v4l2.holders(path) == []


def test_mapped_buffers_are_seen(tmp_path: Any) -> None:
    """Who has a node's buffers in memory can be told from who only has it open."""
    path = tmp_path / "node"
    path.write_bytes(bytes(4096))
    assert not v4l2.maps(os.getpid(), path)
    mapped = np.memmap(path, np.uint8, "r")
    assert v4l2.maps(os.getpid(), path)
    del mapped


def test_video_nodes_are_listed_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/video2 before /dev/video10, and nothing else that begins so."""
    paths = [v4l2.Path("/dev") / name for name in ("video10", "video2", "video-card", "video0")]
    monkeypatch.setattr(v4l2.Path, "glob", lambda self, pattern: iter(paths))
    assert v4l2.nodes() == ["/dev/video0", "/dev/video2", "/dev/video10"]
