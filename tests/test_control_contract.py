"""What a daemon answers and tells: every method and every event, by the real one and by the one that tests play.

The tests of the ports play a daemon (`control_fixture.FakeDaemon`); what holds for it here holds for the real one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from control_fixture import FakeDaemon, Line, control, misfit
from livewarp.control.address import parse_address
from livewarp.control.protocol.methods import METHODS
from livewarp.parameters import KNOBS
from panel_browser_fixture import Running

EXAMPLES = {
    "get": {"names": ["thin"]},
    "set": {"thin": 0.5},
    "adjust": {"by": {"thin": 0.1}, "strict": True},
    "reset": {"names": ["thin"]},
    "presets.load": {"name": "slim"},
    "presets.save": {"name": "mine", "replace": True},
    "presets.rename": {"name": "mine", "to": "yours"},
    "presets.export": {"name": "slim"},
    "presets.import": {"name": "theirs", "text": "thin = 0.5", "replace": True},
    "presets.delete": {"name": "yours"},
    "backgrounds.remove": {"name": "beach"},
    "textures.remove": {"name": "tiger"},
    "blank": {"on": True},
    "source.switch": {"source": "portrait"},
    "model": {"name": "mesh"},
    "camera.set": {"controls": {"exposure": "manual"}},
    "camera.reset": {"names": ["exposure"]},
    "subscribe": {
        "topics": ["parameters", "switches", "presets", "preset", "history", "backgrounds", "state", "stats", "faces"],
        "rate_hz": 5,
    },
    "unsubscribe": {"topics": ["stats"]},
}
ORDER = ["presets.save", "presets.rename", "presets.delete", "undo", "redo"]
CAMERA = {"camera", "camera.set", "camera.reset"}  # what the real one, on the portrait, has none of


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The program as a person starts it, on the portrait, for all tests here."""
    running = Running(tmp_path_factory.mktemp("daemon"))
    yield running
    running.end()


@pytest.fixture(params=["real", "played"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """A connection to the one and to the other."""
    if request.param == "real":
        running: Running = request.getfixturevalue("started")
        address = parse_address(running.control)
        with Line((address.host, address.port), running.token) as line:
            yield line
    else:
        with control(FakeDaemon()) as server, Line(server.address) as line:
            yield line


def result(line: Line, method: str, params: object = None) -> Any:
    """What a call comes to; a refusal fails with its words."""
    reply = line.ask(method, params)
    assert "result" in reply, (method, reply)
    return reply["result"]


def test_the_schema_describes_every_method_and_event(line: Line, request: pytest.FixtureRequest) -> None:
    """Params and result of every method, and the data of every event, conform to what `schema` says of them."""
    document = result(line, "schema")
    assert document["$schema"].startswith("https://json-schema.org/")
    assert set(document["methods"]) == set(METHODS)
    topics = set(document["events"])
    assert topics == set(EXAMPLES["subscribe"]["topics"])
    for name in sorted(METHODS.keys() - {"hello", "stop", "subscribe", "unsubscribe", *ORDER}) + ORDER:
        params = EXAMPLES.get(name, {})
        assert misfit(params, document["methods"][name]["params"], document) is None
        reply = line.ask(name, params)
        if name in CAMERA and "error" in reply:
            assert request.node.callspec.params["line"] == "real"
            assert "no webcam is used" in reply["error"]["message"]
            continue
        if name in {"backgrounds.remove", "textures.remove"}:  # nobody has added one
            assert params["name"] in reply["error"]["message"]
            continue
        assert "result" in reply, (name, reply)
        assert misfit(reply["result"], document["methods"][name]["result"], document) is None, name
    subscribed = result(line, "subscribe", EXAMPLES["subscribe"])
    assert misfit(subscribed, document["methods"]["subscribe"]["result"], document) is None
    while topics:
        event = line.reply()["params"]
        assert misfit(event["data"], document["events"][event["topic"]], document) is None
        topics.discard(event["topic"])
    line.ask("blank", {"on": False})


def test_a_change_is_told_with_its_frame_and_read_back(line: Line) -> None:
    """Replies to changes alone have a frame, which never goes back; what was set is what is read, in state too."""
    asked = [
        ("reset", {}),
        ("set", {"thin": 0.5}),
        ("adjust", {"by": {"thin": 0.25}}),
        ("blank", {"on": True}),
        ("freeze", {"on": True}),
        ("freeze", {"on": False}),
        ("presets.load", {"name": "natural"}),
        ("set", {"thin": 0.75}),
        ("blank", {"on": False}),
    ]
    frames = []
    for method, params in asked:
        reply = line.ask(method, params)
        assert "result" in reply, reply
        frames.append(reply.get("frame"))
        if method == "blank":
            assert result(line, "state")["switches"]["blank"] is params["on"]
    known = [frame for frame in frames[1:] if frame is not None]  # the first, a reset, may change nothing
    assert len(known) == len(asked) - 1
    assert known == sorted(known)
    assert result(line, "get")["thin"] == 0.75
    assert set(result(line, "get")) == set(KNOBS)
    for method in ("get", "describe", "state", "stats", "faces", "sources", "presets.list", "version"):
        assert "frame" not in line.ask(method), method


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("set", {"thin": 9}),
        ("set", {"nose": 1}),
        ("model", {"name": "nose"}),
        ("source.switch", {"source": "portrait:9"}),
        ("source.switch", {"source": "/etc/hostname"}),
        ("presets.load", {"name": "none such"}),
        ("presets.delete", {"name": "slim"}),
        ("subscribe", {"topics": ["nothing"]}),
    ],
)
def test_a_refusal_names_what_is_allowed_and_changes_nothing(line: Line, method: str, params: dict[str, Any]) -> None:
    """Code -32602 with what was refused; parameters, switches, source and model stay as they are."""

    def now() -> tuple[Any, ...]:
        state = result(line, "state")
        return result(line, "get"), state["switches"], state["source"], state["model"], result(line, "presets.list")

    before = now()
    error = line.ask(method, params)["error"]
    assert error["code"] == -32602
    assert set(error["data"]) >= {"what", "got", "allowed", "remedy"}
    assert now() == before


def test_events_tell_what_another_has_changed(line: Line) -> None:
    """First every topic's value now, then a change once, with the value that `get` has."""
    result(line, "set", {"eyes": 0.125})
    result(line, "subscribe", {"topics": ["parameters", "switches"], "rate_hz": 60})
    first = {event["topic"]: event["data"] for event in (line.reply()["params"] for _ in range(2))}
    assert set(first) == {"parameters", "switches"}
    assert first["parameters"]["eyes"] == 0.125
    messages = [line.ask("set", {"eyes": 0.5}), line.reply()]  # reply and event, in either order
    [event] = [message["params"] for message in messages if message.get("method") == "event"]
    assert (event["topic"], event["data"]["eyes"]) == ("parameters", 0.5)
    left = line.ask("unsubscribe")
    assert left["result"] == {"topics": []}
