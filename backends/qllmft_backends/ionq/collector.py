"""Waiting for jobs and writing their results into the ledger, child by child, keyed by id."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qllmft_backends.ionq.client import Client
from qllmft_backends.ionq.errors import IonQError, IonQJobFailedError, IonQRequestError, IonQTimeoutError
from qllmft_backends.ionq.ledger import Chunk, Ledger, Probabilities
from qllmft_backends.ionq.measure import read_probabilities
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.shots import Shots, parse_shots
from qllmft_backends.ionq.transport import Deadline

_NOT_FOUND = 404
_MAX_REASON = 300  # characters of the server's words
Progress = Callable[[Chunk, str], None]  # a chunk, and its status at the server


def collect(
    client: Client,
    ledger: Ledger,
    chunks: Iterable[Chunk],
    connection: IonQConnection,
    progress: Progress | None = None,
) -> dict[str, IonQError]:
    """Wait until every submitted chunk of ``chunks`` is collected or failed; failed ones are recorded, not raised.

    Returns:
        by the chunk's id, why a job's result could not be had although the job is not under way: the server does not
        know the job, or its result cannot be read. The others are collected all the same.

    Raises:
        IonQTimeoutError: at the deadline; what ended before is in the ledger.
        IonQError: where the server cannot be asked.
    """
    pending = {chunk.id: chunk for chunk in chunks if chunk.state == "submitted"}
    status: dict[str, str] = {}
    problems: dict[str, IonQError] = {}
    deadline = Deadline(connection.deadline_s)
    with client.transport.until(deadline):
        while pending:
            for chunk in list(pending.values()):
                try:
                    status[chunk.id] = _look(client, ledger, chunk, progress)
                except IonQError as error:
                    if error.status != _NOT_FOUND and not isinstance(error, IonQJobFailedError):
                        raise
                    problems[chunk.id] = error
                if chunk.state != "submitted" or chunk.id in problems:
                    del pending[chunk.id]
            if pending and deadline.left() == 0:
                raise _timeout(pending, status, connection.deadline_s)
            if pending:
                time.sleep(min(connection.poll_interval_s, deadline.left()))
    return problems


def _look(client: Client, ledger: Ledger, chunk: Chunk, progress: Progress | None) -> str:
    """The job's status at the server; where the job has ended, the ledger has its results afterwards."""
    job = client.job(str(chunk.job_id))
    status = str(job.get("status"))
    if progress is not None:
        progress(chunk, status)
    if status == "completed":
        results = _results(client, chunk, job)
        free = chunk.setup.backend == "simulator"
        ledger.collected(chunk, results, **({} if free else client.cost(str(chunk.job_id))))
    elif status in ("failed", "canceled"):
        ledger.failed(chunk, _reason(job), _salvage(client, chunk, job))
    return status  # submitted, ready, started, or a word that this version does not know: not at its end yet


def aggregate(client: Client, ledger: Ledger, chunk: Chunk, name: str) -> None:
    """Read the results of a collected, debiased chunk once more, its variants combined by ``name``; nothing is paid.

    Raises:
        IonQJobFailedError: where they cannot be read.
        IonQError: where the server cannot be asked.
    """
    ledger.aggregated(chunk, name, _results(client, chunk, client.job(str(chunk.job_id)), name))


def read_shots(client: Client, ledger: Ledger, chunk: Chunk) -> None:
    """Read the single shots behind the results of a chunk into the ledger; nothing is paid.

    Raises:
        IonQJobFailedError: where the server has none, or others than those of the results.
        IonQError: where the server cannot be asked.
    """
    job = client.job(str(chunk.job_id))
    circuits = _circuits(chunk, job)[chunk.known_circuits :]
    found: list[Shots | None] = []
    for circuit, result in zip(circuits, chunk.results or (), strict=True):
        if result is None:
            found.append(None)
            continue
        try:
            payload = client.shots(job if circuit == job["id"] else client.job(circuit))
            found.append(parse_shots(payload, chunk.setup, result))
        except (ValueError, IonQRequestError) as error:
            raise IonQJobFailedError(
                f"the single shots of {chunk.label}, circuit {circuit}, cannot be read: {error}. Nothing is lost: its "
                "frequencies are in the ledger. Run again to ask for the shots anew, or leave per_shot out."
            ) from None
    ledger.keep_shots(chunk, found)


def _results(
    client: Client, chunk: Chunk, job: Mapping[str, Any], aggregation: str | None = None
) -> list[Probabilities]:
    """Probabilities in the order of the job's circuits: that of its child ids, whatever the payload's order."""
    keys = _circuits(chunk, job)
    payload = client.probabilities(job, keys if chunk.circuits > 1 else [], aggregation)
    if set(payload) != set(keys):
        raise IonQJobFailedError(
            f"the results of {chunk.label} are for {sorted(payload)[:3]}..., expected one for each of {keys[:3]}... "
            "Its result stays at the server and its id in the ledger; nothing is sent again."
        )
    return [read_probabilities(payload[key], chunk.setup.n_qubits, f"{chunk.label}, circuit {key}") for key in keys]


def _salvage(client: Client, chunk: Chunk, job: Mapping[str, Any]) -> list[Probabilities | None]:
    """What a failed job's children measured before it failed: they were paid for.

    Raises:
        IonQError: where a child cannot be asked or its result cannot be read; the failure is not recorded then, and the
            next call looks again: a circuit that was paid is not sent once more.
    """
    children = _children(job)
    results: list[Probabilities | None] = [None] * chunk.circuits
    if len(children) != len(results):
        return results
    for i, child in enumerate(children):
        if client.job(child).get("status") == "completed":
            payload = client.circuit_probabilities(child)
            results[i] = read_probabilities(payload, chunk.setup.n_qubits, f"circuit {child}")
    return results


def _circuits(chunk: Chunk, job: Mapping[str, Any]) -> list[str]:
    """The id of each of the job's circuits: of its children, or its own where it has one circuit."""
    n, children = chunk.circuits, _children(job)
    if n > 1 and (len(children) != n or len(set(children)) != n):
        raise IonQJobFailedError(
            f"{chunk.label} has {len(set(children))} children, expected {n}, one a circuit. Its result stays at the "
            "server and its id in the ledger; nothing is sent again."
        )
    return children if n > 1 else [str(job["id"])]


def _children(job: Mapping[str, Any]) -> list[str]:
    children = job.get("child_job_ids") or job.get("children") or []
    return [str(child) for child in children] if isinstance(children, list) else []


def _reason(job: Mapping[str, Any]) -> str:
    failure = job.get("failure")
    words = [failure.get(k) for k in ("code", "message", "error")] if isinstance(failure, dict) else [failure]
    told = ": ".join(str(word)[:_MAX_REASON] for word in dict.fromkeys(map(str, filter(None, words))))
    return f"{job.get('status')}{f' ({told})' if told else ''}"


def _timeout(pending: Mapping[str, Chunk], status: Mapping[str, str], seconds: float) -> IonQTimeoutError:
    jobs = ", ".join(f"{chunk.job_id} ({status[chunk.id]})" for chunk in pending.values())
    return IonQTimeoutError(
        f"after {seconds:g} s {len(pending)} job(s) have not ended: {jobs}. They go on at the server and are in the "
        "ledger: run again later, or wait for them with `qllmft jobs wait`; nothing is paid twice. "
        "A larger deadline_s waits longer here."
    )
