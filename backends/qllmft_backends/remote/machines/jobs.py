"""Jobs at a remote machine, recorded before and after each step, so that no circuit is paid twice.

The records are those of `Ledger`: what was sent and never answered is looked up by its tag, and what was accepted
is read again by its identity.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.errors import BackendError
from qllmft_backends.plugins import one_line
from qllmft_backends.remote.ledger.chunk import UNDER_WAY, Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Ledger, Place
from qllmft_backends.remote.machines.compiled import Compiled
from qllmft_backends.remote.machines.cost import Confirm, MachineEstimate, authorize, refusal
from qllmft_backends.remote.machines.options import QiskitOptions
from qllmft_backends.remote.machines.providers import Machine
from qllmft_backends.remote.machines.routes import ENDED_BADLY, Route, status_of

Frequencies = dict[int, float]
OnProgress = Callable[[str, str], None]


class RemoteJobs:
    """Jobs of one machine in one ledger."""

    def __init__(self, options: QiskitOptions, machine: Machine, route: Route) -> None:
        self._options, self._machine, self._route = options, machine, route
        self.ledger = Ledger(options.ledger / re.sub(r"[^\w.-]+", "-", machine.address))
        self.confirm: Confirm | None = None
        self.announce: Callable[[MachineEstimate], None] | None = None
        self.on_progress: OnProgress | None = None
        self._allowed = 0  # circuits of later calls that were consented to
        self._started: dict[str, Any] = {}  # jobs of this process by identity

    def estimate(
        self, compiled: Compiled, n_qubits: int, values: NDArray[np.float64]
    ) -> MachineEstimate:
        """Return the circuits that a call would send and their price. Nothing is written."""
        self.ledger.refresh()
        return self._estimate(compiled, self._places(self._setup(compiled, n_qubits), values))

    def run(
        self, compiled: Compiled, n_qubits: int, values: NDArray[np.float64]
    ) -> list[Frequencies]:
        """Send the circuits that the ledger lacks, wait, and return the frequencies of each row of ``values`` (B, P).

        Raises:
            CostRefusedError: if a limit is exceeded, or nobody consented; nothing was sent.
            BackendError: if sending or a job failed; accepted jobs are in the ledger.
        """
        setup = self._setup(compiled, n_qubits)
        with self.ledger.lock():
            self._settle()
            places = self._places(setup, values)
            estimate = self._estimate(compiled, places)
            if estimate.refusal or estimate.circuits > self._allowed:
                self.allow(estimate)
            self._allowed -= estimate.circuits
            missing = [row for row, place in enumerate(places) if place is None]
            for start in range(0, len(missing), self._options.circuits_per_job):
                rows = missing[start : start + self._options.circuits_per_job]
                chunk = self._send(setup, compiled, values[rows])
                for i, row in enumerate(rows):
                    places[row] = (chunk, i)
            found = [place for place in places if place is not None]
            self._collect({chunk.id: chunk for chunk, _ in found}.values())
            return self._results(found)

    def collect_all(self) -> None:
        """Collect every job that has not ended, then look for the doubtful ones."""
        with self.ledger.lock():
            self._collect(self.ledger.chunks.values())
            self._settle()
            self._collect(self.ledger.chunks.values())

    def cancel_all(self) -> list[str]:
        """Cancel every job that has not ended, and return one line per job. A waiting process records it."""
        self.ledger.refresh()
        lines = []
        for job_id in [
            str(c.job_id) for c in self.ledger.chunks.values() if c.state == "submitted"
        ]:
            try:
                self._route.fetch(job_id).cancel()
                lines.append(f"{job_id}: canceled")
            except Exception as error:  # of a provider's package: it cannot, or the job has ended
                lines.append(f"{job_id}: not canceled: {one_line(error)}")
        return lines

    def allow(self, estimate: MachineEstimate) -> None:
        """Ask for consent to circuits that are about to be sent, or raise `CostRefusedError`."""
        authorize(estimate, self._options, self.confirm)
        if estimate.circuits and self.announce is not None:
            self.announce(estimate)
        self._allowed = estimate.circuits

    def limited(self, estimate: MachineEstimate) -> MachineEstimate:
        """Return an estimate with the reason for which the limits would refuse it."""
        return replace(
            estimate, refusal=refusal(estimate, self._options, self.ledger.chunks.values())
        )

    def running(self) -> list[Chunk]:
        """Return the chunks that were sent and have not ended as far as the ledger says."""
        ledger = Ledger(self.ledger.folder)
        ledger.refresh()
        return [chunk for chunk in ledger.chunks.values() if chunk.state in UNDER_WAY]

    def _setup(self, compiled: Compiled, n_qubits: int) -> Setup:
        return Setup(
            url="qiskit",
            backend=self._machine.address,
            circuit_sha256=compiled.sha256,
            n_qubits=n_qubits,
            shots=self._options.shots,
            error_mitigation="none",
            noise_model=None,
            seed=None,
            repetition=self._options.repetition,
        )

    def _places(self, setup: Setup, values: NDArray[np.float64]) -> list[Place | None]:
        return self.ledger.find(setup, values, retry_failed=self._options.retry_failed)

    def _estimate(self, compiled: Compiled, places: Sequence[Place | None]) -> MachineEstimate:
        missing, each = sum(place is None for place in places), self._options.price_each
        estimate = MachineEstimate(
            machine=self._machine.name,
            circuits=missing,
            known=len(places) - missing,
            jobs=-(-missing // self._options.circuits_per_job),
            shots=self._options.shots,
            gates=str(compiled),
            price=None if each is None else each * missing,
            unit=None if each is None else self._options.price_unit,
        )
        return self.limited(estimate)

    def _settle(self) -> None:
        """Find out which of the jobs without an answer were accepted."""
        for chunk in [c for c in self.ledger.chunks.values() if c.state == "sent"]:
            token = chunk.attempts[-1].client_token
            jobs = self._route.find(token)
            if jobs:
                self.ledger.submitted(chunk, jobs[0], token)
                for other in jobs[1:]:
                    self.ledger.duplicate(chunk, other)
            elif jobs is not None or self._options.retry_doubtful:
                self.ledger.refused(
                    chunk,
                    token,
                    "the provider lists no such job" if jobs == [] else "retry_doubtful",
                )
            else:
                raise BackendError(
                    f"{chunk.label} ({len(chunk.values)} circuits) was sent to {self._machine.name} without an answer, "
                    "and this provider has no search by tags. Nothing more was sent. Look for the job in the "
                    "provider's list; if it is not there, retry_doubtful=true sends its circuits again."
                )

    def _send(self, setup: Setup, compiled: Compiled, values: NDArray[np.float64]) -> Chunk:
        options, ledger = self._options, self.ledger
        facts: dict[str, Any] = {
            "one_qubit_gates": compiled.one_qubit_gates,
            "two_qubit_gates": compiled.two_qubit_gates,
            "price_each": options.price_each,
            "price_unit": options.price_unit,
        }
        chunk = ledger.plan(setup, values, **facts)
        token = ledger.sending(chunk)
        circuits = compiled.bind(values, [f"{chunk.id}-{i}" for i in range(len(values))])
        try:
            job = self._route.start(circuits, setup.shots, options.seed, token)
            job_id = str(job.job_id())
        except Exception as error:
            raise BackendError(
                f"sending {chunk.label} to {self._machine.name} failed: {type(error).__name__}: {error}. The same call "
                "finds out whether it was accepted before it sends anything; jobs accepted before are in the ledger "
                f"{ledger.folder}."
            ) from error
        ledger.submitted(chunk, job_id, token)
        self._started[job_id] = job
        return chunk

    def _collect(self, chunks: Iterable[Chunk]) -> None:
        """Wait for the jobs, and record their counts."""
        pending, deadline = (
            [c for c in chunks if c.state == "submitted"],
            time.monotonic() + self._options.deadline_s,
        )
        while pending:
            for chunk in list(pending):
                if self._ended(chunk):
                    pending.remove(chunk)
            if pending and time.monotonic() > deadline:
                raise BackendError(
                    f"after {self._options.deadline_s:g} s {len(pending)} job(s) have not ended: "
                    f"{', '.join(str(c.job_id) for c in pending)}. They are in the ledger; the same call collects them "
                    "later, and nothing is paid twice."
                )
            if pending:
                time.sleep(self._options.poll_interval_s)

    def _ended(self, chunk: Chunk) -> bool:
        job_id = str(chunk.job_id)
        if job_id not in self._started:
            self._started[job_id] = self._route.fetch(job_id)
        job = self._started[job_id]
        status = status_of(job)
        if self.on_progress is not None:
            self.on_progress(job_id, status)
        if status in ENDED_BADLY:
            self.ledger.failed(chunk, f"the provider says {status}", [None] * len(chunk.values))
        elif status in ("DONE", "COMPLETED"):
            self.ledger.collected(chunk, self._frequencies(chunk, job))
        return chunk.state != "submitted"

    def _frequencies(self, chunk: Chunk, job: Any) -> list[Frequencies | None]:
        shots, found = chunk.setup.shots, []
        for counts in self._route.counts(job, len(chunk.values)):
            if sum(counts.values()) != shots or not all(
                0 <= state < 2**chunk.setup.n_qubits for state in counts
            ):
                raise BackendError(
                    f"{chunk.label} answered {sum(counts.values())} shots, expected {shots} of "
                    f"{chunk.setup.n_qubits} qubits. Its id is in the ledger; run again to read it again."
                )
            found.append({state: number / shots for state, number in counts.items()})
        return list(found)

    def _results(self, places: Sequence[Place]) -> list[Frequencies]:
        found = []
        for chunk, i in places:
            result = chunk.results[i] if chunk.results else None
            if result is None:
                raise BackendError(
                    f"{chunk.label} failed: {chunk.failure}. The other circuits are in the ledger; set retry_failed to "
                    "send these circuits again."
                )
            found.append(result)
        return found
