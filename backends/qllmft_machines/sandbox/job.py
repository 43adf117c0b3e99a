"""Jobs of the mock server, their invented prices, and their sessions, which refuse jobs past a cap."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qllmft_backends.protocol import MOCK_UNIT
from qllmft_machines.ledger.payload import value_at_path
from qllmft_machines.rows import UNCHARGED_STATES
from qllmft_machines.sandbox.circuits import controls_and_targets
from qllmft_machines.sandbox.programs import parse_program
from qllmft_machines.sandbox.request import RefusedError, iso_time

# Invented, per gate and shot, so that estimates have a shape; no relation to IonQ's prices.
PRICE_ONE_QUBIT = 1e-6
PRICE_TWO_QUBITS = 1e-5
PRICE_UNIT = MOCK_UNIT
_NATIVE_ONLY_GATES = ("gpi", "gpi2", "ms", "nop")
ACCOUNT = "00000000-0000-4000-8000-000000000000"  # organization, project and key
_N_VARIANTS = 10  # of a debiased circuit
_CAP_NAMES = ("duration_limit_min", "cost_limit", "job_count_limit")


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

    @property
    def backend(self) -> str:
        """Return the API's name of the machine."""
        return str(self.payload["backend"])

    @property
    def shots(self) -> int:
        """Return the number of shots of a circuit, or raise `RefusedError`. The API takes a string of digits too."""
        shots = self.payload.get("shots", 100)
        if isinstance(shots, str) and shots.isascii() and shots.isdecimal() and len(shots) < 10:
            return int(shots)
        if not isinstance(shots, int) or isinstance(shots, bool):
            raise RefusedError(
                f"shots are {repr(shots)[:40]}, expected a whole number or a string of its digits"
            )
        return shots

    @property
    def qubits(self) -> int:
        """Return the width of the circuits."""
        body = self.payload["input"]
        return parse_program(body["data"])[0] if "data" in body else int(body.get("qubits", 1))

    @property
    def dry_run(self) -> bool:
        """Return whether the job is compiled only: it has no results and costs nothing."""
        return self.payload.get("dry_run") is True

    @property
    def debiased(self) -> bool:
        """Return whether the job asks for debiasing."""
        return bool(value_at_path(self.payload, "settings", "error_mitigation", "debiasing"))

    @property
    def gate_counts(self) -> dict[str, int]:
        """Return the numbers of gates on one qubit and on more, over all circuits, as sent."""
        widths = [
            sum(map(len, controls_and_targets(gate)))
            for circuit in self.circuits
            for gate in circuit
        ]
        n_wide = sum(width > 1 for width in widths)
        return {"1q": len(widths) - n_wide, "2q": n_wide}

    @property
    def price(self) -> float:
        """Return the invented price of all circuits."""
        counts = self.gate_counts
        full_price = circuit_price(self.backend, counts["1q"], counts["2q"], self.shots)
        return 0.0 if self.dry_run else full_price

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
        states = [
            state for state, p in (self.results or {}).items() for _ in range(round(p * self.shots))
        ]
        random.Random(self.number).shuffle(states)  # noqa: S311 - a simulated machine's
        return states

    def variant_shots(self) -> list[list[str]]:
        """Return the shots of each variant of a debiased circuit."""
        shots = self.single_shots()
        return [shots[number::_N_VARIANTS] for number in range(_N_VARIANTS)]

    def child(self, n: int, child_id: str) -> StoredJob:
        """Return the job of the ``n``-th circuit of a multi-circuit job."""
        return StoredJob(
            child_id,
            self.payload,
            [self.circuits[n]],
            self.submitted_at,
            self.number + 1 + n,
            name=self.payload["input"]["circuits"][n].get("name"),
            parent=self.id,
        )


def parse_circuits(payload: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the circuits of a payload, or raise `RefusedError`."""
    kind = payload.get("type")
    body = payload.get("input")
    body = body if isinstance(body, dict) else {}
    if kind == "ionq.qasm3.v1" and isinstance(body.get("data"), str):
        return [parse_program(body["data"])[1]]
    entries = body.get("circuits", []) if kind == "ionq.multi-circuit.v1" else [body]
    if kind not in ("ionq.circuit.v1", "ionq.multi-circuit.v1") or not entries or not body:
        raise RefusedError(f"type {kind!r} is not supported, or its input is not complete")
    for entry in entries:
        gateset = entry.get("gateset", body.get("gateset"))
        if gateset not in ("qis", "native"):
            raise RefusedError(f"gateset {gateset!r}: the mock server takes 'qis' and 'native'")
        if any(
            (gate.get("gate") in _NATIVE_ONLY_GATES or "angle" in gate) != (gateset == "native")
            for gate in entry["circuit"]
            if gate.get("gate") != "zz" or "angle" in gate
        ):
            raise RefusedError(f"a circuit of the gateset {gateset!r} has gates of another one")
    return [entry["circuit"] for entry in entries]


def circuit_price(backend: str, one_qubit_gates: int, two_qubit_gates: int, shots: int) -> float:
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


@dataclass
class Session:
    """Session of jobs on one machine."""

    id: str
    backend: str
    caps: dict[str, Any]  # ``settings`` of the request that opened it
    created_at: float  # by the server's clock, in seconds since 1970
    ended_at: float | None = None  # by a request
    jobs: int = 0

    def __post_init__(self) -> None:
        if set(self.caps) - set(_CAP_NAMES):
            raise RefusedError(f"settings {self.caps!r}")
        unit = (self.caps.get("cost_limit") or {}).get("unit", PRICE_UNIT)
        if unit != PRICE_UNIT:
            raise RefusedError(f"cost_limit in {unit!r}: the mock server counts in {PRICE_UNIT}")

    def end_by(self, now: float) -> float | None:
        """Return the moment of its end, by a request or because its time is up, or None if it is open."""
        minutes = self.caps.get("duration_limit_min")
        if self.ended_at is None and minutes is not None and now >= self.created_at + 60 * minutes:
            return float(self.created_at + 60 * minutes)
        return self.ended_at

    def describe(self, now: float) -> dict[str, Any]:
        """Return the answer of POST /sessions and GET /sessions/{id}."""
        ended_at = self.end_by(now)
        created_at = iso_time(self.created_at)
        return {
            "id": self.id,
            "backend": self.backend,
            "active": ended_at is None,
            "status": "ended" if ended_at else "started" if self.jobs else "created",
            "organization_id": ACCOUNT,
            "project_id": ACCOUNT,
            "creator_id": None,
            "ender_id": None,
            "created_at": created_at,
            "started_at": created_at if self.jobs else None,
            "ended_at": None if ended_at is None else iso_time(ended_at),
            "settings": self.caps,
        }

    def admit(self, job: StoredJob, session_jobs: Sequence[StoredJob], now: float) -> None:
        """Admit ``job`` beside the ``session_jobs`` in it, or raise `RefusedError`."""
        if self.end_by(now) is not None or self.backend != job.backend:
            raise RefusedError(f"session {self.id} is over, or of another device")
        charged_jobs = [
            session_job
            for session_job in session_jobs
            if session_job.status not in UNCHARGED_STATES
        ]
        if len(charged_jobs) >= self.caps.get("job_count_limit", float("inf")):
            raise RefusedError(f"session {self.id} has its {len(charged_jobs)} jobs")
        cap = self.caps.get("cost_limit")
        if (
            cap is not None
            and sum(paid_job.price for paid_job in (*charged_jobs, job)) > cap["value"]
        ):
            raise RefusedError(
                f"session {self.id} would cost more than {cap['value']:g} {cap['unit']}"
            )
        self.jobs += 1
