"""Files in, files out: what `apply` keeps of fifty kinds of clip with everything at 0.

    python benchmarks/files.py                   # five minutes
    python benchmarks/files.py prores gif        # the rows whose names hold these words
    python benchmarks/files.py --json files.json

Every clip is made by the ffmpeg program, filtered by `livewarp apply` with every adjustment at 0, and both are
looked at by ffmpeg and ffprobe, as a player would show them: neither is livewarp's own code. A row is good where the
shown size and shape, the number of frames, the duration (to a frame), the times of the frames (to a frame), the
colours of ten patches (3 levels), the beginning of the tone (20 ms) and the title are what they were, or the program
said what is not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # the patches are the tests', too

from files_fixture import PATCHES_RGB

FRAMES = 30
TONE_FROM_S = 0.4
LEVELS, SOUND_S = 3.0, 0.020

H264 = ("-c:v", "libx264", "-crf", "8", "-preset", "veryfast")
AAC = ("-c:a", "aac")


@dataclass(frozen=True)
class Kind:
    """One kind of clip: how ffmpeg makes it, and what it is written as.

    Attributes
    ----------
    name, options
        The file's name, whose ending decides the container; ffmpeg's options for it.
    out
        The ending of the result.
    size, fps
        Of the frames, px and 1/s.
    sound
        Whether it has a tone.
    before
        Options before the inputs of ffmpeg (video alone), such as another start.
    second
        A second run of ffmpeg over the first's result: its options; (): none.
    told
        What the program is to say is different; "": nothing is.
    levels
        How far a patch may be off, levels, where the clip or its result has few colours.
    """

    name: str
    options: tuple[str, ...]
    out: str = ".mp4"
    size: tuple[int, int] = (320, 180)
    fps: str = "25"
    sound: bool = True
    before: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    told: str = ""
    levels: float = LEVELS


def tags(matrix: str, primaries: str, transfer: str, range_: str = "tv") -> tuple[str, ...]:
    """Convert to a matrix and range, and say so in the file."""
    scale = f"scale=out_color_matrix={matrix}:out_range={range_}"
    return ("-vf", scale, "-colorspace", matrix, "-color_primaries", primaries, "-color_trc", transfer,
            "-color_range", range_)  # fmt: skip


BT709 = tags("bt709", "bt709", "bt709")
YUV420 = ("-pix_fmt", "yuv420p")

KINDS = (
    Kind("h264_709.mp4", (*H264, *YUV420, *BT709, *AAC)),
    Kind("h264_709_to_mov.mp4", (*H264, *YUV420, *BT709, *AAC), out=".mov"),
    Kind("h264_709_to_mkv.mp4", (*H264, *YUV420, *BT709, *AAC), out=".mkv"),
    Kind("h264_709_to_webm.mp4", (*H264, *YUV420, *BT709, *AAC), out=".webm"),
    Kind("h264_709_to_avi.mp4", (*H264, *YUV420, *BT709, *AAC), out=".avi"),
    Kind("h264_709_to_gif.mp4", (*H264, *YUV420, *BT709, *AAC), out=".gif", told="sound", levels=12),
    Kind("h264_full.mp4", (*H264, *YUV420, *tags("bt709", "bt709", "bt709", "pc"), *AAC)),
    Kind("h264_601.mp4", (*H264, *YUV420, *tags("smpte170m", "smpte170m", "smpte170m"), *AAC)),
    Kind("h264_2020.mkv", (*H264, *YUV420, *tags("bt2020nc", "bt2020", "bt2020-10"), *AAC)),
    Kind("h264_untagged.mp4", (*H264, *YUV420, *AAC)),
    Kind("h264_untagged_720.mp4", (*H264, *YUV420, *AAC), size=(1280, 720)),
    Kind("h264_422.mp4", (*H264, "-pix_fmt", "yuv422p", *BT709, *AAC)),
    Kind("h264_444.mkv", (*H264, "-pix_fmt", "yuv444p", *BT709, *AAC)),
    Kind("h264_10bit.mkv", (*H264, "-pix_fmt", "yuv420p10le", *BT709, *AAC), told="10 bits"),
    Kind("h264_rgb.mkv", ("-c:v", "libx264rgb", "-crf", "8", *AAC)),
    Kind("hevc.mp4", ("-c:v", "libx265", "-crf", "8", "-tag:v", "hvc1", *YUV420, *BT709, *AAC)),
    Kind("hevc_hlg.mkv", ("-c:v", "libx265", "-crf", "8", "-pix_fmt", "yuv420p10le",
                          *tags("bt2020nc", "bt2020", "arib-std-b67"), *AAC), told="HLG"),
    Kind("vp8.webm", ("-c:v", "libvpx", "-b:v", "4M", *YUV420, "-c:a", "libopus")),
    Kind("vp9_odd.webm", ("-c:v", "libvpx-vp9", "-b:v", "4M", *YUV420, *BT709, "-c:a", "libopus"), out=".webm",
         size=(321, 181)),
    Kind("h264_odd_444.mkv", (*H264, "-pix_fmt", "yuv444p", *BT709, *AAC), size=(321, 181), told="even"),
    Kind("av1.mkv", ("-c:v", "libsvtav1", "-crf", "10", *YUV420, *BT709, *AAC)),
    Kind("mpeg2.ts", ("-c:v", "mpeg2video", "-q:v", "2", *YUV420, "-c:a", "mp2")),
    Kind("program.mpg", ("-c:v", "mpeg2video", "-q:v", "2", *YUV420, "-c:a", "mp2")),
    Kind("mpeg4.avi", ("-c:v", "mpeg4", "-q:v", "2", *YUV420, "-c:a", "libmp3lame")),
    Kind("wmv2.wmv", ("-c:v", "wmv2", "-q:v", "2", *YUV420, "-c:a", "wmav2")),
    Kind("flv.flv", ("-c:v", "flv", "-q:v", "2", *YUV420, "-c:a", "libmp3lame", "-ar", "44100")),
    Kind("mjpeg.avi", ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj422p", "-c:a", "pcm_s16le")),
    Kind("prores.mov", ("-c:v", "prores_ks", *BT709, "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s16le"), told="10 bits"),
    Kind("dnxhr.mov", ("-c:v", "dnxhd", "-profile:v", "dnxhr_hq", "-pix_fmt", "yuv422p", *BT709, *AAC),
         size=(640, 360)),
    Kind("ffv1.mkv", ("-c:v", "ffv1", *YUV420, *BT709, "-c:a", "flac"), out=".mkv"),
    Kind("huffyuv.avi", ("-c:v", "huffyuv", "-pix_fmt", "yuv422p", "-c:a", "pcm_s16le")),
    Kind("raw.y4m", (*YUV420,), sound=False),
    Kind("gif.gif", (), sound=False, levels=8),
    Kind("png.mov", ("-c:v", "png", "-c:a", "pcm_s16le")),
    Kind("dv_pal.dv", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-aspect", "16:9", "-ar", "48000", "-ac", "2"),
         size=(720, 576)),
    Kind("h263.3gp", ("-c:v", "h263", "-q:v", "2", *YUV420, *AAC), size=(352, 288)),
    Kind("alpha.mov", ("-c:v", "qtrle", "-pix_fmt", "argb", "-c:a", "pcm_s16le")),
    Kind("turned.mp4", (*H264, *YUV420, *BT709, *AAC), second=("-metadata:s:v", "rotate=90")),
    Kind("upside_down.mp4", (*H264, *YUV420, *BT709, *AAC), second=("-metadata:s:v", "rotate=180")),
    Kind("wide_pixels.mkv", (*H264, *YUV420, *tags("bt709", "bt709", "bt709"), "-aspect", "16:9", *AAC),
         size=(320, 240)),
    Kind("wide_pixels_to_webm.mkv", (*H264, *YUV420, *tags("bt709", "bt709", "bt709"), "-aspect", "16:9", *AAC),
         out=".webm", size=(320, 240)),
    Kind("varying.mkv", (*H264, *YUV420, "-vf", "select='not(between(n,8,19))'", "-fps_mode", "vfr", *AAC)),
    Kind("late_start.ts", (*H264, *YUV420, *AAC, "-output_ts_offset", "100")),
    Kind("late_video.mp4", (*H264, *YUV420, *BT709, *AAC), before=("-itsoffset", "0.5")),
    Kind("early_video.mkv", (*H264, *YUV420, *BT709, *AAC), before=("-itsoffset", "-0.2")),
    Kind("ntsc_film.mp4", (*H264, *YUV420, *BT709, *AAC), fps="24000/1001"),
    Kind("fast.mp4", (*H264, *YUV420, *BT709, *AAC), fps="60000/1001"),
    Kind("slow.mp4", (*H264, *YUV420, *BT709, *AAC), fps="5"),
    Kind("fragments.mp4", (*H264, *YUV420, *BT709, *AAC, "-movflags", "frag_keyframe+empty_moov", "-g", "5")),
    Kind("interlaced.mpg", ("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme", "-top", "1", *YUV420,
                            "-c:a", "mp2"), size=(720, 576)),
)  # fmt: skip


@dataclass
class Seen:
    """What a player shows of a file."""

    width: float  # as shown: turned, and with square pixels, px
    height: float
    frames: int
    times_s: list[float]
    duration_s: float  # from the first frame to the end of the last
    colours: list[list[float]] = field(repr=False)  # of the patches, RGB
    sound_s: float | None  # from the first frame to the tone
    title: str


def run(arguments: list[str], data: bytes | None = None) -> bytes:
    """A program's output. Raises RuntimeError with what it said."""
    done = subprocess.run(arguments, input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments[0]}: {done.stderr.decode(errors='replace').strip()[-400:]}")
    return done.stdout


