"""Quantum-PEFT's orthogonal matrix of R_Y and CZ, as an adapter of the features."""

import math

import torch
from torch import Tensor, nn

from lab.field.head import Head, ValuesHead
from lab.field.square import QUBITS, STATES, rotation, tanh_head, z_signs

LAYERS = 3


class PauliAdapter(ValuesHead):
    """Scores (N,) of features (N, 16): layers of R_Y and of CZ on pairs of neighbours, then SQUARE's head."""

    signs: Tensor

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.angles = nn.Parameter(2 * math.pi * torch.rand(LAYERS, QUBITS, generator=generator))
        z = z_signs()
        even = self.controlled_z(z, 0, 1) * self.controlled_z(z, 2, 3)
        self.register_buffer("signs", torch.stack([even, self.controlled_z(z, 1, 2)]))
        self.readout = tanh_head(STATES)

    @staticmethod
    def controlled_z(z: Tensor, control: int, target: int) -> Tensor:
        """Return the diagonal (16,) of CZ."""
        return 1 - (1 - z[:, control]) * (1 - z[:, target]) / 2

    def values(self, x: Tensor) -> Tensor:
        """Return the adapted features (N, 16)."""
        for layer, angles in enumerate(self.angles.unbind()):
            x = x @ rotation(angles).mT
            if layer < LAYERS - 1:
                x = x * self.signs[layer % 2]
        return x


HEAD = Head(
    name="Quantum-PEFT",
    source="arXiv 2503.05431: R_Y and CZ make an orthogonal matrix, here of the frozen features",
    tables=("others",),
    module=lambda _, generator: PauliAdapter(generator),
    family="linear",
)
