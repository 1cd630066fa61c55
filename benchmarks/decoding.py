"""From a webcam's bytes to a virtual camera's: what decoding costs by ours and by OpenCV's decoder.

    python benchmarks/decoding.py                    # two minutes
    python benchmarks/decoding.py --json decoding.json

The webcam's pictures are the portrait's with noise of 4 levels, as 4:2:2 MJPEG of quality 85 and as YUYV. CPU time of
all threads, medians; both decoders take turns, frame by frame. OpenCV's is what `cv2.VideoCapture` does: decode, and
copy into the frame. Whole: decode, track, thin 0.7 and eyes 0.5, and I420 as v4l2loopback gets it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import Clip, Target, save

from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.sources.pixels import Decoder, decode_jpeg
from livewarp.system.streaming import PictureFormat
from livewarp.tracking import FaceTracker

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422)
NOISE_LEVELS = 4.0
PICTURES = 12  # different ones, in turns

Convert = Callable[[memoryview, np.ndarray], None]


def by_opencv(data: memoryview, out: np.ndarray) -> None:
    """A JPEG as `cv2.VideoCapture.read` brings it into a frame."""
    np.copyto(out, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def yuyv_by_opencv(data: memoryview, out: np.ndarray) -> None:
    """YUYV in one call."""
    cv2.cvtColor(np.frombuffer(data, np.uint8).reshape(*out.shape[:2], 2), cv2.COLOR_YUV2BGR_YUY2, dst=out)


def pictures(width: int, height: int) -> tuple[list[memoryview], list[memoryview]]:
    """The webcam's, as MJPEG and as YUYV."""
    frames = Clip(width, height).frames[:PICTURES]
    rng = np.random.default_rng(1)
    noise = rng.normal(0.0, NOISE_LEVELS, (height, width, 3)).astype(np.float32)
    jpegs, raws = [], []
    for k, frame in enumerate(frames):
        noisy = np.clip(frame + np.roll(noise, 37 * k, axis=1), 0, 255).astype(np.uint8)
        jpegs.append(memoryview(cv2.imencode(".jpg", noisy, QUALITY)[1].tobytes()))
        raws.append(memoryview(cv2.cvtColor(noisy, cv2.COLOR_BGR2YUV_YUY2).tobytes()))
    return jpegs, raws


def compare(data: list[memoryview], ours: Convert, theirs: Convert, out: np.ndarray, count: int) -> tuple[float, float]:
    """Median CPU ms of each, in turns; verified to agree first."""
    frames = [np.empty_like(out), np.empty_like(out)]
    for convert, frame in zip((ours, theirs), frames, strict=True):
        convert(data[0], frame)
    apart = np.abs(frames[0].astype(int) - frames[1]).mean()
    if apart > 4.0:
        raise SystemExit(f"the decoders differ by {apart:.1f} levels")
    spent: tuple[list[float], list[float]] = ([], [])
    for k in range(count):
        for convert, times in zip((ours, theirs), spent, strict=True):
            began_s = time.process_time()
            convert(data[k % len(data)], out)
            times.append(time.process_time() - began_s)
    return 1e3 * float(np.median(spent[0])), 1e3 * float(np.median(spent[1]))


def whole(data: list[memoryview], convert: Convert, width: int, height: int) -> Convert:
    """The whole way of a frame, with a filter of its own, as a function to time."""
    face_filter = FaceFilter(Parameters(thin=0.7, eyes=0.5), FaceTracker())
    packed = np.empty((height * 3 // 2, width), np.uint8)
    for _ in range(20):
        frame = np.empty((height, width, 3), np.uint8)
        convert(data[0], frame)
        face_filter.apply(frame, out=frame)

    def run(picture: memoryview, out: np.ndarray) -> None:
        convert(picture, out)
        face_filter.apply(out, out=out)
        cv2.cvtColor(out, cv2.COLOR_BGR2YUV_I420, packed)

    return run


def main() -> None:
    """Verify, measure, print the table and targets, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs; its figures say nothing")
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    cv2.setNumThreads(1)  # as the filter does, which would otherwise change it half way
    found: dict[str, Any] = {}
    print(f"{'CPU ms a frame':18}{'livewarp':>10}{'OpenCV':>10}{'ratio':>8}")
    for name, (width, height) in SIZES.items() if not args.quick else [("240p", (320, 240))]:
        jpegs, raws = pictures(width, height)
        out = np.empty((height, width, 3), np.uint8)
        decoder = Decoder(PictureFormat("YUYV", width, height, 2 * width, len(raws[0]), False, False))
        rows: dict[str, tuple[list[memoryview], Convert, Convert]] = {
            "MJPEG": (jpegs, decode_jpeg, by_opencv),
            "YUYV": (raws, decoder.decode, yuyv_by_opencv),
            "MJPEG, whole": (
                jpegs,
                whole(jpegs, decode_jpeg, width, height),
                whole(jpegs, by_opencv, width, height),
            ),
        }
        for what, (data, ours, theirs) in rows.items():
            a, b = compare(data, ours, theirs, out, 3 if args.quick else 200)
            found[f"{name} {what}"] = {"livewarp_ms": a, "opencv_ms": b, "ratio": a / b}
            print(f"{name + ' ' + what:18}{a:10.2f}{b:10.2f}{a / b:7.2f}×")
    targets = []
    if not args.quick:
        wanted = [("720p MJPEG", 0.80, 0.70), ("720p MJPEG, whole", 0.85, 0.70), ("1080p MJPEG, whole", 0.87, 0.75)]
        targets = [
            Target(f"{what}, to OpenCV's decoder", found[what]["ratio"], *limits, "×") for what, *limits in wanted
        ]
        fps = 1e3 / found["4K MJPEG, whole"]["livewarp_ms"]
        targets.append(Target("4K MJPEG, whole, by one core", fps, 15.0, 30.0, "fps", at_least=True))
    save(args.json, "decoding", args.quick, {"rows": found}, targets)


if __name__ == "__main__":
    main()
