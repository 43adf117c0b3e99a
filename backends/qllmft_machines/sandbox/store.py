"""Jobs of the mock server: submission, results and payment, and the file that keeps them."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from qllmft_backends.errors import BackendError, MissingExtraError
from qllmft_base.errors import first_line
from qllmft_machines.errors import PARSE_ERRORS
from qllmft_machines.rows import UNCHARGED_STATES
from qllmft_machines.sandbox import circuits
from qllmft_machines.sandbox.job import Session, StoredJob, parse_circuits
from qllmft_machines.sandbox.request import RefusedError, iso_time

# API name -> qubits
BACKENDS = {"simulator": 29, "qpu.forte-1": 36, "qpu.forte-enterprise-1": 36, "qpu.tempo-1": 100}
MAX_SHOTS = {name: 1_000_000 if name == "simulator" else 10_000 for name in BACKENDS}
_SUBMITTED_FIELDS = ("id", "payload", "submitted_at", "number", "name", "children")
_CHANGEABLE_FIELDS = ("status", "results", "failure", "started_at", "completed_at")


def _import_simulation() -> ModuleType:
    """Return the module that runs circuits on Aer, which the extra ``ionq`` does not install."""
    try:
        from qllmft_machines.sandbox import simulation
    except ModuleNotFoundError as error:
        raise MissingExtraError.from_import_error("the mock server", error, "aer,ionq") from error
    return simulation


class Journal:
    """File with a line of JSON for each submission, deletion and change of a job. Without a file nothing is kept.

    The children of a job are in its payload.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def read_jobs(self) -> dict[str, StoredJob]:
        """Return the jobs by id. Unfinished lines are left out, and changes of their jobs.

        Raises:
            OSError: if nothing can be written to the file.
            BackendError: if the file holds something else than jobs.
        """
        jobs: dict[str, StoredJob] = {}
        if self._file is None:
            return jobs
        with self._file.open("ab"):
            pass  # later a full disk ends no job, so that this is the moment to say it
        lines = self._file.read_text(encoding="utf-8", errors="replace").split("\n")
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
            except ValueError:
                if not line or line.startswith("{"):
                    continue
                raise self._foreign_line_error(number) from None
            try:
                self._apply(jobs, record)
            except (*PARSE_ERRORS, RefusedError):
                raise self._foreign_line_error(number) from None
        return jobs

    def _apply(self, jobs: dict[str, StoredJob], record: Any) -> None:
        """Update ``jobs`` by one record. A job whose submission was not written is not there."""
        if "changed" in record:
            if (changed_job := jobs.get(record["changed"])) is not None:
                for name in _CHANGEABLE_FIELDS:
                    setattr(changed_job, name, record[name])
        elif "deleted" in record:
            for job_id in record["deleted"]:
                jobs.pop(job_id, None)
        else:
            submitted_fields = {name: record[name] for name in _SUBMITTED_FIELDS}
            job = StoredJob(circuits=parse_circuits(record["payload"]), **submitted_fields)
            children = {child_id: job.child(n, child_id) for n, child_id in enumerate(job.children)}
            jobs |= {job.id: job, **children}

    def _foreign_line_error(self, number: int) -> BackendError:
        return BackendError(
            f"line {number} of {self._file} is no job of the mock server. Nothing was written to it. Name another file "
            "with --state-file, or omit it."
        )

    def append(self, **record: Any) -> None:
        """Add a line."""
        if self._file is None:
            return
        with suppress(OSError), self._file.open("ab+") as file:  # a full disk ends no job
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(record).encode() + b"\n")


