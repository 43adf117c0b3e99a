"""Circuits of one call, and their places in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qllmft_backends.remote.cost import CostEstimate
from qllmft_backends.remote.errors import RemoteRequestError
from qllmft_backends.remote.ledger.chunk import KNOWN_ANSWER, Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Place
from qllmft_backends.remote.ledger.payload import known_state

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Template:
    """Circuit that can be sent.

    Attributes:
        circuit: parametric, every qubit measured into the classical bit of its index.
        sha256: hash of all that decides the circuit as sent, but for its angles.
        one_qubit_gates, two_qubit_gates: numbers in one circuit as sent.
    """

    circuit: QuantumCircuit
    sha256: str
    one_qubit_gates: int
    two_qubit_gates: int

    def __str__(self) -> str:
        return (
            f"{self.one_qubit_gates} one-qubit and {self.two_qubit_gates} two-qubit gates a circuit"
        )

    @property
    def gates(self) -> int:
        """Return the number of gates in one circuit as sent."""
        return self.one_qubit_gates + self.two_qubit_gates

    def bind(self, values: Floats, names: Sequence[str]) -> list[QuantumCircuit]:
        """Return one circuit per row of ``values`` (b, P), in radians, with the given ``names``."""
        circuits = []
        for row, name in zip(values, names, strict=True):
            bound = self.circuit.assign_parameters(row)
            bound.name = name
            circuits.append(bound)
        return circuits


def check_unmeasured(circuit: QuantumCircuit) -> None:
    """Raise `RemoteRequestError` for a circuit with classical bits: all its qubits are measured when it is sent."""
    if circuit.num_clbits:
        raise RemoteRequestError(
            f"circuit {circuit.name!r} has {circuit.num_clbits} classical bits; expected none: every qubit is measured "
            "here. Remove the measurements."
        )


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


@dataclass
class CircuitBatch:
    """Circuits of one call, checked and compiled.

    Attributes:
        template: the circuit.
        values: (B, P) parameter values in radians.
        setup: settings that decide a result.
        machine: its name, for people.
        circuits_per_job: greatest number of circuits per job, without the one with a known answer.
        most_circuits, most_gates: the server's limits on a job, with that circuit.
        known: circuit with a given known answer; None: the machine's jobs have none.
        checked: whether a circuit with a known answer goes first in each job.
        places: for each row of ``values`` its place in the ledger; None: still to be sent.
    """

    template: Template
    values: Floats
    setup: Setup
    machine: str
    circuits_per_job: int
    most_circuits: float = inf
    most_gates: float = inf
    known: Callable[[int], Template] | None = None
    checked: bool = False
    places: list[Place | None] = field(default_factory=list)

    @property
    def chunks(self) -> list[Chunk]:
        """Return the chunks of all places, each once, in their order."""
        return list({place[0].id: place[0] for place in self.places if place is not None}.values())

    @property
    def missing(self) -> list[int]:
        """Return the rows of ``values`` that are not in the ledger."""
        return [row for row, place in enumerate(self.places) if place is None]

    def circuits(self, chunk: Chunk, token: str) -> list[QuantumCircuit]:
        """Return the bound, measured circuits of a chunk's job in its order, with names from its client token."""
        bound = self.template.bind(chunk.values, chunk.names(token)[chunk.known_circuits :])
        if not chunk.checked:
            return bound
        assert self.known is not None
        return [self.known(known_state(token, chunk.setup.n_qubits)).circuit, *bound]

    def parts(self) -> list[list[int]]:
        """Return the missing rows divided into jobs, as the options ask and within the server's limits on a job."""
        circuits, gates = self.most_circuits, self.most_gates
        if self.checked and self.known is not None:
            circuits, gates = circuits - 1, gates - self.known(0).gates
        size = min(self.circuits_per_job, circuits, gates // max(1, self.template.gates))
        missing, size = self.missing, int(max(1, size))
        return [missing[start : start + size] for start in range(0, len(missing), size)]

    def estimate(self) -> CostEstimate:
        """Return the cost of sending the missing circuits, without a price."""
        missing, jobs = len(self.missing), len(self.parts())
        return CostEstimate(
            machine=self.machine,
            circuits=missing,
            known=len(self.places) - missing,
            jobs=jobs,
            shots=self.setup.shots,
            gates=str(self.template),
            known_answers=jobs if self.checked else 0,
            can_check=self.known is not None,
        )


@dataclass(frozen=True)
class Submission:
    """Result of `Jobs.submit`.

    Attributes:
        estimate: cost of the circuits that were sent.
        job_ids: ids of all jobs that hold circuits of the call, sent now or before.
    """

    estimate: CostEstimate
    job_ids: tuple[str, ...]
