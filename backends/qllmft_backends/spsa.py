"""SPSA gradients in few circuits: two a sample and perturbation, whatever the number of angles and observables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import BaseEstimatorGradient, EstimatorGradientResult

from qllmft_backends.protocol import Backend


class SpsaGradient(BaseEstimatorGradient):  # type: ignore[misc]
    """Simultaneous perturbation (Spall, IEEE Trans. Autom. Control 45, 1839, 2000) through any `Backend`.

    All angles move at once by ±step, with random signs s; the estimate of the gradient is
    (f(θ + step·s) - f(θ - step·s)) / (2·step) · s, averaged over ``batch`` draws of s. Its mean is the gradient up to
    O(step²); its spread grows with the number of angles.

    qiskit-machine-learning's `SPSAEstimatorGradient` draws new signs for each observable, and asks for its circuits one
    by one: with 6 observables six times the circuits, each in a job of its own. Here the observables of a sample share
    signs and circuits, and all samples of a call go out together.

    Args:
        backend: what computes the values.
        step_rad: the perturbation of each angle, in radians.
        batch: perturbations averaged.
        seed: of the signs.
    """

    def __init__(self, backend: Backend, step_rad: float, batch: int, seed: int) -> None:
        super().__init__(backend.estimator())
        self._backend = backend
        self._step = step_rad
        self._batch = batch
        self._rng = np.random.default_rng(seed)

    def _run(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[SparsePauliOp],
        parameter_values: Sequence[Sequence[float]] | NDArray[np.float64],
        parameters: Sequence[Sequence[Parameter]],
        **options: Any,
    ) -> EstimatorGradientResult:
        points: dict[tuple[int, bytes, tuple[str, ...]], list[int]] = {}  # one circuit at one point: its observables
        rows = [np.asarray(v, np.float64) for v in parameter_values]
        for i, circuit in enumerate(circuits):
            names = tuple(p.name for p in parameters[i])
            points.setdefault((id(circuit), rows[i].tobytes(), names), []).append(i)
        by_circuit: dict[int, list[list[int]]] = {}
        for (circuit_id, _, _), members in points.items():
            by_circuit.setdefault(circuit_id, []).append(members)
        gradients: dict[int, NDArray[np.float64]] = {}
        for groups in by_circuit.values():
            gradients.update(self._of_circuit(circuits, observables, rows, parameters, groups))
        return EstimatorGradientResult(
            gradients=[gradients[i] for i in range(len(circuits))],
            metadata=[{"parameters": list(p)} for p in parameters],
            options=options,
        )

    def _of_circuit(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[SparsePauliOp],
        rows: Sequence[NDArray[np.float64]],
        parameters: Sequence[Sequence[Parameter]],
        groups: Sequence[list[int]],
    ) -> dict[int, NDArray[np.float64]]:
        """The gradients of all points of one circuit, by one call of the backend."""
        circuit = circuits[groups[0][0]]
        order = {p: j for j, p in enumerate(circuit.parameters)}
        operators = list({id(observables[i]): observables[i] for members in groups for i in members}.values())
        column = {id(o): c for c, o in enumerate(operators)}
        shifted, signs = [], []
        for members in groups:
            moved = [order[p] for p in parameters[members[0]]]
            for _ in range(self._batch):
                sign = self._rng.choice([-1.0, 1.0], size=len(moved))
                step = np.zeros(len(order))
                step[moved] = self._step * sign
                shifted += [rows[members[0]] + step, rows[members[0]] - step]
                signs.append(sign)
        values = self._backend.expectations(circuit, np.array(shifted), [SparsePauliOp(o) for o in operators]).values
        slopes = (values[0::2] - values[1::2]) / (2 * self._step)  # (groups · batch, O)
        gradients = {}
        for g, members in enumerate(groups):
            draws = range(g * self._batch, (g + 1) * self._batch)
            for i in members:
                gradients[i] = np.mean([slopes[d, column[id(observables[i])]] * signs[d] for d in draws], axis=0)
        return gradients
