"""Results of IonQ's jobs: probabilities, single shots and variants, each keyed by its circuit's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from qllmft_backends.remote.errors import JobFailedError, RemoteRequestError
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ledger.chunk import Chunk
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
        """Return the results of a completed job, by ``aggregation`` if its circuits have variants.

        They are in the order of the job's child ids, for any order of the payload.
        """
        chunk, keys = self.chunk, self._circuits()
        payload = self.client.probabilities(
            self.job, keys if chunk.circuits > 1 else [], aggregation
        )
        if set(payload) != set(keys):
            raise JobFailedError(
                f"the results of {chunk.label} are for {sorted(payload)[:3]}..., expected one for each of "
                f"{keys[:3]}... {_KEPT}"
            )
        return [self._parsed(payload[key], f"{chunk.label}, circuit {key}") for key in keys]

    def aggregated(self, name: str) -> list[Probabilities]:
        """Return the results of a debiased job, its variants combined by ``name``, if its known answer is right."""
        found, chunk = self.probabilities(name), self.chunk
        error = known_answer_error(
            chunk.known_answer, chunk.setup.n_qubits, chunk.setup.shots, found
        )
        if error is not None:
            raise JobFailedError(
                f"the results of {chunk.label}, combined by {name!r}, are not used: {error}. {_KEPT}"
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
                found[i] = self._parsed(
                    self.client.circuit_probabilities(child), f"circuit {child}"
                )
        return found

    def shots(self) -> list[Shots | None]:
        """Return the single shots behind the results of each circuit, None for one without a result."""
        setup = self.chunk.setup

        def read(circuit: Json, result: Probabilities) -> Shots:
            shots = self.client.shots(circuit)
            return parse_shots(shots, setup.n_qubits, setup.shot_counts, result)

        remedy = "its frequencies are in the ledger. Run again to read the shots, or omit per_shot."
        return self._of_circuits(read, "single shots", remedy)

    def variants(self) -> list[list[dict[str, Any]] | None]:
        """Return the variants of each circuit of a debiased job, None for one without a result."""
        n_qubits = self.chunk.setup.n_qubits

        def read(circuit: Json, _: Probabilities) -> list[dict[str, Any]]:
            raw = self.client.variants(circuit)
            if len(raw) < 2:
                raise ValueError(f"the server names {len(raw)}, expected two or more")
            return [parse_variant(variant, n_qubits).to_json() for variant in raw]

        remedy = "the combined results are in the ledger. Run again to read the variants, or omit variants."
        return self._of_circuits(read, "variants", remedy)

    def _of_circuits(
        self, read: Callable[[Json, Probabilities], T], what: str, remedy: str
    ) -> list[T | None]:
        """Return a reading of each circuit in the order of ``chunk.values``, None for one without a result."""
        found: list[T | None] = []
        circuits = self._circuits()[self.chunk.known_circuits :]
        for circuit, result in zip(circuits, self.chunk.results or (), strict=True):
            if result is None:
                found.append(None)
                continue
            try:
                own = circuit == self.job["id"]
                found.append(read(self.job if own else self.client.job(circuit), result))
            except (ValueError, RemoteRequestError) as error:
                raise JobFailedError(
                    f"the {what} of {self.chunk.label}, circuit {circuit}, cannot be read: {error}. Nothing is lost: "
                    f"{remedy}"
                ) from None
        return found

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
