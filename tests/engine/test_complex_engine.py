"""Circuits of any gates on the adjoint engine, against Qiskit's Statevector and its gradients."""

import copy
import pickle

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter, ParameterVector
from qiskit.circuit.library import (
    UnitaryGate,
    efficient_su2,
    get_standard_gate_name_mapping,
    real_amplitudes,
)
from qiskit.circuit.library import zz_feature_map as zz_map
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp, Statevector, random_unitary
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from reference_circuits import expectations_by_statevector

from qllmft_backends import BackendError, UnsupportedGateError, create
from qllmft_engine import AdjointEngine
from qllmft_engine.program import complex_plan

GATES = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if name not in ("barrier", "measure", "reset", "delay", "global_phase") and gate.num_qubits
}
A = Parameter("a")
B = Parameter("b")


def paulis(n_qubits: int, seed: int = 0) -> list[SparsePauliOp]:
    """Observables of all kinds of strings: mixed sums with X, Y and Z on all qubits, one string, Z alone."""
    rng = np.random.default_rng([n_qubits, seed])
    words = ["".join(rng.choice(list("IXYZ"), n_qubits)) for _ in range(8)]
    return [
        SparsePauliOp([*words, "Y" * n_qubits, "X" * n_qubits], rng.normal(size=10)),
        SparsePauliOp("Y" + "I" * (n_qubits - 1)),
        SparsePauliOp(
            ["Z" * n_qubits, "I" * n_qubits, "Z" + "I" * (n_qubits - 1)], [0.5, 2.0, -1.0]
        ),
    ]


def all_gates(n_qubits: int, seed: int = 0) -> QuantumCircuit:
    """Every standard gate on random qubits in random order, twice, from a state without zeros."""
    rng = np.random.default_rng([n_qubits, seed])
    angles = iter(ParameterVector("t", 300))
    circuit = QuantumCircuit(n_qubits)
    for q in range(n_qubits):
        circuit.u(*rng.normal(size=3), q)
    for name in rng.permutation(
        2 * [name for name, gate in GATES.items() if gate.num_qubits <= n_qubits]
    ).tolist():
        kind = GATES[name].base_class
        used = len(GATES[name].params)
        qubits = rng.choice(n_qubits, GATES[name].num_qubits, replace=False).tolist()
        circuit.append(
            kind(*[next(angles) * rng.choice([1.0, -0.5]) + 0.25 for _ in range(used)]), qubits
        )
    return circuit


def assert_values(circuit, observables=None, batch=3, tolerance=1e-10, dtype="float64"):
    values = np.random.default_rng(5).uniform(-np.pi, np.pi, (batch, circuit.num_parameters))
    observables = observables or paulis(circuit.num_qubits)
    engine_values = (
        create("adjoint", {"dtype": dtype}).expectations(circuit, values, observables).values
    )
    np.testing.assert_allclose(
        engine_values, expectations_by_statevector(circuit, values, observables), atol=tolerance
    )


def assert_gradients(circuit, batch=2, by_shifts=True):
    """By central differences of the engine's values, and by Qiskit's gradient unless it has none."""
    backend = create("adjoint", {"dtype": "float64"})
    values = np.random.default_rng(6).uniform(0.2, 2.0, (batch, circuit.num_parameters))
    observable = paulis(circuit.num_qubits)[0]
    request = [circuit] * batch, [observable] * batch, values
    gradients = np.array(backend.gradient().run(*request).result().gradients)
    if by_shifts:
        shifts = ParamShiftEstimatorGradient(StatevectorEstimator(default_precision=0.0))
        np.testing.assert_allclose(gradients, shifts.run(*request).result().gradients, atol=1e-9)
    h = 1e-5 * np.eye(circuit.num_parameters)
    plus, minus = (
        backend.expectations(circuit, v, [observable]).values
        for v in (values[0] + h, values[0] - h)
    )
    np.testing.assert_allclose(gradients[0], (plus - minus)[:, 0] / 2e-5, atol=1e-8)


