"""Estimated cost of a run relative to other runs, for progress bars."""

from __future__ import annotations

from qllmft.config import ModelConfig, RunConfig

# milliseconds of a training step of 16 on one core, fitted to single-10q, single-12q, multi-10q and
# multi-14q
_STEP, _A_MILLION_AMPLITUDES, _CLASSICAL_STEP = 0.4, 2.2, 0.2
_BODY_STEP = 430.0  # the same step through minilm and back, if the body learns with the head
_TEST_SET = 7  # reading the test set of table II costs as much as this many epochs
# reading texts and embeddings; a grid of table VIII or IX; in epochs of cost 1
_BEGINNING, _BASELINE_GRID = 50.0, 70.0


def circuit_work(model: ModelConfig) -> float:
    """Return gates times amplitudes of a sample's circuits: layers times qubits times 2^qubits."""
    work = 0.0
    if model.encoder == "quantum":
        qubits = model.latent_encoder_qubits
        work += model.most_encoders * model.encoder_layers * qubits * 2.0**qubits
    if model.head == "quantum":
        layers = (model.reuploads - 1) * model.reupload_layers + model.main_layers
        work += (
            (model.reuploads + layers * model.connectivity) * model.n_qubits * 2.0**model.n_qubits
        )
    return work


def epoch_cost(config: RunConfig) -> float:
    """Return the cost of an epoch of training."""
    body = _BODY_STEP if config.body.trainable else 0.0
    if config.model.head != "quantum":
        return body + _CLASSICAL_STEP
    return body + _STEP + _A_MILLION_AMPLITUDES * circuit_work(config.model) / 1e6


def run_cost(config: RunConfig, *, read_test: bool = True) -> float:
    """Return the cost of a run from its texts to its record, in units of `epoch_cost`."""
    epochs = config.train.epochs + (_TEST_SET if read_test else 0)
    return _BEGINNING + epochs * epoch_cost(config) + len(config.baselines.names) * _BASELINE_GRID


def begun_cost(config: RunConfig, epochs: int) -> float:
    """Return the cost of a run until the end of ``epochs`` epochs, or 0 before the first."""
    return _BEGINNING + epochs * epoch_cost(config) if epochs else 0.0
