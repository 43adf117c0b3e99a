"""Collection of results: wait for jobs, and write their results into the ledger, each keyed by its circuit's id."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ionq.errors import (
    NOT_FOUND,
    IonQError,
    IonQJobFailedError,
    IonQRequestError,
    IonQTimeoutError,
)
from qllmft_backends.remote.ionq.job_index import JobIndex, token_of
from qllmft_backends.remote.ionq.transport import Deadline
from qllmft_backends.remote.ledger.chunk import Chunk
from qllmft_backends.remote.ledger.known_answer import known_answer_error
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import (
    Probabilities,
    Shots,
    flat,
    parse_probabilities,
    parse_shots,
)
from qllmft_backends.remote.ledger.variants import parse_variant

T = TypeVar("T")
_ENDED = ("completed", "failed", "canceled")
_MAX_REASON = 300  # characters of the server's text
OnProgress = Callable[[str, str], None]  # called with a job's id and its status at the server
_KEPT = "Its result stays at the server and its id in the ledger; nothing is sent again."


def collect(
    client: Client, ledger: Ledger, chunks: Iterable[Chunk], on_progress: OnProgress | None = None
) -> dict[str, IonQError]:
    """Wait until every submitted chunk of ``chunks`` is collected or failed. Failed ones are recorded, not raised.

    Returns:
        errors by the chunk's id: the server does not list the job, or its result cannot be read. The other chunks are
        collected.

    Raises:
        IonQTimeoutError: at the deadline; jobs that ended before are in the ledger.
        IonQError: if the server cannot be asked.
    """
    pending = {chunk.id: chunk for chunk in chunks if chunk.state == "submitted"}
    status: dict[str, str] = {}
    problems: dict[str, IonQError] = {}
    deadline = Deadline(client.connection.deadline_s)
    with client.transport.until(deadline):
        while pending:
            for chunk in list(pending.values()):
                try:
                    status[chunk.id] = _poll(client, ledger, chunk, on_progress)
                except IonQError as error:
                    if error.status != NOT_FOUND and not isinstance(error, IonQJobFailedError):
                        raise
                    problems[chunk.id] = error
                if chunk.state != "submitted" or chunk.id in problems:
                    del pending[chunk.id]
            if pending and deadline.left() == 0:
                jobs = ", ".join(
                    f"{chunk.job_id} ({status[chunk.id]})" for chunk in pending.values()
                )
                raise IonQTimeoutError(
                    f"after {deadline.seconds:g} s {len(pending)} job(s) have not ended: {jobs}. They continue at "
                    "the server and are in the ledger: run again later, or wait for them with `qllmft jobs wait`; "
                    "nothing is paid twice. A larger deadline_s waits longer here."
                )
            if pending:
                time.sleep(min(client.connection.poll_interval_s, deadline.left()))
    return problems


def aggregate(client: Client, ledger: Ledger, chunk: Chunk, name: str) -> None:
    """Read the results of a collected, debiased chunk again, its variants combined by ``name``. Nothing is paid."""
    results = _results(client, chunk, _own_job(client, ledger, chunk), name)
    error = known_answer_error(chunk.known_answer, chunk.setup.n_qubits, results)
    if error is not None:
        raise IonQJobFailedError(
            f"the results of {chunk.label}, combined by {name!r}, are not used: {error}. {_KEPT}"
        )
    ledger.aggregated(chunk, name, results)


def read_shots(client: Client, ledger: Ledger, chunk: Chunk) -> None:
    """Read the single shots behind the results of a chunk into the ledger. Nothing is paid.

    Raises:
        IonQJobFailedError: if the server has none, or if they contradict the results.
        IonQError: if the server cannot be asked.
    """
    setup = chunk.setup

    def read(job: Mapping[str, Any], result: Probabilities) -> Shots:
        return parse_shots(client.shots(job), setup.n_qubits, setup.shot_counts, result)

    remedy = "its frequencies are in the ledger. Run again to read the shots, or omit per_shot."
    found = _of_circuits(client, ledger, chunk, read, "single shots", remedy)
    ledger.keep("shots", chunk, found)


def read_variants(client: Client, ledger: Ledger, chunk: Chunk) -> None:
    """Read the variants of a collected, debiased chunk into the ledger. Nothing is paid.

    Raises:
        IonQJobFailedError: if the server has none, or if they cannot be read.
        IonQError: if the server cannot be asked.
    """

    def read(job: Mapping[str, Any], _: Probabilities) -> list[dict[str, Any]]:
        raw = client.variants(job)
        if len(raw) < 2:
            raise ValueError(f"the server names {len(raw)}, expected two or more")
        return [parse_variant(variant, chunk.setup.n_qubits).to_json() for variant in raw]

    remedy = (
        "the combined results are in the ledger. Run again to read the variants, or omit variants."
    )
    found = _of_circuits(client, ledger, chunk, read, "variants", remedy)
    ledger.keep("variants", chunk, found)


def _of_circuits(
    client: Client,
    ledger: Ledger,
    chunk: Chunk,
    read: Callable[[Mapping[str, Any], Probabilities], T],
    what: str,
    remedy: str,
) -> list[T | None]:
    """Return a reading of each circuit's job in the order of ``chunk.values``, None for one without a result."""
    job, found = _own_job(client, ledger, chunk), list[T | None]()
    circuits = _circuits(chunk, job)[chunk.known_circuits :]
    for circuit, result in zip(circuits, chunk.results or (), strict=True):
        if result is None:
            found.append(None)
            continue
        try:
            found.append(read(job if circuit == job["id"] else client.job(circuit), result))
        except (ValueError, IonQRequestError) as error:
            raise IonQJobFailedError(
                f"the {what} of {chunk.label}, circuit {circuit}, cannot be read: {error}. Nothing is lost: {remedy}"
            ) from None
    return found


