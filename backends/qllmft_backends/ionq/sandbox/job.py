"""A job of the sandbox, and its invented price."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Invented, per gate and shot, so that estimates have a shape; no relation to IonQ's prices.
PRICE_ONE_QUBIT, PRICE_TWO_QUBITS, PRICE_UNIT = 1e-6, 1e-5, "sandbox-credit"


class Refused(Exception):  # noqa: N818
    """A request that the API would refuse: HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class StoredJob:
    """A job, or a child of one."""

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
    fate: str = ""  # the fault that it was submitted under
    says: str | None = None  # the message of its failure

    @property
    def sampled(self) -> bool:
        """Its results are of shots: not of an ideal simulation."""
        return self.payload["backend"] != "simulator" or (self.payload.get("noise") or {}).get("model") != "ideal"

    def single_shots(self) -> list[str]:
        """The shots behind its results, decimal, in a random order that does not change."""
        shots = int(self.payload.get("shots", 100))
        found = [state for state, p in (self.results or {}).items() for _ in range(round(p * shots))]
        random.Random(self.number).shuffle(found)  # noqa: S311 - a pretended machine's
        return found


def circuits_of(payload: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """The circuits of a payload.

    Raises:
        Refused: it has none, or none that the sandbox takes.
    """
    kind, body = payload.get("type"), payload.get("input")
    if kind == "ionq.circuit.v1" and isinstance(body, dict) and "circuit" in body:
        circuits = [body["circuit"]]
    elif kind == "ionq.multi-circuit.v1" and isinstance(body, dict) and body.get("circuits"):
        circuits = [entry["circuit"] for entry in body["circuits"]]
    else:
        raise Refused(400, f"type {kind!r} is not taken, or its input is not complete")
    if body.get("gateset") != "qis":
        raise Refused(400, f"gateset {body.get('gateset')!r}; the sandbox takes 'qis'")
    return circuits


def price(parameters: Mapping[str, str]) -> float:
    """The invented price of one circuit, from the query of GET /jobs/estimate."""
    if parameters.get("backend") == "simulator":
        return 0.0
    one, two, shots = (int(parameters.get(k, d)) for k, d in (("1q_gates", "0"), ("2q_gates", "0"), ("shots", "1000")))
    return shots * (one * PRICE_ONE_QUBIT + two * PRICE_TWO_QUBITS)


def job_price(job: StoredJob) -> float:
    """The invented price of all circuits of a job."""
    total = 0.0
    for circuit in job.circuits:
        two = sum(
            len(gate.get("targets", [0])) + len(gate.get("controls", [])) + ("control" in gate) > 1 for gate in circuit
        )
        query = {"1q_gates": len(circuit) - two, "2q_gates": two, "shots": job.payload.get("shots", 100)}
        total += price({"backend": job.payload["backend"], **{k: str(v) for k, v in query.items()}})
    return total
