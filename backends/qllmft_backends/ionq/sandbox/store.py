"""The sandbox's jobs and its till: what was submitted, what came out, what was paid."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from qllmft_backends.ionq.sandbox import simulator

BACKENDS = {"simulator": 29, "qpu.forte-1": 36, "qpu.forte-enterprise-1": 36}  # API name -> qubits
MAX_QPU_SHOTS = 10_000
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


class Store:
    """All jobs, and a worker that runs them one after the other.

    Args:
        seed: of the shots.
        qpu_noise: noise model of the pretended machines.
        state_file: where jobs are kept across restarts; None: in memory.
        latency_s: seconds that a job stays in each state before it runs.
    """

    def __init__(
        self, seed: int = 0, qpu_noise: str = "forte-1", state_file: Path | None = None, latency_s: float = 0.0
    ) -> None:
        self._seed, self._qpu_noise, self._latency_s = seed, qpu_noise, latency_s
        self._file = state_file
        self.jobs: dict[str, StoredJob] = {}
        self.requests: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._stop = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
        if state_file is not None and state_file.exists():
            self.jobs = {j["id"]: StoredJob(**j) for j in json.loads(state_file.read_text(encoding="utf-8"))}
            for job in self.jobs.values():
                if job.status in ("submitted", "ready", "started") and not job.parent and not job.fate:
                    self._worker.submit(self._work, job)

    def close(self) -> None:
        """Stop the worker."""
        self._stop.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def submit(self, payload: dict[str, Any], fate: str = "") -> StoredJob:
        """Take a job.

        Raises:
            Refused: as the API would.
        """
        circuits = _circuits(payload)
        backend, shots = payload.get("backend"), payload.get("shots", 100)
        qubits = int(payload["input"].get("qubits", 1))
        if backend not in BACKENDS:
            raise Refused(400, f"unknown backend {backend!r}")
        if qubits > BACKENDS[backend]:
            raise Refused(400, f"NotEnoughQubits: {qubits} qubits, {backend} has {BACKENDS[backend]}")
        if not isinstance(shots, int) or not 1 <= shots <= (1_000_000 if backend == "simulator" else MAX_QPU_SHOTS):
            raise Refused(400, f"TooManyShots: {shots}")
        for circuit in circuits:
            try:
                simulator.check(circuit, qubits, self._noise(payload))
            except simulator.CircuitError as error:
                raise Refused(400, str(error)) from None
        with self.lock:
            job = self._new(payload, circuits, payload.get("name"))
            job.fate = fate
            if payload["type"] == "ionq.multi-circuit.v1":
                for circuit, entry in zip(circuits, payload["input"]["circuits"], strict=True):
                    child = self._new(payload, [circuit], entry.get("name"))
                    child.parent = job.id
                    job.children.append(child.id)
            self.save()
        self._worker.submit(self._work, job)
        return job

    def cancel(self, job_id: str) -> StoredJob:
        """Cancel a job that has not ended.

        Raises:
            Refused: no such job, or one that has ended.
        """
        with self.lock:
            job = self.get(job_id)
            if job.status in ("completed", "failed"):
                raise Refused(400, f"job {job_id} is {job.status} and cannot be canceled")
            for each in (job, *(self.jobs[c] for c in job.children)):
                each.status = "canceled"
            self.save()
            return job

    def get(self, job_id: str) -> StoredJob:
        """A job.

        Raises:
            Refused: there is none of this id.
        """
        if job_id not in self.jobs:
            raise Refused(404, f"no job {job_id}")
        return self.jobs[job_id]

    def till(self) -> dict[str, Any]:
        """What was submitted and what was paid.

        Credit is reserved with a job and released where it fails or is canceled, as at IonQ; ``times`` says for each
        circuit (by hash of gates, shots and machine) how often it was paid.
        """
        circuits: Counter[str] = Counter()
        shots = 0
        with self.lock:
            parents = [j for j in self.jobs.values() if j.parent is None]
            for job in self.jobs.values():
                if job.children or job.status in ("failed", "canceled"):
                    continue
                text = json.dumps([job.circuits[0], job.payload.get("shots"), job.payload["backend"]], sort_keys=True)
                circuits[sha256(text.encode()).hexdigest()] += 1
                shots += job.payload.get("shots", 100)
            return {
                "jobs": len(parents),
                "circuits_submitted": sum(len(j.circuits) for j in parents),
                "circuits_paid": sum(circuits.values()),
                "shots_paid": shots,
                "times": dict(circuits),
                "statuses": {j.id: j.status for j in parents},
                "requests": dict(self.requests),
            }

    def save(self) -> None:
        """Write all jobs to the state file, whole or not at all."""
        if self._file is not None:
            beside = self._file.with_suffix(".new")
            beside.write_text(json.dumps([asdict(j) for j in self.jobs.values()]), encoding="utf-8")
            beside.replace(self._file)

    def _new(self, payload: dict[str, Any], circuits: list[list[dict[str, Any]]], name: str | None) -> StoredJob:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        job = StoredJob(str(uuid.uuid4()), payload, circuits, now, len(self.jobs), name=name)
        self.jobs[job.id] = job
        return job

    def _noise(self, payload: Mapping[str, Any]) -> str:
        if payload["backend"] != "simulator":
            return self._qpu_noise
        return str((payload.get("noise") or {}).get("model", "ideal"))

    def _work(self, job: StoredJob) -> None:
        """Bring a job to its end."""
        for status in ("ready", "started"):
            self._stop.wait(self._latency_s)
            if self._stop.is_set() or not self._move(job, status):
                return
        if job.fate == "never_ends":
            return
        parts = [self.jobs[c] for c in job.children] or [job]
        if job.fate in ("job_failed", "job_half_failed"):
            done = parts[: len(parts) // 2] if job.fate == "job_half_failed" and job.children else []
            failing = [p for p in parts if p not in done]
        else:
            done, failing = parts, []
        for part in done:
            if self._stop.is_set():
                return
            part.results = self._simulate(part)
            if part is not job:
                self._move(part, "completed")
        for part in (*failing, *([job] if failing and job.children else [])):
            part.failure = {"code": "SimulationError", "message": "the sandbox was told to fail this job"}
            part.failure["error"] = part.failure["message"]  # the older name
            self._move(part, "failed")
        if not failing:
            self._move(job, "completed")

    def _move(self, job: StoredJob, status: str) -> bool:
        """Change a job's status, unless it was canceled."""
        with self.lock:
            if job.status == "canceled":
                return False
            job.status = status
            with suppress(OSError):
                self.save()
            return True

    def _simulate(self, job: StoredJob) -> dict[str, float]:
        circuit, n_qubits = job.circuits[0], int(job.payload["input"].get("qubits", 1))
        noise, shots = self._noise(job.payload), int(job.payload.get("shots", 100))
        if job.payload["backend"] == "simulator" and noise == "ideal":
            p = simulator.probabilities(circuit, n_qubits)
            return {str(s): float(p[s]) for s in np.flatnonzero(p > 1e-14).tolist()}
        seed = (job.payload.get("noise") or {}).get("seed") if job.payload["backend"] == "simulator" else None
        rng = np.random.default_rng([self._seed, job.number] if seed is None else [seed, job.number])
        counts = simulator.counts(circuit, n_qubits, shots, noise, rng)
        return {str(s): int(counts[s]) / shots for s in np.flatnonzero(counts).tolist()}


def price(parameters: Mapping[str, str]) -> float:
    """The invented price of one circuit, from the query of GET /jobs/estimate."""
    if parameters.get("backend") == "simulator":
        return 0.0
    one, two, shots = (int(parameters.get(k, d)) for k, d in (("1q_gates", "0"), ("2q_gates", "0"), ("shots", "1000")))
    return shots * (one * PRICE_ONE_QUBIT + two * PRICE_TWO_QUBITS)


def _circuits(payload: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
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
