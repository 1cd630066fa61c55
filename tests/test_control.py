"""The line port: real sockets against a server in a hub of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_fixture import ANY_PORT, FakeDaemon, Line, control, served
from livewarp import __version__
from livewarp.adjustments import ADJUSTMENTS
from livewarp.control.access import Access
from livewarp.control.address import Address, parse_address
from livewarp.control.line.server import ControlServer
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.jsonrpc import MAX_MESSAGE_BYTES
from livewarp.control.protocol.methods import METHODS
from livewarp.errors import ControlError, SettingsError
from livewarp.parameters import KNOBS, Parameters, Wanted


@pytest.fixture
def daemon():
    """A daemon whose start values are not the defaults."""
    return FakeDaemon()


@pytest.fixture
def server(daemon):
    """A line port with short deadlines."""
    with control(daemon, line_s=0.2, send_s=0.2, max_connections=60) as server:
        yield server


@pytest.fixture
def line(server):
    """A connection to it."""
    with Line(server.address) as line:
        yield line


def test_get_returns_all_or_those_named(line, daemon):
    """`get` returns every parameter, or just those that are named."""
    assert line.ask("get")["result"] == dict(daemon.parameters)
    assert line.ask("get", {"names": ["eyes"]})["result"] == {"eyes": daemon.parameters["eyes"]}
    assert line.ask("get", {"names": []})["result"] == {}


def test_set_changes_just_what_it_names(line, daemon):
    """`set` returns just what was set, and swaps the parameters whole."""
    assert line.ask("set", {"thin": 1, "enabled": False})["result"] == {"thin": 1.0, "enabled": False}
    assert daemon.changes == [daemon.initial.replace(thin=1.0, enabled=False)]
    assert line.ask("set", {})["result"] == {}
    assert len(daemon.changes) == 1


def test_reset_goes_back_to_the_start(line, daemon):
    """`reset` goes back to the values at start, which need not be the defaults."""
    line.ask("set", {"thin": 0.9, "eyes": 0.9})
    assert line.ask("reset", {"names": ["thin"]})["result"] == {"thin": 0.2}
    assert daemon.parameters == daemon.initial.replace(eyes=0.9)
    assert line.ask("reset")["result"] == dict(daemon.initial)


def test_describe_tells_every_parameter(line):
    """`describe` gives kind, bounds, words and `reset` value of every knob."""
    described = line.ask("describe")["result"]
    assert list(described) == list(KNOBS)
    for name, knob in KNOBS.items():
        assert described[name] == {
            **knob.kind.describe(),
            "default": knob.default,
            "help": knob.help,
            "area": knob.group,
            "group": knob.group,
            "keywords": list(knob.keywords),
            "ends": None if knob.ends is None else list(knob.ends),
            "scaled": knob.scaled,
            "in_presets": knob.in_presets,
            "initial": Parameters(thin=0.2)[name],
        }
    assert all(described[name]["scaled"] and described[name]["in_presets"] for name in ADJUSTMENTS)
    assert not described["strength"]["scaled"]
    assert (described["thin"]["type"], described["thin"]["min"], described["thin"]["max"]) == ("float", 0.0, 1.5)
    assert (described["mirror"]["type"], described["mirror"]["min"], described["mirror"]["choices"]) == (
        ("bool", None, None)
    )


def test_stats_state_and_version(line, daemon):
    """`stats` and `state` are the daemon's own, with the preset that is on; `version` says which protocol answers."""
    assert line.ask("stats")["result"] == daemon.speed
    assert line.ask("state")["result"] == {**daemon.state(), "preset": {"name": None, "edited": False}}
    assert line.ask("version")["result"] == {
        "version": __version__,
        "protocol": 2,
        "pid": os.getpid(),
        "socket": None,
    }


@pytest.mark.parametrize("id_", [0, -7, 1.5, "a", "", "\ud800", None, 1 << 80])
def test_the_reply_carries_the_request_id(line, id_):
    """A reply carries the id of its request, whatever JSON-RPC allows as one."""
    assert line.ask("get", {"names": []}, id_) == {"jsonrpc": "2.0", "id": id_, "result": {}}


