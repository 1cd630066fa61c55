"""Events: to whom, of what, how often; and what becomes of a subscriber that does not read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import gevent
import pytest

from control_fixture import FakeDaemon, Line, control
from livewarp.control.client import Client
from livewarp.control.protocol import events as events_module
from livewarp.control.protocol.events import SLOW_S, Events, Update
from livewarp.errors import ParameterError


class Clock:
    """A clock that a test turns by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time that it is told to be."""
        return self.now


@pytest.fixture
def clock():
    """A clock at a thousand seconds."""
    return Clock()


@pytest.fixture
def values():
    """What the topics are, for a test to change."""
    return {"parameters": 1, "switches": "a", "state": {"state": "running", "since_s": 1}}


@pytest.fixture
def events(clock, values):
    """The events of three topics, in this thread's hub."""
    made = Events({topic: lambda topic=topic: values[topic] for topic in values}, clock)
    yield made
    made.close()


def eventually(holds: Callable[[], bool]) -> None:
    """Let the hub run until something holds."""
    deadline_s = time.monotonic() + 500
    while not holds():
        assert time.monotonic() < deadline_s
        gevent.sleep(0.001)


def test_the_first_event_of_a_topic_is_its_value(events):
    """Whoever subscribes is told the value of each topic at once, in the order asked for, and then nothing."""
    subscription = events.subscribe(["switches", "parameters", "switches"])
    assert subscription.topics == ("switches", "parameters")
    assert [subscription.get(0), subscription.get(0)] == [Update("switches", "a"), Update("parameters", 1)]
    assert subscription.get(0) is None


def test_a_change_is_told_to_those_who_asked(events, values, clock):
    """A change is told to the subscribers of its topic, once, and to no others."""
    first, other = events.subscribe(["parameters"]), events.subscribe(["switches"])
    assert (first.get(0), other.get(0)) == (Update("parameters", 1), Update("switches", "a"))
    clock.now += 1
    values["parameters"] = 2
    events.publish("parameters", "switches")
    events.publish("parameters", "switches")
    assert (first.get(0), first.get(0), other.get(0)) == (Update("parameters", 2), None, None)


def test_who_joins_between_two_checks_is_told_when_it_is_over(events, values, clock):
    """A newcomer that reads what has not been published yet is told when it ends, and the others that it began."""
    before = events.subscribe(["state"])
    assert before.get(0).data["state"] == "running"
    clock.now += 1
    values["state"] = {"state": "stalled", "since_s": 0}
    newcomer = events.subscribe(["state"])
    assert newcomer.get(0).data["state"] == "stalled"
    assert before.get(0).data["state"] == "stalled"
    clock.now += 1
    values["state"] = {"state": "running", "since_s": 0}
    events.publish("state")
    assert [inbox.get(0).data["state"] for inbox in (newcomer, before)] == ["running", "running"]


def test_no_faster_than_the_rate_and_the_newest_wins(events, values, clock):
    """Between two events of a topic lies the time of the rate; then comes the newest value, and only that."""
    subscription = events.subscribe(["parameters"], rate_hz=4)
    assert subscription.get(0) == Update("parameters", 1)
    for value in range(2, 7):
        values["parameters"] = value
        events.publish("parameters")
    clock.now += 0.24
    assert subscription.get(0) is None
    clock.now += 0.02
    assert subscription.get(0) == Update("parameters", 6)
    clock.now += 1
    assert subscription.get(0) is None


def test_a_busy_topic_does_not_hold_back_the_others(events, values, clock):
    """The event that is ready for longest comes first."""
    subscription = events.subscribe(["parameters", "switches"], rate_hz=60)
    assert {subscription.get(0).topic, subscription.get(0).topic} == {"parameters", "switches"}
    clock.now += 1
    values["switches"] = "b"
    events.publish("switches")
    clock.now += 1
    values["parameters"] = 2
    events.publish("parameters")
    assert [subscription.get(0).topic, subscription.get(0).topic] == ["switches", "parameters"]


