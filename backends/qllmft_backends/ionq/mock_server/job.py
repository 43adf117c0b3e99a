"""Job of the mock server, and its invented price."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Invented, per gate and shot, so that estimates have a shape; no relation to IonQ's prices.
PRICE_ONE_QUBIT, PRICE_TWO_QUBITS, PRICE_UNIT = 1e-6, 1e-5, "sandbox-credit"
FREE_ENDS = ("failed", "canceled")


class RefusedError(Exception):
    """Request that the API would refuse, with HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class StoredJob:
    """Job, or child of one."""

    id: str
    payload: dict[str, Any]  # as posted
    circuits: list[list[dict[str, Any]]]
    submitted_at: str
    number: int
    status: str = "submitted"
    children: list[str] = field(default_factory=list)
    parent: str | None = None
    name: str | None = None
    results: dict[str, float] | None = None
    failure: dict[str, str] | None = None
    outcome: str = ""  # a fault's outcome, see `faults.OUTCOMES`
    message: str | None = None  # of its failure

    @property
    def backend(self) -> str:
        """Return the API's name of the machine."""
        return str(self.payload["backend"])

    @property
    def shots(self) -> int:
        """Return the number of shots of a circuit."""
        return int(self.payload.get("shots", 100))

    @property
    def qubits(self) -> int:
        """Return the width of the circuits."""
        return int(self.payload["input"].get("qubits", 1))

    @property
    def noise(self) -> Mapping[str, Any]:
        """Return the simulator's noise model and seed."""
        return self.payload.get("noise") or {}

    @property
    def sampled(self) -> bool:
        """Return whether its results come from shots: all but those of an ideal simulation."""
        return self.backend != "simulator" or self.noise.get("model") != "ideal"

    def single_shots(self) -> list[str]:
        """Return the shots behind its results, decimal, in a reproducible random order."""
        found = [state for state, p in (self.results or {}).items() for _ in range(round(p * self.shots))]
        random.Random(self.number).shuffle(found)  # noqa: S311 - a simulated machine's
        return found


def circuits_of(payload: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the circuits of a payload, or raise `RefusedError`."""
    kind, body = payload.get("type"), payload.get("input")
    if kind == "ionq.circuit.v1" and isinstance(body, dict) and "circuit" in body:
        circuits = [body["circuit"]]
    elif kind == "ionq.multi-circuit.v1" and isinstance(body, dict) and body.get("circuits"):
        circuits = [entry["circuit"] for entry in body["circuits"]]
    else:
        raise RefusedError(400, f"type {kind!r} is not supported, or its input is not complete")
    if body.get("gateset") != "qis":
        raise RefusedError(400, f"gateset {body.get('gateset')!r}; the mock server takes 'qis'")
    return circuits


def price(backend: str | None, one_qubit_gates: int, two_qubit_gates: int, shots: int) -> float:
    """Return the invented price of one circuit."""
    if backend == "simulator":
        return 0.0
    return shots * (one_qubit_gates * PRICE_ONE_QUBIT + two_qubit_gates * PRICE_TWO_QUBITS)


def job_price(job: StoredJob) -> float:
    """Return the invented price of all circuits of a job."""
    total = 0.0
    for circuit in job.circuits:
        two = sum(
            len(gate.get("targets", [0])) + len(gate.get("controls", [])) + ("control" in gate) > 1 for gate in circuit
        )
        total += price(job.backend, len(circuit) - two, two, job.shots)
    return total