def test_a_notification_acts_without_reply(line, daemon):
    """A request without an id acts, and gets neither a result nor an error."""
    line.send(b'{"jsonrpc": "2.0", "method": "set", "params": {"thin": 0.7}}\n')
    line.send(b'{"jsonrpc": "2.0", "method": "set", "params": {"thin": 7}}\n')
    line.send(b'{"jsonrpc": "2.0", "method": "no such"}\n')
    assert line.ask("get", {"names": ["thin"]}, "mine") == {"jsonrpc": "2.0", "id": "mine", "result": {"thin": 0.7}}


def test_requests_may_be_sent_ahead(line):
    """Requests that arrive in one packet, and one in two packets, are answered in their order."""
    request = b'{"jsonrpc": "2.0", "id": %d, "method": "version"}\n'
    text = b"".join(request % i for i in range(200))
    line.send(text[:1003])
    line.send(text[1003:])
    assert [line.reply()["id"] for _ in range(200)] == list(range(200))


@pytest.mark.parametrize(
    "request_",
    [
        "[]",
        "1",
        "null",
        '"stop"',
        "{}",
        '{"id": 1, "method": "get"}',
        '{"jsonrpc": 2.0, "id": 1, "method": "get"}',
        '{"jsonrpc": "2.0", "id": 1}',
        '{"jsonrpc": "2.0", "id": 1, "method": 7}',
        '{"jsonrpc": "2.0", "id": 1, "method": ["get"]}',
        '{"jsonrpc": "2.0", "id": true, "method": "stop"}',
        '{"jsonrpc": "2.0", "id": {}, "method": "stop"}',
        '{"jsonrpc": "2.0", "id": 1, "method": "stop", "parms": {}}',
    ],
)
def test_an_invalid_request_is_answered_and_the_connection_lives(line, daemon, request_):
    """JSON that is no JSON-RPC 2.0 request is answered with -32600, and the next line is read."""
    daemon.on_stop = pytest.fail
    assert line.tell(request_)["error"]["code"] == -32600
    assert "result" in line.ask("version")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"\r",
        b"POST / HTTP/1.1\r",
        b"{",
        b"{'a': 1}",
        b'{"jsonrpc": "2.0", "id": NaN, "method": "stop"}',
        b'{"jsonrpc": "2.0", "id": -Infinity, "method": "stop"}',
        b'{"jsonrpc": "2.0", "id": 1e999, "method": "stop"}',
        b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "stop"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "set", "params": {"thin": 0.5, "thin": 0.6}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "set", "params": {"thin": ' + b"1" * 5000 + b"}}",
        b'{"jsonrpc": "2.0", "id": "\xff", "method": "stop"}',
        b"\xef\xbb\xbf{}",
        '{"jsonrpc": "2.0", "id": 1, "method": "stop"}'.encode("utf-16-le"),
        b"[" * 60_000,
        b'{"a":' * 10_000,
    ],
)
def test_what_is_not_json_ends_the_connection(line, server, daemon, text):
    """A line that is not strict JSON is answered with -32700, and nothing after it is read."""
    daemon.on_stop = pytest.fail
    stop = b'\n{"jsonrpc": "2.0", "id": 1, "method": "set", "params": {"thin": 1.0}}'
    reply = line.tell(text + stop)
    assert (reply["id"], reply["error"]["code"]) == (None, -32700)
    assert line.reply() is None
    assert daemon.changes == []
    with Line(server.address) as other:
        assert "result" in other.ask("version")


def test_a_web_page_cannot_post_to_the_line_port(line, daemon):
    """A browser's POST to the line port runs nothing of its body."""
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "set", "params": {"thin": 1.0}}\n'
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    line.send(head % len(body) + body)
    assert line.reply()["error"]["code"] == -32700
    assert line.reply() is None
    assert daemon.changes == []


def test_an_unknown_method_names_those_there_are(line):
    """An unknown method is answered with -32601, and the text lists the methods."""
    error = line.ask("__class__")["error"]
    assert error["code"] == -32601
    assert all(name in error["message"] for name in METHODS)


THIN = KNOBS["thin"].kind.allowed


