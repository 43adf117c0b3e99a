"""Use the quantum head as a layer in your own torch model.

Run: python examples/head_as_a_layer.py
"""

import math

import torch
from torch import nn

from qllmft import QuantumHead

N_QUBITS = 4


def two_rings(n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points (n, 2) on two circles around the origin, and the circle of each (n,)."""
    angle = 2.0 * math.pi * torch.rand(n, generator=generator)
    label = torch.arange(n) % 2
    radius = 0.5 + 0.5 * label + 0.05 * torch.randn(n, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), label


def main() -> None:
    """Train linear -> quantum head -> linear on a task that no linear model can solve."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    x, y = two_rings(200, generator)
    model = nn.Sequential(
        nn.Linear(2, N_QUBITS),  # two coordinates to one angle per qubit
        QuantumHead(N_QUBITS, reuploads=3, generator=generator),
        nn.Linear(N_QUBITS, 2),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(1, 61):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            accuracy = (model(x).argmax(dim=1) == y).float().mean()
            print(f"step {step}: loss {loss.item():.3f}, accuracy {accuracy.item():.2f}")


if __name__ == "__main__":
    main()
