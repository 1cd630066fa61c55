"""Plain-loop twin of the landmark forest, and a writer of small models in dlib's format."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Model:
    """A forest as dlib keeps it: c cascades, t trees, f features."""

    mean: np.ndarray  # (136,) float32
    features: np.ndarray  # (c, t, 15, 2) int: which two are compared
    thresholds: np.ndarray  # (c, t, 15) float32
    leaves: np.ndarray  # (c, t, 16, 136) float32
    anchors: np.ndarray  # (c, f) int
    deltas: np.ndarray  # (c, f, 2) float32

    def replace(self, **changes: np.ndarray) -> Model:
        """The same with other arrays."""
        return replace(self, **changes)


def model(cascades: int = 3, trees: int = 9, features: int = 40, seed: int = 0) -> Model:
    """A forest of random numbers that behaves like a trained one: small steps, features around the points."""
    rng = np.random.default_rng(seed)
    return Model(
        rng.uniform(0.1, 0.9, 136).astype(np.float32),
        rng.integers(0, features, (cascades, trees, 15, 2)),
        rng.uniform(-64, 64, (cascades, trees, 15)).astype(np.float32),
        rng.normal(0, 0.01, (cascades, trees, 16, 136)).astype(np.float32),
        rng.integers(0, 68, (cascades, features)),
        rng.normal(0, 0.1, (cascades, features, 2)).astype(np.float32),
    )


def integer(value: int) -> bytes:
    """An integer as dlib writes it."""
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def real(value: float) -> bytes:
    """A float32 as dlib writes it: an integer times a power of two, or a special exponent."""
    if math.isnan(value):
        return integer(0) + integer(32002)
    if math.isinf(value):
        return integer(0) + integer(32000 if value > 0 else 32001)
    mantissa, exponent = math.frexp(value)
    return integer(int(mantissa * 2**24)) + integer(exponent - 24)


def encoded(m: Model) -> bytes:
    """The model as `dlib::serialize` writes it."""
    out = bytearray(integer(1) + integer(-len(m.mean)) + integer(-1))
    out += b"".join(real(v) for v in m.mean.tolist())
    out += integer(len(m.leaves))
    for cascade in range(len(m.leaves)):
        out += integer(len(m.leaves[cascade]))
        for tree in range(len(m.leaves[cascade])):
            out += integer(len(m.thresholds[cascade, tree]))
            for (first, second), threshold in zip(
                m.features[cascade, tree].tolist(), m.thresholds[cascade, tree].tolist(), strict=True
            ):
                out += integer(first) + integer(second) + real(threshold)
            out += integer(len(m.leaves[cascade, tree]))
            for leaf in m.leaves[cascade, tree].tolist():
                out += integer(-len(leaf)) + integer(-1) + b"".join(real(v) for v in leaf)
    out += integer(len(m.anchors))
    for anchors in m.anchors.tolist():
        out += integer(len(anchors)) + b"".join(integer(v) for v in anchors)
    out += integer(len(m.deltas))
    for deltas in m.deltas.tolist():
        out += integer(len(deltas)) + b"".join(real(x) + real(y) for x, y in deltas)
    return bytes(out)


def write(path: Path, m: Model) -> Path:
    """The model in a file."""
    path.write_bytes(encoded(m))
    return path


def evaluate(m: Model, gray: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The landmarks (68, 2) in a half-open box, float64 px, before rounding; with dlib's types throughout."""
    x0, y0 = np.float64(box[0]), np.float64(box[1])
    width, height = np.float64(box[2] - 1 - box[0]), np.float64(box[3] - 1 - box[1])
    shape = m.mean.copy()
    for cascade in range(len(m.leaves)):
        turn = similarity(m.mean.reshape(68, 2), shape.reshape(68, 2)).astype(np.float32)
        pixels = []
        for anchor, (dx, dy) in zip(m.anchors[cascade], m.deltas[cascade], strict=True):
            x = turn[0, 0] * dx + turn[0, 1] * dy + shape[2 * anchor]
            y = turn[1, 0] * dx + turn[1, 1] * dy + shape[2 * anchor + 1]
            assert x.dtype == y.dtype == np.float32
            column = math.floor(x0 + width * np.float64(x) + 0.5)
            row = math.floor(y0 + height * np.float64(y) + 0.5)
            inside = 0 <= row < gray.shape[0] and 0 <= column < gray.shape[1]
            pixels.append(np.float32(gray[row, column] if inside else 0))
        for tree in range(len(m.leaves[cascade])):
            i = 0
            while i < 15:
                first, second = m.features[cascade, tree, i]
                goes_left = pixels[first] - pixels[second] > m.thresholds[cascade, tree, i]
                i = 2 * i + 1 if goes_left else 2 * i + 2
            shape = shape + m.leaves[cascade, tree, i - 15]
    points = shape.reshape(68, 2).astype(np.float64)
    return np.stack([x0 + width * points[:, 0], y0 + height * points[:, 1]], axis=1)


def similarity(from_points: np.ndarray, to_points: np.ndarray) -> np.ndarray:
    """(2, 2): turn and scale, least squares, by singular values. Source: Umeyama 1991, equations 34-43."""
    a = from_points.astype(np.float64) - from_points.astype(np.float64).mean(0)
    b = to_points.astype(np.float64) - to_points.astype(np.float64).mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, math.copysign(1.0, np.linalg.det(u) * np.linalg.det(vt))])
    return (u * sign) @ vt * ((d * sign).sum() / (a * a).sum())
