"""The circuits of one job: what decides their results, how far they got, and what may stand in a record of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_SUM_TOLERANCE = 1e-3  # servers round probabilities
_DECIMAL = re.compile("[0-9]{1,20}")

State = Literal["planned", "sent", "submitted", "collected", "failed"]
Probabilities = dict[int, float]  # basis state (qubit 0 the least significant bit) -> probability


@dataclass(frozen=True)
class Setup:
    """All that decides what a circuit's result means, but its angles.

    Attributes:
        url: the server's address; a sandbox's result never passes for IonQ's.
        backend: the API's name, ``simulator`` or ``qpu.forte-1``.
        circuit_sha256: hash of the circuit with its parameters by name; see `compile.fingerprint`.
        n_qubits: width.
        shots: measurements of a circuit, as sent.
        error_mitigation: ``none`` or ``debiasing``.
        noise_model, seed: of the simulator; None on hardware.
        repetition: see `IonQOptions`.
        symmetry_verification: see `IonQForteOptions`.
    """

    url: str
    backend: str
    circuit_sha256: str
    n_qubits: int
    shots: int
    error_mitigation: str
    noise_model: str | None
    seed: int | None
    repetition: int
    symmetry_verification: bool = False


@dataclass
class Attempt:
    """One POST: its client token, and when it was about to be sent.

    Attributes:
        client_token: in the job's metadata.
        at: by this machine's clock, in seconds since 1970.
        server_at: by the server's clock; None: not known.
        refused: it took no effect, as far as the server said, or as far as could be seen in time.
        session: id of the session that the job was sent in; None: none.
    """

    client_token: str
    at: float
    server_at: float | None = None
    refused: bool = False
    session: str | None = None


@dataclass
class Chunk:
    """The circuits of one job, and how far they got.

    Attributes:
        id: name in this ledger.
        setup: what they have in common.
        values: (b, P) parameter values in radians, in the order of ``circuit.parameters``.
        attempts: the POSTs, the last one last.
        job_id: the server's name for it.
        results: one entry a row of ``values``; None: no result.
        failure: why the job failed.
        price_each: the estimate of one circuit, in ``unit``; None: unknown.
        known_answer: the basis state that the circuit before ``values`` in the job should give; None: there is none.
        known_price: the estimate of that circuit, in ``unit``.
        known_result: what came back for it; None: no result.
        shots: the single shots of each circuit that has a result, in the order of ``results``; None: not read.
        suspicion: why ``results`` are not to be used, see `suspicion`; None: no reason.
        unit: of ``price_each`` and ``cost``.
        cost: of the whole job, as the server told after it ended; None: not told.
        aggregations: by name, the results of a debiased job combined otherwise than ``results``.
        duplicates: ids of other jobs at the server that carry this chunk's client token: paid beside ``job_id``.
    """

    id: str
    setup: Setup
    values: NDArray[np.float64]
    attempts: list[Attempt] = field(default_factory=list)
    job_id: str | None = None
    results: list[Probabilities | None] | None = None
    failure: str | None = None
    price_each: float | None = None
    unit: str | None = None
    cost: float | None = None
    aggregations: dict[str, list[Probabilities]] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    known_answer: int | None = None
    known_price: float = 0.0
    known_result: Probabilities | None = None
    shots: list[list[int] | None] | None = None
    suspicion: str | None = None

    @property
    def state(self) -> State:
        """Where the chunk stands."""
        if self.failure is not None:
            return "failed"
        if self.results is not None:
            return "collected"
        if self.job_id is not None:
            return "submitted"
        return "sent" if any(not a.refused for a in self.attempts) else "planned"

    @cached_property
    def content(self) -> str:
        """Hash of what the chunk asks: these circuits, at these angles, in this order, on this machine."""
        return content_hash(self.setup, self.values, self.known_answer)

    @property
    def known_circuits(self) -> int:
        """Circuits of the job before those of ``values``: 1 with a known answer, else 0."""
        return int(self.known_answer is not None)

    @property
    def circuits(self) -> int:
        """Circuits of the job, the one with a known answer among them."""
        return len(self.values) + self.known_circuits

    @property
    def session(self) -> str | None:
        """The server's id of the session that the job was sent in; None: none."""
        return self.attempts[-1].session if self.attempts else None

    @property
    def tokens(self) -> frozenset[str]:
        """Client tokens of all attempts."""
        return frozenset(a.client_token for a in self.attempts)

    @property
    def doubtful(self) -> bool:
        """More than one job of this chunk may be at the server: it was sent again, or counts as never accepted."""
        return len(self.attempts) > 1 or any(a.refused for a in self.attempts)

    @property
    def price(self) -> float | None:
        """What the chunk's one job costs: as told by the server, else as estimated; None: unknown. Free ones cost 0."""
        if self.setup.backend == "simulator":
            return 0.0
        if self.cost is not None:
            return self.cost
        if self.state == "planned":
            return 0.0
        if self.state == "failed" and not any(self.results or ()):
            return 0.0  # IonQ charges no job that failed or was canceled
        return self.estimate

    @property
    def estimate(self) -> float | None:
        """The price of all circuits of one job as estimated before it was sent, in ``unit``; None: unknown."""
        return None if self.price_each is None else self.price_each * len(self.values) + self.known_price

    def lost(self, index: int) -> bool:
        """Circuit ``index`` has no result and will get none: its job failed."""
        return self.state == "failed" and (self.results is None or self.results[index] is None)

    @property
    def label(self) -> str:
        """For messages: chunk, and job where there is one."""
        return f"chunk {self.id}" + (f" (job {self.job_id})" if self.job_id else "")


