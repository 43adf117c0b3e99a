"""Aer drops noise in silence where a gate's key is not in the model; every run checks that none is dropped."""

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import CCXGate, CXGate, RYGate, UnitaryGate
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator

from qllmft_backends import BackendError, GateNoise, UnsupportedGateError, create
from qllmft_backends.aer import noisy
from qllmft_backends.aer.noisy import check_coverage, noise_model
from qllmft_circuits import head_circuit, readout_observables

NOISE = GateNoise(0.03, 0.08)
EXACT = NOISE.options | {"shots": None, "method": "density_matrix"}


def only_ry() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.ry(0.1, 0)
    return circuit


@pytest.mark.parametrize(
    ("noise", "covered"), [(NOISE, {"ry", "cx"}), (GateNoise(0.0, 0.08), {"cx"})]
)
def test_the_head_is_covered_and_a_rate_of_zero_needs_no_cover(noise, covered):
    model = noise_model(head_circuit(4), noise)
    check_coverage(head_circuit(4), model, noise)
    assert set(model.noise_instructions) == covered


def test_a_gate_that_is_left_out_is_named():
    circuit = head_circuit(3)
    with pytest.raises(
        UnsupportedGateError,
        match=r"gate 3 of circuit 'head_3q' is 'cx' on 2 qubits .* covers ry \(1\)",
    ):
        check_coverage(circuit, noise_model(only_ry(), NOISE), NOISE)


def without_noise(gate):
    return pytest.raises(
        UnsupportedGateError, match=f"is {gate!r} on . qubits and would run without noise"
    )


def test_a_transpiled_circuit_has_lost_its_noise():
    circuit = head_circuit(3)
    rewritten = transpile(circuit, basis_gates=["u", "cx"], optimization_level=0)
    with without_noise("u"):
        check_coverage(rewritten, noise_model(circuit, NOISE), NOISE)


def test_a_label_hides_the_name():
    labelled = QuantumCircuit(3)
    labelled.append(RYGate(0.1, label="mine"), [0])
    model = noise_model(only_ry(), NOISE)
    with without_noise("mine"):
        check_coverage(labelled, model, NOISE)
    # ... and Aer does run it ideal, which is why the check is there
    labelled.save_expectation_value(SparsePauliOp("IIZ"), [0, 1, 2], label="z")
    aer = AerSimulator(method="density_matrix", noise_model=model)
    assert aer.run(labelled, shots=1).result().data(0)["z"] == pytest.approx(np.cos(0.1))


def test_labelled_gates_keep_their_noise_in_the_backend():
    circuit = QuantumCircuit(3)
    circuit.append(RYGate(0.0, label="mine"), [0])
    circuit.ry(0.0, 0)
    circuit.append(CXGate(label="ms"), [1, 2])
    circuit.append(UnitaryGate(np.eye(2), label="frame"), [0])
    got = create("aer_forte", EXACT).expectations(circuit, np.empty((1, 0)), readout_observables(3))
    np.testing.assert_allclose(got.values, [[0.97**3, 0.92, 0.92]], atol=1e-12)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ([RYGate(0.0, label="same"), CXGate(label="same")], "'same' on 1 qubits and would run with"),
        ([RYGate(0.0, label="cx")], "Aer takes no noise on 1-qubit gates 'cx'"),
        ([CCXGate()], "a gate acts on 3 qubits. Noise is defined for gates on one and two"),
    ],
    ids=["one label for two widths", "the label is another gate's name", "three qubits"],
)  # fmt: skip
def test_a_gate_whose_noise_is_not_clear_is_refused(gates, message):
    circuit = QuantumCircuit(3)
    for gate in gates:
        circuit.append(gate, range(gate.num_qubits))
    with pytest.raises(BackendError, match=message):
        create("aer_forte", EXACT).expectations(circuit, np.empty((1, 0)), readout_observables(3))


def test_every_run_is_checked(monkeypatch):
    monkeypatch.setattr(noisy, "noise_model", lambda circuit, noise: noise_model(only_ry(), noise))
    circuit = head_circuit(3)
    for options in (EXACT, {"shots": 10}):
        backend = create("aer_forte", options)
        with without_noise("cx"):
            backend.expectations(circuit, np.zeros((1, 18)), readout_observables(3))
