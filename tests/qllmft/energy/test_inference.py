"""Energy of a whole head's inference: gates counted by hand beside the circuits'."""

import pytest

from qllmft.config import ModelConfig
from qllmft.config.presets import load_preset
from qllmft.energy.formula import linear_energy_j, quantum_energies_j

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
    one_qubit, two_qubit = 2**7 - 1 + 24 * 7, 2**7 - 2 + 24 * 7
    seconds = one_qubit * 1e-4 + two_qubit * 1e-5
    assert on_qpu == pytest.approx(2 * encoders * 7 * seconds * 8_000 * 300)
    assert linear_energy_j(384, k) == pytest.approx(2 * 384 * k * J_PER_FLOP)