def content_hash(setup: Setup, values: NDArray[np.float64], known_answer: int | None = None) -> str:
    """See `Chunk.content`."""
    content = [asdict(setup), values_hash(values), *([] if known_answer is None else [known_answer])]
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def values_hash(values: NDArray[np.float64]) -> str:
    """Hash of a chunk's angles."""
    return sha256(np.ascontiguousarray(values, np.float64).tobytes()).hexdigest()


def results_to_json(results: Sequence[Probabilities | None]) -> dict[str, Any]:
    """A record's fields ``results`` and ``results_sha256``."""
    plain = [None if r is None else {str(state): p for state, p in r.items()} for r in results]
    return {"results": plain, "results_sha256": json_hash(plain)}


def planned_chunk(record: Mapping[str, Any]) -> Chunk:
    """The chunk of an event ``planned``.

    Raises:
        ValueError, KeyError, TypeError: where it is not what `Ledger.plan` writes.
    """
    setup = Setup(**record["setup"])
    if not (isinstance(setup.n_qubits, int) and isinstance(setup.shots, int) and 0 <= setup.n_qubits <= 64):
        raise ValueError(f"setup names {setup.n_qubits!r} qubits and {setup.shots!r} shots")
    rows = record["values"]
    values = np.array(rows, np.float64).reshape(len(rows), -1) if rows else np.empty((0, 0))
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("values are empty, or not finite")
    if "values_sha256" in record and record["values_sha256"] != values_hash(values):
        raise ValueError("values_sha256 does not fit the values: they were changed")
    for name in ("price_each", "known_price"):
        if record.get(name) is not None and not is_amount(record[name]):
            raise ValueError(f"{name} is {record[name]!r}, expected a number of 0 or more")
    known = record.get("known_answer")
    if known is not None and not (isinstance(known, int) and 0 <= known < 2**setup.n_qubits):
        raise ValueError(f"known_answer is {known!r}, expected a basis state of {setup.n_qubits} qubits")
    return Chunk(
        record["chunk"],
        setup,
        values,
        price_each=record.get("price_each"),
        unit=record.get("price_unit"),
        known_answer=known,
        known_price=record.get("known_price") or 0.0,
    )


def recorded_results(record: Mapping[str, Any], chunk: Chunk) -> list[Probabilities | None]:
    """The results of an event ``collected`` or ``failed``, in the job's order: that of a known answer comes first.

    Raises:
        ValueError, KeyError, TypeError: where they are not those of ``chunk``, or are no distributions.
    """
    results = record["results"]
    if len(results) != chunk.circuits:
        raise ValueError(f"{len(results)} results of {chunk.circuits} circuits")
    if "results_sha256" in record and record["results_sha256"] != json_hash(results):
        raise ValueError("results_sha256 does not fit the results: they were changed")
    if record["event"] != "failed" and None in results:
        raise ValueError("a circuit has no result")
    return [None if r is None else parse_probabilities(r, chunk.setup.n_qubits) for r in results]


def parse_probabilities(payload: Any, n_qubits: int) -> Probabilities:
    """``{"5": 0.25, ...}``, as the API and the ledger have it: decimal basis states, qubit 0 the least significant bit.

    Raises:
        ValueError: where it is not a distribution on ``n_qubits`` qubits; says what is wrong.
    """
    if not isinstance(payload, Mapping) or not all(
        isinstance(s, str) and _DECIMAL.fullmatch(s) and isinstance(p, int | float) and not isinstance(p, bool)
        for s, p in payload.items()
    ):
        raise ValueError("it is not a mapping from decimal states to numbers")
    probabilities = {int(state): float(p) for state, p in payload.items()}
    if len(probabilities) != len(payload):
        raise ValueError("it names a state twice")
    if not all(0 <= state < 2**n_qubits for state in probabilities):
        raise ValueError(f"it names states outside of 0..{2**n_qubits - 1}")
    if not all(-_SUM_TOLERANCE <= p <= 1 + _SUM_TOLERANCE for p in probabilities.values()):
        raise ValueError("it holds numbers outside of 0..1")
    if not abs(sum(probabilities.values()) - 1) <= _SUM_TOLERANCE:
        raise ValueError(f"its numbers sum to {sum(probabilities.values()):.6g}, expected 1")
    return probabilities


def suspicion(chunk: Chunk) -> str | None:
    """What is wrong with what came back for the circuit with a known answer; None: nothing, or there are no results.

    The answer is compared qubit by qubit, by the majority of the shots: noise flips some of them.
    """
    if chunk.known_answer is None or not any(chunk.results or ()):
        return None
    if not chunk.known_result:
        return "the circuit with a known answer has no result"
    differing = [(state ^ chunk.known_answer, p) for state, p in chunk.known_result.items()]
    right = [sum(p for bits, p in differing if not bits >> q & 1) for q in range(chunk.setup.n_qubits)]
    wrong = [q for q, share in enumerate(right) if share <= 0.5]
    if not wrong:
        return None
    shares = ", ".join(f"{right[q]:.2f}" for q in wrong[:5])
    return (
        f"the circuit with a known answer came back wrong on the qubits {wrong}: the right value in a share of "
        f"{shares} of the shots, expected more than 0.50"
    )


def parse_state(text: Any, n_qubits: int) -> int:
    """A basis state of ``n_qubits`` qubits, as the API writes it: decimal, qubit 0 the least significant bit.

    Raises:
        ValueError: where it is none.
    """
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError(f"{str(text)[:40]!r} is no decimal state")
    if int(text) >= 2**n_qubits:
        raise ValueError(f"state {text} is outside of 0..{2**n_qubits - 1}")
    return int(text)


def is_amount(value: Any) -> bool:
    """A price: a finite number of 0 or more."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def json_hash(value: Any) -> str:
    """Hash of a JSON value in a record."""
    return sha256(json.dumps(value).encode()).hexdigest()
