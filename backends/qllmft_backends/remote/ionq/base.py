"""Base of the IonQ backends: compile, price, send, collect, measure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.counts import expectations, single_shots
from qllmft_backends.gradients import SpsaGradient
from qllmft_backends.precision import BETWEEN_ROUNDS
from qllmft_backends.protocol import Availability, Expectations
from qllmft_backends.remote.batch import CircuitBatch, JobSize, Submission
from qllmft_backends.remote.collect import own_job
from qllmft_backends.remote.cost import Confirm, CostEstimate
from qllmft_backends.remote.errors import IonQAuthError, RemoteError, RemoteRequestError
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ionq.compile import PUBLISHED_ON, compile_template, published_price
from qllmft_backends.remote.ionq.native import NativeSize
from qllmft_backends.remote.ionq.options import (
    DEBIASING_MIN_SHOTS,
    JOB_MAX_CIRCUITS,
    JOB_MAX_GATES,
    IonQOptions,
)
from qllmft_backends.remote.ionq.reading import JobResults
from qllmft_backends.remote.ionq.route import IonQRoute
from qllmft_backends.remote.ionq.token import load_token
from qllmft_backends.remote.jobs import Callbacks, Jobs, JobsBackend, check_round
from qllmft_backends.remote.known_answers import KnownAnswers
from qllmft_backends.remote.ledger.chunk import Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import Probabilities
from qllmft_backends.remote.options import Deadline
from qllmft_backends.remote.results import (
    Resampled,
    check_answers,
    resampled,
    results_of,
    stored_result,
)
from qllmft_backends.request import check_values
from qllmft_backends.z_observables import ZObservables

_PRICE_PATIENCE_S = 5.0  # for the price of a dry run


class IonQBase(JobsBackend):
    """Base of the IonQ backends.

    One circuit per sample serves all observables. The ledger decides which circuits are still to be sent, so that the
    same call in any process continues at the point of an interruption, and nothing is paid twice.
    """

    options_type: ClassVar[type[IonQOptions]]
    jobs: Jobs

    def __init__(self, options: IonQOptions | None = None, confirm: Confirm | None = None) -> None:
        self.options = options or self.options_type()
        self._opened: list[IonQRoute] = []  # the one route, which copies for rounds share
        ledger = Ledger(self.options.ledger)
        self.jobs = Jobs(self.options, ledger, lambda: self._route, self._known_answers())
        self.jobs.callbacks = Callbacks(confirm)

    @classmethod
    def availability(cls) -> Availability:
        """Return whether there is an API key. Nothing is sent."""
        try:
            load_token()
        except IonQAuthError as error:
            return Availability(False, str(error))
        return Availability(
            True, "an API key is set; whether it is valid shows at the first request"
        )

    @property
    def address(self) -> str:
        """Return the API's address."""
        return str(self.options.address())

    def in_round(self, shots: int, number: int) -> IonQBase:
        """Return this backend with other shots; the simulator's noise has another seed in each round.

        Raises:
            RemoteRequestError: for fewer shots than error mitigation takes.
        """
        mitigated = getattr(self.options, "error_mitigation", "none") == "debiasing"
        check_round(self.name, shots, DEBIASING_MIN_SHOTS if mitigated else 1)
        changed = cast("IonQBase", super().in_round(shots, number))
        seed = changed.options.seed + number * BETWEEN_ROUNDS
        changed.options = changed.options.model_copy(update={"seed": seed})
        return changed

    def training_note(self, samples: int, epochs: int, evaluations: int) -> str:
        """Return the number of circuits of training by SPSA (see `Backend.training_note`)."""
        self.options.check_training()
        circuits = self.options.training_circuits(samples, epochs) + evaluations
        budget = self.options.circuit_budget
        limit = f"; it stops at circuit_budget = {budget:,}" if budget is not None else ""
        return f"training by SPSA on {self.name} sends up to {circuits:,} circuits{limit}"

    @abstractmethod
    def _machine(self) -> dict[str, Any]:
        """Return the fields of `Setup` for the machine, shots, mitigation, noise and seed."""

    def estimate(
        self, circuit: QuantumCircuit, values: NDArray[np.float64], *, offline: bool = False
    ) -> CostEstimate:
        """Return the cost of a call (see `RemoteBackend.estimate`). Nothing is written.

        Raises:
            RemoteError: if the server gives no price within a few seconds.
        """
        with self.jobs.reading():
            batch = self._batch(circuit, values)
            if offline:
                return self.jobs.estimate(batch, published_price)
            try:
                with self._route.until(Deadline(_PRICE_PATIENCE_S)):
                    estimate = self.jobs.estimate(batch, self._route.price)
                if estimate.price is None:
                    raise RemoteRequestError(f"{estimate.note}.")
            except RemoteError as error:
                raise error.reworded(
                    f"no price: {error} Without the server there is a dated estimate from the prices of "
                    f"{PUBLISHED_ON}: --offline beside --dry-run, in Python estimate(..., offline=True)."
                ) from None
            return replace(estimate, native=self._native_size(batch))

    def submit(self, circuit: QuantumCircuit, values: NDArray[np.float64]) -> Submission:
        """Send the circuits that the ledger lacks, and return without waiting (see `Jobs.submit`)."""
        with self.jobs.writing():
            return self.jobs.submit(self._batch(circuit, values))

    def collect(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        observables: Sequence[SparsePauliOp],
    ) -> Expectations:
        """Wait for circuits submitted in this process or in another one. See `expectations` for the arguments.

        Raises:
            RemoteRequestError: if a sample was never submitted.
            JobTimeoutError, JobFailedError, RemoteError: see `qllmft_backends.remote.errors`.
        """
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self.jobs.writing():
            return self._collect(self._batch(circuit, values), sums)

    def expectations(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        observables: Sequence[SparsePauliOp],
    ) -> Expectations:
        """Submit and collect (see `Backend.expectations`). The estimator is `results.expectations`."""
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self.jobs.writing():
            batch = self._batch(circuit, values)
            self.jobs.submit(batch)
            return self._collect(batch, sums)

    def outcomes(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        shots: int,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Submit, collect, and return outcomes with the measured frequencies (see `Backend.outcomes`).

        Args:
            circuit: without measurements; every qubit is measured.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, outcomes per row. The jobs have the option ``shots``; for another S, outcomes
                have the measured frequencies, with a random draw of the rest.
            rng: order of the outcomes, and the draw of the rest; without the option ``shots``, all
                outcomes are drawn from the probabilities.

        Returns:
            (B, S) int64; bit q of an outcome is qubit q.

        Raises:
            UnsupportedGateError: for a gate that IonQ's backends do not send.
            CostRefusedError, RemoteError: see `Jobs.submit` and `Jobs.collect`.
        """
        with self.jobs.writing():
            batch = self._batch(circuit, values)
            self.jobs.submit(batch)
            results = self._collected(batch)
        exact = self.options.shots is None
        read = [single_shots(result, shots, rng, exact=exact) for result in results]
        return np.array(read, np.int64).reshape(len(values), shots)

    def resample(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        observables: Sequence[SparsePauliOp],
        repeats: int,
        seed: int = 0,
    ) -> Resampled:
        """Return R = ``repeats`` bootstrap samples of the result of `expectations` (see `resampled`). Nothing is sent.

        Single shots are drawn if the ledger has those of all circuits (``per_shot``), otherwise counts.

        Args:
            circuit: of the call of `expectations`.
            values: (B, P), of that call.
            observables: O of that call.
            repeats: R.
            seed: of the draws.

        Raises:
            RemoteRequestError: without shots, or if a sample was never submitted.
            JobFailedError: if a job failed.
        """
        if self.options.shots is None:
            raise RemoteRequestError(
                "exact probabilities have no shots to draw again. Set shots, or omit bootstrap."
            )
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self.jobs.reading():
            batch = self._batch(circuit, values)
            check_answers(batch.chunks, self.jobs.ledger)
            results = results_of(batch, self._result, self.options.ledger)
            return resampled(batch, results, self.options.shots, sums, repeats, seed)

    def gradient(self) -> SpsaGradient:
        """Return an SPSA gradient, which sends `IonQOptions.training_circuits`.

        Raises:
            PaidTrainingError: through a paid backend, unless ``allow_paid_training``.
        """
        self.options.check_training()
        return SpsaGradient(
            self, self.options.spsa_step_rad, self.options.spsa_batch, self.options.seed
        )

    def _batch(self, circuit: QuantumCircuit, values: NDArray[np.float64]) -> CircuitBatch:
        limit = self.capabilities.max_qubits
        if limit is not None and circuit.num_qubits > limit:
            raise RemoteRequestError(
                f"the circuit has {circuit.num_qubits} qubits and {self.name} takes {limit}. Nothing was sent. "
                "Use a smaller head."
            )
        template = compile_template(circuit)
        setup = Setup(
            url=self.address,
            circuit_sha256=template.sha256,
            n_qubits=circuit.num_qubits,
            repetition=self.options.repetition,
            **self._machine(),
        )
        size = JobSize(self.options.circuits_per_job, JOB_MAX_CIRCUITS, JOB_MAX_GATES)
        values = check_values(circuit, values)
        batch = CircuitBatch(template, values, setup, setup.backend, size)
        self.jobs.find(batch)
        return batch

    def _collect(self, batch: CircuitBatch, sums: ZObservables) -> Expectations:
        return expectations(self._collected(batch), self.options.shots, sums)

    def _collected(self, batch: CircuitBatch) -> list[Probabilities]:
        """Wait for the jobs of a batch and return the result of each circuit."""
        self.jobs.collect(batch)
        for chunk in batch.chunks:
            self._read_more(chunk)
        return results_of(batch, self._result, self.options.ledger)

    def _read_more(self, chunk: Chunk) -> None:
        """Read what the options ask for beside a collected chunk's results into the ledger."""
        if self.options.per_shot and chunk.shots is None and any(chunk.results or ()):
            self.jobs.ledger.keep("shots", chunk, self._at_server(chunk).shots())

    def _at_server(self, chunk: Chunk) -> JobResults:
        """Return the results of a chunk's own job at the server."""
        job = own_job(self._route, self.jobs.ledger, chunk)
        return JobResults(self._client, chunk, job.content)

    def _known_answers(self) -> KnownAnswers | None:
        """Return the circuits with a known answer of each job, or None without them."""
        return None

    def _native_size(self, batch: CircuitBatch) -> NativeSize | None:
        """Return the size of the first circuit after the server's compiler, or None if the options do not ask it."""
        del batch
        return None

    def _result(self, chunk: Chunk, index: int) -> Probabilities | None:
        return stored_result(chunk, index)

    @property
    def _route(self) -> IonQRoute:
        if not self._opened:
            self._opened.append(IonQRoute(Client(self.options)))
        return self._opened[0]

    @property
    def _client(self) -> Client:
        return self._route.client
