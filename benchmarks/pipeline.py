"""The whole way of a frame, from the camera's pixels to the virtual camera's, against what else one could write.

Everybody finds the face in a 720p clip, thins it, enlarges its eyes, and converts to I420, which virtual
cameras take. Each is verified first: it finds the face, and narrows it and enlarges the eyes at least a third as
much as livewarp does. What counts is CPU time of all threads; interleaved, shuffled each round, OpenCV on one thread.

    livewarp                     FaceFilter, synchronous: its searches for newcomers are counted, too
    plain Python                 dlib on the full frame; pixel loops, as tutorials have them
    OpenCV, full / half size     dlib on every frame at that size; NumPy maps around the face, cv2.remap
    facetweak                    0.2.0, its dlib back end on every frame
    gpupixel's formulas          in NumPy and cv2.remap; dlib at half size
    pass-through                 the conversion alone: the floor
    memory copy                  of the pixels that move: the limit

Then live: what the filter adds in CPU to a pass-through of the same source and sink, alternating in one run.

Run: python benchmarks/pipeline.py [--quick] [--json FILE] [--only peers|live]
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import peers
import sampling
import warp
from common import Clip, Target, save

from livewarp.arrays import BgrFrame, GrayFrame, Landmarks
from livewarp.bench.lines import run_lines
from livewarp.bench.live import bench_live
from livewarp.face68 import Face
from livewarp.filtering.filter import FaceFilter
from livewarp.sources import Plan
from livewarp.tracking import FaceTracker
from livewarp.tracking.weights import find_weights
from livewarp.warping import Warp

WIDTH, HEIGHT, FPS = 1280, 720, 30.0
PARAMETERS = warp.SETS["two"]
SEED_EYES = 0.5
GPUPIXEL_EYES = 0.15  # its demos end at 0.1, which enlarges too little to count as the same work
FACETWEAK = 1.0  # its maximum
FOUND_IOD = 0.08  # mean error of landmarks: the same face
ENOUGH = 1 / 3  # of what livewarp narrows and enlarges: the plain recipe knows no strength, and is weaker

Reshape = Callable[[BgrFrame, Landmarks], BgrFrame]


@dataclass
class Peer:
    """One way to do it.

    Attributes
    ----------
    find
        Landmarks of the face in a frame; None: not there.
    reshape
        A frame with that face reshaped.
    frames
        How many it does in a round.
    """

    name: str
    find: Callable[[BgrFrame], Landmarks | None]
    reshape: Reshape
    frames: int


class Dlib:
    """Detector and predictor on every frame, as it is or at a smaller size."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(find_weights()))

    def __call__(self, frame: BgrFrame) -> Landmarks | None:
        """What they find."""
        gray: GrayFrame = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)  # type: ignore[assignment]
        if self._scale != 1.0:
            gray = cv2.resize(gray, None, fx=self._scale, fy=self._scale)  # type: ignore[assignment]
        boxes = self._detector(gray, 0)
        if not len(boxes):
            return None
        shape = self._predictor(gray, boxes[0])
        points = np.array([(shape.part(i).x, shape.part(i).y) for i in range(68)], np.float32)
        return (points + 0.5) / np.float32(self._scale) - 0.5


class Facetweak:
    """The package's own front: `FaceTweak(backend="dlib")`, detect and apply."""

    def __init__(self) -> None:
        from facetweak import FaceTweak

        with tempfile.TemporaryDirectory() as folder:  # it looks for the weights there, else it would download them
            Path(folder, "shape_predictor_68_face_landmarks.dat").symlink_to(find_weights())
            before = os.environ.get("FACETWEAK_CACHE")
            os.environ["FACETWEAK_CACHE"] = folder
            self._tweak = FaceTweak(backend="dlib")
            if before is None:
                del os.environ["FACETWEAK_CACHE"]
            else:
                os.environ["FACETWEAK_CACHE"] = before
        self._adjustments = peers.facetweak_adjustments(FACETWEAK, ("face_slim", "eye_size"))

    def find(self, frame: BgrFrame) -> Landmarks | None:
        """What its detector finds."""
        faces = self._tweak.detect(frame)
        return faces[0].points if faces else None

    def reshape(self, frame: BgrFrame, landmarks: Landmarks) -> BgrFrame:
        """What its effects make of it."""
        return peers.effects.apply(frame, landmarks.astype(np.float64), self._adjustments)  # type: ignore[no-any-return]


