"""Several gates in one pass: 2^n registers are loaded, go through two or three gates, and are stored once.

A group's gates act on n different qubits whose strides are whole registers, and in one shape on the qubit that divides
a register into its upper and lower half. Few shapes cover the paper's circuits:

- a *chain*, CNOT(q0→q1)·R_Y(q1), CNOT(q1→q2)·R_Y(q2), ...: the staircase of an ansatz layer;
- *rotations*, R_Y on different qubits: an encoding;
- a *bridge*, CNOT(q0→h)·R_Y(h), CNOT(h→q1)·R_Y(q1) with h inside registers: the end of the ring;
- chains and rotations that begin with h, and the bridge's first gate alone: the ends of a layer.

Rotations are given by tangents of half the angle: (a, b) → (a − t·b, b + t·a) is R_Y up to the factor 1/cos, which is
applied once per sample (see `rotations`). That takes two fused multiply-adds instead of four operations. All of it is
generated as straight-line LLVM code, because numba has no loop that stays in registers.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from qllmft_backends.adjoint.compiled.simd import VectorType, element_pointer
from qllmft_backends.adjoint.program.schedule import HALF

CONTRACT = ("contract",)


def count_outside_qubits(gates):
    """Return the number of a group's qubits outside registers."""
    return 1 + max(q for gate in gates for q in gate if q is not None)


