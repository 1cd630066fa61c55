"""Reads TensorFlow Lite files: just as much of the format as a conversion needs, with no library.

Source: the FlatBuffers internals and TensorFlow's schema.fbs (version 3). A field's number is its place in a table
there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}  # TensorType
_SAME, _VALID = 0, 1  # Padding


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a graph.

    Attributes
    ----------
    shape
        As in the file: batch, height, width, channels.
    values
        Of a constant, in 32 bits; None: it is worked out.
    """

    shape: tuple[int, ...]
    values: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class Operator:
    """A step of a graph.

    Attributes
    ----------
    kind
        TensorFlow's name for it: "CONV_2D", or that of a custom one.
    ins, outs
        Indices of tensors.
    same
        Whether what is beyond the border counts as 0, so that a stride of 1 keeps the size.
    stride, dilation
        Of a convolution.
    """

    kind: str
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    same: bool = False
    stride: int = 1
    dilation: int = 1


@dataclass(frozen=True, slots=True)
class Graph:
    """A network.

    Attributes
    ----------
    inputs, outputs
        Indices of tensors.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


_KINDS = {0: "ADD", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 17: "MAX_POOL_2D", 54: "PRELU"}
# Where stride and dilation stand among the options; no other kind has any that a conversion needs.
_PLACES = {"CONV_2D": (1, 4, 3), "DEPTHWISE_CONV_2D": (1, 5, 4)}  # stride, dilation, activation


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a FlatBuffer: fields by number, absent ones at their default."""

    data: bytes
    at: int
    fields: tuple[int, ...] = field(default=())

    @classmethod
    def of(cls, data: bytes, at: int) -> _Table:
        start = at - struct.unpack_from("<i", data, at)[0]
        size = struct.unpack_from("<H", data, start)[0]
        return cls(data, at, struct.unpack_from(f"<{size // 2 - 2}H", data, start + 4))

    def place(self, number: int) -> int | None:
        offset = self.fields[number] if number < len(self.fields) else 0
        return self.at + offset if offset else None

    def number(self, number: int, code: str = "i", default: int = 0) -> int:
        place = self.place(number)
        return default if place is None else int(struct.unpack_from(f"<{code}", self.data, place)[0])

    def _target(self, number: int) -> int | None:
        place = self.place(number)
        return None if place is None else place + int(struct.unpack_from("<I", self.data, place)[0])

    def table(self, number: int) -> _Table | None:
        target = self._target(number)
        return None if target is None else _Table.of(self.data, target)

    def vector(self, number: int, code: str) -> tuple[int, ...]:
        target = self._target(number)
        if target is None:
            return ()
        count = struct.unpack_from("<I", self.data, target)[0]
        return struct.unpack_from(f"<{count}{code}", self.data, target + 4)

    def raw(self, number: int) -> bytes:
        target = self._target(number)
        if target is None:
            return b""
        count = struct.unpack_from("<I", self.data, target)[0]
        return self.data[target + 4 : target + 4 + count]

    def tables(self, number: int) -> list[_Table]:
        target = self._target(number)
        if target is None:
            return []
        offsets = self.vector(number, "I")
        return [_Table.of(self.data, target + 4 + 4 * k + offset) for k, offset in enumerate(offsets)]


def read_graph(data: bytes) -> Graph:
    """The first graph of a TensorFlow Lite file.

    Raises
    ------
    ValueError
        It is no such file, or uses what is not known here.
    """
    if data[4:8] != b"TFL3":
        raise ValueError("no TensorFlow Lite file")
    try:
        model = _Table.of(data, struct.unpack_from("<I", data)[0])
        codes = [_kind(code) for code in model.tables(1)]
        graph = model.tables(2)[0]
        buffers = [buffer.raw(0) for buffer in model.tables(4)]
        tensors = tuple(_tensor(tensor, buffers) for tensor in graph.tables(0))
        operators = tuple(_operator(operator, codes) for operator in graph.tables(3))
        return Graph(tensors, operators, graph.vector(1, "i"), graph.vector(2, "i"))
    except (struct.error, IndexError) as error:
        raise ValueError("a damaged TensorFlow Lite file") from error


def _kind(code: _Table) -> str:
    custom = code.raw(1).decode()
    number = max(code.number(0, "b"), code.number(3))
    return custom or _KINDS.get(number, f"operator {number}")


def _tensor(tensor: _Table, buffers: list[bytes]) -> Tensor:
    shape, raw = tensor.vector(0, "i"), buffers[tensor.number(2, "I")]
    kind = tensor.number(1, "b")
    if not raw or kind not in _DTYPES:
        return Tensor(shape)
    values = np.frombuffer(raw, _DTYPES[kind]).reshape(shape)
    return Tensor(shape, values.astype(np.int32 if kind == 2 else np.float32))


def _operator(operator: _Table, codes: list[str]) -> Operator:
    kind = codes[operator.number(0, "I")]
    ins, outs = operator.vector(1, "i"), operator.vector(2, "i")
    options = operator.table(4)
    if kind not in _PLACES or options is None:
        return Operator(kind, ins, outs)
    stride, dilation, activation = _PLACES[kind]
    if options.number(activation, "b"):
        raise ValueError(f"{kind} with an activation of its own")
    same = options.number(0, "b") == _SAME
    return Operator(kind, ins, outs, same, options.number(stride), options.number(dilation, default=1))