def read_again(client: Client, ledger: Ledger, chunk: Chunk) -> None:
    """Read the results of a job with a wrong known answer again, and record them if the answer is right now."""
    job = _own_job(client, ledger, chunk)
    if job.get("status") in _ENDED:
        results = _final_results(client, chunk, job)
        if not known_answer_error(chunk.known_answer, chunk.setup.n_qubits, results):
            _record(client, ledger, chunk, job, results)


def read_probabilities(
    payload: Any, n_qubits: int, label: str, shots: int | None = None
) -> Probabilities:
    """Return `parse_probabilities` of a payload, or raise `IonQJobFailedError`."""
    try:
        return parse_probabilities(flat(payload, n_qubits), n_qubits, shots)
    except ValueError as error:
        raise IonQJobFailedError(
            f"the result of {label} cannot be read: {error}. Nothing is lost: the job's id is in the ledger and its "
            "result stays at the server; run again to read it again."
        ) from None


def _poll(client: Client, ledger: Ledger, chunk: Chunk, on_progress: OnProgress | None) -> str:
    """Return the job's status at the server, after recording its results if it has ended."""
    job = _own_job(client, ledger, chunk)
    status = str(job.get("status"))
    if on_progress is not None:
        on_progress(str(chunk.job_id), status)
    if status in _ENDED:
        results = _final_results(client, chunk, job)
        if known_answer_error(chunk.known_answer, chunk.setup.n_qubits, results):
            results = _final_results(client, chunk, job)  # one wrong reading condemns no paid job
        _record(client, ledger, chunk, job, results)
    # submitted, ready, started, or one that this version does not have: the job has not ended
    return status


