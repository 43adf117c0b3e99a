"""Shots and readout error of circuits of any gates on `adjoint`, and one shot on every simulator."""

from functools import cache

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter, ParameterVector
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_machine_learning.neural_networks import EstimatorQNN

from qllmft import QuantumHead
from qllmft_backends import BackendError, UnsupportedGateError, create

N = 4
SHOTS = 4000
PAULIS = [
    SparsePauliOp.from_sparse_list([(letter, [qubit], 1)], N)
    for qubit in range(N)
    for letter in "XYZ"
]
GATES = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if isinstance(gate, Gate) and gate.num_qubits
}


@cache
def circuit_with(gate_name):
    gate = GATES[gate_name]
    circuit = QuantumCircuit(N)
    for qubit in range(N):
        circuit.ry(0.3 + qubit, qubit)
        circuit.rx(0.7 * qubit + 0.1, qubit)
    angles = [0.4 + 0.3 * i for i in range(len(gate.params))]
    circuit.append(gate.base_class(*angles) if angles else gate, range(gate.num_qubits))
    circuit.ry(0.4, 0)
    return circuit


@cache
def by_qiskit(gate_name):
    """Return the probabilities of the circuit with a gate, and the values of `PAULIS`."""
    state = Statevector(circuit_with(gate_name))
    return state.probabilities(), np.array([state.expectation_value(p).real for p in PAULIS])


def chi_squares(counts, probabilities):
    """Sum of (n - Sp)²/Sp, with the mean 2^Q - 1 and the variance 2 (2^Q - 1)."""
    shots = counts.sum()
    return ((counts - shots * probabilities) ** 2 / (shots * probabilities)).sum()


@pytest.mark.public_report(
    case="shots_of_any_gate",
    source="own audit",
    seen="with the option shots, sampler and estimator of adjoint refused circuits of rx, rz and other complex gates",
    outcome="true shots and readout error of all standard gates; only gate noise and eq. 2 need real gates",
)
@pytest.mark.parametrize("readout_error", [0.0, 0.06])
@pytest.mark.parametrize("name", GATES)
def test_estimates_and_counts_are_those_of_qiskits_states(name, readout_error):
    circuit = circuit_with(name)
    backend = create("adjoint", {"shots": SHOTS, "readout_error": readout_error, "seed": 5})
    result = backend.estimator().run([(circuit, PAULIS)]).result()[0].data
    probabilities, exact = by_qiskit(name)
    assert np.abs(result.evs - (1 - 2 * readout_error) * exact).max() < 5 / np.sqrt(SHOTS)
    np.testing.assert_allclose(result.stds, np.sqrt((1 - result.evs**2) / (SHOTS - 1)), atol=1e-12)
    measured = circuit.measure_all(inplace=False)
    bits = backend.sampler().run([measured], shots=SHOTS).result()[0].data.meas
    counts = np.bincount(bits.array[:, 0], minlength=2**N)
    flip = np.array([[1 - readout_error, readout_error], [readout_error, 1 - readout_error]])
    flips = flip
    for _ in range(N - 1):
        flips = np.kron(flips, flip)
    degrees = 2**N - 1
    assert counts.sum() == SHOTS
    assert chi_squares(counts, flips @ probabilities) < degrees + 6 * np.sqrt(2 * degrees)


def test_readout_error_alone_is_exact():
    circuit = circuit_with("rzx")
    backend = create("adjoint", {"readout_error": 0.06, "dtype": "float64"})
    observables = [*PAULIS, SparsePauliOp.from_list([("XYZI", 0.7), ("ZIIZ", -0.2)])]
    result = backend.estimator().run([(circuit, observables)]).result()[0].data
    state = Statevector(circuit)
    exact = [0.88 * state.expectation_value(pauli).real for pauli in PAULIS]
    exact.append(
        0.7 * 0.88**3 * state.expectation_value(SparsePauliOp("XYZI")).real
        - 0.2 * 0.88**2 * state.expectation_value(SparsePauliOp("ZIIZ")).real
    )
    np.testing.assert_allclose(result.evs, exact, atol=1e-12)
    assert not result.stds.any()


