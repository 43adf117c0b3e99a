"""What the IonQ backends have in common: compile, price, send, collect, measure."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.backend import Backend
from qllmft_backends.ionq.client import Client
from qllmft_backends.ionq.collector import Progress, collect, read_shots
from qllmft_backends.ionq.compile import Template, check_values, compile_template
from qllmft_backends.ionq.cost import Announce, Confirm, CostEstimate, Purse, check_training, training_circuits
from qllmft_backends.ionq.dispatch import Dispatch
from qllmft_backends.ionq.errors import IonQAuthError, IonQRequestError
from qllmft_backends.ionq.jobs import JobsInterrupt, jobs_under_way, under_way
from qllmft_backends.ionq.ledger import Chunk, Ledger, Probabilities, Setup
from qllmft_backends.ionq.measure import expectations
from qllmft_backends.ionq.options import IonQOptions
from qllmft_backends.ionq.prices import Prices, dated_estimate
from qllmft_backends.ionq.results import Resampled, check_answers, resampled, resampled_shots, results_of
from qllmft_backends.ionq.sessions import end_sessions, session_caps
from qllmft_backends.ionq.token import load_token
from qllmft_backends.ionq.work import Submission, Work, chunks_of
from qllmft_backends.protocol import Availability, Expectations
from qllmft_backends.spsa import SpsaGradient
from qllmft_backends.z_observables import ZObservables


class IonQBase(Backend):
    """What both have in common.

    One circuit a sample serves all observables. The ledger decides what is still to be sent, so that the same request,
    made again in any process, goes on where it stopped and pays for nothing twice.

    Attributes:
        options: as given.
        progress: called at each look at a job, with its chunk and status; None: nobody.
    """

    options_type: ClassVar[type[IonQOptions]]

    def training_note(self, samples: int, epochs: int, evaluations: int) -> str:
        """The number of circuits that training by SPSA sends; see `Backend.training_note`.

        Raises:
            PaidTrainingError: where paid training was not allowed.
        """
        check_training(self.options)
        circuits = training_circuits(self.options, samples, epochs) + evaluations
        budget = self.options.circuit_budget
        limit = f"; it stops at circuit_budget = {budget:,}" if budget is not None else ""
        return f"training by SPSA on {self.name} sends up to {circuits:,} circuits{limit}"

    @classmethod
    def availability(cls) -> Availability:
        """Whether there is an API key. Nothing is sent."""
        try:
            load_token()
        except IonQAuthError as error:
            return Availability(False, str(error))
        return Availability(True, "an API key is set; whether it is valid shows at the first request")

    def __init__(self, options: IonQOptions | None = None, confirm: Confirm | None = None) -> None:
        self.options = options or self.options_type()
        self.progress: Progress | None = None
        self._purse = Purse(confirm=confirm)
        self._ledger = Ledger(self.options.ledger)
        self._one_at_a_time = threading.Lock()  # Qiskit's primitives run in threads
        self._cached_client: Client | None = None
        self._prices = Prices(lambda: self._client, session=bool(session_caps(self.options)))
        self._dispatch = Dispatch(
            self.options,
            self._ledger,
            self._purse,
            self._prices,
            client=lambda: self._client,
            sends_known_answer=self._sends_known_answer,
        )

    @property
    def consented(self) -> bool:
        """Return the option ``yes``."""
        return self.options.yes

    @property
    def has_ledger(self) -> bool:
        """Return whether the ledger's folder holds one; a call that sent nothing leaves an empty folder."""
        return self._ledger.path.exists()

    def attend(
        self,
        *,
        confirm: Confirm | None = None,
        announce: Announce | None = None,
        on_progress: Callable[[str, str], None] | None = None,
    ) -> None:
        """Set the callbacks; see `RemoteBackend.attend`."""
        self.confirm, self.announce = confirm, announce
        self.progress = None if on_progress is None else lambda chunk, status: on_progress(str(chunk.job_id), status)

    def running_jobs(self) -> str:
        """Return a report of the jobs that are still running at the server; see `RemoteBackend.running_jobs`."""
        jobs = jobs_under_way(self.options.ledger)
        return str(JobsInterrupt(jobs, self.options.ledger)) if jobs else ""

    @property
    def confirm(self) -> Confirm | None:
        """Asked with the estimate before paid circuits are sent, unless ``yes``; only True lets them go.

        None: nobody can be asked, and without ``yes`` nothing is sent.
        """
        return self._purse.confirm

    @confirm.setter
    def confirm(self, confirm: Confirm | None) -> None:
        self._purse.confirm = confirm

    @property
    def announce(self) -> Announce | None:
        """Told the estimate of every sending of paid circuits before its first job, with ``yes`` too; None: nobody."""
        return self._purse.announce

    @announce.setter
    def announce(self, announce: Announce | None) -> None:
        self._purse.announce = announce

    @abstractmethod
    def _machine(self) -> dict[str, Any]:
        """What decides the meaning of a result, as fields of `Setup`: machine, shots, mitigation, noise, seed."""

    def _setup(self, template: Template) -> Setup:
        return Setup(
            url=self.options.address(),
            circuit_sha256=template.sha256,
            n_qubits=template.circuit.num_qubits,
            repetition=self.options.repetition,
            **self._machine(),
        )

    def estimate(self, circuit: QuantumCircuit, values: NDArray[np.float64], *, offline: bool = False) -> CostEstimate:
        """The dry run: compile, count, look into the ledger and ask for a price. Nothing is sent, nothing is written.

        Args:
            circuit: as for `expectations`.
            values: as for `expectations`.
            offline: do not ask the server; the price is a dated estimate, see `prices.dated_estimate`.

        Raises:
            IonQError: where the server gives no price within a few seconds; says why.
        """
        with self._one_at_a_time:
            work = self._work(circuit, values)
            self._ledger.refresh()
            if offline:
                return self._dispatch.priced(work, dated_estimate)
            with self._prices.soon():
                estimate = self._dispatch.priced(work, self._prices.estimate)
                if estimate.price is None:
                    raise IonQRequestError(f"{estimate.note}.")
                return estimate

    def submit(self, circuit: QuantumCircuit, values: NDArray[np.float64]) -> Submission:
        """Send what the ledger does not know, and come back without waiting. See `expectations` for the arguments.

        Raises:
            CostRefusedError: see `IonQOptions`; nothing was sent.
            IonQError: see `qllmft_backends.ionq.errors`; the ledger knows what was accepted.
        """
        with self._one_at_a_time, self._ledger.lock(), self._telling_of_jobs():
            return self._dispatch.submit(self._work(circuit, values), self.progress)

    def collect(
        self, circuit: QuantumCircuit, values: NDArray[np.float64], observables: Sequence[SparsePauliOp]
    ) -> Expectations:
        """Wait for what was submitted, in this process or in another one. See `expectations` for the arguments.

        Raises:
            IonQRequestError: where a sample was never submitted.
            IonQTimeoutError, IonQJobFailedError, IonQError: see `qllmft_backends.ionq.errors`.
        """
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self._one_at_a_time, self._ledger.lock(), self._telling_of_jobs():
            return self._collect(self._work(circuit, values), sums)

    def expectations(
        self, circuit: QuantumCircuit, values: NDArray[np.float64], observables: Sequence[SparsePauliOp]
    ) -> Expectations:
        """Submit and collect; see `Backend.expectations`, and `measure.expectations` for the estimator.

        Raises:
            UnsupportedGateError: a gate or an observable that cannot be served.
            CostRefusedError, IonQError: as `submit` and `collect`.
        """
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self._one_at_a_time, self._ledger.lock(), self._telling_of_jobs():
            work = self._work(circuit, values)
            self._dispatch.submit(work, self.progress)
            return self._collect(work, sums)

    def resample(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        observables: Sequence[SparsePauliOp],
        repeats: int,
        seed: int = 0,
    ) -> Resampled:
        """R = ``repeats`` bootstrap samples of what `expectations` gave; see `resampled`. Nothing is sent.

        The single shots are drawn where the ledger has those of all circuits (``per_shot``), else the counts.

        Raises:
            IonQRequestError: without shots, or where a sample was never submitted.
            IonQJobFailedError: where a job failed.
        """
        if self.options.shots is None:
            raise IonQRequestError(
                "exact probabilities have no shots to draw again. Set shots, or leave bootstrap out."
            )
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        with self._one_at_a_time:
            self._ledger.refresh()
            places = self._dispatch.find(self._work(circuit, values))
            check_answers(chunks_of(places), self._ledger)
            results = results_of(places, self._result, self.options.ledger)
            shots = [place[0].shots[place[1]] for place in places if place is not None and place[0].shots]
            single = [each for each in shots if each]
            if len(single) == len(results):
                return Resampled(resampled_shots(single, sums, repeats, seed), single_shots=True)
            return Resampled(resampled(results, self.options.shots, sums, repeats, seed), single_shots=False)

    def gradient(self) -> SpsaGradient:
        """SPSA; see `training_circuits` for what it sends.

        Raises:
            PaidTrainingError: through a paid backend, unless ``allow_paid_training``.
        """
        check_training(self.options)
        return SpsaGradient(self, self.options.spsa_step_rad, self.options.spsa_batch, self.options.seed)

    @contextmanager
    def _telling_of_jobs(self) -> Iterator[None]:
        """Ctrl-C inside, while jobs are under way, becomes a `JobsInterrupt`, which says which."""
        try:
            yield
        except KeyboardInterrupt:
            jobs = under_way(self._ledger)
            if jobs:
                raise JobsInterrupt(jobs, self._ledger.folder) from None
            raise

    def _work(self, circuit: QuantumCircuit, values: NDArray[np.float64]) -> Work:
        limit = self.capabilities.max_qubits
        if limit is not None and circuit.num_qubits > limit:
            raise IonQRequestError(
                f"the circuit has {circuit.num_qubits} qubits and {self.name} takes {limit}. Nothing was sent. "
                "Use a smaller head."
            )
        template = compile_template(circuit)
        return Work(template, check_values(circuit, values), self._setup(template))

    def _collect(self, work: Work, sums: ZObservables) -> Expectations:
        places = self._dispatch.find(work)
        chunks = chunks_of(places)
        self._dispatch.settle(chunks, work)
        if any(chunk.state == "submitted" for chunk in chunks):
            sessions = {chunk.session for chunk in chunks if chunk.state == "submitted"}
            problems = collect(self._client, self._ledger, chunks, self.options, self.progress)
            end_sessions(self._client, self._ledger, sessions)
            if problems:
                raise next(iter(problems.values()))
        check_answers(chunks, self._ledger)
        if any(chunk.doubtful for chunk in chunks):
            self._dispatch.roster(work).tell_of_duplicates()
        self._aggregate(chunks)
        for chunk in chunks:
            if self.options.per_shot and chunk.shots is None and any(chunk.results or ()):
                read_shots(self._client, self._ledger, chunk)
        found = results_of(self._dispatch.find(work), self._result, self.options.ledger)
        return expectations(found, self.options.shots, sums)

    def _sends_known_answer(self) -> bool:
        """Whether a circuit with a known answer goes first in each job."""
        return False

    def _aggregate(self, chunks: Sequence[Chunk]) -> None:
        """Have the results in the form that the options ask for; a machine without variants has one."""

    def _result(self, chunk: Chunk, index: int) -> Probabilities | None:
        return None if chunk.results is None else chunk.results[index]

    @property
    def _client(self) -> Client:
        if self._cached_client is None:
            self._cached_client = Client(self.options)
        return self._cached_client
