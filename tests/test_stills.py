"""Photos as people have them: what belongs to their pixels stays, or is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from files_fixture import make_clip
from livewarp.apply import Applied, apply_file
from livewarp.errors import SourceError
from livewarp.parameters import Parameters
from livewarp.sources.image import read_image

OFF = Parameters(thin=0, eyes=0)


@pytest.fixture
def picture() -> np.ndarray:
    """A photo's pixels (48, 64, 3), RGB: a slope, which noise would hide."""
    y, x = np.mgrid[0:48, 0:64]
    return np.dstack([3 * x + 20, 4 * y + 20, 2 * (x + y)]).astype(np.uint8)


def applied(path: Path, out: Path) -> Applied:
    """With everything at 0."""
    return apply_file(path, out, OFF)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_the_colour_profile_is_kept(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    """The numbers of a photo mean what its profile says, so that it goes along."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Image.fromarray(picture).save(tmp_path / f"in{suffix}", icc_profile=profile, quality=100)
    applied(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as after, Image.open(tmp_path / f"in{suffix}") as before:
        assert after.info["icc_profile"] == profile
        np.testing.assert_allclose(np.asarray(after.convert("RGB"), float), np.asarray(before, float), atol=6)


def test_a_profile_is_obeyed_where_pixels_are_shown(tmp_path: Path, picture: np.ndarray) -> None:
    """As a source a photo is shown in sRGB: where its profile swaps red and green, they come out swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"?", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"?", b"gXYZ", 1)
    for name, one in (("srgb.png", profile), ("swapped.png", swapped)):
        Image.fromarray(picture).save(tmp_path / name, icc_profile=one)
    bgr = picture[:, :, ::-1].astype(int)
    np.testing.assert_allclose(read_image(tmp_path / "srgb.png"), bgr, atol=1)
    np.testing.assert_allclose(read_image(tmp_path / "swapped.png"), bgr[:, :, [0, 2, 1]], atol=3)


def test_transparency_is_kept_or_said(tmp_path: Path, picture: np.ndarray) -> None:
    """A PNG keeps it, to the level; a JPEG has no room: it becomes white, and that is said."""
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:, :20] = 0
    alpha[:, 20:30] = 128
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "in.png")
    assert applied(tmp_path / "in.png", tmp_path / "out.png").notes == ()
    with Image.open(tmp_path / "out.png") as after:
        np.testing.assert_array_equal(np.asarray(after), np.dstack([picture, alpha]))
    said = applied(tmp_path / "in.png", tmp_path / "out.jpg").notes
    assert any("transparency" in note for note in said)
    with Image.open(tmp_path / "out.jpg") as flat:
        assert np.asarray(flat)[:, :16].min() >= 250


def test_fewer_bits_and_further_pictures_are_said(tmp_path: Path, picture: np.ndarray) -> None:
    """16 bits become 8; of several pictures the first is taken: one note each."""
    Image.fromarray(picture[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert any("16 bits" in note for note in applied(tmp_path / "deep.png", tmp_path / "out.png").notes)
    with Image.open(tmp_path / "out.png") as after:
        np.testing.assert_allclose(np.asarray(after.convert("L"), int), picture[:, :, 0], atol=1)
    pages = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    assert any("2 pictures" in note for note in applied(tmp_path / "pages.tif", tmp_path / "page.png").notes)


def test_what_a_camera_wrote_stays_and_the_photo_comes_out_upright(tmp_path: Path, picture: np.ndarray) -> None:
    """EXIF goes along, less the rotation that has been done."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A camera", 6  # maker; turn a quarter to the right
    Image.fromarray(picture).save(tmp_path / "in.jpg", exif=exif, quality=100, subsampling=0)
    applied(tmp_path / "in.jpg", tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as after:
        assert after.size == (48, 64)
        assert after.getexif()[0x010F] == "A camera"
        assert after.getexif().get(0x0112, 1) == 1
        np.testing.assert_allclose(np.asarray(after, float), np.rot90(picture, -1), atol=8)


def test_an_iphones_photo_is_read_or_one_line_says_how(tmp_path: Path) -> None:
    """The content decides, not the suffix: HEIC is named, with the command that makes it readable."""
    heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64)
    for name in ("photo.heic", "photo.jpg"):
        (tmp_path / name).write_bytes(heic)
        with pytest.raises(SourceError) as told:
            applied(tmp_path / name, tmp_path / "out.jpg")
        try:
            import pillow_heif  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
        except ImportError:
            assert "HEIC" in str(told.value)
            assert "pillow-heif" in str(told.value)
    assert not (tmp_path / "out.jpg").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals as Linux and macOS have them")
def test_a_closed_terminal_leaves_nothing(tmp_path: Path) -> None:
    """HUP in the middle of a clip: the status says so, and neither the result nor a part of it is there."""
    clip = make_clip(tmp_path / "in.mp4", [np.full((96, 160, 3), 60, np.uint8)] * 5000)
    folder = tmp_path / "out"
    folder.mkdir()
    program = [sys.executable, "-m", "livewarp", "apply", str(clip), str(folder / "out.mp4"), "--quality", "50"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as run:
        assert run.stdout is not None
        while not os.listdir(folder):
            assert run.poll() is None, run.stdout.read()
        run.send_signal(signal.SIGHUP)
        told, _ = run.communicate(timeout=500)
    assert run.returncode == 128 + signal.SIGHUP, told
    assert os.listdir(folder) == []
