"""Circuits from |0…0⟩ on a register that grows: the order of their gates, and the same values and gradients."""

import numpy as np
import pytest
from engine_cases import PRECISIONS, Case
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from reference_circuits import masks_of_every_weight, reuploading

from qllmft_engine import AdjointEngine, lower
from qllmft_engine.program import Op
from qllmft_engine.program.growth import growing_order

GROWTH = (Op.GROW, Op.GROW_ROT)
GATES = ("ry", "ry", "x", "z", "cx", "cz")
N_QUBITS = 6

gate_lists = st.lists(
    st.tuples(st.sampled_from(GATES), st.permutations(range(N_QUBITS))), max_size=25
)


def make_circuit(gates) -> QuantumCircuit:
    """Return a circuit with a parameter for each rotation."""
    circuit = QuantumCircuit(N_QUBITS)
    angles = iter(ParameterVector("a", 1 + sum(name == "ry" for name, _ in gates)))
    circuit.ry(next(angles), 0)
    for name, qubits in gates:
        if name == "ry":
            circuit.ry(next(angles), qubits[0])
        else:
            getattr(circuit, name)(*qubits[: 2 if name in ("cx", "cz") else 1])
    return circuit


def check_order(program, first_size: int) -> None:
    """Check that an order has every gate once, on qubits that have joined, and those of one qubit as in the circuit."""
    order = growing_order(program, first_size)
    assert sorted(order.slots.tolist()) == list(range(program.n_angles))
    size = min(first_size, program.n_qubits)
    by_qubit = {q: [] for q in range(program.n_qubits)}
    for (op, control, target, rank), register_size in zip(
        order.ops.tolist(), order.register_sizes, strict=True
    ):
        if op in GROWTH:
            assert target == size
            size += 1
        assert max(control, target) < size == register_size
        gate = (
            Op.ROT if op == Op.GROW_ROT else op,
            control,
            target,
            order.slots[rank] if rank >= 0 else -1,
        )
        for q in {control, target} - {-1}:
            by_qubit[q] += [] if op == Op.GROW else [gate]
    assert size == program.n_qubits
    for q, gates in by_qubit.items():
        assert gates == [tuple(op) for op in program.ops.tolist() if q in op[1:3]]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(gates=gate_lists, first_size=st.integers(0, 7))
def test_every_gate_is_done_once_on_qubits_that_have_joined(gates, first_size):
    check_order(lower(make_circuit(gates)), first_size)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(gates=gate_lists, samples=st.sampled_from([1, 2, 4, 9]))
def test_a_register_that_grows_has_the_values_and_gradients_of_a_full_one(gates, samples):
    program = lower(make_circuit(gates))
    masks = masks_of_every_weight(N_QUBITS)
    engine = AdjointEngine(program, masks, "float64")
    rng = np.random.default_rng(samples)
    angles = rng.normal(scale=2, size=(samples, program.n_angles))
    cotangent = rng.normal(size=(samples, len(masks)))
    zero = np.eye(1, 2**N_QUBITS).repeat(samples, axis=0)
    values, tape = engine.forward(angles)
    expected, full_tape = engine.forward(angles, zero)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        engine.vjp(tape, cotangent)[0], engine.vjp(full_tape, cotangent)[0], rtol=0, atol=1e-12
    )


def test_the_head_s_first_encoding_and_staircase_are_done_on_a_growing_register():
    n = 8
    order = growing_order(lower(reuploading(n, uploads=2)), 1)
    joins = [
        size
        for (op, *_), size in zip(order.ops.tolist(), order.register_sizes, strict=True)
        if op in GROWTH
    ]
    assert joins == list(range(2, n + 1))
    assert (order.ops[:, 0] == Op.GROW_ROT).sum() == n - 1
    on_all = [size == n for size in order.register_sizes]
    assert on_all.index(True) == 1 + 2 * (n - 2)  # R_Y of the first qubit, then two gates a qubit


def half_turns() -> QuantumCircuit:
    """Return an encoding by angles of π and more before a ring: cosines of 0 and negative ones."""
    circuit = QuantumCircuit(5)
    x = ParameterVector("x", 10)
    for q in range(5):
        circuit.ry(x[q], q)
    for q in (3, 1, 4, 0, 2):
        circuit.cx(q, (q + 1) % 5)
        circuit.ry(x[5 + q], (q + 1) % 5)
    return circuit


TURNS = np.array([[np.pi] * 10, [2 * np.pi] * 10, [-3.0] * 10, np.linspace(-9, 9, 10)])


@PRECISIONS
def test_half_and_whole_turns_of_a_qubit_that_joins(dtype, tolerance):
    Case(half_turns(), TURNS).check(dtype, tolerance, (1, 2, 4))


@pytest.mark.parametrize("samples", [1, 9])
def test_growing_and_full_passes_of_one_engine_do_not_disturb_each_other(samples):
    """Their states are reused, and what one leaves above the register must not reach the other."""
    program = lower(reuploading(6))
    engine = AdjointEngine(program, masks_of_every_weight(6), "float64")
    rng = np.random.default_rng(3)
    angles = rng.normal(size=(samples, program.n_angles))
    first = engine.values(angles)
    full = rng.normal(size=(samples, 64))
    engine.values(angles, full / np.linalg.norm(full, axis=1, keepdims=True))
    np.testing.assert_array_equal(engine.values(angles), first)
