"""Who may use the ports: the token, the proofs, the users at either end, and links that open the panel once."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading

import pytest

from control_fixture import ANY_PORT, FakeDaemon, Line, control, served
from livewarp.cli.main import cli
from livewarp.control import wire
from livewarp.control.access import Access
from livewarp.control.client import Client
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.methods import METHODS
from livewarp.control.secret import UNAUTHORIZED, new_token, proof, read_token, socket_file, token_path
from livewarp.control.web.panel import Panel
from livewarp.errors import ControlError
from livewarp.sinks.preview import Preview
from livewarp.system.peers import listener_uid, tcp_peer_uid
from panel_fixture import Viewer, ask, bearer

EVENTS = "/api/events?topics=stats"
linux = pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="no /proc/net/tcp: the system tells no user")


@pytest.fixture
def daemon():
    """A daemon."""
    return FakeDaemon()


@pytest.fixture
def panel(daemon):
    """A panel that one other page may use."""
    preview = Preview()
    make = lambda: Panel(Dispatcher(daemon), preview, Access(), ANY_PORT, ["http://localhost:4455"])  # noqa: E731
    with served(make, daemon) as panel:
        yield panel
        preview.close()


def test_the_token_is_its_owners(daemon):
    """The first daemon makes the token, of mode 0600 in a folder of 0700 whatever the umask; the next keeps it."""
    before = os.umask(0o000)
    try:
        token = Access().token
    finally:
        os.umask(before)
    assert stat.S_IMODE(token_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(token_path().parent.stat().st_mode) == 0o700
    assert Access().token == read_token() == token


@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"version", "hello"}))
def test_a_port_answers_nobody_without_the_token(daemon, method):
    """No method but `version` runs for who has not shown the token: the answer says what to do, and is the last."""
    with control(daemon) as server, Line(server.address, hello=False) as line:
        assert line.ask("version")["result"]["protocol"] == 2
        error = line.ask(method, {})["error"]
        assert error["code"] == UNAUTHORIZED
        assert "livewarp token" in error["message"]
        assert line.reply() is None
    assert daemon.changes == daemon.switched == []


@pytest.mark.parametrize(
    "text",
    [
        '[{"jsonrpc": "2.0", "id": 1, "method": "version"}, {"jsonrpc": "2.0", "id": 2, "method": "blank"}]',
        '{"jsonrpc": "2.0", "method": "blank"}',
        '{"jsonrpc": "2.0", "id": 1, "method": ["version"]}',
        '{"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {"proof": ""}}',
        '{"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {"proof": "0"}}',
        "x" * 3000,
    ],
)
def test_nothing_gets_round_the_token(daemon, text):
    """A batch, a notification, a proof of nothing or a long line change nothing, and let nobody in."""
    with control(daemon) as server, Line(server.address, hello=False) as line:
        line.tell(text)
        line.send(b'{"jsonrpc": "2.0", "id": 9, "method": "blank"}\n')
        replies = list(iter(line.reply, None))
    assert not [reply for reply in replies if "result" in reply]
    assert daemon.switched == []


def test_a_proof_is_good_for_one_address_one_end_and_one_try(daemon):
    """A proof that was made for another port, the daemon's own sent back, and one sent twice are all refused."""
    with control(daemon) as server, control(daemon) as second:
        token = read_token()
        at = str(server.address)
        for who, address in (("client", str(second.address)), ("daemon", at)):
            with Line(server.address, hello=False) as line:
                theirs = line.ask("hello", {"nonce": "n" * 16})["result"]
                given = proof(token, who, address, "n" * 16, theirs["nonce"])
                assert line.ask("hello", {"proof": given})["error"]["code"] == UNAUTHORIZED
        with Line(server.address, hello=False) as line:
            theirs = line.ask("hello", {"nonce": "n" * 16})["result"]
            assert line.ask("hello", {"proof": "0" * 64})["error"]["code"] == UNAUTHORIZED
            given = proof(token, "client", at, "n" * 16, theirs["nonce"])
            assert line.ask("hello", {"proof": given})["error"]["code"] == UNAUTHORIZED
            assert line.ask("get")["error"]["code"] == UNAUTHORIZED


