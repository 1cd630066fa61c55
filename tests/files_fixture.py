"""Video files of every kind, made with PyAV: small, and with a picture whose colours are known."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from livewarp.media.colour import Converter, VideoColour

PATCHES_RGB = (
    (255, 255, 255),
    (255, 255, 0),
    (0, 255, 255),
    (0, 255, 0),
    (255, 0, 255),
    (255, 0, 0),
    (0, 0, 255),
    (16, 16, 16),
    (128, 128, 128),
    (200, 120, 90),
)


def patches(width: int = 160, height: int = 96) -> np.ndarray:
    """Ten upright bars (height, width, 3) in BGR."""
    picture = np.zeros((height, width, 3), np.uint8)
    step = width // len(PATCHES_RGB)
    for i, rgb in enumerate(PATCHES_RGB):
        picture[:, i * step : (i + 1) * step if i < 9 else width] = rgb[::-1]
    return picture


def make_clip(
    path: Path,
    pictures: Sequence[np.ndarray],
    times_s: Sequence[float] | None = None,
    *,
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    colour: VideoColour | None = None,
    aspect: Fraction | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    sound: str | None = None,
    beep_from_s: float = 0.0,
    sound_start_s: float = 0.0,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    chapters: list[Any] | None = None,
    format: str | None = None,
) -> Path:
    """Encode BGR pictures, shown at `times_s`, and a tone that begins at `beep_from_s`, into a file."""
    height, width = pictures[0].shape[:2]
    times_s = [i / fps for i in range(len(pictures))] if times_s is None else times_s
    tags = VideoColour() if colour is None else colour
    unit = Fraction(1, 12800)
    with av.open(str(path), "w", format=format, options=container_options or {}) as out:
        video: Any = out.add_stream(
            codec, rate=fps, options={"crf": "8", **(options or {})} if "264" in codec else options
        )
        context = video.codec_context
        context.width, context.height, context.pix_fmt, context.time_base = width, height, pix_fmt, unit
        if colour is not None:
            context.colorspace, context.color_primaries, context.color_trc = tags[:3]
            context.color_range = tags.av_range
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if rotation is not None:
            video.set_display_rotation(rotation[0], hflip=rotation[1], vflip=rotation[2])
        tone: Any = out.add_stream(sound, rate=48000, layout="mono") if sound else None
        out.metadata.update(metadata or {})
        if chapters:
            out.set_chapters(chapters)
        converter = Converter(tags, height)
        for picture, time_s in zip(pictures, times_s, strict=True):
            if pix_fmt == "yuv420p":
                frame = converter.from_bgr(picture)
            else:
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(
                    format=pix_fmt,
                    src_colorspace=tags.scaler_matrix(height),
                    dst_colorspace=tags.scaler_matrix(height),
                    src_color_range=2,
                    dst_color_range=tags.av_range,
                )
            frame.pts, frame.time_base = round(time_s / unit), unit
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if tone is not None:
            end_s = max(times_s) + 1 / fps
            n = np.arange(round((end_s - sound_start_s) * 48000)) / 48000 + sound_start_s
            samples = (np.sin(2 * np.pi * 880 * n) * (n >= beep_from_s) * 12000).astype(np.int16)
            for i in range(0, len(samples) - 1023, 1024):
                piece = av.AudioFrame.from_ndarray(samples[None, i : i + 1024], format="s16", layout="mono")
                piece.sample_rate, piece.time_base = 48000, Fraction(1, 48000)
                piece.pts = i + round(sound_start_s * 48000)
                out.mux(tone.encode(piece))
            out.mux(tone.encode(None))
    return path


def beep_s(path: Path) -> float:
    """When the tone of a file begins, s."""
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray().astype(float)).max(axis=0) > _loud(frame))
            if len(loud) and frame.time is not None:
                return float(frame.time) + loud[0] / frame.sample_rate
    raise AssertionError(f"{path}: no sound")


def _loud(frame: Any) -> float:
    return 0.02 if frame.format.name.startswith("flt") else 600.0


def shown(path: Path) -> tuple[list[float], list[np.ndarray]]:
    """The times, s, and pictures (BGR, as stored) of a file, as its tags say."""
    times, pictures = [], []
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        converter = None
        for frame in file.decode(stream):
            if converter is None:
                from livewarp.media.colour import video_colour

                converter = Converter(video_colour(frame), frame.height)
            times.append(float(frame.time))
            pictures.append(converter.to_bgr(frame).copy())
    return times, pictures


def patch_colours(picture: np.ndarray) -> np.ndarray:
    """The colours (10, 3), RGB, in the middle of the bars of `patches`."""
    height, width = picture.shape[:2]
    step = width // len(PATCHES_RGB)
    middle = picture[height // 3 : 2 * height // 3]
    found = [np.median(middle[:, i * step + step // 3 : i * step + 2 * step // 3], axis=(0, 1)) for i in range(10)]
    return np.array(found)[:, ::-1]
