"""Errors of machines in Aer's form: exact outcomes by another route, smaller errors, and targets."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import RYGate
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends import create
from qllmft_backends.aer.machine_errors import MachineErrors, apply_readout
from qllmft_backends.errors import BackendError
from qllmft_backends.noise import GateNoise
from qllmft_machines.qiskit_machines.backend import QiskitBackend
from qllmft_machines.qiskit_machines.options import QiskitOptions

NOISE = GateNoise(0.01, 0.06, 0.03)
VALUES = np.random.default_rng(4).normal(size=(3, 8))
ZS = [SparsePauliOp(label) for label in ("IIIZ", "ZIII", "IZZI")]
MASKS = (1, 8, 6)


def circuit(label=None):
    angles = ParameterVector("a", 8)
    rotations = QuantumCircuit(4)
    for qubit in range(4):
        rotations.append(RYGate(angles[qubit], label), [qubit])
    for qubit in range(3):
        rotations.cx(qubit, qubit + 1)
    for qubit in range(4):
        rotations.ry(angles[4 + qubit], qubit)
    return rotations


def means(outcomes):
    """Return the ⟨Z⟩ of `ZS` from the probabilities of outcomes."""
    signs = [[(-1) ** (state & mask).bit_count() for mask in MASKS] for state in range(16)]
    return outcomes @ np.array(signs)


def on_aer(noise, measured_circuit=None):
    options = noise.options | {"shots": None, "method": "density_matrix"}
    return (
        create("aer_forte", options).expectations(measured_circuit or circuit(), VALUES, ZS).values
    )


def nest_circuit():
    """Return the circuit as one gate."""
    outer = QuantumCircuit(4)
    outer.append(circuit().to_gate(), range(4))
    return outer


@pytest.mark.parametrize(
    "measured_circuit",
    [circuit(), circuit("mine"), nest_circuit()],
    ids=["plain", "labels", "nested"],
)
def test_outcomes_have_the_means_of_aer(measured_circuit):
    probabilities = MachineErrors.from_noise(measured_circuit, NOISE).probabilities(VALUES)
    assert probabilities.shape == (3, 16)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_allclose(means(probabilities), on_aer(NOISE, measured_circuit), atol=1e-12)


@pytest.mark.parametrize(
    ("part", "smaller"),
    [
        ("one_qubit", GateNoise(0.005, 0.06, 0.03)),
        ("two_qubit", GateNoise(0.01, 0.03, 0.03)),
        ("readout", GateNoise(0.01, 0.06, 0.015)),
    ],
)
def test_half_of_a_part_is_half_of_its_rate(part, smaller):
    errors = MachineErrors.from_noise(circuit(), NOISE)
    np.testing.assert_allclose(
        means(errors.probabilities(VALUES, part=part, factor=0.5)), on_aer(smaller), atol=1e-12
    )
    assert errors.has_errors(part)
    assert not MachineErrors.from_noise(circuit(), GateNoise(0, 0)).has_errors(part)


def test_bits_are_read_by_the_matrix_of_each_qubit():
    random = np.random.default_rng(0)
    states = random.dirichlet(np.ones(8), size=2)
    readouts = np.stack([[[1 - a, a], [b, 1 - b]] for a, b in random.uniform(0, 0.3, (3, 2))])
    joint_matrix = np.kron(np.kron(readouts[2], readouts[1]), readouts[0])
    np.testing.assert_allclose(apply_readout(states, readouts), states @ joint_matrix, atol=1e-15)


def test_a_machines_own_errors_give_what_it_samples():
    backend = GenericBackendV2(6, seed=3)
    machine = QiskitBackend(QiskitOptions(shots=20_000), backend)
    errors = machine.machine_errors(circuit())
    assert errors.circuit.num_qubits < 6, "idle qubits are left out"
    sampled = machine.expectations(circuit(), VALUES, ZS)
    predicted = means(errors.probabilities(VALUES))
    assert np.abs(sampled.values - predicted).max() < 5 * sampled.standard_errors.max()
    ideal = create("aer_statevector").expectations(circuit(), VALUES, ZS).values
    off = np.abs(ideal - predicted).max()
    assert off > np.abs(sampled.values - predicted).max()
    nothing = QiskitBackend(QiskitOptions(shots=100), GenericBackendV2(5, noise_info=False))
    with pytest.raises(BackendError, match="states no errors of its gates"):
        nothing.machine_errors(circuit())


def test_a_density_matrix_that_does_not_fit_is_refused():
    with pytest.raises(BackendError, match="at most 12 here"):
        MachineErrors.from_noise(QuantumCircuit(13), NOISE)
