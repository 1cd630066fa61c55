"""What the background costs, and how well people are told from it: masks, edges, flicker, CPU, against two recipes.

Masks: IoU of the refined mask of single frames against masks made by hand (--masks: NN.png and NN_mask.png). Ring: the
share of a person's colour in the 12 px outside of them, by recolouring the person and looking at what changes there.
Flicker: the mean change from frame to frame along the edge, over that of the input. Rate: the mask as it is live (every
tenth of a second, a frame late, carried) against one of every frame. CPU: the process's time a frame, all threads, at
720p30, less that of the same loop without; latency: the same of the loop's thread alone, which waits for nothing, the
median of frames. All in one run, interleaved.

The recipes are written anew after two programs that people use: *obs* (obs-backgroundremoval: the network on every
frame, mask eroded, dilated and blurred at full size, background blurred at full size, float blending) and *lfbw*
(Linux-Fake-Background-Webcam: the same network, mask dilated and blurred, background blurred at full size, blended by
NumPy). Both get our network, in OpenCV, in one thread.

Run: python benchmarks/background.py --data ../shared/data [--masks FOLDER] [--json FILE] [--seconds 10]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import Target
from numpy.typing import NDArray

from livewarp.filtering.background import Background
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.scene import Scene
from livewarp.segmentation.people import EVERY_S, People
from livewarp.segmentation.person import PersonNetwork
from livewarp.segmentation.refinement import SOFT, Refiner
from livewarp.tracking import FaceTracker
from livewarp.worker import Worker

FPS = 30
RING_PX = 12
BARE: dict[str, Any] = {"thin": 0.0, "eyes": 0.0}
BESIDE = {"protect": "thin"}  # what a way's cost is counted from, where that is not the loop without anything
CALM = ("grid/bbaf2n.mpg", "grid/lbbc2a.mpg", "grid/lwbsza.mpg", "cap13_edit2.mp4")
FAST = ("asl/bird.mkv", "asl/learn.mkv", "asl/want.mkv", "asl/walk.mkv")
Frame = NDArray[np.uint8]


class Late(Worker):
    """A worker that is done with a job just before the next frame."""

    synchronous = False  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(synchronous=True)

    def add(self, run: Any) -> Any:
        """A task that waits."""
        task = super().add(run)
        task._wake = lambda: None
        return task

    def work(self) -> None:
        """Do what waits."""
        for task in self._tasks:
            task.work()


def clip(path: Path, count: int, height: int = 720) -> list[Frame]:
    """The first frames, scaled to a height."""
    video, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < count:
        got, frame = video.read()
        if not got:
            break
        width = round(frame.shape[1] * height / frame.shape[0] / 2) * 2
        frames.append(np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8))
    if not frames:
        raise SystemExit(f"{path}: no frame can be read")
    return frames


def wide(frames: list[Frame]) -> list[Frame]:
    """720p, with the borders' colours to both sides."""
    side = (1280 - frames[0].shape[1]) // 2
    return [np.asarray(cv2.copyMakeBorder(f, 0, 0, side, side, cv2.BORDER_REFLECT)) for f in frames]


def alpha_of(people: People, refiner: Refiner, frame: Frame, now_s: float) -> Frame:
    """The refined mask of a frame, at its size."""
    mask = people.update(frame, (), now_s, 0)
    if mask is None or people.reduced is None:
        return np.zeros(frame.shape[:2], np.uint8)
    return np.asarray(cv2.resize(refiner.refine(mask, people.reduced, SOFT, 1.0), frame.shape[1::-1]), np.uint8)


