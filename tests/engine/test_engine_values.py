"""The engine's expectation values against Qiskit's Statevector: every gate, batch size, precision and way to start."""

from functools import cache

import numpy as np
import pytest
from engine_cases import PRECISIONS, Case, unit_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from reference_circuits import (
    every_gate,
    expectations_by_statevector,
    masks_of_every_weight,
    z_string,
)

from qllmft_circuits import head_circuit
from qllmft_engine import AdjointEngine, lower
from qllmft_engine import chunks as chunks_module

BATCH_SIZES = (1, 2, 3, 5, 8, 9, 16, 17)
STARTS = (
    "zero state",
    "fewer amplitudes",
    "all amplitudes",
    "fewer, shared angles",
    "all, shared angles",
)


@cache
def case(n_qubits: int, start: str) -> Case:
    """Nine samples."""
    rng = np.random.default_rng([n_qubits, STARTS.index(start)])
    circuit = every_gate(n_qubits, seed=STARTS.index(start))
    values = rng.uniform(-np.pi, np.pi, (9, circuit.num_parameters))
    if "shared" in start:
        values[:] = values[0]
    dimension = 2**n_qubits if "all" in start else 2**n_qubits - 3
    amplitudes = None if start == "zero state" else unit_rows(rng, 9, dimension)
    return Case(circuit, values, amplitudes, shared="shared" in start)


@PRECISIONS
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("n_qubits", [3, 4, 5, 6, 8])
def test_values_are_the_statevectors_for_every_batch_size(n_qubits, start, dtype, tolerance):
    case(n_qubits, start).check(dtype, tolerance, BATCH_SIZES, gradient=False)


