"""Requests to the adjoint engine, and their answers by Qiskit's `Statevector` and by the parameter-shift rule."""

from functools import cached_property

import numpy as np
import pytest
from qiskit import QuantumCircuit
from reference_circuits import (
    expectations_by_statevector,
    jacobian_by_shifts,
    masks_of_every_weight,
    z_string,
)

from qllmft_engine import AdjointEngine, lower

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)]
)


def unit_rows(rng: np.random.Generator, samples: int, dimension: int) -> np.ndarray:
    """Random amplitudes (B, D) of length one."""
    amplitudes = rng.normal(size=(samples, dimension))
    return amplitudes / np.linalg.norm(amplitudes, axis=1, keepdims=True)


class Case:
    """A circuit at B distinct samples of parameter values; a larger batch begins again with the first of them.

    Args:
        circuit: every parameter is the angle of a single R_Y.
        values: (B, P) in radians.
        amplitudes: (B, D) of the initial states; None: |0...0>.
        masks: of the Z strings; None: those of every weight.
        shared: the engine is given the angles of the first sample alone, which all rows of ``values`` repeat.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        values: np.ndarray,
        amplitudes: np.ndarray | None = None,
        masks: np.ndarray | None = None,
        shared: bool = False,
    ) -> None:
        self.circuit = circuit
        self.values = values
        self.amplitudes = amplitudes
        self.shared = shared
        self.masks = masks_of_every_weight(circuit.num_qubits) if masks is None else masks
        self._operators = [z_string(mask, circuit.num_qubits) for mask in self.masks]
        cotangent = np.random.default_rng(1).normal(size=(len(values), len(self.masks)))
        # gradients of order one
        self.cotangent = cotangent / np.abs(cotangent).sum(axis=1, keepdims=True)

    @cached_property
    def expected(self) -> np.ndarray:
        """(B, T) expectation values."""
        return expectations_by_statevector(
            self.circuit, self.values, self._operators, self.amplitudes
        )

    @cached_property
    def gradient(self) -> np.ndarray:
        """(B, P) derivatives by the parameters, weighted with the cotangent."""
        jacobian = jacobian_by_shifts(self.circuit, self.values, self._operators, self.amplitudes)
        return np.einsum("bo,bop->bp", self.cotangent, jacobian)

    def check(self, dtype: str, tolerance: float, sizes=(None,), *, gradient: bool = True) -> None:
        """The engine's answers for batches of ``sizes``; None: of all samples."""
        engine = AdjointEngine(lower(self.circuit), self.masks, dtype)
        for size in sizes:
            rows = np.arange(size or len(self.values)) % len(self.values)
            angles = engine.program.angles(self.values[rows])
            arguments = (
                angles[0] if self.shared else angles,
                None if self.amplitudes is None else self.amplitudes[rows],
            )
            answer, tape = engine.forward(*arguments)
            assert answer.dtype == np.dtype(dtype)
            np.testing.assert_allclose(
                answer, self.expected[rows], rtol=0, atol=tolerance, err_msg=f"B = {size}"
            )
            np.testing.assert_array_equal(engine.values(*arguments), answer, err_msg=f"B = {size}")
            if gradient:
                by_angle, by_amplitude = engine.vjp(
                    tape, self.cotangent[rows] / (len(rows) if self.shared else 1)
                )
                assert by_amplitude is None
                assert by_angle.dtype == np.dtype(dtype)
                expected = self.gradient[rows].mean(axis=0) if self.shared else self.gradient[rows]
                by_parameter = by_angle @ engine.program.angle_matrix
                np.testing.assert_allclose(
                    by_parameter, expected, rtol=0, atol=tolerance, err_msg=f"B = {size}"
                )
