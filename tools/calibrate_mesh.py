"""Learns how the face mesh reads as the 68 points; writes livewarp/assets/mesh.npz.

    python tools/calibrate_mesh.py DATA

DATA holds `images68` (photographs with their 68 points) and `video` (clips, on which dlib's points, the mean
over twelve shifted crops, stand for the truth). Two things are learned, in two passes over both:

1. the mean mesh, by Procrustes in space, made symmetric, and laid into the axes of `face68.MEAN_FACE`;
2. for each of the 68 points, the offset in those axes from its mesh point.

Printed is what remains, each person judged by the offsets learned from the others.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from livewarp.arrays import BgrFrame, Landmarks
from livewarp.face68 import MEAN_FACE, MIRROR, Pose, fit_pose
from livewarp.tracking import FaceTracker
from livewarp.tracking.forest import ForestLandmarks
from livewarp.tracking.landmarks import crop_face, crop_matrix
from livewarp.tracking.mesh import MESH_68, MESH_CROP, fit_rotation, rigid_points, run_mesh
from livewarp.tracking.network import open_network
from livewarp.tracking.weights import FACE_MESH, find_weights

ROOT = Path(__file__).resolve().parents[1]
STEPS = {"cap12_edit": 20, "cap13_edit2": 15}  # frames between two that are looked at, of long clips
STEP = 6
AGREE_IOD = 0.25  # further apart on average, one of the two is not on the face
RIDGE = 0.3  # most heads look ahead: their depth says little about the offsets'
AREAS = {"jaw": range(17), "brows": range(17, 27), "nose": range(27, 36), "eyes": range(36, 48), "mouth": range(48, 68)}


class Sample(NamedTuple):
    """One face: who, its mesh (468, 3) and its 68 points (68, 2), both in px of the crop at `pose`."""

    person: str
    mesh: NDArray[np.float64]
    points: NDArray[np.float64]


def photographs(folder: Path) -> Iterator[tuple[str, BgrFrame, Landmarks]]:
    """Person, picture and true points of each photograph."""
    for path in sorted(folder.glob("*.pts")):
        rows = [line.split() for line in path.read_text().splitlines()]
        points = np.array([[float(x), float(y)] for x, y in (r for r in rows if len(r) == 2 and r[0][0].isdigit())])
        picture = next(p for p in folder.glob(f"{path.stem}.*") if p.suffix != ".pts")
        yield path.stem, cv2.imread(str(picture)), (points - 1).astype(np.float32)  # .pts count from 1


def clips(folder: Path, dlib_model: ForestLandmarks) -> Iterator[tuple[str, BgrFrame, Landmarks]]:
    """Person, frame and dlib's points of every few frames in which a face is followed."""
    rng = np.random.default_rng(68)
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".mp4", ".mpg", ".mkv"}):
        tracker, capture, step = FaceTracker(), cv2.VideoCapture(str(path)), STEPS.get(path.stem, STEP)
        person = path.parent.name if path.parent.name == "asl" else path.stem[:3] if path.stem in STEPS else path.stem
        number = 0
        while True:
            read, frame = capture.read()
            if not read:
                break
            faces = tracker.update(frame, number / 30)
            number += 1
            if faces and faces[0].confidence > 0.9 and number % step == 1:
                yield person, frame, calm_points(frame, faces[0].pose, dlib_model, rng)


def calm_points(frame: BgrFrame, pose: Pose, model: ForestLandmarks, rng: np.random.Generator) -> Landmarks:
    """The mean of dlib's points over twelve crops that are a little off."""
    every = []
    for dx, dy, grow, turn in rng.normal(0, 0.02, (12, 4)):
        off = dataclasses.replace(
            pose,
            x=pose.x + dx * pose.iod_px,
            y=pose.y + dy * pose.iod_px,
            iod_px=pose.iod_px * (1 + grow),
            roll=pose.roll + turn,
        )
        every.append(model.predict(crop_face(frame, off, model.crop), off).landmarks)
    return np.mean(every, axis=0)  # type: ignore[no-any-return]


def sample(person: str, frame: BgrFrame, points: Landmarks, net: cv2.dnn.Net) -> Sample:
    """The mesh of the face at these points."""
    pose = fit_pose(points)
    mesh, _ = run_mesh(net, crop_face(frame, pose, MESH_CROP))
    matrix = crop_matrix(pose, MESH_CROP)
    return Sample(person, mesh, points @ matrix[:, :2].T + matrix[:, 2])


