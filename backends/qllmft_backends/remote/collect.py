"""Collection of jobs: wait until they end, and write their results into the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from qllmft_backends.remote.errors import NOT_FOUND, JobFailedError, JobTimeoutError, RemoteError
from qllmft_backends.remote.ledger.chunk import Chunk
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import Probabilities, known_answer_error
from qllmft_backends.remote.options import Deadline
from qllmft_backends.remote.route import RemoteJob, Route

OnProgress = Callable[[str, str], None]  # called with a job's id and its status at the server


def collect(
    route: Route, ledger: Ledger, chunks: Iterable[Chunk], on_progress: OnProgress | None = None
) -> dict[str, RemoteError]:
    """Wait until every submitted chunk is collected or failed. Failed jobs are recorded, not raised.

    Args:
        route: to the server.
        ledger: held.
        chunks: of the ledger; those that are not submitted are passed over.
        on_progress: called at each poll.

    Returns:
        errors by the chunk's id: the server does not list the job, or its result cannot be read. The other chunks are
        collected.

    Raises:
        JobTimeoutError: at the deadline; jobs that ended before are in the ledger.
        RemoteError: if the server cannot be asked.
    """
    pending = {chunk.id: chunk for chunk in chunks if chunk.state == "submitted"}
    status: dict[str, str] = {}
    problems: dict[str, RemoteError] = {}
    deadline = Deadline(route.waits.deadline_s)
    with route.until(deadline):
        while pending:
            for chunk in list(pending.values()):
                try:
                    status[chunk.id] = _poll(route, ledger, chunk, on_progress)
                except RemoteError as error:
                    if error.of_one_job:
                        problems[chunk.id] = error
                    elif error.transient and deadline.left() == 0:
                        status.setdefault(chunk.id, "no answer")
                    else:
                        raise
                if chunk.state != "submitted" or chunk.id in problems:
                    del pending[chunk.id]
            if pending and deadline.left() == 0:
                jobs = ", ".join(
                    f"{chunk.job_id} ({status[chunk.id]})" for chunk in pending.values()
                )
                raise JobTimeoutError(
                    f"after {deadline.seconds:g} s {len(pending)} job(s) have not ended: {jobs}. They continue at "
                    "the server and are in the ledger: run again later, or wait for them with `qllmft jobs wait`; "
                    "nothing is paid twice. A larger deadline_s waits longer here."
                )
            if pending:
                time.sleep(min(route.waits.poll_interval_s, deadline.left()))
    return problems


def read_again(route: Route, ledger: Ledger, chunk: Chunk) -> None:
    """Read the results of a job with a wrong known answer again, and record them if the answer is right now."""
    job = own_job(route, ledger, chunk)
    if job.ended:
        results = route.read(chunk, job)
        if not known_answer_error(
            chunk.known_answer, chunk.setup.n_qubits, chunk.setup.shots, results
        ):
            _record(route, ledger, chunk, job, results)


def own_job(route: Route, ledger: Ledger, chunk: Chunk) -> RemoteJob:
    """Return the chunk's job, found by the client token if the recorded id is another's."""
    problem: RemoteError
    try:
        job = route.describe(str(chunk.job_id))
        token = job.token
        if not route.carries_tokens or (
            token and any(own.startswith(token) for own in chunk.tokens)
        ):
            return job
        problem = JobFailedError(
            f"{chunk.label} is another job: it does not carry the chunk's client token, and no other job does. Its "
            "results were not read, and nothing is sent again. Run again later, or ask IonQ."
        )
    except RemoteError as error:
        if error.status != NOT_FOUND:
            raise
        problem = error
    index = route.index(ledger)
    if index is None:
        raise problem
    index.refresh(complete=True)
    found = index.find(chunk.tokens, [chunk.job_id])
    if not found:
        raise problem
    index.adopt(chunk, found[0])
    return route.describe(str(chunk.job_id))


def _poll(route: Route, ledger: Ledger, chunk: Chunk, on_progress: OnProgress | None) -> str:
    """Return the job's status at the server, after recording its results if it has ended."""
    job = own_job(route, ledger, chunk)
    if on_progress is not None:
        on_progress(str(chunk.job_id), job.status)
    if job.ended:
        results = route.read(chunk, job)
        if known_answer_error(chunk.known_answer, chunk.setup.n_qubits, chunk.setup.shots, results):
            results = route.read(chunk, job)  # one wrong reading condemns no paid job
        _record(route, ledger, chunk, job, results)
    return job.status


def _record(
    route: Route,
    ledger: Ledger,
    chunk: Chunk,
    job: RemoteJob,
    results: Sequence[Probabilities | None],
) -> None:
    if job.completed:
        charged = {} if chunk.setup.free else route.charges(chunk, job)
        ledger.collected(chunk, results, **charged)
    else:
        ledger.failed(chunk, job.reason, results)
