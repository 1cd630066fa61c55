"""A webcam's raw pictures as frames: ranges, matrices, damage; and which of the pictures offered is taken."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from livewarp.sources.modes import best_mode, smaller_mode
from livewarp.sources.pixels import LAYOUTS, Damaged, Decoder, Resized, decode_jpeg
from livewarp.system.streaming import PictureFormat
from livewarp.system.v4l2 import Mode

SIZE_HW = (16, 32)
# B, G, R: three greys, six patches.
PATCHES = [(16,) * 3, (128,) * 3, (235,) * 3]
PATCHES += [(30, 40, 200), (40, 180, 60), (200, 60, 40), (180, 180, 40), (160, 50, 170), (60, 190, 200)]
YUV = [name for name, layout in LAYOUTS.items() if layout.planes is not None]


def to_yuv(bgr: tuple[int, ...], full_range: bool, bt709: bool) -> list[int]:
    """A colour by the formulas of BT.601 or BT.709, in whole levels."""
    blue, green, red = (value / 255 for value in bgr)
    of_red, of_blue = (0.2126, 0.0722) if bt709 else (0.299, 0.114)
    y = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    u, v = (blue - y) / (2 * (1 - of_blue)), (red - y) / (2 * (1 - of_red))
    if full_range:
        return [round(255 * y), round(min(255, 128 + 255 * u)), round(min(255, 128 + 255 * v))]
    return [round(16 + 219 * y), round(128 + 224 * u), round(128 + 224 * v)]


def raw(fourcc: str, colour: tuple[int, ...], full_range: bool, bt709: bool, padding: int) -> tuple[bytes, int]:
    """A picture of one colour in a format, and its bytes a row."""
    h, w = SIZE_HW
    layout = LAYOUTS[fourcc]
    stride = (2 * w if layout.rows == 1.0 else w) + padding
    rows = np.zeros((int(h * layout.rows), stride), np.uint8)
    assert layout.planes is not None
    for plane, value in zip(layout.planes(rows, h, w), to_yuv(colour, full_range, bt709), strict=True):
        plane[:] = value
    return rows.tobytes(), stride


@pytest.mark.parametrize(("full_range", "bt709"), list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("fourcc", YUV)
def test_colours_arrive_whatever_the_format_range_and_matrix(fourcc: str, full_range: bool, bt709: bool) -> None:
    """Greys 16, 128, 235 and six patches are within two levels, with rows that are padded or not."""
    for padding, colour in itertools.product((0, 64), PATCHES):
        data, stride = raw(fourcc, colour, full_range, bt709, padding)
        decoder = Decoder(PictureFormat(fourcc, SIZE_HW[1], SIZE_HW[0], stride, len(data), full_range, bt709))
        out = np.zeros((*SIZE_HW, 3), np.uint8)
        decoder.decode(memoryview(data), out)
        np.testing.assert_allclose(out.astype(int), np.broadcast_to(colour, out.shape), atol=2)


def test_chroma_is_where_it_belongs() -> None:
    """Red on the left and blue on the right stay there in every format: no U for V, no column too far."""
    h, w = SIZE_HW
    for fourcc, bt709 in itertools.product(YUV, (False, True)):
        left, stride = raw(fourcc, (0, 0, 255), False, bt709, 0)
        right, _ = raw(fourcc, (255, 0, 0), False, bt709, 0)
        layout = LAYOUTS[fourcc]
        both = np.frombuffer(left, np.uint8).reshape(-1, stride).copy()
        assert layout.planes is not None
        others = layout.planes(np.frombuffer(right, np.uint8).reshape(-1, stride), h, w)
        for plane, other in zip(layout.planes(both, h, w), others, strict=True):
            plane[:, plane.shape[1] // 2 :] = other[:, plane.shape[1] // 2 :]
        out = np.zeros((h, w, 3), np.uint8)
        decoder = Decoder(PictureFormat(fourcc, w, h, stride, both.size, False, bt709))
        decoder.decode(memoryview(both.reshape(-1)), out)
        halves = out[:, : w // 2 - 2], out[:, w // 2 + 2 :]
        for half, colour in zip(halves, ((0, 0, 255), (255, 0, 0)), strict=True):
            np.testing.assert_allclose(half.astype(int), np.broadcast_to(colour, half.shape), atol=2, err_msg=fourcc)


def test_rgb_and_grey_pass_as_they_are() -> None:
    """What has no matrix is copied: a red picture in both orders of bytes, a sensor's own brightness."""
    h, w = SIZE_HW
    for fourcc, pixel in (("BGR3", (10, 20, 200)), ("RGB3", (200, 20, 10)), ("GREY", (77,))):
        data = np.tile(np.array(pixel, np.uint8), h * w)
        out = np.zeros((h, w, 3), np.uint8)
        Decoder(PictureFormat(fourcc, w, h, w * len(pixel), data.size, True, False)).decode(memoryview(data), out)
        expected = (10, 20, 200) if len(pixel) == 3 else (77,) * 3
        np.testing.assert_array_equal(out, np.broadcast_to(expected, out.shape))


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    """A JPEG of 64 × 48 with detail everywhere."""
    noise = np.random.default_rng(4).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


