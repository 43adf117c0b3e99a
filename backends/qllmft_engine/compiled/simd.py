"""Vectors of one 64-byte register as numba values: the few operations of the kernels, written as LLVM IR.

numba vectorises a loop only if it can prove that arrays do not overlap, which it cannot for rows of one array. With
these values a kernel names its 16 floats (or 8 doubles). LLVM splits them on machines with narrower registers.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic, models, register_model

from qllmft_engine.compiled.parts import part

REGISTER_BYTES = 64
SAMPLES = REGISTER_BYTES // 8  # samples of a register of float64; a chunk has no more


def lanes(itemsize: int) -> int:
    """Return the numbers in one register: 16 of float32, 8 of float64."""
    return REGISTER_BYTES // itemsize


@cache
def count_pieces() -> int:
    """Return the number of pieces in which kernels with many values handle a register.

    It is 1 on a processor with registers of 64 bytes, and 2, the halves, on others.
    """
    return 1 if binding.get_host_cpu_features().get("avx512f", False) else 2


@cache
def has_fused_multiply_add() -> bool:
    """Return whether the processor that numba compiles for has an instruction for x·y + z that rounds once."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return True
    given_features = config.CPU_FEATURES  # "" with NUMBA_CPU_NAME=generic
    if given_features is not None:
        return "+fma" in str(given_features).split(",")
    return bool(binding.get_host_cpu_features().get("fma", False))


def _make_constant(array, number):
    """Return the signature and the code of a function of an array that returns ``number``."""

    def codegen(context, builder, signature, args):
        return context.get_constant(types.intp, number)

    return types.intp(array), codegen


def make_operation(signature, build):
    """Return a signature and the code of it: ``build(builder, *args)``, with the LLVM values of the arguments."""

    def codegen(context, builder, signature, args):
        return build(builder, *args)

    return signature, codegen


