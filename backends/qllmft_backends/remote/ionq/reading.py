"""Results of IonQ's jobs: probabilities, single shots and variants, each keyed by its circuit's id.

A job names its results by an address (API v0.4 as qiskit-ionq 1.1.1 reads it), as artifacts (v0.4 as published in
2026), or not at all, so that each circuit is read: all three are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from qllmft_backends.remote.errors import JobFailedError, RemoteRequestError
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ledger.chunk import Chunk
from qllmft_backends.remote.ledger.payload import (
    Probabilities,
    Shots,
    at,
    flat,
    parse_probabilities,
    parse_shots,
    parse_variant,
)

T = TypeVar("T")
Json = Mapping[str, Any]
_KEPT = "Its result stays at the server and its id in the ledger; nothing is sent again."
_PROBABILITIES = ("ionq.result.probabilities.json.v1", "ionq.result.probabilities.json.v2")
_OF_CHILDREN = "ionq.result.probabilities-aggregate.json.v1"
_SHOTS = ("ionq.result.shots.json.v1", "ionq.result.shots.json.v2")
_OF_VARIANTS = ("ionq.result.histogram.json.v2", *reversed(_PROBABILITIES))
_NATIVE = "ionq.native.v1"


@dataclass(frozen=True)
class JobResults:
    """Results of one job at the server. To read them costs nothing.

    Attributes:
        client: of the server.
        chunk: circuits of the job.
        job: the server's description of it.

    Each method raises `JobFailedError` for results that the server does not have or that cannot be read, and
    `RemoteError` if the server cannot be asked.
    """

    client: Client
    chunk: Chunk
    job: Json

    def probabilities(self, aggregation: str | None = None) -> list[Probabilities]:
        """Return the results of a completed job in the order of its child ids, for any order of the payload.

        ``aggregation`` is the combination of a debiased job's variants, an artifact of each circuit or a parameter of
        the address; None: the server's default.
        """
        chunk, keys, job = self.chunk, self._circuits(), self.job
        payload: Any = self._combined(keys, aggregation) if aggregation else None
        if payload is None:
            forms = (_OF_CHILDREN,) if chunk.circuits > 1 else _PROBABILITIES
            address = self._address(job, "probabilities", () if aggregation else forms)
            if aggregation and address is None:
                raise RemoteRequestError(
                    f"job {job['id']} names neither results of the aggregation {aggregation!r} nor an address at which "
                    "the server can be asked for them. Nothing is lost: aggregation='average' reads the server's own."
                )
            if address is None:
                payload = {key: self._of_circuit(key) for key in keys}
            else:
                payload = self.client.get(
                    *address, **({"aggregation": aggregation} if aggregation else {})
                )
                payload = payload if chunk.circuits > 1 else {keys[0]: payload}
        if not isinstance(payload, dict):
            raise JobFailedError(
                f"the results of job {self.job['id']} are a JSON {type(payload).__name__}, expected an object with one "
                "entry per circuit. They stay at the server and the job's id in the ledger; nothing is sent again."
            )
        if set(payload) != set(keys):
            raise JobFailedError(
                f"the results of {chunk.label} are for {sorted(payload)[:3]}..., expected one for each of "
                f"{keys[:3]}... {_KEPT}"
            )
        return [self._parsed(payload[key], f"{chunk.label}, circuit {key}") for key in keys]

    def _combined(self, keys: Sequence[str], aggregation: str) -> dict[str, Any] | None:
        """Return the artifacts that combine a debiased job's variants, by circuit, or None if a circuit has none."""
        found = {}
        for key in keys:
            named = at(self._described(key), "output", "error_mitigation", "aggregations")
            artifact = _artifact(key, named, (aggregation,))
            if artifact is None:
                return None
            found[key] = self.client.get(*artifact)
        return found

    def aggregated(self, name: str) -> list[Probabilities]:
        """Return the results of a debiased job, its variants combined by ``name``, if its known answer is right."""
        found = self.probabilities(name)
        if error := self.chunk.wrong_answer(found):
            raise JobFailedError(
                f"the results of {self.chunk.label}, combined by {name!r}, are not used: {error}. {_KEPT}"
            )
        return found

    def completed(self) -> list[Probabilities | None]:
        """Return the results of a failed job's circuits that ended well: they were paid.

        If one cannot be read, the failure is not recorded, and the next call reads again, so that a paid circuit is not
        sent again.
        """
        children = self._children()
        found: list[Probabilities | None] = [None] * self.chunk.circuits
        if len(children) != len(found):
            return found
        for i, child in enumerate(children):
            if self.client.job(child).get("status") == "completed":
                found[i] = self._parsed(self._of_circuit(child), f"circuit {child}")
        return found

    def shots(self) -> list[Shots | None]:
        """Return the single shots behind the results of each circuit, None for one without a result."""
        setup = self.chunk.setup

        def read(circuit: Json, result: Probabilities) -> Shots:
            address = self._address(circuit, "shots", _SHOTS)
            if address is None:
                raise ValueError(f"job {circuit['id']} names no single shots among its results")
            return parse_shots(self.client.get(*address), setup.n_qubits, setup.shot_counts, result)

        remedy = "its frequencies are in the ledger. Run again to read the shots, or omit per_shot."
        return self._of_circuits(read, "single shots", remedy)

    def variants(self) -> list[list[dict[str, Any]] | None]:
        """Return the variants of each circuit of a debiased job, None for one without a result."""
        n_qubits = self.chunk.setup.n_qubits

        def read(circuit: Json, _: Probabilities) -> list[dict[str, Any]]:
            named = at(circuit, "output", "error_mitigation", "debiasing", "variants")
            found = []
            for variant in named if isinstance(named, list) else ():
                artifact = _artifact(circuit["id"], at(variant, "results"), _OF_VARIANTS)
                results = None if artifact is None else self.client.get(*artifact)
                described = {name: at(variant, name) for name in ("shots", "qubit_map")}
                parsed = parse_variant(described | {"results": results}, n_qubits)
                found.append(asdict(parsed))
            if len(found) < 2:
                raise ValueError(f"the server names {len(found)}, expected two or more")
            return found

        remedy = "the combined results are in the ledger. Run again to read the variants, or omit variants."
        return self._of_circuits(read, "variants", remedy)

    def _of_circuits(
        self, read: Callable[[Json, Probabilities], T], what: str, remedy: str
    ) -> list[T | None]:
        """Return a reading of each circuit in the order of ``chunk.values``, None for one without a result."""
        found: list[T | None] = []
        circuits = self._circuits()[self.chunk.known_circuits :]
        for circuit, result in zip(circuits, self.chunk.results or (), strict=True):
            try:
                found.append(None if result is None else read(self._described(circuit), result))
            except (ValueError, RemoteRequestError) as error:
                raise JobFailedError(
                    f"the {what} of {self.chunk.label}, circuit {circuit}, cannot be read: {error}. Nothing is lost: "
                    f"{remedy}"
                ) from None
        return found

    def _described(self, circuit: str) -> Json:
        """Return the description of a circuit's own job."""
        return self.job if circuit == self.job["id"] else self.client.job(circuit)

    def _of_circuit(self, circuit: str) -> Any:
        """Return raw probabilities of one circuit, whose job names none."""
        return self.client.get("jobs", circuit, "results", "probabilities")

    def _parsed(self, payload: Any, label: str) -> Probabilities:
        setup = self.chunk.setup
        try:
            states = flat(payload, setup.n_qubits)
            return parse_probabilities(states, setup.n_qubits, setup.counted_shots)
        except ValueError as error:
            raise JobFailedError(
                f"the result of {label} cannot be read: {error}. Nothing is lost: the job's id is in the ledger and "
                "its result stays at the server; run again to read it again."
            ) from None

    def _circuits(self) -> list[str]:
        """Return the ids of the job's circuits: those of its children, or its own if it has one circuit."""
        n, children = self.chunk.circuits, self._children()
        if n > 1 and (len(children) != n or len(set(children)) != n):
            raise JobFailedError(
                f"{self.chunk.label} has {len(set(children))} children, expected {n}, one per circuit. {_KEPT}"
            )
        return children if n > 1 else [str(self.job["id"])]

    def _children(self) -> list[str]:
        children = self.job.get("child_job_ids") or self.job.get("children") or []
        return [str(child) for child in children] if isinstance(children, list) else []

    def _address(self, job: Json, kind: str, forms: Sequence[str]) -> tuple[str, ...] | None:
        """Return the path of results that a job names by an address, or as an artifact of ``forms``, None without."""
        url, version = at(job, "results", kind, "url"), self.client.url.rsplit("/", 1)[1]
        if not isinstance(url, str):
            return _artifact(str(job["id"]), job.get("results"), forms)
        if not re.fullmatch(rf"/{re.escape(version)}/[\w/.-]*", url) or ".." in url:
            raise JobFailedError(
                f"job {job['id']} names {url!r} as the address of its results; expected one below /{version}/. "
                "Nothing was read. The result stays at the server and the job's id in the ledger."
            )
        return (url.removeprefix(f"/{version}/"),)


def native_gates_of(client: Client, job: Json) -> Any:
    """Return the native gates of a completed dry run of one circuit, as sent."""
    named = at(job, "output", "compilation", "compiled_circuits")
    artifact = _artifact(str(job["id"]), named, (_NATIVE,))
    if artifact is None:
        raise RemoteRequestError(
            f"job {job['id']} names no compiled circuit {_NATIVE}. Omit compiled_estimate."
        )
    return at(client.get(*artifact), "circuit")


def _artifact(job_id: str, named: Any, forms: Sequence[str]) -> tuple[str, ...] | None:
    """Return the path of the first of the artifacts ``forms`` that are ``named``, or None."""
    ids = (at(named, form, "id") for form in forms)
    found = next((each for each in ids if isinstance(each, str) and each), None)
    return None if found is None else ("jobs", job_id, "artifacts", quote(found, safe=""))
