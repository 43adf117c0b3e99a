"""Sending what the ledger lacks: priced, agreed to, looked up at the server, and sent job after job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from qllmft_backends.ionq.client import Client
from qllmft_backends.ionq.cost import CostEstimate, Purse, spent
from qllmft_backends.ionq.known_answer import ask_known_answer, known_work
from qllmft_backends.ionq.ledger import Chunk, Ledger, Setup
from qllmft_backends.ionq.options import IonQOptions
from qllmft_backends.ionq.post import check_machine
from qllmft_backends.ionq.prices import Prices
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
        known_answer_shots: shots of the circuit with a known answer; 0: none. Called where circuits are priced.
    """

    def __init__(
        self,
        options: IonQOptions,
        ledger: Ledger,
        purse: Purse,
        prices: Prices,
        client: Callable[[], Client],
        known_answer_shots: Callable[[], int],
    ) -> None:
        self._options, self._ledger, self._purse, self._prices = options, ledger, purse, prices
        self._client, self._known_answer_shots = client, known_answer_shots
        self._cached_roster: Roster | None = None
        self._machine_checked = False

    def find(self, work: Work) -> list[Place | None]:
        """Where each circuit of ``work`` stands in the ledger; None: nowhere."""
        return self._ledger.find(work.setup, work.values, retry_failed=self._options.retry_failed)

    def priced(self, work: Work, price: Callable[[CostEstimate, Work], CostEstimate]) -> CostEstimate:
        """What sending would cost by ``price``, the circuit with a known answer included."""
        places = self.find(work)
        estimate = price(work.counted(places, self._options), work)
        known = self._known_answer(work, places)
        if known is None or self.find(known) != [None]:
            return estimate
        return estimate.before(price(known.counted([None], self._options), known))

    def submit(self, work: Work, *, paid: bool) -> Submission:
        """Send what the ledger does not know.

        Raises:
            CostRefusedError: see `Purse.authorize`; nothing was sent.
            IonQError: the ledger knows what was accepted.
        """
        self.settle(chunks_of(self.find(work)), work)
        places = self.find(work)
        missing = any(place is None for place in places)
        estimate = work.counted(places, self._options)
        if missing and paid:
            estimate = self.priced(work, self._prices.estimate)
        self._purse.authorize(estimate, self._options, spent(self._ledger.chunks.values(), work.setup.url))
        if missing:
            with self._client().transport.until(Deadline(self._options.deadline_s)):
                self._send_missing(work, estimate)
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

    def _known_answer(self, work: Work, places: Sequence[Place | None]) -> Work | None:
        """The circuit with a known answer that goes before those at no place; None: none."""
        shots = self._known_answer_shots()
        rows = work.values[[place is None for place in places]]
        return known_work(replace(work, values=rows), shots) if shots and len(rows) else None

    def _send_missing(self, work: Work, estimate: CostEstimate) -> None:
        """Send what the ledger lacks, and the server too: what it holds with our client tokens is taken over."""
        self._check_machine(work.setup)
        roster = self.roster(work)
        if not self._ledger.fresh:
            roster.refresh()
            roster.reconcile()
        places = self.find(work)
        rows = work.values[[place is None for place in places]]
        size = work.circuits_per_job(self._options)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        known = self._known_answer(work, places)
        tokens = self._ledger.tokens(work.setup, parts)
        roster.check_orphans(tokens if known is None else [*tokens, *self._ledger.tokens(known.setup, [known.values])])
        if not parts:  # the server had all of it
            return
        client, ledger, options = self._client(), self._ledger, self._options
        with session_of(client, ledger, work.setup.backend, options, estimate.unit) as session:
            if known is not None:
                facts = known.facts(estimate.first or estimate)
                self._purse.circuits += ask_known_answer(client, ledger, roster, known, options, facts, session)
            for part in parts:
                chunk = ledger.plan(work.setup, part, **work.facts(estimate))
                send(client, ledger, roster, chunk, work.template, options, session)
                self._purse.circuits += len(part)

    def _check_machine(self, setup: Setup) -> None:
        if not self._machine_checked:
            check_machine(self._client(), setup)
            self._machine_checked = True
