"""Building blocks of kernels that are written in LLVM IR, as vectors: constants, loads, shuffles, mixtures.

A `builder` appends instructions; the values here are their results, not numbers.

numba compiles a kernel again when the kernel's own file changes, not when this one does: after a change here, empty
its cache (the `__pycache__` folders).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic as _intrinsic

I8, I16, I32, I64, F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()


Generated = tuple[Any, Callable[..., Any]]
"""What an intrinsic returns: its signature, and what writes its instructions."""

intrinsic: Callable[..., Any] = _intrinsic  # callers leave `typingctx` out, which its own type does not say


def number(value: int) -> ir.Constant:
    """A constant index."""
    return ir.Constant(I64, value)


def lanes(lane: ir.Type, values: Sequence[float]) -> ir.Constant:
    """A constant vector."""
    return ir.Constant(ir.VectorType(lane, len(values)), list(values))


def shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, picks: Sequence[int]) -> ir.Value:
    """The picked lanes of a, counted from 0, and of b, counted from the length of a."""
    return builder.shuffle_vector(a, b, lanes(I32, picks))


def splat(builder: ir.IRBuilder, value: ir.Value, n: int) -> ir.Value:
    """Equal lanes."""
    empty = ir.Constant(ir.VectorType(value.type, n), ir.Undefined)
    single = builder.insert_element(empty, value, ir.Constant(I32, 0))
    return shuffle(builder, single, single, [0] * n)


def element(builder: ir.IRBuilder, array: Any, *index: ir.Value) -> ir.Value:
    """Pointer to an element of a C-contiguous array, unchecked."""
    flat = index[0]
    for axis in range(1, len(index)):
        flat = builder.add(builder.mul(flat, builder.extract_value(array.shape, axis)), index[axis])
    return builder.gep(array.data, [flat])


def load_lanes(builder: ir.IRBuilder, pointer: ir.Value, n: int) -> ir.Value:
    """Adjacent lanes, aligned like a single one."""
    lane = pointer.type.pointee
    value = builder.load(builder.bitcast(pointer, ir.VectorType(lane, n).as_pointer()))
    value.align = 4 if lane == F32 else lane.width // 8
    return value


def store_lanes(builder: ir.IRBuilder, value: ir.Value, pointer: ir.Value) -> None:
    """Lanes into adjacent elements, aligned like a single one."""
    lane = value.type.element
    align = 4 if lane == F32 else lane.width // 8
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=align)


def clamp_lanes(builder: ir.IRBuilder, value: ir.Value, high: ir.Value) -> ir.Value:
    """Signed lanes within 0 .. high."""
    low = ir.Constant(value.type, [0] * value.type.count)
    value = builder.select(builder.icmp_signed("<", value, low), low, value)
    return builder.select(builder.icmp_signed(">", value, high), high, value)


def within_lanes(builder: ir.IRBuilder, value: ir.Value, most: float) -> ir.Value:
    """Float lanes within ±most; what is not a number compares false and becomes -most."""
    low, high = lanes(F32, [-most] * value.type.count), lanes(F32, [most] * value.type.count)
    value = builder.select(builder.fcmp_ordered(">", value, low), value, low)
    return builder.select(builder.fcmp_ordered("<", value, high), value, high)


def mix_lanes(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, weight: ir.Value) -> ir.Value:
    """u16 lanes a * (1 - weight) + b * weight, weight in 1/65536; of each product the upper half is kept."""
    wide = ir.VectorType(I32, weight.type.count)

    def upper_half(x: ir.Value, y: ir.Value) -> ir.Value:  # one multiplication where the machine has it
        product = builder.mul(builder.zext(x, wide), builder.zext(y, wide))
        return builder.trunc(builder.lshr(product, lanes(I32, [16] * weight.type.count)), weight.type)

    # ~weight is 1/65536 short of 1 - weight, because 1 itself would take a 17th bit; the rounding makes up for it
    return builder.add(upper_half(a, builder.not_(weight)), upper_half(b, weight))


def arrays_of(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> list[Any]:
    """The arguments, arrays among them as structures with `data`, `shape` and `strides`."""
    return [
        context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, args, strict=True)
    ]


def pick_wide(builder: ir.IRBuilder, four: ir.Value, picks: Sequence[int]) -> ir.Value:
    """Picked bytes of each of four 16-byte cells as u16 lanes, times 256: one shuffle (little-endian)."""
    zero = lanes(I8, [0] * 64)
    octets = [byte for cell in range(0, 64, 16) for pick in picks for byte in (64, cell + pick)]
    return builder.bitcast(shuffle(builder, four, zero, octets), ir.VectorType(I16, 32))
