"""Circuits with a known answer, the first of each job of a call: their options and the circuit itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, model_validator
from qiskit import QuantumCircuit

from qllmft_backends.remote.batch import CircuitBatch, Template
from qllmft_backends.remote.ledger.chunk import KNOWN_ANSWER
from qllmft_backends.remote.options import JobOptions

# the circuit with a known answer adds more than a tenth to the price of a job of fewer
LEAST_CIRCUITS = 10
# with fewer, the noise of a good machine can turn the answer of one qubit in 36
LEAST_SHOTS = 20


class KnownAnswerOptions(JobOptions):
    """Options of a backend whose jobs may have a circuit with a known answer (see `JobOptions`).

    Attributes:
        known_answer_shots: shots of the circuit with a known answer that goes first in each job, in addition to the
            ``circuits_per_job`` others; a wrong answer stops the sending, and the results of its job are not used. All
            circuits of a job have its shots and its mitigation, so that this is ``shots``, or 0: no such circuit. None:
            ``shots`` if they are 20 or more and the call has ten circuits or more; no such circuit otherwise, and none
            to the mock server. Its price is that of a circuit with its few gates: about 2 % of a full job of 50
            circuits, up to a half of a job of one circuit.
        retry_wrong: send the circuits of jobs with a wrong known answer again. They are paid again.
    """

    if TYPE_CHECKING:  # declared by each backend's options, with limits of their own
        shots: int
    known_answer_shots: int | None = Field(None, ge=0)
    retry_wrong: bool = False

    @property
    def sends_wrong_again(self) -> bool:
        """Return the option ``retry_wrong``."""
        return self.retry_wrong

    @model_validator(mode="after")
    def _known_answers_fit(self) -> KnownAnswerOptions:
        if self.known_answer_shots not in (None, 0, self.shots):
            raise ValueError(
                f"known_answer_shots is {self.known_answer_shots} with shots {self.shots}; expected 0 (no circuit with "
                f"a known answer) or {self.shots}: all circuits of a job have its shots"
            )
        return self


@dataclass(frozen=True)
class KnownAnswers:
    """Circuits with a known answer of one backend.

    Attributes:
        options: of the backend.
        template: circuit with a given answer, compiled as those of a batch.
        is_mock: whether the server is known to be the mock server.
    """

    options: KnownAnswerOptions
    template: Callable[[CircuitBatch, int], Template]
    is_mock: Callable[[], bool] = lambda: False

    def wanted(self, batch: CircuitBatch) -> bool:
        """Return whether the jobs of a call have one."""
        if self.options.known_answer_shots is not None:
            return self.options.known_answer_shots > 0
        enough = self.options.shots >= LEAST_SHOTS and len(batch.values) >= LEAST_CIRCUITS
        return enough and batch.size.most_circuits > 1 and not self.is_mock()

    @property
    def continued(self) -> bool:
        """Return whether jobs that were sent with one before, and never accepted, are sent with one again."""
        return self.options.known_answer_shots is None


def known_circuit(n_qubits: int, state: int = 0) -> QuantumCircuit:
    """Return the circuit with the answer ``state`` (qubit 0 the least significant bit), without measurements.

    It detects faulty hardware or software, with a gate on every qubit and CNOT gates along them (see `known_state`).
    All its gates are there for every answer.
    """
    circuit, flips = QuantumCircuit(n_qubits, name=KNOWN_ANSWER), state ^ state << 1
    for qubit in range(n_qubits):
        circuit.ry(np.pi * (flips >> qubit & 1), qubit)
    for control in range(n_qubits - 1):
        circuit.cx(control, control + 1)
    return circuit
