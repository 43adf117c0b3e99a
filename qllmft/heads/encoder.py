"""Encoders: from an embedding (B, D) to a latent vector (B, Q) of angles."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from qllmft.errors import UserError
from qllmft.heads.data_map import DataMap
from qllmft.heads.layer import expectations
from qllmft_backends.adjoint import AdjointCapable, AdjointEngine, Engine, lower
from qllmft_circuits import AnsatzOptions, encoder_circuit

Pad = Literal["zeros", "bias"]


def amplitudes(x: Tensor, pad: Pad, constant: float = 1.0) -> Tensor:
    """Real amplitudes of norm 1, section III-C; the engine appends zeros up to 2^Q.

    Args:
        x: embeddings (B, D), none of them zero.
        pad: ``zeros``: x alone; ⟨Z⟩ is then a quadratic form of x. ``bias``: one more amplitude as long as x, so that
            ⟨Z⟩ has terms linear in x.
        constant: sign of that amplitude, 1 or -1.

    Returns:
        (B, D) or, with ``bias``, (B, D + 1).
    """
    unit = torch.nn.functional.normalize(x, dim=1)
    if pad == "zeros":
        return unit
    return torch.cat([unit, torch.full_like(unit[:, :1], constant)], dim=1) / math.sqrt(2.0)


class QuantumEncoder(nn.Module):
    """One simulated quantum encoder (sQE): amplitude loading, ansatz layers, exact ⟨Z⟩ times a trainable scale.

    Args:
        dimension: D, of the embeddings.
        n_qubits: Q_e.
        n_outputs: how many values it yields, ⟨Z⟩ of qubits 0..n_outputs-1.
        layers: ansatz layers.
        options: ansatz options; the paper's by default.
        pad: what fills the amplitudes past the embedding; see `amplitudes`.
        odd: a value is (⟨Z⟩ with the constant - ⟨Z⟩ with its negative) / 2, which is linear in the unit embedding.
        scaled: there is a trainable scale; else it is 1.
        backend: whose device simulates it; the CPU by default.
        generator: source of the initial weights.

    Raises:
        UserError: where the embedding does not fit on 2^Q_e amplitudes.
    """

    def __init__(
        self,
        dimension: int,
        n_qubits: int,
        n_outputs: int,
        layers: int,
        *,
        options: AnsatzOptions | None = None,
        pad: Pad = "zeros",
        odd: bool = False,
        scaled: bool = True,
        backend: AdjointCapable | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        needed = dimension + (pad == "bias")
        if needed > 2**n_qubits:
            what = f"{dimension} values" + (" and a constant (pad = 'bias')" if pad == "bias" else "")
            raise UserError(
                f"the body's embedding has {what}; {n_qubits} encoder qubits hold {2**n_qubits} amplitudes. "
                f"Set model.encoder_qubits to {math.ceil(math.log2(needed))} or more, or take a smaller body."
            )
        self.pad: Pad = pad
        self.odd = odd
        self.n_qubits = n_qubits
        self.circuit = encoder_circuit(n_qubits, layers, options)
        program = lower(self.circuit)
        masks = np.array([1 << q for q in range(n_outputs)], dtype=np.int64)
        self.engine: Engine = backend.engine(program, masks) if backend else AdjointEngine(program, masks)
        self.theta = nn.Parameter(initial_angles(program.n_angles, generator))
        self.scale: Tensor = nn.Parameter(torch.tensor(INITIAL_SCALE)) if scaled else torch.tensor(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Latent values (B, n_outputs), angles in radians where a quantum head reads them, of embeddings (B, D)."""
        states = torch.cat([amplitudes(x, self.pad, sign) for sign in self.signs])
        values = expectations(self.engine, self.theta, states)
        if self.odd:
            plus, minus = values.chunk(2)
            values = (plus - minus) / 2
        latent: Tensor = self.scale * values
        return latent

    @property
    def signs(self) -> tuple[float, ...]:
        """Signs of the constant amplitude that a value is read from, one circuit each."""
        return (1.0, -1.0) if self.odd else (1.0,)


class ParallelEncoders(nn.Module):
    """E encoders side by side, section III-D: each sees the whole embedding and yields its share of the latent.

    Args:
        encoders: on what the data map gives.
        data_map: what an embedding passes before; None: nothing.
    """

    def __init__(self, encoders: list[QuantumEncoder], data_map: DataMap | None = None) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.data_map = data_map

    def forward(self, x: Tensor) -> Tensor:
        """Latent vector (B, Q): the encoders' values one after the other."""
        mapped = self.mapped(x)
        return torch.cat([encoder(mapped) for encoder in self.encoders], dim=1)

    def mapped(self, x: Tensor) -> Tensor:
        """What the encoders load of embeddings (B, D), before it is made a unit vector."""
        found: Tensor = x if self.data_map is None else self.data_map(x)
        return found


INITIAL_SCALE = math.pi  # ⟨Z⟩ in [-1, 1] becomes an angle in [-π, π]


def initial_angles(count: int, generator: torch.Generator) -> Tensor:
    """Weights (count,), uniform on [-π, π): a rotation angle has no other natural range."""
    return (2.0 * torch.rand(count, generator=generator) - 1.0) * math.pi