def test_a_reader_that_does_not_read_is_dropped(events, values, clock):
    """A subscription whose event has lain ready for five seconds is dropped at the next; a reader that reads is not."""
    lazy, busy = events.subscribe(["parameters"]), events.subscribe(["parameters"])
    for value in range(2, 100):
        clock.now += 0.25
        values["parameters"] = value
        events.publish("parameters")
        assert busy.get(0) is not None
        assert lazy.dropped is (0.25 * (value - 1) > SLOW_S)
    assert lazy.get(None) is None
    assert busy.dropped is False


def test_silence_drops_nobody(events, values, clock):
    """A reader that is late because nothing happened is not dropped."""
    subscription = events.subscribe(["parameters"])
    assert subscription.get(0) is not None
    clock.now += 1000
    values["parameters"] = 2
    events.publish("parameters")
    assert subscription.get(0) == Update("parameters", 2)
    assert subscription.dropped is False


def test_close_wakes_who_waits(events):
    """Whoever waits for an event learns at once that the subscription has ended."""
    subscription = events.subscribe(["parameters"])
    subscription.get(0)
    reader = gevent.spawn(subscription.get, None)
    gevent.sleep(0)
    subscription.close()
    subscription.close()
    assert reader.get(timeout=5) is None


def test_what_changes_by_itself_is_looked_at_while_somebody_wants_it(values):
    """State, stats and faces are read while somebody is subscribed to them, and by nobody else."""
    reads = []
    events = Events({"state": lambda: reads.append(0) or values["state"], "parameters": lambda: 1})
    without = events.subscribe(["parameters"])
    gevent.sleep(0.05)
    assert reads == []
    subscription = events.subscribe(["state"], rate_hz=60)
    assert subscription.get(5).data["state"] == "running"
    values["state"] = {"state": "stalled", "since_s": 0}
    assert subscription.get(5).data["state"] == "stalled"
    subscription.close()
    eventually(lambda: events._sampler is None)
    seen = len(reads)
    gevent.sleep(0.05)
    assert len(reads) == seen
    without.close()


def test_how_long_a_state_lasts_is_no_change():
    """A state in which only `since_s` and the count of dropped frames have changed is no event."""
    count = 0
    events = Events({"state": lambda: {"state": "running", "since_s": count, "outputs": [{"dropped": count}]}})
    subscription = events.subscribe(["state"], rate_hz=60)
    assert subscription.get(5) is not None
    for count in range(5):  # noqa: B007  # the state has it
        assert subscription.get(0.03) is None
    subscription.close()


def test_a_topic_that_cannot_be_read_is_logged_once_an_episode(events, values, clock, caplog):
    """A topic that fails, or is no JSON, is logged once, and told again when it works."""
    subscription = events.subscribe(["parameters"])
    assert subscription.get(0) is not None
    for broken in (object(), float("nan"), object()):
        values["parameters"] = broken
        events.publish("parameters")
    assert len(caplog.records) == 1
    clock.now += 1
    values["parameters"] = 3
    events.publish("parameters")
    assert subscription.get(0) == Update("parameters", 3)


@pytest.mark.parametrize(
    ("topics", "rate_hz", "name"),
    [([], 1, "topics"), (["weather"], 1, "topics"), (["state"], 0.01, "rate_hz"), (["state"], 61, "rate_hz")],
)
def test_what_cannot_be_subscribed_to(events, topics, rate_hz, name):
    """Topics that there are not, none at all, and rates out of bounds are refused."""
    with pytest.raises(ParameterError) as caught:
        events.subscribe(topics, rate_hz)
    assert caught.value.name == name


@pytest.fixture
def daemon():
    """A daemon to listen to."""
    return FakeDaemon()


def read_events(line: Line, until: Callable[[dict], bool]) -> list[tuple[str, object]]:
    """The events that come, up to one of which this holds."""
    seen = []
    while True:
        message = line.reply()
        assert (message["jsonrpc"], message["method"], "id" in message) == ("2.0", "event", False)
        seen.append((message["params"]["topic"], message["params"]["data"]))
        if until(message["params"]):
            return seen


