"""A still image as a source that never ends; and the reading of images of every kind."""

from __future__ import annotations

import io
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps

from livewarp.arrays import BgrFrame
from livewarp.errors import SourceError
from livewarp.media.opening import open_regular
from livewarp.media.picture import SUFFIXES, Still
from livewarp.system.environment import install_command

__all__ = ["MAX_PIXELS", "SUFFIXES", "ImageSource", "holds_image", "is_image", "read_image", "read_picture"]

MAX_PIXELS = 120_000_000  # what phones make; as BGR 360 MB. What declares more is damaged, or made to harm
WHITE = 255

# How files of each kind begin.
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_VIDEO = (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"FLV", b"\0\0\1", b"G@", b"YUV4MPEG2")
_PNM = tuple(b"P" + digit for digit in (b"1", b"2", b"3", b"4", b"5", b"6"))
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
_AVIF = frozenset({b"avif", b"avis"})
_HEAD_BYTES = 64
_ORIENTATION = 0x0112  # the EXIF tag

_truncated_lock = threading.Lock()
Image.MAX_IMAGE_PIXELS = None  # our own limit says what is allowed

GIVEN_BYTES, GIVEN_PIXELS = 32_000_000, 40_000_000
"""The most that a picture may have that somebody gives: of its file, and of pixels."""
_GIVEN_FORMATS, _GIVEN_ALLOWED = ("PNG", "JPEG", "WEBP"), "a PNG, JPEG or WebP file"


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is a still image."""
    return path.suffix.lower() in SUFFIXES


def holds_image(path: Path) -> bool:
    """Whether a file is a still image by its content, or by its name where that says nothing."""
    try:
        head = _head(path)
    except SourceError:
        return is_image(path)
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return not _moves(path)
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    pnm = head[:2] in _PNM and head[2:3].isspace()
    if head.startswith(_MAGIC) or riff or pnm or _brands(head) & (_HEIF | _AVIF):
        return True
    return is_image(path) and not (head.startswith(_VIDEO) or head[4:8] == b"ftyp")


def read_image(path: Path) -> BgrFrame:
    """A still image as (H, W, 3) uint8 BGR in sRGB, upright; what is transparent becomes white.

    Raises
    ------
    SourceError
        The file is missing or is no image.
    """
    return _flat(read_picture(path))


def _flat(picture: Still) -> BgrFrame:
    """In sRGB, before white."""
    pixels = _coloured(picture)
    if picture.alpha is not None:
        alpha = picture.alpha[:, :, None].astype(np.uint16)
        pixels = ((pixels * alpha + WHITE * (255 - alpha) + 127) // 255).astype(np.uint8)
    return pixels


def _coloured(picture: Still) -> BgrFrame:
    """Its pixels in sRGB."""
    if picture.profile is None or picture.gray:
        return picture.pixels
    return _in_srgb(picture.pixels, picture.profile)


def read_picture(path: Path) -> Still:
    """A still image with all that belongs to it.

    Raises
    ------
    SourceError
        The file is missing, is no image or too large, or of a kind that an extra reads.
    """
    head = _head(path)
    if _brands(head) & _HEIF and not _brands(head) & _AVIF:
        _register_heif(path)
    data = b""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            _check_size(image.width, image.height, path)
            whole, notes = _load(image)
            return _picture(image, whole, notes, head)
    except SourceError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return _by_opencv(path, data, error)


def read_given(path: Path) -> NDArray[np.uint8]:
    """A picture that somebody gives to be drawn with, (H, W, 4) uint8 BGRA; one without transparency is opaque.

    It may come from anywhere: its size is read from its header before anything is decoded, and a link, a pipe, a file
    of more than 32 MB or a picture of more than 40 megapixels is refused.

    Raises
    ------
    SourceError
        It is such, is missing, or is no PNG, JPEG or WebP.
    """
    what = f"picture {path}"
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise SourceError(f"{what}: is {'a link' if stat.S_ISLNK(mode) else 'no regular file'}", allowed="a file")
        with path.open("rb") as file:
            data = file.read(GIVEN_BYTES + 1)
    except OSError as error:
        raise SourceError(f"{what}: {error.strerror or error}", allowed="a readable image file") from error
    return decode_drawn(data, what)


def decode_drawn(data: bytes, what: str) -> NDArray[np.uint8]:
    """The bytes of such a picture, upright and in its whole size, as `read_given` gives it.

    Raises
    ------
    SourceError
        As `decode_given`.
    """
    still = _decoded(data, what, None)
    picture = np.empty((*still.pixels.shape[:2], 4), np.uint8)
    picture[..., :3] = _coloured(still)
    picture[..., 3] = 255 if still.alpha is None else still.alpha
    return picture


def decode_given(data: bytes, what: str, needed_px: int) -> BgrFrame:
    """A picture that somebody sends, as `read_image` gives one; `what` it is for, for errors.

    It may come from anywhere: it has to be a whole PNG, JPEG or WebP, and its sizes are checked before it is decoded.

    Parameters
    ----------
    needed_px
        What is needed of each side: a larger JPEG is decoded at a part of its size.

    Raises
    ------
    SourceError
        It is none, is damaged or too large.
    """
    return _flat(_decoded(data, what, needed_px))


def _decoded(data: bytes, what: str, needed_px: int | None) -> Still:
    """What somebody sends, upright; `needed_px` as in `decode_given`, None: all of it."""
    _check_given(data, what)
    try:
        with Image.open(io.BytesIO(data), formats=_GIVEN_FORMATS) as image:
            if image.width * image.height > GIVEN_PIXELS:  # where the decoder reads another size than we do
                raise ValueError(f"{image.width}x{image.height} px")
            if needed_px is not None:
                image.draft("RGB", (needed_px, needed_px))
            image.load()
            return _picture(image, image, [], data[:_HEAD_BYTES])
    except Exception as error:  # whatever a decoder makes of a file that was made to harm
        raise SourceError(f"{what}: cannot be decoded", allowed=_GIVEN_ALLOWED) from error


def _check_given(data: bytes, what: str) -> None:
    """Raise `SourceError` where a file that somebody gives is of no allowed kind or size, by its header."""
    if len(data) > GIVEN_BYTES:
        raise SourceError(f"{what}: is too large", allowed=f"up to {GIVEN_BYTES // 1_000_000} MB")
    size = _size_in_header(data)
    if size is None:
        raise SourceError(f"{what}: cannot be decoded", allowed=_GIVEN_ALLOWED)
    width, height = size
    if min(size) < 16 or width * height > GIVEN_PIXELS:
        raise SourceError(
            f"{what}: has a size of {width}x{height}", allowed=f"16 px a side to {GIVEN_PIXELS // 1_000_000} megapixels"
        )


def _size_in_header(data: bytes) -> tuple[int, int] | None:
    """Width and height, px, that a PNG, JPEG or WebP file says it has; None: it is none."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        if data[12:16] == b"VP8 ":
            return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
        if data[12:16] == b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if data[12:16] == b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        return None
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 1 if marker == 0xFF else 2 + max(length, 2)
    return None