def test_the_reference_of_many_samples_is_qiskits_state_of_each():
    circuit = all_gates(5)
    operators = paulis(5)
    random = np.random.default_rng(12)
    values = random.normal(size=(3, circuit.num_parameters))
    amplitudes = random.normal(size=(3, 32))
    reference_values = expectations_by_statevector(circuit, values, operators, amplitudes)
    for row, first, answers in zip(values, amplitudes, reference_values, strict=True):
        state = Statevector(first).evolve(circuit.assign_parameters(row))
        expected = [state.expectation_value(operator).real for operator in operators]
        np.testing.assert_allclose(answers, expected, atol=1e-11)


@pytest.mark.parametrize("name", GATES)
def test_every_standard_gate_has_qiskits_values_on_all_orders_of_its_qubits(name):
    kind = GATES[name].base_class
    used = len(GATES[name].params)
    width = GATES[name].num_qubits
    n_qubits = max(3, width)
    for shift in range(n_qubits):
        circuit = QuantumCircuit(n_qubits)
        for q in range(n_qubits):
            circuit.u(0.4 + q, 1.1 - q, 0.3 * q, q)
        qubits = [(shift + (i if shift % 2 else -i)) % n_qubits for i in range(width)]
        circuit.append(kind(*[Parameter(f"t{i}") for i in range(used)]), qubits)
        assert_values(circuit)


