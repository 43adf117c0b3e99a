"""The arrays that a chunk's function works on, by name, and how they reach it through one pointer.

The named tuples below are the only table of them: position, dtype and dimensions of each array. `pack` describes the
arrays of a tuple in words of 64 bits, three an array; the unpackers make the tuples again from those words.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numpy.typing import NDArray

from qllmft_backends.adjoint.compiled.simd import element_pointer

EACH = 3  # words that describe an array: address, rows, columns


class Kind(NamedTuple):
    """What an array of a table must be; ``dtype`` None stands for the engine's own."""

    dtype: type[np.generic] | None
    ndim: int


Reals = Annotated[NDArray[np.floating], Kind(None, 1)]
RealTable = Annotated[NDArray[np.floating], Kind(None, 2)]
Ints = Annotated[NDArray[np.int64], Kind(np.int64, 1)]
IntTable = Annotated[NDArray[np.int64], Kind(np.int64, 2)]
Int32Table = Annotated[NDArray[np.int32], Kind(np.int32, 2)]
BoolTable = Annotated[NDArray[np.bool_], Kind(np.bool_, 2)]


class PlanArrays(NamedTuple):
    """What depends on the program, the direction and L alone.

    Attributes:
        ops: `Program.ops`.
        steps, runs, outer: of the direction's `Schedule`.
        signs: (4·width) table of lane bits.
        row_masks: (T,) Z strings, shifted past the qubits that live inside registers.
        lane_signs: (T·width) signs of the qubits that live inside registers.
        sizes: (2,) L, the samples in a chunk, and 2^Q · L, its amplitudes.
    """

    ops: Int32Table
    steps: IntTable
    runs: IntTable
    outer: IntTable
    signs: Reals
    row_masks: Ints
    lane_signs: Reals
    sizes: Ints


class ForwardArrays(NamedTuple):
    """What a forward pass reads and writes.

    Attributes:
        states: (chunks, 2^Q · L and a gap), overwritten with the final states, each divided by its ``product``.
        sin, cos: (1 or B, G) of half the angles.
        is_full: (chunks, G), overwritten; see `rotations`.
        product: (chunks, L), overwritten; see `rotations`.
        amplitudes: (B, D) initial amplitudes of all samples, D = 0 for |0...0⟩.
        noise: (chunks, 2^Q · L and a gap) for the ε of eq. 2, overwritten with 1 where an outcome counted and 0 where
            it was rectified; (chunks, 0): exact values.
        scale: (1,) 1/sqrt(n) of n shots.
        stream: what ε is drawn from, see `GaussianShots.stream`; (0,) without shots.
        out: (B, T), overwritten with ⟨Z-string⟩.
    """

    states: RealTable
    sin: RealTable
    cos: RealTable
    is_full: BoolTable
    product: RealTable
    amplitudes: RealTable
    noise: RealTable
    scale: Reals
    stream: Ints
    out: RealTable


class BackwardArrays(NamedTuple):
    """What a backward sweep reads and writes.

    Attributes:
        states: final states of the forward pass; holds the initial ones, up to a factor, afterwards.
        sin, cos, is_full: of the forward pass.
        product: of the forward pass; changed.
        costates: (chunks, 2^Q · L and a gap), overwritten.
        kept: what ``noise`` became in the forward pass, or (chunks, 0).
        weights: (B, T) w_t of the loss Σ_t w_t ⟨Z-string t⟩.
        gradient: (B, G), overwritten with the gradient of the angles.
        by_amplitude: (B, D), overwritten with that of the amplitudes; D = 0: not wanted.
    """

    states: RealTable
    sin: RealTable
    cos: RealTable
    is_full: BoolTable
    product: RealTable
    costates: RealTable
    kept: RealTable
    weights: RealTable
    gradient: RealTable
    by_amplitude: RealTable


OWN = EACH * len(PlanArrays._fields)  # where the words of a pass's own arrays begin, after those of its plan
WORDS = OWN + EACH * max(len(layout._fields) for layout in (ForwardArrays, BackwardArrays))


def _types(layout: type[Any], real: types.Type) -> list[types.Array]:
    """Numba's types of a tuple's arrays."""
    kinds = [get_args(hint)[1] for hint in get_type_hints(layout, include_extras=True).values()]
    return [types.Array(from_dtype(np.dtype(k.dtype)) if k.dtype else real, k.ndim, "C") for k in kinds]


def _word(context, builder, signature, args, at):
    """Pointer to the word ``at`` places behind the first one."""
    first = element_pointer(context, builder, signature.args[0], args[0], args[1])
    return builder.gep(first, [ir.Constant(ir.IntType(64), at)])


@intrinsic
def pack(typingctx, words, first, arrays):
    """Describe the arrays of a tuple in ``words``, from number ``first`` on; they must stay where they are."""
    real = next(array.dtype for array in arrays.types if isinstance(array.dtype, types.Float))
    for name, got, expected in zip(arrays.fields, arrays.types, _types(arrays.instance_class, real), strict=True):
        if (got.dtype, got.ndim, got.layout) != (expected.dtype, expected.ndim, expected.layout):
            raise TypingError(f"{name} is {got}, expected {expected}")

    def codegen(context, builder, signature, args):
        for number, array_type in enumerate(arrays.types):
            array = context.make_array(array_type)(context, builder, builder.extract_value(args[2], number))
            lengths = cgutils.unpack_tuple(builder, array.shape)
            rows = lengths[0] if len(lengths) == 2 else ir.Constant(ir.IntType(64), 1)
            for i, value in enumerate((builder.ptrtoint(array.data, ir.IntType(64)), rows, lengths[-1])):
                builder.store(value, _word(context, builder, signature, args, EACH * number + i))
        return context.get_dummy_value()

    return types.void(words, types.intp, arrays), codegen


def unpacker(layout):
    """An intrinsic ``unpack(words, first, real)``: the tuple that `pack` described, ``real`` the engine's dtype."""

    @intrinsic
    def unpack(typingctx, words, first, real):
        result = types.NamedTuple(_types(layout, real.instance_type), layout)

        def codegen(context, builder, signature, args):
            members = []
            for number, array_type in enumerate(result.types):
                address, rows, columns = (
                    builder.load(_word(context, builder, signature, args, EACH * number + i)) for i in range(EACH)
                )
                itemsize = context.get_constant(
                    types.intp, context.get_abi_sizeof(context.get_data_type(array_type.dtype))
                )
                lengths = [rows, columns] if array_type.ndim == 2 else [columns]
                strides = [builder.mul(columns, itemsize), itemsize][-array_type.ndim :]
                array = context.make_array(array_type)(context, builder)
                array.data = builder.inttoptr(address, array.data.type)
                array.nitems = builder.mul(rows, columns)
                array.itemsize = itemsize
                array.shape = cgutils.pack_array(builder, lengths)
                array.strides = cgutils.pack_array(builder, strides)
                array.meminfo = cgutils.get_null_value(array.meminfo.type)  # the caller owns the memory
                array.parent = cgutils.get_null_value(array.parent.type)
                members.append(array._getvalue())
            return context.make_tuple(builder, result, members)

        return result(words, types.intp, real), codegen

    return unpack


plan_arrays = unpacker(PlanArrays)
forward_arrays = unpacker(ForwardArrays)
backward_arrays = unpacker(BackwardArrays)
