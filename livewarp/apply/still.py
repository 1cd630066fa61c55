"""Filters an image file: its profile, its transparency and what its camera wrote stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from livewarp.apply.comparison import compared
from livewarp.apply.job import Applied, Job, Progress
from livewarp.errors import SettingsError
from livewarp.filtering.filter import FaceFilter
from livewarp.sinks.imagefile import write_image
from livewarp.sources.image import read_picture


def apply_image(path_in: Path, path_out: Path, face_filter: FaceFilter, progress: Progress, job: Job) -> Applied:
    """Filter one image; see `apply_file`."""
    if job.is_part or job.every != 1:
        raise SettingsError("--start, --end and --every", got=f"the image {path_in}", allowed="with a video")
    picture = read_picture(path_in)
    before = picture.pixels
    scene = face_filter.track(before, 0.0)
    after = face_filter.render(before, scene, np.empty_like(before))
    if job.compare is not None:
        after = compared(before, after, job.compare, None)
        if picture.alpha is not None:
            picture = picture._replace(alpha=compared(picture.alpha, picture.alpha, job.compare, None))
    notes = write_image(path_out, after, picture, job.quality)
    progress(1, 1)
    return Applied(1, int(bool(scene.faces)), (*picture.notes, *notes))
