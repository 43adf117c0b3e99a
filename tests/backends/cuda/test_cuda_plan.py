"""The plan of the launches: read back from the table that the kernels read, for devices large and small."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qllmft_backends import BackendError
from qllmft_backends.adjoint import lower
from qllmft_backends.adjoint.cuda import Limits, gates, plan

H100 = Limits(shared_bytes=227 * 1024)
A100 = Limits(shared_bytes=163 * 1024)
SMALL = Limits(shared_bytes=48 * 1024)


def ring(n_qubits, layers):
    """CNOT and R_Y around the ring, layer by layer."""
    theta = iter(ParameterVector("t", layers * n_qubits))
    circuit = QuantumCircuit(n_qubits)
    for i in range(layers * n_qubits):
        circuit.cx(i % n_qubits, (i + 1) % n_qubits)
        circuit.ry(next(theta), (i + 1) % n_qubits)
    return lower(circuit)


def mostly_fixed(n_qubits, layers):
    """The ring of CNOTs with an R_Y after the last of each layer: most passes have no rotation."""
    circuit = QuantumCircuit(n_qubits)
    for theta in ParameterVector("t", layers):
        for i in range(n_qubits):
            circuit.cx(i, (i + 1) % n_qubits)
        circuit.ry(theta, 0)
    return lower(circuit)


def made(program, limits, backward, itemsize=4):
    masks = 1 << np.arange(program.n_qubits)
    return plan.make_plan(program, masks, itemsize, limits, backward=backward)


@pytest.mark.parametrize("n_qubits", range(9, 15))
def test_threads_of_a_warp_meet_in_no_bank(n_qubits):
    place = gates.place.py_func
    assert sorted(map(place, range(2**n_qubits))) == list(range(2**n_qubits))
    for first in range(n_qubits):
        window = {(first + i) % n_qubits for i in range(plan.WINDOW)}
        free = [q for q in range(n_qubits) if q not in window][:5]
        warp = [sum((thread >> b & 1) << q for b, q in enumerate(free)) for thread in range(32)]
        assert len({place(i) % 32 for i in warp}) == 32, window


@pytest.mark.parametrize("circuit", [ring, mostly_fixed])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(
    ("n_qubits", "limits"),
    [(3, H100), (10, SMALL), (13, SMALL), (15, H100), (16, A100), (12, Limits(9000, 64))],
)
def test_every_gate_runs_once_and_in_order_on_tiles_that_cover_the_state(
    n_qubits, limits, backward, circuit
):
    program = circuit(n_qubits, 3)
    made_plan = made(program, limits, backward)
    table = made_plan.table.tolist()
    width, bits = made_plan.n_qubits, made_plan.tile_bits
    gates_seen, slots_seen = [], []
    for number, at in enumerate(made_plan.groups):
        row = table[at : at + plan.GROUP_WIDTH]
        assert (row[plan.TILE_BITS], row[plan.OUTER_BITS]) == (bits, width - bits)
        last = number == len(made_plan.groups) - 1
        assert row[plan.FLAGS] == plan.FIRST * (number == 0) + plan.LAST * last
        order = _order(table, row, bits, width)
        assert sorted(order) == list(range(width))
        assert order[:bits] == sorted(order[:bits])
        assert set(range(min(plan.ROW_BITS, bits - plan.WINDOW))) <= set(order[:bits])
        masks = table[row[plan.MASKS] : row[plan.MASKS_END]]
        assert [order[mask.bit_length() - 1] for mask in masks] == list(range(n_qubits))
        for start in range(row[plan.PASSES], row[plan.PASSES_END], plan.PASS_WIDTH):
            first, end, *below = table[start : start + plan.PASS_WIDTH]
            window = [mask.bit_length() for mask in below]
            assert window == sorted(set(window))
            assert window[-1] < bits
            for op in range(first, end, plan.OP_WIDTH):
                gates_seen.append(op // plan.OP_WIDTH)
                _check_gate(
                    program.ops[op // plan.OP_WIDTH], table[op], table[op + 1], order, window
                )
        passes = []
        for start in range(row[plan.RUNS], row[plan.RUNS_END], plan.RUN_WIDTH):
            first, end, low, high = table[start : start + plan.RUN_WIDTH]
            run = range(first, end, plan.PASS_WIDTH)
            codes = [
                table[op + 1] for at in run for op in range(table[at], table[at + 1], plan.OP_WIDTH)
            ]
            assert [(code >> 9) - 1 for code in codes if code >> 9] == list(range(low, high))
            passes += run
            slots_seen += range(low, high)
            assert (high - low) * 4 * (
                made_plan.threads + 1
            ) + 2 * 4 * 2**bits <= made_plan.shared_bytes
        if backward:
            assert passes == list(range(row[plan.PASSES], row[plan.PASSES_END], plan.PASS_WIDTH))
    assert gates_seen == list(range(len(program.ops)))
    assert slots_seen == (list(range(program.n_angles)) if backward else [])
    assert made_plan.tiles * 2**bits == 2**width
    assert made_plan.shared_bytes <= limits.shared_bytes // (1 if bits == width else 2)


def _order(table, row, bits, width):
    """The group's order, from where the kernels find single amplitudes."""
    row_bits = min(plan.ROW_BITS, bits - plan.WINDOW)
    index = [
        (1 << p) if p < row_bits else table[row[plan.HIGH] + (1 << p - row_bits)]
        for p in range(bits)
    ]
    for i in range(1 << bits - row_bits):
        parts = [table[row[plan.HIGH] + (1 << b)] for b in range(bits - row_bits) if i >> b & 1]
        assert table[row[plan.HIGH] + i] == sum(parts)
    return [i.bit_length() - 1 for i in index] + table[
        row[plan.OUTER] : row[plan.OUTER] + width - bits
    ]


