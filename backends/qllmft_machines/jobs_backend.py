"""Backend whose circuits are paid jobs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import replace
from typing import Any, Self

from qiskit import QuantumCircuit

from qllmft_backends.backend import Backend
from qllmft_backends.observables import ZObservables, expectations
from qllmft_backends.protocol import Expectations, Floats, Operators
from qllmft_backends.requests import ROUND_SEED_STEP
from qllmft_machines.batch import CircuitBatch, check_answers, results_from_ledger
from qllmft_machines.collect import OnProgress
from qllmft_machines.cost import (
    Announce,
    Confirm,
    CostEstimate,
    sum_estimates,
)
from qllmft_machines.errors import RemoteRequestError
from qllmft_machines.jobs import Jobs
from qllmft_machines.ledger.chunk import Chunk
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import Probabilities
from qllmft_machines.rows import JobsInterrupt, unfinished_jobs


class JobsBackend(Backend):
    """Base of the backends that send jobs away, a `RemoteBackend`. ``jobs`` is None if nothing leaves this machine."""

    options: Any
    jobs: Jobs | None
    _reads_ledger_only = False

    @property
    @abstractmethod
    def address(self) -> str:
        """Return the server's address in the ledger."""

    @abstractmethod
    def _batch(self, circuit: QuantumCircuit, values: Floats) -> CircuitBatch:
        """Return the circuits of a call, checked and compiled, with their places in the ledger."""

    def estimate(
        self, circuit: QuantumCircuit, values: Floats, *, offline: bool = False
    ) -> CostEstimate:
        """Return the cost of a call (see `RemoteBackend.estimate`). Nothing is written."""
        assert self.jobs is not None
        with self.jobs.reading():
            return self._price_call(self._batch(circuit, values), offline=offline)

    def _price_call(self, batch: CircuitBatch, *, offline: bool) -> CostEstimate:
        """Return the cost of a call by the route's prices, or by published ones if ``offline``."""
        del offline
        assert self.jobs is not None
        return self.jobs.price_call(batch, self.jobs.route.price)

    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Send the circuits that the ledger lacks, wait for all, and return the values (see `Backend.expectations`)."""
        z_observables = ZObservables.from_operators(observables, circuit.num_qubits)
        batch, results = self._run_circuits(circuit, values)
        return self._derive_expectations(batch, results, z_observables)

    def _derive_expectations(
        self, batch: CircuitBatch, results: list[Probabilities], z_observables: ZObservables
    ) -> Expectations:
        """Return the expectation values that follow from the result of each circuit of a batch."""
        del batch
        return expectations(results, self.options.shots, z_observables)

    def _run_circuits(
        self, circuit: QuantumCircuit, values: Floats
    ) -> tuple[CircuitBatch, list[Probabilities]]:
        """Send the circuits of a call that the ledger lacks, and return the result of each circuit."""
        assert self.jobs is not None
        if self._reads_ledger_only:
            return self._read_ledger(circuit, values)
        with self.jobs.writing():
            batch = self._batch(circuit, values)
            self.jobs.submit(batch)
            return batch, self._collect_results(batch)

    def _read_ledger(
        self, circuit: QuantumCircuit, values: Floats
    ) -> tuple[CircuitBatch, list[Probabilities]]:
        """Return the circuits of a call and their results, or raise `RemoteError` if the ledger lacks a result."""
        assert self.jobs is not None
        with self.jobs.reading():
            batch = self._batch(circuit, values)
            check_answers(batch.chunks, self.jobs.ledger)
            return batch, results_from_ledger(batch, self._result, self.jobs.ledger.folder)

    def _collect_results(self, batch: CircuitBatch) -> list[Probabilities]:
        """Wait for the jobs of a batch, under a held ledger, and return the result of each circuit."""
        assert self.jobs is not None
        self.jobs.collect(batch)
        for chunk in batch.chunks:
            self._read_extras(chunk)
        return results_from_ledger(batch, self._result, self.jobs.ledger.folder)

    def _read_extras(self, chunk: Chunk) -> None:
        """Read what the options ask for beside a collected chunk's results into the ledger."""

    def _result(self, chunk: Chunk, index: int) -> Probabilities | None:
        """Return the result of a circuit at its place in the ledger."""
        return None if chunk.results is None else chunk.results[index]

    @property
    def fewest_shots(self) -> int:
        """Return the machine's lower limit on the shots of a circuit."""
        return 1

    def in_round(self, shots: int, number: int) -> Self:
        """Return this backend with other shots, and new measurements in each round (see `Backend.in_round`).

        Raises:
            RemoteRequestError: for fewer shots than the machine takes.
        """
        if shots < self.fewest_shots:
            raise RemoteRequestError(
                f"a round has {shots} shots, and {self.name} takes {self.fewest_shots} or more with these options. "
                "Nothing was sent. Ask for fewer rounds, or more shots."
            )
        round_backend = copy(self)
        options = self.options
        round_options = {
            "shots": shots,
            "repetition": options.repetition + number * ROUND_SEED_STEP,
        }
        round_backend.options = options.model_copy(update=round_options)
        return round_backend

    def in_ledger(self) -> Self:
        """Return this backend for calls that read the ledger only (see `LedgerBackend.in_ledger`).

        Raises:
            RemoteRequestError: if nothing leaves this machine, so that there is no ledger.
        """
        if self.jobs is None:
            raise RemoteRequestError(
                f"{self.name} runs on this machine with these options and has no ledger. Measure again."
            )
        ledger_backend = copy(self)
        ledger_backend._reads_ledger_only = True
        return ledger_backend

    @property
    def has_limits(self) -> bool:
        """Return whether circuits are paid or limited in number (see `ConsentBackend.has_limits`)."""
        options = self.options
        limits = (options.circuit_budget, options.max_circuits)
        return self.jobs is not None and (options.paid or limits != (None, None))

    def merge_estimates(
        self,
        estimates: Sequence[Any],
        *,
        rounds: tuple[int, ...] = (),
        expected: float | None = None,
    ) -> CostEstimate:
        """Return one estimate of several calls (see `ConsentBackend.merge_estimates`)."""
        total_estimate = replace(sum_estimates(estimates), rounds=rounds, expected=expected)
        if self.jobs is None:
            return total_estimate
        with_refusal = self.jobs.with_refusal if len(estimates) > 1 else self.jobs.with_call_refusal
        total_estimate = with_refusal(total_estimate, self.address)
        refusals = (total_estimate.refusal, *(estimate.refusal for estimate in estimates))
        return replace(total_estimate, refusal=next(filter(None, refusals), ""))

    def consent(self, estimate: Any) -> AbstractContextManager[None]:
        """Return a context whose calls ask once for consent (see `ConsentBackend.consent`)."""
        return nullcontext() if self.jobs is None else self.jobs.consent(estimate, self.address)

    @property
    def consented(self) -> bool:
        """Return the option ``yes``."""
        return bool(self.options.yes)

    @property
    def has_ledger(self) -> bool:
        """Return whether the ledger's folder holds one. A call that sent nothing leaves an empty folder."""
        return self.jobs is not None and self.jobs.ledger.path.exists()

    def check_access(self) -> None:
        """Raise `RemoteError` if the server cannot be asked at all, such as without an API key."""
        return

    def attend(
        self,
        *,
        confirm: Confirm | None = None,
        announce: Announce | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Set the callbacks of later calls (see `RemoteBackend.attend`)."""
        if self.jobs is not None:
            self.jobs.confirm = confirm
            self.jobs.announce = announce
            self.jobs.on_progress = on_progress

    def running_jobs(self) -> str:
        """Return a report of the jobs that are still running at the server (see `RemoteBackend.running_jobs`)."""
        if self.jobs is None:
            return ""
        # of its own: another thread may be using the one of the jobs
        ledger = Ledger(self.jobs.ledger.folder)
        ledger.refresh()
        jobs = unfinished_jobs(ledger)
        return str(JobsInterrupt(jobs, ledger.folder)) if jobs else ""
