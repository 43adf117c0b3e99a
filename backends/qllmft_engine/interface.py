"""Engines on any device and the backends that have one: their interfaces, and the parts that all engines share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import Any, Literal, Protocol, Self, cast

from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.errors import BackendError
from qllmft_backends.observables import ZObservables
from qllmft_backends.protocol import Evaluator, Ints, check_methods
from qllmft_engine.bounds import MAX_QUBITS
from qllmft_engine.program import ComplexProgram, Program


class Differentiable(Protocol):
    """Expectation values of a compiled circuit with their vector-Jacobian product: an engine, or a `NoisyPass`."""

    @property
    def device(self) -> str:
        """Return the device that computes: ``cpu``, or one of torch's."""
        ...

    @property
    def double(self) -> Differentiable:
        """Return the same in float64."""
        ...

    def forward(self, angles: Any, amplitudes: Any = None) -> tuple[Any, Any]:
        """Return expectation values (B, T), and a tape (see `AdjointEngine.forward`)."""
        ...

    def values(self, angles: Any, amplitudes: Any = None) -> Any:
        """Return expectation values (B, T) alone (see `AdjointEngine.values`)."""
        ...

    def vjp(self, tape: Any, cotangent: Any, *, amplitudes: bool = False) -> tuple[Any, Any]:
        """Return the vector-Jacobian product (see `AdjointEngine.vjp`)."""
        ...


class Noisy(Differentiable, Protocol):
    """Pass with noise for training: a `NoisyPass`."""

    @property
    def in_evaluation(self) -> Differentiable:
        """Return the pass of validation and test that draws from the same seed."""
        ...


class Engine(Differentiable, Protocol):
    """`AdjointEngine`, `ComplexEngine`, or an engine on another device: arrays of NumPy, there tensors too."""

    @property
    def program(self) -> Program | ComplexProgram:
        """Return the lowered circuit."""
        ...

    @property
    def masks(self) -> Ints:
        """Return (T,) the qubits on which each string has Z, or Y."""
        ...


class MeasuringEngine(Protocol):
    """Engine of real states that draws shots: `AdjointEngine`, or one on another device, with arrays of NumPy."""

    @property
    def device(self) -> str:
        """Return the device that computes."""
        ...

    @property
    def program(self) -> Program:
        """Return the lowered circuit."""
        ...

    @property
    def masks(self) -> Ints:
        """Return (T,) Z strings."""
        ...

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """Return the type of its numbers."""
        ...

    @property
    def double(self) -> MeasuringEngine:
        """Return the same in float64."""
        ...

    @property
    def with_identity(self) -> MeasuringEngine:
        """Return the same with the identity as one more string."""
        ...

    def forward(self, angles: Any, amplitudes: Any = None, *, shots: Any = None) -> tuple[Any, Any]:
        """Return expectation values (B, T), exact or with `GaussianShots`, and a tape."""
        ...

    def values(self, angles: Any, amplitudes: Any = None, *, shots: Any = None) -> Any:
        """Return expectation values (B, T) alone."""
        ...

    def vjp(self, tape: Any, cotangent: Any, *, amplitudes: bool = False) -> tuple[Any, Any]:
        """Return the vector-Jacobian product (see `AdjointEngine.vjp`)."""
        ...

    def probabilities(self, angles: Any, amplitudes: Any = None) -> Any:
        """Return probabilities (B, 2^Q) of the outcomes."""
        ...


class AdjointCapable(Evaluator, Protocol):
    """Backend with `Capabilities.adjoint`: heads and encoders train on it by vector-Jacobian products."""

    @property
    def seed(self) -> int:
        """Return the seed of the noise of its passes."""
        ...

    def engine(self, program: Program, masks: Ints) -> Engine:
        """Return an engine on this backend's device for a lowered circuit and (T,) Z strings, without noise."""
        ...

    def compile(
        self, circuit: QuantumCircuit, observables: Sequence[SparsePauliOp]
    ) -> tuple[Engine, ZObservables]:
        """Return an engine that measures the strings of ``observables``, and these as sums of strings."""
        ...

    def noisy_pass(self, circuit: QuantumCircuit, engine: Engine) -> Callable[[int], Noisy] | None:
        """Return a function from a seed to a pass of training with this backend's noise, None without noise.

        The engine is that of `compile` for the circuit.
        """
        ...


