"""Filters a video file: decoded, filtered and encoded side by side, at its own time stamps and in its own colours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av import VideoFrame

from livewarp.apply.beside import Ahead, Behind
from livewarp.apply.comparison import compared, compared_width
from livewarp.apply.job import Applied, Job, Progress
from livewarp.arrays import BgrFrame
from livewarp.errors import SinkError
from livewarp.filtering.filter import FaceFilter
from livewarp.media.clip import Clip, Decoded
from livewarp.media.colour import Converter
from livewarp.media.copying import Copy, copies_of, copy_about
from livewarp.media.formats import QUICK, Y4M, Format, crf_of, format_of
from livewarp.media.opening import STANDARD
from livewarp.media.planes import patched
from livewarp.media.quality import Effort, needed_effort
from livewarp.media.rawfile import RawFile
from livewarp.media.writing import VideoWriter
from livewarp.system.atomic import begin, claim, complete, discard, target


@dataclass
class _Picture:
    """A frame on its way: as 4:2:0 and as BGR, when it is shown and for how long, in units of the time base."""

    frame: VideoFrame
    before: BgrFrame
    pts: int
    duration: int


def apply_video(path_in: Path, path_out: Path, face_filter: FaceFilter, progress: Progress, job: Job) -> Applied:
    """Filter one video file; see `apply_file`."""
    form = format_of(path_out) if path_out != STANDARD else Y4M
    assert form is not None
    clip = Clip(path_in, square=not form.aspect)
    try:
        effort = Effort(crf_of(job.quality), QUICK) if job.quality is not None else needed_effort(path_in, form)
        if path_out == STANDARD:
            return _into(clip, _standard_output(), None, form, effort, face_filter, progress, job)
        return _into_file(clip, path_out, form, effort, face_filter, progress, job)
    finally:
        clip.close()


def _into_file(
    clip: Clip, path_out: Path, form: Format, effort: Effort, face_filter: FaceFilter, progress: Progress, job: Job
) -> Applied:
    real = target(path_out)
    others = real.stat().st_nlink - 1 if real.exists() else 0
    try:
        partial = begin(real)
    except OSError as error:
        allowed = "a file in a folder that you may write to"
        raise SinkError(f"{path_out}: cannot be written: {error.strerror or error}", allowed=allowed) from error
    try:
        descriptor = _open(partial, os.O_RDWR)
        claim(descriptor)
        file = RawFile(descriptor, str(path_out), writing=True)
        done = _into(clip, file, partial, form, effort, face_filter, progress, job)
        complete(partial, real, keep_mode=True)
    except OSError as error:
        raise SinkError(f"{path_out}: cannot be written: {error.strerror or error}") from error
    finally:
        discard(partial)
    if others:
        note = f"{path_out} had {others} other name{'s'[: others != 1]} (hard links), which keep the old content"
        return Applied(done.frames, done.with_face, (*done.notes, note), done.media_s)
    return done


def _into(
    clip: Clip,
    file: RawFile,
    partial: Path | None,
    form: Format,
    effort: Effort,
    face_filter: FaceFilter,
    progress: Progress,
    job: Job,
) -> Applied:
    notes = clip.notes()
    width = compared_width(clip.width, job.compare)
    if form.even and (width % 2 or clip.height % 2):
        even = f"{width + width % 2}x{clip.height + clip.height % 2}"
        notes.append(f"{width}x{clip.height} becomes {even}, as {form.codec} needs even sides: the edge is repeated")
    writer = VideoWriter(
        file,
        form,
        width,
        clip.height,
        clip.fps / job.every if job.every > 1 and not form.varying else clip.fps,
        clip.time_base,
        colour=clip.colour,
        aspect=clip.aspect,
        crf=effort.crf,
        preset=effort.preset,
        reopen=(lambda: RawFile(_open(partial, os.O_RDONLY))) if partial is not None else None,
    )
    copies, left_out = copies_of(clip, writer)
    copy_about(clip, writer, job.start_s, job.end_s)
    run = _Run(clip, writer, copies, face_filter, progress, job)
    try:
        run.run()
        for copy in copies:
            copy.finish()
        writer.close()
    finally:
        file.close()
    notes += left_out
    if clip.damaged:
        notes.append(f"{clip.damaged} frame{'s'[: clip.damaged != 1]} damaged: what cannot be read was skipped")
    return Applied(run.frames, run.with_face, tuple(notes), float(run.end * clip.time_base))


class _Run:
    """The three stages of one file."""

    def __init__(
        self,
        clip: Clip,
        writer: VideoWriter,
        copies: list[Copy],
        face_filter: FaceFilter,
        progress: Progress,
        job: Job,
    ) -> None:
        self._clip = clip
        self._writer = writer
        self._copies = {copy.source.index: copy for copy in copies}
        self._filter = face_filter
        self._progress = progress
        self._job = job
        self._back = Converter(clip.colour, clip.height)
        self._start = round(Fraction(job.start_s) / clip.time_base)
        self._end = None if job.end_s is None else round(Fraction(job.end_s) / clip.time_base)
        self.frames = self.with_face = 0
        self.end = 0  # of the last frame, in units of the time base

    def run(self) -> None:
        """From the first to the last frame. Raises what any stage raises."""
        total = None if self._job.is_part else self._clip.frame_count()
        total = total if total is None else -(-total // self._job.every)
        reader, behind = Ahead(self._read()), Behind(self._write)
        try:
            for item in reader:
                if isinstance(item, _Picture):
                    item = self._filtered(item)
                behind.put(item)
                if isinstance(item, _Picture):
                    self._progress(self.frames, total)
            behind.finish()
        finally:
            reader.close()
            behind.close()
        if not self.frames:
            raise SinkError(f"{self._writer.name}: no frame in that part", allowed="--start and --end within the video")

    def _read(self) -> Iterator[Any]:
        """Thread: pictures to filter, and packets of the other streams, of the part that is wanted."""
        clip, count = self._clip, -1
        if self._start > 0:
            clip.seek(self._job.start_s)
        ended = False
        for each in clip.frames():
            if not isinstance(each, Decoded):
                if (packet := self._cut(each)) is not None:
                    yield packet
                continue
            if self._end is not None and each.pts >= self._end:
                if ended:
                    return  # a frame further: the sound that belongs before it has come
                ended = True
                continue
            if each.pts + each.duration <= self._start:
                continue
            count += 1
            if count % self._job.every:
                continue
            frame = clip.upright(each)
            pts = max(0, each.pts - self._start) if self._start > 0 else each.pts
            yield _Picture(frame, clip.converter.to_bgr(frame), pts, each.duration * self._job.every)

    def _cut(self, packet: Any) -> Any | None:
        """A packet at the time that it has in the result; None: it is of another part."""
        if packet.stream.index not in self._copies:
            return None
        self._clip.shift(packet, Fraction(self._job.start_s))
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or not packet.time_base or not self._job.is_part:
            return packet
        time_s = float(time * packet.time_base)
        late = self._job.end_s is not None and time_s >= self._job.end_s - self._job.start_s
        return None if late or (self._job.start_s > 0 and time_s < 0) else packet

    def _filtered(self, picture: _Picture) -> _Picture:
        """The picture after the filter; what that has not changed keeps its very numbers."""
        before = picture.before
        time_s = float(picture.pts * self._clip.time_base)
        scene = self._filter.track(before, time_s)
        after = self._filter.render(before, scene, np.empty_like(before))
        self.frames += 1
        self.with_face += bool(scene.faces)
        self.end = picture.pts + picture.duration
        if self._job.compare is not None:
            picture.frame = self._back.from_bgr(compared(before, after, self._job.compare, time_s))
        else:
            picture.frame = patched(picture.frame, before, after, self._back)
        return picture

    def _write(self, item: Any) -> None:
        """Thread: encode or copy."""
        if isinstance(item, _Picture):
            self._writer.write(item.frame, item.pts, item.duration)
        else:
            self._copies[item.stream.index].take(item)


def _standard_output() -> RawFile:
    if sys.stdout is None:
        raise SinkError("output -: standard output is closed", allowed="a file or a pipe")
    sys.stdout.flush()
    return RawFile(os.dup(sys.stdout.fileno()), "-", writing=True)


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
