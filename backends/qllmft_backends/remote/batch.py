"""Circuits of one call, and their places in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qllmft_backends.remote.cost import CostEstimate
from qllmft_backends.remote.errors import RemoteRequestError
from qllmft_backends.remote.ledger.chunk import Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Place
from qllmft_backends.remote.ledger.payload import known_state


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

    def bind(self, values: NDArray[np.float64], names: Sequence[str]) -> list[QuantumCircuit]:
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


@dataclass(frozen=True)
class JobSize:
    """Size of a job.

    Attributes:
        asked: the option ``circuits_per_job``, without the circuit of known answer.
        most_circuits, most_gates: the server's limits on a job, with that circuit.
    """

    asked: int
    most_circuits: float = inf
    most_gates: float = inf


@dataclass
class CircuitBatch:
    """Circuits of one call, checked and compiled.

    Attributes:
        template: the circuit.
        values: (B, P) parameter values in radians.
        setup: settings that decide a result.
        machine: its name, for people.
        size: of a job.
        places: for each row of ``values`` its place in the ledger; None: still to be sent.
        known: circuit with a given known answer, the first of each job; None without one.
    """

    template: Template
    values: NDArray[np.float64]
    setup: Setup
    machine: str
    size: JobSize
    places: list[Place | None] = field(default_factory=list)
    known: Callable[[int], Template] | None = None

    @property
    def chunks(self) -> list[Chunk]:
        """Return the chunks of all places, each once, in their order."""
        return list({place[0].id: place[0] for place in self.places if place is not None}.values())

    @property
    def missing(self) -> list[int]:
        """Return the rows of ``values`` that are not in the ledger."""
        return [row for row, place in enumerate(self.places) if place is None]

    @property
    def checked(self) -> bool:
        """Return whether a circuit with a known answer goes first in each job."""
        return self.known is not None

    def circuits(self, chunk: Chunk, token: str) -> list[QuantumCircuit]:
        """Return the bound, measured circuits of a chunk's job in its order, with names from its client token."""
        bound = self.template.bind(chunk.values, chunk.names(token)[chunk.known_circuits :])
        if self.known is None:
            return bound
        return [self.known(known_state(token, chunk.setup.n_qubits)).circuit, *bound]

    def parts(self) -> list[list[int]]:
        """Return the missing rows divided into jobs, as the options ask and within the server's limits on a job."""
        circuits, gates = self.size.most_circuits, self.size.most_gates
        if self.known is not None:
            circuits, gates = circuits - 1, gates - _gates(self.known(0))
        size = int(max(1, min(self.size.asked, circuits, gates // max(1, _gates(self.template)))))
        missing = self.missing
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
            known_answers=0 if self.known is None else jobs,
        )

    def facts(self, estimate: CostEstimate, packages: Sequence[str]) -> dict[str, Any]:
        """Return the fields that a planned chunk's record holds for people, with the versions of ``packages``."""
        return {
            "circuit_name": self.template.circuit.name,
            "one_qubit_gates": self.template.one_qubit_gates,
            "two_qubit_gates": self.template.two_qubit_gates,
            "price_each": estimate.price_each,
            "known_price": estimate.known_price,
            "price_unit": estimate.unit,
            "versions": {name: version(name) for name in packages},
        }


@dataclass(frozen=True)
class Submission:
    """Result of `Jobs.submit`.

    Attributes:
        estimate: cost of the circuits that were sent.
        job_ids: ids of all jobs that hold circuits of the call, sent now or before.
    """

    estimate: CostEstimate
    job_ids: tuple[str, ...]


def _gates(template: Template) -> int:
    return template.one_qubit_gates + template.two_qubit_gates
