"""Collection of jobs: wait until they end, and write their results into the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from qllmft_base.text import format_count
from qllmft_machines.errors import NOT_FOUND, JobFailedError, JobTimeoutError, RemoteError
from qllmft_machines.ledger.chunk import Chunk
from qllmft_machines.options import Deadline
from qllmft_machines.route import JobIndex, RemoteJob

OnProgress = Callable[[str, str], None]  # called with a job's id and its status at the server


def collect(
    index: JobIndex, chunks: Iterable[Chunk], on_progress: OnProgress | None = None
) -> dict[str, RemoteError]:
    """Wait until every submitted chunk is collected or failed. Failed jobs are recorded, not raised.

    Args:
        index: of the server's jobs, with a held ledger.
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
    statuses: dict[str, str] = {}
    problems: dict[str, RemoteError] = {}
    waits = index.route.waits
    deadline = Deadline(waits.deadline_s)
    with index.route.until(deadline):
        while pending:
            for chunk in list(pending.values()):
                try:
                    statuses[chunk.id] = poll(index, chunk, on_progress)
                except RemoteError as error:
                    if isinstance(error, JobFailedError) or error.status == NOT_FOUND:
                        problems[chunk.id] = error  # of this job alone
                    elif error.transient and deadline.seconds_left() == 0:
                        statuses.setdefault(chunk.id, "no answer")
                    else:
                        raise
                if chunk.state != "submitted" or chunk.id in problems:
                    del pending[chunk.id]
            if pending and deadline.seconds_left() == 0:
                jobs = ", ".join(
                    f"{chunk.job_id} ({statuses[chunk.id]})" for chunk in pending.values()
                )
                raise JobTimeoutError(
                    f"after {deadline.seconds:g} s {format_count(len(pending), 'job', ('has', 'have'))} not ended: "
                    f"{jobs}. What was sent continues at the server and is in the ledger. Run again later, or wait "
                    "with `qllmft jobs wait`. Nothing is paid twice. A larger deadline_s waits longer here."
                )
            if pending:
                time.sleep(min(waits.poll_interval_s, deadline.seconds_left()))
    return problems


def poll(index: JobIndex, chunk: Chunk, on_progress: OnProgress | None = None) -> str:
    """Return the status of a chunk's job at the server, after recording its results if it has ended.

    The results of a job with a wrong known answer are read once more: one wrong reading condemns no paid job. Those of
    a collected one are recorded again only if the answer is right now.
    """
    job = find_chunk_job(index, chunk)
    ledger = index.ledger
    if on_progress is not None:
        on_progress(str(chunk.job_id), job.status)
    if not job.ended:
        return job.status
    results = index.route.read_results(chunk, job)
    if chunk.wrong_answer(results):
        if chunk.integrity_error:
            return job.status
        results = index.route.read_results(chunk, job)
    if job.completed:
        charges = {} if chunk.setup.free else index.route.charges(chunk, job)
        ledger.record("collected", chunk.id, results=results, **charges)
    else:
        ledger.record("failed", chunk.id, reason=job.reason, results=results)
    return job.status


def find_chunk_job(index: JobIndex, chunk: Chunk) -> RemoteJob:
    """Return the chunk's job, found by the client token if the recorded id is another's."""
    problem: RemoteError
    try:
        job = index.route.describe(str(chunk.job_id))
        token = job.token
        if not index.route.carries_tokens or (
            token and any(chunk_token.startswith(token) for chunk_token in chunk.tokens)
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
    if index.searches:
        index.refresh(complete=True)
        if matching_jobs := index.find(chunk.tokens, [chunk.job_id]):
            index.adopt(chunk, matching_jobs[0])
            return index.route.describe(str(chunk.job_id))
    raise problem
