"""Sending of chunks, each accepted once: no second sending before the first is known to have had no effect."""

from __future__ import annotations

import time

from qllmft_machines.batch import CircuitBatch
from qllmft_machines.errors import RemoteError, RemoteRequestError, RemoteTransientError
from qllmft_machines.ledger.chunk import Chunk, Setup
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.options import Deadline
from qllmft_machines.route import JobIndex, Route
from qllmft_machines.silence import Silence

MIN_SETTLE_S = 60.0  # longer than a service's list of jobs is usually behind
_FIRST_PAUSE_S = 1.0
_CLOCK_RESOLUTION_S = 1.0  # of the header Date


def check_patience(route: Route, setup: Setup) -> None:
    """Raise `RemoteRequestError` if ``settle_s`` may be less than the time for which a paid job is not yet listed."""
    settle_s = route.waits.settle_s
    if settle_s < MIN_SETTLE_S and not (setup.free or route.is_mock):
        raise RemoteRequestError(
            f"settle_s is {settle_s:g} s, expected {MIN_SETTLE_S:g} s or more. {route.name} may list a job late, "
            "and its circuits would then be sent and paid again. Nothing was sent. Omit settle_s "
            f"({type(route.waits).model_fields['settle_s'].default:g} s)."
        )


def resolve_doubtful_chunk(index: JobIndex, chunk: Chunk, ambiguous: bool = True) -> None:
    """Find out whether a doubtful chunk (sent, no job id) was accepted: look up its client token among the jobs.

    Afterwards the chunk is ``submitted``, or ``planned`` again. It counts as never accepted if the server does not
    list it: ``settle_s`` after the last attempt, or at once if the answer to that was not ``ambiguous``. If the server
    accepts it later still, the next call finds that before it sends anything, and `JobIndex.reconcile` records the
    second job.

    Raises:
        RemoteError: if the server cannot be asked, has no search, or `check_patience` refuses; the chunk stays
            doubtful, and is not sent again.
    """
    route = index.route
    if chunk.state != "sent":  # settled together with another one
        return
    if not index.searches:
        if not route.resends_doubtful:
            raise RemoteRequestError(
                f"{chunk.label} ({len(chunk.values)} circuits) was sent to {route.name} without an answer, and this "
                "provider has no search by tags. Nothing more was sent. Look for the job in the provider's list. If it "
                "is not there, retry_doubtful=true sends its circuits again."
            )
        _record_refusals(index.ledger, chunk, "retry_doubtful")
        return
    patience_s = route.waits.settle_s if ambiguous else 0.0
    deadline = None if patience_s else Deadline(0.0)
    while True:
        # before the list, which is then that of a settled server
        is_settled = deadline is not None and deadline.seconds_left() == 0
        try:
            index.refresh(complete=is_settled)
            index.reconcile()
        except RemoteError as error:
            raise error.with_message(
                f"{error} Chunk {chunk.id} may have been accepted before. It is not sent again until the server has "
                "been asked for its client token. Run again later: nothing is paid twice."
            ) from None
        if chunk.job_id is not None:
            return
        if ambiguous:
            check_patience(route, chunk.setup)
        if is_settled:
            _record_refusals(
                index.ledger, chunk, f"not among the server's jobs after {patience_s:g} s"
            )
            return
        if deadline is None:
            # since the last attempt by the server's clock: this machine's may be wrong
            wait_s = patience_s
            server_now = route.server_time()
            attempt_times = [attempt.server_at for attempt in chunk.attempts if not attempt.refused]
            if server_now is not None and None not in attempt_times:
                last_attempt = max(moment for moment in attempt_times if moment is not None)
                wait_s = min(
                    wait_s, max(0.0, wait_s - (server_now - last_attempt - _CLOCK_RESOLUTION_S))
                )
            deadline = Deadline(wait_s)
        time.sleep(min(route.waits.poll_interval_s, deadline.seconds_left()))


def send(index: JobIndex, chunk: Chunk, batch: CircuitBatch, session: str | None) -> None:
    """Send a planned chunk. Afterwards it is ``submitted``.

    After every answer other than a plain acceptance the server is asked for the client token: at once after a refusal,
    for ``settle_s`` after a possible success (5xx, a redirection, no answer, one without an id). Transient failures
    (429, 5xx, a lost connection) are repeated for ``retry_s`` seconds at most. Without a search nothing is repeated.

    Args:
        index: of the server's jobs, read in this call.
        chunk: planned, under a held ledger.
        batch: circuits of the call.
        session: id of the session to send it in; None: without one.

    Raises:
        RemoteError: says whether the chunk was not accepted, or is doubtful.
    """
    route = index.route
    ledger = index.ledger
    patience = Deadline(route.waits.retry_s)
    silence = Silence(route.waits.retry_s)
    pause = min(_FIRST_PAUSE_S, route.waits.poll_interval_s)
    while True:
        (token,) = ledger.tokens(chunk.setup, [chunk.values], chunk.checked)
        if matching_jobs := index.find([token]):  # lost from the ledger, or accepted late
            ledger.record_sending(chunk, route.server_time())
            index.adopt(chunk, matching_jobs[0])
            return
        circuits = batch.circuits(chunk, token)
        ledger.record_sending(chunk, route.server_time(), session)
        try:
            job_id = route.send(circuits, chunk.setup, token, ledger.identity.id, session)
            _check_new_job(ledger, chunk, job_id)
        except RemoteError as error:
            failure = error
        else:
            ledger.record_submission(chunk, job_id, token, sandbox=route.is_mock)
            return
        if failure.unsent:
            ledger.record("refused", chunk.id, client_token=token, reason=str(failure))
        elif not index.searches:
            raise failure.with_message(
                f"sending {chunk.label} to {route.name} failed: {failure} The same call finds out whether it was "
                f"accepted before it sends anything. Jobs accepted before are in the ledger {ledger.folder}."
            )
        else:
            resolve_doubtful_chunk(index, chunk, failure.ambiguous)
            if chunk.job_id is not None:
                return
        wait_s = max(pause, failure.retry_after_s or 0.0)
        if not failure.transient or wait_s > patience.seconds_left():
            raise failure.with_message(
                f"{failure} Chunk {chunk.id} ({chunk.circuits} circuits) was not accepted and costs nothing. Jobs "
                "accepted before are in the ledger. Run again to continue from there."
            )
        answer = "no answer" if failure.status is None else f"answer {failure.status}"
        silence.warn_before_pause(wait_s, f"{route.name} does not accept {chunk.label} ({answer})")
        time.sleep(wait_s)
        pause *= 2
        index.refresh()


def _check_new_job(ledger: Ledger, chunk: Chunk, job_id: str) -> None:
    """Raise `RemoteTransientError` if the server answered a chunk with the id of another chunk's job."""
    if (other_chunk := ledger.find_holder(job_id)) is not None:
        raise RemoteTransientError(
            f"POST jobs for chunk {chunk.id} answered the id of another job, that of {other_chunk.label}.",
            transient=True,
            ambiguous=True,
        )


def _record_refusals(ledger: Ledger, chunk: Chunk, reason: str) -> None:
    for token in {a.client_token for a in chunk.attempts if not a.refused}:
        ledger.record("refused", chunk.id, client_token=token, reason=reason)
