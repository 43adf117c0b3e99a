"""Results of IonQ's jobs: probabilities, single shots and variants, each keyed by its circuit's id.

``job`` is everywhere the server's description of the chunk's own job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from qllmft_backends.remote.errors import JobFailedError, RemoteRequestError
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ledger.chunk import Chunk
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import (
    Probabilities,
    Shots,
    flat,
    known_answer_error,
    parse_probabilities,
    parse_shots,
)
from qllmft_backends.remote.ledger.variants import parse_variant

T = TypeVar("T")
Json = Mapping[str, Any]
_KEPT = "Its result stays at the server and its id in the ledger; nothing is sent again."


def aggregate(client: Client, ledger: Ledger, chunk: Chunk, job: Json, name: str) -> None:
    """Read the results of a collected, debiased chunk again, its variants combined by ``name``. Nothing is paid.

    Args:
        client: of the server.
        ledger: held.
        chunk: collected.
        job: see the module.
        name: the combination, see `IonQForteOptions.aggregation`.
    """
    found = results(client, chunk, job, name)
    error = known_answer_error(chunk.known_answer, chunk.setup.n_qubits, found)
    if error is not None:
        raise JobFailedError(
            f"the results of {chunk.label}, combined by {name!r}, are not used: {error}. {_KEPT}"
        )
    ledger.aggregated(chunk, name, found)


def read_shots(client: Client, ledger: Ledger, chunk: Chunk, job: Json) -> None:
    """Read the single shots behind the results of a chunk into the ledger. Nothing is paid.

    Args:
        client: of the server.
        ledger: held.
        chunk: with results.
        job: see the module.

    Raises:
        JobFailedError: if the server has none, or if they contradict the results.
        RemoteError: if the server cannot be asked.
    """
    setup = chunk.setup

    def read(each: Json, result: Probabilities) -> Shots:
        return parse_shots(client.shots(each), setup.n_qubits, setup.shot_counts, result)

    remedy = "its frequencies are in the ledger. Run again to read the shots, or omit per_shot."
    found = _of_circuits(client, chunk, job, read, "single shots", remedy)
    ledger.keep("shots", chunk, found)


def read_variants(client: Client, ledger: Ledger, chunk: Chunk, job: Json) -> None:
    """Read the variants of a collected, debiased chunk into the ledger. Nothing is paid.

    Args:
        client: of the server.
        ledger: held.
        chunk: collected, debiased.
        job: see the module.

    Raises:
        JobFailedError: if the server has none, or if they cannot be read.
        RemoteError: if the server cannot be asked.
    """

    def read(each: Json, _: Probabilities) -> list[dict[str, Any]]:
        raw = client.variants(each)
        if len(raw) < 2:
            raise ValueError(f"the server names {len(raw)}, expected two or more")
        return [parse_variant(variant, chunk.setup.n_qubits).to_json() for variant in raw]

    remedy = (
        "the combined results are in the ledger. Run again to read the variants, or omit variants."
    )
    found = _of_circuits(client, chunk, job, read, "variants", remedy)
    ledger.keep("variants", chunk, found)


def _of_circuits(
    client: Client,
    chunk: Chunk,
    job: Json,
    read: Callable[[Json, Probabilities], T],
    what: str,
    remedy: str,
) -> list[T | None]:
    """Return a reading of each circuit's job in the order of ``chunk.values``, None for one without a result.

    Args:
        client: of the server.
        chunk: collected.
        job: see the module.
        read: reads one circuit, from its description and its result.
        what: plural of what is read.
        remedy: ends the error of a circuit that cannot be read.
    """
    found: list[T | None] = []
    circuits = _circuits(chunk, job)[chunk.known_circuits :]
    for circuit, result in zip(circuits, chunk.results or (), strict=True):
        if result is None:
            found.append(None)
            continue
        try:
            found.append(read(job if circuit == job["id"] else client.job(circuit), result))
        except (ValueError, RemoteRequestError) as error:
            raise JobFailedError(
                f"the {what} of {chunk.label}, circuit {circuit}, cannot be read: {error}. Nothing is lost: {remedy}"
            ) from None
    return found


def read_probabilities(
    payload: Any, n_qubits: int, label: str, shots: int | None = None
) -> Probabilities:
    """Return `parse_probabilities` of a payload, or raise `JobFailedError`.

    Args:
        payload: in one of the API's forms.
        n_qubits: width of the circuit.
        label: name of the circuit, for an error.
        shots: of which the probabilities are multiples; None: they may be any.
    """
    try:
        return parse_probabilities(flat(payload, n_qubits), n_qubits, shots)
    except ValueError as error:
        raise JobFailedError(
            f"the result of {label} cannot be read: {error}. Nothing is lost: the job's id is in the ledger and its "
            "result stays at the server; run again to read it again."
        ) from None


def results(
    client: Client, chunk: Chunk, job: Json, aggregation: str | None = None
) -> list[Probabilities]:
    """Return the probabilities in the order of the job's child ids, for any order of the payload.

    Args:
        client: of the server.
        chunk: whose job has completed.
        job: see the module.
        aggregation: combination of a debiased job's variants; None: the server's default.
    """
    keys = _circuits(chunk, job)
    payload = client.probabilities(job, keys if chunk.circuits > 1 else [], aggregation)
    if set(payload) != set(keys):
        raise JobFailedError(
            f"the results of {chunk.label} are for {sorted(payload)[:3]}..., expected one for each of {keys[:3]}... "
            f"{_KEPT}"
        )
    n, shots = chunk.setup.n_qubits, chunk.setup.counted_shots
    return [
        read_probabilities(payload[key], n, f"{chunk.label}, circuit {key}", shots) for key in keys
    ]


def completed_results(client: Client, chunk: Chunk, job: Json) -> list[Probabilities | None]:
    """Return the results of a failed job's circuits that ended well: they were paid.

    Raises:
        RemoteError: if a result cannot be read; the failure is not recorded then, and the next call reads again, so
            that a paid circuit is not sent again.
    """
    children = _children(job)
    found: list[Probabilities | None] = [None] * chunk.circuits
    if len(children) != len(found):
        return found
    for i, child in enumerate(children):
        if client.job(child).get("status") == "completed":
            payload = client.circuit_probabilities(child)
            found[i] = read_probabilities(
                payload, chunk.setup.n_qubits, f"circuit {child}", chunk.setup.counted_shots
            )
    return found


def _circuits(chunk: Chunk, job: Json) -> list[str]:
    """Return the ids of the job's circuits: those of its children, or its own if it has one circuit."""
    n, children = chunk.circuits, _children(job)
    if n > 1 and (len(children) != n or len(set(children)) != n):
        raise JobFailedError(
            f"{chunk.label} has {len(set(children))} children, expected {n}, one per circuit. {_KEPT}"
        )
    return children if n > 1 else [str(job["id"])]


def _children(job: Json) -> list[str]:
    children = job.get("child_job_ids") or job.get("children") or []
    return [str(child) for child in children] if isinstance(children, list) else []