def without_tables(jpeg: bytes) -> bytes:
    """The same JPEG without Huffman tables, as many webcams send it."""
    at, parts = 2, [jpeg[:2]]
    while jpeg[at + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if jpeg[at + 1] != 0xC4:
            parts.append(jpeg[at : at + length])
        at += length
    return b"".join([*parts, jpeg[at:]])


def test_jpegs_of_webcams_are_read(jpeg: bytes) -> None:
    """Without Huffman tables, and with bytes behind the end, the picture is the one that OpenCV finds."""
    expected = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)
    for data in (jpeg, without_tables(jpeg), jpeg + bytes(500), jpeg[:-2] + b"\x00\x00\x00" + jpeg[-2:]):
        out = np.zeros((48, 64, 3), np.uint8)
        decode_jpeg(memoryview(data), out)
        # The quick upsampling of chroma differs from OpenCV's in single pixels of noise.
        assert np.abs(out.mean(axis=2) - expected.mean(axis=2)).mean() < 12


def test_colours_of_a_jpeg_are_full_range() -> None:
    """Greys 16, 128, 235 and six patches leave a JFIF within two levels."""
    for colour in PATCHES:
        picture = np.full((48, 64, 3), colour, np.uint8)
        data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 95))[1].tobytes()
        out = np.zeros_like(picture)
        decode_jpeg(memoryview(data), out)
        np.testing.assert_allclose(out.astype(int), picture.astype(int), atol=2)


def test_a_damaged_picture_is_refused(jpeg: bytes) -> None:
    """Cut, torn, with a hole or a wrong byte, empty, of bytes that are no JPEG, too few rows: nothing is shown."""
    half = len(jpeg) // 2
    wrong = bytearray(jpeg)
    wrong[half] ^= 0x55
    cases = (jpeg[:half], jpeg[:half] + jpeg, jpeg[:half] + jpeg[half + 200 :], bytes(wrong), b"", b"\xff\xd8" * 50)
    for data in cases:
        with pytest.raises(Damaged):
            decode_jpeg(memoryview(data), np.zeros((48, 64, 3), np.uint8))
    decoder = Decoder(PictureFormat("YUYV", 32, 16, 64, 1024, False, False))
    with pytest.raises(Damaged, match="1023 bytes of 1024"):
        decoder.decode(memoryview(bytes(1023)), np.zeros((16, 32, 3), np.uint8))


def test_another_size_is_told(jpeg: bytes) -> None:
    """A picture that does not fit is not squeezed in: its size is the answer."""
    with pytest.raises(Resized) as told:
        decode_jpeg(memoryview(jpeg), np.zeros((60, 64, 3), np.uint8))
    assert told.value.args == (48, 64)


C920 = [
    *(Mode("YUYV", w, h, fps) for w, h, fps in ((640, 480, 30.0), (1280, 720, 10.0), (1920, 1080, 5.0))),
    *(Mode("MJPG", w, h, 30.0) for w, h in ((640, 360), (640, 480), (1280, 720), (1920, 1080))),
]


@pytest.mark.parametrize(
    ("modes", "wanted", "expected"),
    [
        (C920, (1280, 720, 30), ("MJPG", 1280, 720)),  # the rate beats the cheaper format
        (C920, (640, 480, 30), ("YUYV", 640, 480)),  # of two alike the cheaper one
        (C920, (1280, 720, 60), ("MJPG", 1280, 720)),  # nothing so fast: the most there is
        ([*C920, Mode("MJPG", 640, 360, 60.0)], (1280, 720, 60), ("MJPG", 640, 360)),  # the rate beats the size
        (C920, (960, 540, 30), ("MJPG", 1280, 720)),  # rather reduced than enlarged, without bars
        (C920, (3840, 2160, 30), ("MJPG", 1920, 1080)),
        ([Mode("GREY", 1280, 720, 30.0), Mode("YUYV", 640, 480, 15.0)], (1280, 720, 30), ("YUYV", 640, 480)),  # colour
        ([Mode("YUYV", 1280, 720, None)], (1280, 720, 30), ("YUYV", 1280, 720)),  # it does not say how fast
    ],
)
def test_the_best_of_what_a_camera_offers(
    modes: list[Mode], wanted: tuple[int, int, int], expected: tuple[str, int, int]
) -> None:
    """Colour, then the rate, then what is left of the size, then the cost."""
    best = best_mode(modes, *wanted)
    assert best is not None
    assert best[:3] == expected


def test_where_decoding_is_slow_a_smaller_size_is_named() -> None:
    """The largest one of the same shape and rate that is small enough."""
    smaller = smaller_mode(C920, Mode("MJPG", 1920, 1080, 30.0), 30.0, 0.6)
    assert smaller is not None
    assert smaller[:3] == ("MJPG", 1280, 720)
    assert smaller_mode(C920, Mode("MJPG", 640, 360, 30.0), 30.0, 0.1) is None
