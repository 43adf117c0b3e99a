"""The engine's gradient for Qiskit's EstimatorQNN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.adjoint.interface import AdjointCapable
from qllmft_backends.gradient import BackendGradient, GradientPoint


class AdjointGradient(BackendGradient):
    """Jacobians by one reverse sweep per observable.

    The interface requires the whole Jacobian; `qllmft.heads.AdjointConnector` uses the vector-Jacobian product instead.
    """

    _backend: AdjointCapable

    def jacobians(
        self, circuit: QuantumCircuit, observables: list[SparsePauliOp], points: list[GradientPoint]
    ) -> Sequence[NDArray[np.float64]]:
        """Return exact Jacobians in the engine's precision (see `BackendGradient.jacobians`)."""
        engine, sums = self._backend.compile(circuit, observables)
        values = np.array([point.values for point in points])
        _, tape = engine.forward(engine.program.angles(values))
        rows = []  # (N, P) of each observable
        for coefficients in sums.coefficients:
            by_angle, _ = engine.vjp(tape, np.tile(coefficients, (len(points), 1)))
            rows.append(engine.program.by_parameter(by_angle, values))
        return [
            np.array([row[n, list(point.columns)] for row in rows])
            for n, point in enumerate(points)
        ]
