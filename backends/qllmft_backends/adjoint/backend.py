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
from qllmft_backends.adjoint.program import ZObservables, lower
from qllmft_backends.protocol import Backend, Capabilities, Expectations


class AdjointOptions(BaseModel):
    """Options of the backend ``adjoint``.

    Attributes:
        dtype: ``float32``, or ``float64`` for reference values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    dtype: Literal["float32", "float64"] = "float32"


class AdjointBackend(Backend):
    """The project's own simulator: exact, batched, real amplitudes, adjoint gradients."""

    name: ClassVar[str] = "adjoint"

    def __init__(self, options: AdjointOptions | None = None) -> None:
        self.options = options or AdjointOptions()

    @property
    def capabilities(self) -> Capabilities:
        """Exact and adjoint; up to 30 qubits of real gates."""
        return Capabilities(exact=True, adjoint=True, max_qubits=30)

    def compile(
        self, circuit: QuantumCircuit, observables: Sequence[SparsePauliOp]
    ) -> tuple[AdjointEngine, ZObservables]:
        """An engine for ``circuit`` that measures the strings of ``observables``.

        Raises:
            UnsupportedGateError: where a gate, an angle or an observable is not of the engine's kind.
        """
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        return AdjointEngine(lower(circuit), sums.masks, self.options.dtype), sums

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
