"""Quantum head near the weights at which each ⟨Z⟩ is the sine of one latent angle: its readout, and bounds on slopes.

A head of one upload and one layer may begin near the weights at which each ⟨Z⟩ is the sine of one latent angle. With
s_t = -sin θ and c_t = cos θ of the block U on qubit t, such a head of the paper's ansatz on a ring has

    ⟨Z_t⟩ = s_t sin x_t + c_t cos x_t ⟨Z_(t-1)⟩    for t = 1 .. Q-1, where cos x_0 replaces ⟨Z_0⟩.

At θ = -π/2 these are sin x_t. The last block of the ring acts on qubit 0, whose ⟨Z_0⟩ is then sin x_0 sin x_1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SINE_START_CENTRE = -math.pi / 2  # of the initial angles of a head that starts at sines
# largest distance from the centre, at which itself some derivatives vanish
SINE_START_SPREAD = 0.05
INITIAL_READOUT_WEIGHT = 0.5  # initial weight of a value for its output
OTHER_WEIGHTS_FACTOR = 0.02  # factor of all other initial weights
SQUARE_SMOOTHING = 1e-8  # added to a square under a root, whose derivative at 0 would be infinite


@torch.no_grad()
def sine_readout(final: nn.Linear, registers: int = 1) -> None:
    """Set the initial weights (k, Q) of the linear layer: value 1 for output 0, 2 for output 1 and so on, in turn.

    Two outputs are two labels, and a value has opposite weights for them. Value 0 of a register is a product of sines.
    """
    k, n_qubits = final.weight.shape
    final.weight.mul_(OTHER_WEIGHTS_FACTOR)
    for place, qubit in enumerate(sine_values(n_qubits, registers)):
        if k == 2:
            final.weight[:, qubit] += torch.tensor(
                [INITIAL_READOUT_WEIGHT, -INITIAL_READOUT_WEIGHT]
            )
        else:
            final.weight[place % k, qubit] += INITIAL_READOUT_WEIGHT


def sine_values(n_qubits: int, registers: int = 1) -> list[int]:
    """Return the values that begin as sines: all but value 0 of each register.

    >>> sine_values(6, 2)
    [1, 2, 4, 5]
    """
    width = n_qubits // registers
    return [qubit for qubit in range(n_qubits) if qubit % width]


def value_slope_bounds(theta: Tensor, registers: int = 1) -> Tensor:
    """Return bounds (Q, Q) on the slopes |∂⟨Z_t⟩/∂x_j| of a layer with weights (Q,), row t and column j.

    They hold at every x. Qubit 0 of a register is bounded by 1, as every slope of an R_Y.
    """
    if registers > 1:
        bounds: Tensor = torch.block_diag(*map(value_slope_bounds, theta.chunk(registers)))  # type: ignore[no-untyped-call]
        return bounds
    n_qubits = len(theta)
    unit = torch.eye(n_qubits, dtype=theta.dtype)
    cosine_bounds = torch.sqrt(torch.cos(theta) ** 2 + SQUARE_SMOOTHING)
    rows = [torch.ones(n_qubits, dtype=theta.dtype)]
    row = unit[0]
    for qubit in range(1, n_qubits):
        row = row * cosine_bounds[qubit - 1] + unit[qubit]
        rows.append(row)
    return torch.stack(rows)


def slope_bound(weight: Tensor, theta: Tensor, rows: Tensor, registers: int = 1) -> Tensor:
    """Return (Σ_t |W_kt| Σ_j G_tj ‖B_j‖)² (k,), bounds on the squared slope of each output k at every text.

    If each output has one latent value of its own and the layer is at -π/2, they are ‖W_k B‖², the ridge of a linear
    classifier.

    Args:
        weight: W (k, Q) of the linear layer.
        theta: weights (Q,) of the head's layer; G is their `value_slope_bounds`.
        rows: B (Q, m), the linear map from the loaded vector to the latent angles.
        registers: number of layers of equal width side by side.
    """
    lengths = torch.sqrt((rows**2).sum(dim=1) + SQUARE_SMOOTHING**2)
    size = torch.sqrt(weight**2 + SQUARE_SMOOTHING)
    return (size @ (value_slope_bounds(theta.to(rows), registers) @ lengths)) ** 2
