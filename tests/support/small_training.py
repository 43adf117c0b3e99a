"""A training of seconds: a small quantum classifier, or any torch module, on random examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from qllmft.config import ModelConfig, TrainConfig
from qllmft.heads import build_classifier
from qllmft.training import Examples
from qllmft.training.step import DirectStep, TrainingStep

D = 6
STRUCTURES = {
    "quantum": ModelConfig(
        n_qubits=4, n_encoders=2, encoder_qubits=3, encoder_layers=2, reuploads=2, pad="bias"
    ),
    "batch norm": ModelConfig(encoder="none", head="mlp", hidden_dim=5, batch_norm=True),
}
SETTINGS = TrainConfig(
    epochs=6, batch_size=8, lr=0.05, weight_decay=1e-3, embedding_noise=0.1, lr_decay="cosine"
)


def model(structure: str = "quantum", seed: int = 0) -> nn.Module:
    return build_classifier(STRUCTURES[structure], D, 2, seed=seed)


def examples(n: int, seed: int = 0, d: int = D) -> Examples:
    """Random directions of several lengths; the label is the sign of a noisy sum."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = (x.sum(axis=1) + rng.normal(size=n) > 0).astype(np.int64)
    return Examples.from_arrays((x * rng.uniform(0.5, 3, (n, 1))).astype(np.float32), y)


class Recorder(nn.Module):
    """A linear classifier that keeps its inputs."""

    def __init__(self, d: int = D, k: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(d, k)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.seen: list[tuple[bool, torch.Tensor]] = []  # (in training, batch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append((self.training, x.detach().clone()))
        return self.layer(x)

    def batches(self, *, training: bool) -> list[torch.Tensor]:
        return [x for mode, x in self.seen if mode == training]


def before_every_batch(
    call: Callable[[], None], patch: Callable[[type, str, Any], None] = setattr
) -> None:
    """Call ``call`` before every batch that is trained on, whichever way its gradient goes."""
    for kind in (DirectStep, TrainingStep):

        def gradient(step: Any, *batch: Any, way: Any = kind.gradient) -> float:
            call()
            return way(step, *batch)

        patch(kind, "gradient", gradient)