class Store:
    """All jobs, and a worker that runs them one after the other.

    Args:
        seed: of the shots.
        qpu_noise: noise model of the simulated machines.
        state_file: file that keeps jobs across restarts; None: in memory.
        latency_s: seconds that a job stays in each state before it runs.

    Raises:
        MissingExtraError: if Aer is not installed.
    """

    def __init__(
        self,
        seed: int = 0,
        qpu_noise: str = "forte-1",
        state_file: Path | None = None,
        latency_s: float = 0.0,
    ) -> None:
        self._simulation = _import_simulation()
        self._seed = seed
        self._qpu_noise = qpu_noise
        self._latency_s = latency_s
        self._journal = Journal(state_file)
        self.jobs = self._journal.read_jobs()
        self.sessions: dict[str, Session] = {}
        self.requests: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._stop = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="mock-server")
        for job in self.jobs.values():
            if job.completed_at is None and not job.parent:
                self._worker.submit(self._work, job)

    def now(self) -> float:
        """Return the time by the server's clock, in seconds since 1970."""
        return time.time()

    def close(self) -> None:
        """Stop the worker."""
        self._stop.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def submit(self, payload: dict[str, Any]) -> StoredJob:
        """Accept a job as posted, or raise `RefusedError`."""
        job = StoredJob(str(uuid.uuid4()), payload, parse_circuits(payload), self._timestamp(), 0)
        job.name = payload.get("name")
        backend = payload.get("backend")
        if backend not in BACKENDS:
            raise RefusedError(f"unknown backend {backend!r}")
        if job.qubits > BACKENDS[backend]:
            raise RefusedError(
                f"NotEnoughQubits: {job.qubits} qubits, {backend} has {BACKENDS[backend]}"
            )
        if not 1 <= job.shots <= MAX_SHOTS[backend]:
            raise RefusedError(f"TooManyShots: {job.shots}, expected 1 to {MAX_SHOTS[backend]:,}")
        for circuit in job.circuits:
            circuits.check_circuit(circuit, job.qubits, self._noise(job))
        self._rng(job)  # or raise for its seed
        with self.lock:
            if (session_id := payload.get("session_id")) is not None:
                jobs = self.jobs.values()
                session_jobs = [j for j in jobs if j.payload.get("session_id") == session_id]
                parent_jobs = [stored_job for stored_job in session_jobs if not stored_job.parent]
                self.session(session_id).admit(job, parent_jobs, self.now())
            job.number = 1 + max(
                (stored_job.number for stored_job in self.jobs.values()), default=-1
            )
            self.jobs[job.id] = job
            if payload["type"] == "ionq.multi-circuit.v1":
                job.children = [str(uuid.uuid4()) for _ in job.circuits]
                self.jobs |= {
                    child_id: job.child(n, child_id) for n, child_id in enumerate(job.children)
                }
            self._journal.append(**{name: getattr(job, name) for name in _SUBMITTED_FIELDS})
        self._worker.submit(self._work, job)
        return job

    def open_session(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open a session and describe it, or raise `RefusedError`."""
        backend = body.get("backend")
        caps = body.get("settings") or {}
        if not isinstance(backend, str) or backend not in BACKENDS:
            raise RefusedError(f"no sessions on {backend!r}, expected one of {', '.join(BACKENDS)}")
        session = Session(str(uuid.uuid4()), backend, caps, self.now())
        description = session.describe(self.now())
        self.sessions[session.id] = session
        return description

    def session(self, session_id: str) -> Session:
        """Return a session, or raise `RefusedError`."""
        if session_id not in self.sessions:
            raise RefusedError(f"no session {session_id}", 404)
        return self.sessions[session_id]

    def get(self, job_id: str) -> StoredJob:
        """Return a job, or raise `RefusedError`."""
        if job_id not in self.jobs:
            raise RefusedError(f"no job {job_id}", 404)
        return self.jobs[job_id]

    def cancel(self, job_id: str) -> StoredJob:
        """Cancel a job that has not ended, or raise `RefusedError`."""
        with self.lock:
            job = self.get(job_id)
            if job.status in ("completed", "failed"):
                raise RefusedError(f"job {job_id} is {job.status} and cannot be canceled")
            for canceled_job in (job, *(self.jobs[c] for c in job.children)):
                self._change(canceled_job, "canceled")
            return job

    def delete(self, job_id: str) -> None:
        """Forget a job with its children, canceled before if it has not ended, or raise `RefusedError`."""
        with self.lock:
            job = self.get(job_id)
            if job.parent:
                raise RefusedError(f"job {job_id} is a child of {job.parent}. Delete that one")
            if job.status not in ("completed", *UNCHARGED_STATES):
                self.cancel(job_id)
            deleted_ids = [job_id, *job.children]
            for deleted_id in deleted_ids:
                del self.jobs[deleted_id]
            self._journal.append(deleted=deleted_ids)

    def totals(self) -> dict[str, Any]:
        """Return the numbers of submitted and paid jobs, circuits and shots.

        Credit is reserved with a job and released if it fails or is canceled, as at IonQ; ``times`` is the number of
        payments of each circuit (by hash of gates, shots and machine).
        """
        times: Counter[str] = Counter()
        with self.lock:
            parents = [j for j in self.jobs.values() if j.parent is None]
            paid_jobs = [
                job
                for job in self.jobs.values()
                if not (job.children or job.status in UNCHARGED_STATES or job.dry_run)
            ]
            for job in paid_jobs:
                text = json.dumps([job.circuits[0], job.shots, job.backend], sort_keys=True)
                times[sha256(text.encode()).hexdigest()] += 1
            return {
                "jobs": len(parents),
                "circuits_submitted": sum(len(j.circuits) for j in parents),
                "circuits_paid": len(paid_jobs),
                "shots_paid": sum(job.shots for job in paid_jobs),
                "times": dict(times),
                "statuses": {j.id: j.status for j in parents},
                "requests": dict(self.requests),
            }

    def _timestamp(self) -> str:
        return iso_time(self.now(), "milliseconds")

    def _change(self, job: StoredJob, status: str) -> bool:
        """Change a job's status unless it was canceled, and return whether it was changed."""
        with self.lock:
            if job.status == "canceled":
                return False
            job.status = status
            if status == "started":
                job.started_at = self._timestamp()
            if status in ("completed", *UNCHARGED_STATES):
                job.completed_at = self._timestamp()
            changed_fields = {name: getattr(job, name) for name in _CHANGEABLE_FIELDS}
            self._journal.append(changed=job.id, **changed_fields)
            return True

    def _noise(self, job: StoredJob) -> str:
        if job.backend != "simulator":
            return self._qpu_noise
        return str(job.noise.get("model", "ideal"))

    def _rng(self, job: StoredJob) -> np.random.Generator:
        """Return the random numbers of a job, by its seed or else by that of the store."""
        seed = job.noise.get("seed") if job.backend == "simulator" else None
        return np.random.default_rng([self._seed if seed is None else seed, job.number])

    def _work(self, job: StoredJob) -> None:
        with self.lock:
            if job.status == "canceled":  # and perhaps deleted, with its children
                return
            parts = [self.jobs[c] for c in job.children] or [job]
        for status in ("ready", "started"):
            self._stop.wait(self._latency_s)
            if self._stop.is_set() or not self._change(job, status):
                return
        self._end(job, parts)

    def _end(self, job: StoredJob, parts: list[StoredJob]) -> None:
        """Run a job to its end. One that cannot be simulated fails, so that its client does not wait for ever."""
        try:
            status = "completed" if self._run(job, parts) else ""
        except Exception as error:  # Aer and Qiskit raise errors of many kinds
            job.failure = {"code": "SimulationError", "message": first_line(error)}
            status = "failed"
        if status:
            self._change(job, status)

    def _run(self, job: StoredJob, parts: list[StoredJob]) -> bool:
        """Run the circuits of a job, and return whether all have ended."""
        for part in parts:
            if self._stop.is_set():
                return False
            if not part.dry_run:
                part.results = self._simulate(part)
            if part is not job:
                self._change(part, "started")
                self._change(part, "completed")
        return True

    def _simulate(self, job: StoredJob) -> dict[str, float]:
        circuit = job.circuits[0]
        noise = self._noise(job)
        shots = job.shots
        if job.backend == "simulator" and noise == "ideal":
            p = self._simulation.probabilities(circuit, job.qubits)
            return {str(state): value for state, value in p.items()}
        counts = self._simulation.counts(circuit, job.qubits, shots, noise, self._rng(job))
        return {str(state): count / shots for state, count in counts.items()}