@pytest.mark.parametrize(
    ("n_qubits", "batch"), [(1, 3), (3, 1), (3, 16), (5, 5), (7, 2), (11, 1), (12, 9)]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_circuits_of_all_gates_have_qiskits_values(n_qubits, batch, dtype, tolerance):
    assert_values(all_gates(n_qubits), batch=batch, dtype=dtype, tolerance=tolerance)


@pytest.mark.parametrize(("n_qubits", "batch"), [(3, 1), (4, 9), (11, 1), (12, 8)])
def test_gradients_of_all_gates_are_central_differences(n_qubits, batch):
    circuit = all_gates(n_qubits, seed=1)
    backend = create("adjoint", {"dtype": "float64"})
    rng = np.random.default_rng(7)
    values = rng.normal(size=(batch, circuit.num_parameters))
    weights = rng.normal(size=(batch, 3))
    engine, sums = backend.compile(circuit, paulis(n_qubits))
    _, tape = engine.forward(engine.program.angles(values))
    cotangent = weights @ sums.coefficients
    by_angle, _ = engine.vjp(tape, cotangent)
    gradient = engine.program.by_parameter(by_angle, values)
    # a second sweep repeats the forward pass
    assert np.array_equal(engine.vjp(tape, cotangent)[0], by_angle)
    columns = rng.choice(circuit.num_parameters, 20, replace=False)
    for column in columns.tolist():
        h = 1e-5 * np.eye(circuit.num_parameters)[column]
        plus, minus = (
            backend.expectations(circuit, v, paulis(n_qubits)).values
            for v in (values + h, values - h)
        )
        np.testing.assert_allclose(
            gradient[:, column], ((plus - minus) * weights).sum(1) / 2e-5, atol=1e-8
        )


@pytest.mark.parametrize("block_rows", [8, 16, 64])
@pytest.mark.parametrize(("n_qubits", "batch"), [(8, 3), (9, 9)])
def test_blocks_of_a_large_state_have_the_values_and_gradients_of_the_state_in_place(
    n_qubits, batch, block_rows, monkeypatch
):
    circuit = all_gates(n_qubits, seed=2)
    backend = create("adjoint", {"dtype": "float64"})
    rng = np.random.default_rng(9)
    values = rng.normal(size=(batch, circuit.num_parameters))
    engine, sums = backend.compile(circuit, paulis(n_qubits))
    cotangent = rng.normal(size=(batch, 3)) @ sums.coefficients
    angles = engine.program.angles(values)
    _, tape = engine.forward(angles)
    in_place, _ = engine.vjp(tape, cotangent)
    monkeypatch.setattr(complex_plan, "IN_PLACE_BYTES", 0)
    monkeypatch.setattr(complex_plan, "BLOCK_BYTES", block_rows * 128)
    blocked = copy.copy(engine)
    by_string, tape = blocked.forward(angles)
    assert np.count_nonzero(tape.plan.arrays[0].blocks[:, 2]) > 1
    np.testing.assert_allclose(
        by_string @ sums.coefficients.T,
        expectations_by_statevector(circuit, values, paulis(n_qubits)),
        atol=1e-10,
    )
    np.testing.assert_allclose(blocked.vjp(tape, cotangent)[0], in_place, atol=1e-10)


@pytest.mark.parametrize(
    "circuit",
    [
        zz_map(3, reps=2),
        efficient_su2(4, reps=2),
        real_amplitudes(3, reps=2),
        zz_map(3).compose(efficient_su2(3)),
    ],
    ids=["ZZFeatureMap", "EfficientSU2", "RealAmplitudes", "composed"],
)
def test_qiskits_library_circuits_have_its_values_and_gradients(circuit):
    assert_values(circuit)
    assert_gradients(circuit)


@pytest.mark.parametrize(
    "angle",
    [
        A * B,
        A**2 + 0.3,
        (A - B).sin(),
        A / B,
        2 * A - B,
        (A * B).exp() * A,
        (A + 1).log(),
        abs(A - 1) * B,
    ],
    ids=["a*b", "a**2 + 0.3", "sin(a - b)", "a/b", "2*a - b", "a*exp(a*b)", "log(a + 1)", "b*abs(a - 1)"],
)  # fmt: skip
def test_angles_of_any_expression_follow_the_chain_rule(angle):
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.rz(angle, 0)
    circuit.rxx(A, 0, 2)
    circuit.cp(angle + B, 1, 2)
    circuit.ry(B, 1)
    # Qiskit before 2.1 has no derivative of an absolute value
    assert_gradients(circuit, by_shifts=angle != abs(A - 1) * B)


def test_phases_between_two_cnots_become_phases_of_both_qubits():
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    for c, t in ((0, 1), (2, 1), (1, 2)):
        circuit.rx(A, t)
        circuit.rz(B, c)
        circuit.cx(c, t)
        circuit.p(A * 2, t)
        circuit.t(t)
        circuit.rz(B, c)
        circuit.cx(c, t)
        circuit.cx(c, t)
    assert_values(circuit)
    assert_gradients(circuit)


def test_nested_circuits_own_gates_and_matrices_are_opened():
    inner = QuantumCircuit(2, name="inner")
    inner.rx(A * 2, 0)
    inner.append(UnitaryGate(random_unitary(4, seed=1)), [1, 0])
    middle = QuantumCircuit(3)
    middle.append(inner.to_gate(), [2, 0])
    middle.swap(0, 1)
    middle.append(inner.to_gate().inverse().control(1), [1, 2, 0])
    mine = Gate("h", 1, [])  # a name of Qiskit's, another matrix
    mine.definition = QuantumCircuit(1)
    mine.definition.sx(0)
    circuit = QuantumCircuit(4)
    circuit.append(middle.to_instruction(), [3, 1, 0])
    circuit.barrier()
    circuit.append(mine, [2])
    circuit.append(inner.to_instruction({A: B}), [1, 2])
    circuit.rzz(A, 0, 3)
    assert_values(circuit)
    assert_gradients(circuit)


@pytest.mark.parametrize("load", ["initialize", "prepare_state"])
def test_a_circuit_may_begin_with_given_amplitudes(load):
    rng = np.random.default_rng(9)
    loaded = rng.normal(size=4) + 1j * rng.normal(size=4)
    circuit = QuantumCircuit(4)
    circuit.ry(A, 1)
    getattr(circuit, load)(loaded / np.linalg.norm(loaded), [3, 0])
    circuit.cx(3, 1)
    circuit.crx(B, 0, 2)
    circuit.rz(A, 0)
    circuit.h(0)
    assert_values(circuit, batch=9)
    assert_gradients(circuit)


def test_a_real_circuit_with_observables_of_z_keeps_the_real_engine():
    circuit = QuantumCircuit(3)
    circuit.ry(A, 0)
    circuit.cx(0, 1)
    backend = create("adjoint")
    assert isinstance(backend.compile(circuit, [SparsePauliOp("ZZI")])[0], AdjointEngine)
    engine, _ = backend.compile(circuit, [SparsePauliOp("XZI")])
    assert not isinstance(engine, AdjointEngine)
    assert_values(circuit)
    with pytest.raises(BackendError, match="expected None"):
        engine.forward(np.zeros((1, 1)), np.ones((1, 8)))
    with pytest.raises(BackendError, match=r"angles are \(1, 2\), expected \(1,\) or \(B, 1\)"):
        engine.values(np.zeros((1, 2)))
    with pytest.raises(BackendError, match=r"the cotangent is \(1, 2\), expected \(1, 1\)"):
        engine.vjp(engine.forward(np.zeros((1, 1)))[1], np.zeros((1, 2)))


def test_the_threads_do_not_change_a_bit(monkeypatch):
    circuit = all_gates(5)
    values = np.random.default_rng(10).normal(size=(33, circuit.num_parameters))
    answers = []
    for threads in ("1", "3"):
        monkeypatch.setenv("QLLMFT_THREADS", threads)
        answers.append(
            create("adjoint")
            .gradient()
            .run([circuit] * 33, [paulis(5)[0]] * 33, values)
            .result()
            .gradients
        )
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.measure_all(), r"is 'measure' on qubits \[0\]"),
        (lambda c: c.reset(0), r"is 'reset' on qubits \[0\]"),
        (lambda c: c.initialize([0, 1], [0]), r"is 'initialize' on qubits \[0\]"),
        (lambda c: c.append(Gate("mine", 2, [A]), [2, 1]), r"is 'mine' on qubits \[2, 1\]"),
    ],
    ids=["measurement", "reset", "late load", "no definition"],
)
def test_what_is_no_gate_is_refused_and_the_message_says_what_can_run(spoil, message):
    circuit = QuantumCircuit(3)
    circuit.rx(A, 0)
    spoil(circuit)
    with pytest.raises(UnsupportedGateError, match=message + r".* standard gates"):
        create("adjoint").compile(circuit, [SparsePauliOp("ZII")])


