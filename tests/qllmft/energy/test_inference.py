"""Energy of a whole head's inference: gates counted by hand beside the circuits'."""

import pytest

from qllmft.config import ModelConfig
from qllmft.config.presets import load_preset
from qllmft.energy.formula import (
    gpu_energy_kj,
    head_counts,
    linear_energy_j,
    machine_circuits,
    quantum_energies_j,
)

J_PER_FLOP = 700 / 3.4e13


def test_the_papers_head_and_its_simulated_encoder():
    on_gpu, on_qpu = quantum_energies_j(ModelConfig(), 768, 2)
    # 28 layers of ten R_Y and CNOT; the linear layer
    simulated = J_PER_FLOP * (2**10 * 280 * (4 + 8) + 2 * 10 * 2)
    head = J_PER_FLOP * 2**10 * (90 * 4 + 50 * 8)
    assert on_gpu == pytest.approx(simulated + head)
    assert on_qpu == pytest.approx(simulated + 10 * (90 * 1e-4 + 50 * 1e-5) * 8_000 * 300)


@pytest.mark.parametrize(("k", "encoders"), [(2, 1), (6, 3)])
def test_odd_encoders_run_twice_and_are_loaded_on_the_qpu(k, encoders):
    on_gpu, on_qpu = quantum_energies_j(load_preset("odd").config({}).model, 384, k)
    products = J_PER_FLOP * 2 * (384 * 127 + 7 * encoders * k)
    assert on_gpu == pytest.approx(products + 2 * encoders * J_PER_FLOP * 2**7 * 24 * 7 * (4 + 8))
    one_qubit = 2**7 - 1 + 24 * 7
    two_qubit = 2**7 - 2 + 24 * 7
    seconds = one_qubit * 1e-4 + two_qubit * 1e-5
    assert on_qpu == pytest.approx(2 * encoders * 7 * seconds * 8_000 * 300)
    assert linear_energy_j(384, k) == pytest.approx(2 * 384 * k * J_PER_FLOP)


@pytest.mark.parametrize(
    ("k", "registers", "circuits", "qubits"), [(24, 3, 1, 27), (40, 6, 2, 24), (77, 12, 3, 32)]
)
def test_a_qpu_runs_several_registers_in_a_circuit_and_a_simulation_each_alone(
    k, registers, circuits, qubits
):
    model = load_preset("sines").config({}).model.for_labels(k)
    per_text, counts = machine_circuits(model)
    assert (model.registers, per_text, counts.n_qubits) == (registers, circuits, qubits)
    alone = head_counts(model, model.register_qubits)
    per_circuit = registers // circuits
    assert counts.one_qubit_gates == per_circuit * alone.one_qubit_gates
    assert counts.two_qubit_gates == per_circuit * alone.two_qubit_gates
    on_gpu, on_qpu = quantum_energies_j(model, 384, k)
    # gates of a circuit are in sequence, and all its qubits are powered
    seconds = counts.one_qubit_gates * 1e-4 + counts.two_qubit_gates * 1e-5
    head = 1000 * registers * gpu_energy_kj(alone)
    assert on_qpu - (on_gpu - head) == pytest.approx(circuits * qubits * seconds * 8_000 * 300)


def test_a_small_machine_runs_each_register_in_a_circuit_of_its_own():
    model = load_preset("sines").config({}).model.for_labels(24)
    assert [machine_circuits(model, qubits)[0] for qubits in (8, 9, 18, 27)] == [3, 3, 2, 1]