@pytest.mark.parametrize(
    ("method", "params", "data"),
    [
        ("set", {"thin": 1.51}, {"name": "thin", "got": 1.51, "allowed": THIN}),
        ("set", {"thin": -0.5}, {"name": "thin", "got": -0.5, "allowed": THIN}),
        ("set", {"thin": True}, {"name": "thin", "got": True, "allowed": THIN}),
        ("set", {"thin": "0.5"}, {"name": "thin", "got": "0.5", "allowed": THIN}),
        ("set", {"thin": None}, {"name": "thin", "got": None, "allowed": THIN}),
        ("set", {"thin": [0.5]}, {"name": "thin", "got": "[0.5]", "allowed": THIN}),
        ("set", {"thin": 10**400}, {"name": "thin", "allowed": THIN}),
        ("set", {"enabled": 1}, {"name": "enabled", "got": 1, "allowed": "true or false"}),
        ("set", {"eyes": 0.5, "thin": 2}, {"name": "thin", "got": 2, "allowed": THIN}),
        ("set", {"self": 1}, {"name": "self", "allowed": ", ".join(KNOBS)}),
        ("set", {"": 1}, {"name": "", "allowed": ", ".join(KNOBS)}),
        ("set", {"x" * 50_000: 1}, {"allowed": ", ".join(KNOBS)}),
        ("set", [0.5], {"name": "params", "got": "[0.5]"}),
        ("set", "thin", {"name": "params", "got": "thin"}),
        ("get", {"names": "thin"}, {"name": "names", "got": "thin"}),
        ("get", {"names": [1]}, {"name": "names", "got": "[1]"}),
        ("get", {"names": ["thin", "thn"]}, {"name": "thn", "allowed": ", ".join(KNOBS)}),
        ("get", {"name": "thin"}, {"name": "name", "got": "thin", "allowed": "names"}),
        ("reset", {"names": ["\ud800"]}, {"name": "\ud800", "allowed": ", ".join(KNOBS)}),
        ("stats", {"since": 1}, {"name": "since", "got": 1, "allowed": "no params"}),
    ],
)
def test_a_refused_param_is_named_and_nothing_changes(line, daemon, method, params, data):
    """A refused param is answered with -32602 and {name, got, allowed}; nothing else of the call happens."""
    error = line.ask(method, params)["error"]
    assert error["code"] == -32602
    assert set(error["data"]) == {"name", "what", "got", "allowed", "remedy"}
    assert data.items() <= error["data"].items()
    assert len(json.dumps(error)) < 4000
    assert daemon.changes == []


def test_an_unexpected_failure_is_logged_once_an_episode(line, daemon, caplog):
    """What livewarp did wrong is -32603, logged with traceback once until it works again."""
    good = daemon.stats
    with caplog.at_level(logging.INFO, logger="livewarp"):
        for broken in (lambda: {}["fps"], lambda: {"fps": float("nan")}, lambda: {"fps": object()}):
            daemon.stats = broken
            assert line.ask("stats")["error"]["code"] == -32603
        daemon.stats = good
        assert "result" in line.ask("stats")
    assert [(record.levelname, bool(record.exc_info)) for record in caplog.records] == [
        ("ERROR", True),
        ("INFO", False),
    ]


def test_the_longest_line_is_answered_and_a_longer_one_refused(line):
    """A line of 64 KiB is read; one more byte is a typed error and the end of the connection."""
    request = b'{"jsonrpc": "2.0", "id": 1, "method": "version"}'
    assert "result" in line.tell(request.ljust(MAX_MESSAGE_BYTES))
    error = line.tell(request.ljust(MAX_MESSAGE_BYTES + 1))["error"]
    assert (error["code"], str(MAX_MESSAGE_BYTES) in error["message"]) == (-32600, True)
    assert line.reply() is None


def test_a_line_without_end_is_refused(line):
    """Of a line that does not end no more than 64 KiB are kept; the rest gets the reply and the end."""
    with contextlib.suppress(ConnectionError):
        for _ in range(64):
            line.send(b"x" * 65_536)
    assert line.reply()["error"]["code"] == -32600


def test_half_a_line_has_a_deadline_and_silence_has_none(line, server):
    """Half a line and silence is answered and closed in time; a client between lines may be silent."""
    assert "result" in line.ask("version")
    with Line(server.address) as half:
        half.send(b'{"jsonrpc": "2.0", ')
        assert half.reply()["error"]["code"] == -32600
        assert half.reply() is None
    assert "result" in line.ask("version")  # it was silent for longer than the deadline


