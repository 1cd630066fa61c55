"""What clients may take: a share of the time, of the connections and of the memory, whatever they send."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time

import psutil
import pytest

from control_fixture import FakeDaemon, Line, control
from livewarp.control.client import Client
from livewarp.control.protocol.methods import METHODS
from livewarp.parameters import KNOBS


@pytest.fixture
def daemon():
    """A daemon whose start values are not the defaults."""
    return FakeDaemon()


def ask_ahead(line, count):
    """Send so many requests at once; the ids that come back, and how long they took, s."""
    requests = b"".join(
        b'{"jsonrpc": "2.0", "id": %d, "method": "get", "params": {"names": []}}\n' % i for i in range(count)
    )
    started = time.monotonic()
    sender = threading.Thread(target=line.send, args=(requests,))
    sender.start()
    ids = [line.reply()["id"] for _ in range(count)]
    sender.join(10)
    return ids, time.monotonic() - started


def test_over_its_rate_a_client_waits_and_nothing_is_lost(daemon):
    """A client that asks faster than it may gets every answer, in order, at the rate that is allowed."""
    with control(daemon, messages_per_s=500) as server, Line(server.address) as line:
        ids, took_s = ask_ahead(line, 400)
        assert ids == list(range(400))
        assert took_s > (400 - 50) / 500 * 0.95  # a tenth of a second's share may be used up at once


def test_a_batch_counts_as_its_calls(daemon):
    """A client cannot have more than its share by sending batches."""
    batch = json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "version"}] * 100)
    with control(daemon, messages_per_s=500) as server, Line(server.address) as line:
        started = time.monotonic()
        for _ in range(4):
            assert len(line.tell(batch)) == 100
        assert time.monotonic() - started > (300 - 50) / 500 * 0.95


def test_one_client_over_its_rate_costs_the_others_nothing(daemon):
    """While one client waits for its share, another is answered at once."""
    with control(daemon, messages_per_s=100) as server, Line(server.address) as flood, Line(server.address) as line:
        flood.send(b'{"jsonrpc": "2.0", "id": 1, "method": "version"}\n' * 200)
        assert "result" in flood.reply()
        started = time.monotonic()
        for _ in range(9):
            assert "result" in line.ask("version")
        assert time.monotonic() - started < 1.0
        assert [flood.reply()["id"] for _ in range(199)] == [1] * 199


def test_the_usual_rate_is_5000_a_second(daemon):
    """Without another limit a client is answered 5,000 times a second at most, and not slowed below that."""
    with control(daemon) as server, Line(server.address) as line:
        ids, took_s = ask_ahead(line, 3000)
        assert ids == list(range(3000))
        assert took_s > (3000 - 500) / 5000 * 0.95


def test_two_hundred_half_open_ones_cost_only_themselves(daemon):
    """Two hundred clients that send half a line, or nothing, do not keep the daemon; half lines are closed in time."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(control(daemon, line_s=0.5))
        halves = [stack.enter_context(Line(server.address)) for _ in range(150)]
        silent = [stack.enter_context(Line(server.address)) for _ in range(50)]
        for half in halves:
            half.send(b'{"jsonrpc": "2.0", "id": 1, "meth')
        with Client(str(server.address)) as client:
            times = []
            for _ in range(100):
                started = time.monotonic()
                client.get("thin")
                times.append(time.monotonic() - started)
            assert sorted(times)[50] < 0.1
        for half in halves:
            assert half.reply()["error"]["code"] == -32600
            assert half.reply() is None
        assert all("result" in line.ask("version") for line in silent)


def test_a_reader_of_nothing_is_dropped_and_memory_is_flat(daemon):
    """A client that never reads its replies is dropped, and what was kept for it is little."""
    process = psutil.Process()
    with control(daemon, send_s=0.3) as server, Client(str(server.address)) as client:
        client.get()
        before = process.memory_info().rss
        deadline_s = time.monotonic() + 500
        with Line(server.address) as deaf, contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline_s:
                deaf.send(b'{"jsonrpc": "2.0", "id": 1, "method": "schema"}\n' * 100)
            pytest.fail("it was never dropped")
        assert client.get("thin") == {"thin": 0.2}
        assert process.memory_info().rss - before < 30e6


MESSAGES = 100_000


def malformed(rng: random.Random) -> bytes:
    """A line that must change nothing: mangled, of wrong types, out of bounds, or no JSON at all."""
    kind = rng.randrange(10)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 60)).replace(b"\n", b"")
    good = '{"jsonrpc": "2.0", "id": 1, "method": "set", "params": {"thin": 0.75, "eyes": 0.5}}'
    if kind <= 2:  # cut
        return good[: rng.randrange(1, len(good) - 1)].encode()
    if kind <= 4:  # a character that is not the right one
        at = rng.choice([0, 1, 3, 11, 12, 16, 18, 27, 35, 44, 53, len(good) - 1])
        return (good[:at] + rng.choice("x\\") + good[at + 2 :]).encode()
    params = rng.choice(
        [
            {rng.choice(list(KNOBS)): rng.choice([None, "1", [], {}, 1e6, -1e6, "NaN"])},
            {"thin": 0.75, "nose": 1},
            {"thin": 0.75, "eyes": 1.5},
            {"__class__": 1},
            [0.5],
            7,
            {"by": {"thin": "1"}},
            {"name": rng.choice(["../x", "", 7, None, "no/such"])},
            {"on": rng.choice([0, 1, "on", None, []])},
            {"topics": rng.choice([[], ["weather"], 7, [[]]])},
            {"source": rng.choice(["/etc/passwd", 7, "", "webcam:x"])},
            {"names": rng.choice([["nose"], 7, [None]])},
        ]
    )
    method = rng.choice(["set", "adjust", "presets.load", "presets.save", "presets.rename", "presets.delete", "blank"])
    method = rng.choice([method, "freeze", "mirror", "subscribe", "source.switch", "get", "rm -rf", "__init__"])
    if method in METHODS and method == "get" and "names" not in str(params):
        params = {"name": 1}
    request = {"jsonrpc": "2.0", "id": rng.choice([1, "a", None]), "method": method, "params": params}
    return json.dumps([request, request] if kind == 9 else request).encode()


def test_a_hundred_thousand_malformed_messages(daemon):
    """After 100,000 malformed messages the daemon answers, nothing has changed, and memory is as it was."""
    rng = random.Random(68)
    process = psutil.Process()
    sizes = []
    with control(daemon, messages_per_s=1e6) as server, Client(str(server.address)) as witness:
        pool = [malformed(rng) for _ in range(5000)]
        readable, other = [m for m in pool if _is_json(m)], [m for m in pool if not _is_json(m)]
        sent = 0
        while sent < MESSAGES:
            # What is not JSON ends a connection, so it comes last.
            block = [*rng.choices(readable, k=499), rng.choice(other)]
            with socket.create_connection(server.address, 10) as line:
                reader = threading.Thread(target=_drain, args=(line,))
                reader.start()
                line.sendall(b"\n".join(block) + b"\n")
                line.shutdown(socket.SHUT_WR)
                reader.join(20)
                assert not reader.is_alive()
            sent += len(block)
            if len(sizes) * MESSAGES // 10 <= sent:
                assert witness.get() == dict(daemon.initial)
                sizes.append(process.memory_info().rss)
    assert daemon.changes == []
    assert daemon.switched == []
    assert max(sizes[2:]) - sizes[1] < 10e6


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _drain(line: socket.socket) -> None:
    with contextlib.suppress(ConnectionError):
        while line.recv(1 << 20):
            pass
