"""Undo, redo and the preset that is on: one history for all clients, over the control methods."""

from __future__ import annotations

import json

import pytest

from control_fixture import FakeDaemon
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.history import MAX_STEPS, MERGE_S
from livewarp.control.protocol.presets import Presets
from livewarp.errors import ControlError


class Desk:
    """A dispatcher with a clock of its own, and what a client asks it."""

    def __init__(self, folder):
        self.daemon = FakeDaemon()
        self.methods = Dispatcher(self.daemon, Presets(folder))
        self.now_s = 0.0
        self.methods.history.clock = lambda: self.now_s

    def __call__(self, method, later_s=10.0, **params):
        """What one call comes to, so much later than the one before."""
        self.now_s += later_s
        return json.loads(self.methods.call(method, params).text)

    def value(self, name):
        """The value that the daemon uses."""
        return self.daemon.parameters[name]


@pytest.fixture
def desk(tmp_path):
    """A dispatcher over an empty folder of presets."""
    return Desk(tmp_path / "presets")


def test_changes_are_undone_and_redone_in_their_order(desk):
    """Undo takes the last change back, redo does it again, and a new change ends what could be redone."""
    desk("set", thin=0.5)
    desk("set", eyes=0.4, mirror=True)
    assert desk("undo") == {"values": {"eyes": 0.25, "mirror": False}, "presets": [], "undo": 1, "redo": 1}
    assert (desk.value("thin"), desk.value("eyes")) == (0.5, 0.25)
    desk("undo")
    assert desk.value("thin") == 0.2
    desk("redo")
    assert desk.value("thin") == 0.5
    desk("set", jaw=0.1)
    with pytest.raises(ControlError, match="nothing to redo"):
        desk("redo")
    desk("undo")
    desk("undo")
    with pytest.raises(ControlError, match="nothing to undo"):
        desk("undo")


def test_a_drag_is_one_step(desk):
    """Quick changes of the same numbers are one step; a pause, another knob or a switch begins a new one."""
    for i in range(20):
        desk("set", later_s=0.1, thin=i / 20)
    desk("set", later_s=0.1, eyes=0.9)
    desk("set", later_s=MERGE_S + 0.1, eyes=0.8)
    desk("undo")
    assert desk.value("eyes") == 0.9
    desk("undo")
    desk("undo")
    assert desk.value("thin") == 0.2
    desk("set", later_s=0.1, jaw=0.5)
    desk("reset", later_s=0.1, names=["jaw"])
    desk("undo")
    assert desk.value("jaw") == 0.5
    desk("mirror", later_s=0.1)
    desk("mirror", later_s=0.1)
    desk("undo")
    assert desk.value("mirror") is True


def test_fifty_steps_are_kept(desk):
    """The last fifty steps can be undone, and no more."""
    for i in range(MAX_STEPS + 5):
        desk("set", thin=(i + 1) / 100)
    for _ in range(MAX_STEPS):
        desk("undo")
    assert desk.value("thin") == 0.05
    with pytest.raises(ControlError):
        desk("undo")


def test_an_undo_shows_the_camera_to_nobody(desk):
    """An undo after `blank` leaves the picture blank, and one after `background` leaves the room hidden."""
    desk("set", thin=0.5)
    desk("blank", on=True)
    desk("undo")
    assert desk.daemon.switches.blank
    desk("set", background="blur", background_blur=0.8)
    desk("set", background="colour")
    desk("undo")
    assert desk.value("background") == "blur"  # from hidden to hidden
    desk("undo")
    assert desk.value("background") == "blur"
    assert desk.value("background_blur") != 0.8


def test_what_others_changed_since_stays(desk):
    """An undo brings back the knobs of its step alone; values that the history has not seen stay."""
    desk("set", thin=0.5)
    desk.daemon.parameters = desk.daemon.parameters.replace(jaw=0.3)  # as a reload of config.toml does
    desk("undo")
    assert (desk.value("thin"), desk.value("jaw")) == (0.2, 0.3)


def test_presets_are_undone_too(desk, tmp_path):
    """A preset that was replaced, renamed or deleted comes back as it was, to the byte, and goes again with redo."""
    desk("set", thin=0.5)
    desk("presets.save", name="周末 look")
    path = tmp_path / "presets" / "周末 look.toml"
    was = path.read_bytes()
    desk("set", thin=0.7)
    desk("presets.save", name="周末 look", replace=True)
    desk("presets.rename", name="周末 look", to="été")
    desk("presets.delete", name="été")
    assert desk("undo")["presets"] == ["été"]
    desk("undo")
    assert path.is_file()
    desk("undo")
    assert path.read_bytes() == was
    desk("redo")
    assert path.read_bytes() != was


def test_the_active_preset_is_known_and_edited(desk):
    """The preset that was put on is on, edited as soon as a value differs, and an undo says what was on before."""
    assert desk("presets.active") == {"name": None, "edited": False}
    desk("presets.load", name="Doll")
    assert desk("presets.active") == {"name": "doll", "edited": False}
    desk("set", eyes=0.1)
    assert desk("presets.active") == {"name": "doll", "edited": True}
    desk("undo")
    assert desk("presets.active") == {"name": "doll", "edited": False}
    desk("presets.save", name="mine")
    assert desk("presets.active") == {"name": "mine", "edited": False}
    desk("presets.rename", name="mine", to="ours")
    assert desk("presets.active")["name"] == "ours"
    desk("presets.delete", name="ours")
    assert desk("presets.active")["name"] == "doll"  # whose values are set
    desk("reset")
    assert desk("presets.active")["name"] is None
    desk("undo")
    assert desk("presets.active")["name"] == "doll"


def test_the_active_preset_is_an_event(desk):
    """Who subscribes to `preset` and `history` hears of each change of them, and of no other."""
    events = desk.methods.events.subscribe(["preset", "history"], 60.0)
    got = [events.get(0.0), events.get(0.0)]
    assert {update.topic: update.data for update in got} == {
        "preset": {"name": None, "edited": False},
        "history": {"undo": 0, "redo": 0},
    }
    desk("presets.load", name="slim")
    news = {update.topic: update.data for update in iter(lambda: events.get(0.05), None)}
    assert news == {"preset": {"name": "slim", "edited": False}, "history": {"undo": 1, "redo": 0}}
    events.close()


def test_a_preset_travels_as_a_file(desk):
    """What is exported is imported with the same values; what is no preset is refused and changes nothing."""
    text = desk("presets.export", name="sculpted")["text"]
    desk("presets.import", name="from a friend", text=text)
    listed = {preset["name"]: preset["values"] for preset in desk("presets.list")["presets"]}
    assert listed["from a friend"] == listed["sculpted"]
    for text in ("thin = ", "thin = 99", "thick = 1", "[thin]\nx = 1", "\0", "a" * 40_000):
        with pytest.raises(ControlError, match=r"no preset|text"):
            desk("presets.import", name="bad", text=text)
    assert "bad" not in {preset["name"] for preset in desk("presets.list")["presets"]}
    with pytest.raises(ControlError, match="already"):
        desk("presets.import", name="From a friend", text="thin = 0.1")