def test_a_dribbled_line_has_the_same_deadline(line):
    """A byte now and then does not keep half a line alive: the deadline is for the whole line."""
    line.socket.settimeout(0.05)
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            line.send(b" ")
            try:
                seen = line.socket.recv(1000)
            except TimeoutError:
                continue
            assert json.loads(seen)["error"]["code"] == -32600
            return
    pytest.fail("the line was never refused")


def test_fifty_clients_at_once(server, daemon):
    """Fifty clients that ask at the same time each get their own answers."""
    start = threading.Barrier(50)
    wrong: list[object] = []

    def ask(number: int) -> None:
        try:
            with Line(server.address) as line:
                start.wait(10)
                for i in range(20):
                    id_ = f"{number} {i}"
                    params = {"names": ["eyes"]} if i % 2 else {"eyes": number / 50}
                    reply = line.ask("get" if i % 2 else "set", params, id_)
                    if reply["id"] != id_ or "eyes" not in reply["result"]:
                        wrong.append(reply)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert wrong == []
    assert len(daemon.changes) == 500


def test_one_client_too_many_is_told_so(server):
    """Beyond the limit a client gets an error line and is closed; a place that frees is given again."""
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(Line(server.address)) for _ in range(60)]
        assert all("result" in line.ask("version") for line in lines)
        with Line(server.address, hello=False) as more:
            assert "60" in more.reply()["error"]["message"]
            assert more.reply() is None
        lines[0].socket.shutdown(socket.SHUT_WR)
        assert lines[0].reply() is None
        # The refused one may hold its place for a moment longer than its client sees.
        for _ in range(100):
            with Line(server.address, hello=False) as more:
                if "result" in (more.ask("version") or {}):
                    return
        pytest.fail("the place was never given again")


def test_a_reader_that_never_reads_is_dropped(daemon):
    """A client that asks and never reads is dropped, and meanwhile the others are answered."""
    dropped = threading.Event()

    def flood(address: Address) -> None:
        with Line(address) as deaf, contextlib.suppress(ConnectionError):
            request = b'{"jsonrpc": "2.0", "id": 1, "method": "describe"}\n' * 1000
            for _ in range(1000):
                deaf.send(request)
            return
        dropped.set()

    with control(daemon, send_s=0.2) as server, Line(server.address) as line:
        thread = threading.Thread(target=flood, args=(server.address,))
        thread.start()
        answers = 0
        while not dropped.is_set() and thread.is_alive():
            assert "result" in line.ask("version")
            answers += 1
        thread.join(10)
    assert dropped.is_set()
    assert answers > 10


def test_a_client_that_never_pauses_starves_nobody(line, server, daemon):
    """A client whose next line is always there already takes turns with the others."""
    total = 6_000
    flooded = 0
    at_change: list[int] = []

    def stats() -> dict[str, int]:
        nonlocal flooded
        flooded += 1
        return {}

    def change(wanted: Wanted) -> None:
        at_change.append(flooded)

    daemon.stats, daemon.change = stats, change
    with Line(server.address) as flood:
        request = b'{"jsonrpc": "2.0", "id": 1, "method": "stats"}\n'
        sender = threading.Thread(target=flood.send, args=(request * total,))
        sender.start()
        assert "result" in flood.reply()
        reader = threading.Thread(target=lambda: [flood.reply() for _ in range(total - 1)])
        reader.start()
        assert "result" in line.ask("set", {"thin": 0.5})
        sender.join(10)
        reader.join(10)
    assert flooded == total
    assert at_change[0] < total / 2


