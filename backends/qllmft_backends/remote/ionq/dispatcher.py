"""Sending of circuits that the ledger lacks: priced, agreed to, looked up at the server, and sent job by job.

With circuits of known answer the first job of a call is awaited, and jobs of an earlier call that are under way before
it: the others are sent only after a right answer. Their own answers are checked when they are collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from qllmft_backends.errors import CostRefusedError
from qllmft_backends.remote.ionq.batch import CircuitBatch, Submission
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ionq.collect import OnProgress, collect, read_again
from qllmft_backends.remote.ionq.compile import Template
from qllmft_backends.remote.ionq.cost import (
    Announce,
    Confirm,
    CostEstimate,
    PriceOf,
    Spent,
    authorize,
    check_limits,
    spent,
)
from qllmft_backends.remote.ionq.errors import IonQError, IonQJobFailedError, IonQRequestError
from qllmft_backends.remote.ionq.job_index import JobIndex
from qllmft_backends.remote.ionq.known_answer import known_answer
from qllmft_backends.remote.ionq.options import IonQForteOptions, IonQOptions
from qllmft_backends.remote.ionq.results import check_answers
from qllmft_backends.remote.ionq.send import check_machine, send, settle
from qllmft_backends.remote.ionq.sessions import session_caps, session_of
from qllmft_backends.remote.ionq.transport import Deadline
from qllmft_backends.remote.ledger.chunk import Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Ledger


@dataclass(frozen=True)
class Callbacks:
    """Functions that `RemoteBackend.attend` sets."""

    confirm: Confirm | None = None
    announce: Announce | None = None
    on_progress: OnProgress | None = None


class Dispatcher:
    """Sender of circuits that a ledger lacks.

    ``client`` is called only if the server is asked; ``sends_known_answer`` (whether a circuit with a known answer goes
    first in each job, for the number of other circuits in the largest job) is called after the server's first answer.
    """

    def __init__(
        self,
        options: IonQOptions,
        ledger: Ledger,
        client: Callable[[], Client],
        sends_known_answer: Callable[[int], bool],
    ) -> None:
        self._options, self._ledger = options, ledger
        self._client, self._sends_known_answer = client, sends_known_answer
        self._retry_wrong = isinstance(options, IonQForteOptions) and options.retry_wrong
        self._circuits_sent = 0
        self._cached_index: JobIndex | None = None
        self._machine_checked = False

    def find(self, batch: CircuitBatch) -> None:
        """Set the places of the batch's circuits in the ledger."""
        batch.places = self._ledger.find(
            batch.setup,
            batch.values,
            retry_failed=self._options.retry_failed,
            retry_wrong=self._retry_wrong,
        )

    def priced(self, batch: CircuitBatch, price_of: PriceOf) -> CostEstimate:
        """Return the cost of sending the missing circuits, including those with a known answer."""
        price = price_of(batch.setup, batch.template)
        parts = batch.parts()
        if parts and (self._sends_known_answer(len(parts[0])) or self._checked_before(batch)):
            batch.known = known_answer(batch.setup.n_qubits)
        estimate = replace(batch.estimate(), **price)
        if batch.known is None or not estimate.known_answers:
            return estimate
        known = price_of(replace(batch.setup, circuit_sha256=batch.known.sha256), batch.known)
        if known.get("unit") != price.get("unit"):
            raise IonQRequestError(
                f"the server's price of a circuit is in {price.get('unit')!r}, and that of the circuit with a known "
                f"answer in {known.get('unit')!r}; expected one unit. Nothing was sent. Set known_answer_shots=0."
            )
        return replace(estimate, known_price=known["price_each"])

    def _checked_before(self, batch: CircuitBatch) -> bool:
        """Return whether the batch continues jobs that were sent with a known answer and count as never accepted.

        They are sent again as they were, so that the server can recognise them by their client tokens.
        """
        options = self._options
        if not isinstance(options, IonQForteOptions) or options.known_answer_shots is not None:
            return False
        chunks = (c for c in self._ledger.chunks.values() if c.setup == batch.setup and c.checked)
        return any(c.attempts and c.state == "planned" for c in chunks)

    def with_refusal(self, batch: CircuitBatch, estimate: CostEstimate) -> CostEstimate:
        """Return the estimate with the reason for which the limits would refuse the call."""
        try:
            check_limits(estimate, self._options, self._circuits_sent, self._spent(batch))
        except CostRefusedError as error:
            return replace(estimate, refusal=str(error))
        return estimate

    def _spent(self, batch: CircuitBatch) -> Spent:
        return spent(self._ledger.chunks.values(), batch.setup.url)

    def server_price(self, setup: Setup, template: Template) -> dict[str, Any]:
        """Return the server's price of one circuit (see `Client.price`)."""
        return self._client().price(setup, template, session=bool(session_caps(self._options)))

    def submit(self, batch: CircuitBatch, callbacks: Callbacks) -> Submission:
        """Send the circuits that the ledger lacks.

        Raises:
            CostRefusedError: see `authorize`; nothing was sent.
            IonQJobFailedError: if a known answer is wrong or missing; no further job was sent.
            IonQError: if sending failed; accepted jobs are in the ledger.
        """
        self.settle(batch)
        self.read_wrong_answers_again(batch)
        check_answers(batch.chunks, self._ledger)
        missing, paid = bool(batch.missing), self._options.paid
        estimate = self.priced(batch, self.server_price) if missing and paid else batch.estimate()
        authorize(
            estimate, self._options, self._circuits_sent, self._spent(batch), callbacks.confirm
        )
        if missing:
            if paid and callbacks.announce is not None:
                callbacks.announce(estimate)
            with self._client().transport.until(Deadline(self._options.deadline_s)):
                self._send_missing(batch, estimate, callbacks.on_progress)
        return Submission(
            estimate, tuple(str(chunk.job_id) for chunk in batch.chunks if chunk.job_id)
        )

    def settle(self, batch: CircuitBatch) -> None:
        """Find out which of the doubtful chunks were accepted."""
        doubtful = [chunk for chunk in batch.chunks if chunk.state == "sent"]
        for chunk in doubtful:
            if chunk.state == "sent":
                settle(self.index(), chunk, self._options.settle_s)
        if doubtful:
            self.find(batch)

    def read_wrong_answers_again(self, batch: CircuitBatch) -> None:
        """Read the results of jobs with a wrong known answer again, which is free: the first reading may be wrong."""
        wrong = [
            c for c in self._ledger.chunks.values() if c.integrity_error and c.setup == batch.setup
        ]
        for chunk in wrong:
            try:
                read_again(self._client(), self._ledger, chunk)
            except IonQError:
                if self._retry_wrong:  # its circuits would be paid again
                    raise
        if wrong:
            self.find(batch)

    def index(self) -> JobIndex:
        """Return the index of the server's jobs, as far as it was read."""
        now, sent = (
            self._client().transport.server_time(),
            any(c.attempts for c in self._ledger.chunks.values()),
        )
        if now is not None and not sent and self._ledger.identity.created_at is None:
            self._ledger.identity.set_created_at(now)
        if self._cached_index is None:
            self._cached_index = JobIndex(self._client(), self._ledger)
        return self._cached_index

    def _send_missing(
        self, batch: CircuitBatch, estimate: CostEstimate, on_progress: OnProgress | None
    ) -> None:
        """Send the missing circuits, unless the server holds them under our client tokens."""
        if not self._machine_checked:
            check_machine(self._client(), batch.setup)
            self._machine_checked = True
        index = self.index()
        if not self._ledger.fresh:
            index.refresh(
                complete=any(c.attempts and not c.job_id for c in self._ledger.chunks.values())
            )
            if index.reconcile():
                self.find(batch)
        client, ledger, options, setup = self._client(), self._ledger, self._options, batch.setup
        parts = batch.parts()
        index.check_orphans(
            ledger.tokens(setup, [batch.values[rows] for rows in parts], batch.checked)
        )
        if not parts:  # the server had all of it
            return
        self._await_answers(batch.chunks, on_progress)
        with session_of(client, ledger, setup.backend, options, estimate.unit) as session:
            for number, rows in enumerate(parts):
                facts = batch.facts(estimate)
                chunk = ledger.plan(setup, batch.values[rows], checked=batch.checked, **facts)
                send(index, chunk, batch.template, session)
                self._circuits_sent += chunk.circuits
                for i, row in enumerate(rows):
                    batch.places[row] = (chunk, i)
                if number == 0 and len(parts) > 1:
                    self._await_answers([chunk], on_progress)

    def _await_answers(self, chunks: Iterable[Chunk], on_progress: OnProgress | None) -> None:
        """Wait for the chunks that are under way with a known answer, and check their answers."""
        awaited = [chunk for chunk in chunks if chunk.known_circuits and chunk.state == "submitted"]
        if not awaited:
            return
        for problem in collect(self._client(), self._ledger, awaited, on_progress).values():
            raise problem
        check_answers(awaited, self._ledger)
        for chunk in awaited:
            if chunk.state == "failed":
                raise IonQJobFailedError(
                    f"{chunk.label}, whose known answer was waited for, failed: {chunk.failure}. No further job was "
                    "sent. Failed jobs are not charged by IonQ: set retry_failed to send its circuits again."
                )