def make(kind: Kind, folder: Path) -> Path:
    """The clip."""
    path = folder / kind.name
    width, height = kind.size
    picture = np.zeros((height, width, 3), np.uint8)
    for i, rgb in enumerate(PATCHES_RGB):
        picture[:, i * width // 10 : (i + 1) * width // 10] = rgb
    frames = np.repeat(picture[None], FRAMES, axis=0)
    for i in range(FRAMES):  # something moves, so that frames differ
        frames[i, 4:24, 8 + 4 * i : 28 + 4 * i] = 90
    tone = f"sine=frequency=880:duration=0.6,adelay={round(TONE_FROM_S * 1000)}:all=1"
    sound = ["-f", "lavfi", "-i", tone] if kind.sound else []
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", kind.fps]
    first = folder / f"first{path.suffix}" if kind.second else path
    run(
        ["ffmpeg", "-v", "error", "-y", *kind.before, *raw, "-i", "-", *sound, "-metadata", "title=Two words",
         *kind.options, str(first)],
        frames.tobytes(),
    )  # fmt: skip
    if kind.second:
        run(["ffmpeg", "-v", "error", "-y", "-i", str(first), "-c", "copy", *kind.second, str(path)])
    return path


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe tells of a file."""
    wanted = "stream=width,height,sample_aspect_ratio,codec_type:stream_side_data=rotation:format_tags=title"
    text = run(["ffprobe", "-v", "error", "-show_entries", wanted, "-of", "json", str(path)])
    told: dict[str, Any] = json.loads(text)
    return told


def look(path: Path) -> Seen:
    """What a player shows of a file."""
    told = probe(path)
    video = next(s for s in told["streams"] if s["codec_type"] == "video")
    turned = any(abs(int(side.get("rotation", 0))) % 180 == 90 for side in video.get("side_data_list", []))
    width, height = video["width"], video["height"]
    aspect = Fraction((video.get("sample_aspect_ratio") or "1:1").replace(":", "/").replace("0/1", "1"))
    shown = (width * float(aspect), float(height))
    if turned:
        width, height = height, width
        shown = shown[::-1]
    asked = "frame=best_effort_timestamp_time,duration_time,pkt_duration_time"
    text = run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", asked, "-of", "json", str(path)])
    frames = json.loads(text)["frames"]
    times = [float(frame["best_effort_timestamp_time"]) for frame in frames if "best_effort_timestamp_time" in frame]
    last = frames[-1]
    own = float(last.get("duration_time") or last.get("pkt_duration_time") or 0)
    duration = times[-1] - times[0] + own if times else 0.0
    pixels = np.frombuffer(
        run(["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-vf",
             "scale=flags=accurate_rnd+full_chroma_int", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]), np.uint8
    ).reshape(height, width, 3)  # fmt: skip
    return Seen(*shown, len(frames), times, duration, patch_colours(pixels), tone_s(path, times), title_of(told))


def patch_colours(pixels: np.ndarray) -> list[list[float]]:
    """The patches' colours, in whatever direction they run, from white to skin."""
    if pixels.shape[0] > pixels.shape[1]:
        pixels = pixels.transpose(1, 0, 2)
    height, width = pixels.shape[:2]
    middle = pixels[height // 2 : 3 * height // 4]
    found = [
        np.mean(middle[:, round((i + 0.35) * width / 10) : round((i + 0.65) * width / 10)], axis=(0, 1)).tolist()
        for i in range(10)
    ]
    return found[::-1] if sum(found[9]) > sum(found[0]) else found


def tone_s(path: Path, times_s: list[float]) -> float | None:
    """From the first frame to where the tone begins, s; None: there is none."""
    told = json.loads(run(["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "frame=pts_time",
                           "-read_intervals", "%+0.2", "-of", "json", str(path)]))  # fmt: skip
    if not told.get("frames") or not times_s:
        return None
    samples = np.frombuffer(
        run(["ffmpeg", "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", "48000", "-f", "s16le", "-"]), np.int16
    )
    loud = np.flatnonzero(np.abs(samples.astype(float)) > 600)
    return float(told["frames"][0]["pts_time"]) + loud[0] / 48000 - times_s[0] if len(loud) else None


def title_of(told: dict[str, Any]) -> str:
    """The title, whichever way the container spells it."""
    return next((text for key, text in told.get("format", {}).get("tags", {}).items() if key.lower() == "title"), "")


def applied(path: Path, out: Path) -> str:
    """Filter with everything at 0; what the program said."""
    program = [sys.executable, "-m", "livewarp", "apply", str(path), str(out), "--set", "thin=0", "--set", "eyes=0"]
    done = subprocess.run(program, capture_output=True, check=False, text=True)
    if done.returncode not in (0, 3):  # 3: no face, which is so
        raise RuntimeError(done.stderr.strip()[-400:])
    return done.stdout + done.stderr


def differences(kind: Kind, before: Seen, after: Seen) -> list[str]:
    """What is not as it was."""
    found = []
    period_s = 1 / float(Fraction(kind.fps))
    # One column or row more where the codec needs even sides; a pixel where pixels become square.
    if abs(before.width - after.width) > 1.01 or abs(before.height - after.height) > 1.01:
        found.append(f"size {before.width:g}x{before.height:g} → {after.width:g}x{after.height:g}")
    if before.frames != after.frames and kind.out not in {".avi", ".gif"}:
        found.append(f"frames {before.frames} → {after.frames}")
    if abs(before.duration_s - after.duration_s) > 1.05 * period_s:
        found.append(f"duration {before.duration_s:.3f} → {after.duration_s:.3f} s")
    if len(before.times_s) == len(after.times_s) > 0:
        own = [t - before.times_s[0] for t in before.times_s]
        new = [t - after.times_s[0] for t in after.times_s]
        worst = max(abs(a - b) for a, b in zip(own, new, strict=True))
        if worst > 1.05 * period_s:
            found.append(f"a frame {worst:.3f} s off")
    off = colour_error(before, after)
    if off > kind.levels:
        found.append(f"colours {off:.0f} levels off")
    if kind.out != ".gif":
        if (before.sound_s is None) != (after.sound_s is None):
            found.append(f"sound {before.sound_s} → {after.sound_s}")
        elif before.sound_s is not None and after.sound_s is not None and abs(before.sound_s - after.sound_s) > SOUND_S:
            found.append(f"tone {1000 * (after.sound_s - before.sound_s):+.0f} ms")
    if before.title and before.title != after.title and kind.out != ".gif":
        found.append(f"title {before.title!r} → {after.title!r}")
    return found


def colour_error(before: Seen, after: Seen) -> float:
    """The largest error of a channel of a patch, levels: to the clip as ffmpeg shows it, or to what was drawn.

    ffmpeg 5 does not read the matrix that a ProRes frame tells, and shows such a clip wrongly.
    """
    shown, drawn = (np.abs(np.array(other) - np.array(after.colours)).max() for other in (before.colours, PATCHES_RGB))
    return float(min(shown, drawn))


def main() -> int:
    """Print the table; 1 where a row is not good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only the rows whose names hold one of these")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    arguments = parser.parse_args()
    for program in ("ffmpeg", "ffprobe"):
        if shutil.which(program) is None:
            print(f"{program} is missing: it makes the clips and looks at the results (apt install ffmpeg)")
            return 2
    rows, bad = [], 0
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            if arguments.words and not any(word in kind.name for word in arguments.words):
                continue
            path = make(kind, Path(name))
            out = Path(name) / f"out_{kind.name}{kind.out}"
            try:
                said = applied(path, out)
                before, after = look(path), look(out)
                found = differences(kind, before, after)
                if kind.told and kind.told not in said:
                    found.append(f"not said: {kind.told}")
                error = colour_error(before, after)
                ratio = out.stat().st_size / path.stat().st_size
                rows.append({"name": kind.name, "before": asdict(before), "after": asdict(after), "wrong": found})
            except RuntimeError as failed:
                found, error, ratio = [str(failed)], float("nan"), float("nan")
                rows.append({"name": kind.name, "wrong": found})
            bad += bool(found)
            verdict = "; ".join(found) or "good"
            print(f"{kind.name:28}{kind.out:7}{error:5.1f} levels {ratio:7.2f}x  {verdict}", flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows) - bad} of {len(rows)} good")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
