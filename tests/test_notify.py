"""What the daemon tells systemd, over real sockets."""

from __future__ import annotations

import os
import socket
import sys
import uuid

import pytest

from livewarp.system import notify

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path, monkeypatch):
    """A socket like that of systemd, once in the file system and once abstract."""
    if request.param == "abstract" and not sys.platform.startswith("linux"):
        pytest.skip("abstract sockets are Linux's own")
    name = str(tmp_path / "notify") if request.param == "file" else f"@livewarp-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name if request.param == "file" else "\0" + name[1:])
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (notify.ready, b"READY=1"),
        (notify.stopping, b"STOPPING=1"),
        (notify.watchdog, b"WATCHDOG=1"),
        (lambda: notify.status("running  30.0 fps"), b"STATUS=running 30.0 fps"),
        (lambda: notify.status("two\nREADY=1"), b"STATUS=two READY=1"),
    ],
)
def test_message(manager, call, message):
    """Each call is one datagram as sd_notify(3) has it; a line break in the status cannot become a second message."""
    assert call() is True
    assert manager.recv(1000) == message


@pytest.mark.parametrize("name", [None, "", "relative", "@nobody-listens-here", "/nonexistent/notify", "/" + 200 * "x"])
def test_nobody_listens(monkeypatch, name):
    """Without a manager, or with one that is gone, nothing is sent and nothing fails."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if name is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", name)
    assert not any((notify.ready(), notify.stopping(), notify.watchdog(), notify.status("x")))


def test_full_queue_does_not_block(manager):
    """A manager that reads nothing costs the daemon no wait: the datagram is given up."""
    while notify.watchdog():  # each of them waits in the socket's queue
        pass
    assert not notify.ready()


@pytest.mark.parametrize(
    ("usec", "pid", "interval_s"),
    [
        ("20000000", None, 10.0),
        ("20000000", 0, 10.0),  # from this process's own number
        ("20000000", 1, None),
        (None, None, None),
        ("0", None, None),
        ("soon", None, None),
    ],
)
def test_watchdog_interval(monkeypatch, usec, pid, interval_s):
    """The watchdog is fed at twice the rate that systemd asks for, and only by the process that it watches."""
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", None if pid is None else str(os.getpid() + pid))):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert notify.watchdog_s() == interval_s
