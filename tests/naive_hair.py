"""Plain-loop twins of the hair kernels, and of the network's layers as TensorFlow Lite means them."""

from __future__ import annotations

import math

import numpy as np

from livewarp.fetch.tflite import Graph, Operator


def weigh_sides(small, hair, out):
    """Twin of `hair_kernels.weigh_sides`."""
    for y, x in np.ndindex(hair.shape):
        b, g, r = (float(v) for v in small[y, x])
        light, share = 0.114 * b + 0.587 * g + 0.299 * r, hair[y, x] / 255
        out[y, x] = light * share**2, share**2, light * (1 - share) ** 2, (1 - share) ** 2


def settle_sides(means, out):
    """Twin of `hair_kernels.settle_sides`."""
    for y, x in np.ndindex(out.shape[:2]):
        hair, much, rest, other = means[y, x]
        out[y, x] = hair / (much + 1e-4), rest / (other + 1e-4), min(4 * other, 1.0)


def bilinear(values, y, x):
    """At a place between the middles of (h, w, ...), clamped to them."""
    y, x = min(max(y, 0.0), values.shape[0] - 1), min(max(x, 0.0), values.shape[1] - 1)
    i, j = min(int(y), values.shape[0] - 2), min(int(x), values.shape[1] - 2)
    p, q = y - i, x - j
    upper = values[i, j] * (1 - q) + values[i, j + 1] * q
    return upper * (1 - p) + (values[i + 1, j] * (1 - q) + values[i + 1, j + 1] * q) * p


def clip(value, low=0.0, high=1.0):
    """A number within bounds."""
    return min(max(value, low), high)


def dye(frame, origin, hair, sides, table, own, grey, to_face, amount):
    """Twin of `hair_kernels.dye`, as float64, not yet rounded."""
    out, (rows, columns), (x0, y0) = frame.astype(np.float64), hair.shape, origin
    sides = sides.astype(np.float64)
    for y, x in np.ndindex(2 * rows, 2 * columns):
        share = float(bilinear(hair.astype(np.float64), y / 2 - 0.25, x / 2 - 0.25)) / 255
        if share <= 0.004:
            continue
        at = (y + 0.5) * sides.shape[0] / (2 * rows) - 0.5, (x + 0.5) * sides.shape[1] / (2 * columns) - 0.5
        mine, theirs, edge = bilinear(sides, *at)
        b, g, r = (float(v) for v in frame[y0 + y, x0 + x])
        light = 0.114 * b + 0.587 * g + 0.299 * r
        apart = theirs - mine
        if abs(apart) > 16:
            told = clip((theirs - light) / apart)
            share -= min((abs(apart) - 16) / 48, 1.0) * edge * max(share - told, 0.0)
        strand = share + (1 - edge) * (1 - share)
        light_hair = mine + strand * (light - mine)
        level = clip(light_hair, 0.0, 254.999)
        entry = bilinear(table.astype(np.float64)[:, None].repeat(2, 1), level, 0.0)
        greyness = grey
        if grey > 0:
            across, down = (abs(row[0] * (x0 + x) + row[1] * (y0 + y) + row[2]) for row in (to_face[0], to_face[1]))
            down = to_face[1][0] * (x0 + x) + to_face[1][1] * (y0 + y) + to_face[1][2]
            temple = clip(2 * across - 0.9) * clip(1.2 - abs(down + 0.1))
            greyness *= 0.75 + 0.25 * grey + 0.6 * temple * (1 - grey)
            lit = clip((light_hair + 4) / (mine + 4) - 0.55)
            lit += edge * (0.45 - lit)
            greyness = clip(greyness * 1.7 - (1 - lit) * 0.7)
        new, du, dv = (1 - greyness) * entry[:3] + greyness * entry[3:]
        share *= amount
        u, v, kept = b - light, r - light, own[2] * (1 - greyness)
        u_off, v_off = strand * (u - own[0]), strand * (v - own[1])
        light += share * (new - light_hair)
        u += share * (du + kept * u_off - own[0] - u_off)
        v += share * (dv + kept * v_off - own[1] - v_off)
        out[y0 + y, x0 + x] = light + u, light - (0.114 * u + 0.299 * v) / 0.587, light + v
    return np.clip(out, 0, 255)


def run_graph(graph: Graph, picture: np.ndarray) -> np.ndarray:
    """What a graph makes of a picture (h, w, channels): the last two numbers' difference, (H, W), by plain loops."""
    known = {graph.inputs[0]: picture.astype(np.float64)}
    for operator in graph.operators:
        ins = [known[i] if i in known else graph.tensors[i].values for i in operator.ins]
        known.update(zip(operator.outs, _layer(operator, ins), strict=False))
    result = known[graph.outputs[0]]
    return result[..., 1] - result[..., 0]


def _layer(operator: Operator, ins: list) -> list:
    if operator.kind == "ADD":
        return [ins[0] + ins[1]]
    if operator.kind == "CONCATENATION":
        return [np.concatenate(ins, axis=2)]
    if operator.kind == "PRELU":
        return [np.where(ins[0] > 0, ins[0], ins[0] * ins[1].reshape(-1))]
    if operator.kind in ("MAX_POOL_2D", "MaxPoolingWithArgmax2D"):
        h, w, c = ins[0].shape
        cells = ins[0].reshape(h // 2, 2, w // 2, 2, c).transpose(0, 2, 4, 1, 3).reshape(h // 2, w // 2, c, 4)
        return [cells.max(axis=3), cells.argmax(axis=3)]
    if operator.kind == "MaxUnpooling2D":
        h, w, c = ins[0].shape
        out = np.zeros((2 * h, 2 * w, c))
        for y, x, k in np.ndindex(h, w, c):
            out[2 * y + ins[1][y, x, k] // 2, 2 * x + ins[1][y, x, k] % 2, k] = ins[0][y, x, k]
        return [out]
    if operator.kind == "Convolution2DTransposeBias":
        h, w, _ = ins[0].shape
        outs, side = ins[1].shape[0], ins[1].shape[1]
        out = np.zeros((2 * h + side, 2 * w + side, outs))
        for y, x, i, j in np.ndindex(h, w, side, side):  # each pixel spreads; what is beyond the end is cut off
            out[2 * y + i, 2 * x + j] += ins[1][:, i, j] @ ins[0][y, x]
        return [out[: 2 * h, : 2 * w] + ins[2]]
    return [_convolution(operator, *ins)]


def _convolution(operator: Operator, picture, kernel, bias):
    side, step, apart = kernel.shape[1], operator.stride, operator.dilation
    reach = (side - 1) * apart + 1
    sizes = [math.ceil(n / step) if operator.same else (n - reach) // step + 1 for n in picture.shape[:2]]
    pads = [max(0, (m - 1) * step + reach - n) for m, n in zip(sizes, picture.shape[:2], strict=True)]
    wide = np.pad(picture, [(p // 2, p - p // 2) for p in pads] + [(0, 0)])
    out = np.zeros((*sizes, len(bias)))
    for y, x in np.ndindex(*sizes):
        part = wide[y * step : y * step + reach : apart, x * step : x * step + reach : apart]
        if operator.kind == "DEPTHWISE_CONV_2D":
            out[y, x] = (part * kernel[0]).sum(axis=(0, 1)) + bias
        else:
            out[y, x] = np.tensordot(kernel, part, 3) + bias
    return out
