"""The sandbox's jobs and its till: what was submitted, what came out, what was paid."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from qllmft_backends.ionq.sandbox import simulator
from qllmft_backends.ionq.sandbox.job import Refused, StoredJob, circuits_of
from qllmft_backends.ionq.sandbox.journal import Journal
from qllmft_backends.ionq.sandbox.sessions import Sessions

BACKENDS = {"simulator": 29, "qpu.forte-1": 36, "qpu.forte-enterprise-1": 36}  # API name -> qubits
MAX_QPU_SHOTS = 10_000


class Store:
    """All jobs, and a worker that runs them one after the other.

    Args:
        seed: of the shots.
        qpu_noise: noise model of the pretended machines.
        state_file: where jobs are kept across restarts; None: in memory.
        latency_s: seconds that a job stays in each state before it runs.
        clock_offset_s: seconds that the server's clock is ahead of this machine's.
    """

    def __init__(
        self,
        seed: int = 0,
        qpu_noise: str = "forte-1",
        state_file: Path | None = None,
        latency_s: float = 0.0,
        clock_offset_s: float = 0.0,
    ) -> None:
        self._seed, self._qpu_noise, self._latency_s = seed, qpu_noise, latency_s
        self._clock_offset_s = clock_offset_s
        self._journal = Journal(state_file)
        self.jobs = self._journal.read()
        self.sessions = Sessions()
        self.requests: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._stop = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
        for job in self.jobs.values():
            if job.status in ("submitted", "ready", "started") and not job.parent and not job.fate:
                self._worker.submit(self._work, job)

    def now(self) -> float:
        """The server's clock, in seconds since 1970."""
        return time.time() + self._clock_offset_s

    def close(self) -> None:
        """Stop the worker."""
        self._stop.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def submit(self, payload: dict[str, Any], fate: str = "", says: str | None = None) -> StoredJob:
        """Take a job, which ends as ``fate`` has it; ``says``: the message of its failure.

        Raises:
            Refused: as the API would.
        """
        circuits = circuits_of(payload)
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
            self.sessions.admit(StoredJob("", payload, circuits, "", 0), self.jobs.values(), self.now())
            job = self._new(payload, circuits, payload.get("name"))
            job.fate, job.says = fate, says
            if payload["type"] == "ionq.multi-circuit.v1":
                for circuit, entry in zip(circuits, payload["input"]["circuits"], strict=True):
                    child = self._new(payload, [circuit], entry.get("name"))
                    child.parent = job.id
                    job.children.append(child.id)
            self._journal.submitted(job)
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
                self._change(each, "canceled")
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

    def _change(self, job: StoredJob, status: str) -> None:
        job.status = status
        self._journal.changed(job)

    def _new(self, payload: dict[str, Any], circuits: list[list[dict[str, Any]]], name: str | None) -> StoredJob:
        now = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
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
            told = job.says or "the sandbox was told to fail this job"
            part.failure = {"code": "SimulationError", "message": told}
            part.failure["error"] = part.failure["message"]  # the older name
            self._move(part, "failed")
        if not failing:
            self._move(job, "completed")

    def _move(self, job: StoredJob, status: str) -> bool:
        """Change a job's status, unless it was canceled."""
        with self.lock:
            if job.status == "canceled":
                return False
            self._change(job, status)
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
