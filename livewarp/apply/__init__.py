"""`livewarp apply`: filters images and whole video files, deterministically.

The result is written under another name and renamed when it is complete, so that an interrupted
run leaves nothing half-written behind.
"""

from __future__ import annotations

from pathlib import Path

from livewarp.apply.job import AS_IT_IS, Applied, Job, Progress, no_progress
from livewarp.apply.moving import apply_video
from livewarp.apply.still import apply_image
from livewarp.errors import SettingsError
from livewarp.filtering.filter import FaceFilter
from livewarp.media.formats import FORMATS, format_of
from livewarp.media.opening import STANDARD
from livewarp.parameters import Parameters
from livewarp.sources.image import SUFFIXES, holds_image, is_image
from livewarp.system.paths import check_output, timed
from livewarp.tracking import FaceTracker

__all__ = ["Applied", "Job", "Progress", "apply_file", "default_output"]


def apply_file(
    path_in: Path,
    path_out: Path,
    parameters: Parameters,
    tracker: FaceTracker | None = None,
    force: bool = False,
    progress: Progress = no_progress,
    job: Job = AS_IT_IS,
) -> Applied:
    """Filter a file into another one.

    Parameters
    ----------
    path_in, path_out
        Both images or both videos: the input by its content, the output by its suffix. "-": standard input or
        output, a video; out as y4m.
    tracker
        None: a new one.
    force
        Overwrite `path_out`.
    progress
        Called after each frame.
    job
        Which part, how well, and whether to compare.

    Raises
    ------
    SettingsError
        `path_out` exists and `force` is False, it is `path_in` itself, or the kinds differ.
    SourceError, SinkError
        The one cannot be read or the other written.
    """
    if path_out != STANDARD:
        path_out = timed(path_out)
        check_output(path_out, force, path_in)
    image = path_in != STANDARD and holds_image(path_in)
    _check_kinds(image, path_out)
    run = apply_image if image else apply_video
    face_filter = FaceFilter(parameters, tracker)
    try:
        return run(path_in, path_out, face_filter, progress, job)
    finally:
        face_filter.close()


def default_output(path_in: Path, folder: Path) -> Path:
    """The name of a result in a folder: the input's own, with a suffix that can be written."""
    written = is_image(path_in) or format_of(path_in) is not None
    if written:
        return folder / path_in.name
    return folder / f"{path_in.stem}{'.png' if holds_image(path_in) else '.mp4'}"


def _check_kinds(image: bool, path_out: Path) -> None:
    """The output can hold what the input is."""
    if image and not is_image(path_out):
        allowed = f"one of an image, as the input: {', '.join(sorted(SUFFIXES))}"
        raise SettingsError(f"output {path_out}", got=f"suffix {path_out.suffix!r}", allowed=allowed)
    if not image and path_out != STANDARD and format_of(path_out) is None:
        allowed = f"one of a video, as the input: {', '.join(FORMATS)}"
        raise SettingsError(f"output {path_out}", got=f"suffix {path_out.suffix!r}", allowed=allowed)
