"""Jobs of one backend in one ledger: priced, agreed to, looked up at the server, sent one by one, and collected.

With circuits of known answer the first job of a call is awaited, and jobs of an earlier call that are under way before
it: the others are sent only after a right answer. Their own answers are checked when they are collected.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from qllmft_backends.errors import CostRefusedError, LedgerError
from qllmft_base.versions import installed_version
from qllmft_machines.batch import (
    CircuitBatch,
    Submission,
    Template,
    check_answers,
    missing_results_text,
)
from qllmft_machines.check_circuits import decide_on_check_circuits
from qllmft_machines.collect import OnProgress, collect, poll
from qllmft_machines.cost import (
    Announce,
    Confirm,
    Consent,
    CostEstimate,
    LedgerCharges,
    authorize,
    refusal_reason,
    session_refusal_reason,
)
from qllmft_machines.errors import (
    DuplicateJobWarning,
    JobFailedError,
    RemoteError,
    RemoteRequestError,
)
from qllmft_machines.ledger.chunk import Chunk, Setup
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.options import Deadline, JobOptions, KnownAnswerOptions
from qllmft_machines.route import JobIndex, Route
from qllmft_machines.rows import JobsInterrupt, unfinished_jobs
from qllmft_machines.send import check_patience, resolve_doubtful_chunk, send

# fields of a `CostEstimate`; ``price_each`` is the price
PriceFunction = Callable[[Setup, Template], dict[str, Any]]


class Jobs:
    """Jobs of one backend in one ledger.

    Args:
        options: of the backend.
        ledger: of its jobs.
        open_route: called once, if the server is asked.
    """

    def __init__(
        self, options: JobOptions, ledger: Ledger, open_route: Callable[[], Route]
    ) -> None:
        self.options = options
        self.ledger = ledger
        self.confirm: Confirm | None = None
        self.announce: Announce | None = None
        self.on_progress: OnProgress | None = None
        self._open_route = open_route
        self._current_route: Route | None = None
        self._call_lock = threading.Lock()  # Qiskit's primitives run in threads
        self._sent_chunk_ids: set[str] = set()
        self._process_id = os.getpid()
        self._fork_id = self._process_id  # process of the locks
        self._consents: list[Consent] = []  # each to several calls, of any thread
        self._cached_index: JobIndex | None = None
        self._machine_checked = False

    @property
    def route(self) -> Route:
        """Return the route to the server, opened at the first use."""
        if self._current_route is None:
            self._current_route = self._open_route()
        return self._current_route

    @property
    def index(self) -> JobIndex:
        """Return the index of the server's jobs, as far as it was read."""
        server_time = self.route.server_time()
        has_attempts = any(c.attempts for c in self.ledger.chunks.values())
        if server_time is not None and not has_attempts and self.ledger.identity.created_at is None:
            self.ledger.identity.set_created_at(server_time)
        if self._cached_index is None:
            self._cached_index = self.route.index(self.ledger)
        return self._cached_index

    @property
    def _circuits_sent(self) -> int:
        """Return the number of circuits that this object has sent, but for those that had no effect at the server."""
        chunks = self.ledger.chunks.values()
        return sum(chunk.circuits_sent for chunk in chunks if chunk.id in self._sent_chunk_ids)

    def _check_process(self) -> None:
        """Raise `LedgerError` in a fork: there the consent to a price and the limits would count once more."""
        if self._process_id != os.getpid():
            raise LedgerError(
                f"this backend was opened in process {self._process_id}, and process {os.getpid()} is a fork of it. "
                "Nothing was sent. Call qllmft_backends.create in the process that sends circuits."
            )

    def _replace_locks_in_fork(self) -> None:
        """In a fork, open the ledger anew: a thread of the process before it may have been using it."""
        if os.getpid() not in (self._process_id, self._fork_id):
            self._fork_id = os.getpid()
            self._call_lock = threading.Lock()
            self.ledger = Ledger(self.ledger.folder)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read the ledger for one call."""
        self._replace_locks_in_fork()
        with self._call_lock:
            self.ledger.refresh()
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the ledger. Ctrl-C while jobs are under way becomes a `JobsInterrupt` that lists them.

        Raises:
            LedgerError: in a fork of the process that opened the backend.
        """
        self._check_process()
        with self._call_lock, self.ledger.lock():
            try:
                yield
            except KeyboardInterrupt:
                jobs = unfinished_jobs(self.ledger)
                if jobs:
                    raise JobsInterrupt(jobs, self.ledger.folder) from None
                raise

    def find(self, batch: CircuitBatch) -> None:
        """Set the places of the batch's circuits in the ledger."""
        batch.places = self.ledger.find(
            batch.setup,
            batch.values,
            retry_failed=self.options.retry_failed,
            retry_wrong=self._retries_wrong,
        )

    def price_call(self, batch: CircuitBatch, price_function: PriceFunction) -> CostEstimate:
        """Return the cost of sending the missing circuits, with the reason for which the call would fail."""
        estimate = self.with_call_refusal(self._price_batch(batch, price_function), batch.setup.url)
        if estimate.refusal or not estimate.lost:
            return estimate
        return replace(estimate, refusal=missing_results_text(batch, estimate.lost))

    def with_refusal(self, estimate: CostEstimate, url: str) -> CostEstimate:
        """Return an estimate with the reason for which the limits would refuse it at the server ``url``."""
        spent_before = LedgerCharges.from_chunks(self.ledger.chunks.values(), url)
        reason = refusal_reason(estimate, self.options, self._circuits_sent, spent_before)
        return replace(estimate, refusal=reason)

    def with_call_refusal(self, estimate: CostEstimate, url: str) -> CostEstimate:
        """Return the estimate of one call with the reason for which its limits, or its session's, would refuse it."""
        estimate = self.with_refusal(estimate, url)
        reason = estimate.refusal or session_refusal_reason(estimate, self.options)
        return replace(estimate, refusal=reason)

    @contextmanager
    def consent(self, estimate: CostEstimate, url: str) -> Iterator[None]:
        """Ask once for consent to the circuits of all calls to ``url`` in this context, or raise `CostRefusedError`.

        A call above what is left of the estimate asks again, and so does each call after the context.
        """
        if self._find_consent(estimate) is not None:
            yield
            return
        if estimate.refusal:  # of one of the calls
            raise CostRefusedError(estimate.refusal)
        self._ask(self.with_refusal(estimate, url))
        consent = Consent(estimate.circuits, estimate.price, estimate.unit)
        self._consents.append(consent)
        try:
            yield
        finally:  # contexts of several threads end in any order
            self._consents.remove(consent)

    def _find_consent(self, estimate: CostEstimate) -> Consent | None:
        """Return the last consent that covers a call, or None."""
        return next((c for c in reversed(self._consents) if c.covers(estimate)), None)

    def _ask(self, estimate: CostEstimate) -> None:
        """Ask for consent to circuits that are about to be sent, or raise `CostRefusedError`."""
        authorize(estimate, self.options, self.confirm)
        if estimate.circuits and self.options.paid and self.announce is not None:
            self.announce(estimate)

    def submit(self, batch: CircuitBatch) -> Submission:
        """Send the circuits that the ledger lacks, after consent to their price.

        Raises:
            CostRefusedError: see `authorize`; nothing was sent.
            JobFailedError: if a known answer is wrong or missing, or a job of an earlier call failed; no further job
                was sent.
            RemoteError: if sending failed; accepted jobs are in the ledger.
        """
        estimate = self._consent_to_call(batch)
        if batch.missing:
            with self.route.until(Deadline(self.options.deadline_s)):
                self._find_accepted_jobs(batch)
                index = self.index
                with self._open_session(batch, estimate) as session:
                    for number, rows in enumerate(batch.missing_rows_by_job()):
                        chunk = self._plan(batch, rows, estimate)
                        send(index, chunk, batch, session)
                        for i, row in enumerate(rows):
                            batch.places[row] = (chunk, i)
                        if number == 0 and batch.missing:
                            self._await_answers([chunk])
        ids = tuple(chunk.job_id for chunk in batch.chunks if chunk.job_id)
        return Submission(estimate, ids)

    def _consent_to_call(self, batch: CircuitBatch) -> CostEstimate:
        """Return the cost of what a call sends, with consent to it, or raise what `submit` raises."""
        self._resolve_doubtful(batch)
        check_answers(batch.chunks, self.ledger)
        estimate = batch.count_circuits()
        if batch.missing and estimate.lost:
            raise JobFailedError(
                f"{missing_results_text(batch, estimate.lost)} Nothing of this call was sent."
            )
        if batch.missing and self.options.paid:
            estimate = self._price_batch(batch, self.route.price)
        estimate = self.with_call_refusal(estimate, batch.setup.url)
        consent = self._find_consent(estimate)
        if estimate.refusal or consent is None:
            self._ask(estimate)
        else:
            consent.take(estimate)
        return estimate

    def _find_accepted_jobs(self, batch: CircuitBatch) -> None:
        """Give the missing circuits their places if the server holds them under our client tokens.

        Raises:
            LedgerError: if the server holds jobs of this ledger that it lacks.
            RemoteError: if the machine cannot run the circuits, or the server cannot be asked.
        """
        route = self.route
        ledger = self.ledger
        setup = batch.setup
        if not self._machine_checked:
            route.check(setup)
            self._machine_checked = True
        index = self.index
        if index.searches:
            check_patience(route, setup)
        if index.searches and not ledger.fresh:
            index.refresh(complete=any(c.attempts and not c.job_id for c in ledger.chunks.values()))
            if index.reconcile():
                self.find(batch)
        planned_values = [batch.values[rows] for rows in batch.missing_rows_by_job()]
        index.check_orphans(ledger.tokens(setup, planned_values, batch.checked))

    @contextmanager
    def _open_session(self, batch: CircuitBatch, estimate: CostEstimate) -> Iterator[str | None]:
        """Open a session for the missing circuits if the options have caps, and end it when no job is under way.

        Jobs of earlier calls are awaited first, whose check circuits may stop the call.
        """
        if not batch.missing:  # the server had all of it
            yield None
            return
        self._await_answers(batch.chunks)
        session = self.route.open_session(batch.setup.backend, estimate.unit)
        try:
            yield session
        finally:
            if not isinstance(sys.exception(), KeyboardInterrupt):  # which waits for no server
                self.route.end_sessions(self.ledger, [session])

    def _plan(self, batch: CircuitBatch, rows: Sequence[int], estimate: CostEstimate) -> Chunk:
        """Write a job of missing circuits into the ledger, and return it as a chunk to send."""
        facts = {  # for people
            "circuit_name": batch.template.circuit.name,
            "one_qubit_gates": batch.template.one_qubit_gates,
            "two_qubit_gates": batch.template.two_qubit_gates,
            "price_each": estimate.price_each,
            "known_price": estimate.known_price,
            "price_unit": estimate.unit,
            "versions": {name: installed_version(name) for name in self.route.packages},
        }
        chunk = self.ledger.plan(batch.setup, batch.values[rows], checked=batch.checked, **facts)
        self._sent_chunk_ids.add(chunk.id)
        return chunk

    def collect(self, batch: CircuitBatch) -> None:
        """Wait for the jobs of a batch, check their known answers, and look for duplicates.

        Raises:
            RemoteError: if a job cannot be read or a known answer is wrong. The others are in the ledger.
        """
        self._resolve_doubtful(batch)
        chunks = batch.chunks
        if waiting_chunks := [chunk for chunk in chunks if chunk.state == "submitted"]:
            problems = collect(self.index, waiting_chunks, self.on_progress)
            self.route.end_sessions(self.ledger, {chunk.session for chunk in waiting_chunks})
            for problem in problems.values():
                raise problem
        check_answers(chunks, self.ledger)
        same_setup_chunks = (c for c in self.ledger.chunks.values() if c.setup == batch.setup)
        if any(chunk.may_have_duplicate for chunk in same_setup_chunks) and self.index.searches:
            try:
                self.index.refresh()
            except RemoteError as error:  # the results are in the ledger all the same
                text = f"not looked for jobs that were accepted late: {error}"
                warnings.warn(text, DuplicateJobWarning, stacklevel=4)
            else:
                self.index.reconcile()

    def _resolve_doubtful(self, batch: CircuitBatch) -> None:
        """Find out which of the doubtful chunks were accepted, and read jobs with a wrong known answer again.

        That is free, and the first reading may be wrong.
        """
        chunks = self.ledger.chunks.values()
        doubtful_chunks = [chunk for chunk in batch.chunks if chunk.state == "sent"]
        for chunk in doubtful_chunks:
            resolve_doubtful_chunk(self.index, chunk)
        wrong_chunks = [c for c in chunks if c.integrity_error and c.setup == batch.setup]
        for chunk in wrong_chunks:
            try:
                poll(self.index, chunk)
            except RemoteError:
                if self._retries_wrong:  # its circuits would be paid again
                    raise
        if doubtful_chunks or wrong_chunks:
            self.find(batch)

    def _price_batch(self, batch: CircuitBatch, price_function: PriceFunction) -> CostEstimate:
        """Return the cost of sending the missing circuits, including those with a known answer."""
        price = price_function(batch.setup, batch.template)
        decide_on_check_circuits(batch, self.options, self.ledger)
        estimate = replace(batch.count_circuits(), **price)
        if not batch.checked or batch.known_answer_template is None:
            return estimate
        known_answer_template = batch.known_answer_template(0)
        known_answer_price = price_function(
            replace(batch.setup, circuit_sha256=known_answer_template.sha256), known_answer_template
        )
        if known_answer_price.get("unit") != price.get("unit"):
            raise RemoteRequestError(
                f"the server's price of a circuit is in {price.get('unit')!r}, and of a check circuit in "
                f"{known_answer_price.get('unit')!r}, expected one unit. Nothing was sent. Set known_answer_shots=0."
            )
        return replace(estimate, known_price=known_answer_price["price_each"])

    @property
    def _retries_wrong(self) -> bool:
        return isinstance(self.options, KnownAnswerOptions) and self.options.retry_wrong

    def _await_answers(self, chunks: Iterable[Chunk]) -> None:
        """Wait for the chunks that are under way with a known answer, and check their answers."""
        awaited_chunks = [chunk for chunk in chunks if chunk.checked and chunk.state == "submitted"]
        if not awaited_chunks:
            return
        for problem in collect(self.index, awaited_chunks, self.on_progress).values():
            raise problem
        check_answers(awaited_chunks, self.ledger)
        for chunk in awaited_chunks:
            if chunk.state == "failed":
                raise JobFailedError(
                    f"{chunk.label}, whose check circuit was awaited, failed: {chunk.failure}. No further job was "
                    f"sent. {chunk.failure_remedy}"
                )
