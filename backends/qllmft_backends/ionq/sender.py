"""Sending a chunk so that it is accepted once: never a second POST before the first is known to have had no effect."""

from __future__ import annotations

import time

from qllmft_backends.ionq.client import Client, post
from qllmft_backends.ionq.compile import Template
from qllmft_backends.ionq.errors import IonQError
from qllmft_backends.ionq.ledger import Chunk, Ledger
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.transport import Deadline

_FIRST_PAUSE_S = 1.0


def settle(client: Client, ledger: Ledger, chunk: Chunk, connection: IonQConnection) -> None:
    """Find out whether a doubtful chunk (sent, no job id) was accepted: look for its client tokens among the jobs.

    Afterwards the chunk is ``submitted``, or ``planned`` again. It counts as never accepted when the server does not
    list it ``settle_s`` after the last attempt. A server that accepted a job and shows it later than that would run it
    beside its successor: the one case that this side cannot see, and the reason for a generous ``settle_s``.

    Raises:
        IonQError: where the server cannot be asked; the chunk stays doubtful, and is not sent again.
    """
    doubtful = [a for a in chunk.attempts if not a.refused]
    tokens = [a.client_token for a in chunk.attempts]  # also those of earlier attempts, should one turn up late
    since = min(a.at for a in chunk.attempts)
    wait = Deadline(min(connection.settle_s, max(0.0, max(a.at for a in doubtful) + connection.settle_s - time.time())))
    while True:
        settled = wait.left() == 0  # read before the look, so that the last look is at a settled server
        try:
            job_id = client.find(tokens, chunk.setup.backend, since)
        except IonQError as error:
            raise _with(
                error,
                f"Chunk {chunk.id} may have been accepted before; it is not sent again until the server has been asked "
                "for its client token. Run again later: nothing is paid twice.",
            ) from None
        if job_id is not None:
            ledger.submitted(chunk, job_id, found_by="client token", sandbox=client.transport.sandbox)
            return
        if settled:
            for attempt in doubtful:
                ledger.refused(
                    chunk, attempt.client_token, f"not among the server's jobs after {connection.settle_s} s"
                )
            return
        time.sleep(min(connection.poll_interval_s, wait.left()))


def send(client: Client, ledger: Ledger, chunk: Chunk, template: Template, connection: IonQConnection) -> None:
    """Send a planned chunk; afterwards it is ``submitted``.

    A refusal for now (429) is repeated after the pause that the server asks for; a failure that may have been a success
    (5xx, a lost connection) is settled first. Both for ``retry_s`` seconds at most.

    Raises:
        IonQError: the chunk was not accepted, or is doubtful; the message says which.
    """
    circuits = template.bind(chunk.values, [f"{chunk.id}-{i}" for i in range(len(chunk.values))])
    patience = Deadline(connection.retry_s)
    pause = min(_FIRST_PAUSE_S, connection.poll_interval_s)
    while True:
        token = ledger.sending(chunk)
        try:
            job_id = post(client, circuits, chunk.setup, token)
        except IonQError as error:
            failure = error
        else:
            ledger.submitted(chunk, job_id, sandbox=client.transport.sandbox)
            return
        if failure.ambiguous:
            settle(client, ledger, chunk, connection)
            if chunk.state == "submitted":
                return
        else:
            ledger.refused(chunk, token, str(failure))
        wait = max(pause, failure.retry_after_s or 0.0)
        if not failure.transient or wait > patience.left():
            raise _with(
                failure,
                f"Chunk {chunk.id} ({len(chunk.values)} circuits) was not accepted and costs nothing; what was "
                "accepted before is in the ledger. Run again to go on from there.",
            )
        time.sleep(wait)
        pause *= 2


def _with(error: IonQError, note: str) -> IonQError:
    """The same error with a sentence about the chunk."""
    return type(error)(f"{error} {note}", retry_after_s=error.retry_after_s, transient=error.transient)
