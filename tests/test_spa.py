"""PipeWire's pods byte by byte, and pictures laid out in the formats that a camera offers."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from livewarp.system import spa
from livewarp.system.spa import Negotiated


def words(data: bytes) -> list[int]:
    """As 32-bit numbers."""
    return list(struct.unpack(f"={len(data) // 4}I", data))


def test_an_offer_is_a_format_pod() -> None:
    """The bytes that spa_pod_builder makes of the same: object, its type, param, and padded properties."""
    expected = [8 + 24 + 24 + 24 + 24 + 24, 15, 0x40003, 3]  # size of the body, Object, Format, EnumFormat
    expected += [1, 0, 4, 3, 2, 0]  # media type: Id video
    expected += [2, 0, 4, 3, 1, 0]  # media subtype: Id raw
    expected += [0x20001, 0, 4, 3, 2, 0]  # format: Id I420
    expected += [0x20003, 0, 8, 10, 640, 480]  # size: Rectangle
    expected += [0x20004, 0, 8, 11, 30, 1]  # rate: Fraction
    assert words(spa.enum_format("I420", 640, 480, 30.0)) == expected


def test_what_buffers_must_be_is_a_pod_with_choices() -> None:
    """2 to 16 of them, 4 at best, in memory that can be mapped; size and stride of the format."""
    expected = [8 + 48 + 24 + 24 + 24 + 40, 15, 0x40004, 5]
    expected += [1, 0, 28, 19, 1, 0, 4, 4, 4, 2, 16, 0]  # count: Choice Range of Int, default, lowest, highest
    expected += [2, 0, 4, 4, 1, 0]  # blocks
    expected += [3, 0, 4, 4, 640 * 480 * 2, 0]  # bytes
    expected += [4, 0, 4, 4, 1280, 0]  # stride
    expected += [6, 0, 20, 19, 4, 0, 4, 4, 6, 0]  # memory: Choice Flags of Int: MemPtr, MemFd
    assert words(spa.buffers(Negotiated("YUY2", 640, 480))) == expected
    assert words(spa.header(32)) == [8 + 24 + 24, 15, 0x40005, 6, 1, 0, 4, 3, 1, 0, 2, 0, 4, 4, 32, 0]


@pytest.mark.parametrize(("fps", "fraction"), [(25.0, (25, 1)), (30000 / 1001, (30000, 1001)), (12.5, (25, 2))])
def test_rates_are_fractions(fps: float, fraction: tuple[int, int]) -> None:
    """Also those of television."""
    assert spa.parse_object(spa.enum_format("I420", 64, 48, fps))[0x20004] == fraction


@pytest.mark.parametrize("name", spa.LAYOUTS)
def test_what_was_agreed_on_is_read(name: str) -> None:
    """An offer read back; a choice counts as its default; what we did not offer is refused."""
    assert spa.parse_format(spa.enum_format(name, 320, 240, 25.0)) == (name, 320, 240)
    assert spa.parse_object(spa.buffers(Negotiated(name, 320, 240)))[1] == (4,)
    foreign = bytearray(spa.enum_format(name, 320, 240, 25.0))
    foreign[16 + 48 + 16] = 8  # BGRx
    with pytest.raises(KeyError):
        spa.parse_format(bytes(foreign))


DECODERS = {"I420": cv2.COLOR_YUV2BGR_I420, "NV12": cv2.COLOR_YUV2BGR_NV12, "YUY2": cv2.COLOR_YUV2BGR_YUY2}


@pytest.mark.parametrize("name", spa.LAYOUTS)
def test_every_layout_holds_the_same_picture(name: str) -> None:
    """OpenCV decodes each to what it decodes the I420 to."""
    width, height = 64, 48
    rng = np.random.default_rng(5)
    i420 = rng.integers(0, 256, width * height * 3 // 2).astype(np.uint8)
    out = np.zeros(spa.frame_bytes(name, width, height), np.uint8)
    spa.LAYOUTS[name].fill(i420, out, width, height)
    expected = cv2.cvtColor(i420.reshape(-1, width), cv2.COLOR_YUV2BGR_I420)
    packed = out.reshape(height, width, 2) if name == "YUY2" else out.reshape(-1, width)
    np.testing.assert_allclose(cv2.cvtColor(packed, DECODERS[name]), expected, atol=1)  # rounding differs
    assert spa.stride_bytes(name, width) == out.size // height // (1 if name == "YUY2" else 1.5)