def test_with_noise_only_gates_of_real_circuits_run():
    circuit = QuantumCircuit(3)
    circuit.rx(A, 0)
    with pytest.raises(
        UnsupportedGateError,
        match=r"is 'rx' on qubits \[0\].*runs all standard gates without gate noise",
    ):
        create("adjoint", {"noise": "paper_high"}).compile(circuit, [SparsePauliOp("ZII")])


def test_a_circuit_that_was_changed_is_compiled_again():
    backend = create("adjoint", {"dtype": "float64"})
    circuit = QuantumCircuit(3)
    circuit.rx(A, 0)
    values = np.array([[0.7]])
    observable = [SparsePauliOp("IIZ")]
    for _ in range(2):
        expected = expectations_by_statevector(circuit, values, observable)
        np.testing.assert_allclose(
            backend.expectations(circuit, values, observable).values, expected, atol=1e-12
        )
        circuit.rx(2 * A, 0)
    doubled = [2 * SparsePauliOp("IIZ"), (1 + 1e-9) * SparsePauliOp("IIZ")]
    expected = expectations_by_statevector(circuit, values, doubled)
    np.testing.assert_allclose(
        backend.expectations(circuit, values, doubled[:1]).values, expected[:, :1], atol=1e-12
    )
    np.testing.assert_allclose(
        backend.expectations(circuit, values, doubled[1:]).values, expected[:, 1:], atol=1e-12
    )
    with pytest.raises(UnsupportedGateError, match="complex coefficients"):
        backend.compile(circuit, [SparsePauliOp("IIX", 1j)])


def test_an_engine_goes_through_pickle_and_into_float64():
    circuit = all_gates(3)
    engine, _ = create("adjoint").compile(circuit, paulis(3))
    angles = engine.program.angles(
        np.random.default_rng(11).normal(size=(3, circuit.num_parameters))
    )
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(engine)).values(angles), engine.values(angles)
    )
    assert engine.double.dtype == "float64"
    assert engine.double.double is engine.double
    np.testing.assert_allclose(engine.double.values(angles), engine.values(angles), atol=1e-5)
