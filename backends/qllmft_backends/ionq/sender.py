"""Sending a chunk so that it is accepted once: never a second POST before the first is known to have had no effect."""

from __future__ import annotations

import time

from qllmft_backends.ionq.client import Client
from qllmft_backends.ionq.compile import Template
from qllmft_backends.ionq.errors import IonQError
from qllmft_backends.ionq.known_answer import known_answer
from qllmft_backends.ionq.ledger import Chunk, Ledger
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.post import post
from qllmft_backends.ionq.roster import Roster
from qllmft_backends.ionq.transport import Deadline

_FIRST_PAUSE_S = 1.0


def settle(ledger: Ledger, roster: Roster, chunk: Chunk, connection: IonQConnection, patience_s: float) -> None:
    """Find out whether a doubtful chunk (sent, no job id) was accepted: look for its client token among the jobs.

    Afterwards the chunk is ``submitted``, or ``planned`` again. It counts as never accepted when the server does not
    list it ``patience_s`` after the last attempt. Should the server accept it later still, the next call finds that
    before it sends anything, and `Roster.reconcile` tells of a job beside its successor.

    Raises:
        IonQError: where the server cannot be asked; the chunk stays doubtful, and is not sent again.
    """
    last = max(a.at for a in chunk.attempts)
    wait = Deadline(min(patience_s, max(0.0, last + patience_s - time.time())))
    while True:
        settled = wait.left() == 0  # read before the look, so that the last look is at a settled server
        try:
            roster.refresh()
        except IonQError as error:
            raise _with(
                error,
                f"Chunk {chunk.id} may have been accepted before; it is not sent again until the server has been asked "
                "for its client token. Run again later: nothing is paid twice.",
            ) from None
        roster.reconcile()
        if chunk.job_id is not None:
            return
        if settled:
            for token in {a.client_token for a in chunk.attempts if not a.refused}:
                ledger.refused(chunk, token, f"not among the server's jobs after {patience_s:g} s")
            return
        time.sleep(min(connection.poll_interval_s, wait.left()))


def send(
    client: Client,
    ledger: Ledger,
    roster: Roster,
    chunk: Chunk,
    template: Template,
    connection: IonQConnection,
    session: str | None = None,
) -> None:
    """Send a planned chunk, in ``session`` where there is one; afterwards it is ``submitted``.

    ``roster`` was read in this call.

    After every answer that is not a plain acceptance the server is asked for the client token: at once where the answer
    is a refusal, for ``settle_s`` where it may have been a success (5xx, a redirection, no answer, one without an id).
    What may pass (429, 5xx, a lost connection) is repeated for ``retry_s`` seconds at most.

    Raises:
        IonQError: the chunk was not accepted, or is doubtful; the message says which.
    """
    circuits = template.bind(chunk.values, [f"{chunk.id}-{i}" for i in range(len(chunk.values))])
    if chunk.known_answer is not None:
        circuits.insert(0, known_answer(chunk.setup.n_qubits).template.circuit)
    patience = Deadline(connection.retry_s)
    pause = min(_FIRST_PAUSE_S, connection.poll_interval_s)
    while True:
        found = roster.find(ledger.tokens(chunk.setup, [chunk.values], chunk.known_answer))
        if found:  # lost from the ledger, or accepted late
            ledger.sending(chunk, client.transport.server_time())
            roster.adopt(chunk, found[0])
            return
        token = ledger.sending(chunk, client.transport.server_time(), session)
        try:
            job_id = post(client, circuits, chunk.setup, token, ledger.identity.id, session)
        except IonQError as error:
            failure = error
        else:
            ledger.submitted(chunk, job_id, sandbox=client.transport.sandbox)
            return
        if failure.unsent:
            ledger.refused(chunk, token, str(failure))
        else:
            settle(ledger, roster, chunk, connection, connection.settle_s if failure.ambiguous else 0.0)
            if chunk.job_id is not None:
                return
        wait = max(pause, failure.retry_after_s or 0.0)
        if not failure.transient or wait > patience.left():
            raise _with(
                failure,
                f"Chunk {chunk.id} ({chunk.circuits} circuits) was not accepted and costs nothing; what was "
                "accepted before is in the ledger. Run again to go on from there.",
            )
        time.sleep(wait)
        pause *= 2
        roster.refresh()


def _with(error: IonQError, note: str) -> IonQError:
    """The same error with a sentence about the chunk."""
    return type(error)(
        f"{error} {note}", retry_after_s=error.retry_after_s, transient=error.transient, status=error.status
    )
