"""Waiting for jobs and writing their results into the ledger, child by child, keyed by id."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qllmft_backends.ionq.client import Client
from qllmft_backends.ionq.errors import IonQError, IonQJobFailedError, IonQTimeoutError
from qllmft_backends.ionq.ledger import Chunk, Ledger, Probabilities
from qllmft_backends.ionq.measure import read_probabilities
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.transport import Deadline

Progress = Callable[[Chunk, str], None]  # a chunk, and its status at the server


def collect(
    client: Client,
    ledger: Ledger,
    chunks: Iterable[Chunk],
    connection: IonQConnection,
    progress: Progress | None = None,
) -> None:
    """Wait until every submitted chunk of ``chunks`` is collected or failed; failed ones are recorded, not raised.

    Raises:
        IonQTimeoutError: at the deadline; what ended before is in the ledger.
        IonQJobFailedError: where a result cannot be read; the others are collected first.
        IonQError: where the server cannot be asked.
    """
    pending = {chunk.id: chunk for chunk in chunks if chunk.state == "submitted"}
    status: dict[str, str] = {}
    unreadable: list[IonQJobFailedError] = []
    deadline = Deadline(connection.deadline_s)
    with client.transport.until(deadline):
        while pending:
            for chunk in list(pending.values()):
                job = client.job(str(chunk.job_id))
                status[chunk.id] = str(job.get("status"))
                if progress is not None:
                    progress(chunk, status[chunk.id])
                if status[chunk.id] == "completed":
                    try:
                        ledger.collected(chunk, _results(client, chunk, job))
                    except IonQJobFailedError as error:
                        unreadable.append(error)
                elif status[chunk.id] in ("failed", "canceled"):
                    ledger.failed(chunk, _reason(job), _salvage(client, chunk, job))
                else:  # submitted, ready, started, or a word that this version does not know: not at its end yet
                    continue
                del pending[chunk.id]
            if pending and deadline.left() == 0:
                raise _timeout(pending, status, connection.deadline_s)
            if pending:
                time.sleep(min(connection.poll_interval_s, deadline.left()))
    if unreadable:
        raise unreadable[0]


def _results(client: Client, chunk: Chunk, job: Mapping[str, Any]) -> list[Probabilities]:
    """Probabilities in the order of ``chunk.values``: that of the job's child ids, whatever the payload's order."""
    n = len(chunk.values)
    children = _children(job)
    if n > 1 and (len(children) != n or len(set(children)) != n):
        raise IonQJobFailedError(
            f"{chunk.label} has {len(set(children))} children, expected {n}, one a circuit. Its result stays at the "
            "server and its id in the ledger; nothing is sent again."
        )
    payload = client.probabilities(job, children if n > 1 else [])
    keys = children if n > 1 else [str(job["id"])]
    if set(payload) != set(keys):
        raise IonQJobFailedError(
            f"the results of {chunk.label} are for {sorted(payload)[:3]}..., expected one for each of {keys[:3]}... "
            "Its result stays at the server and its id in the ledger; nothing is sent again."
        )
    return [read_probabilities(payload[key], chunk.setup.n_qubits, f"{chunk.label}, circuit {key}") for key in keys]


def _salvage(client: Client, chunk: Chunk, job: Mapping[str, Any]) -> list[Probabilities | None]:
    """What a failed job's children measured before it failed: they were paid for."""
    children = _children(job)
    results: list[Probabilities | None] = [None] * len(chunk.values)
    if len(children) != len(results):
        return results
    for i, child in enumerate(children):
        try:
            if client.job(child).get("status") == "completed":
                payload = client.circuit_probabilities(child)
                results[i] = read_probabilities(payload, chunk.setup.n_qubits, f"circuit {child}")
        except IonQError:
            continue  # the failure of the job is what will be told
    return results


def _children(job: Mapping[str, Any]) -> list[str]:
    return [str(child) for child in job.get("child_job_ids") or job.get("children") or []]


def _reason(job: Mapping[str, Any]) -> str:
    failure = job.get("failure") or {}
    told = ": ".join(str(failure[k]) for k in ("code", "message", "error") if failure.get(k))
    return f"{job.get('status')}{f' ({told})' if told else ''}"


def _timeout(pending: Mapping[str, Chunk], status: Mapping[str, str], seconds: float) -> IonQTimeoutError:
    jobs = ", ".join(f"{chunk.job_id} ({status[chunk.id]})" for chunk in pending.values())
    return IonQTimeoutError(
        f"after {seconds:g} s {len(pending)} job(s) have not ended: {jobs}. They go on at the server and are in the "
        "ledger: run again later, or wait for them with `qllmft jobs wait`; nothing is paid twice. "
        "A larger deadline_s waits longer here."
    )