@pytest.mark.parametrize("n_qubits", [1, 2])
@PRECISIONS
def test_circuits_narrower_than_one_register_work_too(n_qubits, dtype, tolerance):
    circuit = QuantumCircuit(n_qubits)
    circuit.h(0)
    circuit.ry(0.4, n_qubits - 1)
    if n_qubits == 2:
        circuit.cx(1, 0)
        circuit.ry(-1.3, 0)
    engine = AdjointEngine(lower(circuit), np.arange(2**n_qubits), dtype)
    operators = [z_string(mask, n_qubits) for mask in range(2**n_qubits)]
    amplitudes = np.random.default_rng(n_qubits).normal(size=(5, 2**n_qubits))
    expected = expectations_by_statevector(circuit, np.empty((5, 0)), operators, amplitudes)
    answer, _ = engine.forward(engine.program.angle_offset, amplitudes)
    np.testing.assert_allclose(answer, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("samples", [17, 32, 37])
@pytest.mark.parametrize("shared", [False, True])
def test_values_in_small_blocks_are_forwards(samples, shared, monkeypatch):
    circuit = every_gate(4)
    engine = AdjointEngine(lower(circuit), masks_of_every_weight(4), "float64")
    rng = np.random.default_rng(samples)
    angles = rng.normal(
        size=engine.program.n_angles if shared else (samples, engine.program.n_angles)
    )
    amplitudes = rng.normal(size=(samples, 11))
    expected, _ = engine.forward(angles, amplitudes)
    chunks = []
    run_job = chunks_module.run_job
    monkeypatch.setattr(chunks_module, "EVALUATION_BYTES", 1)
    monkeypatch.setattr(
        chunks_module, "run_job", lambda n, job: chunks.append(n) or run_job(n, job)
    )
    np.testing.assert_allclose(engine.values(angles, amplitudes), expected, rtol=1e-13, atol=1e-13)
    assert len(chunks) > 1
    assert max(chunks) == 2
    assert sum(chunks) == -(-samples // chunks_module.SAMPLES_PER_CHUNK)


def test_a_large_evaluation_is_one_block_where_it_fits(monkeypatch):
    engine = AdjointEngine(lower(every_gate(3)), np.array([1]))
    chunks = []
    run_job = chunks_module.run_job
    monkeypatch.setattr(
        chunks_module, "run_job", lambda n, job: chunks.append(n) or run_job(n, job)
    )
    engine.values(np.zeros((64, engine.program.n_angles)))
    assert chunks == [8]


GATES = st.sampled_from(["ry", "ry", "cx", "cx", "h", "x", "z", "cz", "swap", "id"])


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    gates=st.lists(st.tuples(GATES, st.permutations(range(4)), st.floats(-7, 7)), max_size=16),
    samples=st.integers(1, 10),
    dimension=st.integers(1, 16),
    masks=st.lists(st.integers(0, 15), min_size=1, max_size=3),
)
def test_any_short_circuit_on_any_start_has_the_statevectors_values(
    gates, samples, dimension, masks
):
    circuit = QuantumCircuit(4)
    for name, qubits, angle in gates:
        wires = qubits[:2] if name in ("cx", "cz", "swap") else qubits[:1]
        getattr(circuit, name)(*([angle] if name == "ry" else []), *wires)
    amplitudes = np.random.default_rng(dimension).normal(size=(samples, dimension))
    engine = AdjointEngine(lower(circuit), np.array(masks), "float64")
    answer = engine.values(engine.program.angle_offset, amplitudes)
    operators = [z_string(mask, 4) for mask in masks]
    expected = expectations_by_statevector(circuit, np.empty((samples, 0)), operators, amplitudes)
    np.testing.assert_allclose(answer, expected, atol=1e-10)


@pytest.mark.parametrize(
    ("n_qubits", "together"), [(10, 8), (17, 8), (18, 4), (19, 2), (20, 1), (24, 1)]
)
def test_large_states_go_through_in_small_chunks(n_qubits, together):
    engine = AdjointEngine(lower(head_circuit(n_qubits)), np.array([1]))
    assert engine._samples_per_chunk(16) == together
    assert engine._samples_per_chunk(1) == 1


@pytest.mark.parametrize("together", [1, 2, 4])
def test_small_chunks_change_no_value_and_no_gradient(together, monkeypatch):
    program = lower(head_circuit(6, 2))
    angles = np.random.default_rng(1).uniform(-np.pi, np.pi, (7, program.n_angles))
    cotangent = np.random.default_rng(2).normal(size=(7, 6))
    answers = []
    for size in (chunks_module.CHUNK_BYTES, together * 4 << 6):
        monkeypatch.setattr(chunks_module, "CHUNK_BYTES", size)
        engine = AdjointEngine(program, 1 << np.arange(6))
        values, tape = engine.forward(angles)
        assert len(tape.product) == -(-7 // (8 if not answers else together))
        answers.append((values, engine.vjp(tape, cotangent)[0]))
    np.testing.assert_allclose(answers[1][0], answers[0][0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(answers[1][1], answers[0][1], rtol=0, atol=1e-5)


@PRECISIONS
def test_the_layout_of_arrays_in_memory_changes_nothing(dtype, tolerance):
    """Columns first, every second row, 32-bit masks: an engine reads numbers, whatever order they lie in."""
    plain = case(4, "all amplitudes")
    engine = AdjointEngine(lower(plain.circuit), plain.masks.astype(np.int32), dtype)
    angles = engine.program.angles(plain.values).astype(dtype)
    _, tape = engine.forward(angles, plain.amplitudes)
    gradients = engine.vjp(tape, plain.cotangent, amplitudes=True)
    for layout in (np.asfortranarray, lambda array: np.repeat(array, 2, axis=0)[::2]):
        answer, tape = engine.forward(layout(angles), layout(plain.amplitudes))
        np.testing.assert_allclose(answer, plain.expected, rtol=0, atol=tolerance)
        for repeated, gradient in zip(
            engine.vjp(tape, layout(plain.cotangent), amplitudes=True), gradients, strict=True
        ):
            np.testing.assert_array_equal(repeated, gradient)


def test_the_norm_in_single_precision_does_not_depend_on_the_rounding_of_angles():
    """Each of 90 rotations rounds its tangent. If its cosine were rounded apart, the norms would spread by 6.5e-7."""
    program = lower(every_gate(9))
    assert program.n_angles == 90
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, (400, program.n_angles))
    norms = AdjointEngine(program, np.zeros(1, np.int64)).values(angles)
    assert np.std(norms.astype(np.float64)) < 3e-7