def adjoint_or_none(backend: Evaluator) -> AdjointCapable | None:
    """Return the backend as an `AdjointCapable` if its capabilities say so, else None.

    Raises:
        BackendError: if a method is missing.
    """
    if not backend.capabilities.adjoint:
        return None
    check_methods(backend, "adjoint", ("seed", "engine", "compile", "noisy_pass"))
    return cast("AdjointCapable", backend)


class EngineBase:
    """Base of the engines, which are dataclasses of a program."""

    program: Program | ComplexProgram
    masks: Any  # (T,) the qubits on which each string has Z, or Y
    dtype: Literal["float32", "float64"]

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies and pickles anew: plans, addresses and arrays of a device are valid in this process only."""
        return type(self), tuple(getattr(self, f.name) for f in fields(self) if f.init)  # type: ignore[arg-type]

    @property
    def double(self) -> Self:
        """Return this engine in float64."""
        return self if self.dtype == "float64" else self._double

    @cached_property
    def _double(self) -> Self:
        return replace(self, dtype="float64")  # type: ignore[type-var]

    def _check_circuit(self) -> None:
        """Refuse too many qubits, and strings that reach past them."""
        n_qubits = self.program.n_qubits
        masks = self.masks
        if not 1 <= n_qubits <= MAX_QUBITS:
            raise BackendError(
                f"the circuit has {n_qubits} qubits. The adjoint engine runs 1 to {MAX_QUBITS}."
            )
        if masks.size and not 0 <= int(masks.min()) <= int(masks.max()) < 2**n_qubits:
            raise BackendError(
                f"observable masks {masks.tolist()} reach past the circuit's {n_qubits} qubits."
            )

    def _count_samples(self, angles: Any, amplitudes: Any) -> int:
        """Return B of angles (G,) or (B, G) and amplitudes (B, D), or None for |0...0⟩. Other shapes are an error."""
        n_angles = self.program.n_angles
        n_qubits = self.program.n_qubits
        if tuple(angles.shape[-1:]) != (n_angles,) or angles.ndim > 2:
            raise BackendError(
                f"angles are {tuple(angles.shape)}, expected ({n_angles},) or (B, {n_angles}): one a rotation."
            )
        if amplitudes is None:
            if angles.ndim == 1:
                raise BackendError(
                    "angles are shared and there are no amplitudes: the batch size is unknown."
                )
            return int(angles.shape[0])
        if amplitudes.ndim != 2 or amplitudes.shape[1] > 2**n_qubits:
            raise BackendError(
                f"amplitudes are {tuple(amplitudes.shape)}, expected (B, D) with D at most 2^{n_qubits}: "
                "more amplitudes need more qubits."
            )
        if angles.ndim == 2 and angles.shape[0] != amplitudes.shape[0]:
            raise BackendError(
                f"{angles.shape[0]} samples of angles, but {amplitudes.shape[0]} of amplitudes."
            )
        return int(amplitudes.shape[0])

    def _check_cotangent(self, cotangent: Any, samples: int) -> None:
        """Refuse a cotangent that is not (B, T)."""
        expected_shape = (samples, self.masks.size)
        if tuple(cotangent.shape) != expected_shape:
            raise BackendError(
                f"the cotangent is {tuple(cotangent.shape)}, expected {expected_shape}: (B, T)."
            )


# of a program of real gates and (T,) Z strings; if its attribute ``complex_gates`` is true, also of a `ComplexProgram`
# and `PauliObservables`
EngineMaker = Callable[[Any, Any, Literal["float32", "float64"]], Engine]
_providers: list[Callable[[str], EngineMaker]] = []


def provide_engines(maker_of: Callable[[str], EngineMaker]) -> None:
    """Register engines on other devices, in the place of earlier ones.

    ``maker_of`` returns the maker of the engines on a device, or raises `BackendError` if the device is not there.
    """
    _providers[:] = [maker_of]


def engine_maker(device: str) -> EngineMaker:
    """Return the maker of the engines on a device, such as ``cuda``.

    Raises:
        BackendError: if no package has registered engines, or the device is not there.
    """
    if not _providers:
        raise BackendError(
            f"device is {device!r}, and only the CPU's engine is loaded. The one for other devices belongs to "
            "qllmft.heads. Import it first (import qllmft.heads), or set device='cpu'."
        )
    return _providers[0](device)
