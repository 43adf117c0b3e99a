"""How much there is to simulate in a model: what estimates of time begin with."""

from __future__ import annotations

from qllmft.config import ModelConfig


def circuit_work(model: ModelConfig) -> float:
    """Gates times amplitudes of a sample's circuits: layers times qubits times 2^qubits; 0 where none is quantum."""
    work = 0.0
    if model.encoder == "quantum":
        qubits = model.latent_encoder_qubits
        work += model.n_encoders * model.encoder_layers * qubits * 2.0**qubits
    if model.head == "quantum":
        layers = (model.reuploads - 1) * model.reupload_layers + model.main_layers
        work += (model.reuploads + layers * model.connectivity) * model.n_qubits * 2.0**model.n_qubits
    return work
