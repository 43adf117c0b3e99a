"""Odd latent values as a linear map of the loaded vector: rows of the map and their gradient, for any batch.

With V the encoder's circuit and |c⟩ the constant's basis state, the odd value of Z is f(z) = a·z with the loaded vector
z and a = (the entries of z in) Vᵀ Z V |c⟩, so no batch needs to be simulated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.heads import Classifier, ParallelEncoders, QuantumEncoder
from qllmft.heads.encoder import loaded_vector
from qllmft.training.examples import Examples
from qllmft_backends.adjoint import AdjointEngine
from qllmft_backends.adjoint.program import Program

Floats = NDArray[np.float64]


class OddObjective:
    """Base of the functions that L-BFGS minimises: odd encoders on N texts, below other parts of a model."""

    def __init__(self, model: Classifier, examples: Examples) -> None:
        assert isinstance(model.encoder, ParallelEncoders)
        assert model.final is not None
        self._encoder, self._final = model.encoder, model.final
        self._map = OddMap(model.encoder)
        self.x, self._size = self.loaded(examples.x), examples.size

    def loaded(self, x: Tensor) -> Floats:
        """Return `loaded_vectors` (N, m) of embeddings (N, D)."""
        return loaded_vectors(self._encoder, x)


def loaded_vectors(encoder: ParallelEncoders, x: Tensor) -> Floats:
    """Return vectors (N, m) in which the odd values of embeddings (N, D) are linear."""
    first = encoder.encoders[0]
    assert isinstance(first, QuantumEncoder)
    return np.asarray(loaded_vector(encoder.mapped(x.double()), first.pad).numpy())


class OddRows:
    """One odd encoder on the project's engine, in float64."""

    def __init__(self, encoder: QuantumEncoder) -> None:
        program = encoder.engine.program
        assert isinstance(program, Program)  # an encoder's circuit is real
        self._engine = AdjointEngine(program, encoder.engine.masks, "float64")
        self._matrix: Floats | None = None if encoder.is_plain else program.angle_matrix
        self._offset: Floats = program.angle_offset
        self._width, self._size = encoder.dimension, 2**encoder.n_qubits

    def rows(self, theta: Floats) -> Floats:
        """Return rows a (T, m) for weights (P,): half of ⟨Z⟩'s derivative by amplitudes at the constant's state."""
        n_values = len(self._engine.masks)
        constant = np.zeros((n_values, self._size))
        constant[:, self._width] = 1.0
        _, tape = self._engine.forward(self._angles(theta), constant)
        gradient = self._engine.vjp(tape, np.eye(n_values), amplitudes=True)[1]
        assert gradient is not None
        return np.asarray(gradient[:, : self._width] / 2)

    def gradient(self, theta: Floats, by_rows: Floats) -> Floats:
        """Return the gradient by the weights (P,) of a function with the gradient ``by_rows`` (T, m) by the rows.

        g·a is the odd value of the vector g: half the difference of ⟨Z⟩ on (g/‖g‖, 1)/√2 and (g/‖g‖, -1)/√2, times ‖g‖.
        """
        n_values, m = by_rows.shape
        lengths = np.linalg.norm(by_rows, axis=1)
        states = np.zeros((2, n_values, self._size))
        states[:, :, :m] = by_rows / np.where(lengths == 0, 1.0, lengths)[:, None]
        states[0, :, m], states[1, :, m] = 1.0, -1.0
        _, tape = self._engine.forward(
            self._angles(theta), states.reshape(-1, self._size) / np.sqrt(2.0)
        )
        half = np.diag(lengths / 2)
        by_angle: Floats = np.asarray(self._engine.vjp(tape, np.concatenate([half, -half]))[0])
        return by_angle if self._matrix is None else by_angle @ self._matrix

    def _angles(self, theta: Floats) -> Floats:
        """Return the engine's angles (G,)."""
        return theta if self._matrix is None else self._matrix @ theta + self._offset


class OddMap:
    """Map from the loaded vector to all latent values of odd encoders, differentiable by the encoders' parameters.

    Attributes:
        encoders: the encoders of the latent vector's parts, in their order.
        odd: their rows.
    """

    def __init__(self, encoder: ParallelEncoders) -> None:
        self.encoders = [each for each in encoder.encoders if isinstance(each, QuantumEncoder)]
        self.odd = [OddRows(each) for each in self.encoders]

    def __call__(self) -> Tensor:
        """Return B (Q, m) in float64."""
        pairs = zip(self.encoders, self.odd, strict=True)
        return torch.cat(
            [
                encoder.scale * _Rows.apply(encoder.theta.double(), odd)  # type: ignore[no-untyped-call]
                for encoder, odd in pairs
            ]
        )


class _Rows(torch.autograd.Function):
    """Rows of an odd encoder (T, m) as a differentiable function of its angles."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, odd: OddRows) -> Tensor:
        ctx.odd = odd
        ctx.save_for_backward(theta)
        return torch.from_numpy(odd.rows(theta.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        (theta,) = ctx.saved_tensors
        by_rows = np.ascontiguousarray(grad_outputs[0].numpy())
        return torch.from_numpy(ctx.odd.gradient(theta.detach().numpy(), by_rows)), None
