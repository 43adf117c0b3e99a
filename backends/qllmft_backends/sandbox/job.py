"""Job of the mock server, and its invented price."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qllmft_backends.remote.cost import MOCK_UNIT
from qllmft_backends.sandbox.circuits import gates_of_program
from qllmft_backends.sandbox.request import RefusedError

# Invented, per gate and shot, so that estimates have a shape; no relation to IonQ's prices.
PRICE_ONE_QUBIT, PRICE_TWO_QUBITS, PRICE_UNIT = 1e-6, 1e-5, MOCK_UNIT
_NATIVE_ONLY = ("gpi", "gpi2", "ms", "nop")
ACCOUNT = "00000000-0000-4000-8000-000000000000"  # organization, project and key
_VARIANTS = 10  # of a debiased circuit


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
    started_at: str | None = None
    completed_at: str | None = None
    outcome: str = ""  # a fault's outcome, see `faults.OUTCOMES`
    message: str | None = None  # of its failure

    @property
    def backend(self) -> str:
        """Return the API's name of the machine."""
        return str(self.payload["backend"])

    @property
    def shots(self) -> int:
        """Return the number of shots of a circuit."""
        return shots_of(self.payload)

    @property
    def qubits(self) -> int:
        """Return the width of the circuits."""
        body = self.payload["input"]
        return gates_of_program(body["data"])[0] if "data" in body else int(body.get("qubits", 1))

    @property
    def dry_run(self) -> bool:
        """Return whether the job is compiled only: it has no results and costs nothing."""
        return self.payload.get("dry_run") is True

    @property
    def gate_counts(self) -> dict[str, int]:
        """Return the numbers of gates on one qubit and on more, over all circuits, as sent."""
        two = sum(_is_wide(gate) for circuit in self.circuits for gate in circuit)
        return {"1q": sum(map(len, self.circuits)) - two, "2q": two}

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
        found = [
            state for state, p in (self.results or {}).items() for _ in range(round(p * self.shots))
        ]
        random.Random(self.number).shuffle(found)  # noqa: S311 - a simulated machine's
        return found

    def shots_of_variants(self) -> list[list[str]]:
        """Return the shots of each variant of a debiased circuit."""
        shots = self.single_shots()
        return [shots[number::_VARIANTS] for number in range(_VARIANTS)]


def shots_of(payload: Mapping[str, Any]) -> int:
    """Return the number of shots of a payload, or raise `RefusedError`. The API takes a string of digits too."""
    shots = payload.get("shots", 100)
    if isinstance(shots, str) and shots.isascii() and shots.isdecimal() and len(shots) < 10:
        return int(shots)
    if not isinstance(shots, int) or isinstance(shots, bool):
        raise RefusedError(
            400, f"shots are {repr(shots)[:40]}, expected a whole number or a string of its digits"
        )
    return shots


def circuits_of(payload: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the circuits of a payload, or raise `RefusedError`."""
    kind, body = payload.get("type"), payload.get("input")
    if kind == "ionq.qasm3.v1" and isinstance(body, dict) and isinstance(body.get("data"), str):
        return [gates_of_program(body["data"])[1]]
    if kind == "ionq.circuit.v1" and isinstance(body, dict) and "circuit" in body:
        circuits = [body["circuit"]]
    elif kind == "ionq.multi-circuit.v1" and isinstance(body, dict) and body.get("circuits"):
        circuits = [entry["circuit"] for entry in body["circuits"]]
    else:
        raise RefusedError(400, f"type {kind!r} is not supported, or its input is not complete")
    entries = body.get("circuits", [body])
    for entry, circuit in zip(entries, circuits, strict=True):
        gateset = entry.get("gateset", body.get("gateset"))
        if gateset not in ("qis", "native"):
            raise RefusedError(
                400, f"gateset {gateset!r}; the mock server takes 'qis' and 'native'"
            )
        if any(
            (gate.get("gate") in _NATIVE_ONLY or "angle" in gate) != (gateset == "native")
            for gate in circuit
            if gate.get("gate") != "zz" or "angle" in gate
        ):
            raise RefusedError(
                400, f"a circuit of the gateset {gateset!r} has gates of another one"
            )
    return circuits


def price(backend: str | None, one_qubit_gates: int, two_qubit_gates: int, shots: int) -> float:
    """Return the invented price of one circuit.

    Args:
        backend: the API's name of the machine.
        one_qubit_gates: of the circuit.
        two_qubit_gates: of the circuit, and wider ones.
        shots: measurements of the circuit.
    """
    if backend == "simulator":
        return 0.0
    return shots * (one_qubit_gates * PRICE_ONE_QUBIT + two_qubit_gates * PRICE_TWO_QUBITS)


def job_price(job: StoredJob) -> float:
    """Return the invented price of all circuits of a job."""
    return (
        0.0
        if job.dry_run
        else price(job.backend, job.gate_counts["1q"], job.gate_counts["2q"], job.shots)
    )


def _is_wide(gate: Mapping[str, Any]) -> bool:
    """Return whether a gate acts on two qubits or more."""
    return len(gate.get("targets", [0])) + len(gate.get("controls", [])) + ("control" in gate) > 1