def mean_mesh(samples: list[Sample]) -> NDArray[np.float64]:
    """The mean of the meshes (468, 3), symmetric, in the axes and unit of `MEAN_FACE`."""
    mean = samples[0].mesh
    for _ in range(8):
        fits = [(s.mesh, *fit_rotation(mean, s.mesh)) for s in samples]
        mean = np.mean([(mesh - origin) @ rotation / scale for mesh, scale, rotation, origin in fits], axis=0)
    mean = into_face_axes(mean)
    for _ in range(3):
        mirrored = mean * (-1, 1, 1)
        twin = ((mean[:, None] - mirrored[None]) ** 2).sum(axis=-1).argmin(axis=1)
        assert (twin[twin] == np.arange(len(twin))).all(), "the mesh has no mirror order"
        mean = into_face_axes((mean + mirrored[twin]) / 2)
    return mean


def into_face_axes(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mesh turned, scaled and moved so that its 68 points lie nearest to the mean face."""
    scale, rotation, origin = fit_rotation(mean[MESH_68], MEAN_FACE.astype(np.float64))
    return scale * (mean @ rotation.T) + origin


def wanted_offsets(samples: list[Sample], mean: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """(n, 68, 2) from mesh points to true points in IOD, and the cameras (n, 2, 3) that look at them."""
    rigid = rigid_points(mean)
    offsets, cameras = [], []
    for s in samples:
        scale, rotation, _ = fit_rotation(mean[rigid], s.mesh[rigid])
        offsets.append((s.points - s.mesh[MESH_68, :2]) / scale)
        cameras.append(rotation[:2])
    return np.array(offsets), np.array(cameras)


def solve(offsets: NDArray, cameras: NDArray, persons: NDArray) -> NDArray[np.float64]:
    """The offsets in space (68, 3) that the cameras see as `offsets`, every person counting the same; symmetric."""
    weight = np.array([1 / np.sqrt((persons == p).sum()) for p in persons])[:, None, None]
    seen = (offsets * weight).transpose(0, 2, 1).reshape(-1, 68)
    design = (cameras * weight).reshape(-1, 3)
    found = np.linalg.solve(design.T @ design + RIDGE * np.eye(3), design.T @ seen).T
    return (found + found[list(MIRROR)] * (-1, 1, 1)) / 2


def main() -> None:
    """Learn, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with images68 and video")
    folder = parser.parse_args().data
    net = open_network(FACE_MESH)
    dlib_model = ForestLandmarks(find_weights())
    every = [*photographs(folder / "images68"), *clips(folder / "video", dlib_model)]
    samples = [sample(*one, net) for one in every]
    mean = mean_mesh(samples)
    offsets, cameras = wanted_offsets(samples, mean)
    agree = np.sqrt((offsets**2).sum(axis=-1)).mean(axis=1) < AGREE_IOD
    before = distance(offsets[agree])
    print(f"{len(samples)} faces, {agree.sum()} of them agreed on; mean distance before {before:.2f} %")
    persons = np.array([s.person for s in samples])[agree]
    offsets, cameras = offsets[agree], cameras[agree]

    errors = {}
    for person in sorted(set(persons)):
        own = persons == person
        learned = solve(offsets[~own], cameras[~own], persons[~own])
        left = offsets[own] - np.einsum("nij,kj->nki", cameras[own], learned)
        errors[person] = np.sqrt((left**2).sum(axis=-1)).mean(axis=0)
    photos = {one[0] for one in every[:40]}
    for name, who in (("photographs", photos), ("clips", set(errors) - photos)):
        per_point = 100 * np.mean([errors[p] for p in errors if p in who], axis=0)
        areas = ", ".join(f"{area} {per_point[list(points)].mean():.1f}" for area, points in AREAS.items())
        print(f"{name}: {per_point.mean():.2f} % of IOD remain ({areas})")
    learned = solve(offsets, cameras, persons)
    np.savez_compressed(
        ROOT / "livewarp" / "assets" / "mesh.npz", mean=mean.astype(np.float32), offsets=learned.astype(np.float32)
    )


def distance(offsets: NDArray) -> float:
    """Mean length of offsets (n, 68, 2), % of IOD."""
    return float(100 * np.sqrt((offsets**2).sum(axis=-1)).mean())


if __name__ == "__main__":
    main()