def test_the_reply_to_stop_arrives(daemon):
    """`stop` is answered before the server hangs up on everybody."""
    with control(daemon) as server, Line(server.address) as idle, Line(server.address) as line:
        assert "result" in idle.ask("version")
        assert line.ask("stop")["result"]["stopping"] is True
        assert line.reply() is None
        assert idle.reply() is None
        with pytest.raises(ConnectionError):
            socket.create_connection(server.address, 5).close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8787", ("127.0.0.1", 8787)),
        ("127.3.2.1:0", ("127.3.2.1", 0)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_loopback_addresses_are_accepted(text, address):
    """Any loopback address with a port is one."""
    assert parse_address(text) == address
    assert parse_address(str(parse_address(text))) == address


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0:8787",
        "192.168.1.2:8787",
        "[::]:8787",
        "[::ffff:127.0.0.1]:1",
        "example.org:8787",
        "128.0.0.1:1",
    ],
)
def test_other_hosts_are_refused_with_a_way_out(text):
    """Nothing binds anywhere but loopback, and the text says why and what to do instead."""
    with pytest.raises(SettingsError, match="ssh -L"):
        parse_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8787",
        ":8787",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1: 1",
        "::1",
    ],
)
def test_what_is_no_host_and_port_is_refused(text):
    """An address is HOST:PORT with a port from 0 to 65535."""
    with pytest.raises(SettingsError, match=r"HOST:PORT|loopback"):
        parse_address(text)


def test_a_second_daemon_learns_of_the_first(server, daemon):
    """A port where a livewarp answers is refused with its pid and the way out."""
    with (
        pytest.raises(ControlError) as caught,
        served(lambda: ControlServer(Dispatcher(daemon), Access(), server.address)),
    ):
        pass
    assert str(caught.value) == (
        f"livewarp is already running (pid {os.getpid()}) on {server.address}; "
        "stop it with `livewarp stop` or choose another port with --control"
    )


def test_a_port_of_another_program_is_named(daemon):
    """A port where something else answers is refused by name."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address(*other.getsockname())

        def hang_up() -> None:
            other.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ControlError, match=f"{address} is in use by another program.*--control"):
            served(lambda: ControlServer(Dispatcher(daemon), Access(), address)).__enter__()
        thread.join(10)


def test_a_port_is_free_again_at_once(daemon):
    """A daemon may be started again at once on the port of the last one, whoever was connected."""
    with control(daemon) as server, Line(server.address) as line:
        assert "result" in line.ask("stop")
        assert line.reply() is None
    with (
        served(lambda: ControlServer(Dispatcher(daemon), Access(), server.address)) as again,
        Line(again.address) as line,
    ):
        assert "result" in line.ask("version")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CHANGE_WITHOUT_PARAMS = {"stop", "reset", "blank", "freeze", "bypass", "mirror", "reload", "textures.reload"}
requests = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0")},
    optional={
        "id": json_values,
        "method": st.sampled_from(sorted(METHODS.keys() - CHANGE_WITHOUT_PARAMS)) | st.text(max_size=8),
        "params": json_values
        | st.dictionaries(st.sampled_from(list(KNOBS)), st.none() | st.text(max_size=5) | st.just(2.5), min_size=1),
        "names": json_values,
    },
)


def test_malformed_lines_change_nothing():
    """Whatever bytes arrive, the server keeps answering others and the parameters stay as they were."""
    daemon = FakeDaemon()
    with control(daemon, line_s=5) as server, Line(server.address) as witness:

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.binary(max_size=200)
            | (requests | json_values | st.lists(requests, max_size=3)).map(lambda value: json.dumps(value).encode())
        )
        def fuzz(text: bytes) -> None:
            with Line(server.address) as line:
                line.send(text + b"\n")
                line.socket.shutdown(socket.SHUT_WR)
                for text in line.file.read().splitlines():
                    message = json.loads(text)
                    for reply in message if isinstance(message, list) else [message]:
                        assert reply["jsonrpc"] == "2.0"
                        assert "result" in reply or -32700 <= reply["error"]["code"] <= -32000
            assert witness.ask("get")["result"] == dict(daemon.initial)

        fuzz()
    assert daemon.parameters == daemon.initial == Parameters(thin=0.2)


def test_an_address_that_cannot_be_bound_is_named(daemon):
    """An address that the machine does not have is refused by name."""
    with pytest.raises(ControlError, match=r"cannot listen on .*--control"):
        served(
            lambda: ControlServer(Dispatcher(daemon), Access(), Address("192.0.2.1", 0))
        ).__enter__()  # a documentation address


def test_any_free_port_is_told(daemon):
    """Port 0 becomes the port that was bound."""
    with served(lambda: ControlServer(Dispatcher(daemon), Access(), ANY_PORT)) as server:
        assert server.address.port > 0
