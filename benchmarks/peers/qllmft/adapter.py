"""The only place that knows the interface of this project's adjoint engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qllmft_backends import create

from workloads import CX, RY, Gate

Reals = NDArray[np.floating]


class EngineCircuit:
    """Circuit on the float32 engine: values and gradients of <Z_q> for all qubits, little-endian."""

    def __init__(self, gates: Sequence[Gate], n_qubits: int, n_weights: int, n_data: int) -> None:
        theta = ParameterVector("theta", n_weights)
        x = ParameterVector("x", n_data)
        circuit = QuantumCircuit(n_qubits)
        for gate in gates:
            if isinstance(gate, CX):
                circuit.cx(gate.control, gate.target)
            elif isinstance(gate, RY):
                circuit.ry((x if gate.from_data else theta)[gate.index], gate.qubit)
            else:
                getattr(circuit, gate.name)(*[theta[i] for i in gate.indices], *gate.qubits)
        self.n_weights = n_weights
        self.n_data = n_data
        z = [SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], n_qubits) for q in range(n_qubits)]
        self.engine, strings = create("adjoint").compile(circuit, z)
        self.program = self.engine.program
        if strings.masks.tolist() != [1 << q for q in range(n_qubits)]:
            raise RuntimeError(f"expected Z of every qubit in order, got the masks {strings.masks}")
        expected = [*theta, *x]
        if list(self.program.parameters) != expected:
            raise RuntimeError(
                f"expected the parameters theta, x in this order, got {self.program.parameters}"
            )

    def forward(self, weights: Reals, data: Reals, amplitudes: Reals | None) -> tuple[Reals, Any]:
        """Return values (B, Q) and the tape for ``backward``.

        Args:
            weights: (P,) radians.
            data: (B, D) radians; D = 0 for the encoder.
            amplitudes: (B, 768) normalised, or None for |0…0>.
        """
        if self.n_data == 0:
            self.values = weights[None].astype(np.float64)
            angles = self.program.angles(self.values)[0]
        else:
            self.values = np.empty((len(data), self.n_weights + self.n_data))
            self.values[:, : self.n_weights] = weights
            self.values[:, self.n_weights :] = data
            angles = self.program.angles(self.values)
        values, tape = self.engine.forward(angles, amplitudes)
        return values, tape

    def backward(self, tape: Any, cotangent: Reals) -> tuple[Reals, Reals]:
        """Return the gradients of sum(cotangent * values): weights (P,) and data (B, D)."""
        by_angle, _ = self.engine.vjp(tape, cotangent)
        by_parameter = self.program.by_parameter(np.atleast_2d(by_angle), self.values)
        if self.n_data == 0:
            return by_parameter[0], np.zeros((cotangent.shape[0], 0))
        return by_parameter[:, : self.n_weights].sum(axis=0), by_parameter[:, self.n_weights :]
