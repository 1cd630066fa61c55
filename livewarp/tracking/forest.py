"""The landmark model, evaluated by ourselves: dlib's 68-point forest, its compact form and its cache.

The weights are read once into arrays that a compiled kernel walks in a fraction of dlib's time, and
the arrays are kept in the user's cache folder, from where later starts map them into memory.

Leaves stay float32, as trained. Half-precision ones would halve the file, but the model is chaotic:
a sum off by 1e-5 px may read another pixel, take another branch, and end elsewhere. Over 83 crops,
float16 leaves moved some landmark by 0.2 px on the median crop and 2.7 px on the worst, 24-bit ones
by 0.8 px on the worst. In float32 every number is dlib's own, and that can be tested.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from livewarp.arrays import FloatArray, GrayFrame
from livewarp.face68 import N_LANDMARKS, Pose
from livewarp.system.atomic import PRIVATE, replacing
from livewarp.system.regular import regular_file
from livewarp.tracking import forest_kernels as kernels
from livewarp.tracking.detector import FloatBox
from livewarp.tracking.landmarks import CROP_BOX_PX, CROP_SIDE_PX, DLIB_CROP, Prediction, turn_of
from livewarp.tracking.weights import LANDMARKS_68

# RMS distance of the points of one box from the mean over all boxes, IOD.
USUAL_SPREAD_IOD = 0.04
HOPELESS_SPREAD_IOD = 0.1

# Where the face is expected: share of the box to the right, down; times its size.
_SHIFTS = ((0.04, 0.01, 0.92), (-0.04, 0.01, 0.96), (0.0, -0.05, 1.0))
_BOXES = np.array(
    [
        (
            (CROP_SIDE_PX - size * CROP_BOX_PX) / 2 + right * CROP_BOX_PX,
            (CROP_SIDE_PX - size * CROP_BOX_PX) / 2 + down * CROP_BOX_PX,
            size * CROP_BOX_PX - 1,
            size * CROP_BOX_PX - 1,
        )
        for right, down, size in _SHIFTS
    ]
)

_log = logging.getLogger(__name__)

# The cached file: this header, padded to a page, then the arrays of `Forest`, each aligned to a cache line.
_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "u4"),  # of this layout and of what the numbers mean
        ("cascades", "u4"),
        ("trees", "u4"),
        ("features", "u4"),
        ("weights", "u1", 32),  # sha256 of the file that was read
        ("digest", "u1", 32),  # see `_digest`
    ]
)
_MAGIC = b"lwforest"
_VERSION = 1
_PAGE = 4096
_LINE = 64

# No tree takes less of the weights file than this: a bound on what a damaged count can make us allocate.
_LEAST_TREE_BYTES = 2 * 2 * kernels.N_LEAVES * kernels.N_COORDINATES


@dataclass(frozen=True, eq=False)
class Forest:
    """The numbers of the model: c cascades of t trees over f features; positions are shares of the box.

    Convention: shapes are x, y of 68 points in turn, (0, 0) and (1, 1) being the pixel centres at the
    top left and the bottom right of the box.
    """

    mean: FloatArray
    """(136,) the shape to start from."""
    anchors: NDArray[np.uint8]
    """(c, f) the landmark that each feature moves with."""
    deltas: FloatArray
    """(c, 2, f) the feature's offset from there: x, y."""
    nodes: NDArray[np.uint32]
    """(c, t, 16) 15 splits, root first, as `forest_kernels.pack_node` packs them; the 16th is padding."""
    leaves: FloatArray
    """(c, t, 16, 136) what each leaf adds to the shape."""

    def __post_init__(self) -> None:
        """No array may be written to; a kernel is compiled for one kind of array, not for two."""
        for array in self.arrays():
            array.setflags(write=False)

    def arrays(self) -> list[NDArray[np.generic]]:
        """All of them, in the order of the cached file."""
        return [self.mean, self.anchors, self.deltas, self.nodes, self.leaves]


