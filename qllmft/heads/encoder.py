"""Encoders: from an embedding (B, D) to a latent vector (B, Q) of angles, and the map of embeddings before them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from torch import Tensor, nn

from qllmft.heads.autograd import expectations
from qllmft.heads.layer import NoisyCircuit, on_rows
from qllmft.heads.transforms import (
    refuse_batched_cotangent,
    refuse_second_derivative,
    transforms_active,
)
from qllmft.templates import Pad, check_amplitudes
from qllmft_base.errors import UserError, check_number, check_whole_number
from qllmft_circuits import Ansatz, encoder_circuit
from qllmft_engine import (
    SUPPORTED_GATES,
    AdjointCapable,
    AdjointEngine,
    Engine,
    Program,
    try_lower,
)

CONSTANT_LENGTH_RATIO = 8.0  # length of the constant amplitude over that of a usual embedding
SHORTEST_LENGTH = 1e-18  # length of the shortest embedding whose squares float32 can hold
# rows without a larger entry are multiplied first, which is exact
SMALL_ENTRY = 2.0**-50
SMALL_ENTRY_FACTOR = 2.0**100


class DataMap(nn.Module):
    """Map embeddings (B, D) to (x - mean) · axes / unit, (B, m).

    Its numbers depend on training embeddings, not on labels.

    Args:
        dimension: D.
        components: number of principal axes, at most D; None keeps the embedding as it is.
        scaled: divide by `CONSTANT_LENGTH_RATIO` times the root mean square of the lengths of the training
            embeddings' (x - mean).

    Attributes:
        mean: (D,) of the training embeddings; None without principal axes.
        axes: (D, m) with orthonormal columns, the direction of largest variance first; None without them.
        unit: (); None if nothing is divided.
    """

    mean: Tensor | None
    axes: Tensor | None
    unit: Tensor | None

    def __init__(self, dimension: int, components: int | None, *, scaled: bool = False) -> None:
        super().__init__()
        mean = axes = None
        if components is not None:
            mean = torch.zeros(dimension)
            axes = torch.eye(dimension, min(components, dimension))
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes)
        self.register_buffer("unit", torch.ones(()) if scaled else None)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Compute mean, axes and unit of the training embeddings (N, D).

        The axes are eigenvectors of the covariance matrix; if N < m, the last ones complete the basis.
        """
        x = x.double()
        if self.mean is not None and self.axes is not None:
            self.mean.copy_(x.mean(dim=0))
            x = x - x.mean(dim=0)
            vectors = torch.linalg.eigh(x.T @ x)[1].flip(1)[:, : self.axes.shape[1]]
            largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
            self.axes.copy_(vectors * largest.sign())  # an eigenvector's sign is free
        if self.unit is not None:
            length = CONSTANT_LENGTH_RATIO * x.square().sum(dim=1).mean().sqrt()
            self.unit.copy_(length if length > 0 else torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., m) of embeddings (..., D), in float32 or the wider dtype of ``x``."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        if self.mean is not None and self.axes is not None:
            x = (x - self.mean) @ self.axes.to(x.dtype)
        return x if self.unit is None else x / self.unit

    @property
    def n_stored(self) -> int:
        """Return the number of stored numbers, none of which is trained."""
        return sum(buffer.numel() for buffer in self.buffers())


def amplitudes(x: Tensor, pad: Pad, constant: float = 1.0) -> Tensor:
    """Return real amplitudes of norm 1, section III-C.

    The engine appends zeros up to 2^Q.

    Args:
        x: embeddings (..., D). One of zeros has no direction: all its amplitudes but the constant are zero.
        pad: ``zeros`` for x alone, so that ⟨Z⟩ is a quadratic form of x; ``bias`` for one more amplitude as long as x,
            so that ⟨Z⟩ has terms linear in x; ``constant`` for one more amplitude of 1 beside x as it is, so that the
            length of x is loaded too.
        constant: sign of that amplitude, 1 or -1.

    Returns:
        (..., D), or (..., D + 1) with ``bias`` and ``constant``.
    """
    if pad == "constant":
        constant_column = torch.full_like(x[..., :1], constant)
        return nn.functional.normalize(torch.cat([x, constant_column], dim=-1), dim=-1)
    small = x.abs().amax(dim=-1, keepdim=True) < SMALL_ENTRY
    unit = nn.functional.normalize(
        torch.where(small, x * SMALL_ENTRY_FACTOR, x), dim=-1, eps=SHORTEST_LENGTH
    )
    if pad == "zeros":
        return unit
    return torch.cat([unit, torch.full_like(unit[..., :1], constant)], dim=-1) / math.sqrt(2.0)


def loaded_vector(x: Tensor, pad: Pad) -> Tensor:
    """Return the vectors (..., D) in which odd values of embeddings (..., D) are linear.

    With amplitudes u of x and c of the constant they are 2·c·u: x / ‖x‖, or 2·x / (1 + ‖x‖²) with ``constant``.
    """
    if pad == "constant":
        return 2.0 * x / (1.0 + x.square().sum(dim=-1, keepdim=True))
    return amplitudes(x, "zeros")


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