@pytest.mark.parametrize("answer", ["says yes", "passes on"])
def test_a_squatter_is_not_believed(daemon, answer):
    """Who holds the port without the token, even one that passes all on to the daemon, is found out by the client."""
    with control(daemon) as server, socket.create_server(("127.0.0.1", 0)) as squatter:

        def squat() -> None:
            connection, _ = squatter.accept()
            with connection, connection.makefile("rb") as lines, Line(server.address, hello=False) as real:
                for text in lines:
                    if answer == "passes on":
                        reply = real.tell(text.rstrip())
                    else:
                        result = {"nonce": "n" * 16, "proof": "0" * 64, "welcome": True, "blank": True}
                        reply = {"jsonrpc": "2.0", "id": json.loads(text)["id"], "result": result}
                    connection.sendall(json.dumps(reply).encode() + b"\n")

        thread = threading.Thread(target=squat)
        thread.start()
        port = squatter.getsockname()[1]
        with Client(f"127.0.0.1:{port}") as client, pytest.raises(ControlError, match="does not have your token"):
            client.switch("blank", True)
        thread.join(10)
    assert daemon.switched == []


def test_another_user_is_found_out_at_both_ends(daemon, monkeypatch):
    """Where the system says that another user is at the other end, neither daemon nor client goes on."""
    with control(daemon) as server:
        with Client(str(server.address)) as client:
            client.get()
        monkeypatch.setattr(wire, "tcp_peer_uid", lambda sock: os.getuid() + 1)
        with Client(str(server.address)) as client, pytest.raises(ControlError, match="another user's program"):
            client.get()
        monkeypatch.setattr("livewarp.control.access.tcp_peer_uid", lambda sock: os.getuid() + 1)
        with Line(server.address, hello=False) as line:
            assert line.reply()["error"]["code"] == UNAUTHORIZED


@linux
@pytest.mark.parametrize("slowly", [False, True])
def test_the_system_tells_the_user_at_the_other_end(slowly, monkeypatch):
    """Both ends of a connection and whoever listens are found in the kernel's list; an end that is gone is nobody's."""
    if slowly:
        monkeypatch.setattr(socket, "AF_NETLINK", socket.AF_UNIX)  # as on a kernel without sock_diag
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            assert tcp_peer_uid(accepted) == tcp_peer_uid(client) == os.getuid()
            assert listener_uid(server.getsockname()) == os.getuid()
            client.close()
            assert tcp_peer_uid(accepted) == -1


def test_a_port_of_another_user_does_not_stop_the_start(daemon, monkeypatch):
    """A port that another user's program holds is a problem, and livewarp listens at another one."""
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        monkeypatch.setattr("livewarp.control.listening.listener_uid", lambda address: os.getuid() + 1)
        taken = ANY_PORT._replace(port=squatter.getsockname()[1])
        with served(lambda: Panel(Dispatcher(daemon), Preview(), Access(), taken), daemon) as panel:
            assert panel.address.port not in (0, taken.port)
            assert [str(taken) in problem.what for problem in panel.problems] == [True]


def test_a_new_token_ends_what_the_old_one_allowed(daemon, panel):
    """`livewarp token --new` shuts out lines, events and requests of the old token, also those under way."""
    with (
        control(daemon) as server,
        Line(server.address) as line,
        Viewer(panel.address, "/api/events?topics=stats") as v,
    ):
        old = bearer()
        assert v.response.readline() == b"event: stats\n"
        assert "result" in line.ask("get")
        cookie = ask(panel.address, "GET", f"/?key={panel.link().partition('key=')[2]}").headers["Set-Cookie"]
        new_token()
        assert line.ask("get")["error"]["code"] == UNAUTHORIZED
        assert v.response.read() is not None  # to its end
        assert ask(panel.address, "GET", "/api/get", **old).status == 401
        assert ask(panel.address, "GET", "/api/get", Authorization=None, Cookie=cookie.partition(";")[0]).status == 401
        assert ask(panel.address, "GET", "/api/get").status == 200


