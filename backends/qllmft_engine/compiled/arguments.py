"""Arrays of a chunk's function, passed through one pointer.

The named tuples below define the position, dtype and dimensions of each array. `plan_words` and `pack` describe the
arrays of a tuple in words of 64 bits, three per array; the unpackers restore the tuples from those words.
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

from qllmft_engine.compiled.simd import element_pointer

WORDS_PER_ARRAY = 3  # words that describe an array: address, rows, columns


class ArraySpec(NamedTuple):
    """Dtype and dimensions of an array. ``dtype`` None: the engine's own."""

    dtype: type[np.generic] | None
    ndim: int


Reals = Annotated[NDArray[np.floating], ArraySpec(None, 1)]
RealTable = Annotated[NDArray[np.floating], ArraySpec(None, 2)]
Ints = Annotated[NDArray[np.int64], ArraySpec(np.int64, 1)]
IntTable = Annotated[NDArray[np.int64], ArraySpec(np.int64, 2)]
Int32Table = Annotated[NDArray[np.int32], ArraySpec(np.int32, 2)]
Doubles = Annotated[NDArray[np.float64], ArraySpec(np.float64, 2)]
BoolTable = Annotated[NDArray[np.bool_], ArraySpec(np.bool_, 2)]


class PlanArrays(NamedTuple):
    """Arrays of a plan: they depend on the program, the direction and L alone."""

    # this and the next four: of the direction's `Schedule`
    ops: Int32Table
    slots: Ints
    steps: IntTable
    runs: IntTable
    outer: IntTable
    signs: Reals  # (4·width) table of lane bits
    # (T,) Z strings, shifted past the qubits that live inside registers
    row_masks: Ints
    # (T·width) signs of the qubits that live inside registers
    lane_signs: Reals
    # (2,) L, the samples in a chunk, and 2^Q · L, its amplitudes
    sizes: Ints


class ForwardArrays(NamedTuple):
    """Arrays of a forward pass."""

    # (chunks, 2^Q · L and a gap), overwritten with the final states, each divided by its
    # ``product``
    states: RealTable
    angles: Doubles  # (1 or B, G) in radians
    # (chunks, G), overwritten; see `rotations`
    is_full: BoolTable
    # (chunks, L), overwritten; see `rotations`
    product: RealTable
    # (B, D) initial amplitudes of all samples, D = 0 for |0...0⟩
    amplitudes: RealTable
    out: RealTable  # (B, T), overwritten with ⟨Z-string⟩


class BackwardArrays(NamedTuple):
    """Arrays of a backward sweep."""

    # final states of the forward pass, changed; holds loaded amplitudes, up to a factor, afterwards
    states: RealTable
    angles: Doubles  # this and the next: of the forward pass
    is_full: BoolTable
    product: RealTable  # of the forward pass; changed
    # (chunks, 2^Q · L and a gap), overwritten
    costates: RealTable
    # of the shape of ``costates``, factors of the co-state at its start; (chunks, 0): 1
    costate_factors: RealTable
    # (B, T) w_t of the loss Σ_t w_t ⟨Z-string t⟩; (0, T): `ShotCostates` have started the co-state
    weights: RealTable
    # (B, G), overwritten with the gradient of the angles
    gradient: RealTable
    # (B, D), overwritten with that of the amplitudes; D = 0: not computed
    by_amplitude: RealTable


class ShotValues(NamedTuple):
    """Arrays of a measurement with the shots of eq. 2, after a forward pass."""

    states: RealTable  # this and the next: of the forward pass
    product: RealTable
    # (chunks, 2^Q · L and a gap), overwritten with 1 for outcomes that count and 0 for rectified ones
    noise: RealTable
    scale: Reals  # (1,) 1/sqrt(n) of n shots
    stream: Ints  # source of ε, see `GaussianShots.stream`
    out: RealTable  # (B, T), overwritten with the values


