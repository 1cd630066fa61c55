"""What a video file's ending means: its container, its codec, and what both can hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

LOW_DELAY = {"preset": "superfast", "tune": "zerolatency"}  # a frame in, a frame out: kill -9 loses none to look-ahead

# Presets of x264 for a file that is finished; the second takes three times as long and saves 13 to 41 % of the bytes.
QUICK, THOROUGH = "veryfast", "medium"

FRAGMENT_S = 0.5


@dataclass(frozen=True)
class Format:
    """How a file of one ending is written.

    Attributes
    ----------
    container, codec
        FFmpeg's names.
    whole, live
        Options of the container for a file that is finished, and for one that must play however its writing ends.
    even
        Whether both sides must be even.
    varying
        Whether each frame may have a time of its own; else there is a frame for each period.
    sound
        What sound is encoded with where it cannot be copied; "": it holds none.
    text
        The codec of its subtitles; "": it holds none.
    aspect
        Whether it can say that its pixels are not square.
    """

    container: str
    codec: str
    whole: dict[str, str] = field(default_factory=dict)
    live: dict[str, str] = field(default_factory=dict)
    even: bool = True
    varying: bool = True
    sound: str = ""
    text: str = ""
    aspect: bool = True


_MP4_WHOLE = {"movflags": "+faststart+use_metadata_tags"}  # the index in front
# Fragments, which become an ordinary file with an index when it is closed.
_MP4_LIVE = {"movflags": "+hybrid_fragmented", "frag_duration": str(round(FRAGMENT_S * 1e6))}
_MKV_LIVE = {"cluster_time_limit": str(round(FRAGMENT_S * 1e3))}

_MP4 = Format("mp4", "libx264", _MP4_WHOLE, _MP4_LIVE, sound="aac", text="mov_text")

FORMATS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Format("mov", "libx264", _MP4_WHOLE, _MP4_LIVE, sound="aac", text="mov_text"),
    ".mkv": Format("matroska", "libx264", {}, _MKV_LIVE, sound="aac", text="subrip"),
    ".webm": Format("webm", "libvpx-vp9", {}, _MKV_LIVE, even=False, sound="libopus", text="webvtt", aspect=False),
    ".avi": Format("avi", "libx264", varying=False, sound="libmp3lame"),
    ".gif": Format("gif", "gif", even=False, aspect=False),
}
Y4M = Format("yuv4mpegpipe", "wrapped_avframe", even=False, varying=False, aspect=False)


def format_of(path: Path) -> Format | None:
    """How a file of that name is written; None: not at all."""
    return FORMATS.get(path.suffix.lower())


def crf_of(quality: float) -> float:
    """x264's rate factor of a quality from 1 to 100."""
    return round((100 - quality) * 0.51, 2)


def encoder_options(form: Format, crf: float, live: bool, preset: str = QUICK) -> dict[str, str]:
    """Options of the encoder; `crf` and `preset` as of x264."""
    if form.codec == "libx264":
        own = LOW_DELAY if live else {"preset": preset}
        plain = {"bf": "0"} if not form.varying else {}  # AVI knows no order of display
        return {**own, **plain, "crf": f"{crf:g}"}
    if form.codec == "libvpx-vp9":
        lag = {"lag-in-frames": "0", "deadline": "realtime", "cpu-used": "8"}
        own = lag if live else {"deadline": "good", "cpu-used": "5"}
        # VP9's scale is 63 long; at the same picture its numbers are about 10 higher.
        return {**own, "row-mt": "1", "crf": f"{min(63, round(crf * 1.1 + 4))}", "b": "0"}
    return {}
