"""What engines and the backends that have one offer, whatever device they run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.adjoint.program import ComplexProgram, Program
from qllmft_backends.protocol import Evaluator, check_methods
from qllmft_backends.z_observables import ZObservables


class Differentiable(Protocol):
    """Expectation values of a compiled circuit with their vector-Jacobian product: an engine, or a `NoisyPass`.

    Attributes:
        device: ``cpu`` or ``cuda``, where it computes.
    """

    device: ClassVar[str]

    @property
    def double(self) -> Differentiable:
        """The same in float64; itself where it computes in that."""
        ...

    def forward(self, angles: Any, amplitudes: Any = None) -> tuple[Any, Any]:
        """Expectation values (B, T), and a tape; see `AdjointEngine.forward`."""
        ...

    def values(self, angles: Any, amplitudes: Any = None) -> Any:
        """Expectation values (B, T) alone; see `AdjointEngine.values`."""
        ...

    def vjp(self, tape: Any, cotangent: Any, *, amplitudes: bool = False) -> tuple[Any, Any]:
        """Vector-Jacobian product; see `AdjointEngine.vjp`."""
        ...


class Noisy(Differentiable, Protocol):
    """A pass with noise, as training draws it: a `NoisyPass`."""

    @property
    def in_evaluation(self) -> Differentiable:
        """The pass of validation and test that draws from the same seed."""
        ...


class Engine(Differentiable, Protocol):
    """`AdjointEngine`, `ComplexEngine` or `CudaAdjointEngine`: NumPy's arrays in and out, on a GPU the device's too."""

    @property
    def program(self) -> Program | ComplexProgram:
        """The lowered circuit."""
        ...

    @property
    def masks(self) -> NDArray[np.int64]:
        """(T,) the qubits on which each string has Z, or Y."""
        ...


class AdjointCapable(Evaluator, Protocol):
    """A backend with `Capabilities.adjoint`: heads and encoders train on it by vector-Jacobian products."""

    @property
    def seed(self) -> int:
        """Seed of the noise that its passes draw."""
        ...

    def engine(self, program: Program, masks: NDArray[np.int64]) -> Engine:
        """An engine on this backend's device for a lowered circuit and (T,) Z strings, without noise."""
        ...

    def compile(self, circuit: QuantumCircuit, observables: Sequence[SparsePauliOp]) -> tuple[Engine, ZObservables]:
        """An engine for ``circuit`` that measures the strings of ``observables``, and these as sums of strings."""
        ...

    def noisy_pass(self, circuit: QuantumCircuit, engine: Engine) -> Callable[[int], Noisy] | None:
        """From a seed to a pass of training with this backend's noise; None where it has none.

        Args:
            circuit: what ``engine`` was compiled from.
            engine: from `compile`.
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
