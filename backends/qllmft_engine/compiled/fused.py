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

A processor with registers of 32 bytes has 16 of them, which is less than a group has in state and co-state. So parts
of a group that no gate mixes are done one after the other: the two values of a qubit that is a control alone, and on
such a processor the two halves of a register. There the qubit h is like the others. The bits of the results are those
of wide registers.
"""

from __future__ import annotations

from functools import reduce
from itertools import groupby

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from qllmft_engine.compiled.simd import (
    VectorType,
    build_multiply_add,
    build_negative,
    count_pieces,
    element_pointer,
    lanes,
)
from qllmft_engine.program.schedule import HALF


class GroupLayout:
    """Numbers of a group's registers: bit j is its qubit j, and the highest bit the half, if registers are halves."""

    def __init__(self, gates):
        self.n_qubits = 1 + max(q for gate in gates for q in gate if q is not None)
        self.pieces = count_pieces()
        self.numbers = range(self.pieces << self.n_qubits)
        self.gates = gates
        if self.pieces == 2:
            self.gates = [tuple(self.n_qubits if q == HALF else q for q in gate) for gate in gates]

    def piece(self, number):
        """Return which half a register is, 0 if it is whole."""
        return number >> self.n_qubits

    def unmixed_parts(self):
        """Return lists of registers such that no gate mixes two of them."""
        targets = sum(1 << target for _, target in self.gates if target != HALF)

        def controls(number):
            return number & ~targets

        return [list(part) for _, part in groupby(sorted(self.numbers, key=controls), key=controls)]