def _check_gate(op, condition, code, order, window):
    """A CNOT with an R_Y: target in the window, control there or a bit of the index."""
    kind, control, target, slot = op.tolist()
    del kind
    assert order[window[code & 3]] == target
    inside = code >> 2 & 7
    assert (condition == 0) == (inside > 0)
    assert order[window[inside - 1] if inside else condition.bit_length() - 1] == control
    assert (code >> 5 & 3, code >> 7 & 3) == (plan.ROTATED, plan.SWAPPED)
    assert (code >> 9) - 1 == slot


@pytest.mark.parametrize(
    ("limits", "forward", "backward"),
    [(H100, 15, 14), (A100, 15, 14), (Limits(99 * 1024), 14, 13), (SMALL, 13, 12)],
)
def test_the_widest_state_that_one_launch_takes(limits, forward, backward):
    for wanted, way in ((forward, False), (backward, True)):
        assert len(made(ring(wanted, 2), limits, way).groups) == 1
        assert len(made(ring(wanted + 1, 2), limits, way).groups) > 1


def test_a_group_takes_as_many_gates_as_it_can():
    """18 qubits, 28 layers: 13 qubits of a tile are 5 fixed ones and 8 targets, which the ring visits one by one."""
    made_plan = made(ring(18, 28), H100, backward=True)
    assert made_plan.tile_bits == 13
    assert len(made_plan.groups) == 46
    passes = 0
    for at in made_plan.groups:
        row = made_plan.table[at : at + plan.GROUP_WIDTH]
        passes += (row[plan.PASSES_END] - row[plan.PASSES]) // plan.PASS_WIDTH
    assert 18 * 28 / passes > 3.4


def test_gates_that_repeat_a_window_share_a_pass():
    circuit = QuantumCircuit(6)
    for _ in range(3):
        for qubit in (1, 2, 4, 5):
            circuit.h(qubit)
    made_plan = made(lower(circuit), SMALL, backward=True)
    row = made_plan.table[made_plan.groups[0] :]
    assert row[plan.PASSES_END] - row[plan.PASSES] == plan.PASS_WIDTH


def test_slots_out_of_order_are_refused():
    program = ring(4, 1)
    swapped = replace(program, ops=program.ops[::-1].copy())
    with pytest.raises(
        BackendError,
        match=r"rotation slots are \[3, 2, 1, 0\]\.\.\., expected 0, 1, \.\.\. in the ord",
    ):
        made(swapped, SMALL, backward=False)


def test_double_precision_has_half_the_room():
    assert Counter(made(ring(14, 1), H100, way, itemsize=8).tile_bits for way in (False, True)) == {
        14: 1,
        12: 1,
    }