class _Block:
    """The 2^n registers of one place in an array. Bit j of a register's number is the group's qubit j."""

    def __init__(self, context, builder, array_type, array, base, strides, n_qubits):
        self._builder = builder
        self._align = array_type.dtype.bitwidth // 8
        vector = context.get_value_type(VectorType(array_type.dtype))
        self._lanes = vector.count
        offsets = [base]
        for j in range(n_qubits):
            stride = builder.extract_value(strides, j)
            offsets += [builder.add(offset, stride) for offset in offsets]
        pointers = [
            element_pointer(context, builder, array_type, array, offset) for offset in offsets
        ]
        self._pointers = [builder.bitcast(pointer, vector.as_pointer()) for pointer in pointers]
        self.values = [builder.load(pointer) for pointer in self._pointers]
        for value in self.values:
            value.align = self._align

    def store(self):
        for pointer, value in zip(self._pointers, self.values, strict=True):
            self._builder.store(value, pointer).align = self._align

    def exchange_halves(self, x):
        half = self._lanes // 2
        order = [(i + half) % self._lanes for i in range(self._lanes)]
        return self._builder.shuffle_vector(
            x, x, ir.Constant(ir.VectorType(ir.IntType(32), self._lanes), order)
        )

    def join_halves(self, x, y):
        """Return the lower half of x with the upper half of y."""
        order = [i if i < self._lanes // 2 else i + self._lanes for i in range(self._lanes)]
        return self._builder.shuffle_vector(
            x, y, ir.Constant(ir.VectorType(ir.IntType(32), self._lanes), order)
        )

    def apply_cnot(self, low, high, control):
        """Return the pair (low, high) after a CNOT (see `_pairs` for ``control``)."""
        if control == "half":
            return self.join_halves(low, high), self.join_halves(high, low)
        return (high, low) if control else (low, high)


def _pairs(n_qubits, control, target):
    """Yield (register of the pair's bit 0, of its bit 1, control: False, True or "half")."""
    for low in range(1 << n_qubits):
        if not low >> target & 1:
            is_set = "half" if control == HALF else control is not None and bool(low >> control & 1)
            yield low, low | 1 << target, is_set


def _multiply_add(builder, x, y, z):
    """Return x·y + z, in one instruction if the machine has it."""
    return builder.fadd(builder.fmul(x, y, flags=CONTRACT), z, flags=CONTRACT)


def _multiply_subtract(builder, x, y, z):
    return builder.fsub(z, builder.fmul(x, y, flags=CONTRACT), flags=CONTRACT)


def forward_group(gates):
    """Return an intrinsic ``group(s, base, strides, tangents)``: the gates on the registers at ``base``."""
    n_qubits = count_outside_qubits(gates)

    @intrinsic
    def group(typingctx, s, base, strides, tangents):
        """Apply the gates to the 2^n registers of one place, for n qubits outside registers.

        Args:
            typingctx: numba's typing context, not used.
            s: amplitudes, contiguous, of one dimension; changed in place.
            base: index in ``s`` of the register whose bits of these qubits are all 0.
            strides: n strides of these qubits, L·2^q numbers each.
            tangents: a register tan(θ/2) per gate, negative on the lower half if the gate's target
                is inside registers.
        """

        def codegen(context, builder, signature, args):
            """Generate straight-line code that applies the gates in their order.

            Args:
                context: see ``codegen`` in `simd.load`.
                builder: the same.
                signature: the same.
                args: LLVM values of ``s``, ``base``, and the tuples ``strides`` and ``tangents``.
            """
            array, base_value, stride_values, tangent_values = args
            block = _Block(
                context, builder, signature.args[0], array, base_value, stride_values, n_qubits
            )
            x = block.values
            for number, (control, target) in enumerate(gates):
                t = builder.extract_value(tangent_values, number)
                if target == HALF:
                    for i in range(1 << n_qubits):
                        is_set = control is not None and bool(i >> control & 1)
                        a, b = block.apply_cnot(x[i], block.exchange_halves(x[i]), is_set)
                        x[i] = _multiply_add(builder, t, b, a)
                    continue
                for low, high, is_set in _pairs(n_qubits, control, target):
                    a, b = block.apply_cnot(x[low], x[high], is_set)
                    x[low], x[high] = (
                        _multiply_subtract(builder, t, b, a),
                        _multiply_add(builder, t, a, b),
                    )
            block.store()
            return context.get_dummy_value()

        return types.void(s, types.intp, strides, tangents), codegen

    return group


def backward_group(gates):
    """Return an intrinsic ``group(s, c, base, strides, tangents, sums)`` that undoes a group, last gate first."""
    n_qubits = count_outside_qubits(gates)

    @intrinsic
    def group(typingctx, s, c, base, strides, tangents, sums):
        """Undo the group's gates on one place of state and co-state.

        Args:
            typingctx: numba's typing context, not used.
            s: amplitudes ψ, contiguous, of one dimension; changed in place.
            c: co-state λ of the same type and shape, changed in place.
            base: index of a register in ``s`` and ``c``, see `forward_group`.
            strides: of the qubits outside registers, see `forward_group`.
            tangents: a register per gate, see `forward_group`.
            sums: two registers per gate, Σ λ_b·ψ_a and Σ λ_a·ψ_b, so that additions need not wait
                for each other. If the gate's target is inside registers, the first is Σ λ·ψ with
                ψ's halves exchanged, and the second is not used.

        Returns:
            The updated sums.
        """

        def codegen(context, builder, signature, args):
            """Generate straight-line code that undoes the gates, the last one first.

            Args:
                context: see ``codegen`` in `simd.load`.
                builder: the same.
                signature: the same.
                args: LLVM values of ``s``, ``c``, ``base``, and the tuples ``strides``,
                    ``tangents`` and ``sums``.

            Returns:
                The LLVM value of the tuple of updated sums.
            """
            state, costate, base_value, stride_values, tangent_values, sum_values = args
            block = _Block(
                context, builder, signature.args[0], state, base_value, stride_values, n_qubits
            )
            costate_block = _Block(
                context, builder, signature.args[1], costate, base_value, stride_values, n_qubits
            )
            x = block.values
            y = costate_block.values
            totals = [builder.extract_value(sum_values, i) for i in range(2 * len(gates))]
            for number in reversed(range(len(gates))):
                control, target = gates[number]
                t = builder.extract_value(tangent_values, number)
                if target == HALF:
                    for i in range(1 << n_qubits):
                        partner = block.exchange_halves(x[i])
                        totals[2 * number] = _multiply_add(
                            builder, y[i], partner, totals[2 * number]
                        )
                        x[i] = _multiply_subtract(builder, t, partner, x[i])
                        y[i] = _multiply_subtract(builder, t, block.exchange_halves(y[i]), y[i])
                        if control is not None and i >> control & 1:
                            x[i], y[i] = block.exchange_halves(x[i]), block.exchange_halves(y[i])
                    continue
                for low, high, is_set in _pairs(n_qubits, control, target):
                    a = x[low]
                    b = x[high]
                    p = y[low]
                    q = y[high]
                    totals[2 * number] = _multiply_add(builder, q, a, totals[2 * number])
                    totals[2 * number + 1] = _multiply_add(builder, p, b, totals[2 * number + 1])
                    a, b = _multiply_add(builder, t, b, a), _multiply_subtract(builder, t, a, b)
                    p, q = _multiply_add(builder, t, q, p), _multiply_subtract(builder, t, p, q)
                    x[low], x[high] = block.apply_cnot(a, b, is_set)
                    y[low], y[high] = block.apply_cnot(p, q, is_set)
            block.store()
            costate_block.store()
            result = ir.Constant(context.get_value_type(sums), ir.Undefined)
            for i, total in enumerate(totals):
                result = builder.insert_value(result, total, i)
            return result

        return sums(s, c, types.intp, strides, tangents, sums), codegen

    return group
