"""The parameter-shift rule in one call of a backend: every shift of every sample, all observables together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import EstimatorGradientResult, ParamShiftEstimatorGradient

from qllmft_backends.errors import BackendError
from qllmft_backends.gradient import BackendGradient, GradientPoint
from qllmft_backends.measurement import measure


class BatchedParameterShift(ParamShiftEstimatorGradient, BackendGradient):  # type: ignore[misc]
    """Qiskit's parameter-shift gradient with one call of the backend per circuit.

    Qiskit's own makes a pub for every shift of every sample and every observable: 28,800 of them for the paper's head
    on 10 qubits and a batch of 16, although 2,880 circuits measure everything.
    """

    # what Qiskit calls after it has given every gate a parameter of its own
    _run_unique = BackendGradient._run

    def jacobians(
        self, circuit: QuantumCircuit, observables: list[SparsePauliOp], points: list[GradientPoint]
    ) -> Sequence[NDArray[np.float64]]:
        """Return Jacobians of a circuit with each parameter in one gate (see `BackendGradient.jacobians`)."""
        blocks = []  # (2k, P) of each point: its k parameters plus π/2 one by one, then minus π/2
        for values, columns in points:
            offsets = np.pi / 2 * np.eye(len(values))[list(columns)]
            blocks.append(np.concatenate([values + offsets, values - offsets]))
        ends = np.cumsum([len(block) for block in blocks])
        answers = measure(self._backend, circuit, np.concatenate(blocks), observables).values
        halves = [np.split(block, 2) for block in np.split(answers, ends[:-1])]
        return [((plus - minus) / 2).T for plus, minus in halves]

    def _run(
        self, circuits: Sequence[QuantumCircuit], *request: Any, **options: Any
    ) -> EstimatorGradientResult:
        """Refuse noisy gates without a rule: Qiskit would rewrite them, and other gates carry other noise."""
        for circuit in {
            id(circuit): circuit for circuit in circuits if self._backend.capabilities.noisy
        }.values():
            for gate in circuit.data:
                if gate.is_parameterized() and gate.operation.name not in self.SUPPORTED_GATES:
                    raise BackendError(
                        f"gate {gate.operation.name!r} of circuit {circuit.name!r} has a parameter and no "
                        f"parameter-shift rule; expected {', '.join(self.SUPPORTED_GATES)}. Write it with these, "
                        "so that its gradient sees the noise that its value does."
                    )
        return super()._run(circuits, *request, **options)
