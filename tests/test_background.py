"""The background fails closed: whatever happens, no pixel of the room gets out while it is to be hidden."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from control_fixture import FakeDaemon
from livewarp.daemon.report import state_of
from livewarp.filtering import background, hiding
from livewarp.filtering.background import ALONE_S, Background
from livewarp.filtering.filter import FaceFilter
from livewarp.knobs import Value
from livewarp.live.state import StateName
from livewarp.parameters import BACKGROUND, Parameters, Switches, effective, hides, hides_as_much
from livewarp.scene import Mask, Scene
from livewarp.segmentation.person import MASK_SIDE, PersonNetwork
from livewarp.segmentation.reduced import buffers_for, reduce_frame
from livewarp.sinks.preview import Picture, Preview
from livewarp.sinks.sender import Sender
from livewarp.sinks.videofile import VideoFileSink
from livewarp.tracking import FaceTracker
from panel_fixture import ask, serve_panel
from samples import face_at
from scripted import CAMERA_RED, SHAPE, RecordingSink, ScriptedFilter, ScriptedSource, engine_of, wait_for

BARE: dict[str, Value] = {"thin": 0.0, "eyes": 0.0}
HIDDEN = Parameters(**BARE, background="colour", background_colour="#102030")
OPEN = Parameters(**BARE)
COLOUR = (0x30, 0x20, 0x10)


class Disc(PersonNetwork):
    """Finds a person in the middle of every picture, until it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.found = 0

    def find(self, picture: np.ndarray, before: np.ndarray | None, wide: bool = False) -> np.ndarray:
        """A disc."""
        assert self.may_go_on.wait(500)
        if self.failure is not None:
            raise self.failure
        self.found += 1
        mask = np.zeros((MASK_SIDE, MASK_SIDE), np.uint8)
        return np.asarray(cv2.circle(mask, (128, 128), 60, 255, -1))


class Room:
    """A live engine with a real filter, a scripted network, a sink and a preview that both kinds of viewer watch."""

    def __init__(self, parameters: Parameters, *sinks: Any, glide_s: float = 0.0) -> None:
        self.network = Disc()
        self.filter = FaceFilter(parameters, FaceTracker(live=True, model="mesh"), glide_s)
        self.filter._people._network = self.network
        self.source, self.sink, self.pictures = ScriptedSource(live=True), RecordingSink(), list[Picture]()
        self.preview = Preview(self.pictures.append, self.pictures.append)
        self.preview.watch()
        self.preview.watch(split=True)
        self.preview.start()
        self.engine, self.ended = engine_of(
            self.source,
            self.sink,
            *sinks,
            face_filter=self.filter,
            preview=self.preview,  # type: ignore[arg-type]
        )

    def sent(self, count: int = 25) -> None:
        """Wait for so many frames more."""
        begun = len(self.sink.kinds)
        wait_for(lambda: len(self.sink.kinds) > begun + count)

    def close(self) -> None:
        """End it."""
        self.network.may_go_on.set()
        self.engine.stop()
        assert self.ended.wait(500)
        self.preview.close()

    def red_seen(self) -> int:
        """The highest red in a corner of all that viewers got; both halves."""
        reds = []
        for picture in self.pictures:
            if picture.camera:
                image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
                half = image.shape[0] // picture.halves
                reds += [int(image[i * half + 2, 2, 2]) for i in range(picture.halves)]
        return max(reds, default=0)


def break_nothing(room: Room) -> None:
    """All goes well."""


def fail_to_compile(room: Room) -> None:
    """The stage's kernels cannot be had."""

    def prepare(height: int, width: int) -> None:
        raise RuntimeError("no compiler")

    step_of(room.filter)._preparation._run = lambda size: prepare(*size)


def hang_compiling(room: Room) -> None:
    """The stage's kernels never come."""
    step_of(room.filter)._preparation._run = lambda size: room.network.may_go_on.wait(500)
    room.network.may_go_on.clear()


def fail_to_find(room: Room) -> None:
    """The network raises."""
    room.network.failure = RuntimeError("no memory")


def hang_finding(room: Room) -> None:
    """The network never answers."""
    room.network.may_go_on.clear()


def kill_the_worker(room: Room) -> None:
    """The worker's thread has ended."""
    worker = room.filter._tracker.worker
    worker._stop = True
    worker._ring()
    assert worker._thread is not None
    worker._thread.join(500)


def fail_to_carry(room: Room) -> None:
    """What moves masks raises."""
    room.filter._people._take = raise_fault  # type: ignore[method-assign]


def fail_to_blend(room: Room) -> None:
    """The stage raises in the middle of a frame."""
    step_of(room.filter).work._replace = raise_fault  # type: ignore[attr-defined]


def raise_fault(*_: Any) -> Any:
    """A fault."""
    raise RuntimeError("fault")


def step_of(face_filter: FaceFilter) -> Any:
    """The background's, in a filter."""
    return next(step for step in face_filter._steps if step.stage.name == "background")


