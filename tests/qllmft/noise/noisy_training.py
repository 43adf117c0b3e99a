"""A training of a second with every kind of noise, and the command line."""

import numpy as np
import pytest
import torch

from qllmft.cli.main import main
from qllmft.config import ModelConfig, NoiseConfig, TrainConfig
from qllmft.heads import build_classifier
from qllmft.training import Examples
from qllmft_backends import create

D = 6
SEED = 5
STRUCTURE = ModelConfig(n_qubits=4, encoder_layers=2, reuploads=2, pad="bias")
SETTINGS = TrainConfig(epochs=5, batch_size=8, lr=0.05)
NOISES = {
    "gates": NoiseConfig(gates="explicit", one_qubit_rate=0.01, two_qubit_rate=0.05),
    "shots": NoiseConfig(shots=50),
    "both": NoiseConfig(gates="paper_high", shots=200, readout_error=0.02, trajectories=2),
    "later": NoiseConfig(
        gates="paper_high",
        shots=64,
        renormalize=True,
        shot_test="multinomial",
        rate="nonidentity",
        draw="batch",
        uploads=False,
    ),
    "true shots": NoiseConfig(shots=100, shot_model="multinomial"),
}


def model(noise: NoiseConfig, seed: int = 0, structure: ModelConfig = STRUCTURE) -> torch.nn.Module:
    return build_classifier(
        structure, D, 2, seed=seed, backend=create("adjoint", noise.backend_options)
    )


def examples(n: int, seed: int = 0) -> Examples:
    x = np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)
    return Examples.from_arrays(x, (x.sum(axis=1) > 0).astype(np.int64))


def run_command(arguments: list[str]) -> int:
    """Exit code of the command line."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)