@intrinsic
def count_lanes(typingctx, array):
    """Return the lanes of a register of the array's dtype.

    It is a constant of the compiled code. numba reads an array's ``itemsize`` from memory, and a division by it takes
    longer than a gate on a row.
    """
    return _make_constant(array, lanes(array.dtype.bitwidth // 8))


@intrinsic
def count_piece_lanes(typingctx, array):
    """Return the lanes of a piece of a register of the array's dtype, see `count_pieces`."""
    return _make_constant(array, lanes(array.dtype.bitwidth // 8) // count_pieces())


@part
def aligned_empty(like, size):
    """Return an array of ``size`` numbers of the dtype of ``like``, aligned to a register."""
    width = count_lanes(like)
    raw = np.empty(size + width, like.dtype)
    first = -raw.ctypes.data % REGISTER_BYTES * width // REGISTER_BYTES
    return raw[first : first + size]


class VectorType(types.Type):
    """numba's type of one register of ``dtype``, or of one of its ``pieces``."""

    def __init__(self, dtype: Any, pieces: int = 1) -> None:
        self.dtype = dtype
        self.lanes = lanes(dtype.bitwidth // 8) // pieces
        super().__init__(name=f"Vector({dtype}, {self.lanes})")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: VectorType) -> None:
        element = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.lanes))


def element_pointer(context, builder, array_type, array, index):
    """Return a pointer to ``array[index]`` in generated code.

    Args:
        context: numba's target context.
        builder: llvmlite's, at the place of the code.
        array_type: numba's type of the array, contiguous and of one dimension.
        array: LLVM value of the array's structure.
        index: LLVM value, in elements; it is not checked, and does not count from the end.
    """
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def vector_pointer(context, builder, array_type, array, index, vector_type):
    """Return a pointer to a vector that begins at ``array[index]``, in generated code.

    Args:
        context: see `element_pointer`, as all but the last.
        builder: the same.
        array_type: the same.
        array: the same.
        index: the same.
        vector_type: `VectorType` of what is there.
    """
    pointer = element_pointer(context, builder, array_type, array, index)
    return builder.bitcast(pointer, context.get_value_type(vector_type).as_pointer())


def _make_load(array, vector):
    """Return the signature and the code of a load of a ``vector`` from an array."""

    def codegen(context, builder, signature, args):
        """Generate the code of one call. Each ``codegen`` of an intrinsic has these parameters.

        Args:
            context: numba's target context, with the layout of types in memory.
            builder: llvmlite's, at the place of the call.
            signature: numba's types of the arguments and of the result.
            args: LLVM values of the arguments, without ``typingctx``.

        Returns:
            The LLVM value of the result.
        """
        value = builder.load(
            vector_pointer(context, builder, signature.args[0], args[0], args[1], vector)
        )
        value.align = array.dtype.bitwidth // 8
        return value

    return vector(array, types.intp), codegen


@intrinsic
def load(typingctx, array, index):
    """Load the register at ``index`` of a contiguous array, counted over all its dimensions."""
    return _make_load(array, VectorType(array.dtype))


@intrinsic
def load_piece(typingctx, array, index):
    """Load one piece of a register (see `count_pieces`) like `load`."""
    return _make_load(array, VectorType(array.dtype, count_pieces()))


@intrinsic
def _load_half(typingctx, array, index):
    """Load half a register like `load`."""
    return _make_load(array, VectorType(array.dtype, 2))


# one function where halves are the pieces, so that its callers are compiled once
load_half = load_piece if count_pieces() == 2 else _load_half


@intrinsic
def store(typingctx, array, index, value):
    """Write a register, or a piece, to ``array[index:index + lanes]``.

    Args:
        typingctx: numba's typing context, not used.
        array: contiguous, of one dimension.
        index: of the first number; it need not be a multiple of the lanes, and is not checked.
        value: register of the array's dtype, or a piece.
    """

    def codegen(context, builder, signature, args):
        pointer = vector_pointer(context, builder, signature.args[0], args[0], args[1], value)
        builder.store(args[2], pointer).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


def _binary(instruction):
    def build(builder, x, y):
        # "contract" alone: a product and a sum may become one fused multiply-add; nothing is
        # reordered
        return getattr(builder, instruction)(x, y, flags=("contract",))

    @intrinsic
    def operation(typingctx, a, b):
        return make_operation(a(a, b), build)

    return operation


add = _binary("fadd")
sub = _binary("fsub")
mul = _binary("fmul")
div = _binary("fdiv")


def build_multiply_add(builder, x, y, z):
    """Return the LLVM value x·y + z of registers, rounded once if the processor has an instruction for it.

    LLVM may contract a product and a sum, but does so on some processors and not on others. Here it has to, so that
    their bits are the same.

    Args:
        builder: llvmlite's, at the place of the code.
        x: LLVM value of a register.
        y: LLVM value of the same type.
        z: LLVM value of the same type.
    """
    if not has_fused_multiply_add():
        return builder.fadd(builder.fmul(x, y), z)
    return _call_lanewise(builder, "fma", x, y, z)


def _call_lanewise(builder, name, *registers):
    """Return the LLVM value of LLVM's function ``name`` of registers, lane by lane."""
    register = registers[0].type
    bits = 64 if isinstance(register.element, ir.DoubleType) else 32
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(register, [register] * len(registers)),
        f"llvm.{name}.v{register.count}f{bits}",
    )
    return builder.call(function, registers)


def build_negative(builder, x):
    """Return the LLVM value −x of a register."""
    register = x.type
    return builder.fsub(
        ir.Constant(register, [ir.Constant(register.element, -0.0)] * register.count), x
    )


@intrinsic
def multiply_add(typingctx, x, y, z):
    """Return x·y + z (see `build_multiply_add`).

    Args:
        typingctx: numba's typing context, not used.
        x: register.
        y: register of the same type.
        z: register of the same type.
    """
    return make_operation(x(x, y, z), build_multiply_add)


@intrinsic
def multiply_subtract(typingctx, x, y, z):
    """Return x·y − z (see `build_multiply_add`).

    Args:
        typingctx: numba's typing context, not used.
        x: register.
        y: register of the same type.
        z: register of the same type.
    """

    def build(builder, x, y, z):
        return build_multiply_add(builder, x, y, build_negative(builder, z))

    return make_operation(x(x, y, z), build)


@intrinsic
def broadcast(typingctx, number):
    """Return the register with ``number`` in every lane."""
    vector = VectorType(number)

    def codegen(context, builder, signature, args):
        value = ir.Constant(context.get_value_type(vector), ir.Undefined)
        for lane in range(vector.lanes):
            value = builder.insert_element(value, args[0], ir.Constant(ir.IntType(32), lane))
        return value

    return vector(number), codegen


def _lanewise(name):
    def build(builder, x):
        return _call_lanewise(builder, name, x)

    @intrinsic
    def operation(typingctx, a):
        return make_operation(a(a), build)

    return operation


square_root = _lanewise("sqrt")
nearest_integer = _lanewise("rint")  # of two equally near ones the even one


@intrinsic
def any_below(typingctx, a, limit):
    """Return whether any lane of ``a`` is below the number ``limit``."""

    def build(builder, x, bound):
        vector = x.type
        bounds = ir.Constant(vector, ir.Undefined)
        for lane in range(vector.count):
            bounds = builder.insert_element(bounds, bound, ir.Constant(ir.IntType(32), lane))
        below = builder.bitcast(builder.fcmp_ordered("<", x, bounds), ir.IntType(vector.count))
        return builder.icmp_unsigned("!=", below, ir.Constant(below.type, 0))

    return make_operation(types.boolean(a, a.dtype), build)


@intrinsic
def select_positive(typingctx, mask, a, b):
    """Return, lane by lane, a if ``mask`` is positive, else b.

    Args:
        typingctx: numba's typing context, not used.
        mask: register; 0 and NaN are not positive.
        a: register of the type of ``mask``.
        b: the same.
    """

    def build(builder, condition, x, y):
        zero = ir.Constant(condition.type, None)
        return builder.select(builder.fcmp_ordered(">", condition, zero), x, y)

    return make_operation(a(mask, a, b), build)


def _exchange(distance):
    def build(builder, x):
        lane_count = x.type.count
        order = [i ^ distance if i ^ distance < lane_count else i for i in range(lane_count)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), lane_count), order)
        return builder.shuffle_vector(x, x, mask)

    @intrinsic
    def operation(typingctx, a):
        return make_operation(a(a), build)

    return operation


exchange_1 = _exchange(1)  # lanes i and i XOR 1 change places
exchange_2 = _exchange(2)
exchange_4 = _exchange(4)
exchange_8 = _exchange(8)