def refiner_for(frame: Frame) -> Refiner:
    """For frames of this size."""
    people = People(Worker(synchronous=True))
    people.update(frame, (), 0.0, 0)
    assert people.reduced is not None
    return Refiner(people.reduced.half.shape[:2], people.reduced.gray.shape)


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Of two masks; of two empty ones 1."""
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def by_hand(folder: Path) -> Iterator[tuple[str, Frame, NDArray[np.bool_]]]:
    """Frames and their masks."""
    for path in sorted(folder.glob("*_mask.png")):
        frame = cv2.imread(str(path.with_name(path.name.replace("_mask", ""))))
        yield path.stem[:2], np.asarray(frame, np.uint8), np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) > 127


def measure_masks(folder: Path) -> dict[str, Any]:
    """IoU and the ring on frames masked by hand."""
    ious, rings = {}, {}
    for name, small, small_truth in by_hand(folder):
        size = round(small.shape[1] * 720 / small.shape[0] / 2) * 2, 720
        frame = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        truth = cv2.resize(small_truth.astype(np.float32), size) > 0.5
        people = People(Worker(synchronous=True))
        alpha = alpha_of(people, refiner_for(frame), frame, 0.0)
        ious[name] = iou(alpha > 127, truth)
        rings[name] = ring_share(frame, truth)
    return {"iou": ious, "ring": rings}


def ring_share(frame: Frame, truth: NDArray[np.bool_]) -> float:
    """How much of a change of the person's colour is in the ring outside of them."""
    people = People(Worker(synchronous=True))
    mask = people.update(frame, (), 0.0, 0)
    assert people.reduced is not None
    outs, painted = [], frame.copy()
    painted[truth] = 255 - painted[truth]
    stage, scene = Background(), None
    for each in (frame, painted):
        out = each.copy()
        people.update(each, (), 0.0, 0)
        scene = Scene((), () if mask is None else (mask,), 0.0, people.reduced)
        stage.run(out, scene, Parameters(background="blur"), 0)
        outs.append(out.astype(int))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RING_PX + 1,) * 2)
    ring = (cv2.dilate(truth.astype(np.uint8), disc) > 0) & ~truth
    ring &= cv2.erode((~truth).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0  # less the truth's own error
    inside = float(np.abs(painted[truth].astype(int) - frame[truth]).mean())
    return float(np.abs(outs[1] - outs[0])[ring].mean()) / inside


def measure_rate(frames: list[Frame]) -> float:
    """Mean IoU of the live mask against one of every frame."""
    worker = Late()
    live, exact, refiner = People(worker), People(Worker(synchronous=True)), refiner_for(frames[0])
    found = []
    for i, frame in enumerate(frames):
        late = alpha_of(live, refiner, frame, i / FPS) > 127
        worker.work()
        right = alpha_of(exact, refiner, frame, i / FPS) > 127
        if i > 5:
            found.append(iou(late, right))
    return float(np.mean(found))


def measure_flicker(frames: list[Frame]) -> float:
    """How much the edge changes from frame to frame, over how much the input does there."""
    worker = Late()
    people, stage = People(worker), Background()
    before: tuple[Frame, Frame] | None = None
    here, there = [], []
    for i, frame in enumerate(frames):
        mask = people.update(frame, (), i / FPS, 0)
        worker.work()
        if mask is None:
            continue
        out = frame.copy()
        stage.run(out, Scene((), (mask,), i / FPS, people.reduced), Parameters(background="blur"), 0)
        person = np.asarray(cv2.resize(mask.weights, frame.shape[1::-1])) > 127
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25))
        band = cv2.morphologyEx(person.astype(np.uint8), cv2.MORPH_GRADIENT, disc) > 0
        if before is not None:
            there.append(float(cv2.absdiff(frame, before[0])[band].mean()))
            here.append(float(cv2.absdiff(out, before[1])[band].mean()))
        before = frame, out
    return float(np.mean(here) / np.mean(there))


