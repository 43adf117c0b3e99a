"""Backend with Qiskit's state vectors: slow, exact, any gate."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from qllmft_backends import Backend, Capabilities, Expectations
from qllmft_backends.registry import Entry

STATEVECTOR = Entry(
    "Qiskit's Statevector, exact",
    "qllmft_example.backend",
    "StatevectorBackend",
    "StatevectorOptions",
)


class StatevectorOptions(BaseModel):
    """Options of the backend; there are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StatevectorBackend(Backend):
    """Backend with one state vector per sample."""

    name: ClassVar[str] = "statevector"

    def __init__(self, options: StatevectorOptions | None = None) -> None:
        self.options = options or StatevectorOptions()

    @property
    def capabilities(self) -> Capabilities:
        """Return the capabilities: exact values."""
        return Capabilities(exact=True)

    def expectations(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        observables: Sequence[SparsePauliOp],
    ) -> Expectations:
        """Return values (B, O) of rows (B, P); see `Backend.expectations`."""
        states = [Statevector(circuit.assign_parameters(row)) for row in values]
        answers = np.array(
            [[state.expectation_value(o).real for o in observables] for state in states]
        )
        return Expectations(answers, np.zeros_like(answers))
