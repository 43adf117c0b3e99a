"""Groups of gates undone in one pass, on state and co-state, with the sums of their gradients (see `fused`)."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from qllmft_engine.compiled.fused import (
    GroupLayout,
    RegisterBlock,
    build_places,
    build_subtract_product,
    join,
    list_pairs,
    split_all,
)
from qllmft_engine.compiled.simd import build_multiply_add, count_pieces
from qllmft_engine.program.schedule import HALF


def _undo_inside(builder, block, costate_block, numbers, control, t, sums):
    """Undo a gate whose target divides whole registers, on state and co-state, and add to its sum."""
    x = block.values
    y = costate_block.values
    exchange = block.exchange_halves
    for i in numbers:
        partner = exchange(x[i])
        sums[0][0] = build_multiply_add(builder, y[i], partner, sums[0][0])
        x[i] = build_subtract_product(builder, t, partner, x[i])
        y[i] = build_subtract_product(builder, t, exchange(y[i]), y[i])
        if control is not None and i >> control & 1:
            x[i] = exchange(x[i])
            y[i] = exchange(y[i])


def _undo_outside(builder, block, costate_block, pairs, layout, tangents, sums):
    """Undo a gate on pairs of registers of state and co-state, and add to its sums."""
    x = block.values
    y = costate_block.values
    for low, high, is_set in pairs:
        first = layout.piece(high)
        second = layout.piece(low)
        t = tangents[first]
        a = x[low]
        b = x[high]
        p = y[low]
        q = y[high]
        # a pair of two halves has both its terms in the first sum, as in a whole register
        second_sum = sums[0] if first != second else sums[1]
        sums[0][first] = build_multiply_add(builder, q, a, sums[0][first])
        second_sum[second] = build_multiply_add(builder, p, b, second_sum[second])
        a, b = build_multiply_add(builder, t, b, a), build_subtract_product(builder, t, a, b)
        p, q = build_multiply_add(builder, t, q, p), build_subtract_product(builder, t, p, q)
        x[low], x[high] = block.apply_cnot(a, b, is_set)
        y[low], y[high] = block.apply_cnot(p, q, is_set)


class _Sums:
    """Sums of a gradient in generated code: pieces of registers, which a loop updates."""

    def __init__(self, builder, values):
        self._builder = builder
        self._pointers = [
            [cgutils.alloca_once_value(builder, piece) for piece in pieces]
            for pieces in split_all(builder, values, count_pieces())
        ]

    def load(self, gate):
        """Return the pieces of both sums of a gate."""
        return [
            [self._builder.load(pointer) for pointer in pointers]
            for pointers in self._pointers[2 * gate : 2 * gate + 2]
        ]

    def store(self, gate, sums):
        """Write the pieces of both sums of a gate."""
        for pointers, pieces in zip(self._pointers[2 * gate : 2 * gate + 2], sums, strict=True):
            for pointer, piece in zip(pointers, pieces, strict=True):
                self._builder.store(piece, pointer)

    def as_tuple(self, tuple_type):
        """Return the LLVM value of the tuple of registers."""
        result = ir.Constant(tuple_type, ir.Undefined)
        for i, pointers in enumerate(self._pointers):
            pieces = [self._builder.load(pointer) for pointer in pointers]
            result = self._builder.insert_value(result, join(self._builder, pieces), i)
        return result


def _undo_gates(builder, block, costate_block, numbers, layout, tangents, sums):
    """Undo the gates of a group on registers of state and co-state, the last one first, and add to their `_Sums`."""
    for gate in reversed(range(len(layout.gates))):
        control, target = layout.gates[gate]
        gate_sums = sums.load(gate)
        if target == HALF:
            t = tangents[gate][0]
            _undo_inside(builder, block, costate_block, numbers, control, t, gate_sums)
        else:
            pairs = list_pairs(numbers, control, target)
            _undo_outside(builder, block, costate_block, pairs, layout, tangents[gate], gate_sums)
        sums.store(gate, gate_sums)


def make_undo_group(groups):
    """Return an intrinsic ``undo(s, c, shape, strides, tangents, sums)`` that undoes the group of a step.

    Args:
        groups: the gates of each `Shape`.
    """
    layouts = {shape: GroupLayout(gates) for shape, gates in groups.items()}

    @intrinsic
    def undo(typingctx, s, c, shape, strides, tangents, sums):
        """Undo the gates of a group on all amplitudes of state and co-state, the last gate first.

        Args:
            typingctx: numba's typing context, not used.
            s: amplitudes ψ, contiguous, of one dimension; changed in place.
            c: co-state λ of the same type and shape, changed in place.
            shape: of the group.
            strides: see `make_apply_group`.
            tangents: the same.
            sums: two registers per gate, Σ λ_b·ψ_a and Σ λ_a·ψ_b, so that additions need not wait
                for each other. If the gate's target is inside registers, the first is Σ λ·ψ with
                ψ's halves exchanged, and the second is not used.

        Returns:
            The updated sums.
        """

        def codegen(context, builder, signature, args):
            """Generate straight-line code that undoes the gates, in a loop over all places.

            Args:
                context: see ``codegen`` in `simd.load`.
                builder: the same.
                signature: the same.
                args: LLVM values of ``s``, ``c``, ``shape``, and the tuples ``strides``,
                    ``tangents`` and ``sums``.

            Returns:
                The LLVM value of the tuple of updated sums.
            """
            state, costate, shape_value, stride_values, tangent_values, sum_values = args
            updated = _Sums(builder, sum_values)
            tangents = split_all(builder, tangent_values, count_pieces())
            for layout, outside, place in build_places(
                context, builder, s, state, shape_value, stride_values, layouts
            ):
                block, costate_block = (
                    RegisterBlock(context, builder, s, array, place, outside, layout)
                    for array in (state, costate)
                )
                for numbers in layout.unmixed_parts():
                    block.load(numbers)
                    costate_block.load(numbers)
                    _undo_gates(builder, block, costate_block, numbers, layout, tangents, updated)
                    block.store(numbers)
                    costate_block.store(numbers)
            return updated.as_tuple(context.get_value_type(sums))

        return sums(s, c, types.intp, strides, tangents, sums), codegen

    return undo
