"""What the control methods do, over a real socket: changes, batches, switches, presets, sources, their schema."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_fixture import FakeDaemon, Line, control, misfit
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.method import schema_document
from livewarp.control.protocol.methods import METHODS
from livewarp.control.protocol.presets import SHIPPED, Presets
from livewarp.daemon.report import face_of, state_of, stats_of
from livewarp.errors import ControlError, Problem, SettingsError
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.knobs import Number
from livewarp.live.stats import ProcessMeter
from livewarp.parameters import KNOBS, Parameters, Switches
from scripted import RecordingSink, ScriptedSource, engine_of, wait_for


@pytest.fixture
def daemon():
    """A daemon whose start values are not the defaults."""
    return FakeDaemon()


@pytest.fixture
def line(daemon):
    """A connection to its line port."""
    with control(daemon) as server, Line(server.address) as line:
        yield line


def request(method, params=None, **members):
    """A JSON-RPC request as a dict."""
    return {"jsonrpc": "2.0", "method": method, "params": params or {}, **members}


def test_a_change_tells_its_first_frame(line, daemon):
    """The reply to a change has the index of the first frame that certainly uses it; other replies have none."""
    assert line.ask("set", {"thin": 0.5}) == {"jsonrpc": "2.0", "id": 1, "result": {"thin": 0.5}, "frame": 101}
    assert line.ask("blank", {"on": True})["frame"] == 102
    assert line.ask("source.switch", {"source": "webcam:/dev/video7"})["frame"] == 103
    assert line.ask("reload")["frame"] == daemon.begun == 104
    for method, params in (("get", {}), ("state", {}), ("set", {}), ("adjust", {"by": {}})):
        assert "frame" not in line.ask(method, params)


def test_adjust_adds(line, daemon):
    """`adjust` adds to several parameters at once, and steps of a tenth end at whole tenths."""
    assert line.ask("adjust", {"by": {"thin": 0.25, "jaw": -1}})["result"] == {"thin": 0.45, "jaw": -1.0}
    line.ask("set", {"thin": 0})
    for _ in range(16):
        line.ask("adjust", {"by": {"thin": 0.1}})
    assert daemon.parameters == daemon.initial.replace(thin=1.5, jaw=-1.0)


def test_adjust_stops_at_a_bound_or_refuses(line, daemon):
    """`adjust` stops at a bound; with strict: true it changes nothing and names the bound."""
    error = line.ask("adjust", {"by": {"eyes": 0.1, "thin": 1.5}, "strict": True})["error"]
    assert (error["code"], error["data"]["name"], error["data"]["got"]) == (-32602, "thin", 1.7)
    assert daemon.changes == []
    assert line.ask("adjust", {"by": {"eyes": 0.1, "thin": 1.5}})["result"] == {"eyes": 0.35, "thin": 1.5}
    assert line.ask("adjust", {"by": {"thin": -1e9}, "strict": False})["result"] == {"thin": 0.0}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({}, "by"),
        ({"by": 0.1}, "by"),
        ({"by": {"thn": 0.1}}, "thn"),
        ({"by": {"thin": "0.1"}}, "thin"),
        ({"by": {"thin": True}}, "thin"),
        ({"by": {"thin": 1e10}}, "thin"),
        ({"by": {"thin": 10**400}}, "thin"),
        ({"by": {"enabled": 1}}, "enabled"),
        ({"by": {"thin": 0.1}, "strict": 1}, "strict"),
        ({"thin": 0.1}, "thin"),
    ],
)
def test_adjust_refuses_what_is_no_step(line, daemon, params, name):
    """A step is a number for a parameter that is one."""
    error = line.ask("adjust", params)["error"]
    assert (error["code"], error["data"]["name"]) == (-32602, name)
    assert daemon.changes == []


@given(st.lists(st.tuples(st.sampled_from(sorted(KNOBS)), st.floats(-2, 2)), max_size=8))
@settings(deadline=None)
def test_adjust_never_leaves_the_bounds(steps):
    """Whatever is added, parameters stay valid, and only those named change."""
    daemon = FakeDaemon()
    methods = Dispatcher(daemon)
    touched = set()
    for name, by in steps:
        if isinstance(KNOBS[name].kind, Number):
            touched.add(name)
            methods.call("adjust", {"by": {name: by}})
    assert Parameters(**daemon.parameters) == daemon.parameters
    assert {n for n in KNOBS if daemon.parameters[n] != daemon.initial[n]} <= touched


@pytest.mark.parametrize("name", ["blank", "freeze"])
def test_switches_turn_on_off_and_over(line, daemon, name):
    """`blank` and `freeze` take on: true or false, turn over without it, and are no parameters."""
    assert line.ask(name, {"on": True})["result"] == {name: True}
    assert line.ask(name, {"on": True})["result"] == {name: True}
    assert daemon.switches == Switches(**{name: True})
    assert line.ask(name)["result"] == {name: False}
    assert line.ask(name)["result"] == {name: True}
    assert line.ask("reset")["result"] == dict(daemon.initial)
    assert daemon.switches == Switches(**{name: True})
    assert line.ask(name, {"on": 1})["error"]["code"] == -32602
    assert daemon.parameters == daemon.initial


def test_bypass_is_not_a_second_switch(line, daemon):
    """`bypass` turns the parameter `enabled`, whichever way either was turned before."""
    assert line.ask("bypass")["result"] == {"bypass": True}
    assert daemon.parameters["enabled"] is False
    line.ask("set", {"enabled": True})
    assert line.ask("bypass")["result"] == {"bypass": True}
    assert line.ask("bypass", {"on": False})["result"] == {"bypass": False}
    assert daemon.parameters == daemon.initial


def test_mirror_turns_its_parameter(line, daemon):
    """`mirror` turns the parameter of that name."""
    assert line.ask("mirror")["result"] == {"mirror": True}
    assert line.ask("mirror")["result"] == {"mirror": False}
    assert line.ask("mirror", {"on": False})["result"] == {"mirror": False}
    assert daemon.parameters == daemon.initial


def test_a_batch_is_answered_in_order_and_applied_at_once(line, daemon):
    """The changes of a batch come as one swap, its calls see those before them, and all tell the same frame."""
    batch = [
        request("set", {"thin": 0.5}, id=1),
        request("adjust", {"by": {"thin": 0.1}}, id="two"),
        request("get", {"names": ["thin"]}, id=3),
        request("blank", {"on": True}, id=4),
        request("freeze", {"on": True}),
    ]
    assert line.tell(json.dumps(batch)) == [
        {"jsonrpc": "2.0", "id": 1, "result": {"thin": 0.5}, "frame": 101},
        {"jsonrpc": "2.0", "id": "two", "result": {"thin": 0.6}, "frame": 101},
        {"jsonrpc": "2.0", "id": 3, "result": {"thin": 0.6}},
        {"jsonrpc": "2.0", "id": 4, "result": {"blank": True}, "frame": 101},
    ]
    assert daemon.changes == [daemon.initial.replace(thin=0.6)]
    assert daemon.switched == [Switches(blank=True, freeze=True)]


def test_a_refused_call_of_a_batch_changes_nothing_and_stops_none(line, daemon):
    """Each call of a batch is done whole or refused; those after a refused one are done nevertheless."""
    batch = [request("set", {"eyes": 0.5, "thin": 5}, id=1), request("set", {"jaw": 0.5}, id=2), request("no", id=3), 7]
    replies = line.tell(json.dumps(batch))
    assert [reply["id"] for reply in replies] == [1, 2, 3, None]
    assert [reply.get("error", {}).get("code") for reply in replies] == [-32602, None, -32601, -32600]
    assert daemon.changes == [daemon.initial.replace(jaw=0.5)]


def test_a_batch_of_notifications_has_no_reply(line, daemon):
    """Notifications in a batch act without a reply, and where there is nothing else the batch has none."""
    line.send(json.dumps([request("set", {"thin": 0.5}), request("set", {"thin": 5})]).encode() + b"\n")
    assert line.ask("get", {"names": ["thin"]}, 9)["id"] == 9
    assert daemon.parameters["thin"] == 0.5


def test_a_batch_has_1_to_100_calls(line, daemon):
    """An empty batch, or one of more than 100 calls, is refused as a whole."""
    for calls in ([], [request("blank", id=1)] * 101):
        reply = line.tell(json.dumps(calls))
        assert (reply["id"], reply["error"]["code"]) == (None, -32600)
    assert daemon.switched == []
    assert len(line.tell(json.dumps([request("get", {"names": []}, id=1)] * 100))) == 100


def test_a_change_that_the_daemon_cannot_make_is_an_error(daemon, caplog):
    """Where the daemon itself fails, every changing call of the batch says so, and the others are answered."""
    daemon.change = lambda wanted: 1 // 0
    outcomes = Dispatcher(daemon).batch([("set", {"thin": 0.5}), ("get", {"names": []}), ("mirror", {})])
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [-32603, None, -32603]
    assert "ZeroDivisionError" in caplog.text


def test_a_preset_sets_every_adjustment_and_nothing_else(line, daemon):
    """Loading a preset sets all adjustments, and leaves enabled, strength, mirror and overlay."""
    others = {"enabled": False, "strength": 0.5, "mirror": True, "overlay": True}
    line.ask("set", {**others, "smile": 0.5})
    loaded = line.ask("presets.load", {"name": "slim"})
    assert set(loaded["result"]) == {name for name, knob in KNOBS.items() if knob.in_presets}
    assert daemon.parameters == Parameters(**others, **loaded["result"])
    assert daemon.parameters["smile"] == 0.0
    assert loaded["frame"] == 102


def test_presets_over_the_port(line, daemon, tmp_path):
    """Saved presets are listed with their values, load again, and can be renamed and deleted."""
    line.ask("set", {"thin": 0.875, "smile": 0.5})
    saved = line.ask("presets.save", {"name": "mine"})["result"]
    assert (saved["name"], saved["values"]["thin"], saved["values"]["jaw"]) == ("mine", 0.875, 0.0)
    line.ask("reset")
    assert line.ask("presets.save", {"name": "mine"})["error"]["data"]["name"] == "name"
    assert line.ask("presets.rename", {"name": "mine", "to": "yours"})["result"] == {"name": "yours"}
    assert line.ask("presets.load", {"name": "yours"})["result"]["thin"] == 0.875
    line.ask("set", {"thin": 0.125})
    assert "result" in line.ask("presets.save", {"name": "yours", "replace": True})
    listed = line.ask("presets.list")["result"]
    assert [p["name"] for p in listed["presets"]] == [*SHIPPED, "yours"]
    assert listed["presets"][-1]["values"]["thin"] == 0.125
    assert line.ask("presets.delete", {"name": "yours"})["result"] == {"name": "yours"}
    assert line.ask("presets.load", {"name": "yours"})["error"]["code"] == -32602


def test_sources_and_switching(line, daemon):
    """`sources` lists what there is; another is switched to, and what names none is refused."""
    assert [s["source"] for s in line.ask("sources")["result"] if s["current"]] == ["portrait"]
    assert line.ask("source.switch", {"source": "webcam:/dev/video7"})["result"] == {"source": "webcam:/dev/video7"}
    assert [s["source"] for s in line.ask("sources")["result"] if s["current"]] == ["webcam:/dev/video7"]
    assert line.ask("source.switch", {"source": "webcam:9"})["error"]["code"] == -32602
    assert daemon.source == "webcam:/dev/video7"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "secret.png", "../x.mp4", "http://192.0.2.1/x.mjpg", "webcam:/etc/passwd", "webcam:1/../../x", ""],
)
def test_no_path_is_reached_over_the_port(line, daemon, path):
    """A loopback port, which any user of the machine reaches, takes no path and no address for a source."""
    daemon.switch_source = lambda wanted: pytest.fail("it was reached")
    error = line.ask("source.switch", {"source": path})["error"]
    assert error["code"] == -32602
    assert "Unix socket" in error["message"]


def test_the_source_of_the_settings_may_be_gone_back_to(line, daemon):
    """The one source that the settings name may be switched to over the port, a path too."""
    daemon.settings = daemon.settings.model_copy(
        update={"video": daemon.settings.video.model_copy(update={"source": "/films/talk.mp4"})}
    )
    switched = []
    daemon.switch_source = lambda wanted: switched.append(wanted) or 7
    assert line.ask("source.switch", {"source": "/films/talk.mp4"})["frame"] == 7
    assert switched == ["/films/talk.mp4"]


def test_reload(line, daemon):
    """`reload` tells what was applied and what needs a restart, and `reset` goes back to the new values."""
    line.ask("set", {"eyes": 0.5})
    assert line.ask("reload")["result"] == {"parameters": {"thin": 0.6}, "restart": ["video.width"]}
    assert daemon.parameters == Parameters(thin=0.6, eyes=0.5)
    assert line.ask("reset")["result"] == dict(Parameters(thin=0.6))


def test_reload_in_a_batch_goes_over_what_came_before(daemon):
    """A reload in a batch is done in its place: over what was changed before it, under what comes after it."""
    Dispatcher(daemon).batch([("set", {"eyes": 0.5, "thin": 0.1}), ("reload", {}), ("set", {"jaw": 0.5})])
    assert daemon.parameters == Parameters(thin=0.6, eyes=0.5, jaw=0.5)


def test_a_reload_that_cannot_be_done(line, daemon):
    """Where config.toml is broken the reply says how, with -32000, and nothing has changed."""

    def fail():
        raise SettingsError("config.toml: not valid TOML")

    daemon.on_reload = fail
    assert line.ask("reload")["error"] == {
        "code": -32000,
        "message": "config.toml: not valid TOML",
        "data": {"what": "config.toml: not valid TOML", "got": None, "allowed": "", "remedy": ""},
    }
    assert daemon.parameters == daemon.initial


def test_events_need_a_connection(daemon):
    """Without a connection that stays, as over HTTP, `subscribe` is refused with the way out."""
    for method, params in (("subscribe", {"topics": ["stats"]}), ("unsubscribe", {})):
        with pytest.raises(ControlError, match="GET /api/events") as caught:
            Dispatcher(daemon).call(method, params)
        assert caught.value.code == -32600


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("set", {"thin": 2}),
        ("set", {"thn": 0.5}),
        ("set", {"enabled": 1}),
        ("get", {"names": "thin"}),
        ("blank", {"on": "yes"}),
        ("presets.load", {}),
        ("presets.load", {"name": 7}),
        ("presets.save", {"name": "x", "force": True}),
        ("subscribe", {"topics": "stats"}),
        ("subscribe", {"topics": ["stats"], "rate_hz": 0}),
        ("subscribe", {"topics": ["stats"], "rate_hz": 61}),
        ("state", {"since": 1}),
    ],
)
def test_what_the_schema_refuses_is_refused(line, method, params):
    """Params that do not conform to the schema are answered with -32602."""
    document = line.ask("schema")["result"]
    assert misfit(params, document["methods"][method]["params"], document) is not None
    assert line.ask(method, params)["error"]["code"] == -32602


def test_the_schema_knows_the_bounds_of_every_parameter(line):
    """The schema has each parameter with its bounds, default and help."""
    properties = line.ask("schema")["result"]["$defs"]["parameters"]["properties"]
    assert list(properties) == list(KNOBS)
    for name, knob in KNOBS.items():
        if isinstance(knob.kind, Number):
            assert properties[name]["minimum"] == knob.kind.minimum
            assert properties[name]["maximum"] == knob.kind.maximum
        assert (properties[name]["default"], properties[name]["description"]) == (knob.default, knob.help)


def test_a_preset_that_cannot_be_written_is_not_done(daemon, tmp_path):
    """Where the folder cannot be written, saving a preset says so with -32000, and nothing is listed."""
    (tmp_path / "presets").touch()  # a file where the folder should be
    methods = Dispatcher(daemon, Presets(tmp_path / "presets"))
    with pytest.raises(ControlError, match="cannot save a preset") as caught:
        methods.call("presets.save", {"name": "mine"})
    assert caught.value.code == -32000


def test_another_model_is_asked_for_by_name(line, daemon):
    """It returns at once, `state` tells which one is used, and a name that there is not changes nothing."""
    assert line.ask("model", {"name": "mesh"})["result"] == {"model": "mesh"}
    assert line.ask("state")["result"]["model"] == "mesh"
    error = line.ask("model", {"name": "haar"})["error"]
    assert error["code"] == -32602
    assert error["data"] == {
        "name": "name",
        "what": "model: got 'haar'",
        "got": "haar",
        "allowed": "dlib or mesh",
        "remedy": "",
    }
    assert daemon.model == "mesh"


def test_the_schema_of_a_report_names_all_that_a_real_engine_says():
    """State and figures of a real engine, with an ailing sink, conform to the schema and have no member beside it."""
    document = schema_document(METHODS.values())
    engine, ended = engine_of(ScriptedSource(), RecordingSink(), RecordingSink(records=True))
    engine.sinks[0].problem = Problem("gone", "bring it back")
    run_for_some_frames(engine, ended)
    pose = Pose(10.0, 10.0, 5.0, 0.0, 0.0, 0.0)
    face = Face(pose.project(MEAN_FACE).astype(np.float32), pose, 1, 1.0)
    replies = {"state": state_of(engine), "stats": stats_of(engine, ProcessMeter(), 33.3), "face": face_of(face)}
    assert replies["state"]["outputs"][0]["problem"] == "gone; bring it back"
    for name, reply in replies.items():
        assert set(reply) == set(document["$defs"][name]["properties"])
        assert misfit(reply, document["$defs"][name], document) is None, name


def run_for_some_frames(engine, ended):
    """Start it, let it send something, and stop it."""
    engine.start()
    wait_for(lambda: engine.stats.frames)
    engine.stop()
    assert ended.wait(500)
