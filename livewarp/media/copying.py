"""What else a file holds: sound, subtitles, chapters, title; copied where the new file can hold them, else said."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av

from livewarp.media.clip import Clip
from livewarp.media.writing import VideoWriter

# Said by the container itself, of the old file.
_NOT_METADATA = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})


class Copy:
    """Carries the packets of one stream over.

    Parameters
    ----------
    source
        The stream that they come from.
    writer
        Where they go.
    codec
        "": as they are; else what sound is encoded with.
    """

    def __init__(self, source: Any, writer: VideoWriter, codec: str = "") -> None:
        self.source = source
        self._writer = writer
        self._encodes = bool(codec)
        container = writer.container
        if codec:
            rate = 48000 if codec == "libopus" else source.codec_context.sample_rate
            self._target: Any = container.add_stream(codec, rate=rate, layout=_layout(source))
        else:
            self._target = container.add_stream_from_template(source)
        self._target.metadata.update(source.metadata)
        self._target.disposition = source.disposition
        self._last_dts: int | None = None

    def take(self, packet: Any) -> None:
        """Write one packet of the source. Raises SinkError."""
        if self._encodes:
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                return  # a hole in the sound; its time stamps keep the rest in place
            for frame in frames:
                self._writer.mux(list(self._target.encode(frame)))
            return
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.pts is None:
            packet.pts = packet.dts
        if packet.dts is None or packet.pts is None:
            return
        if self._writer.form.container == "avi" and packet.pts + (packet.duration or 0) <= 0:
            return  # what only wakes the decoder: AVI begins at 0, and would play it, 20 ms before the rest
        if self._last_dts is not None and packet.dts <= self._last_dts:
            late = self._last_dts + 1 - packet.dts
            packet.dts += late
            packet.pts += late
        self._last_dts = packet.dts
        packet.stream = self._target
        self._writer.mux([packet])

    def finish(self) -> None:
        """Write what the encoder still holds. Raises SinkError."""
        if self._encodes:
            self._writer.mux(list(self._target.encode(None)))


def copies_of(clip: Clip, writer: VideoWriter) -> tuple[list[Copy], list[str]]:
    """Everything of a clip that its copy can hold, prepared, and what it cannot, for people."""
    copies, notes = [], []
    holds = writer.container.supported_codecs
    for stream in clip.container.streams:
        if stream is clip.stream:
            continue
        kind = stream.type
        codec = _codec(stream)
        if kind == "audio":
            copy, note = _sound(stream, codec, holds, writer)
        elif kind == "subtitle" and writer.form.text and codec in holds:
            copy, note = Copy(stream, writer), ""
        elif kind == "video" and stream.disposition & av.stream.Disposition.attached_pic:
            copy, note = None, "its cover picture was left out"
        elif kind == "video":
            copy, note = None, f"its other picture ({codec}) was left out"
        elif kind == "data" and codec in {"", "bin_data"} and clip.container.chapters():
            continue  # how QuickTime names chapters
        else:
            what = "subtitles" if kind == "subtitle" else f"{kind} track"
            copy, note = None, f"its {what} ({codec or 'unknown'}) cannot be held by {writer.form.container}: left out"
        if copy is not None:
            copies.append(copy)
        if note:
            notes.append(note)
    return copies, notes


def copy_about(clip: Clip, writer: VideoWriter, start_s: float = 0.0, end_s: float | None = None) -> None:
    """Take over title, author, date and the like, and chapters of the part from `start_s` to `end_s`."""
    about = {key: value for key, value in clip.container.metadata.items() if key.lower() not in _NOT_METADATA}
    writer.container.metadata.update(about)
    chapters = list(_within(clip.container.chapters(), start_s, end_s))
    if chapters and writer.form.text:
        writer.container.set_chapters(cast(Any, chapters))


def _within(chapters: list[Any], start_s: float, end_s: float | None) -> Iterator[dict[str, Any]]:
    for chapter in chapters:
        unit = Fraction(chapter["time_base"])
        first, last = round(Fraction(start_s) / unit), None if end_s is None else round(Fraction(end_s) / unit)
        begins, ends = max(chapter["start"], first), chapter["end"] if last is None else min(chapter["end"], last)
        if begins < ends:
            yield {**chapter, "start": begins - first, "end": ends - first}


def _sound(stream: Any, codec: str, holds: set[str], writer: VideoWriter) -> tuple[Copy | None, str]:
    form = writer.form
    if not form.sound:
        return None, f"its sound ({codec}) cannot be held by {form.container}: left out"
    if codec in holds and not (form.container == "avi" and codec in {"opus", "vorbis"}):
        return Copy(stream, writer), ""
    try:
        return Copy(
            stream, writer, form.sound
        ), f"its sound ({codec}) was encoded anew: {form.container} cannot hold it"
    except (av.error.FFmpegError, ValueError, AttributeError) as error:
        return None, f"its sound ({codec}) was left out: {error}"


def _codec(stream: Any) -> str:
    context = getattr(stream, "codec_context", None)
    if context is None:
        return str(getattr(stream, "name", "") or "")
    return str(context.codec.canonical_name)


def _layout(stream: Any) -> str:
    return "mono" if stream.codec_context.layout.nb_channels == 1 else "stereo"
