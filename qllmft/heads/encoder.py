"""Quantum encoder: from an embedding (B, D) to latent values (B, Q_e) of one circuit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral

import numpy as np
import torch
from qiskit import QuantumCircuit
from torch import Tensor, nn

from qllmft.heads.checks import check_ansatz
from qllmft.heads.initial_weights import initial_angles
from qllmft.heads.layer import NoisyCircuit, on_rows
from qllmft.heads.loading import amplitudes
from qllmft.templates import Pad, check_amplitudes
from qllmft_base.errors import UserError, check_number, check_whole_number
from qllmft_circuits import encoder_circuit
from qllmft_circuits.ansatz import Ansatz
from qllmft_engine import (
    SUPPORTED_GATES,
    AdjointCapable,
    AdjointEngine,
    Engine,
    Program,
    try_lower,
)
from qllmft_engine.torch.autograd import expectations


class QuantumEncoder(NoisyCircuit, nn.Module):
    """One simulated quantum encoder (sQE): amplitude loading, ansatz layers, ⟨Z⟩ times a trainable scale.

    Args:
        dimension: dimension D of the embeddings.
        n_qubits: Q_e.
        n_outputs: number of values, ⟨Z⟩ of qubits 0..n_outputs-1 unless ``wires`` are given.
        layers: number of ansatz layers.
        ansatz: makes the layers; the paper's by default.
        pad: filling of the amplitudes past the embedding; see `amplitudes`.
        odd: a value is (⟨Z⟩ with the constant - ⟨Z⟩ with its negative) / 2, which is linear in `loaded_vector`.
        scaled: train the scale; else it is fixed, and like ``n_qubits`` no part of the state_dict.
        scale: initial scale; π maps ⟨Z⟩ in [-1, 1] to an angle in [-π, π].
        wires: measured qubits, in the order of the values.
        initial_angle: largest initial angle; see `initial_angles`.
        backend: simulates on its device; the CPU by default.
        noisy: values have the backend's shots; else they are exact, as the paper's.
        generator: source of the initial weights; torch's default generator if None.
        like: an encoder of the same arguments, whose compiled circuit this one shares; None: it is compiled.

    Raises:
        UserError: if a size is no whole number, the embedding does not fit on 2^Q_e amplitudes, the engine does not run
            the ansatz, ``wires`` are not ``n_outputs`` different qubits, or ``odd`` values have no constant.

    Attributes:
        is_plain: the engine's angles are the weights ``theta`` in their order.
    """

    def __init__(
        self,
        dimension: int,
        n_qubits: int,
        n_outputs: int,
        layers: int,
        *,
        ansatz: Ansatz | None = None,
        pad: Pad = "zeros",
        odd: bool = False,
        scaled: bool = True,
        scale: float = math.pi,
        wires: Sequence[int] | None = None,
        initial_angle: float | None = None,
        backend: AdjointCapable | None = None,
        noisy: bool = False,
        generator: torch.Generator | None = None,
        like: QuantumEncoder | None = None,
    ) -> None:
        super().__init__()
        check_whole_number("dimension", dimension, 1)
        check_whole_number("n_qubits", n_qubits, 1)
        check_whole_number("n_outputs", n_outputs, 1)
        check_whole_number("layers", layers, 0)
        check_number("scale", scale)
        check_amplitudes(dimension, n_qubits, pad)
        check_ansatz(ansatz)
        if odd and pad == "zeros":
            raise UserError(
                "odd is True and pad 'zeros', whose odd values are all 0. Set pad to 'bias' or 'constant'."
            )
        qubits = measured_qubits(n_qubits, n_outputs, wires)
        self.dimension = dimension
        self.pad: Pad = pad
        self.odd = odd
        self.n_qubits = n_qubits
        self.n_outputs = n_outputs
        if backend is not None and not hasattr(backend, "engine"):
            raise UserError(
                f"backend is {getattr(backend, 'name', backend)!r}, and only the engine runs encoders. Give "
                "qllmft_backends.create('adjoint'), or leave it out."
            )
        if like is None:
            self.circuit = encoder_circuit(n_qubits, layers, ansatz)
            masks = np.array([1 << q for q in qubits], dtype=np.int64)
            make = backend.engine if backend else AdjointEngine
            self.engine: Engine = make(encoder_program(self.circuit), masks)
        else:
            self.circuit = like.circuit
            self.engine = like.engine
        program = self.engine.program
        if noisy and backend is not None:
            self._noisy_pass = backend.noisy_pass(self.circuit, self.engine)
            self.reseed(backend.seed)
        self.is_plain = program.is_identity_map
        self.theta = nn.Parameter(initial_angles(len(program.parameters), generator, initial_angle))
        factor = torch.tensor(float(scale))
        self.scale: Tensor = nn.Parameter(factor) if scaled else factor

    def forward(self, x: Tensor) -> Tensor:
        """Return latent values (..., n_outputs) of embeddings (..., D), in radians for a quantum head."""
        return on_rows(self._latent, x, self.dimension, self.theta, "embeddings")

    def _latent(self, x: Tensor, theta: Tensor) -> Tensor:
        """(B, n_outputs) of (B, D)."""
        if not self.is_plain:
            maps = self.engine.program.angle_matrix, self.engine.program.angle_offset
            theta = nn.functional.linear(theta, *(torch.from_numpy(a).to(theta) for a in maps))
        states = torch.cat([amplitudes(x, self.pad, sign) for sign in self.signs])
        values = expectations(self.next_pass(), theta, states)
        if self.odd:
            plus, minus = values.chunk(2)
            values = (plus - minus) / 2
        return self.scale * values

    def extra_repr(self) -> str:
        """Return the sizes that torch prints of a module."""
        return (
            f"dimension={self.dimension}, n_qubits={self.n_qubits}, n_outputs={self.n_outputs}, "
            f"n_weights={self.theta.numel()}, pad={self.pad!r}, odd={self.odd}"
        )

    @property
    def signs(self) -> tuple[float, ...]:
        """Return the signs of the constant amplitude, one circuit each."""
        return (1.0, -1.0) if self.odd else (1.0,)


def measured_qubits(n_qubits: int, n_outputs: int, wires: Sequence[int] | None) -> list[int]:
    """Return the measured qubit of each value, or raise UserError."""
    wires = range(n_outputs) if wires is None else wires
    if not isinstance(wires, Iterable):
        raise UserError(f"wires is {wires!r}, expected a list of qubits, such as [{wires!r}].")
    qubits = list(wires)
    if len(qubits) != n_outputs:
        raise UserError(
            f"wires are {qubits} and n_outputs is {n_outputs}, expected a qubit for each value. Give as many of both."
        )
    are_qubits = all(isinstance(qubit, Integral) and 0 <= qubit < n_qubits for qubit in qubits)
    if not qubits or len(set(qubits)) < len(qubits) or not are_qubits:
        raise UserError(
            f"the measured qubits are {qubits}, expected one or more different ones of 0 to {n_qubits - 1}. Change "
            "wires, n_outputs or n_qubits."
        )
    return qubits


def encoder_program(circuit: QuantumCircuit) -> Program:
    """Lower an encoder's circuit for the engine, or raise UserError."""
    program = try_lower(circuit)
    if isinstance(program, Program):
        return program
    # no other backend runs encoders, so the remedy of the engine does not help
    raise UserError(
        f"{program.fault} Encoders run {', '.join(SUPPORTED_GATES)}. Choose another ansatz for them "
        "(model.encoder_ansatz), such as 'paper', or set model.encoder to 'mlp'."
    )