class ShotCostates(NamedTuple):
    """Arrays of the start of a backward sweep whose gradient passes through the noise of eq. 2."""

    states: RealTable  # of the forward pass; afterwards multiplied with their factors
    product: RealTable
    costates: RealTable  # (chunks, 2^Q · L and a gap), overwritten
    noise: RealTable  # of the same shape, overwritten with ε
    scale: Reals  # this and the next: of the forward pass
    stream: Ints
    weights: RealTable  # (B, T) w_t of the loss Σ_t w_t ⟨Z-string t⟩


class ComplexPlanArrays(NamedTuple):
    """Arrays of a complex plan, the same in both directions."""

    # this and the next three: of the `ComplexPlan`
    gates: IntTable
    steps: IntTable
    blocks: IntTable
    strides: IntTable
    factors: IntTable  # see `make_matrices`
    strings: IntTable  # see `measure_paulis`
    # (T·width) signs of Z on qubits inside registers
    lane_signs: Reals
    # (4,) L; 2^(Q+1) · L; number of strings of I and Z; Q
    sizes: Ints


class ComplexForward(NamedTuple):
    """Arrays of a forward pass on complex states."""

    # (chunks, 2^(Q+1) · L and a gap), overwritten with the final states, each divided by its
    # ``product``; see `complex_matrices`
    states: RealTable
    # (chunks, L), overwritten; see `complex_matrices`
    product: RealTable
    # (2, 2^Q) real and imaginary parts at the beginning of every sample; (2, 0): |0...0⟩
    initial: RealTable
    out: RealTable  # (B, T), overwritten with ⟨P⟩
    sin: Doubles  # see `make_matrices`
    cos: Doubles


class ComplexBackward(NamedTuple):
    """Arrays of a backward sweep on complex states."""

    # final states of the forward pass; the initial ones, up to a factor, afterwards
    states: RealTable
    product: RealTable  # of the forward pass
    costates: RealTable  # the shape of ``states``, overwritten
    weights: RealTable  # (B, T) w_t of the loss Σ_t w_t ⟨P_t⟩
    # (F, B), overwritten with the derivatives by the factors' angles
    gradient: RealTable
    sin: Doubles  # of the forward pass
    cos: Doubles


_PLANS = (PlanArrays, ComplexPlanArrays)
_PASSES = (
    ForwardArrays,
    BackwardArrays,
    ShotValues,
    ShotCostates,
    ComplexForward,
    ComplexBackward,
)
# first word of a pass's own arrays, after those of its plan
PASS_OFFSET = WORDS_PER_ARRAY * max(len(layout._fields) for layout in _PLANS)
TOTAL_WORDS = PASS_OFFSET + WORDS_PER_ARRAY * max(len(layout._fields) for layout in _PASSES)


def _array_specs(layout: type[Any]) -> list[ArraySpec]:
    return [get_args(hint)[1] for hint in get_type_hints(layout, include_extras=True).values()]


def empty_arrays(layout: type[Any], real: str) -> list[NDArray[Any]]:
    """Return arrays of no numbers with the dtypes and dimensions of a layout, for an engine of dtype ``real``."""
    return [np.empty((0,) * spec.ndim, spec.dtype or real) for spec in _array_specs(layout)]


def plan_words(plan: PlanArrays | ComplexPlanArrays) -> NDArray[np.int64]:
    """Return (WORDS,) int64 that describe a plan's arrays, with room for those of a pass.

    Python runs it once for each plan; compiled, it would lengthen the first run.

    Raises:
        TypeError: if an array has another dtype, dimension or memory order than its layout.
    """
    arrays: tuple[NDArray[Any], ...] = plan
    real = next(array.dtype for array in arrays if array.dtype.kind == "f")
    words = np.zeros(TOTAL_WORDS, np.int64)
    specs = _array_specs(type(plan))
    for i, (name, array, spec) in enumerate(zip(plan._fields, arrays, specs, strict=True)):
        expected = np.dtype(spec.dtype or real), spec.ndim, True
        actual = array.dtype, array.ndim, array.flags.c_contiguous
        if actual != expected:
            raise TypeError(
                f"{name} has dtype, dimensions and rows in memory {actual}, expected {expected}"
            )
        rows = array.shape[0] if array.ndim == 2 else 1
        first = WORDS_PER_ARRAY * i
        words[first : first + WORDS_PER_ARRAY] = array.ctypes.data, rows, array.shape[-1]
    return words