FAULTS = [
    fail_to_compile,
    hang_compiling,
    fail_to_find,
    hang_finding,
    kill_the_worker,
    fail_to_carry,
    fail_to_blend,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_no_pixel_of_the_room_gets_out_whatever_fails_from_the_start(fault: Any) -> None:
    """Wanted from the first frame on, with a part that fails: every frame is the cover, and the state says why."""
    room = Room(HIDDEN)
    fault(room)
    room.engine.start()
    wait_for(lambda: tuple(room.sink.last[1, 1]) == COLOUR)
    room.sent()
    assert "camera" not in room.sink.kinds
    assert (room.sink.last == COLOUR).all()
    assert state_of(room.engine)["covered"]
    assert room.red_seen() < CAMERA_RED - 60
    room.close()


@pytest.mark.parametrize("fault", [fail_to_find, hang_finding, kill_the_worker, fail_to_carry, fail_to_blend])
def test_no_pixel_of_the_room_gets_out_when_a_part_dies_under_way(fault: Any) -> None:
    """People are shown, a part dies: the room stays hidden, and soon everything is, which the state says."""
    room = Room(HIDDEN)
    room.engine.start()
    middle = room.source.height // 2, room.source.width // 2
    wait_for(lambda: room.sink.last[middle][2] == CAMERA_RED)
    assert tuple(room.sink.last[1, 1]) == COLOUR
    assert state_of(room.engine)["covered"] == ""
    fault(room)
    wait_for(lambda: (room.sink.last == COLOUR).all() and state_of(room.engine)["covered"])
    room.engine.switches = Switches(freeze=True)
    room.sent(10)
    room.engine.switches = Switches()
    room.sent(10)
    assert "camera" not in room.sink.kinds
    assert room.red_seen() < CAMERA_RED - 60
    room.close()


def test_a_room_that_has_been_seen_is_hidden_from_the_next_frame_on() -> None:
    """Frozen or live, compared or not: once asked for, neither a kept frame nor a raw half shows it any more."""
    room = Room(OPEN)
    room.engine.start()
    wait_for(lambda: len(room.sink.numbers) > 5 and any(p.halves == 2 for p in room.pictures))
    room.engine.switches = Switches(freeze=True)
    room.sent(5)
    room.engine.parameters = HIDDEN
    begun = room.engine.next_frame
    wait_for(lambda: len(room.sink.kinds) > begun + 20)
    assert "camera" not in room.sink.kinds[begun:]
    room.engine.switches = Switches()
    room.sent()
    assert "camera" not in room.sink.kinds[begun:]
    hidden = [picture for picture in room.pictures if picture.hidden]
    assert {picture.halves for picture in hidden} == {1}
    room.engine.parameters = HIDDEN.replace(background_compare=True)
    wait_for(lambda: room.pictures[-1].hidden and room.pictures[-1].halves == 2)
    room.engine.parameters = OPEN  # only the user turns it off
    wait_for(lambda: room.sink.kinds[-1] == "camera")
    room.close()


def test_no_pixel_of_the_room_is_recorded_or_served_whatever_is_pressed(tmp_path: Path) -> None:
    """Bypass, strength, glide, freeze, another model, a silent camera: neither file nor HTTP ever shows the room."""
    path = tmp_path / "call.mkv"
    file = Sender(VideoFileSink(path, SHAPE[1], SHAPE[0], 200.0), SHAPE[1], SHAPE[0])
    room, daemon = Room(HIDDEN, file, glide_s=0.3), FakeDaemon()
    daemon.parameters = HIDDEN
    reds = []
    with serve_panel(daemon, room.preview, tmp_path) as panel:

        def look() -> None:
            for _ in range(2):
                reply = ask(panel.address, "GET", "/snapshot.jpg")
                if reply.status == 200:
                    image = cv2.imdecode(np.frombuffer(reply.body, np.uint8), cv2.IMREAD_COLOR)
                    reds.append(int(image[2, 2, 2]))

        room.engine.start()
        look()
        wait_for(lambda: len(room.sink.kinds) > 5)
        for change in (
            {"enabled": False, "strength": 0.0},
            {"background_colour": "#304050", "hide_alone": True},
            {"background": "picture", "background_picture": "studio"},
            {"background": "picture", "background_picture": "nosuch", "hide_alone": False},
            dict(HIDDEN),
        ):
            room.engine.parameters = room.engine.parameters.replace(**change)
            room.sent(8)
            look()
        room.engine.switches = Switches(freeze=True)
        room.filter.use_model("mesh")
        room.sent(5)
        room.source.gate.clear()
        room.engine.switches = Switches()
        wait_for(lambda: room.engine.state.state == StateName.STALLED)
        room.source.gate.set()
        wait_for(lambda: room.engine.state.state == StateName.RUNNING)
        room.sent(8)
        look()
        room.close()
    assert "camera" not in room.sink.kinds
    video = cv2.VideoCapture(str(path))
    while (got := video.read())[0]:
        reds.append(int(got[1][1:6, 1:6, 2].max()))
    assert len(reds) > 20
    assert max(reds) < CAMERA_RED - 40


def test_the_frame_under_way_is_covered() -> None:
    """Asked for between tracking and sending, it holds for that very frame."""
    source, sink, face_filter = ScriptedSource(live=True), RecordingSink(), ScriptedFilter()
    engine, ended = engine_of(source, sink, face_filter=face_filter)
    at: list[int] = []

    def hide() -> None:
        if len(sink.numbers) == 5 and not at:
            at.append(len(sink.kinds))
            engine.parameters = HIDDEN

    face_filter.on_render = hide
    engine.start()
    wait_for(lambda: at and len(sink.kinds) > at[0] + 3)
    assert sink.kinds[at[0]] == "placeholder"
    engine.stop()
    assert ended.wait(500)


def test_only_the_user_turns_it_off() -> None:
    """Bypass and strength leave it alone, presets do not hold it, and a frame is compared by what it hides."""
    assert hides(effective(HIDDEN.replace(enabled=False, strength=0.0)))
    assert not any(knob.in_presets or knob.scaled for knob in BACKGROUND)
    alone = OPEN.replace(hide_alone=True)
    order = [OPEN, alone, HIDDEN.replace(hide_alone=True)]
    for i, made_with in enumerate(order):
        assert [hides_as_much(made_with, wanted) for wanted in order] == [k <= i for k in range(3)]
    assert not hides_as_much(alone, HIDDEN)
    assert not hides_as_much(HIDDEN, alone)


@pytest.mark.parametrize("way", ["none", "blur", "colour"])
def test_a_cover_leaves_nothing_that_can_be_recognised(way: str, noise: np.ndarray) -> None:
    """Of a frame full of detail, a colour leaves nothing and a blur no detail, at any size of frame."""
    for size in ((720, 1280), (36, 48), (7, 5), (1, 1)):
        frame = cv2.resize(noise, size[::-1], interpolation=cv2.INTER_NEAREST)
        values = HIDDEN.replace(background=way, hide_alone=way == "none")
        hiding.cover(frame, values)
        if way == "colour":
            assert (frame == COLOUR).all()
        elif size == (720, 1280):
            assert cv2.absdiff(frame, cv2.GaussianBlur(frame, (0, 0), 9)).max() < 4


def scene_at(now_s: float, faces: tuple[Any, ...] = (), mask: np.ndarray | None = None, trust: float = 1.0) -> Scene:
    """A scene of a frame of noise, 64x48."""
    reduced = buffers_for(48, 64)
    reduce_frame(np.full((48, 64, 3), 200, np.uint8), reduced)
    masks = () if mask is None else (Mask(mask, now_s, trust=trust),)
    return Scene(faces, masks, now_s, reduced)


def test_an_empty_room_is_covered_and_a_person_shown_again() -> None:
    """Until somebody is seen, and some seconds after the last one, everything is covered; a face or a mask counts."""
    stage, wanted = Background(), OPEN.replace(hide_alone=True)
    mask = np.zeros((16, 16), np.uint8)
    mask[3:13, 5:11] = 255
    nobody = np.zeros_like(mask)
    steps = [
        (0.0, (), None, True),
        (1.0, (face_at(30, 20, 10),), nobody, False),
        (1.0 + ALONE_S - 0.1, (), nobody, False),
        (1.0 + ALONE_S + 0.1, (), nobody, True),
        (6.0, (), mask, False),
        (6.0 + ALONE_S + 0.1, (), None, True),
        (5.0, (), None, True),
    ]
    for now_s, faces, weights, is_covered in steps:
        frame = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        before = frame.copy()
        stage.run(frame, scene_at(now_s, faces, weights), wanted, 0)
        assert (stage.covered == background.NOBODY) == is_covered, now_s
        assert (frame == before).all() != is_covered


def test_doubt_fades_towards_the_cover() -> None:
    """The less a mask is trusted, the less of the person is left, down to none; without one there is none."""
    mask = np.full((16, 16), 255, np.uint8)
    seen = []
    for trust in (1.0, 0.7, 0.3, 0.05):
        frame = np.full((48, 64, 3), 200, np.uint8)
        stage = Background()
        stage.run(frame, scene_at(0.0, mask=mask, trust=trust), HIDDEN, 0)
        seen.append(float(frame[24, 32, 2]))
    assert seen[0] == 200
    assert (np.diff(seen) < -20).all()
    assert seen[-1] < 0x10 + 15


def test_off_it_costs_nothing_and_changes_no_byte(noise: np.ndarray) -> None:
    """Without the wish nothing is made smaller, no network is loaded, and the frame is what it was."""
    frames = FaceFilter(OPEN, FaceTracker(model="mesh"))
    out = frames.apply(noise)
    np.testing.assert_array_equal(out, noise)
    assert frames._people.reduced is None
    assert not frames._people._network._nets
    frames.parameters = HIDDEN
    assert (frames.apply(noise) != noise).any()
    assert frames._people.reduced is not None
