"""Finds the face that a sheet is drawn on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import SettingsError, SourceError
from livewarp.face68 import Face
from livewarp.sources.image import holds_image, read_image
from livewarp.sources.portrait import PortraitSource
from livewarp.sources.sitters import SITTERS, sitter_named
from livewarp.sources.video import VideoSource
from livewarp.tracking import FaceTracker

PORTRAIT = "portrait"
"""The name of the first built-in face."""

_BUILT_IN = {sitter.name for sitter in SITTERS}

SEARCHED_S = 60.0
"""How much of a video is searched for a face; a search is 20-40 ms a frame."""

PORTRAIT_HW = (1080, 1920)


def find_face(
    path: str | Path = PORTRAIT, at_s: float | None = None, tracker: FaceTracker | None = None
) -> tuple[BgrFrame, Face]:
    """The largest face of an image, or of the first frame of a video that has one.

    Parameters
    ----------
    path
        An image, a video, "portrait" or "portrait:2".
    at_s
        Where to begin in a video or in the portrait's motion, s; None: at its beginning.
    tracker
        What finds it, and is closed; None: a new one.

    Returns
    -------
    tuple
        The frame, and the face at full confidence.

    Raises
    ------
    SourceError
        The file cannot be read, or has no face.
    SettingsError
        `at_s` was given for an image.
    """
    path = Path(path)
    if str(path) not in _BUILT_IN and holds_image(path) and at_s is not None:
        raise SettingsError("--at", got=f"{at_s:g} for the image {path}", allowed="with a video")
    tracker = FaceTracker() if tracker is None else tracker
    try:
        for timestamp_s, frame in _frames(path, at_s or 0.0):
            faces = tracker.update(frame, timestamp_s)
            if faces:
                # In a later frame than the first, a face is only just fading in.
                return frame, replace(max(faces, key=lambda f: f.pose.iod_px), confidence=1.0)
    finally:
        tracker.close()
    where = "in it" if holds_image(path) else f"in the {SEARCHED_S:g} s from {at_s or 0:g} s"
    raise SourceError(
        f"{path}: no face {where}", allowed="one that looks at the camera, an eighth of the width or more"
    )


def _frames(path: Path, at_s: float) -> Iterator[tuple[float, BgrFrame]]:
    """The frames of a file to search, with their times, s."""
    if str(path) in _BUILT_IN:
        source = PortraitSource(PORTRAIT_HW[1], PORTRAIT_HW[0], sitter=sitter_named(str(path)))
        frame = np.empty((*PORTRAIT_HW, 3), np.uint8)
        source.render(round(at_s * source.fps), frame)
        yield at_s, frame
    elif holds_image(path):
        yield 0.0, read_image(path)
    else:
        video = VideoSource(path)
        try:
            frame = np.empty((video.height, video.width, 3), np.uint8)
            last_s = None
            while (timestamp_s := video.read(frame)) is not None:
                last_s = timestamp_s
                if timestamp_s > at_s + SEARCHED_S:
                    return
                if timestamp_s >= at_s:
                    yield timestamp_s, frame
            if last_s is None or last_s < at_s:
                raise SourceError(f"video {path}: ends at {last_s or 0:.2f} s", allowed="--at up to that")
        finally:
            video.close()
