"""Energy of one inference with a whole head by the paper's model (table V): its circuits and its matrix products."""

from __future__ import annotations

from qllmft.config import ModelConfig
from qllmft.energy.formula import PAPER, gpu_energy_kj, qpu_energy_kj
from qllmft.templates import encoder_template, head_template
from qllmft_circuits import count, loading_template


def linear_energy_j(rows: int, columns: int) -> float:
    """Return the joules of a matrix times a vector: two operations per entry, at the GPU's peak speed."""
    return 2 * rows * columns / PAPER.gpu_flops * PAPER.gpu_power_w


def quantum_energies_j(model: ModelConfig, dimension: int, k: int) -> tuple[float, float]:
    """Return the joules of a simulation on a GPU, and with circuits on a QPU, of D-dimensional embeddings and k labels.

    Encoders are simulated in both, as in the paper. If the head has no circuit (``head = "none"``), the encoders run on
    the QPU instead, with their loading as R_Y and CNOT; odd ones run twice. The embedding itself is not included.
    """
    model = model.for_labels(k)
    encoder, head = encoder_template(model), head_template(model)
    assert encoder is not None
    times = model.most_encoders * (2 if model.odd else 1)
    products = linear_energy_j(k, model.n_qubits if head else model.most_encoders * model.encoder_outputs)
    products += linear_energy_j(dimension, min(model.components or 0, dimension))
    simulated = products + 1000 * times * gpu_energy_kj(count(encoder))
    if head is not None:
        return simulated + 1000 * gpu_energy_kj(count(head)), simulated + 1000 * qpu_energy_kj(count(head))
    loaded = loading_template(model.latent_encoder_qubits).compose(encoder)
    return simulated, products + 1000 * times * qpu_energy_kj(count(loaded))