class ImageSource:
    """One image, over and over.

    Raises
    ------
    SourceError
        The file is missing or is no image.
    """

    live = False
    ended = False

    def __init__(self, path: Path, fps: float = 30.0) -> None:
        self._image = read_image(path)
        self.height, self.width = self._image.shape[:2]
        self.fps = fps
        self.name = f"image {path.name} ({self.width}x{self.height})"
        self._count = 0

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the image; the frame's time, s."""
        np.copyto(out, self._image)
        self._count += 1
        return (self._count - 1) / self.fps

    def close(self) -> None:
        """Nothing to release."""


def _head(path: Path) -> bytes:
    file = open_regular(path)
    try:
        return file.read(_HEAD_BYTES)
    finally:
        file.close()


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO media file; none of another."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[i : i + 4] for i in range(16, end - 3, 4))}


def _moves(path: Path) -> bool:
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            return bool(getattr(image, "is_animated", False))
    except (OSError, ValueError, SyntaxError, EOFError):
        return True  # FFmpeg may still read it


def _register_heif(path: Path) -> None:
    try:
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        remedy = f"{install_command('pillow-heif')}, or convert it to JPEG"
        raise SourceError(f"image {path}: is HEIC, which needs one more package", remedy=remedy) from None
    pillow_heif.register_heif_opener()


def _check_size(width: int, height: int, path: Path) -> None:
    if width * height > MAX_PIXELS:
        raise SourceError(f"image {path}", got=f"{width}x{height} px", allowed=f"{MAX_PIXELS} px at most")


def _load(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """All of the image, or what is there of one that was cut off."""
    try:
        image.load()
        return image, []
    except OSError as error:
        if "truncated" not in str(error):
            raise
    with _truncated_lock, _truncated_allowed():
        image.load()
    return image, ["it is cut off: what is missing stays gray"]


@contextmanager
def _truncated_allowed() -> Iterator[None]:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _picture(opened: Image.Image, image: Image.Image, notes: list[str], head: bytes) -> Still:
    """What was loaded, upright, as BGR."""
    if (n := getattr(opened, "n_frames", 1)) > 1 and opened.format != "MPO":
        notes.append(f"it has {n} pictures: the first was taken")
    profile = opened.info.get("icc_profile") or None
    exif = opened.getexif()
    image = ImageOps.exif_transpose(image)
    if _ORIENTATION in exif:
        del exif[_ORIENTATION]
    if image.mode.startswith("I") or (head[:4] == b"\x89PNG" and head[24:25] == b"\x10"):
        notes.append("its 16 bits become 8")
    if image.mode in {"CMYK", "YCCK"}:
        notes.append("its CMYK becomes RGB")
        image, profile = _cmyk_as_srgb(image, profile), None
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = np.ascontiguousarray(np.asarray(image)[:, :, 3])
        alpha = None if (alpha == 255).all() else alpha
    gray = image.mode in {"1", "L", "LA"} or image.mode.startswith(("I", "F"))
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    pixels = np.asarray(image.convert("RGB"))[:, :, ::-1]
    return Still(np.ascontiguousarray(pixels), alpha, profile, exif.tobytes() if exif else None, gray, tuple(notes))


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    scale = 255.0 if image.mode == "F" and values.max(initial=0.0) <= 1.0 else 255 / 65535
    return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))


def _cmyk_as_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile is not None:
        converted = _converted(image, profile)
        if converted is not None:
            return converted
    return image.convert("RGB")


def _in_srgb(pixels: BgrFrame, profile: bytes) -> BgrFrame:
    converted = _converted(Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1])), profile)
    return pixels if converted is None else np.ascontiguousarray(np.asarray(converted)[:, :, ::-1])


def _converted(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The image in sRGB; None: the profile is damaged, or of another kind of image."""
    try:
        result: Any = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return result if isinstance(result, Image.Image) else None


def _by_opencv(path: Path, data: bytes, cause: Exception) -> Still:
    """What Pillow does not know, such as TIFF with 16 bits a colour."""
    image = None
    if data:
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_BGR)
        except cv2.error:
            image = None
    if image is None:
        raise SourceError(f"image {path}: cannot be decoded", allowed=", ".join(sorted(SUFFIXES))) from cause
    return Still(np.ascontiguousarray(image), notes=("it may have lost bits or a colour profile",))
