"""Jobs of one backend in one ledger: priced, agreed to, looked up at the server, sent one by one, and collected.

With circuits of known answer the first job of a call is awaited, and jobs of an earlier call that are under way before
it: the others are sent only after a right answer. Their own answers are checked when they are collected.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qllmft_backends.backend import Backend
from qllmft_backends.errors import CostRefusedError
from qllmft_backends.precision import BETWEEN_ROUNDS
from qllmft_backends.remote.batch import CircuitBatch, Submission, Template
from qllmft_backends.remote.collect import OnProgress, collect, read_again
from qllmft_backends.remote.cost import (
    Announce,
    Confirm,
    CostEstimate,
    Spent,
    authorize,
    check_limits,
    spent,
    together,
)
from qllmft_backends.remote.errors import JobFailedError, RemoteError, RemoteRequestError
from qllmft_backends.remote.known_answers import KnownAnswers
from qllmft_backends.remote.ledger.chunk import Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.options import Deadline, JobOptions
from qllmft_backends.remote.results import check_answers
from qllmft_backends.remote.route import JobIndex, Route
from qllmft_backends.remote.rows import JobsInterrupt, under_way
from qllmft_backends.remote.send import check_patience, send, settle, settle_unlisted

# fields of a `CostEstimate`; ``price_each`` is the price
PriceOf = Callable[[Setup, Template], dict[str, Any]]


@dataclass(frozen=True)
class Callbacks:
    """Functions that `RemoteBackend.attend` sets."""

    confirm: Confirm | None = None
    announce: Announce | None = None
    on_progress: OnProgress | None = None


class Jobs:
    """Jobs of one backend in one ledger.

    Args:
        options: of the backend.
        ledger: of its jobs.
        route: called only if the server is asked.
        known_answers: None: no job has a circuit with a known answer.
    """

    def __init__(
        self,
        options: JobOptions,
        ledger: Ledger,
        route: Callable[[], Route],
        known_answers: KnownAnswers | None = None,
    ) -> None:
        self.options, self.ledger, self.callbacks = options, ledger, Callbacks()
        self._route, self._known_answers = route, known_answers
        self._one_at_a_time = threading.Lock()  # Qiskit's primitives run in threads
        self._circuits_sent = 0
        self._allowed = 0  # circuits of later calls that were consented to
        self._cached_index: JobIndex | None = None
        self._machine_checked = False

    @property
    def route(self) -> Route:
        """Return the route to the server."""
        return self._route()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read the ledger for one call."""
        with self._one_at_a_time:
            self.ledger.refresh()
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the ledger. Ctrl-C while jobs are under way becomes a `JobsInterrupt` that lists them."""
        with self._one_at_a_time, self.ledger.lock():
            try:
                yield
            except KeyboardInterrupt:
                jobs = under_way(self.ledger)
                if jobs:
                    raise JobsInterrupt(jobs, self.ledger.folder) from None
                raise

    def running(self) -> str:
        """Return a report of the jobs that are still running at the server, "" if there are none."""
        # of its own: another thread may be using this object's
        ledger = Ledger(self.ledger.folder)
        ledger.refresh()
        jobs = under_way(ledger)
        return str(JobsInterrupt(jobs, ledger.folder)) if jobs else ""

    def find(self, batch: CircuitBatch) -> None:
        """Set the places of the batch's circuits in the ledger."""
        batch.places = self.ledger.find(
            batch.setup,
            batch.values,
            retry_failed=self.options.retry_failed,
            retry_wrong=self.options.sends_wrong_again,
        )

    def estimate(self, batch: CircuitBatch, price_of: PriceOf) -> CostEstimate:
        """Return the cost of sending the missing circuits, with the reason for which the limits would refuse it."""
        return self.limited(self._priced(batch, price_of), batch.setup.url)

    def limited(self, estimate: CostEstimate, url: str) -> CostEstimate:
        """Return an estimate with the reason for which the limits would refuse it at the server ``url``."""
        try:
            check_limits(estimate, self.options.limits, self._circuits_sent, self._spent(url))
        except CostRefusedError as error:
            return replace(estimate, refusal=str(error))
        return estimate

    def allow(self, estimate: CostEstimate, url: str) -> None:
        """Ask for consent to circuits that are about to be sent to ``url``, or raise `CostRefusedError`.

        Later calls within the estimate ask for none.
        """
        limits, callbacks = self.options.limits, self.callbacks
        authorize(estimate, limits, self._circuits_sent, self._spent(url), callbacks.confirm)
        if estimate.circuits and limits.paid and callbacks.announce is not None:
            callbacks.announce(estimate)
        self._allowed = estimate.circuits

    def submit(self, batch: CircuitBatch) -> Submission:
        """Send the circuits that the ledger lacks.

        Raises:
            CostRefusedError: see `authorize`; nothing was sent.
            JobFailedError: if a known answer is wrong or missing; no further job was sent.
            RemoteError: if sending failed; accepted jobs are in the ledger.
        """
        self.settle(batch)
        self._read_wrong_answers_again(batch)
        check_answers(batch.chunks, self.ledger)
        if batch.missing and self.options.limits.paid:
            estimate = self._priced(batch, self.route.price)
        else:
            estimate = batch.estimate()
        refused = self.limited(estimate, batch.setup.url).refusal
        if refused or estimate.circuits > self._allowed:
            self.allow(estimate, batch.setup.url)
        self._allowed -= estimate.circuits
        if batch.missing:
            with self.route.until(Deadline(self.options.deadline_s)):
                self._send_missing(batch, estimate)
        return Submission(
            estimate, tuple(str(chunk.job_id) for chunk in batch.chunks if chunk.job_id)
        )

    def collect(self, batch: CircuitBatch) -> None:
        """Wait for the jobs of a batch, check their known answers, and look for duplicates.

        Raises:
            RemoteError: if a job cannot be read or a known answer is wrong. The others are in the ledger.
        """
        self.settle(batch)
        self._read_wrong_answers_again(batch)
        chunks = batch.chunks
        if waiting := [chunk for chunk in chunks if chunk.state == "submitted"]:
            problems = collect(self.route, self.ledger, waiting, self.callbacks.on_progress)
            self.route.end_sessions(self.ledger, {chunk.session for chunk in waiting})
            _raise_first(problems)
        check_answers(chunks, self.ledger)
        if any(chunk.doubtful for chunk in chunks) and (index := self.index()) is not None:
            index.warn_of_duplicates()

    def settle(self, batch: CircuitBatch) -> None:
        """Find out which of the doubtful chunks were accepted."""
        if doubtful := [chunk for chunk in batch.chunks if chunk.state == "sent"]:
            settle_all(self.route, self.index(), self.ledger, doubtful)
            self.find(batch)

    def index(self) -> JobIndex | None:
        """Return the index of the server's jobs, as far as it was read, or None if it has no search."""
        now = self.route.server_time()
        sent = any(c.attempts for c in self.ledger.chunks.values())
        if now is not None and not sent and self.ledger.identity.created_at is None:
            self.ledger.identity.set_created_at(now)
        if self._cached_index is None:
            self._cached_index = self.route.index(self.ledger)
        return self._cached_index

    def _spent(self, url: str) -> Spent:
        return spent(self.ledger.chunks.values(), url)

    def _priced(self, batch: CircuitBatch, price_of: PriceOf) -> CostEstimate:
        """Return the cost of sending the missing circuits, including those with a known answer."""
        price, known = price_of(batch.setup, batch.template), self._known_answers
        if known and batch.missing and (known.wanted(batch) or self._checked_before(batch)):
            template = known.template
            batch.known = cache(lambda state: template(batch, state))
        estimate = replace(batch.estimate(), can_check=known is not None, **price)
        if batch.known is None or not estimate.known_answers:
            return estimate
        circuit = batch.known(0)
        checked = price_of(replace(batch.setup, circuit_sha256=circuit.sha256), circuit)
        if checked.get("unit") != price.get("unit"):
            raise RemoteRequestError(
                f"the server's price of a circuit is in {price.get('unit')!r}, and that of the circuit with a known "
                f"answer in {checked.get('unit')!r}; expected one unit. Nothing was sent. Set known_answer_shots=0."
            )
        return replace(estimate, known_price=checked["price_each"])

    def _checked_before(self, batch: CircuitBatch) -> bool:
        """Return whether the batch continues jobs that were sent with a known answer and count as never accepted.

        They are sent again as they were, so that the server can recognise them by their client tokens.
        """
        if self._known_answers is None or not self._known_answers.continued:
            return False
        chunks = (c for c in self.ledger.chunks.values() if c.setup == batch.setup and c.checked)
        return any(c.attempts and c.state == "planned" for c in chunks)

    def _read_wrong_answers_again(self, batch: CircuitBatch) -> None:
        """Read the results of jobs with a wrong known answer again, which is free: the first reading may be wrong."""
        wrong = [
            c for c in self.ledger.chunks.values() if c.integrity_error and c.setup == batch.setup
        ]
        for chunk in wrong:
            try:
                read_again(self.route, self.ledger, chunk)
            except RemoteError:
                if self.options.sends_wrong_again:  # its circuits would be paid again
                    raise
        if wrong:
            self.find(batch)

    def _send_missing(self, batch: CircuitBatch, estimate: CostEstimate) -> None:
        """Send the missing circuits, unless the server holds them under our client tokens."""
        route, ledger, setup = self.route, self.ledger, batch.setup
        if not self._machine_checked:
            route.check(setup)
            self._machine_checked = True
        index = self.index()
        if index is not None:
            check_patience(route, setup)
        if index is not None and not ledger.fresh:
            index.refresh(complete=any(c.attempts and not c.job_id for c in ledger.chunks.values()))
            if index.reconcile():
                self.find(batch)
        parts = batch.parts()
        if index is not None:
            values = [batch.values[rows] for rows in parts]
            index.check_orphans(ledger.tokens(setup, values, batch.checked))
        if not parts:  # the server had all of it
            return
        self._await_answers(batch.chunks)
        with route.session(ledger, setup.backend, estimate.unit) as session:
            for number, rows in enumerate(parts):
                facts = batch.facts(estimate, route.packages)
                chunk = ledger.plan(setup, batch.values[rows], checked=batch.checked, **facts)
                send(route, index, ledger, chunk, batch, session)
                self._circuits_sent += chunk.circuits
                for i, row in enumerate(rows):
                    batch.places[row] = (chunk, i)
                if number == 0 and len(parts) > 1:
                    self._await_answers([chunk])

    def _await_answers(self, chunks: Iterable[Chunk]) -> None:
        """Wait for the chunks that are under way with a known answer, and check their answers."""
        awaited = [chunk for chunk in chunks if chunk.known_circuits and chunk.state == "submitted"]
        if not awaited:
            return
        _raise_first(collect(self.route, self.ledger, awaited, self.callbacks.on_progress))
        check_answers(awaited, self.ledger)
        for chunk in awaited:
            if chunk.state == "failed":
                raise JobFailedError(
                    f"{chunk.label}, whose known answer was waited for, failed: {chunk.failure}. No further job was "
                    f"sent. {chunk.setup.after_failure}"
                )


