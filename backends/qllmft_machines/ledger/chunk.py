"""Circuits of one job: the settings that decide their results, and the progress of the job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from math import sqrt
from typing import Literal

import numpy as np

from qllmft_backends.protocol import Floats
from qllmft_machines.ledger.payload import Probabilities, Shots, Variant

State = Literal["planned", "sent", "submitted", "collected", "failed"]
UNDER_WAY_STATES: tuple[State, ...] = ("sent", "submitted")
FREE_MACHINE = "simulator"  # its jobs cost nothing
PROVIDERS_URL = "qiskit"  # in the place of an address, for machines behind Qiskit's interfaces
KNOWN_ANSWER_NAME = "known answer"  # name of a circuit with one
TOKEN_IN_NAME = 12  # characters of the client token in a name
OBJECT_PREFIX = "object:"  # begins the names of those that only an object of Python opens


@dataclass(frozen=True)
class Setup:
    """Settings that decide a circuit's result, except for its angles.

    Attributes:
        url: the server's address, so that a mock server's result never passes for IonQ's.
        backend: the API's name, ``simulator`` or ``qpu.forte-1``.
        circuit_sha256: hash of the circuit with its parameters by name; see `compile.make_template`.
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
    repetition: int
    error_mitigation: str = "none"
    noise_model: str | None = None
    seed: int | None = None
    symmetry_verification: bool = False

    @property
    def free(self) -> bool:
        """Return whether circuits on this machine cost nothing."""
        return self.backend == FREE_MACHINE

    def failure_remedy(self, *, has_results: bool) -> str:
        """Return the remedy for a failed job, and whether it is charged; ``has_results``: some circuits ended well."""
        charge_text = "Failed jobs are not charged by IonQ. "
        if has_results:
            charge_text = "IonQ may charge a failed job with some results. "
        if self.url == PROVIDERS_URL:
            charge_text = ""
        return f"{charge_text}Set retry_failed=true to send the circuits without a result again."

    @property
    def counted_shots(self) -> int | None:
        """Return the shots whose counts make up a result, or None if results are no plain frequencies."""
        is_plain = (
            self.error_mitigation == "none" and not self.symmetry_verification and not self.exact
        )
        return self.shots if is_plain else None

    @property
    def exact(self) -> bool:
        """Return whether results are exact probabilities, for which the server ignores ``shots``."""
        return self.noise_model == "ideal"

    @property
    def shot_counts(self) -> range:
        """Return the possible numbers of measured shots. Symmetry verification discards some."""
        return range(1 if self.symmetry_verification else self.shots, self.shots + 1)


@dataclass
class Attempt:
    """One POST of a chunk.

    Attributes:
        client_token: in the job's metadata.
        server_at: time just before the POST by the server's clock, in seconds since 1970; None if unknown.
        refused: if True, the POST took no effect as far as the server's answers show.
        session: id of the session that the job was sent in; None without one.
    """

    client_token: str
    server_at: float | None = None
    refused: bool = False
    session: str | None = None