def test_a_link_opens_the_panel_once(panel):
    """A link sets a strict cookie and leads away from its key; the link never works again."""
    path = f"/?key={panel.link().partition('key=')[2]}"
    none = {"Authorization": None}
    first = ask(panel.address, "GET", path, **none)
    assert (first.status, first.headers["Location"]) == (303, "/")
    cookie, *rules = first.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(rules)
    assert read_token() not in cookie
    assert ask(panel.address, "GET", path, **none).status == 401
    assert ask(panel.address, "GET", path, **none, Cookie=cookie).status == 303
    for there in ("/", "/api/get", "/look.css"):
        assert ask(panel.address, "GET", there, **none).status == 401
        assert ask(panel.address, "GET", there, **none, Cookie=cookie).status == 200
    refused = ask(panel.address, "GET", "/", **none)
    assert b"livewarp open" in refused.body
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert ask(panel.address, "GET", "/api/version", **none).status == 200


def test_pages_that_are_named_are_let_in_with_the_token(panel):
    """`control.allow_origins` lets a page read and change, with the token and not with the cookie; no other page."""
    cookie = ask(panel.address, "GET", f"/?key={panel.link().partition('key=')[2]}").headers["Set-Cookie"].split(";")[0]
    dock = {"Origin": "http://localhost:4455", "Sec-Fetch-Site": "same-site"}
    asked = ask(panel.address, "OPTIONS", "/api/set", Authorization=None, **dock)
    assert (asked.status, asked.headers["Access-Control-Allow-Origin"]) == (204, dock["Origin"])
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    done = ask(panel.address, "POST", "/api/set", {"thin": 0.5}, **dock)
    assert (done.status, done.headers["Access-Control-Allow-Origin"]) == (200, dock["Origin"])
    assert (
        ask(panel.address, "POST", "/api/set", {"thin": 0.5}, Authorization=None, Cookie=cookie, **dock).status == 401
    )
    other = {**dock, "Origin": "http://localhost:4456"}
    assert ask(panel.address, "POST", "/api/set", {"thin": 0.5}, **other).status == 403
    assert "Access-Control-Allow-Origin" not in ask(panel.address, "OPTIONS", "/api/set", **other).headers


def test_idle_lines_keep_nobody_out(daemon):
    """420 connections that say nothing, over TCP or the socket, with the token or without, make room for the next."""
    path = socket_file()
    with control(daemon, path=path, max_connections=60) as server:
        held = [socket.create_connection(server.address, 5) for _ in range(420)]
        for _ in range(120):
            held.append(socket.socket(socket.AF_UNIX))
            held[-1].connect(str(path))
        for address in (str(server.address), f"unix:{path}", None):
            with Client(address) as client:
                assert client.switch("blank", True)
        for sock in held:
            sock.close()


def test_commands_take_the_socket_first(daemon, monkeypatch):
    """Without an address a client takes the Unix socket, for which no token is needed."""
    with control(daemon, path=socket_file()), Client() as client:
        token_path().unlink()
        assert client.get("thin") == {"thin": 0.2}
        assert client.address == socket_file()


@pytest.mark.parametrize("spoil", ["link", "open", "garbage", "pipe"])
def test_a_token_that_may_be_another_s_is_not_used(spoil, tmp_path):
    """A token file that is a link, open to others, no token or a pipe is never believed; a start makes a new one."""
    path = token_path()
    old = new_token()
    if spoil == "link":
        path.rename(tmp_path / "theirs")
        path.symlink_to(tmp_path / "theirs")
    elif spoil == "open":
        path.chmod(0o644)
    elif spoil == "garbage":
        path.write_bytes(b"\xff" * 64)
    else:
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(ControlError, match="livewarp token --new"):
        read_token()
    assert Access().token == read_token() != old
    if spoil == "link":
        assert (tmp_path / "theirs").read_text().strip() == old


def test_token_prints_and_renews(capsys):
    """`livewarp token` prints the token, `--new` another, and without one says where it comes from."""
    with pytest.raises(Exception, match="no token yet"):
        cli(["token"], standalone_mode=False)
    cli(["token", "--new"], standalone_mode=False)
    cli(["token"], standalone_mode=False)
    first, second = capsys.readouterr().out.split()
    assert first == second == read_token()
