"""In what order gates touch memory: every gate once and in order, runs on blocks that hold all their qubits."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from reference_circuits import (
    every_gate,
    expectations_by_statevector,
    jacobian_by_shifts,
    masks_of_every_weight,
    reuploading,
    walks,
    z_string,
)

from qllmft_engine import AdjointEngine, Program, lower
from qllmft_engine.program import Op
from qllmft_engine.program import schedule as schedule_module
from qllmft_engine.program.schedule import Schedule, Shape, make_schedule

ROTATIONS = (Shape.ROTATIONS_2, Shape.ROTATIONS_3, Shape.HALF_ROTATIONS_2, Shape.HALF_ROTATIONS_3)
HALF_AT = {
    Shape.BRIDGE: 1,
    Shape.TO_HALF: 1,
    Shape.HALF_CHAIN_2: 0,
    Shape.HALF_CHAIN_3: 0,
    Shape.HALF_ROTATIONS_2: 0,
    Shape.HALF_ROTATIONS_3: 0,
}  # where the qubit inside registers stands on the path of a group
# bytes that runs on small and on large blocks may hold
SMALL_CACHES = [(256, 1024), (1024, 1024), (128, 4096)]


def list_gates(schedule: Schedule, backward: bool) -> list[list[int]]:
    """The gates of each step, in the order in which they are done."""
    steps = [list(range(first, first + n)) for _, first, n, *_ in schedule.steps.tolist()]
    return [step[::-1] for step in steps] if backward else steps


def assert_sound(program: Program, schedule: Schedule, backward: bool) -> None:
    steps = list_gates(schedule, backward)
    in_order = list(range(len(schedule.ops)))
    assert [g for step in steps for g in step] == (in_order[::-1] if backward else in_order)
    place = 0
    for bits, first_run, last_run, size in schedule.outer.tolist():
        for run_bits, start, stop in schedule.runs[first_run:last_run].tolist():
            assert start == place
            place = stop
            highest = max(
                (schedule.ops[g, 1:3].max() for step in steps[start:stop] for g in step), default=-1
            )
            assert highest < run_bits <= bits <= size <= program.n_qubits
    assert place == len(steps)
    outer = schedule.outer
    assert outer[:, 1].tolist() == [0, *outer[:, 2].tolist()][: len(outer)]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("small", "large"), [*SMALL_CACHES, (2**15, 2**19)])
@pytest.mark.parametrize("circuit", [walks(8), every_gate(7), reuploading(9), QuantumCircuit(3)])
def test_every_gate_is_done_once_and_in_order_on_blocks_that_hold_its_qubits(
    circuit, small, large, backward, monkeypatch
):
    monkeypatch.setattr(schedule_module, "L1_BYTES", small)
    monkeypatch.setattr(schedule_module, "L2_BYTES", large)
    program = lower(circuit)
    for batch, from_zero in product((1, 8), (False, True)):
        schedule = make_schedule(program, batch, 16, 4, backward=backward, from_zero=from_zero)
        assert_sound(program, schedule, backward)


BLOCKS = st.tuples(st.booleans(), st.permutations(range(6)))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    blocks=st.lists(BLOCKS, max_size=20),
    batch=st.sampled_from([1, 2, 4, 8]),
    backward=st.booleans(),
)
def test_a_group_has_different_qubits_of_the_right_kind(blocks, batch, backward):
    circuit = QuantumCircuit(6)
    for controlled, (control, target, *_) in blocks:
        if controlled:
            circuit.cx(control, target)
        circuit.ry(0.1, target)
    program = lower(circuit)
    schedule = make_schedule(program, batch, 16, 4, backward=backward)
    assert_sound(program, schedule, backward)
    inside = {1: 4, 2: 3, 4: 2, 8: 1}[batch]  # qubits that live inside a register of 16
    for shape, first, count, *strides in schedule.steps.tolist():
        if shape == Shape.SINGLE:
            continue
        ops = program.ops[first : first + count].tolist()
        rotations = shape in ROTATIONS
        assert {op for op, *_ in ops} == {Op.ROT if rotations else Op.CX_ROT}
        path = [] if rotations else [ops[0][1]]
        path += [target for _, _, target, _ in ops]
        assert len(set(path)) == len(path)
        if not rotations:
            assert [control for _, control, _, _ in ops] == path[:-1]
        low = [q for q in path if q < inside]
        assert low == ([inside - 1] if shape in HALF_AT else [])
        assert shape not in HALF_AT or path[HALF_AT[shape]] == inside - 1
        high = [batch << q for q in path if q >= inside]
        assert strides == high + [0] * (4 - len(high))


def test_the_paper_s_head_is_groups_from_end_to_end():
    """At L = 8 the first qubit lives inside registers: every layer begins and ends on it."""
    program = lower(reuploading(6))
    forward, backward = (make_schedule(program, 8, 16, 4, backward=b) for b in (False, True))
    assert {Shape(shape) for shape in forward.steps[:, 0]} >= {
        Shape.HALF_ROTATIONS_3,
        Shape.HALF_CHAIN_3,
        Shape.TO_HALF,
    }
    assert {Shape(shape) for shape in backward.steps[:, 0]} >= {
        Shape.HALF_ROTATIONS_2,
        Shape.HALF_CHAIN_2,
        Shape.TO_HALF,
    }


def test_a_group_ends_where_its_block_ends():
    """Three gates from below qubit 4 to above would have to be done on the whole array."""
    chain = QuantumCircuit(8)
    for q in range(1, 7):
        chain.cx(q, q + 1)
        chain.ry(0.1, q + 1)
    program = lower(chain)
    for border, lengths in ((4, [2, 3, 1]), (8, [3, 3])):
        cut = schedule_module.group_gates(program.ops, register_bits=1, longest=3, border=border)
        assert [length for _, _, length, _ in cut] == lengths


def test_a_ring_is_chains_of_three_forward_and_of_two_on_the_way_back():
    ring = QuantumCircuit(7)
    for q in range(6):
        ring.cx(q, q + 1)
        ring.ry(0.1, q + 1)
    forward, backward = (make_schedule(lower(ring), 8, 8, 8, backward=b) for b in (False, True))
    assert [Shape(shape) for shape in forward.steps[:, 0]] == [Shape.CHAIN_3] * 2
    assert [Shape(shape) for shape in backward.steps[:, 0]] == [Shape.CHAIN_2] * 3


@pytest.mark.parametrize(("small", "large"), SMALL_CACHES)
@pytest.mark.parametrize("samples", [1, 9])
def test_small_blocks_change_no_value_and_no_gradient(samples, small, large, monkeypatch):
    program = lower(walks(8, seed=1))
    rng = np.random.default_rng(samples)
    angles = rng.normal(size=(samples, program.n_angles))
    cotangent = rng.normal(size=(samples, 16))
    answers = []
    for cache_bytes in ((2**15, 2**19), (small, large)):
        monkeypatch.setattr(schedule_module, "L1_BYTES", cache_bytes[0])
        monkeypatch.setattr(schedule_module, "L2_BYTES", cache_bytes[1])
        engine = AdjointEngine(program, masks_of_every_weight(8), "float64")
        values, tape = engine.forward(angles)
        answers.append((values, engine.vjp(tape, cotangent)[0]))
    np.testing.assert_allclose(answers[1][0], answers[0][0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(answers[1][1], answers[0][1], rtol=0, atol=1e-12)


def test_fifteen_qubits_in_single_precision_run_on_both_sizes_of_block_and_keep_it():
    """Sums over 2^15 amplitudes: added up one by one they would lose three digits."""
    circuit = reuploading(15, uploads=1)
    program = lower(circuit)
    assert {row[0] for row in make_schedule(program, 8, 16, 4, backward=False).outer.tolist()} >= {
        14,
        15,
    }
    values = np.random.default_rng(15).uniform(-np.pi, np.pi, (8, circuit.num_parameters))
    masks = [0, 1, 1 << 14, 2**15 - 1]
    operators = [z_string(mask, 15) for mask in masks]
    engine = AdjointEngine(program, np.array(masks))
    answer, tape = engine.forward(program.angles(values))
    expected = expectations_by_statevector(circuit, values[:1], operators)
    np.testing.assert_allclose(answer[:1], expected, rtol=0, atol=1e-5)
    by_parameter = engine.vjp(tape, np.full((8, 4), 0.25))[0] @ program.angle_matrix
    for p in (0, 14, 29):  # the first and the last angle of the ring, the last of the encoding
        fixed = {q: values[0, i] for i, q in enumerate(circuit.parameters) if i != p}
        alone = circuit.assign_parameters(fixed)
        shifts = jacobian_by_shifts(alone, values[:1, p : p + 1], operators)
        np.testing.assert_allclose(
            by_parameter[0, p], shifts.mean(), rtol=0, atol=1e-5, err_msg=f"parameter {p}"
        )