class ForestLandmarks:
    """dlib's `shape_predictor` (Kazemi and Sullivan 2014) behind the crop, without dlib.

    Guarantees: the same numbers as dlib's, before it rounds them; one object may be used by several
    threads; a call holds no GIL while it computes (0.15 ms a box from warm caches, 0.5 ms for the first
    from memory; dlib 2 ms).

    Parameters
    ----------
    weights
        The checked file, from `find_weights`.
    sha256
        Its checksum, by which the cache is found.

    Raises
    ------
    ModelError
        The file cannot be read or holds no such model.
    """

    crop = DLIB_CROP
    tells_faces = False

    def __init__(self, weights: Path, sha256: str = LANDMARKS_68.sha256) -> None:
        self._forest = _shared(weights, sha256)

    def predict(self, crop: GrayFrame, pose: Pose) -> Prediction:
        """The mean over a few boxes of the face in a crop made by `crop_face` at `pose`, and how they agree.

        Each answer has errors of its own, the trees' choices, which the mean takes away: jitter halves,
        and so it does before any filter has made it wait. On a face they agree, on a wall they do not.
        """
        each = np.empty((len(_BOXES), N_LANDMARKS, 2))
        f = self._forest
        kernels.evaluate(crop, _BOXES, f.mean, f.anchors, f.deltas, f.nodes, f.leaves, each)
        points = np.empty((N_LANDMARKS, 2), np.float32)
        spread = kernels.agree(each, *turn_of(pose, DLIB_CROP), points) / DLIB_CROP.iod_px
        evidence = (HOPELESS_SPREAD_IOD - spread) / (HOPELESS_SPREAD_IOD - USUAL_SPREAD_IOD)
        return Prediction(points, min(1.0, max(0.0, evidence)))

    def evaluate(self, gray: GrayFrame, box: FloatBox) -> NDArray[np.float64]:
        """Landmarks (68, 2), px of `gray` (H, W), of the face in a box.

        They are float64: `np.floor(points + 0.5)` is exactly what `dlib.shape_predictor` returns.
        """
        x0, y0, x1, y1 = box
        points: NDArray[np.float64] = np.empty((1, N_LANDMARKS, 2))
        # dlib's rectangles are inclusive: the last pixel, not the one after it, is the corner (1, 1).
        corner_and_extent = np.array([[x0, y0, x1 - 1 - x0, y1 - 1 - y0]], np.float64)
        # numba would compile the kernel once more for an array with gaps.
        gray = np.ascontiguousarray(gray)
        f = self._forest
        kernels.evaluate(gray, corner_and_extent, f.mean, f.anchors, f.deltas, f.nodes, f.leaves, points)
        return points.reshape(N_LANDMARKS, 2)


@functools.lru_cache(maxsize=1)  # predictors may share it, also between threads
def _shared(weights: Path, sha256: str) -> Forest:
    return load_forest(weights, sha256)


def load_forest(weights: Path, sha256: str = LANDMARKS_68.sha256) -> Forest:
    """The model, from the cache (a few ms) or else from the weights file (0.5 s), which fills the cache.

    Raises
    ------
    ModelError
        The file cannot be read or holds no such model.
    """
    cached = user_cache_path("livewarp") / f"forest-{sha256[:16]}.bin"
    forest = _map_cached(cached, sha256)
    if forest is None:
        forest = read_weights(weights)
        try:
            _write_cached(cached, forest, sha256)
        except OSError as error:
            # No reason to fail; `_shared` makes it one warning a process.
            _log.warning(
                "landmark weights: cannot keep their compact form in %s (%s); each start reads the whole file, 0.5 s",
                cached,
                error.strerror or error,
            )
        else:
            # Mapped, it is shared between processes and need not be in memory as a whole.
            forest = _map_cached(cached, sha256) or forest
    return forest


# ------------------------------------------------------------------------------------------ the weights file


