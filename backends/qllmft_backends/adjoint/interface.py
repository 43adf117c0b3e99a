"""Interfaces of engines and of the backends that have one, on any device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.adjoint.program import ComplexProgram, Program
from qllmft_backends.protocol import Evaluator, check_methods
from qllmft_backends.z_observables import ZObservables


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
    def masks(self) -> NDArray[np.int64]:
        """Return (T,) the qubits on which each string has Z, or Y."""
        ...


class AdjointCapable(Evaluator, Protocol):
    """Backend with `Capabilities.adjoint`: heads and encoders train on it by vector-Jacobian products."""

    @property
    def seed(self) -> int:
        """Return the seed of the noise of its passes."""
        ...

    def engine(self, program: Program, masks: NDArray[np.int64]) -> Engine:
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
