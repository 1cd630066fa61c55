"""Who watches: by the kernel's event, by who holds the node, by what a stream says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("fcntl", reason="no fcntl here: Video4Linux is Linux's")

from livewarp.sinks import viewers
from livewarp.system import v4l2

HOLD = "import sys; f = open(sys.argv[1]); print(1, flush=True); sys.stdin.read()"


def until(what: Callable[[], object]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 500
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def node() -> Iterator[str]:
    """A character device of our own."""
    reader, writer = os.openpty()
    yield os.ttyname(writer)
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize("with_inotify", [True, False])
def test_a_program_that_holds_the_node_watches(node: str, with_inotify: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its open to its close; seen at once by inotify, else by looking now and then."""
    monkeypatch.setattr(viewers, "SCAN_S", 0.02)
    if not with_inotify:
        monkeypatch.setattr(viewers, "_inotify", lambda node: None)
    with open(node) as terminal:
        watch = viewers.viewers_of(terminal.fileno(), node)  # no v4l2loopback device: it has no events
    assert isinstance(watch, viewers.HolderViewers)
    assert watch.watched is False
    with subprocess.Popen([sys.executable, "-c", HOLD, node], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        until(lambda: watch.watched)
        with v4l2.opened(node):
            pass  # what this process does is no viewing, and does not end any
        assert program.stdin is not None
        program.stdin.close()
        until(lambda: not watch.watched)
        assert watch.watched is False
    before = len(os.listdir("/proc/self/fd"))
    watch.close()
    assert len(os.listdir("/proc/self/fd")) < before


def test_a_node_that_is_gone_cannot_be_asked(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None then, which counts as watched."""
    monkeypatch.setattr(viewers, "SCAN_S", 0.02)
    monkeypatch.setattr(viewers, "_inotify", lambda node: None)
    watch = viewers.HolderViewers(node)
    gone: list[str] = []

    def holders(node: str) -> list[tuple[int, str]]:
        gone.append(node)
        raise FileNotFoundError(node)

    monkeypatch.setattr(v4l2, "holders", holders)
    until(lambda: gone)
    until(lambda: watch.watched is None)
    watch.close()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A pair of sockets whose urgent bytes stand for events: they wake a poll for POLLPRI as the kernel's do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kernel = socket.create_connection(server.getsockname())
        device, _ = server.accept()
    device.setblocking(False)
    monkeypatch.setattr(v4l2, "subscribe_viewers", lambda fd: None)

    def count(fd: int) -> int | None:
        with socket.socket(fileno=os.dup(fd)) as twin:
            number = twin.recv(1, socket.MSG_OOB)[0]
        return None if number == 255 else number

    monkeypatch.setattr(v4l2, "viewers", count)
    yield kernel, device
    kernel.close()
    device.close()


def test_the_kernels_event_tells_who_streams(kernel: tuple[socket.socket, socket.socket]) -> None:
    """Each event brings the count; before the first nothing is known; events of other kinds change nothing."""
    sender, device = kernel
    watch = viewers.viewers_of(device.fileno(), "/dev/none such")
    assert isinstance(watch, viewers.EventViewers)
    assert watch.watched is None
    for count, watched in [(0, False), (1, True), (255, True), (0, False)]:
        sender.send(bytes([count]), socket.MSG_OOB)
        until(lambda watched=watched: watch.watched is watched)
    watch.close()


def test_a_device_that_tells_only_of_errors_is_left_alone(
    kernel: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    """A poll that returns at once for ever must not burn a core: nothing is known then, said once."""
    sender, device = kernel
    watch = viewers.EventViewers(device.fileno())
    sender.send(b"\1", socket.MSG_OOB)
    until(lambda: watch.watched)
    with caplog.at_level("WARNING", "livewarp"):
        sender.close()
        device.shutdown(socket.SHUT_RDWR)
        until(lambda: watch.watched is None)
    assert caplog.text.count("cannot be found out any more") == 1
    watch.close()


def test_a_stream_that_flaps_is_watched_all_along() -> None:
    """True at once; False only when nobody has watched for a moment."""
    now = [10.0]
    watch = viewers.SteadyWatch(lambda: now[0])
    assert not watch.watched
    watch.update(True)
    assert watch.watched
    watch.update(False)
    now[0] += 0.9 * viewers.LINGER_S
    assert watch.watched
    watch.update(True)
    watch.update(False)
    watch.update(False)  # said twice counts once
    now[0] += 1.1 * viewers.LINGER_S
    assert not watch.watched
