"""The line port as a Unix socket: who reaches it, what it replaces, what it leaves alone."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import warnings
from pathlib import Path

import pytest

from control_fixture import ANY_PORT, FakeDaemon, control, served
from livewarp.control.access import Access
from livewarp.control.client import Client
from livewarp.control.line.server import ControlServer
from livewarp.control.line.unix import listen_unix, socket_path
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.errors import ControlError, SettingsError

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")


@pytest.fixture
def daemon():
    """A daemon to control."""
    return FakeDaemon()


@pytest.fixture
def path(tmp_path):
    """A file in a folder that is made when it is needed."""
    return tmp_path / "run" / "control.sock"


def test_the_socket_speaks_as_the_port_does(daemon, path):
    """The Unix socket takes the same calls as the port, tells the same events, and both see each other's changes."""
    with (
        control(daemon, path=path) as server,
        Client(f"unix:{path}") as own,
        Client(str(server.address)) as other,
        own.subscribe("parameters", rate_hz=60) as events,
    ):
        assert next(events).data["thin"] == 0.2
        assert other.set(thin=0.5) == {"thin": 0.5}
        assert next(events).data["thin"] == 0.5
        assert own.get("thin") == {"thin": 0.5}
        assert other.call("version")["socket"] == str(path)


def test_nobody_else_reaches_it(daemon, path):
    """The socket and the folder that is made for it are open to their owner alone."""
    before = os.umask(0)
    try:
        with control(daemon, path=path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_it_is_gone_afterwards(daemon, path):
    """The file is removed when the daemon ends."""
    with control(daemon, path=path):
        assert path.exists()
    assert not path.exists()


def test_a_stale_file_is_replaced(daemon, path):
    """The socket of a daemon that was killed is replaced."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    with control(daemon, path=path), Client(f"unix:{path}") as client:
        assert client.get("thin") == {"thin": 0.2}


def test_a_live_one_is_left_alone(daemon, path):
    """A socket at which somebody listens is not taken away, neither at the start nor at the end of another daemon."""
    with control(daemon, path=path):
        with pytest.raises(ControlError, match=r"listens at .* already.*control\.socket"), control(daemon, path=path):
            pass
        with Client(f"unix:{path}") as client:
            assert client.get("thin") == {"thin": 0.2}


def test_where_it_may_be_missing_the_port_alone_serves(daemon, path, caplog):
    """A socket that nobody asked for by its path is a warning where it cannot be had; the port serves on."""
    with control(daemon, path=path):
        methods = Dispatcher(FakeDaemon())
        with served(lambda: ControlServer(methods, Access(), ANY_PORT, path, must_have_path=False)) as second:
            assert second.path is None
            with Client(str(second.address)) as client:
                assert client.call("version")["socket"] is None
        assert "there is none this time" in caplog.text
        assert path.exists()


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_what_is_no_socket_is_left_alone(daemon, path, make):
    """A file or folder that lies at the path is neither removed nor replaced."""
    path.parent.mkdir(mode=0o700)
    make(path)
    with pytest.raises(ControlError, match="is no socket"), control(daemon, path=path):
        pass
    assert path.exists()


def test_a_link_is_not_followed(daemon, path, tmp_path):
    """A symbolic link is no socket, wherever it leads."""
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ControlError, match="is no socket"), control(daemon, path=path):
        pass


def test_a_folder_of_others_is_refused(daemon, path):
    """In a folder where others may write they could put a socket of theirs in the place of ours."""
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(ControlError, match="others can write in"), control(daemon, path=path):
        pass


@pytest.mark.parametrize("long", ["x" * 120, "x" * 300])
def test_a_path_that_is_too_long_is_named(tmp_path, long):
    """A path that sockets cannot have is an error in one line."""
    with pytest.raises(ControlError, match=r"cannot listen at .*control\.socket"):
        listen_unix(tmp_path / long)


def test_what_the_setting_means(monkeypatch, tmp_path):
    """Auto is a file in this user's runtime folder, none is none, anything else is a path."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert socket_path("auto") == tmp_path / "livewarp" / "control.sock"
    assert socket_path("none") is None
    assert socket_path("~/x.sock") == Path.home() / "x.sock"
    monkeypatch.delattr(socket, "AF_UNIX")
    assert socket_path("auto") is None
    with pytest.raises(SettingsError, match=r"control\.socket.*allowed: auto or none"):
        socket_path("/x")


@pytest.mark.skipif(Path(f"/run/user/{os.geteuid()}").exists(), reason="there is a runtime folder without the variable")
def test_without_a_runtime_folder_there_is_a_private_one(daemon, monkeypatch, tmp_path):
    """Without XDG_RUNTIME_DIR the socket is in a folder that only this user enters, and nothing is warned of."""
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        path = socket_path("auto")
    assert told == []
    with control(daemon, path=path), Client(f"unix:{path}") as client:
        assert client.call("version")["socket"] == str(path)
        folder = path.parent.stat()
        assert (folder.st_uid, folder.st_mode & 0o777) == (os.getuid(), 0o700)


def test_a_runtime_folder_that_others_write_in_is_not_used(daemon, monkeypatch, tmp_path, caplog):
    """Where others can write in the usual folder, there is no socket there, and one line says so."""
    access = Access()  # the token is another matter
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o777)

    def make():
        return ControlServer(Dispatcher(daemon), access, ANY_PORT, socket_path("auto"), must_have_path=False)

    with served(make) as server:
        assert server.path is None
        assert [problem.what for problem in server.problems] == [
            f"cannot listen at {tmp_path}/livewarp: others can write in {tmp_path}"
        ]
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1


def test_a_client_at_no_socket(path, tmp_path):
    """Where there is no socket, or a file that is none, the client says so in one line."""
    for where in (path, tmp_path):
        with Client(f"unix:{where}") as client, pytest.raises(ControlError, match=str(where)):
            client.get()
