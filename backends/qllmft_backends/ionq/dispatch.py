"""Sending what the ledger lacks: priced, agreed to, looked up at the server, and sent job after job.

With circuits of known answer the first job of a call is waited for, and jobs that an earlier call left under way before
it: only after a right answer the others leave. Those are judged when they are collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from qllmft_backends.ionq.client import Client
from qllmft_backends.ionq.collector import Progress, collect
from qllmft_backends.ionq.cost import CostEstimate, Purse, spent
from qllmft_backends.ionq.errors import IonQJobFailedError
from qllmft_backends.ionq.known_answer import known_answer
from qllmft_backends.ionq.ledger import Chunk, Ledger, Setup
from qllmft_backends.ionq.options import IonQForteOptions, IonQOptions
from qllmft_backends.ionq.post import check_machine
from qllmft_backends.ionq.prices import Prices
from qllmft_backends.ionq.results import check_answers
from qllmft_backends.ionq.roster import Roster
from qllmft_backends.ionq.sender import send, settle
from qllmft_backends.ionq.sessions import session_of
from qllmft_backends.ionq.transport import Deadline
from qllmft_backends.ionq.work import Place, Submission, Work, chunks_of


class Dispatch:
    """Sends the circuits of requests that a ledger lacks.

    Args:
        options: of the backend.
        ledger: what was sent before.
        purse: limits, and the consent to a price.
        prices: of the server.
        client: makes the client; called where the server is asked.
        sends_known_answer: whether a circuit with a known answer goes first in each job. Called after the server was
            asked for the first time, where it is asked at all.
    """

    def __init__(
        self,
        options: IonQOptions,
        ledger: Ledger,
        purse: Purse,
        prices: Prices,
        client: Callable[[], Client],
        sends_known_answer: Callable[[], bool],
    ) -> None:
        self._options, self._ledger, self._purse, self._prices = options, ledger, purse, prices
        self._client, self._sends_known_answer = client, sends_known_answer
        self._cached_roster: Roster | None = None
        self._machine_checked = False

    def find(self, work: Work) -> list[Place | None]:
        """Where each circuit of ``work`` stands in the ledger; None: nowhere."""
        return self._ledger.find(
            work.setup,
            work.values,
            retry_failed=self._options.retry_failed,
            retry_wrong=isinstance(self._options, IonQForteOptions) and self._options.retry_wrong,
        )

    def priced(self, work: Work, price: Callable[[CostEstimate, Work], CostEstimate]) -> CostEstimate:
        """What sending would cost by ``price``, circuits with a known answer included."""
        places = self.find(work)
        estimate = price(work.counted(places, self._options), work)
        work = self._with_known_answer(work)
        known, counted = work.known_work, work.counted(places, self._options)
        if known is None or not counted.jobs:
            return estimate
        first = price(known.counted([None] * counted.jobs, self._options), known)
        return replace(estimate, jobs=counted.jobs).before(first)

    def submit(self, work: Work, progress: Progress | None = None) -> Submission:
        """Send what the ledger does not know; ``progress`` is told of a job that is waited for.

        Raises:
            CostRefusedError: see `Purse.authorize`; nothing was sent.
            IonQJobFailedError: a known answer came back wrong, or not; no further job was sent.
            IonQError: the ledger knows what was accepted.
        """
        self.settle(chunks_of(self.find(work)), work)
        places = self.find(work)
        check_answers(chunks_of(places), self._ledger)
        missing = any(place is None for place in places)
        estimate = work.counted(places, self._options)
        if missing and self._options.paid:
            estimate = self.priced(work, self._prices.estimate)
        self._purse.authorize(estimate, self._options, spent(self._ledger.chunks.values(), work.setup.url))
        if missing:
            with self._client().transport.until(Deadline(self._options.deadline_s)):
                self._send_missing(work, estimate, progress)
        return Submission(estimate, tuple(str(c.job_id) for c in chunks_of(self.find(work)) if c.job_id))

    def settle(self, chunks: Iterable[Chunk], work: Work) -> None:
        """Find out which of the doubtful ones among ``chunks`` were accepted."""
        for chunk in chunks:
            if chunk.state == "sent":
                settle(self._ledger, self.roster(work), chunk, self._options, self._options.settle_s)

    def roster(self, work: Work) -> Roster:
        """The server's list of jobs of this machine, as far as it was read; see `Roster`."""
        now, sent = self._client().transport.server_time(), any(c.attempts for c in self._ledger.chunks.values())
        if now is not None and not sent and self._ledger.identity.born is None:
            self._ledger.identity.set_born(now)
        if self._cached_roster is None:
            self._cached_roster = Roster(self._client(), self._ledger, work.setup.backend)
        return self._cached_roster

    def _with_known_answer(self, work: Work) -> Work:
        return replace(work, known=known_answer(work.setup.n_qubits)) if self._sends_known_answer() else work

    def _send_missing(self, work: Work, estimate: CostEstimate, progress: Progress | None) -> None:
        """Send what the ledger lacks, and the server too: what it holds with our client tokens is taken over."""
        self._check_machine(work.setup)
        work = self._with_known_answer(work)
        roster = self.roster(work)
        if not self._ledger.fresh:
            roster.refresh()
            roster.reconcile()
        places = self.find(work)
        rows = work.values[[place is None for place in places]]
        size = work.circuits_per_job(self._options)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        roster.check_orphans(self._ledger.tokens(work.setup, parts, work.known_state))
        if not parts:  # the server had all of it
            return
        self._await_answers(chunks_of(places), progress)
        client, ledger, options = self._client(), self._ledger, self._options
        with session_of(client, ledger, work.setup.backend, options, estimate.unit) as session:
            for number, part in enumerate(parts):
                chunk = ledger.plan(work.setup, part, known_answer=work.known_state, **work.facts(estimate))
                send(client, ledger, roster, chunk, work.template, options, session)
                self._purse.circuits += chunk.circuits
                if number == 0 and len(parts) > 1:
                    self._await_answers([chunk], progress)

    def _await_answers(self, chunks: Iterable[Chunk], progress: Progress | None) -> None:
        """Wait for those of ``chunks`` that are under way and hold a circuit with a known answer, and judge them.

        Raises:
            IonQJobFailedError: an answer is wrong, or its job failed.
            IonQError: see `collect`.
        """
        awaited = [chunk for chunk in chunks if chunk.known_circuits and chunk.state == "submitted"]
        if not awaited:
            return
        problems = collect(self._client(), self._ledger, awaited, self._options, progress)
        for problem in problems.values():
            raise problem
        check_answers(awaited, self._ledger)
        for chunk in awaited:
            if chunk.state == "failed":
                raise IonQJobFailedError(
                    f"{chunk.label}, whose known answer was waited for, failed: {chunk.failure}. No further job was "
                    "sent. Failed jobs are not charged by IonQ: set retry_failed to send its circuits again."
                )

    def _check_machine(self, setup: Setup) -> None:
        if not self._machine_checked:
            check_machine(self._client(), setup)
            self._machine_checked = True