def _array_types(layout: type[Any], real: types.Type) -> list[types.Array]:
    return [
        types.Array(from_dtype(np.dtype(spec.dtype)) if spec.dtype else real, spec.ndim, "C")
        for spec in _array_specs(layout)
    ]


def _word_pointer(context, builder, signature, args, word_index):
    """Return a pointer to the word ``word_index`` places behind the first one."""
    first = element_pointer(context, builder, signature.args[0], args[0], args[1])
    return builder.gep(first, [ir.Constant(ir.IntType(64), word_index)])


@intrinsic
def pack(typingctx, words, first, arrays):
    """Describe the arrays of a tuple in ``words``, from number ``first`` on.

    Args:
        typingctx: numba's typing context, not used.
        words: (n,) int64; three words per array are overwritten: address, rows (1 of one dimension)
            and columns.
        first: number of the first word.
        arrays: named tuple of a layout above. The arrays must stay in place as long as the words
            are read.

    Raises:
        TypingError: if an array has another dtype, dimension or memory order than its layout.
    """
    real = next(array.dtype for array in arrays.types if isinstance(array.dtype, types.Float))
    for name, got, expected in zip(
        arrays.fields, arrays.types, _array_types(arrays.instance_class, real), strict=True
    ):
        if (got.dtype, got.ndim, got.layout) != (expected.dtype, expected.ndim, expected.layout):
            raise TypingError(f"{name} is {got}, expected {expected}")

    def codegen(context, builder, signature, args):
        for number, array_type in enumerate(arrays.types):
            array = context.make_array(array_type)(
                context, builder, builder.extract_value(args[2], number)
            )
            lengths = cgutils.unpack_tuple(builder, array.shape)
            rows = lengths[0] if len(lengths) == 2 else ir.Constant(ir.IntType(64), 1)
            for i, value in enumerate(
                (builder.ptrtoint(array.data, ir.IntType(64)), rows, lengths[-1])
            ):
                builder.store(
                    value,
                    _word_pointer(context, builder, signature, args, WORDS_PER_ARRAY * number + i),
                )
        return context.get_dummy_value()

    return types.void(words, types.intp, arrays), codegen


def unpacker(layout):
    """Return an intrinsic ``unpack(words, first, real)`` that restores a packed tuple in the engine's dtype."""

    @intrinsic
    def unpack(typingctx, words, first, real):
        """Restore the tuple that `pack` has described.

        Args:
            typingctx: numba's typing context, not used.
            words: (n,) int64 of `pack`.
            first: number of the tuple's first word.
            real: ``np.float32`` or ``np.float64``, the dtype of the engine.

        Returns:
            A named tuple of contiguous arrays on the memory of the packed ones, which must outlive
            it.
        """
        result = types.NamedTuple(_array_types(layout, real.instance_type), layout)

        def codegen(context, builder, signature, args):
            members = []
            for number, array_type in enumerate(result.types):
                address, rows, columns = (
                    builder.load(
                        _word_pointer(
                            context, builder, signature, args, WORDS_PER_ARRAY * number + i
                        )
                    )
                    for i in range(WORDS_PER_ARRAY)
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
                # the caller owns the memory
                array.meminfo = cgutils.get_null_value(array.meminfo.type)
                array.parent = cgutils.get_null_value(array.parent.type)
                members.append(array._getvalue())
            return context.make_tuple(builder, result, members)

        return result(words, types.intp, real), codegen

    return unpack


plan_arrays = unpacker(PlanArrays)
forward_arrays = unpacker(ForwardArrays)
backward_arrays = unpacker(BackwardArrays)
shot_values = unpacker(ShotValues)
shot_costates = unpacker(ShotCostates)
complex_plan_arrays = unpacker(ComplexPlanArrays)
complex_forward_arrays = unpacker(ComplexForward)
complex_backward_arrays = unpacker(ComplexBackward)