def obs_recipe(network: PersonNetwork) -> Callable[[Frame], Frame]:
    """See above."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))

    def run(frame: Frame) -> Frame:
        mask = network.find(frame, None)
        full = cv2.resize(mask, frame.shape[1::-1]).astype(np.float32) / 255
        full = cv2.GaussianBlur(cv2.dilate(cv2.erode(full, kernel), kernel), (0, 0), 4)[..., None]
        behind = cv2.GaussianBlur(frame, (0, 0), 16)
        return np.asarray(frame * full + behind * (1 - full), np.uint8)

    return run


def lfbw_recipe(network: PersonNetwork) -> Callable[[Frame], Frame]:
    """See above."""

    def run(frame: Frame) -> Frame:
        mask = network.find(frame, None)
        full = cv2.resize(mask, frame.shape[1::-1]).astype(np.float32) / 255
        full = cv2.blur(cv2.dilate(full, np.ones((10, 10), np.uint8)), (10, 10))
        behind = cv2.GaussianBlur(frame, (61, 61), 20, borderType=cv2.BORDER_DEFAULT)
        out = np.empty_like(frame)
        for c in range(3):
            out[:, :, c] = frame[:, :, c] * full + behind[:, :, c] * (1 - full)
        return out

    return run


def measure_cpu(frames: list[Frame], seconds: float) -> dict[str, dict[str, float]]:
    """CPU a frame of each way, ms, and what its stages take of the loop; in turns."""
    network = PersonNetwork()
    ways: dict[str, Any] = {
        "none": Parameters(**BARE),
        "blur": Parameters(**BARE, background="blur"),
        "picture": Parameters(**BARE, background="picture"),
        "thin": Parameters(**BARE | {"thin": 1.0}, protect="off"),
        "protect": Parameters(**BARE | {"thin": 1.0}, protect="on"),
        "obs": obs_recipe(network),
        "lfbw": lfbw_recipe(network),
    }
    live = FaceFilter(Parameters(**BARE), FaceTracker(live=True, model="mesh"), 0.0)
    live.warm_up(*frames[0].shape[:2])
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    latency: dict[str, list[float]] = {name: [] for name in ways}
    buffer, now_s, at = frames[0].copy(), 0.0, 0
    for _ in range(max(2, round(seconds / 2))):
        for name, way in ways.items():
            for round_ in range(2):  # the first warms up
                count = FPS
                began, due = time.process_time(), time.perf_counter()
                for _ in range(count):
                    turn = at % (2 * len(frames))  # forth and back
                    frame = frames[min(turn, 2 * len(frames) - 1 - turn)]
                    at += 1
                    now_s += 1 / FPS
                    np.copyto(buffer, frame)
                    started = time.thread_time()
                    live.parameters = way if isinstance(way, Parameters) else ways["none"]
                    live.render(buffer, live.track(buffer, now_s), buffer)
                    if not isinstance(way, Parameters):
                        way(buffer)
                    if round_:
                        latency[name].append((time.thread_time() - started) * 1000)
                    due += 1 / FPS
                    time.sleep(max(0.0, due - time.perf_counter()))
                if round_:
                    cpu[name].append((time.process_time() - began) / count * 1000)
    live.close()
    return {
        name: {
            key: float(np.median(each[name]) - np.median(each[BESIDE.get(name, "none")]))
            for key, each in (("cpu_ms", cpu), ("latency_p50_ms", latency))
        }
        for name in ways
        if name != "none"
    }


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="real clips: the folder that has video/")
    parser.add_argument("--masks", type=Path, help="frames masked by hand")
    parser.add_argument("--json", type=Path, help="where results go")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each way [10]")
    parser.add_argument("--frames", type=int, default=60, help="of each clip [60]")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    video, targets, results = args.data / "video", [], {}
    if args.masks:
        results["masks"] = masks = measure_masks(args.masks)
        overlap, ring = (float(np.mean(list(masks[each].values()))) for each in ("iou", "ring"))
        targets.append(Target("IoU against masks by hand", overlap, 0.93, 0.96, at_least=True))
        targets.append(Target("person's colour in the ring", 100 * ring, 5, 2, "%"))
    for title, names, limit, aim in (("calm", CALM, 0.95, 0.97), ("fast", FAST, 0.85, 0.9)):
        rates = {name: measure_rate(clip(video / name, args.frames, 360)) for name in names}
        results[f"rate, {title}"] = rates
        what = f"mask at {1 / EVERY_S[0]:.0f} Hz against every frame, {title}"
        targets.append(Target(what, float(np.mean(list(rates.values()))), limit, aim, at_least=True))
    flicker = {name: measure_flicker(clip(video / name, args.frames)) for name in CALM}
    results["flicker"] = flicker
    targets.append(Target("flicker of the edge over the input's", float(np.mean(list(flicker.values()))), 1.3, 1.1))
    results["cost"] = cost = measure_cpu(wide(clip(video / CALM[-1], args.frames)), args.seconds)
    targets += [
        Target("CPU a frame, blur", cost["blur"]["cpu_ms"], 8, 5, "ms"),
        Target("CPU a frame, picture", cost["picture"]["cpu_ms"], 7, 4.5, "ms"),
        Target("CPU a frame, protect", cost["protect"]["cpu_ms"], 4, 2.5, "ms"),
        Target("latency added, p50, protect", cost["protect"]["latency_p50_ms"], 3, 1.5, "ms"),
        Target("latency added, p50, blur", cost["blur"]["latency_p50_ms"], 3, 1.5, "ms"),
        Target("obs recipe over blur, CPU", cost["obs"]["cpu_ms"] / cost["blur"]["cpu_ms"], 3, 6, "x", at_least=True),
        Target("lfbw recipe over blur, CPU", cost["lfbw"]["cpu_ms"] / cost["blur"]["cpu_ms"], 3, 6, "x", at_least=True),
    ]
    for target in targets:
        print(target)
    if args.json:
        document = {"targets": [t.as_dict() for t in targets], **results}
        args.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
