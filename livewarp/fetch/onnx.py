"""Writes ONNX files: just as much of the format as a conversion needs, with no library.

Guarantees: the same graph gives the same bytes.
Source: onnx.proto of ONNX 1.8 (operator set 13), and the encoding of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from livewarp.arrays import FloatArray

_IR_VERSION, _OPERATOR_SET = 8, 13
_FLOAT = 1  # TensorProto.DataType
_INT, _STRING, _INTS = 2, 3, 7  # AttributeProto.AttributeType

Attribute = int | str | Sequence[int]


@dataclass(frozen=True, slots=True)
class Node:
    """A step: an operator of ONNX, the names of what goes in and comes out, its attributes."""

    kind: str
    ins: tuple[str, ...]
    outs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


def write_model(
    name: str,
    nodes: Sequence[Node],
    weights: Mapping[str, FloatArray],
    source: tuple[str, Sequence[int]],
    result: tuple[str, Sequence[int]],
) -> bytes:
    """The file of a network of float32 with one input and one output.

    Parameters
    ----------
    name
        Of the graph.
    weights
        Constants by name.
    source, result
        Name and shape of the input and of the output.
    """
    graph = b"".join(_block(1, _node(node)) for node in nodes)
    graph += _block(2, name.encode())
    graph += b"".join(_block(5, _constant(key, values)) for key, values in weights.items())
    graph += _block(11, _value(*source)) + _block(12, _value(*result))
    return _number(1, _IR_VERSION) + _block(7, graph) + _block(8, _block(1, b"") + _number(2, _OPERATOR_SET))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(key: int, value: int) -> bytes:
    return _varint(key << 3) + _varint(value)


def _block(key: int, content: bytes) -> bytes:
    return _varint(key << 3 | 2) + _varint(len(content)) + content


def _node(node: Node) -> bytes:
    names = [_block(1, name.encode()) for name in node.ins] + [_block(2, name.encode()) for name in node.outs]
    attributes = [_block(5, _attribute(key, value)) for key, value in node.attributes.items()]
    return b"".join(names) + _block(4, node.kind.encode()) + b"".join(attributes)


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, int):
        kind, content = _INT, _number(3, value)
    elif isinstance(value, str):
        kind, content = _STRING, _block(4, value.encode())
    else:
        kind, content = _INTS, b"".join(_number(8, each) for each in value)
    return _block(1, name.encode()) + content + _number(20, kind)


def _constant(name: str, values: FloatArray) -> bytes:
    shape = b"".join(_number(1, size) for size in values.shape)
    raw = np.ascontiguousarray(values, "<f4").tobytes()
    return shape + _number(2, _FLOAT) + _block(8, name.encode()) + _block(9, raw)


def _value(name: str, shape: Sequence[int]) -> bytes:
    sizes = b"".join(_block(1, _number(1, size)) for size in shape)
    return _block(1, name.encode()) + _block(2, _block(1, _number(1, _FLOAT) + _block(2, sizes)))
