"""Turns the hair network's graph into one that OpenCV runs rightly and quickly.

OpenCV 5.0's own importer misplaces dilated layers, and its transposed convolutions take nine tenths of the time. Here
each transposed convolution becomes a convolution and a rearrangement of its channels as pixels; the two numbers that
the network ends with, for hair and for none, become their difference; the layout is channels first, for any size.

Source: Shi et al., "Is the deconvolution layer the same as a convolutional layer?", arXiv 1609.07009, 2016.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from livewarp.arrays import FloatArray
from livewarp.fetch.onnx import Node, write_model
from livewarp.fetch.tflite import Graph, Operator

_HALVED: dict[str, tuple[int, int]] = {"kernel_shape": (2, 2), "strides": (2, 2)}
# The rows of a kernel of three that reach an even and an odd row, as (row before or at, row of the kernel).
_REACH = (((1, 0), (0, 2)), ((1, 1),))


def convert_hair(graph: Graph, width: int, height: int) -> bytes:
    """The network as an ONNX file.

    Parameters
    ----------
    graph
        As it was published: four channels in, two out.
    width, height
        Of its input and output, px; multiples of 32.

    Raises
    ------
    ValueError
        The graph has an operator that is not known here.
    """
    nodes: list[Node] = []
    weights: dict[str, FloatArray] = {}
    for operator in graph.operators:
        made, needed = _convert(graph, operator)
        nodes += made
        weights |= needed
    channels = graph.tensors[graph.inputs[0]].shape[3]
    source = _name(graph.inputs[0]), (1, channels, height, width)
    return write_model("hair", nodes, weights, source, (_name(graph.outputs[0]), (1, 1, height, width)))


def _name(tensor: int) -> str:
    return f"t{tensor}"


def _constant(graph: Graph, tensor: int) -> FloatArray:
    values = graph.tensors[tensor].values
    if values is None:
        raise ValueError(f"tensor {tensor} has no values")
    return cast(FloatArray, values)


def _convert(graph: Graph, operator: Operator) -> tuple[list[Node], dict[str, FloatArray]]:
    """The nodes of one operator, and their constants."""
    ins, outs = tuple(map(_name, operator.ins)), tuple(map(_name, operator.outs))
    if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return _convolution(graph, operator)
    if operator.kind == "Convolution2DTransposeBias":
        return _transposed(graph, operator)
    if operator.kind == "PRELU":
        slopes = _constant(graph, operator.ins[1]).reshape(-1, 1, 1)
        return [Node("PRelu", ins, outs)], {ins[1]: slopes}
    if operator.kind == "ADD":
        return [Node("Add", ins, outs)], {}
    if operator.kind == "CONCATENATION":
        return [Node("Concat", ins, outs, {"axis": 1})], {}
    if operator.kind in ("MAX_POOL_2D", "MaxPoolingWithArgmax2D"):
        return [Node("MaxPool", ins, outs, _HALVED)], {}
    if operator.kind == "MaxUnpooling2D":
        return [Node("MaxUnpool", ins, outs, _HALVED)], {}
    raise ValueError(f"{operator.kind} is not known")


def _convolution(graph: Graph, operator: Operator) -> tuple[list[Node], dict[str, FloatArray]]:
    kernel = _constant(graph, operator.ins[1])
    deep = operator.kind == "DEPTHWISE_CONV_2D"
    kernel = kernel.transpose(3, 0, 1, 2) if deep else kernel.transpose(0, 3, 1, 2)
    side = kernel.shape[2]
    around = max(0, (side - 1) * operator.dilation + 1 - operator.stride) if operator.same else 0
    before = around // 2  # what is odd comes last
    names = tuple(map(_name, operator.ins))
    node = Node(
        "Conv",
        names,
        (_name(operator.outs[0]),),
        {
            "kernel_shape": (side, side),
            "strides": (operator.stride,) * 2,
            "pads": (before, before, around - before, around - before),
            "dilations": (operator.dilation,) * 2,
            "group": kernel.shape[0] if deep else 1,
        },
    )
    return [node], {names[1]: kernel, names[2]: _constant(graph, operator.ins[2])}


def _transposed(graph: Graph, operator: Operator) -> tuple[list[Node], dict[str, FloatArray]]:
    """Each pixel becomes four, of which a convolution works out each as channels of its own."""
    kernel, bias = (_constant(graph, tensor) for tensor in operator.ins[1:3])
    if operator.outs[0] in graph.outputs:
        kernel, bias = kernel[1:2] - kernel[0:1], bias[1:2] - bias[0:1]
    outs, side, _, channels = kernel.shape
    taps = 1 if side == 2 else 2
    block = np.zeros((2, 2, outs, channels, taps, taps), np.float32)
    for row in (0, 1):
        for column in (0, 1):
            if side == 2:
                block[row, column, :, :, 0, 0] = kernel[:, row, column]
                continue
            for to_row, from_row in _REACH[row]:
                for to_column, from_column in _REACH[column]:
                    block[row, column, :, :, to_row, to_column] = kernel[:, from_row, from_column]
    names, out = tuple(map(_name, operator.ins)), _name(operator.outs[0])
    before = taps - 1
    attributes = {"kernel_shape": (taps, taps), "strides": (1, 1), "pads": (before, before, 0, 0)}
    nodes = [
        Node("Conv", names, (f"{out}_block",), attributes),
        Node("DepthToSpace", (f"{out}_block",), (out,), {"blocksize": 2, "mode": "DCR"}),
    ]
    return nodes, {names[1]: block.reshape(4 * outs, channels, taps, taps), names[2]: np.tile(bias, 4)}
