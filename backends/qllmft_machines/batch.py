"""Circuits of one call, their places and results in the ledger, and bootstrap samples of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import numpy as np
from qiskit import QuantumCircuit

from qllmft_backends.observables import ZObservables, distribution, outcome_values
from qllmft_backends.protocol import Floats
from qllmft_base.text import format_count
from qllmft_machines.cost import CostEstimate
from qllmft_machines.errors import JobFailedError, RemoteRequestError
from qllmft_machines.ledger.chunk import KNOWN_ANSWER_NAME, Chunk, Setup
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import Probabilities, known_answer_state
from qllmft_machines.ledger.places import Place
from qllmft_machines.rows import unfinished_jobs

Circuits = Sequence[QuantumCircuit]


@dataclass(frozen=True)
class Template:
    """Circuit that can be sent.

    Attributes:
        circuit: parametric, every qubit measured into the classical bit of its index.
        sha256: hash of all that decides the circuit as sent, but for its angles.
        one_qubit_gates, two_qubit_gates: numbers in one circuit as sent.
    """

    circuit: QuantumCircuit
    sha256: str
    one_qubit_gates: int
    two_qubit_gates: int

    def __str__(self) -> str:
        two_qubit_gates = format_count(self.two_qubit_gates, "two-qubit gate")
        return f"{self.one_qubit_gates:,} one-qubit and {two_qubit_gates}"

    @property
    def gates(self) -> int:
        """Return the number of gates in one circuit as sent."""
        return self.one_qubit_gates + self.two_qubit_gates

    def bind(self, values: Floats, names: Sequence[str]) -> list[QuantumCircuit]:
        """Return one circuit per row of ``values`` (b, P), in radians, with the given ``names``."""
        circuits = []
        for row, name in zip(values, names, strict=True):
            bound_circuit = self.circuit.assign_parameters(row)
            bound_circuit.name = name
            circuits.append(bound_circuit)
        return circuits


def check_unmeasured(circuit: QuantumCircuit) -> None:
    """Raise `RemoteRequestError` for a circuit with classical bits: all its qubits are measured when it is sent."""
    if circuit.num_clbits:
        raise RemoteRequestError(
            f"circuit {circuit.name!r} has {circuit.num_clbits} classical bits, expected none: every qubit is measured "
            "here. Remove the measurements."
        )


def known_answer_circuit(n_qubits: int, state: int = 0) -> QuantumCircuit:
    """Return the circuit with the answer ``state`` (qubit 0 the least significant bit), without measurements.

    It detects faulty hardware or software, with a gate on every qubit and CNOT gates along them (see
    `known_answer_state`). All its gates are there for every answer.
    """
    circuit = QuantumCircuit(n_qubits, name=KNOWN_ANSWER_NAME)
    ry_flips = state ^ state << 1
    for qubit in range(n_qubits):
        circuit.ry(np.pi * (ry_flips >> qubit & 1), qubit)
    for control in range(n_qubits - 1):
        circuit.cx(control, control + 1)
    return circuit


@dataclass
class CircuitBatch:
    """Circuits of one call, checked and compiled.

    Attributes:
        template: the circuit.
        values: (B, P) parameter values in radians.
        setup: settings that decide a result.
        machine: its name, for people.
        circuits_per_job: greatest number of circuits per job, without the one with a known answer.
        most_circuits, most_gates: the server's limits on a job, with that circuit.
        known_answer_template: circuit with a given known answer; None: the machine's jobs have none.
        checked: whether a circuit with a known answer goes first in each job.
        check_note: sentences on why none does, though the machine's jobs can have one.
        places: for each row of ``values`` its place in the ledger; None: still to be sent.
    """

    template: Template
    values: Floats
    setup: Setup
    machine: str
    circuits_per_job: int
    most_circuits: float = inf
    most_gates: float = inf
    known_answer_template: Callable[[int], Template] | None = None
    checked: bool = False
    check_note: str = ""
    places: list[Place | None] = field(default_factory=list)

    @property
    def chunks(self) -> list[Chunk]:
        """Return the chunks of all places, each once, in their order."""
        return list({place[0].id: place[0] for place in self.places if place is not None}.values())

    @property
    def missing(self) -> list[int]:
        """Return the rows of ``values`` that are not in the ledger."""
        return [row for row, place in enumerate(self.places) if place is None]

    def circuits(self, chunk: Chunk, token: str) -> list[QuantumCircuit]:
        """Return the bound, measured circuits of a chunk's job in its order, with names from its client token."""
        bound_circuits = self.template.bind(
            chunk.values, chunk.names(token)[chunk.known_circuits :]
        )
        if not chunk.checked:
            return bound_circuits
        assert self.known_answer_template is not None
        return [
            self.known_answer_template(known_answer_state(token, chunk.setup.n_qubits)).circuit,
            *bound_circuits,
        ]

    @property
    def job_size(self) -> int:
        """Return the number of circuits of a full job, as the options ask and within the server's limits on a job."""
        circuit_limit = self.most_circuits
        gate_limit = self.most_gates
        if self.checked and self.known_answer_template is not None:
            circuit_limit = circuit_limit - 1
            gate_limit = gate_limit - self.known_answer_template(0).gates
        size = min(self.circuits_per_job, circuit_limit, gate_limit // max(1, self.template.gates))
        return int(max(1, size))

    def missing_rows_by_job(self) -> list[list[int]]:
        """Return the missing rows divided into jobs."""
        missing = self.missing
        size = self.job_size
        return [missing[start : start + size] for start in range(0, len(missing), size)]

    def count_circuits(self) -> CostEstimate:
        """Return the numbers of circuits and jobs of a call, without a price."""
        n_missing = len(self.missing)
        n_jobs = len(self.missing_rows_by_job())
        places = [place for place in self.places if place is not None]
        n_lost = sum(chunk.is_lost(index) for chunk, index in places)
        n_unanswered = sum(chunk.state == "sent" for chunk, _ in places)
        return CostEstimate(
            machine=self.machine,
            circuits=n_missing,
            known=len(places) - n_lost - n_unanswered,
            lost=n_lost,
            unanswered=n_unanswered,
            jobs=n_jobs,
            job_size=self.job_size,
            shots=self.setup.shots,
            gates=str(self.template),
            known_answers=n_jobs if self.checked else 0,
            check_note=self.check_note,
        )


@dataclass(frozen=True)
class Submission:
    """Result of `Jobs.submit`.

    Attributes:
        estimate: cost of the circuits that were sent.
        job_ids: ids of all jobs that hold circuits of the call, sent now or before.
    """

    estimate: CostEstimate
    job_ids: tuple[str, ...]


@dataclass(frozen=True)
class BootstrapSamples:
    """Bootstrap samples of the shots of some circuits.

    Attributes:
        values: (R, B, O) expectation values of R samples, B circuits and O observables.
        single_shots: if True, the single shots were drawn again; otherwise draws were made from their counts.
    """

    values: Floats
    single_shots: bool


def check_answers(chunks: Iterable[Chunk], ledger: Ledger) -> None:
    """Raise `JobFailedError` for jobs with a wrong known answer. It lists the jobs that are under way."""
    wrong_chunks = [chunk for chunk in chunks if chunk.integrity_error]
    if not wrong_chunks:
        return
    job_names = [job.job_id or f"chunk {job.chunk}" for job in unfinished_jobs(ledger)]
    running_text = (
        f"{format_count(len(job_names), 'job')}: {', '.join(job_names)}. To stop them: qllmft jobs cancel"
        if job_names
        else "none"
    )
    raise JobFailedError(
        ", ".join(f"{chunk.label}: {chunk.integrity_error}" for chunk in wrong_chunks)
        + f". The results of {format_count(sum(len(chunk.values) for chunk in wrong_chunks), 'circuit')} are in the "
        f"ledger and are not used. No further job was sent. Still running at the server: {running_text}. "
        "Check the device's status, and wait. Then retry_wrong=true sends and pays these circuits again."
    )


def results_from_ledger(
    batch: CircuitBatch, read_result: Callable[[Chunk, int], Probabilities | None], ledger: Path
) -> list[Probabilities]:
    """Return the result of each circuit, as ``read_result`` finds it. RemoteError if one has none."""
    if batch.missing:
        raise RemoteRequestError(
            f"{len(batch.missing)} of {len(batch.places)} samples are not in the ledger {ledger}: never accepted. "
            "Submit them first, or call `expectations`, which submits and collects."
        )
    optional_results = [read_result(chunk, index) for chunk, index in filter(None, batch.places)]
    results = [result for result in optional_results if result is not None]
    if len(results) < len(optional_results):
        raise JobFailedError(missing_results_text(batch, len(optional_results) - len(results)))
    return results


def missing_results_text(batch: CircuitBatch, count: int) -> str:
    """Return a message about a number of circuits of a call whose jobs failed."""
    total = len(batch.places)
    failed_chunks = {
        chunk.id: chunk for chunk, index in filter(None, batch.places) if chunk.is_lost(index)
    }
    failures = ", ".join(f"{chunk.label}: {chunk.failure}" for chunk in failed_chunks.values())
    has_results = any(any(chunk.results or ()) for chunk in failed_chunks.values())
    kept_text = "" if count == total else "The others are in the ledger. "
    remedy = batch.setup.failure_remedy(has_results=has_results)
    return f"{count} of {total} circuits have no result: {failures}. {kept_text}{remedy}"


def resample_shots(
    batch: CircuitBatch,
    results: Sequence[Probabilities],
    shots: int,
    observables: ZObservables,
    repeats: int,
    seed: int,
) -> BootstrapSamples:
    """Return R = ``repeats`` bootstrap samples of the shots of each of B circuits, drawn with replacement.

    Without single shots the draws are from a multinomial distribution with the shots' frequencies, which is the same.
    With debiasing the shots are not one sample of one circuit; as for the standard errors, they are taken for one.

    Args:
        batch: circuits of the call, whose chunks may have single shots.
        results: probabilities of each circuit.
        shots: measurements of a circuit.
        observables: O sums of Z strings.
        repeats: R.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    values = np.empty((repeats, len(results), len(observables.coefficients)))
    ledger_shots = [chunk.shots[i] for chunk, i in filter(None, batch.places) if chunk.shots]
    single_shots = [circuit_shots for circuit_shots in ledger_shots if circuit_shots]
    if len(single_shots) == len(results):
        for b, states_of_shots in enumerate(single_shots):
            states, state_index = np.unique(
                np.array(states_of_shots, np.int64), return_inverse=True
            )
            outcomes = outcome_values(states, observables)  # (K, O)
            for r in range(repeats):
                drawn_indices = state_index[rng.integers(len(state_index), size=len(state_index))]
                values[r, b] = (
                    np.bincount(drawn_indices, minlength=len(states)) / len(state_index) @ outcomes
                )
        return BootstrapSamples(values, single_shots=True)
    for b, probabilities in enumerate(results):
        counts = rng.multinomial(shots, distribution(probabilities), size=repeats)  # (R, K)
        values[:, b] = (
            counts
            / shots
            @ outcome_values(np.fromiter(probabilities, np.int64, len(probabilities)), observables)
        )
    return BootstrapSamples(values, single_shots=False)
