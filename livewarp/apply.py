"""`livewarp apply`: filters an image or a whole video file, deterministically.

The result is written under another name and renamed when it is complete, so that an interrupted
run leaves nothing half-written behind.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livewarp.errors import SettingsError
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.sinks.imagefile import check_output, write_image
from livewarp.sinks.videofile import VideoFileSink
from livewarp.sources.image import is_image, read_image
from livewarp.sources.video import VideoSource
from livewarp.system.atomic import begin, complete, discard
from livewarp.tracking import FaceTracker


@dataclass(frozen=True)
class Applied:
    """What `apply` did.

    Attributes
    ----------
    frames, with_face
        How many there were, and how many had a face.
    notes
        What a person should know, a sentence each.
    """

    frames: int
    with_face: int
    notes: tuple[str, ...] = ()


Progress = Callable[[int, int | None], None]
"""Called with the frames done and how many there are, None where the file does not say."""


def apply_file(
    path_in: Path,
    path_out: Path,
    parameters: Parameters,
    tracker: FaceTracker | None = None,
    force: bool = False,
    progress: Progress = lambda done, total: None,
) -> Applied:
    """Filter a file into another one.

    Parameters
    ----------
    path_in, path_out
        Both images or both videos, by their suffixes. Size and frame rate are kept, and sound where
        ffmpeg is installed.
    tracker
        None: a new one.
    force
        Overwrite `path_out`.
    progress
        Called after each frame.

    Raises
    ------
    SettingsError
        `path_out` exists and `force` is False, it is `path_in` itself, or the kinds differ.
    SourceError, SinkError
        The one cannot be read or the other written.
    """
    check_output(path_in, path_out, force)
    if path_in.is_file() and is_image(path_in) != is_image(path_out):
        kind = "an image" if is_image(path_in) else "a video"
        raise SettingsError(
            f"output {path_out}", got=f"suffix {path_out.suffix!r}", allowed=f"one of {kind}, as the input"
        )
    run = _apply_image if is_image(path_in) else _apply_video
    face_filter = FaceFilter(parameters, tracker)
    try:
        return run(path_in, path_out, face_filter, progress)
    finally:
        face_filter.close()


def _apply_image(path_in: Path, path_out: Path, face_filter: FaceFilter, progress: Progress) -> Applied:
    frame = read_image(path_in)
    scene = face_filter.track(frame, 0.0)
    face_filter.render(frame, scene, frame)
    write_image(path_out, frame)
    progress(1, 1)
    return Applied(1, int(bool(scene.faces)))


def _apply_video(path_in: Path, path_out: Path, face_filter: FaceFilter, progress: Progress) -> Applied:
    source = VideoSource(path_in)
    try:
        sink = VideoFileSink(path_out, source.width, source.height, source.fps)
        try:
            applied = _filter_frames(source, sink, face_filter, progress)
            note = _keep_sound(path_in, sink.finish(), path_out)
            sink.close()
        finally:
            sink.discard()
    finally:
        source.close()
    return Applied(applied.frames, applied.with_face, applied.notes + note)


def _filter_frames(source: VideoSource, sink: VideoFileSink, face_filter: FaceFilter, progress: Progress) -> Applied:
    frame = np.empty((source.height, source.width, 3), np.uint8)
    total = source.frame_count()
    frames = with_face = 0
    while (timestamp_s := source.read(frame)) is not None:
        scene = face_filter.track(frame, timestamp_s)
        sink.send(face_filter.render(frame, scene, frame))
        frames += 1
        with_face += bool(scene.faces)
        progress(frames, total)
    short = total is not None and frames < 0.98 * total
    notes = (f"the input ended after {frames} of {total} frames: is it cut off?",) if short else ()
    return Applied(frames, with_face, notes)


def _keep_sound(path_in: Path, silent: Path, path_out: Path) -> tuple[str, ...]:
    """Put the sound of the input, if any, into a finished file, which will be `path_out`; notes for people."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return ("ffmpeg is not installed: the sound, if there is any, was left out (sudo apt install ffmpeg)",)
    whole = begin(path_out)
    command = [ffmpeg, "-nostdin", "-v", "error", "-y", "-i", f"file:{silent}", "-i", f"file:{path_in}"]
    command += ["-map", "0:v", "-map", "1:a?", "-c:v", "copy"]
    try:
        # As it is where the format can hold it, else encoded anew.
        for codec in ("copy", "aac"):
            done = subprocess.run([*command, "-c:a", codec, f"file:{whole}"], capture_output=True, text=True)
            if done.returncode == 0:
                complete(whole, silent)
                return ()
        return (f"the sound was left out: ffmpeg says {' '.join(done.stderr.split())[:200]}",)
    finally:
        discard(whole)