def seed(frame: BgrFrame, landmarks: Landmarks) -> BgrFrame:
    """Two loops after another."""
    return peers.seed_eyes(peers.seed_recipe(frame, landmarks), landmarks, SEED_EYES)


def recipe(frame: BgrFrame, landmarks: Landmarks) -> BgrFrame:
    """NumPy maps around the face, then `cv2.remap`; the strokes of livewarp, whose limit is not reached here."""
    strokes = warp.TABLE.place(Face.from_landmarks(landmarks), PARAMETERS)
    roi = warp.roi_of(strokes, HEIGHT, WIDTH)
    out = frame.copy()
    x0, y0, x1, y1 = roi
    out[y0:y1, x0:x1] = peers.opencv_recipe(frame, roi, strokes, 1.0)
    return out


def gpupixel(frame: BgrFrame, landmarks: Landmarks) -> BgrFrame:
    """Its maps where they are not the identity, then `cv2.remap`."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    reach = 0.6 * (high - low)  # a cone ends at the middle line: half a face from where it begins
    x0, y0 = (int(v) for v in np.maximum(np.floor(low - reach), 0))
    x1, y1 = (int(v) for v in np.minimum(np.ceil(high + reach), [WIDTH, HEIGHT]))
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    u, v = peers.gpupixel_eyes(x, y, landmarks, GPUPIXEL_EYES)
    u, v = peers.gpupixel_thin(u, v, landmarks, peers.GPUPIXEL_MAXIMUM)
    out = frame.copy()
    out[y0:y1, x0:x1] = cv2.remap(frame, np.float32(u), np.float32(v), cv2.INTER_LINEAR)  # type: ignore[call-overload]
    return out


def candidates(quick: bool) -> tuple[list[Peer], list[str]]:
    """Everybody but livewarp, and why some are missing."""
    full, half = Dlib(1.0), Dlib(0.5)
    found = [
        Peer("plain Python", full, seed, 1),
        Peer("OpenCV, full size", full, recipe, 1 if quick else 3),
        Peer("OpenCV, half size", half, recipe, 1 if quick else 8),
        Peer("gpupixel's formulas", half, gpupixel, 1 if quick else 8),
    ]
    missing = []
    if peers.effects:
        tweak = Facetweak()
        found.append(Peer(peers.FACETWEAK, tweak.find, tweak.reshape, 1 if quick else 3))
    else:
        missing.append("facetweak: not installed (pip install --no-deps facetweak==0.2.0)")
    return found, missing


# ------------------------------------------------------------------------------------------------- verification


def verify(clip: Clip, found: Sequence[Peer]) -> dict[str, dict[str, float]]:
    """Everybody finds the face and does the same visible work; what was found."""
    told: dict[str, dict[str, float]] = {}
    truth = clip.truths[0]
    face = Face.from_landmarks(truth.landmarks)
    places, corner = warp.positions(warp.Scene("", clip.frames[0], (face,)))
    ours = Peer(
        "livewarp", _tracked(clip), lambda frame, p: Warp().apply(frame, [Face.from_landmarks(p)], PARAMETERS), 1
    )
    for peer in (ours, *found):
        landmarks = peer.find(clip.frames[0])
        if landmarks is None:
            raise SystemExit(f"{peer.name}: finds no face")
        error = float(np.linalg.norm(landmarks - truth.landmarks, axis=1).mean() / truth.pose.iod_px)
        warp.agree(error, FOUND_IOD, f"IOD between the points of {peer.name} and the true ones")
        x, y = face.landmarks.T.astype(np.float64)
        seen = sampling.bilinear(peer.reshape(places.frame, face.landmarks), x, y)[:, :2] + corner
        narrower = float(np.mean(x[2:7] - seen[2:7, 0] + seen[10:15, 0] - x[10:15]))
        larger = float(np.mean([(x[j] - x[i]) / (seen[j, 0] - seen[i, 0]) for i, j in warp.EYES]))
        change = float(cv2.absdiff(peer.reshape(clip.frames[0], landmarks), clip.frames[0]).mean())
        told[peer.name] = {"error_iod": error, "narrower_px": narrower, "larger_eyes": larger, "mean_change": change}
        least = told["livewarp"]
        warp.agree(ENOUGH * least["narrower_px"], narrower, f"px of narrowing wanted of {peer.name}")
        warp.agree(ENOUGH * (least["larger_eyes"] - 1), larger - 1, f"of larger eyes wanted of {peer.name}")
        warp.agree(0.0, change - 1e-9, f"grey levels wanted of {peer.name}")
    return told


def _tracked(clip: Clip) -> Callable[[BgrFrame], Landmarks | None]:
    """The tracker, on a picture that stays."""

    def find(frame: BgrFrame) -> Landmarks | None:
        tracker = FaceTracker()
        try:
            faces = [tracker.update(frame, k / FPS) for k in range(5)][-1]
        finally:
            tracker.close()
        return faces[0].landmarks if faces else None

    return find


# ------------------------------------------------------------------------------------------------------- timing


@dataclass
class Timed:
    """Something that does `frames` frames when it is run, and its CPU seconds a frame, by round."""

    name: str
    frames: int
    run: Callable[[], None]
    cpu_s: list[float]


def timed(clip: Clip, found: Sequence[Peer], quick: bool) -> list[Timed]:
    """Everybody, ready to run."""
    packed = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
    work = np.empty_like(clip.frames[0])
    face_filter = FaceFilter(PARAMETERS, FaceTracker())
    face_filter.warm_up(HEIGHT, WIDTH)
    at = {"livewarp": 0}
    strokes = warp.TABLE.place(Face.from_landmarks(clip.truths[0].landmarks), PARAMETERS)
    x0, y0, x1, y1 = warp.roi_of(strokes, HEIGHT, WIDTH)
    moved = np.empty((y1 - y0, x1 - x0, 3), np.uint8)

    def next_frame(name: str) -> tuple[int, BgrFrame]:
        index = at.get(name, 0)
        at[name] = index + 1
        return index, clip.frames[clip.place(index)]

    def ours() -> float:
        index, frame = next_frame("livewarp")
        np.copyto(work, frame)  # what a camera does: not ours to pay
        began = time.process_time()
        face_filter.render(work, face_filter.track(work, index / FPS), work)
        cv2.cvtColor(work, cv2.COLOR_BGR2YUV_I420, packed)
        return time.process_time() - began

    def theirs(peer: Peer) -> Callable[[], float]:
        def one() -> float:
            _, frame = next_frame(peer.name)
            began = time.process_time()
            landmarks = peer.find(frame)
            out = frame if landmarks is None else peer.reshape(frame, landmarks)
            cv2.cvtColor(out, cv2.COLOR_BGR2YUV_I420, packed)
            return time.process_time() - began

        return one

    def through() -> float:
        _, frame = next_frame("pass-through")
        began = time.process_time()
        cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420, packed)
        return time.process_time() - began

    def copy() -> float:
        _, frame = next_frame("copy")
        began = time.process_time()
        np.copyto(moved, frame[y0:y1, x0:x1])
        return time.process_time() - began

    def entry(name: str, frames: int, one: Callable[[], float]) -> Timed:
        told = Timed(name, frames, lambda: None, [])

        def run() -> None:
            told.cpu_s.append(sum(one() for _ in range(frames)) / frames)

        told.run = run
        return told

    often = 5 if quick else 60
    entries = [entry("livewarp", often, ours), *(entry(p.name, p.frames, theirs(p)) for p in found)]
    return [*entries, entry("pass-through (I420)", often, through), entry("memory copy of what moves", often, copy)]


def peers_section(quick: bool) -> tuple[dict[str, Any], list[Target]]:
    """Frames per CPU-second of everybody."""
    cv2.setNumThreads(1)
    clip = Clip(WIDTH, HEIGHT, FPS)
    found, missing = candidates(quick)
    verified = verify(clip, found)
    print(f"{'verified':24}{'points off, IOD':>16}{'narrower px':>13}{'larger eyes':>13}{'change':>9}")
    for name, row in verified.items():
        print(
            f"{name:24}{row['error_iod']:16.3f}{row['narrower_px']:13.2f}{row['larger_eyes']:13.3f}{row['mean_change']:9.2f}"
        )
    entries = timed(clip, found, quick)
    rng = np.random.default_rng(0)
    for one in entries:
        one.run()
    for one in entries:
        one.cpu_s.clear()
    rounds = 2 if quick else 14
    for n in range(rounds):
        for k in rng.permutation(len(entries)):  # shuffled: who runs after whom decides what is in the caches
            entries[k].run()
        progress(f"round {n + 1} of {rounds}")
    progress("")
    ours = np.array(entries[0].cpu_s)
    rows: dict[str, Any] = {}
    print(f"\n{'720p, one face':28}{'CPU ms':>9}{'worst':>9}{'frames/CPU-s':>14}{'× livewarp':>12}")
    for one in entries:
        spent = np.array(one.cpu_s)
        ratios = spent / ours
        low, high = np.percentile(ratios, [10, 90])
        rows[one.name] = {
            "cpu_ms": round(1e3 * float(np.median(spent)), 4),
            "worst_ms": round(1e3 * float(spent.max()), 4),
            "frames_per_cpu_s": round(1 / float(np.median(spent)), 2),
            "ratio": round(float(np.median(ratios)), 4),
            "ratio_p10_p90": [round(float(low), 4), round(float(high), 4)],
            "rounds": rounds,
            "frames_a_round": one.frames,
        }
        row = rows[one.name]
        print(
            f"{one.name:28}{row['cpu_ms']:9.3f}{row['worst_ms']:9.3f}{row['frames_per_cpu_s']:14.1f}{row['ratio']:12.2f}"
        )
    for why in missing:
        print(f"left out: {why}")
    wanted = (("OpenCV, full size", 15.0, 30.0), ("OpenCV, half size", 6.0, 12.0), (peers.FACETWEAK, 15.0, 30.0))
    targets = [
        Target(f"frames per CPU-second against {name}", rows[name]["ratio"], limit, aim, "×", at_least=True)
        for name, limit, aim in wanted
        if name in rows
    ]
    return {"verified": verified, "peers": rows, "missing": missing}, targets


# --------------------------------------------------------------------------------------------------------- live


def live_section(quick: bool) -> tuple[dict[str, Any], list[Target]]:
    """What the filter adds to a pass-through, in CPU and in lateness."""
    cv2.setNumThreads(-1)  # as the daemon has it
    told: dict[str, Any] = {}
    targets = []
    cases = [("720p30", 1280, 720, 30.0, 20.0, 12.0), ("1080p30", 1920, 1080, 30.0, 30.0, 18.0)]
    cases += [("720p60", 1280, 720, 60.0, math.inf, math.inf)]
    for name, width, height, fps, limit, aim in cases[:1] if quick else cases:
        clip = Clip(width, height, fps, live=True)

        def reopen(clip: Clip = clip) -> Clip:
            return clip

        plan = Plan(clip.name, True, width, height, fps, reopen)
        run = bench_live(plan, PARAMETERS, lambda: FaceTracker(live=True), 2.0 if quick else 15.0, faces=1)
        for line in run_lines(run):
            print(line)
        told[name] = {key: value for key, value in run.as_dict().items() if key != "samples_us"}
        if fps == FPS:
            targets.append(Target(f"CPU added at {name}, of a core", 100 * run.core_share, limit, aim, "%"))
        else:
            targets.append(Target(f"fps held at {name}", run.figures["fps"], 0.99 * fps, fps - 0.1, "", at_least=True))
    return {"live": told}, targets


def progress(text: str) -> None:
    """On a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")


def main() -> None:
    """Verify, measure, print the tables and targets, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs; its figures say nothing")
    parser.add_argument("--only", choices=["peers", "live"], help="one half of it")
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    results: dict[str, Any] = {}
    targets: list[Target] = []
    for name, section in (("peers", peers_section), ("live", live_section)):
        if args.only in (None, name):
            found, wanted = section(args.quick)
            results |= found
            targets += wanted
    save(args.json, "pipeline", args.quick, results, targets)


if __name__ == "__main__":
    main()