def read_weights(path: Path) -> Forest:
    """The model in a file that dlib wrote.

    Source: the order of fields in dlib/image_processing/shape_predictor.h (Boost Software License).

    Raises
    ------
    ModelError
        The file cannot be read, is damaged, or holds a model of another size.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise LANDMARKS_68.error(error.strerror or str(error), path) from error
    return _Reader(path, data).forest()


class _Reader:
    """One pass over the file; a position of -1 means that what was wanted is not there."""

    def __init__(self, path: Path, data: NDArray[np.uint8]) -> None:
        self._path = path
        self._data = data
        self._at = 0

    def forest(self) -> Forest:
        self._expect("version", 1)
        # dlib writes the sizes of a matrix negated, to tell it from an older format.
        self._expect("numbers in the mean shape", -kernels.N_COORDINATES)
        self._expect("columns of the mean shape", -1)
        mean = np.empty(kernels.N_COORDINATES, np.float32)
        self._go(kernels.read_reals(self._data, self._at, mean), "the mean shape")
        cascades = self._count("cascades", self._data.size // _LEAST_TREE_BYTES)
        trees = self._count("trees", (self._data.size - self._at) // (cascades * _LEAST_TREE_BYTES))
        nodes = np.zeros((cascades, trees, kernels.N_LEAVES), np.uint32)
        leaves = np.empty((cascades, trees, kernels.N_LEAVES, kernels.N_COORDINATES), np.float32)
        for i in range(cascades):
            if i > 0:
                self._expect("trees", trees)
            self._go(kernels.read_trees(self._data, self._at, nodes[i], leaves[i]), f"the trees of cascade {i + 1}")
        self._expect("lists of anchors", cascades)
        features = self._count("features", kernels.MAX_FEATURES)
        anchors = np.empty((cascades, features), np.uint8)
        for i in range(cascades):
            if i > 0:
                self._expect("features", features)
            self._go(kernels.read_bytes(self._data, self._at, N_LANDMARKS, anchors[i]), "the anchors")
        self._expect("lists of features", cascades)
        offsets = np.empty((cascades, features, 2), np.float32)
        for i in range(cascades):
            self._expect("features", features)
            self._go(kernels.read_reals(self._data, self._at, offsets[i].reshape(-1)), "the features")
        if self._at != self._data.size:
            self._fail("the end", got=f"{self._data.size - self._at} more bytes", allowed="none")
        last = max(int(which.max()) for which in kernels.features_of(nodes))
        if last >= features:
            self._fail("a split", got=f"feature {last}", allowed=f"0 to {features - 1}")
        return Forest(mean, anchors, np.ascontiguousarray(offsets.transpose(0, 2, 1)), nodes, leaves)

    def _integer(self, what: str) -> int:
        value, at = kernels.read_integer(self._data, self._at)
        self._go(at, f"the number of {what}")
        return value

    def _expect(self, what: str, allowed: int) -> None:
        got = self._integer(what)
        if got != allowed:
            self._fail(what, got, str(allowed))

    def _count(self, what: str, most: int) -> int:
        got = self._integer(what)
        if not 1 <= got <= most:
            self._fail(what, got, f"1 to {most}")
        return got

    def _go(self, at: int, what: str) -> None:
        if at < 0:
            self._fail(f"{what}: cut off, damaged, or of another shape")
        self._at = at

    def _fail(self, problem: str, got: object = None, allowed: str = "") -> NoReturn:
        raise LANDMARKS_68.error(problem, self._path, got, allowed)


# ------------------------------------------------------------------------------------------------ the cache


def _layout(cascades: int, trees: int, features: int) -> tuple[list[tuple[int, tuple[int, ...], type]], int]:
    """Offset, shape and type of each array of `Forest` in the cached file, and its size, bytes."""
    fields: list[tuple[tuple[int, ...], type]] = [
        ((kernels.N_COORDINATES,), np.float32),
        ((cascades, features), np.uint8),
        ((cascades, 2, features), np.float32),
        ((cascades, trees, kernels.N_LEAVES), np.uint32),
        ((cascades, trees, kernels.N_LEAVES, kernels.N_COORDINATES), np.float32),
    ]
    places, end = [], _PAGE
    for shape, kind in fields:
        start = -(-end // _LINE) * _LINE
        places.append((start, shape, kind))
        # Python's integers: a damaged header cannot overflow them.
        end = start + functools.reduce(int.__mul__, shape) * np.dtype(kind).itemsize
    return places, end


def _digest(forest: Forest) -> NDArray[np.uint8]:
    """Sha256 (32,) of all that is small, and of the first and last tree's leaves of each cascade.

    The rest of the leaves, 64 MB, is left alone: reading it would take longer than the whole start, and
    no value in it can lead astray.
    """
    sha = hashlib.sha256()
    for array in (*forest.arrays()[:-1], forest.leaves[:, 0], forest.leaves[:, -1]):
        sha.update(np.ascontiguousarray(array).data)
    return np.frombuffer(sha.digest(), np.uint8)


def _header(forest: Forest, sha256: str) -> NDArray[np.void]:
    cascades, trees = forest.nodes.shape[:2]
    features = forest.anchors.shape[1]
    header = np.zeros(1, _HEADER)
    header[0] = (_MAGIC, _VERSION, cascades, trees, features, list(bytes.fromhex(sha256)), _digest(forest))
    return header


def _map_cached(path: Path, sha256: str) -> Forest | None:
    """The cached form of these weights; None if there is none, or a damaged or foreign one."""
    try:
        with regular_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size < _PAGE:
                return None
            # Not a copy: the pages are shared between processes and come in as they are touched.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.debug("cannot map %s: %s", path, error)
        return None
    header = np.frombuffer(mapped, _HEADER, 1)
    counts = [int(header[name][0]) for name in ("cascades", "trees", "features")]
    places, end = _layout(*counts)
    if header["magic"][0] != _MAGIC or header["version"][0] != _VERSION or min(counts) < 1 or size != end:
        return None
    forest = Forest(
        *(
            np.frombuffer(mapped, kind, functools.reduce(int.__mul__, shape), start).reshape(shape)
            for start, shape, kind in places
        )
    )
    if header.tobytes() != _header(forest, sha256).tobytes():
        _log.warning("%s is damaged: it is made anew", path)
        return None
    if hasattr(mmap, "MADV_WILLNEED"):
        # From a cold disk the first face would wait for a thousand scattered reads, one by one.
        mapped.madvise(mmap.MADV_WILLNEED)
    return forest


def _write_cached(path: Path, forest: Forest, sha256: str) -> None:
    """Write the cached form so that a reader, or another writer, sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, PRIVATE) as partial, partial.open("wb") as file:
        file.write(_header(forest, sha256).tobytes())
        cascades, trees = forest.nodes.shape[:2]
        places, _ = _layout(cascades, trees, forest.anchors.shape[1])
        for (start, _, _), array in zip(places, forest.arrays(), strict=True):
            file.write(bytes(start - file.tell()))
            file.write(np.ascontiguousarray(array).data)