@dataclass
class Chunk:
    """Circuits of one job, and the progress of that job.

    Attributes:
        id: name in this ledger.
        setup: settings that the circuits share.
        values: (b, P) parameter values in radians, in the order of ``circuit.parameters``.
        attempts: POSTs in their order.
        job_id: the server's id of the job.
        results: one entry per row of ``values``; None: no result.
        failure: reason why the job failed.
        price_each: estimate for one circuit, in ``unit``; None if unknown.
        checked: whether a circuit with a known answer is before ``values`` in the job.
        known_answer: basis state expected from that circuit; None before the job is accepted, or without the circuit.
        known_price: estimate for that circuit, in ``unit``.
        shots: single shots of each circuit that has a result, in the order of ``results``; None: not read.
        integrity_error: error that `wrong_answer` finds; the results are then not used. None: no error.
        unit: unit of ``price_each`` and ``cost``.
        cost: charge for the whole job, reported by the server after its end; None: not reported.
        kwh: energy of the whole job that the server reported, in kilowatt-hours; None: not reported.
        billed_us: billed time of the whole job on the machine, in microseconds; None: not reported.
        machine_kw: power of the machine that the server reported at the collection, in kilowatts; None: not reported.
        one_qubit_gates, two_qubit_gates: gates of one circuit as sent; None: not recorded.
        aggregations: by name, the results of a debiased job under another combination of its variants.
        variants: of each circuit that has a result, those of debiasing; None: not read.
        duplicates: ids of other jobs at the server with this chunk's client token, charged in addition to ``job_id``.
    """

    id: str
    setup: Setup
    values: Floats
    attempts: list[Attempt] = field(default_factory=list)
    job_id: str | None = None
    results: list[Probabilities | None] | None = None
    failure: str | None = None
    price_each: float | None = None
    unit: str | None = None
    cost: float | None = None
    kwh: float | None = None
    billed_us: float | None = None
    machine_kw: float | None = None
    one_qubit_gates: int | None = None
    two_qubit_gates: int | None = None
    aggregations: dict[str, list[Probabilities]] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    checked: bool = False
    known_answer: int | None = None
    known_price: float = 0.0
    shots: list[Shots | None] | None = None
    integrity_error: str | None = None
    variants: list[list[Variant] | None] | None = None

    @property
    def state(self) -> State:
        """Return the progress of the job."""
        if self.failure is not None:
            return "failed"
        if self.results is not None:
            return "collected"
        if self.job_id is not None:
            return "submitted"
        return "sent" if any(not a.refused for a in self.attempts) else "planned"

    @cached_property
    def content(self) -> str:
        """Return a hash of these circuits at these angles, in this order, on this machine."""
        return content_hash(self.setup, self.values, self.checked)

    @property
    def known_circuits(self) -> int:
        """Return the number of circuits in the job before those of ``values``: 1 with a known answer, else 0."""
        return int(self.checked)

    @property
    def circuits(self) -> int:
        """Return the number of circuits in the job, including the one with a known answer."""
        return len(self.values) + self.known_circuits

    @property
    def circuits_sent(self) -> int:
        """Return the number of circuits in the chunk's jobs at the server, doubtful jobs and duplicates included."""
        return 0 if self.state == "planned" else (1 + len(self.duplicates)) * self.circuits

    @property
    def session(self) -> str | None:
        """Return the id of the session that the job was sent in, or None without one."""
        return self.attempts[-1].session if self.attempts else None

    @property
    def tokens(self) -> frozenset[str]:
        """Return the client tokens of all attempts."""
        return frozenset(a.client_token for a in self.attempts)

    @property
    def may_have_duplicate(self) -> bool:
        """Return whether the server may hold another job: the chunk was sent again, or counts as never accepted."""
        return len(self.attempts) > 1 or any(a.refused for a in self.attempts)

    @property
    def may_change_at_server(self) -> bool:
        """Return whether the server may know more of the chunk: its job is under way, or it is doubtful."""
        return self.state in UNDER_WAY_STATES or self.may_have_duplicate

    @property
    def price(self) -> float | None:
        """Return the charge of the chunk's job, before its end the estimate, or None if unknown."""
        if self.setup.free:
            return 0.0
        if self.cost is not None:
            return self.cost
        free_failure = self.state == "failed" and not any(self.results or ())
        if self.state == "planned" or (free_failure and self.setup.url != PROVIDERS_URL):
            return 0.0
        return self.estimated_price

    @property
    def estimated_price(self) -> float | None:
        """Return the estimated price of all circuits of one job, in ``unit``, or None if unknown."""
        if self.price_each is None:
            return None
        return self.price_each * len(self.values) + self.known_price

    def wrong_answer(self, results: Sequence[Probabilities | None]) -> str | None:
        """Return the error of the known answer in the job's ``results``, or None if it is right or no other has one.

        See `find_wrong_bits`. Without an expected answer there is no error.
        """
        expected_state = self.known_answer
        n_qubits = self.setup.n_qubits
        if expected_state is None or not any(results[1:]):
            return None
        if not results[0]:
            return "the check circuit has no result"
        return find_wrong_bits(results[0], expected_state, n_qubits, self.setup.shots)

    def names(self, token: str) -> list[str]:
        """Return the names of the job's circuits in its order, if it has this client ``token``."""
        circuit_names = [f"{token[:TOKEN_IN_NAME]}-{i}" for i in range(len(self.values))]
        return [KNOWN_ANSWER_NAME] * self.known_circuits + circuit_names

    def kept_shots(self, index: int) -> int | None:
        """Return the number of shots behind the result of circuit ``index``, or None if it is not known."""
        circuit_shots = self.shots[index] if self.shots else None
        if circuit_shots:
            return len(circuit_shots)
        return None if self.setup.symmetry_verification else self.setup.shots

    @property
    def failure_remedy(self) -> str:
        """Return the remedy for the failed job of this chunk."""
        return self.setup.failure_remedy(has_results=any(self.results or ()))

    def is_lost(self, index: int) -> bool:
        """Return whether circuit ``index`` will never get a result because its job failed."""
        return self.state == "failed" and (self.results is None or self.results[index] is None)

    @property
    def label(self) -> str:
        """Return the names of the chunk and its job for messages."""
        return f"chunk {self.id}" + (f" (job {self.job_id})" if self.job_id else "")


def sessions_under_way(chunks: Iterable[Chunk]) -> set[str]:
    """Return the ids of the sessions in which jobs are under way."""
    return {chunk.session for chunk in chunks if chunk.session and chunk.state in UNDER_WAY_STATES}


def content_hash(setup: Setup, values: Floats, checked: bool) -> str:
    """Return the hash described in `Chunk.content`."""
    content = [asdict(setup), values_hash(values), *(["known answer"] if checked else [])]
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def values_hash(values: Floats) -> str:
    """Return a hash of a chunk's angles."""
    return sha256(np.ascontiguousarray(values, np.float64).tobytes()).hexdigest()


def find_wrong_bits(
    frequencies: Probabilities, expected_state: int, n_qubits: int, shots: int
) -> str | None:
    """Return the error of a check circuit's answer, or None if it is right.

    It is compared qubit by qubit: noise flips some of the shots. The right ones must be more than a half by three
    standard errors of chance, or by a tenth.

    Args:
        frequencies: share of the shots by basis state.
        expected_state: right basis state; bit q is qubit q.
        n_qubits: number of qubits.
        shots: number of shots.
    """
    weighted_flips = [(state ^ expected_state, p) for state, p in frequencies.items()]
    right_shares = [
        sum(p for bits, p in weighted_flips if not bits >> q & 1) for q in range(n_qubits)
    ]
    min_share = 0.5 + min(1.5 / sqrt(shots), 0.1)
    wrong_qubits = [q for q, share in enumerate(right_shares) if share <= min_share]
    if not wrong_qubits:
        return None
    shares_text = ", ".join(f"{right_shares[q]:.2f}" for q in wrong_qubits[:5])
    return (
        f"the check circuit came back wrong on the qubits {wrong_qubits}. Share of shots with the right value: "
        f"{shares_text}, expected more than {min_share:.2f}"
    )
