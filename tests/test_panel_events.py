"""Server-sent events: what a browser hears over real HTTP, and what a reader costs that does not read."""

from __future__ import annotations

import functools
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from control_fixture import TIMEOUT_S, FakeDaemon
from livewarp.sinks.preview import Preview
from panel_fixture import ask, bearer, serve_panel

ALL = "parameters,switches,presets,state,stats,faces"


@pytest.fixture
def daemon():
    """A daemon whose start values are not the defaults."""
    return FakeDaemon()


@pytest.fixture
def panel(daemon, tmp_path):
    """A panel of it."""
    preview = Preview()
    with serve_panel(daemon, preview, tmp_path) as panel:
        yield panel


@pytest.fixture
def browse(panel):
    """Sends one request."""
    return functools.partial(ask, panel.address)


class Listener:
    """Reads events as a browser does."""

    def __init__(self, address, query):
        self._connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
        self._connection.request("GET", f"/api/events?{query}", headers=bearer())
        self.response = self._connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.response.close()
        self._connection.close()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        topic = ""
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                topic = value
            elif name == "data":
                yield topic, json.loads(value)

    def until(self, topic, data=None):
        """The data of the next event of that topic, or of the first with that data."""
        return next(got for name, got in self if name == topic and data in (None, got))


def subscribers(panel):
    """How many subscriptions there are."""
    return len(panel._methods.events._subscriptions)


def wait_for(condition):
    """Return when it is so."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_the_first_event_of_each_topic_is_its_value(panel, daemon):
    """Whoever subscribes hears the value of every topic first, with headers as everywhere."""
    with Listener(panel.address, f"topics={ALL}") as listener:
        assert listener.response.headers["Content-Type"] == "text/event-stream"
        assert listener.response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in listener.response.headers
        events = iter(listener)
        first = dict(next(events) for _ in range(6))
    assert sorted(first) == sorted(ALL.split(","))
    assert first["parameters"] == dict(daemon.parameters)
    assert first["switches"] == {"blank": False, "freeze": False}
    assert first["stats"] == daemon.speed


def test_changes_of_others_are_heard(panel, browse):
    """What one client changes, another hears: parameters, switches, presets."""
    with Listener(panel.address, "topics=parameters,switches,presets&rate_hz=60") as listener:
        browse("POST", "/api/set", {"thin": 0.75})
        assert listener.until("parameters")["thin"] in {0.2, 0.75}
        browse("POST", "/api/set", {"thin": 0.8})
        while listener.until("parameters")["thin"] != 0.8:
            pass
        browse("POST", "/api/blank", {"on": True})
        listener.until("switches", {"blank": True, "freeze": False})
        browse("POST", "/api/presets.save", {"name": "mine"})
        while "mine" not in [preset["name"] for preset in listener.until("presets")["presets"]]:
            pass


def test_figures_are_heard_when_they_change(panel, daemon):
    """What changes by itself is heard, too."""
    with Listener(panel.address, "topics=stats") as listener:
        listener.until("stats", daemon.speed)
        daemon.speed = {**daemon.speed, "fps": 12.5}
        listener.until("stats", daemon.speed)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "topics=",
        "topics=nothing",
        "topics=state,nothing",
        "topics=parameters,nothing",
        "topics=state&rate_hz=0",
        "topics=state&rate_hz=1e9",
        "topics=parameters&rate_hz=nan",
        "topics=state&rate_hz=fast",
        "topics=state&speed=1",
    ],
)
def test_what_cannot_be_subscribed_to_is_refused(panel, browse, query):
    """Topics and rates that there are not are 400 with what is allowed, and leave nothing behind."""
    reply = browse("GET", f"/api/events?{query}")
    assert (reply.status, reply.json["error"]["code"]) == (400, -32602)
    assert reply.json["error"]["data"]["allowed"]
    assert subscribers(panel) == 0


def test_head_leaves_nothing_behind(panel, browse):
    """A HEAD request ends at once and subscribes to nothing that stays."""
    assert browse("HEAD", "/api/events?topics=state").status == 200
    wait_for(lambda: subscribers(panel) == 0)


def test_a_listener_that_leaves_is_forgotten(panel):
    """When a listener hangs up, nothing is read or kept for it any more."""
    with Listener(panel.address, "topics=state,parameters") as listener:
        listener.until("state")
        assert subscribers(panel) == 2  # what is sampled has its own rate
    wait_for(lambda: subscribers(panel) == 0)


def test_a_reader_that_never_reads_is_dropped(panel, daemon, browse, monkeypatch):
    """A reader that takes nothing is dropped, keeps one event a topic until then, and delays no other."""
    monkeypatch.setattr("livewarp.control.web.streams._EVENTS_SILENCE_S", 0.3)
    monkeypatch.setattr("livewarp.control.web.streams._EVENTS_BUFFER_BYTES", 4096)
    big = {"noise": "x" * 60_000}
    with socket.socket() as deaf, Listener(panel.address, "topics=stats") as listener:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(panel.address)
        head = f"Host: {panel.address}\r\nAuthorization: {bearer()['Authorization']}\r\n"
        deaf.sendall(f"GET /api/events?topics=stats HTTP/1.1\r\n{head}\r\n".encode())
        wait_for(lambda: subscribers(panel) == 2)
        number = 0

        def tell():
            nonlocal number
            number += 1
            daemon.speed = {**big, "number": number}
            assert listener.until("stats", daemon.speed)
            return subscribers(panel) == 1

        wait_for(tell)
    assert browse("GET", "/api/get").status == 200


def test_the_panel_ends_with_listeners(daemon, tmp_path):
    """The panel stops at once though somebody listens, and their streams end."""
    with serve_panel(daemon, Preview(), tmp_path) as panel:
        listener = Listener(panel.address, "topics=parameters")
        listener.until("parameters")
        began_s = time.monotonic()
    assert time.monotonic() - began_s < TIMEOUT_S / 2
    with listener:
        assert listener.response.read().strip() == b""


def test_a_change_tells_its_first_frame(browse):
    """The answer to a change names the first frame that uses it; that to a question names none."""
    assert int(browse("POST", "/api/set", {"thin": 0.5}).headers["Livewarp-Frame"]) >= 100
    assert int(browse("POST", "/api/freeze", {"on": True}).headers["Livewarp-Frame"]) >= 100
    assert "Livewarp-Frame" not in browse("GET", "/api/get").headers
