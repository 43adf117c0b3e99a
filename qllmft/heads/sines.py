"""Head of one upload and one layer near the weights at which each ⟨Z⟩ is the sine of one latent angle.

With s_t = -sin θ and c_t = cos θ of the block U on qubit t, such a head of the paper's ansatz on a ring has

    ⟨Z_t⟩ = s_t sin x_t + c_t cos x_t ⟨Z_(t-1)⟩    for t = 1 .. Q-1, where cos x_0 replaces ⟨Z_0⟩.

At θ = -π/2 these are sin x_t. The last block of the ring acts on qubit 0, whose ⟨Z_0⟩ is then sin x_0 sin x_1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CENTRE = -math.pi / 2  # of the initial angles
SPREAD = (
    0.05  # largest distance of one from the centre: at the point itself some derivatives vanish
)
SLOPE = 0.5  # initial weight of a value for its output
BESIDE = 0.02  # factor of all other initial weights
SMOOTH = 1e-8  # added to a square under a root, whose derivative at 0 would be infinite


@torch.no_grad()
def sine_readout(final: nn.Linear) -> None:
    """Set the initial weights (k, Q) of the linear layer: value 1 for output 0, 2 for output 1 and so on, in turn.

    Two outputs are two labels, and a value has opposite weights for them. Value 0 is a product of sines.
    """
    k, n_qubits = final.weight.shape
    final.weight.mul_(BESIDE)
    for qubit in range(1, n_qubits):
        if k == 2:
            final.weight[:, qubit] += torch.tensor([SLOPE, -SLOPE])
        else:
            final.weight[(qubit - 1) % k, qubit] += SLOPE


def reach(theta: Tensor) -> Tensor:
    """Return bounds (Q, Q) on the slopes |∂⟨Z_t⟩/∂x_j| of a layer with weights (Q,), row t and column j.

    They hold at every x. Qubit 0 is bounded by 1, as every slope of an R_Y.
    """
    n_qubits = len(theta)
    unit = torch.eye(n_qubits, dtype=theta.dtype)
    beside = torch.sqrt(torch.cos(theta) ** 2 + SMOOTH)
    rows, row = [torch.ones(n_qubits, dtype=theta.dtype)], unit[0]
    for qubit in range(1, n_qubits):
        row = row * beside[qubit - 1] + unit[qubit]
        rows.append(row)
    return torch.stack(rows)


def slope_bound(weight: Tensor, theta: Tensor, rows: Tensor) -> Tensor:
    """Return (Σ_t |W_kt| Σ_j G_tj ‖B_j‖)² (k,), bounds on the squared slope of each output k at every text.

    If each output has one latent value of its own and the layer is at -π/2, they are ‖W_k B‖², the ridge of a linear
    classifier.

    Args:
        weight: W (k, Q) of the linear layer.
        theta: weights (Q,) of the head's layer; G is their `reach`.
        rows: B (Q, m), the linear map from the loaded vector to the latent angles.
    """
    lengths = torch.sqrt((rows**2).sum(dim=1) + SMOOTH**2)
    size = torch.sqrt(weight**2 + SMOOTH)
    return (size @ (reach(theta.to(rows)) @ lengths)) ** 2