def test_events_over_the_port(daemon):
    """After the reply come the values, and then what others change: parameters, switches, presets, state."""
    with control(daemon) as server, Line(server.address) as line, Line(server.address) as other:
        reply = line.ask("subscribe", {"topics": ["parameters", "switches", "presets", "state"], "rate_hz": 60})
        assert reply["result"] == {"topics": ["parameters", "switches", "presets", "state"], "rate_hz": 60}
        first = [line.reply()["params"]["topic"] for _ in range(4)]
        assert first == ["parameters", "switches", "presets", "state"]
        other.ask("set", {"thin": 0.5})
        assert read_events(line, lambda e: e["topic"] == "parameters")[-1][1] == dict(daemon.parameters)
        other.ask("blank", {"on": True})
        assert read_events(line, lambda e: e["topic"] == "switches")[-1][1] == {"blank": True, "freeze": False}
        other.ask("presets.save", {"name": "mine"})
        seen = read_events(line, lambda e: e["topic"] == "presets")
        assert seen[-1][1]["presets"][-1]["name"] == "mine"
        daemon.source = "webcam"
        assert read_events(line, lambda e: e["topic"] == "state" and e["data"]["source"] == "webcam")


def test_calls_go_on_beside_events(daemon):
    """A connection that gets events is answered as any other, whole line by whole line."""
    with control(daemon) as server, Line(server.address) as line:
        line.send(b'{"jsonrpc": "2.0", "method": "subscribe", "params": {"topics": ["parameters"], "rate_hz": 60}}\n')
        for number in range(100):
            line.send(
                b'{"jsonrpc": "2.0", "id": %d, "method": "set", "params": {"thin": %f}}\n' % (number, number / 100)
            )
        seen, last = [], None
        while len(seen) < 100 or last != 0.99:
            message = line.reply()
            if "id" in message:
                seen.append(message["id"])
            else:
                last = message["params"]["data"]["thin"]
        assert seen == list(range(100))


def test_a_second_subscription_replaces_the_first(daemon):
    """A connection has one subscription: a later one replaces it, and `unsubscribe` ends it in part or whole."""
    with control(daemon) as server, Line(server.address) as line:
        line.ask("subscribe", {"topics": ["parameters", "switches"], "rate_hz": 60})
        assert [line.reply()["params"]["topic"] for _ in range(2)] == ["parameters", "switches"]
        line.ask("subscribe", {"topics": ["switches", "presets"]})
        assert [line.reply()["params"]["topic"] for _ in range(2)] == ["switches", "presets"]
        assert line.ask("unsubscribe", {"topics": ["presets", "faces"]})["result"] == {"topics": ["switches"]}
        assert line.ask("set", {"thin": 0.5})["result"] == {"thin": 0.5}
        assert line.ask("unsubscribe")["result"] == {"topics": []}
        line.ask("blank")
        assert line.ask("unsubscribe")["result"] == {"topics": []}


def test_a_subscriber_that_never_reads_is_dropped(daemon, monkeypatch):
    """A subscriber that never reads loses its connection; those who read, and those who call, notice nothing."""
    monkeypatch.setattr(events_module, "SLOW_S", 0.3)
    daemon.seen *= 200  # 30 kB an event
    with (
        control(daemon, send_s=0.5) as server,
        Line(server.address) as deaf,
        Client(str(server.address)) as client,
        client.subscribe("faces", rate_hz=60) as good,
    ):
        deaf.send(b'{"jsonrpc": "2.0", "method": "subscribe", "params": {"topics": ["faces"], "rate_hz": 60}}\n')
        client.get()
        assert len(server._connections) == 3
        deadline_s = time.monotonic() + 500
        while len(server._connections) == 3:
            assert time.monotonic() < deadline_s
            daemon.seen[0] = {**daemon.seen[0], "id": daemon.seen[0]["id"] + 1}
            assert client.get("thin") == {"thin": 0.2}
            assert good.get(5) is not None


def test_an_event_is_encoded_once():
    """The text of an event is made once for all who get it, and is what its data are in JSON."""
    event = Update("faces", [{"id": 1}])
    assert json.loads(event.text) == event.data
    assert event.text is event.text