def settle_all(
    route: Route, index: JobIndex | None, ledger: Ledger, doubtful: Iterable[Chunk]
) -> None:
    """Find out which of the ``doubtful`` chunks were accepted.

    Args:
        route: to the server.
        index: of its jobs; None: the provider has no search.
        ledger: held.
        doubtful: chunks of the ledger; those that are not ``sent`` are passed over.
    """
    for chunk in doubtful:
        if chunk.state != "sent":  # settled together with another one
            continue
        if index is None:
            settle_unlisted(route, ledger, chunk)
        else:
            settle(route, index, chunk)


def check_round(machine: str, shots: int, fewest: int) -> None:
    """Raise `RemoteRequestError` for a round of fewer ``shots`` than a machine takes."""
    if shots < fewest:
        raise RemoteRequestError(
            f"a round has {shots} shots, and {machine} takes {fewest} or more with these options. Nothing was sent. "
            "Ask for fewer rounds, or more shots."
        )


def _raise_first(problems: Mapping[str, RemoteError]) -> None:
    for problem in problems.values():
        raise problem


class JobsBackend(Backend):
    """Base of the backends that send jobs away, a `RemoteBackend`. ``jobs`` is None if nothing leaves this machine."""

    options: Any
    jobs: Jobs | None

    @property
    @abstractmethod
    def address(self) -> str:
        """Return the server's address in the ledger."""

    @abstractmethod
    def estimate(
        self, circuit: QuantumCircuit, values: NDArray[np.float64], *, offline: bool = False
    ) -> CostEstimate:
        """Return the cost of a call (see `RemoteBackend.estimate`)."""

    def in_round(self, shots: int, number: int) -> JobsBackend:
        """Return this backend with other shots, and new measurements in each round (see `Backend.in_round`)."""
        changed, own = copy(self), self.options
        new = {"shots": shots, "repetition": own.repetition + number * BETWEEN_ROUNDS}
        changed.options = own.model_copy(update=new)
        return changed

    def merged(self, estimates: Sequence[CostEstimate]) -> CostEstimate:
        """Return one estimate of several calls, with the reason for which the limits would refuse it."""
        total = together(estimates)
        return total if self.jobs is None else self.jobs.limited(total, self.address)

    def authorize(self, estimate: CostEstimate) -> None:
        """Ask for consent to the circuits of several calls, or raise `CostRefusedError`."""
        if self.jobs is not None:
            self.jobs.allow(estimate, self.address)

    @property
    def consented(self) -> bool:
        """Return the option ``yes``."""
        return bool(self.options.yes)

    @property
    def has_ledger(self) -> bool:
        """Return whether the ledger's folder holds one. A call that sent nothing leaves an empty folder."""
        return self.jobs is not None and self.jobs.ledger.path.exists()

    def attend(
        self,
        *,
        confirm: Confirm | None = None,
        announce: Announce | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Set the callbacks of later calls (see `RemoteBackend.attend`)."""
        if self.jobs is not None:
            self.jobs.callbacks = Callbacks(confirm, announce, on_progress)

    def running_jobs(self) -> str:
        """Return a report of the jobs that are still running at the server (see `RemoteBackend.running_jobs`)."""
        return "" if self.jobs is None else self.jobs.running()
