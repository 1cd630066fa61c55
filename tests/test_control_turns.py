"""Blank, freeze and stop go first, whatever the others ask for."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import pytest

from control_fixture import FakeDaemon, Line, control
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.parameters import Parameters

WORK_S = 0.002  # that one call of the flood takes
CALLS = 100  # in a batch


class Laborious(FakeDaemon):
    """A daemon whose figures take time, and that notes how many were asked for until blank came."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.stats = self.work
        self.at_change = -1

    def work(self):
        """Keep the hub busy."""
        self.asked += 1
        until_s = time.perf_counter() + WORK_S
        while time.perf_counter() < until_s:
            pass
        return self.speed

    def change(self, wanted):
        """Note it."""
        self.at_change = self.asked
        return super().change(wanted)


def batch(*methods):
    """A line that asks for these."""
    return json.dumps([{"jsonrpc": "2.0", "id": i, "method": name} for i, name in enumerate(methods)]).encode() + b"\n"


def _drain(line):
    with contextlib.suppress(OSError):
        while line.socket.recv(1 << 20):
            pass


@pytest.mark.parametrize("method", ["blank", "freeze"])
def test_what_is_urgent_goes_before_a_flood(method):
    """Eight clients flood with batches of slow calls: less than a batch is worked on before a ninth is served."""
    daemon = Laborious()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(control(daemon))
        floods = [stack.enter_context(Line(server.address)) for _ in range(8)]
        ninth = stack.enter_context(Line(server.address))
        readers = [threading.Thread(target=_drain, args=(flood,)) for flood in floods]
        for flood, reader in zip(floods, readers, strict=True):
            reader.start()
            flood.send(batch(*["stats"] * CALLS) * 3)
        while daemon.asked < 2:
            time.sleep(0.001)
        begun = daemon.asked
        assert ninth.ask(method, {"on": True})["result"] == {method: True}
        assert daemon.at_change - begun < CALLS / 2
        assert daemon.asked < 8 * CALLS  # the flood went on
        for flood in floods:
            flood.socket.shutdown(2)
        for reader in readers:
            reader.join(10)


def test_a_change_in_a_pause_of_a_batch_is_not_undone():
    """A batch that gave way goes on with what the others have changed meanwhile, and its own changes come on top."""
    daemon = FakeDaemon()
    dispatcher = Dispatcher(daemon)

    def give_way(to_all):
        if not to_all:
            return False
        dispatcher.call("set", {"eyes": 0.75})
        dispatcher.call("blank", {"on": True})
        return True

    calls = [("stats", {}), ("set", {"thin": 0.5}), ("get", {"names": ["thin", "eyes"]})]
    outcomes = dispatcher.batch(calls, give_way=give_way)
    assert json.loads(outcomes[2].text) == {"thin": 0.5, "eyes": 0.75}
    assert (daemon.parameters["thin"], daemon.parameters["eyes"], daemon.switches.blank) == (0.5, 0.75, True)


def test_from_its_first_change_on_a_batch_gives_way_to_the_urgent_alone():
    """What one message changes is applied together; a blank that comes meanwhile counts at once and is not undone."""
    daemon = FakeDaemon()
    dispatcher = Dispatcher(daemon)
    paused = []

    def give_way(to_all):
        paused.append(to_all)
        if len(paused) == 2:
            dispatcher.call("blank", {"on": True})
            assert (daemon.switches.blank, daemon.parameters["thin"]) == (True, 0.2)
        return True

    calls = [("stats", {}), ("blank", {"on": False}), ("set", {"thin": 0.5}), ("freeze", {"on": True})]
    dispatcher.batch(calls, give_way=give_way)
    assert paused == [True, False, False]
    assert (daemon.switches.blank, daemon.switches.freeze, daemon.parameters["thin"]) == (True, True, 0.5)


def test_events_begin_after_the_reply_also_when_that_takes_long():
    """A batch that subscribes and then works gives way; its reply is still the first line, events come after it."""
    with control(Laborious()) as server, Line(server.address) as line:
        calls = [("subscribe", {"topics": ["parameters"]}), *[("stats", {})] * 5]
        request = [{"jsonrpc": "2.0", "id": i, "method": n, "params": p} for i, (n, p) in enumerate(calls)]
        assert [reply["id"] for reply in line.tell(json.dumps(request))] == list(range(6))
        assert line.reply()["params"]["topic"] == "parameters"


def test_long_answers_are_made_once_and_made_anew_when_they_change():
    """`schema` and `describe` are the same text until a knob or what `reset` goes back to has changed."""
    daemon = FakeDaemon()
    dispatcher = Dispatcher(daemon)
    for name in ("schema", "describe"):
        assert dispatcher.call(name, {}).text is dispatcher.call(name, {}).text
    daemon.initial = Parameters(thin=0.875)
    assert json.loads(dispatcher.call("describe", {}).text)["thin"]["initial"] == 0.875


def test_a_share_is_of_time_too():
    """Few calls that take long are answered at the pace of the share."""
    daemon = Laborious()
    with control(daemon, time_share=0.05) as server, Line(server.address) as line:
        began_s = time.monotonic()
        for _ in range(11):
            assert "result" in line.ask("stats")
        assert time.monotonic() - began_s > (10 * WORK_S / 0.05 - 0.1) * 0.9


def test_what_is_urgent_overtakes_a_call_that_waits():
    """While one message waits for a device, blank comes; what the message changes afterwards does not undo it."""
    daemon = FakeDaemon()
    dispatcher = Dispatcher(daemon)
    listed = daemon.sources

    def sources():
        dispatcher.call("blank", {"on": True})
        return listed()

    daemon.sources = sources
    dispatcher.batch([("sources", {}), ("set", {"thin": 0.5}), ("freeze", {"on": True})])
    assert (daemon.switches.blank, daemon.switches.freeze, daemon.parameters["thin"]) == (True, True, 0.5)
    daemon.sources = listed
    dispatcher.batch([("blank", {"on": False}), ("set", {"thin": 0.25})])
    assert (daemon.switches.blank, daemon.switches.freeze) == (False, True)
