"""Base of the gradients for Qiskit: requests grouped by circuit, with one call of the backend for each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import BaseEstimatorGradient, EstimatorGradientResult

from qllmft_backends.estimator import BackendEstimator
from qllmft_backends.protocol import Evaluator


class GradientPoint(NamedTuple):
    """Point of a circuit's parameters, and the derivatives to compute there."""

    # (P,) values of the circuit's parameters, in radians
    values: NDArray[np.float64]
    # the k parameters to differentiate by, as positions in ``circuit.parameters``
    columns: tuple[int, ...]


class BackendGradient(BaseEstimatorGradient):  # type: ignore[misc]
    """Base of a backend's gradients for `EstimatorQNN(gradient=...)`: implement `jacobians`.

    Qiskit requests one gradient per sample and observable. `jacobians` is called once per circuit, with its distinct
    samples and observables.
    """

    def __init__(self, backend: Evaluator) -> None:
        super().__init__(BackendEstimator(backend))
        self._backend = backend

    @abstractmethod
    def jacobians(
        self, circuit: QuantumCircuit, observables: list[SparsePauliOp], points: list[GradientPoint]
    ) -> Sequence[NDArray[np.float64]]:
        """Return the derivatives of O expectation values at N points: N arrays (O, k), k the point's columns."""

    def _run(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[SparsePauliOp],
        parameter_values: Sequence[Sequence[float]] | NDArray[np.float64],
        parameters: Sequence[Sequence[Parameter]],
        **options: Any,
    ) -> EstimatorGradientResult:
        members_of: dict[int, list[int]] = {}
        for i, circuit in enumerate(circuits):
            members_of.setdefault(id(circuit), []).append(i)
        gradients: dict[int, NDArray[np.float64]] = {}
        for members in members_of.values():
            circuit = circuits[members[0]]
            position = {parameter: k for k, parameter in enumerate(circuit.parameters)}
            operators = {id(observables[i]): observables[i] for i in members}
            row_of = {identity: row for row, identity in enumerate(operators)}
            points = {
                i: GradientPoint(
                    np.asarray(parameter_values[i], np.float64),
                    tuple(position[p] for p in parameters[i]),
                )
                for i in members
            }
            keys = {i: (point.values.tobytes(), point.columns) for i, point in points.items()}
            distinct = {keys[i]: points[i] for i in members}
            answers = self.jacobians(
                circuit, [SparsePauliOp(o) for o in operators.values()], list(distinct.values())
            )
            jacobian_at = dict(zip(distinct, answers, strict=True))
            gradients |= {i: jacobian_at[keys[i]][row_of[id(observables[i])]] for i in members}
        return EstimatorGradientResult(
            gradients=[gradients[i] for i in range(len(circuits))],
            metadata=[{"parameters": list(p)} for p in parameters],
            options=options,
        )
