"""Odd encoders as a matrix: their values are linear in the loaded vector, so no text is simulated in them.

With V the encoder's circuit and |c⟩ the constant's basis state, the odd value of Z is f(z) = a·z with the loaded vector
z and a = (the entries of z in) Vᵀ Z V |c⟩.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.heads.encoder import QuantumEncoder
from qllmft_engine import AdjointEngine, Program
from qllmft_engine.torch.transforms import refuse_batched_cotangent, refuse_second_derivative


def stackable(encoders: Sequence[QuantumEncoder]) -> bool:
    """Return whether encoders are odd and share a circuit on the CPU, so that one pass computes all."""
    engine = encoders[0].engine
    return isinstance(engine, AdjointEngine) and all(
        encoder.odd and encoder.engine is engine for encoder in encoders
    )


def stacked_rows(encoders: Sequence[QuantumEncoder]) -> Tensor:
    """Return the matrix (Q, m) in float64 from the loaded vector to the latent values of `stackable` encoders.

    With V an encoder's circuit and |c⟩ the constant's basis state, a row is Vᵀ Z V |c⟩ times the scale.
    """
    thetas = torch.stack([encoder.theta for encoder in encoders]).double()
    scales = torch.stack([encoder.scale for encoder in encoders]).double()
    return (OddRows(encoders[0])(thetas) * scales[:, None, None]).flatten(0, 1)


class OddRows:
    """Rows of odd encoders with one circuit, by their weights, on the project's engine in float64."""

    def __init__(self, encoder: QuantumEncoder) -> None:
        engine = encoder.engine
        program = engine.program
        assert isinstance(program, Program)  # an encoder's circuit is real
        if not isinstance(engine, AdjointEngine):
            engine = AdjointEngine(program, engine.masks, "float64")
        self._engine = engine.double
        self._matrix = None if encoder.is_plain else program.angle_matrix
        self._offset = program.angle_offset
        self._width = encoder.dimension
        self._size = 2**encoder.n_qubits

    def __call__(self, thetas: Tensor) -> Tensor:
        """Return `rows` as a differentiable function of the weights."""
        rows: Tensor = _DifferentiableRows.apply(thetas, self)  # type: ignore[no-untyped-call]
        return rows

    def rows(self, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows a (..., T, m) for the weights (P,) of one encoder or (E, P) of several.

        A row is half of ⟨Z⟩'s derivative by amplitudes at the constant's state.
        """
        n_values = len(self._engine.masks)
        n_encoders = 1 if thetas.ndim == 1 else len(thetas)
        constant = np.zeros((n_encoders * n_values, self._size))
        constant[:, self._width] = 1.0
        _, tape = self._engine.forward(self._angles(thetas), constant)
        cotangent = np.tile(np.eye(n_values), (n_encoders, 1))
        gradient = self._engine.vjp(tape, cotangent, amplitudes=True)[1]
        assert gradient is not None
        return (gradient[:, : self._width] / 2).reshape(*thetas.shape[:-1], n_values, -1)

    def gradient(
        self, thetas: NDArray[np.float64], by_rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the gradient by the weights of a function with the gradient ``by_rows`` (..., T, m) by the rows.

        g·a is the odd value of the vector g: half the difference of ⟨Z⟩ on (g/‖g‖, 1)/√2 and (g/‖g‖, -1)/√2, times ‖g‖.
        """
        n_values, m = by_rows.shape[-2:]
        vectors = by_rows.reshape(-1, m)
        lengths = np.linalg.norm(vectors, axis=1)
        states = np.zeros((2, len(vectors), self._size))
        states[:, :, :m] = vectors / np.where(lengths == 0, 1.0, lengths)[:, None]
        states[0, :, m] = 1.0
        states[1, :, m] = -1.0
        states = states.reshape(-1, self._size) / np.sqrt(2.0)
        angles = self._angles(thetas)
        shared = thetas.ndim == 1
        _, tape = self._engine.forward(angles if shared else np.tile(angles, (2, 1)), states)
        n_encoders = len(vectors) // n_values
        half = np.tile(np.eye(n_values), (n_encoders, 1)) * (lengths / 2)[:, None]
        gradient = self._engine.vjp(tape, np.concatenate([half, -half]))[0]
        by_angle: NDArray[np.float64] = np.asarray(gradient)
        if not shared:
            by_angle = by_angle.reshape(2, n_encoders, n_values, -1).sum(axis=(0, 2))
        return by_angle if self._matrix is None else np.asarray(by_angle @ self._matrix)

    def _angles(self, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the engine's angles (G,) of one encoder, or (E·T, G) of the values of several."""
        angles = thetas
        if self._matrix is not None:
            angles = thetas @ self._matrix.T + self._offset
        return angles if angles.ndim == 1 else angles.repeat(len(self._engine.masks), axis=0)


class LatentMap:
    """Map from the loaded vector to all latent values of odd encoders, differentiable by the encoders' parameters.

    Attributes:
        encoders: the encoders of the latent vector's parts, in their order.
        encoder_rows: their rows.
    """

    def __init__(self, encoders: Sequence[QuantumEncoder]) -> None:
        self.encoders = encoders
        self.encoder_rows = [OddRows(encoder) for encoder in encoders]

    def __call__(self) -> Tensor:
        """Return B (Q, m) in float64."""
        if stackable(self.encoders):
            return stacked_rows(self.encoders)
        pairs = zip(self.encoders, self.encoder_rows, strict=True)
        return torch.cat([encoder.scale * rows(encoder.theta.double()) for encoder, rows in pairs])

    def rows(self, thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rows (T, m) of all encoders, without their scales, for weights (E, P)."""
        pairs = zip(self.encoder_rows, thetas, strict=True)
        return np.concatenate([rows.rows(theta) for rows, theta in pairs])

    def gradient(
        self, thetas: NDArray[np.float64], by_rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the gradient (E·P,) by the weights (E, P) of a function with the gradient (T, m) by the rows."""
        parts = np.split(by_rows, len(self.encoders))
        triples = zip(self.encoder_rows, thetas, parts, strict=True)
        return np.concatenate([rows.gradient(theta, part) for rows, theta, part in triples])


class _DifferentiableRows(torch.autograd.Function):
    """Rows of odd encoders as a differentiable function of their weights."""

    @staticmethod
    def forward(ctx: Any, thetas: Tensor, odd_rows: OddRows) -> Tensor:
        ctx.odd_rows = odd_rows
        ctx.save_for_backward(thetas)
        return torch.from_numpy(np.ascontiguousarray(odd_rows.rows(thetas.detach().numpy())))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        refuse_second_derivative()
        (thetas,) = ctx.saved_tensors
        refuse_batched_cotangent(grad_outputs[0])
        by_rows = np.ascontiguousarray(grad_outputs[0].numpy())
        return torch.from_numpy(ctx.odd_rows.gradient(thetas.detach().numpy(), by_rows)), None