class RegisterBlock:
    """Registers of one place in an array, see `GroupLayout`."""

    def __init__(self, context, builder, array_type, array, base, strides, layout):
        self._builder = builder
        self._align = array_type.dtype.bitwidth // 8
        whole = context.get_value_type(VectorType(array_type.dtype))
        self._lanes = whole.count // layout.pieces
        offsets = [base]
        for stride in strides:
            offsets += [builder.add(offset, stride) for offset in offsets]
        if layout.pieces == 2:
            half = context.get_constant(types.intp, self._lanes)
            offsets += [builder.add(offset, half) for offset in offsets]
        pointer_type = ir.VectorType(whole.element, self._lanes).as_pointer()
        self._pointers = [
            builder.bitcast(
                element_pointer(context, builder, array_type, array, offset), pointer_type
            )
            for offset in offsets
        ]
        self.values = [None] * len(offsets)

    def load(self, numbers):
        """Load registers into ``values``."""
        for number in numbers:
            value = self._builder.load(self._pointers[number])
            value.align = self._align
            self.values[number] = value

    def store(self, numbers):
        """Write registers back to memory."""
        for number in numbers:
            self._builder.store(self.values[number], self._pointers[number]).align = self._align

    def exchange_halves(self, x):
        """Return a whole register with its halves exchanged."""
        half = self._lanes // 2
        return _shuffle(self._builder, x, x, [*range(half, self._lanes), *range(half)])

    def join_halves(self, x, y):
        """Return the lower half of x with the upper half of y."""
        order = [i if i < self._lanes // 2 else i + self._lanes for i in range(self._lanes)]
        return _shuffle(self._builder, x, y, order)

    def apply_cnot(self, low, high, control):
        """Return the pair (low, high) after a CNOT (see `list_pairs` for ``control``)."""
        if control == "half":
            return self.join_halves(low, high), self.join_halves(high, low)
        return (high, low) if control else (low, high)


def _shuffle(builder, x, y, order):
    """Return the lanes ``order`` of two vectors, those of y being counted after those of x."""
    return builder.shuffle_vector(
        x, y, ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
    )


def _split(builder, x, pieces):
    """Return the pieces of a register."""
    lanes = x.type.count // pieces
    if pieces == 1:
        return [x]
    return [_shuffle(builder, x, x, list(range(i * lanes, (i + 1) * lanes))) for i in range(pieces)]


def join(builder, pieces):
    """Return the register of its pieces."""
    if len(pieces) == 1:
        return pieces[0]
    low, high = pieces
    return _shuffle(builder, low, high, list(range(2 * low.type.count)))


def list_pairs(numbers, control, target):
    """Yield (register of the pair's bit 0, of its bit 1, control: False, True or "half") among registers."""
    for low in numbers:
        if not low >> target & 1:
            is_set = "half" if control == HALF else control is not None and bool(low >> control & 1)
            yield low, low | 1 << target, is_set


def build_subtract_product(builder, x, y, z):
    """Return z − x·y.

    Args:
        builder: see `build_multiply_add`, as the others.
        x: the same.
        y: the same.
        z: the same.
    """
    return build_multiply_add(builder, build_negative(builder, x), y, z)


def _apply_inside(builder, block, numbers, control, t):
    """Apply a gate whose target divides whole registers."""
    x = block.values
    for i in numbers:
        is_set = control is not None and bool(i >> control & 1)
        a, b = block.apply_cnot(x[i], block.exchange_halves(x[i]), is_set)
        x[i] = build_multiply_add(builder, t, b, a)


def _apply_outside(builder, block, pairs, layout, tangents):
    """Apply a gate to pairs of registers."""
    x = block.values
    for low, high, is_set in pairs:
        t = tangents[layout.piece(high)]
        a, b = block.apply_cnot(x[low], x[high], is_set)
        x[low] = build_subtract_product(builder, t, b, a)
        x[high] = build_multiply_add(builder, t, a, b)


def _insert_zero_bits(builder, k, strides):
    """Return the k-th number whose bits at the strides, powers of two, are zero."""
    stride_bits = reduce(builder.or_, strides)
    for _ in strides:
        lowest = builder.and_(stride_bits, builder.neg(stride_bits))
        k = builder.add(k, builder.and_(k, builder.neg(lowest)))
        stride_bits = builder.xor(stride_bits, lowest)
    return k


def build_places(context, builder, array_type, array, shape, strides, layouts):
    """Generate a loop for each shape, of which the one of a step's shape runs.

    Args:
        context: numba's target context.
        builder: llvmlite's.
        array_type: numba's type of the amplitudes.
        array: LLVM value of them.
        shape: LLVM value, shape of the step.
        strides: LLVM value of the tuple of strides, of which a group takes the first ones.
        layouts: `GroupLayout` of each shape.

    Yields:
        The layout of a shape, its strides, and the LLVM value of a place: the index of a register whose bits of these
        qubits are all 0. The builder is then inside the loop.
    """
    size = context.make_array(array_type)(context, builder, array).nitems
    width = lanes(array_type.dtype.bitwidth // 8)
    end = builder.append_basic_block("groups_end")
    switch = builder.switch(shape, end)
    for number, layout in layouts.items():
        block = builder.append_basic_block(f"group_{int(number)}")
        switch.add_case(ir.Constant(shape.type, int(number)), block)
        builder.position_at_end(block)
        outside = [builder.extract_value(strides, i) for i in range(layout.n_qubits)]
        first, step = (ir.Constant(size.type, value) for value in (0, width))
        count = builder.lshr(size, ir.Constant(size.type, layout.n_qubits))
        with cgutils.for_range_slice(builder, first, count, step, size.type) as (k, _):
            yield layout, outside, _insert_zero_bits(builder, k, outside)
        builder.branch(end)
    builder.position_at_end(end)


def _apply_gates(builder, block, numbers, layout, tangents):
    """Apply the gates of a group to registers, in their order."""
    for gate, (control, target) in enumerate(layout.gates):
        if target == HALF:
            _apply_inside(builder, block, numbers, control, tangents[gate][0])
        else:
            pairs = list_pairs(numbers, control, target)
            _apply_outside(builder, block, pairs, layout, tangents[gate])


def split_all(builder, registers, pieces):
    """Return the pieces of each register of a tuple."""
    return [
        _split(builder, builder.extract_value(registers, i), pieces)
        for i in range(registers.type.count)
    ]


def make_apply_group(groups):
    """Return an intrinsic ``apply(s, shape, strides, tangents)`` that applies the group of a step to all amplitudes.

    Args:
        groups: the gates of each `Shape`.
    """
    layouts = {shape: GroupLayout(gates) for shape, gates in groups.items()}

    @intrinsic
    def apply(typingctx, s, shape, strides, tangents):
        """Apply the gates of a group.

        Args:
            typingctx: numba's typing context, not used.
            s: amplitudes, contiguous, of one dimension; changed in place.
            shape: of the group.
            strides: of the group's qubits outside registers, L·2^q numbers each; more are not used.
            tangents: a register tan(θ/2) per gate, negative on the lower half if the gate's target
                is inside registers; more are not used.
        """

        def codegen(context, builder, signature, args):
            """Generate straight-line code that applies the gates in their order, in a loop over all places.

            Args:
                context: see ``codegen`` in `simd.load`.
                builder: the same.
                signature: the same.
                args: LLVM values of ``s``, ``shape``, and the tuples ``strides`` and ``tangents``.
            """
            array, shape_value, stride_values, tangent_values = args
            tangents = split_all(builder, tangent_values, count_pieces())
            for layout, outside, place in build_places(
                context, builder, s, array, shape_value, stride_values, layouts
            ):
                block = RegisterBlock(context, builder, s, array, place, outside, layout)
                for numbers in layout.unmixed_parts():
                    block.load(numbers)
                    _apply_gates(builder, block, numbers, layout, tangents)
                    block.store(numbers)
            return context.get_dummy_value()

        return types.void(s, types.intp, strides, tangents), codegen

    return apply
