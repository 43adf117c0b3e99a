"""The engine as a backend, and as a gradient that Qiskit's EstimatorQNN takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import BaseEstimatorGradient, EstimatorGradientResult

from qllmft_backends.adjoint.engine import AdjointEngine
from qllmft_backends.adjoint.interface import Engine
from qllmft_backends.adjoint.program import Program, ZObservables, lower
from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Backend, Capabilities, Expectations


class AdjointOptions(BaseModel):
    """Options of the backend ``adjoint``.

    Attributes:
        dtype: ``float32``, or ``float64`` for reference values.
        device: ``cpu``, or ``cuda`` for an NVIDIA GPU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    dtype: Literal["float32", "float64"] = "float32"
    device: Literal["cpu", "cuda"] = "cpu"


class AdjointBackend(Backend):
    """The project's own simulator: exact, batched, real amplitudes, adjoint gradients.

    Raises:
        BackendError: for ``device='cuda'`` without a GPU that it runs on; says what was found and what is needed.
    """

    name: ClassVar[str] = "adjoint"

    def __init__(self, options: AdjointOptions | None = None) -> None:
        self.options = options or AdjointOptions()
        if self.options.device == "cuda":
            _cuda().find_limits()

    @property
    def capabilities(self) -> Capabilities:
        """Exact and adjoint; up to 30 qubits of real gates."""
        return Capabilities(exact=True, adjoint=True, max_qubits=30)

    def engine(self, program: Program, masks: NDArray[np.int64]) -> Engine:
        """An engine on this backend's device for a lowered circuit and (T,) Z strings."""
        if self.options.device == "cuda":
            engine: Engine = _cuda().CudaAdjointEngine(program, masks, self.options.dtype)
            return engine
        return AdjointEngine(program, masks, self.options.dtype)

    def compile(self, circuit: QuantumCircuit, observables: Sequence[SparsePauliOp]) -> tuple[Engine, ZObservables]:
        """An engine for ``circuit`` that measures the strings of ``observables``.

        Raises:
            UnsupportedGateError: where a gate, an angle or an observable is not of the engine's kind.
        """
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        return self.engine(lower(circuit), sums.masks), sums

    def expectations(
        self, circuit: QuantumCircuit, values: NDArray[np.float64], observables: Sequence[SparsePauliOp]
    ) -> Expectations:
        """Exact values; see `Backend.expectations`."""
        engine, sums = self.compile(circuit, observables)
        answers = engine.values(engine.program.angles(values)).astype(np.float64) @ sums.coefficients.T
        return Expectations(answers, np.zeros_like(answers))

    def gradient(self) -> AdjointGradient:
        """Adjoint gradients for `EstimatorQNN`."""
        return AdjointGradient(self)


def _cuda() -> Any:
    """The package for GPUs, imported where one is asked for."""
    try:
        from qllmft_backends.adjoint import cuda
    except ImportError as error:
        raise BackendError(
            f"device='cuda' needs numba's CUDA target, which does not load here ({error}): pip install 'qllmft[gpu]'."
        ) from error
    return cuda


class AdjointGradient(BaseEstimatorGradient):  # type: ignore[misc]
    """Jacobians by one reverse sweep an observable, for `EstimatorQNN(gradient=...)`.

    The interface asks for the whole Jacobian; `qllmft.heads.AdjointConnector` takes the vector-Jacobian
    product instead.
    """

    def __init__(self, backend: AdjointBackend) -> None:
        super().__init__(backend.estimator())
        self._backend = backend

    def _run(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[SparsePauliOp],
        parameter_values: Sequence[Sequence[float]] | NDArray[np.float64],
        parameters: Sequence[Sequence[Parameter]],
        **options: Any,
    ) -> EstimatorGradientResult:
        groups: dict[tuple[int, int], list[int]] = {}
        for i, (circuit, observable) in enumerate(zip(circuits, observables, strict=True)):
            groups.setdefault((id(circuit), id(observable)), []).append(i)
        gradients: dict[int, NDArray[np.float64]] = {}
        for members in groups.values():
            circuit = circuits[members[0]]
            engine, sums = self._backend.compile(circuit, [SparsePauliOp(observables[members[0]])])
            values = np.array([parameter_values[i] for i in members], np.float64)
            _, tape = engine.forward(engine.program.angles(values))
            by_angle, _ = engine.vjp(tape, np.repeat(sums.coefficients, len(members), axis=0))
            jacobian = by_angle.astype(np.float64) @ engine.program.angle_matrix
            order = {parameter: j for j, parameter in enumerate(circuit.parameters)}
            for i, row in zip(members, jacobian, strict=True):
                gradients[i] = row[[order[p] for p in parameters[i]]]
        return EstimatorGradientResult(
            gradients=[gradients[i] for i in range(len(circuits))],
            metadata=[{"parameters": list(p)} for p in parameters],
            options=options,
        )
