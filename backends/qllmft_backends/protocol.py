"""The question that every backend answers: circuit and values in, expectation values and standard errors out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do, and its limits.

    Attributes:
        exact: expectation values carry no statistical error.
        shots: values come from a number of measurements.
        noisy: gates carry noise.
        adjoint: vector-Jacobian products in one reverse sweep; the backend is then an `adjoint.AdjointCapable`.
        remote: circuits leave this machine.
        paid: circuits cost money.
        resumable: an interrupted job can be collected later.
        max_qubits, max_shots, max_circuits: limits of a circuit, and of a job; None: no limit known beforehand.
    """

    exact: bool = False
    shots: bool = False
    noisy: bool = False
    adjoint: bool = False
    remote: bool = False
    paid: bool = False
    resumable: bool = False
    max_qubits: int | None = None
    max_shots: int | None = None
    max_circuits: int | None = None


@dataclass(frozen=True)
class Expectations:
    """The answer of a backend.

    Attributes:
        values: (B, O) float64 expectation values.
        standard_errors: (B, O) float64; zeros where the backend is exact.
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.shape != self.standard_errors.shape or self.values.ndim != 2:
            raise ValueError(
                f"values are {self.values.shape}, standard errors {self.standard_errors.shape}; "
                "expected one shape (B, O) for both."
            )


@dataclass(frozen=True)
class Availability:
    """Whether a backend can work here, by its default options.

    Attributes:
        available: it can.
        note: why not and the remedy; or what an option of it would find (a GPU).
    """

    available: bool
    note: str = ""


class Evaluator(Protocol):
    """What computes expectation values; `Backend` is its base class, with Qiskit's interfaces on top."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this backend can do, with the options that it was made with."""

    @abstractmethod
    def expectations(
        self, circuit: QuantumCircuit, values: NDArray[np.float64], observables: Sequence[SparsePauliOp]
    ) -> Expectations:
        """Expectation values of Z observables.

        Args:
            circuit: without measurements; qubit 0 is the least significant bit.
            values: (B, P) parameter values in the order of ``circuit.parameters``; angles in radians.
            observables: O sums of strings of I and Z on the circuit's qubits.
        """