def complex_head(**options):
    x = ParameterVector("x", 3)
    w = ParameterVector("w", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(x[qubit], qubit)
        circuit.rx(w[qubit], qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.rz(w[0], 1)
    circuit.ry(0.3, 1)
    backend = create("adjoint", options)
    return QuantumHead.from_circuit(circuit, data=x, weights=w, backend=backend)


def test_a_head_of_any_gates_with_shots_has_the_parameter_shift_rule():
    noisy = complex_head(shots=40_000)
    exact = complex_head()
    exact.load_state_dict(noisy.state_dict(), strict=False)
    x = torch.rand(5, 3)
    for head in (noisy, exact):
        head(x).pow(2).sum().backward()
    assert (noisy(x) - exact(x)).abs().max() < 5 / 200
    assert (noisy(x) != exact(x)).any()
    difference = noisy.connector.weight.grad - exact.connector.weight.grad
    assert 0 < difference.abs().max() < 15 * 5 / 200
    for options in ({"noise": "forte1"}, {"shots": 100, "shot_model": "gaussian"}):
        with pytest.raises(UnsupportedGateError, match="without gate noise and shot_model='gauss"):
            complex_head(**options)


SIMULATORS = [
    ("adjoint", {}),
    ("adjoint", {"noise": "forte1"}),
    ("aer_statevector", {}),
    ("aer_forte", {"noise": "forte1"}),
    ("pennylane", {"device": "default.qubit"}),
    ("pennylane", {"device": "qllmft.adjoint"}),
]


@pytest.mark.public_report(
    case="one_shot",
    source="own audit",
    seen="the simulators refused shots=1, which IonQ's backends take",
    outcome="one shot gives +1 or -1 with an infinite standard error, on every backend",
)
@pytest.mark.parametrize(("name", "options"), SIMULATORS)
def test_one_shot_gives_one_outcome_and_no_standard_error(name, options):
    pytest.importorskip({"aer": "qiskit_aer", "pen": "pennylane"}.get(name[:3], "qiskit"))
    angle = Parameter("t")
    circuit = QuantumCircuit(3)
    circuit.ry(angle, 0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    values = np.full((300, 1), 1.1) + np.linspace(0, 1e-6, 300)[:, None]
    observables = [SparsePauliOp("IIZ"), SparsePauliOp("ZZI"), SparsePauliOp("ZZZ")]
    backend = create(name, {"shots": 1, **options})
    answer = backend.expectations(circuit, values, observables)
    assert set(answer.values.ravel()) == {-1.0, 1.0}
    assert np.isinf(answer.standard_errors).all()
    assert answer.values[:, 0].mean() == pytest.approx(np.cos(1.1), abs=5 / np.sqrt(300))
    measured = circuit.measure_all(inplace=False)
    bits = backend.sampler().run([(measured, [1.1])]).result()[0].data.meas
    assert bits.num_shots == 1
    with pytest.raises(BackendError, match=r"option shots = 0.*greater than or equal to 1"):
        create(name, {"shots": 0})


def test_a_network_learns_from_one_shot_per_circuit():
    x = ParameterVector("x", 1)
    w = ParameterVector("w", 3)
    circuit = QuantumCircuit(3)
    circuit.ry(x[0], 0)
    for qubit in range(3):
        circuit.ry(w[qubit], qubit)
        circuit.cx(qubit, (qubit + 1) % 3)
    slopes = []
    for options in ({"shots": 1}, {}):
        backend = create("adjoint", options)
        network = EstimatorQNN(
            circuit=circuit,
            observables=SparsePauliOp("IIZ"),
            input_params=x,
            weight_params=w,
            estimator=backend.estimator(),
            gradient=backend.gradient(),
            default_precision=None,
        )
        inputs = np.linspace(0.4, 0.5, 400)[:, None]
        slopes.append(network.backward(inputs, np.array([0.3, 0.8, -0.4]))[1].reshape(400, 3))
    assert set(np.unique(slopes[0])) <= {-1.0, 0.0, 1.0}
    assert np.abs(slopes[0].mean(axis=0) - slopes[1].mean(axis=0)).max() < 5 / np.sqrt(800)
