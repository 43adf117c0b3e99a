"""Base of the IonQ backends: compile, price, send, collect, measure."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.backend import Backend
from qllmft_backends.counts import expectations, single_shots
from qllmft_backends.protocol import Availability, Expectations
from qllmft_backends.remote.ionq.batch import CircuitBatch, Submission
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ionq.collect import OnProgress, collect, read_shots
from qllmft_backends.remote.ionq.compile import compile_template
from qllmft_backends.remote.ionq.cost import (
    PUBLISHED_ON,
    Announce,
    Confirm,
    CostEstimate,
    NativeSize,
    check_training,
    published_price,
    training_circuits,
)
from qllmft_backends.remote.ionq.dispatcher import Callbacks, Dispatcher
from qllmft_backends.remote.ionq.errors import IonQAuthError, IonQError, IonQRequestError
from qllmft_backends.remote.ionq.job import JobsInterrupt, under_way
from qllmft_backends.remote.ionq.options import IonQOptions
from qllmft_backends.remote.ionq.results import Resampled, check_answers, resampled, results_of
from qllmft_backends.remote.ionq.sessions import end_sessions
from qllmft_backends.remote.ionq.token import load_token
from qllmft_backends.remote.ionq.transport import Deadline
from qllmft_backends.remote.ledger.chunk import Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import Probabilities
from qllmft_backends.request import check_values
from qllmft_backends.spsa import SpsaGradient
from qllmft_backends.z_observables import ZObservables

_PRICE_PATIENCE_S = 5.0  # for the price of a dry run


class IonQBase(Backend):
    """Base of the IonQ backends, a `RemoteBackend`.

    One circuit per sample serves all observables. The ledger decides which circuits are still to be sent, so that the
    same call in any process continues at the point of an interruption, and nothing is paid twice.
    """

    options_type: ClassVar[type[IonQOptions]]

    def __init__(self, options: IonQOptions | None = None, confirm: Confirm | None = None) -> None:
        self.options = options or self.options_type()
        self._callbacks = Callbacks(confirm)
        self._ledger = Ledger(self.options.ledger)
        self._one_at_a_time = threading.Lock()  # Qiskit's primitives run in threads
        self._cached_client: Client | None = None
        self._dispatcher = Dispatcher(
            self.options, self._ledger, lambda: self._client, self._sends_known_answer
        )

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
    def consented(self) -> bool:
        """Return the option ``yes``."""
        return self.options.yes

    @property
    def has_ledger(self) -> bool:
        """Return whether the ledger's folder holds one. A call that sent nothing leaves an empty folder."""
        return self._ledger.path.exists()

    def attend(
        self,
        *,
        confirm: Confirm | None = None,
        announce: Announce | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Set the callbacks of later calls (see `RemoteBackend.attend`)."""
        self._callbacks = Callbacks(confirm, announce, on_progress)

    def running_jobs(self) -> str:
        """Return a report of the jobs that are still running at the server (see `RemoteBackend.running_jobs`)."""
        # of its own: another thread may be using this backend's
        ledger = Ledger(self.options.ledger)
        ledger.refresh()
        jobs = under_way(ledger)
        return str(JobsInterrupt(jobs, ledger.folder)) if jobs else ""

    def training_note(self, samples: int, epochs: int, evaluations: int) -> str:
        """Return the number of circuits of training by SPSA (see `Backend.training_note`)."""
        check_training(self.options)
        circuits = training_circuits(self.options, samples, epochs) + evaluations
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
            IonQError: if the server gives no price within a few seconds.
        """
        with self._one_at_a_time:
            self._ledger.refresh()
            batch = self._batch(circuit, values)
            if offline:
                return self._dispatcher.with_refusal(
                    batch, self._dispatcher.priced(batch, published_price)
                )
            try:
                with self._client.transport.until(Deadline(_PRICE_PATIENCE_S)):
                    estimate = self._dispatcher.priced(batch, self._dispatcher.server_price)
                if estimate.price is None:
                    raise IonQRequestError(f"{estimate.note}.")
            except IonQError as error:
                raise error.reworded(
                    f"no price: {error} Without the server there is a dated estimate from the prices of "
                    f"{PUBLISHED_ON}: --offline beside --dry-run, in Python estimate(..., offline=True)."
                ) from None
            return self._dispatcher.with_refusal(
                batch, replace(estimate, native=self._native_size(batch))
            )

    def submit(self, circuit: QuantumCircuit, values: NDArray[np.float64]) -> Submission:
        """Send the circuits that the ledger lacks, and return without waiting (see `Dispatcher.submit`)."""
        with self._writing():
            return self._dispatcher.submit(self._batch(circuit, values), self._callbacks)

    def collect(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        observables: Sequence[SparsePauliOp],
    ) -> Expectations:
        """Wait for circuits submitted in this process or in another one. See `expectations` for the arguments.

        Raises:
            IonQRequestError: if a sample was never submitted.
            IonQTimeoutError, IonQJobFailedError, IonQError: see `qllmft_backends.remote.ionq.errors`.
        """
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self._writing():
            return self._collect(self._batch(circuit, values), sums)

    def expectations(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        observables: Sequence[SparsePauliOp],
    ) -> Expectations:
        """Submit and collect (see `Backend.expectations`). The estimator is `results.expectations`."""
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self._writing():
            batch = self._batch(circuit, values)
            self._dispatcher.submit(batch, self._callbacks)
            return self._collect(batch, sums)

    def outcomes(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        shots: int,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Submit, collect, and return outcomes with the measured frequencies (see `Backend.outcomes`)."""
        with self._writing():
            batch = self._batch(circuit, values)
            self._dispatcher.submit(batch, self._callbacks)
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

        Raises:
            IonQRequestError: without shots, or if a sample was never submitted.
            IonQJobFailedError: if a job failed.
        """
        if self.options.shots is None:
            raise IonQRequestError(
                "exact probabilities have no shots to draw again. Set shots, or omit bootstrap."
            )
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self._one_at_a_time:
            self._ledger.refresh()
            batch = self._batch(circuit, values)
            check_answers(batch.chunks, self._ledger)
            results = results_of(batch, self._result, self.options.ledger)
            return resampled(batch, results, self.options.shots, sums, repeats, seed)

    def gradient(self) -> SpsaGradient:
        """Return an SPSA gradient, which sends `training_circuits`.

        Raises:
            PaidTrainingError: through a paid backend, unless ``allow_paid_training``.
        """
        check_training(self.options)
        return SpsaGradient(
            self, self.options.spsa_step_rad, self.options.spsa_batch, self.options.seed
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the ledger. Ctrl-C while jobs are under way becomes a `JobsInterrupt` that lists them."""
        with self._one_at_a_time, self._ledger.lock():
            try:
                yield
            except KeyboardInterrupt:
                jobs = under_way(self._ledger)
                if jobs:
                    raise JobsInterrupt(jobs, self._ledger.folder) from None
                raise

    def _batch(self, circuit: QuantumCircuit, values: NDArray[np.float64]) -> CircuitBatch:
        limit = self.capabilities.max_qubits
        if limit is not None and circuit.num_qubits > limit:
            raise IonQRequestError(
                f"the circuit has {circuit.num_qubits} qubits and {self.name} takes {limit}. Nothing was sent. "
                "Use a smaller head."
            )
        template = compile_template(circuit)
        setup = Setup(
            url=self.options.address(),
            circuit_sha256=template.sha256,
            n_qubits=circuit.num_qubits,
            repetition=self.options.repetition,
            **self._machine(),
        )
        batch = CircuitBatch(
            template, check_values(circuit, values), setup, self.options.circuits_per_job
        )
        self._dispatcher.find(batch)
        return batch

    def _collect(self, batch: CircuitBatch, sums: ZObservables) -> Expectations:
        return expectations(self._collected(batch), self.options.shots, sums)

    def _collected(self, batch: CircuitBatch) -> list[Probabilities]:
        """Wait for the jobs of a batch and return the result of each circuit."""
        self._dispatcher.settle(batch)
        self._dispatcher.read_wrong_answers_again(batch)
        chunks = batch.chunks
        waiting = [chunk for chunk in chunks if chunk.state == "submitted"]
        if waiting:
            problems = collect(self._client, self._ledger, waiting, self._callbacks.on_progress)
            end_sessions(self._client, self._ledger, {chunk.session for chunk in waiting})
            for problem in problems.values():
                raise problem
        check_answers(chunks, self._ledger)
        if any(chunk.doubtful for chunk in chunks):
            self._dispatcher.index().warn_of_duplicates()
        self._aggregate(chunks)
        for chunk in chunks:
            if self.options.per_shot and chunk.shots is None and any(chunk.results or ()):
                read_shots(self._client, self._ledger, chunk)
        self._read_variants(chunks)
        return results_of(batch, self._result, self.options.ledger)

    def _sends_known_answer(self, circuits: int) -> bool:
        """Return whether a circuit with a known answer goes first in each job, if the largest has ``circuits``."""
        del circuits
        return False

    def _read_variants(self, chunks: Sequence[Chunk]) -> None:
        """Read the variants that the options ask for. A machine without debiasing has none."""

    def _native_size(self, batch: CircuitBatch) -> NativeSize | None:
        """Return the size of the first circuit after the server's compiler, or None if the options do not ask it."""
        del batch
        return None

    def _aggregate(self, chunks: Sequence[Chunk]) -> None:
        """Read the combination of variants that the options ask for. A machine without variants has one."""

    def _result(self, chunk: Chunk, index: int) -> Probabilities | None:
        return None if chunk.results is None else chunk.results[index]

    @property
    def _client(self) -> Client:
        if self._cached_client is None:
            self._cached_client = Client(self.options)
        return self._cached_client
