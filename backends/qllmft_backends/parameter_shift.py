"""The parameter-shift rule in one call of a backend: every shift of every sample, all observables together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import EstimatorGradientResult, ParamShiftEstimatorGradient

from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Backend


class BatchedParameterShift(ParamShiftEstimatorGradient):  # type: ignore[misc]
    """Qiskit's parameter-shift gradient, asked of the backend in one call a circuit.

    Qiskit's own makes a pub for every shift of every sample and every observable: 28,800 of them for the paper's head
    on 10 qubits and a batch of 16, where 2,880 circuits measure everything.

    Args:
        backend: what computes the values; noise and shots are its own.
    """

    def __init__(self, backend: Backend) -> None:
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
        """Refuse what Qiskit would rewrite: it has no rule for the gate, and other gates carry other noise."""
        if self._backend.capabilities.noisy:
            for circuit in {id(circuit): circuit for circuit in circuits}.values():
                for gate in circuit.data:
                    if gate.is_parameterized() and gate.operation.name not in self.SUPPORTED_GATES:
                        raise BackendError(
                            f"gate {gate.operation.name!r} of circuit {circuit.name!r} has a parameter and no "
                            f"parameter-shift rule; expected {', '.join(self.SUPPORTED_GATES)}. Write it with these, "
                            "so that its gradient sees the noise that its value does."
                        )
        return super()._run(circuits, observables, parameter_values, parameters, **options)

    def _run_unique(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[SparsePauliOp],
        parameter_values: Sequence[Sequence[float]] | NDArray[np.float64],
        parameters: Sequence[Sequence[Parameter]],
        **options: Any,
    ) -> EstimatorGradientResult:
        """Gradient i by ``parameters[i]``. Qiskit has made the circuits so that each parameter stands in one gate."""
        members_of: dict[int, list[int]] = {}
        for i, circuit in enumerate(circuits):
            members_of.setdefault(id(circuit), []).append(i)
        gradients: dict[int, NDArray[np.float64]] = {}
        for members in members_of.values():
            circuit = circuits[members[0]]
            order = {parameter: k for k, parameter in enumerate(circuit.parameters)}
            unique = {id(observables[i]): SparsePauliOp(observables[i]) for i in members}
            column_of = {identity: column for column, identity in enumerate(unique)}
            shifts = {i: _Shifts(parameter_values[i], [order[p] for p in parameters[i]]) for i in members}
            blocks = {shift.key: shift.rows for shift in shifts.values()}  # samples that differ, each once
            ends = np.cumsum([len(rows) for rows in blocks.values()])
            answers = self._backend.expectations(circuit, np.concatenate(list(blocks.values())), list(unique.values()))
            block_of = dict(zip(blocks, np.split(answers.values, ends[:-1]), strict=True))  # each (2k, O)
            for i in members:
                plus, minus = np.split(block_of[shifts[i].key][:, column_of[id(observables[i])]], 2)
                gradients[i] = (plus - minus) / 2
        return EstimatorGradientResult(
            gradients=[gradients[i] for i in range(len(circuits))],
            metadata=[{"parameters": list(p)} for p in parameters],
            options=options,
        )


class _Shifts:
    """Parameter values (2k, P) of one sample: parameter ``shifted[j]`` plus π/2 in row j, minus π/2 in row k + j."""

    def __init__(self, values: Sequence[float] | NDArray[np.float64], shifted: list[int]) -> None:
        centre = np.asarray(values, np.float64)
        offsets = np.pi / 2 * np.eye(len(centre))[shifted]
        self.rows = np.concatenate([centre + offsets, centre - offsets])
        self.key = (centre.tobytes(), tuple(shifted))