def _own_job(client: Client, ledger: Ledger, chunk: Chunk) -> dict[str, Any]:
    """Return the server's description of the chunk's job, found by the client token if the recorded id is another's."""
    problem: IonQError
    try:
        job = client.job(str(chunk.job_id))
        token = token_of(job)
        if token is not None and any(own.startswith(token) for own in chunk.tokens):
            return job
        problem = IonQJobFailedError(
            f"{chunk.label} is another job: it does not carry the chunk's client token, and no other job does. Its "
            "results were not read, and nothing is sent again. Run again later, or ask IonQ."
        )
    except IonQError as error:
        if error.status != NOT_FOUND:
            raise
        problem = error
    index = JobIndex(client, ledger)
    index.refresh(complete=True)
    found = index.find(chunk.tokens, [chunk.job_id])
    if not found:
        raise problem
    index.adopt(chunk, found[0])
    return client.job(str(chunk.job_id))


def _final_results(
    client: Client, chunk: Chunk, job: Mapping[str, Any]
) -> Sequence[Probabilities | None]:
    return (_results if job.get("status") == "completed" else _completed_results)(
        client, chunk, job
    )


def _record(
    client: Client,
    ledger: Ledger,
    chunk: Chunk,
    job: Mapping[str, Any],
    results: Sequence[Probabilities | None],
) -> None:
    if job.get("status") == "completed":
        charged = (
            {} if chunk.setup.free else client.cost(str(chunk.job_id)) | client.consumption(job)
        )
        ledger.collected(chunk, results, **charged)
    else:
        ledger.failed(chunk, _reason(job), results)


def _results(
    client: Client, chunk: Chunk, job: Mapping[str, Any], aggregation: str | None = None
) -> list[Probabilities]:
    """Return the probabilities in the order of the job's child ids, for any order of the payload."""
    keys = _circuits(chunk, job)
    payload = client.probabilities(job, keys if chunk.circuits > 1 else [], aggregation)
    if set(payload) != set(keys):
        raise IonQJobFailedError(
            f"the results of {chunk.label} are for {sorted(payload)[:3]}..., expected one for each of {keys[:3]}... "
            f"{_KEPT}"
        )
    n, shots = chunk.setup.n_qubits, chunk.setup.counted_shots
    return [
        read_probabilities(payload[key], n, f"{chunk.label}, circuit {key}", shots) for key in keys
    ]


def _completed_results(
    client: Client, chunk: Chunk, job: Mapping[str, Any]
) -> list[Probabilities | None]:
    """Return the results of a failed job's circuits that ended well: they were paid.

    Raises:
        IonQError: if a result cannot be read; the failure is not recorded then, and the next call reads again, so that
            a paid circuit is not sent again.
    """
    children = _children(job)
    results: list[Probabilities | None] = [None] * chunk.circuits
    if len(children) != len(results):
        return results
    for i, child in enumerate(children):
        if client.job(child).get("status") == "completed":
            payload = client.circuit_probabilities(child)
            results[i] = read_probabilities(
                payload, chunk.setup.n_qubits, f"circuit {child}", chunk.setup.counted_shots
            )
    return results


def _circuits(chunk: Chunk, job: Mapping[str, Any]) -> list[str]:
    """Return the ids of the job's circuits: those of its children, or its own if it has one circuit."""
    n, children = chunk.circuits, _children(job)
    if n > 1 and (len(children) != n or len(set(children)) != n):
        raise IonQJobFailedError(
            f"{chunk.label} has {len(set(children))} children, expected {n}, one per circuit. {_KEPT}"
        )
    return children if n > 1 else [str(job["id"])]


def _children(job: Mapping[str, Any]) -> list[str]:
    children = job.get("child_job_ids") or job.get("children") or []
    return [str(child) for child in children] if isinstance(children, list) else []


def _reason(job: Mapping[str, Any]) -> str:
    failure = job.get("failure")
    texts = (
        [failure.get(k) for k in ("code", "message", "error")]
        if isinstance(failure, dict)
        else [failure]
    )
    reason = ": ".join(text[:_MAX_REASON] for text in dict.fromkeys(map(str, filter(None, texts))))
    return f"{job.get('status')}{f' ({reason})' if reason else ''}"
