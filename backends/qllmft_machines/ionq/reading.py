"""Results of IonQ's jobs: probabilities, single shots and variants, each keyed by its circuit's id.

A job names its results by an address (API v0.4 as qiskit-ionq 1.1.1 reads it), as artifacts (v0.4 as published in
2026), or not at all, so that each circuit is read: all three are.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from qllmft_machines.errors import (
    JobFailedError,
    RemoteRequestError,
    UnreportedResultWarning,
)
from qllmft_machines.ionq.client import Client
from qllmft_machines.ledger.chunk import Chunk
from qllmft_machines.ledger.payload import (
    Probabilities,
    Shots,
    flatten_registers,
    parse_probabilities,
    parse_shots,
    parse_variant,
    value_at_path,
)

T = TypeVar("T", bound=Sized)
Json = Mapping[str, Any]
_RESULT_AT_SERVER = (
    "Its result stays at the server and its id in the ledger. Nothing is sent again."
)
_PROBABILITIES = ("ionq.result.probabilities.json.v1", "ionq.result.probabilities.json.v2")
_CHILD_PROBABILITIES = "ionq.result.probabilities-aggregate.json.v1"
_SHOTS = ("ionq.result.shots.json.v1", "ionq.result.shots.json.v2")
_VARIANT_RESULTS = ("ionq.result.histogram.json.v2", *reversed(_PROBABILITIES))
_NATIVE_CIRCUIT = "ionq.native.v1"


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
        chunk = self.chunk
        self._check_shots()
        circuit_ids = self._circuit_ids()
        job = self.job
        payload: Any = self._fetch_combined(circuit_ids, aggregation) if aggregation else None
        if payload is None:
            formats = (_CHILD_PROBABILITIES,) if chunk.circuits > 1 else _PROBABILITIES
            result_path = self._result_path(job, "probabilities", () if aggregation else formats)
            if aggregation and result_path is None:
                raise RemoteRequestError(
                    f"job {job['id']} names neither results of the aggregation {aggregation!r} nor an address at which "
                    "the server can be asked for them. Nothing is lost: aggregation='average' reads the server's own."
                )
            if result_path is None:
                payload = {
                    circuit_id: self._fetch_probabilities(circuit_id) for circuit_id in circuit_ids
                }
            else:
                payload = self.client.get(
                    *result_path, **({"aggregation": aggregation} if aggregation else {})
                )
                payload = payload if chunk.circuits > 1 else {circuit_ids[0]: payload}
        if not isinstance(payload, dict):
            raise JobFailedError(
                f"the results of job {self.job['id']} are a JSON {type(payload).__name__}, expected an object with one "
                "entry per circuit. They stay at the server and the job's id in the ledger. Nothing is sent again."
            )
        if set(payload) != set(circuit_ids):
            raise JobFailedError(
                f"the results of {chunk.label} are for {sorted(payload)[:3]}..., expected one for each of "
                f"{circuit_ids[:3]}... {_RESULT_AT_SERVER}"
            )
        return [
            self._parse_probabilities(payload[circuit_id], f"{chunk.label}, circuit {circuit_id}")
            for circuit_id in circuit_ids
        ]

    def _fetch_combined(
        self, circuit_ids: Sequence[str], aggregation: str
    ) -> dict[str, Any] | None:
        """Return the artifacts that combine a debiased job's variants, by circuit, or None if a circuit has none."""
        payloads = {}
        for circuit_id in circuit_ids:
            artifacts = value_at_path(
                self._describe_circuit(circuit_id), "output", "error_mitigation", "aggregations"
            )
            artifact_path = _artifact_path(circuit_id, artifacts, (aggregation,))
            if artifact_path is None:
                return None
            payloads[circuit_id] = self.client.get(*artifact_path)
        return payloads

    def combined_probabilities(self, aggregation: str) -> list[Probabilities]:
        """Return the results of a debiased job, combined by ``aggregation``, if its known answer is right."""
        combined = self.probabilities(aggregation)
        if error := self.chunk.wrong_answer(combined):
            raise JobFailedError(
                f"the results of {self.chunk.label}, combined by {aggregation!r}, are not used: {error}. "
                f"{_RESULT_AT_SERVER}"
            )
        return combined

    def completed_probabilities(self) -> list[Probabilities | None]:
        """Return the results of a failed job's circuits that ended well: they were paid.

        If one cannot be read, the failure is not recorded, and the next call reads again, so that a paid circuit is not
        sent again.
        """
        self._check_shots()
        child_ids = self._child_ids()
        probabilities: list[Probabilities | None] = [None] * self.chunk.circuits
        if len(child_ids) != len(probabilities):
            return probabilities
        for i, child_id in enumerate(child_ids):
            if self.client.job(child_id).get("status") == "completed":
                probabilities[i] = self._parse_probabilities(
                    self._fetch_probabilities(child_id), f"circuit {child_id}"
                )
        return probabilities

    def shots(self) -> list[Shots | None] | None:
        """Return the single shots behind the results of each circuit, None for one without a result.

        Without shots at the server return None, with an `UnreportedResultWarning`.
        """
        setup = self.chunk.setup

        def read_shots(circuit: Json, result: Probabilities) -> Shots:
            result_path = self._result_path(circuit, "shots", _SHOTS)
            if result_path is None:
                return []
            return parse_shots(
                self.client.get(*result_path), setup.n_qubits, setup.shot_counts, result
            )

        remedy = "its frequencies are in the ledger. Run again to read the shots, or omit per_shot."
        shots = self._read_circuits(read_shots, "single shots", remedy)
        if shots is None:
            text = "the server names no single shots. per_shot has no effect, and counts are used."
            warnings.warn(text, UnreportedResultWarning, stacklevel=2)
        return shots

    def variants(self) -> list[list[dict[str, Any]] | None] | None:
        """Return the variants of each circuit of a debiased job, None for one without a result.

        If the server names fewer than two of a circuit return None, with an `UnreportedResultWarning`.
        """
        setup = self.chunk.setup

        def read_variants(circuit: Json, _: Probabilities) -> list[dict[str, Any]]:
            variant_descriptions = value_at_path(
                circuit, "output", "error_mitigation", "debiasing", "variants"
            )
            variant_fields = []
            for variant in variant_descriptions if isinstance(variant_descriptions, list) else ():
                artifact_path = _artifact_path(
                    circuit["id"], value_at_path(variant, "results"), _VARIANT_RESULTS
                )
                results = None if artifact_path is None else self.client.get(*artifact_path)
                description = {
                    name: value_at_path(variant, name) for name in ("shots", "qubit_map")
                }
                parsed_variant = parse_variant(description | {"results": results}, setup.n_qubits)
                variant_fields.append(asdict(parsed_variant))
            if len(variant_fields) < 2:
                return []
            total = sum(fields["shots"] for fields in variant_fields)
            counts = setup.shot_counts
            rounding = len(variant_fields)  # the shots may not divide by the number of variants
            if not counts.start - rounding < total < counts.stop + rounding:
                raise ValueError(f"they have {total} shots in all, expected {setup.shots}, as sent")
            return variant_fields

        remedy = "the combined results are in the ledger. Run again to read the variants, or omit variants."
        variants = self._read_circuits(read_variants, "variants", remedy)
        if variants is None:
            text = (
                "the server does not name two or more variants of each debiased circuit. Standard errors are those of "
                "the shots, without the differences between variants."
            )
            warnings.warn(text, UnreportedResultWarning, stacklevel=2)
        return variants

    def _read_circuits(
        self, read_circuit: Callable[[Json, Probabilities], T], subject: str, remedy: str
    ) -> list[T | None] | None:
        """Return a reading of each circuit in the order of ``chunk.values``, None for one without a result.

        If ``read_circuit`` returns an empty reading return None: the server has none.
        """
        readings: list[T | None] = []
        circuit_ids = self._circuit_ids()[self.chunk.known_circuits :]
        for circuit_id, result in zip(circuit_ids, self.chunk.results or (), strict=True):
            if result is None:
                readings.append(None)
                continue
            try:
                reading = read_circuit(self._describe_circuit(circuit_id), result)
            except (ValueError, RemoteRequestError) as error:
                raise JobFailedError(
                    f"the {subject} of {self.chunk.label}, circuit {circuit_id}, cannot be read: {error}. Nothing is "
                    f"lost: {remedy}"
                ) from None
            if not reading:
                return None
            readings.append(reading)
        return readings

    def _describe_circuit(self, circuit_id: str) -> Json:
        """Return the description of a circuit's own job."""
        return self.job if circuit_id == self.job["id"] else self.client.job(circuit_id)

    def _fetch_probabilities(self, circuit_id: str) -> Any:
        """Return raw probabilities of one circuit, whose job names none."""
        return self.client.get("jobs", circuit_id, "results", "probabilities")

    def _parse_probabilities(self, payload: Any, label: str) -> Probabilities:
        setup = self.chunk.setup
        try:
            states = flatten_registers(payload, setup.n_qubits)
            return parse_probabilities(states, setup.n_qubits, setup.counted_shots)
        except ValueError as error:
            raise JobFailedError(
                f"the result of {label} cannot be read: {error}. Nothing is lost: the job's id is in the ledger and "
                "its result stays at the server. Run again to read it again."
            ) from None

    def _check_shots(self) -> None:
        """Raise `JobFailedError` if the server measured another number of shots, which decides the standard errors."""
        setup = self.chunk.setup
        server_shots = self.job.get("shots")
        if setup.exact or server_shots is None:
            return
        counts = setup.shot_counts
        if server_shots in (*counts, *map(str, counts)):
            return
        raise JobFailedError(
            f"{self.chunk.label} has {str(server_shots)[:40]} shots at the server, expected {setup.shots}, as "
            f"sent. {_RESULT_AT_SERVER} Ask IonQ about this job."
        )

    def _circuit_ids(self) -> list[str]:
        """Return the ids of the job's circuits: those of its children, or its own if it has one circuit."""
        n_circuits = self.chunk.circuits
        child_ids = self._child_ids()
        if n_circuits > 1 and (len(child_ids) != n_circuits or len(set(child_ids)) != n_circuits):
            raise JobFailedError(
                f"{self.chunk.label} has {len(set(child_ids))} children, expected {n_circuits}, one per circuit. "
                f"{_RESULT_AT_SERVER}"
            )
        return child_ids if n_circuits > 1 else [str(self.job["id"])]

    def _child_ids(self) -> list[str]:
        children = self.job.get("child_job_ids") or self.job.get("children") or []
        return [str(child) for child in children] if isinstance(children, list) else []

    def _result_path(self, job: Json, kind: str, formats: Sequence[str]) -> tuple[str, ...] | None:
        """Return the path of results that a job names by an address, or as an artifact of ``formats``, None without."""
        url = value_at_path(job, "results", kind, "url")
        version = self.client.url.rsplit("/", 1)[1]
        if not isinstance(url, str):
            return _artifact_path(str(job["id"]), job.get("results"), formats)
        if not re.fullmatch(rf"/{re.escape(version)}/[\w/.-]*", url) or ".." in url:
            raise JobFailedError(
                f"job {job['id']} names {url!r} as the address of its results, expected one below /{version}/. "
                "Nothing was read. The result stays at the server and the job's id in the ledger."
            )
        return (url.removeprefix(f"/{version}/"),)


def fetch_native_gates(client: Client, job: Json) -> Any:
    """Return the native gates of a completed dry run of one circuit, as sent."""
    artifacts = value_at_path(job, "output", "compilation", "compiled_circuits")
    artifact_path = _artifact_path(str(job["id"]), artifacts, (_NATIVE_CIRCUIT,))
    if artifact_path is None:
        raise RemoteRequestError(
            f"job {job['id']} names no compiled circuit {_NATIVE_CIRCUIT}. Omit compiled_estimate."
        )
    return value_at_path(client.get(*artifact_path), "circuit")


def _artifact_path(job_id: str, artifacts: Any, formats: Sequence[str]) -> tuple[str, ...] | None:
    """Return the path of the first of the artifacts ``formats`` that are ``artifacts``, or None."""
    candidate_ids = (value_at_path(artifacts, format_name, "id") for format_name in formats)
    artifact_id = next(
        (
            candidate_id
            for candidate_id in candidate_ids
            if isinstance(candidate_id, str) and candidate_id
        ),
        None,
    )
    return (
        None if artifact_id is None else ("jobs", job_id, "artifacts", quote(artifact_id, safe=""))
    )
