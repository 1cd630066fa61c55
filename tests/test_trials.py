"""Looks tried on the newest face: only for who asks, and never what is to be hidden."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from control_fixture import FakeDaemon
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.presets import Presets
from livewarp.control.web.thumbnails import thumbnails
from livewarp.errors import ParameterError
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.live.trials import ASKED_S, NEXT_S, Thumbnail, Trials
from livewarp.parameters import Parameters, Switches
from livewarp.worker import Worker

LOOKS = {"slim": {"thin": 1.0}, "doll": {"eyes": 0.9}}
PLAIN = Parameters(thin=0.0, eyes=0.0)


@pytest.fixture
def frame(noise):
    """A frame with structure everywhere."""
    return noise


@pytest.fixture
def face():
    """A face in its middle."""
    pose = Pose(240.0, 170.0, 70.0, 0.0, 0.0, 0.0)
    return Face.from_landmarks(pose.project(MEAN_FACE).astype(np.float32))


class Desk:
    """Trials whose clock and worker are a test's own."""

    def __init__(self):
        self.now_s = 0.0
        self.trials = Trials(lambda: self.now_s)
        self.worker = Worker(synchronous=True)

    def pictures(self, frame, face, parameters=PLAIN, looks=LOOKS, trying=None, times=4):
        """What is made of a frame that comes again and again while somebody asks: by look."""
        for _ in range(times):
            self.trials.ask(looks, trying)
            self.trials.offer(frame, (face,) if face else (), parameters, self.worker)
            self.now_s += NEXT_S + 0.01
        return {t.look: t for t in self.trials.ask(looks, trying)}


def decoded(thumbnail):
    """Its pixels."""
    return cv2.imdecode(np.frombuffer(thumbnail.jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_each_look_has_a_picture_of_its_own(frame, face):
    """Each look is rendered on the face, small or large, says where it is, and the frame stays as it was."""
    before = frame.copy()
    desk = Desk()
    made = desk.pictures(frame, face, times=12)
    assert made.keys() == LOOKS.keys()
    slim, doll = (decoded(made[look]).astype(int) for look in LOOKS)
    assert slim.shape == (160, 160, 3)
    assert np.abs(slim - doll).max() > 30
    left, top, width, height = made["slim"].box
    assert 0 <= left < left + width <= 1
    assert 0 <= top < top + height <= 1
    assert width * 480 == pytest.approx(height * 360, abs=1)
    np.testing.assert_array_equal(frame, before)
    large = desk.pictures(frame, face, trying="doll", times=8)["doll"]
    assert large.trying
    assert decoded(large).shape == (448, 448, 3)


def test_at_most_two_a_second_and_none_unasked(frame, face):
    """Thumbnails come at most every half second; without a question nothing is copied, and it ends by itself."""
    desk = Desk()
    desk.trials.offer(frame, (face,), PLAIN, desk.worker)
    assert not desk.trials.asked
    for _ in range(40):  # four seconds at ten frames a second
        desk.trials.ask(LOOKS, None)
        desk.trials.offer(frame, (face,), PLAIN, desk.worker)
        desk.now_s += 0.1
    assert max(t.number for t in desk.trials.ask(LOOKS, None)) <= 8
    desk.now_s += ASKED_S + 0.1
    desk.trials.offer(frame, (face,), PLAIN, desk.worker)
    assert not desk.trials.asked
    assert desk.trials.ask(LOOKS, None) == []


def test_no_face_no_picture(frame, face):
    """Without a face that is believed there is no thumbnail."""
    assert Desk().pictures(frame, None) == {}
    doubted = Face(face.landmarks, face.pose, 1, 0.2)
    assert Desk().pictures(frame, doubted) == {}


@pytest.mark.parametrize("hiding", [{"background": "blur"}, {"background": "colour"}, {"hide_alone": True}])
def test_a_hidden_room_is_in_no_thumbnail(frame, face, hiding):
    """While the room is hidden a thumbnail shows the face and one colour, whatever the room holds, and says so."""
    values = PLAIN.replace(**hiding)
    elsewhere = 255 - frame
    hull = cv2.convexHull(np.rint(face.landmarks).astype(np.int32))
    inside = cv2.dilate(cv2.fillConvexPoly(np.zeros(frame.shape[:2], np.uint8), hull, 1), np.ones((71, 71), np.uint8))
    other_room = np.where(inside[..., None] == 1, frame, elsewhere)
    one, two = (Desk().pictures(picture, face, values, times=2)["slim"] for picture in (frame, other_room))
    assert one.hidden
    np.testing.assert_array_equal(decoded(one), decoded(two))
    assert np.abs(decoded(one)[2, 2].astype(int) - [0x52, 0x4A, 0x3C]).max() < 8  # the cover's colour


def test_a_mirrored_picture_has_mirrored_thumbnails(frame, face):
    """While the picture is mirrored, so are the thumbnails and the place that they name."""
    plain, mirrored = (
        Desk().pictures(frame, face, PLAIN.replace(mirror=on), {"none": {}}, times=2)["none"] for on in (False, True)
    )
    assert np.abs(decoded(plain)[:, ::-1].astype(int) - decoded(mirrored)).mean() < 3
    assert mirrored.box[0] == pytest.approx(1 - plain.box[0] - plain.box[2])


def answer(methods, **query):
    """The heads and pictures of an answer."""
    head, _, rest = thumbnails(methods, query).partition(b"\n")
    heads = json.loads(head)
    assert sum(each["bytes"] for each in heads) == len(rest)
    return [each["look"] for each in heads]


def test_nothing_of_the_camera_goes_out_while_it_must_not(tmp_path):
    """Blanked there is no thumbnail; while the room is hidden none that shows it; a reader gets what is new to them."""
    daemon = FakeDaemon()
    methods = Dispatcher(daemon, Presets(tmp_path))
    box = (0.0, 0.0, 1.0, 1.0)
    daemon.made = [Thumbnail("slim", b"open", 3, box, False), Thumbnail("doll", b"hidden", 4, box, True)]
    assert answer(methods) == ["slim", "doll"]
    assert answer(methods, since="3") == ["doll"]
    daemon.parameters = daemon.parameters.replace(background="blur")
    assert answer(methods) == ["doll"]
    daemon.switches = Switches(blank=True)
    assert answer(methods) == []
    for query in ({"since": "x"}, {"since": "-1"}, {"size": "9"}):
        with pytest.raises(ParameterError):
            thumbnails(methods, query)