def check_ansatz(ansatz: Ansatz | None) -> None:
    """Raise if an ansatz is no function, for instance its name or a circuit."""
    if ansatz is None or callable(ansatz):
        return
    remedy = "Give the function itself."
    if isinstance(ansatz, str):
        remedy = (
            f"Names belong to settings: get the function by qllmft.templates.ANSATZE[{ansatz!r}]."
        )
    elif isinstance(ansatz, QuantumCircuit):
        remedy = "For a head with a circuit of your own, call QuantumHead.from_circuit."
    raise UserError(
        f"ansatz is of type {type(ansatz).__name__}, expected a function of n_qubits and n_layers that returns a "
        f"circuit. {remedy}"
    )


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


class ParallelEncoders(nn.Module):
    """E parallel encoders, section III-D: each reads the mapped embedding and gives a part of the latent vector."""

    encoders: Sequence[QuantumEncoder]

    def __init__(self, encoders: list[QuantumEncoder], data_map: DataMap | None = None) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)  # type: ignore[assignment]
        self.data_map = data_map
        # copies of the weights and their matrix, so that one text after the other is a product of it; a fused step of
        # an optimizer changes weights and not their version
        self._rows: tuple[Tensor, Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the matrix, which follows from the weights."""
        return {**self.__dict__, "_rows": None}

    def forward(self, x: Tensor) -> Tensor:
        """Return the latent vector (..., Q), the concatenated values of the encoders."""
        if self.as_matrix and not transforms_active():
            return on_rows(self._multiply, x, self.dimension, self.encoders[0].theta, "embeddings")
        mapped = self.map_embeddings(x)
        return torch.cat([encoder(mapped) for encoder in self.encoders], dim=-1)

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the latent values (B, Q) of embeddings (B, D) by the matrix of `rows`, in the dtype of a weight."""
        return self.loaded_vector(x) @ self.rows().to(weight).T

    @property
    def dimension(self) -> int:
        """Return D, the length of an embedding."""
        mean = None if self.data_map is None else self.data_map.mean
        return self.encoders[0].dimension if mean is None else len(mean)

    @property
    def as_matrix(self) -> bool:
        """Return whether the latent values are computed by a matrix: of odd encoders without noise."""
        return stackable(self.encoders) and not any(encoder.is_noisy for encoder in self.encoders)

    def rows(self) -> Tensor:
        """Return the matrix (Q, m) from the loaded vector to the latent values of `stackable` encoders, in float64."""
        parameters = [part for encoder in self.encoders for part in (encoder.theta, encoder.scale)]
        if torch.is_grad_enabled() and any(part.requires_grad for part in parameters):
            return stacked_rows(self.encoders)
        weights = torch.cat([part.detach().ravel() for part in parameters])
        if self._rows is None or not torch.equal(self._rows[0], weights):
            self._rows = weights, stacked_rows(self.encoders)
        return self._rows[1]

    @property
    def slope(self) -> float:
        """Return the derivative of the loaded vector by an embedding near the mean, in a direction that is kept."""
        unit = None if self.data_map is None else self.data_map.unit
        return 1.0 if unit is None else 2.0 / float(unit)

    def map_embeddings(self, x: Tensor) -> Tensor:
        """Return the encoders' input for embeddings (..., D), before normalisation."""
        mapped: Tensor = x if self.data_map is None else self.data_map(x)
        return mapped

    def load_amplitudes(self, x: Tensor, sign: float = 1.0) -> Tensor:
        """Return the `amplitudes` of embeddings (..., D), with a constant of a sign."""
        return amplitudes(self.map_embeddings(x), self.encoders[0].pad, sign)

    def loaded_vector(self, x: Tensor) -> Tensor:
        """Return the vectors (..., m) of embeddings (..., D) in which odd values are linear."""
        return loaded_vector(self.map_embeddings(x), self.encoders[0].pad)


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


class _DifferentiableRows(torch.autograd.Function):
    """Rows of odd encoders as a differentiable function of their weights."""

    @staticmethod
    def forward(ctx: Any, thetas: Tensor, odd: OddRows) -> Tensor:
        ctx.odd = odd
        ctx.save_for_backward(thetas)
        return torch.from_numpy(np.ascontiguousarray(odd.rows(thetas.detach().numpy())))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        refuse_second_derivative()
        (thetas,) = ctx.saved_tensors
        refuse_batched_cotangent(grad_outputs[0])
        by_rows = np.ascontiguousarray(grad_outputs[0].numpy())
        return torch.from_numpy(ctx.odd.gradient(thetas.detach().numpy(), by_rows)), None


def initial_angles(
    count: int, generator: torch.Generator | None, largest: float | None = None
) -> Tensor:
    """Return weights (count,), uniform on [-largest, largest); None is π, the natural range of a rotation angle."""
    largest = math.pi if largest is None else largest
    check_number("initial_angle", largest)
    if not (generator is None or isinstance(generator, torch.Generator)):
        raise UserError(
            f"generator is {generator!r}, expected a generator of torch, such as torch.Generator().manual_seed(0)."
        )
    return (2.0 * torch.rand(count, generator=generator) - 1.0) * largest
