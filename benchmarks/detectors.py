"""Detectors: which faces dlib's HOG and BlazeFace find, upright, tilted, turned, small, half hidden; and the cost.

    python benchmarks/detectors.py                        # two minutes
    python benchmarks/detectors.py --json detectors.json

A find counts whose middle lies within 0.75 IOD of the face's. Each face is set, at a size (of dlib's box) and a tilt,
into a 1280 x 720 picture whose rest is the picture's own edge. Turned: heads of 20 degrees and more in the clips and
photographs. Hidden: a plain bar in the skin's mean colour over one half of the face. Both search the windows that the
tracker gives them for faces of 90 px and more. False: finds that are no face, in every sixth frame of the
clips (a skull is printed on one man's shirt), and what is left of them when the face mesh is asked for presence.
Where there are no real faces, the built-in portrait is all there is.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, Landmarks
from livewarp.face68 import Pose, fit_pose
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker
from livewarp.tracking.detector import SMALLEST_FACE_PX, Detection, Detector, Window
from livewarp.tracking.landmarks import BOX_SIDE_IOD, crop_face, pose_from_box
from livewarp.tracking.mesh import MeshLandmarks
from livewarp.tracking.models import DETECTORS

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HEIGHT, WIDTH = 720, 1280
LEAST_PX = 90  # the least face that the tracker looks for at 720p
NEAR_IOD = 0.75
MIDDLE = np.array((0.0, 0.37, 0.0))
CLIP_STEP = 6

Face = tuple[BgrFrame, Pose]


def photographs() -> Iterator[Face]:
    """Pictures with one face and its pose, by true points; without them, the built-in portrait."""
    manifest = DATA / "images68" / "manifest.json"
    if not manifest.is_file():
        source = PortraitSource(WIDTH, HEIGHT)
        frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        source.render(0, frame)
        yield frame, source.truth(0).pose
        return
    for item in json.loads(manifest.read_text())["items"]:
        points: Landmarks = np.array(item["points68_zero_based"], np.float32)
        yield cv2.imread(str(DATA / "images68" / item["file"])), fit_pose(points)  # type: ignore[misc]


def clip_frames(step: int) -> Iterator[tuple[str, BgrFrame, list[Pose]]]:
    """Clip, frame, and the faces that a tracker is sure of in it."""
    if not DATA.is_dir():
        return
    for path in sorted((DATA / "video").rglob("*")):
        if path.suffix not in {".mkv", ".mpg", ".mp4"}:
            continue
        video, tracker, index = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), FaceTracker(), 0
        every = step * (6 if path.parent.name == "video" else 1)  # the long ones
        while (read := video.read())[0]:
            faces = tracker.update(read[1], index / 30)  # type: ignore[arg-type]
            if index % every == 0:
                yield path.stem, read[1], [f.pose for f in faces if f.confidence > 0.5]  # type: ignore[misc]
            index += 1
        video.release()


def placed(face: Face, box_px: float, roll_deg: float) -> tuple[BgrFrame, Pose]:
    """A face at a size and tilt, in the middle of a 720p picture."""
    frame, pose = face
    iod = box_px / BOX_SIDE_IOD
    factor, turn = iod / pose.iod_px, math.radians(roll_deg)
    middle = pose.project(MIDDLE)
    c, s = factor * math.cos(turn), factor * math.sin(turn)
    linear = np.array([[c, -s], [s, c]])
    shift = np.array((WIDTH / 2, HEIGHT / 2)) - linear @ middle
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    if factor < 0.5:  # sampling would alias
        small = cv2.resize(frame, None, fx=2 * factor, fy=2 * factor, interpolation=cv2.INTER_AREA)
        frame, linear = small, linear / (2 * factor)
    matrix = np.column_stack([linear, shift])
    out = cv2.warpAffine(frame, matrix, (WIDTH, HEIGHT), flags=how, borderMode=cv2.BORDER_REPLICATE)
    x, y = linear @ (np.array((pose.x, pose.y)) * frame.shape[0] / face[0].shape[0]) + shift
    return out, Pose(float(x), float(y), iod, pose.roll + turn, pose.yaw, pose.pitch)  # type: ignore[return-value]


def hidden(frame: BgrFrame, pose: Pose, side: str) -> BgrFrame:
    """A copy with one half of the face behind a bar: its left, its lower or its upper half."""
    corners = {
        "left": ((0.05, -0.9), (1.4, 1.6)),
        "lower": ((-1.0, 0.55), (1.0, 2.2)),
        "upper": ((-1.0, -1.2), (1.0, 0.22)),
    }
    (x0, y0), (x1, y1) = corners[side]
    points = pose.project(np.array([(x0, y0, 0.0), (x1, y0, 0.0), (x1, y1, 0.0), (x0, y1, 0.0)]))
    cheek = pose.project(np.array([(-0.45, 0.45, 0.0)]))[0].round().astype(int)
    patch = frame[max(0, cheek[1] - 4) : cheek[1] + 5, max(0, cheek[0] - 4) : cheek[0] + 5]
    out = frame.copy()
    cv2.fillConvexPoly(out, points.round().astype(np.int32), patch.reshape(-1, 3).mean(axis=0).tolist(), cv2.LINE_AA)
    return out


def windows(frame: BgrFrame, least_px: float = LEAST_PX) -> list[Window]:
    """What the tracker has searched of a whole frame: at the scale of the least face, and at a third of that."""
    h, w = frame.shape[:2]
    scale = min(2.0, 1.05 * SMALLEST_FACE_PX / least_px)
    return [Window(0, 0, w, h, scale), Window(0, 0, w, h, 0.35 * scale)]


def search(detector: Detector, frame: BgrFrame, least_px: float = LEAST_PX) -> list[Detection]:
    """All finds."""
    return [d for w in windows(frame, least_px) for d in detector.find(detector.shrink(frame, w), w)]


def is_near(found: Detection, pose: Pose) -> bool:
    """Whether a find is this face."""
    x, y = pose.project(MIDDLE)
    return math.hypot((found.x0 + found.x1) / 2 - x, (found.y0 + found.y1) / 2 - y) < NEAR_IOD * pose.iod_px


class Table:
    """Finds and costs by row and detector."""

    def __init__(self) -> None:
        self.detectors = {name: make() for name, make in DETECTORS.items()}
        self.found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
        self.spent_ms: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.roll_deg: dict[str, list[float]] = defaultdict(list)

    def look(self, row: str, frame: BgrFrame, pose: Pose, least_px: float = LEAST_PX) -> None:
        """Let both search a frame for a face."""
        for name, detector in self.detectors.items():
            before = time.thread_time()
            found = search(detector, frame, least_px)
            self.spent_ms[row][name].append(1e3 * (time.thread_time() - before))
            own = [d for d in found if is_near(d, pose)]
            self.found[row][name].append(bool(own))
            if own:
                self.roll_deg[name].append(abs(math.degrees(math.remainder(own[0].roll - pose.roll, math.tau))))

    def print(self) -> dict[str, Any]:
        """Print; the figures."""
        names = list(self.detectors)
        print(f"{'':28}{'faces':>6}" + "".join(f"{n + ' found':>14}{'ms':>8}" for n in names))
        figures: dict[str, Any] = {}
        for row, found in self.found.items():
            cells = {
                n: {
                    "found": sum(found[n]),
                    "of": len(found[n]),
                    "cpu_ms": float(np.median(self.spent_ms[row][n])),
                }
                for n in names
            }
            figures[row] = cells
            of = len(found[names[0]])
            texts = "".join(f"{100 * c['found'] / of:12.0f} %{c['cpu_ms']:8.1f}" for c in cells.values())
            print(f"{row:28}{of:6}{texts}", flush=True)
        return figures


def presence(mesh: MeshLandmarks, frame: BgrFrame, found: Detection, poses: list[Pose]) -> float:
    """What the face mesh says of a find, 0 to 1; 0 too where it went over to a real face beside it."""
    pose = pose_from_box(*found[:4], found.roll)
    for _ in range(2):
        landmarks, evidence, _ = mesh.predict(crop_face(frame, pose, mesh.crop), pose)
        pose = fit_pose(landmarks)
    x, y = pose.project(MIDDLE)
    beside = any(math.hypot(*(p.project(MIDDLE) - (x, y))) < NEAR_IOD * p.iod_px for p in poses)
    return 0.0 if beside else float(evidence or 0.0)


def false_finds(detectors: dict[str, Detector], step: int) -> dict[str, Any]:
    """What is taken for a face in the clips and in noise."""
    mesh = MeshLandmarks()
    counts: dict[str, Any] = {n: {"clips": 0, "noise": 0, "left after the mesh": 0} for n in detectors}
    frames = 0

    def note(kind: str, name: str, frame: BgrFrame, found: Detection, poses: list[Pose]) -> None:
        counts[name][kind] += 1
        counts[name]["left after the mesh"] += presence(mesh, frame, found, poses) >= 0.11

    for _, frame, poses in clip_frames(step):
        if not poses:
            continue  # where nobody is sure of a face, nobody can say which find is none
        frames += 1
        for name, detector in detectors.items():
            for found in search(detector, frame):
                if not any(is_near(found, p) for p in poses):
                    note("clips", name, frame, found, poses)
    rng = np.random.default_rng(0)
    for n in range(30):
        grain = 2 ** (n % 6)
        small: NDArray[np.uint8] = rng.integers(0, 256, (HEIGHT // grain, WIDTH // grain, 3)).astype(np.uint8)
        noise = cv2.resize(small, (WIDTH, HEIGHT))
        for name, detector in detectors.items():
            for found in search(detector, noise):  # type: ignore[arg-type]
                note("noise", name, noise, found, [])  # type: ignore[arg-type]
    print(f"\nfalse finds in {frames} frames of clips and 30 of noise")
    for name, row in counts.items():
        print(f"  {name:8}" + ", ".join(f"{kind}: {count}" for kind, count in row.items()))
    return {"frames": frames, **counts}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs; its figures say nothing")
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    table = Table()
    faces = list(photographs())[: 2 if args.quick else None]
    if not DATA.is_dir():
        print(f"no real faces here, {DATA.parent.name}/{DATA.name} is missing: the portrait alone")
    for size in (90,) if args.quick else (70, 90, 110, 150, 250):
        for roll in (0,) if args.quick else (0, 20, 45, 70):
            for face in faces:
                table.look(f"{size} px, tilted {roll}°", *placed(face, size, roll))
    for side in ("left", "lower", "upper"):
        for face in faces:
            frame, pose = placed(face, 150, 0)
            table.look(f"150 px, {side} half hidden", hidden(frame, pose, side), pose)
    for face in faces:
        yaw = abs(math.degrees(face[1].yaw))
        if yaw >= 20:
            table.look("150 px, turned 20° or more", *placed(face, 150, 0))
    if not args.quick:
        for _, frame, poses in clip_frames(CLIP_STEP):
            for pose in poses:
                kind = "turned 20° or more" if abs(math.degrees(pose.yaw)) >= 20 else "frontal"
                # Scaled like a 720p frame: the least face for which it is searched is the same share of it.
                table.look(f"clips, {kind}", frame, pose, LEAST_PX * min(frame.shape[:2]) / HEIGHT)
    figures = table.print()
    rolls = {name: float(np.median(values)) for name, values in table.roll_deg.items() if values}
    print("tilt of what is found, off by (median): " + ", ".join(f"{n} {v:.1f}°" for n, v in rolls.items()))
    result = {"finds": figures, "roll_off_deg": rolls}
    if not args.quick:
        result["false"] = false_finds(table.detectors, CLIP_STEP)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
