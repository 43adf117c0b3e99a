"""Ways to run compiled circuits, by a `BackendV2` or a V2 sampler, and the route to such a machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from qllmft_backends.errors import BackendError
from qllmft_base.text import error_text
from qllmft_machines.batch import Circuits, Template
from qllmft_machines.errors import PARSE_ERRORS, JobFailedError, RemoteTransientError
from qllmft_machines.ledger.chunk import Chunk, Setup
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import Probabilities
from qllmft_machines.options import Deadline
from qllmft_machines.qiskit_machines.counts import (
    Counts,
    NamedCounts,
    dry_run_text,
    read_pub,
    read_result,
    refuse_dry_run,
)
from qllmft_machines.qiskit_machines.options import QiskitOptions
from qllmft_machines.route import JobIndex, ListedJob, RemoteJob, Route
from qllmft_machines.silence import Silence

T = TypeVar("T")
_COMPLETED_STATUSES = ("DONE", "COMPLETED")
FAILED_STATUSES = ("ERROR", "CANCELLED", "FAILED")


class BackendRunner:
    """`BackendV2.run`, with the seed in the option ``seed_simulator`` of a backend that has it.

    A job is the provider's object. ``searches``: the provider finds jobs by their tags.
    """

    searches = False

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def start(self, circuits: Circuits, shots: int, seed: int, tag: str) -> Any:
        """Send circuits without free parameters as one job and return it.

        Args:
            circuits: each measured into the register ``meas``.
            shots: measurements per circuit.
            seed: of a simulator's shots.
            tag: not sent.
        """
        del tag
        takes_seed = hasattr(self._backend.options, "seed_simulator")
        options = {"seed_simulator": seed} if takes_seed else {}
        return self._backend.run(list(circuits), shots=shots, **options)

    def fetch_counts(self, job: Any, circuits: int, n_bits: int) -> list[NamedCounts]:
        """Wait for a job and return the counts of its circuits, each of ``n_bits`` bits."""
        result = job.result()
        return [read_result(result, i, n_bits) for i in range(circuits)]

    def fetch(self, job_id: str) -> Any:
        """Return the job of an identity, in any process."""
        sources: list[Any] = [self._backend, getattr(self._backend, "provider", None)]
        for source in sources:
            if hasattr(source, "retrieve_job"):
                return source.retrieve_job(job_id)
        raise BackendError(
            f"job {job_id} cannot be read in another process: {self._backend.name} has no retrieve_job. Read it "
            "with the provider's own tools."
        )


class SamplerRunner:
    """`BaseSamplerV2.run`. With a service as IBM's, each job has one tag; without one, a simulator gets the seed."""

    def __init__(self, sampler: Any, service: Any = None) -> None:
        self._sampler = sampler
        self._service = service
        self.searches = service is not None

    def start(self, circuits: Circuits, shots: int, seed: int, tag: str) -> Any:
        """Send circuits without free parameters as one job and return it.

        Args:
            circuits: each measured into the register ``meas``.
            shots: measurements per circuit.
            seed: of a simulator's shots; not sent to a service.
            tag: of the job at a service; without one it is not sent.
        """
        simulator: Any = getattr(getattr(self._sampler, "options", None), "simulator", None)
        if self._service is not None:
            self._sampler.options.environment.job_tags = [tag]
        elif hasattr(simulator, "seed_simulator"):
            simulator.seed_simulator = seed
        for circuit in circuits:
            circuit.metadata = {**(circuit.metadata or {}), "name": circuit.name}
        return self._sampler.run([(circuit,) for circuit in circuits], shots=shots)

    def fetch_counts(self, job: Any, circuits: int, n_bits: int) -> list[NamedCounts]:
        """Wait for a job and return the counts of its circuits (see `BackendRunner.fetch_counts`)."""
        result = job.result()
        refuse_dry_run(getattr(result, "metadata", None) or {})
        if len(result) != circuits:
            raise JobFailedError(f"the sampler answered {len(result)} of {circuits} circuits.")
        return [read_pub(pub, n_bits) for pub in result]

    def fetch(self, job_id: str) -> Any:
        """Return the job of an identity, in any process."""
        if self._service is None:
            raise BackendError(
                f"job {job_id} cannot be read in another process: a sampler alone has no list of jobs. Give the "
                "backend itself, or read the job with the provider's own tools."
            )
        return self._service.job(job_id)

    def find(self, tag: str) -> list[str]:
        """Return the identities of the jobs with a tag."""
        return [job.job_id() for job in self._service.jobs(None, job_tags=[tag])]


Runner = BackendRunner | SamplerRunner


def check_names(
    named_counts: Sequence[NamedCounts], expected: Sequence[Sequence[str]], label: str
) -> None:
    """Raise `JobFailedError` unless the names in an answer are those of one of the lists ``expected``."""
    answered_names = [measurement.name for measurement in named_counts]
    if any(
        all(
            name in (None, answered_name)
            for name, answered_name in zip(answered_names, names, strict=True)
        )
        for names in expected
    ):
        return
    first_wrong = next(
        i for i, name in enumerate(answered_names) if name not in (None, expected[0][i])
    )
    raise JobFailedError(
        f"{label} answered circuits named {answered_names[first_wrong]!r} ..., expected "
        f"{expected[0][first_wrong]!r} ...: results of other "
        "circuits, or in another order. They are not used. Ask the provider. If it renames circuits, "
        "compare_names=false reads them as they are."
    )


def job_status(job: Any) -> str:
    """Return the status of a job in capitals, such as ``DONE``."""
    status = job.status()
    return str(getattr(status, "name", status)).upper()


class MachineRoute(Route):
    """Route to one machine. A provider's errors become `RemoteError`; reads are repeated for ``retry_s`` seconds.

    Args:
        options: of the backend.
        name: of the machine.
        runner: way to run circuits on it.
    """

    waits: QiskitOptions

    def __init__(self, options: QiskitOptions, name: str, runner: Runner) -> None:
        self.waits = options
        self.name = name
        self.runner = runner
        self.resends_doubtful = options.retry_doubtful
        self._jobs_by_id: dict[str, Any] = {}  # the provider's jobs, by id

    def index(self, ledger: Ledger) -> JobIndex:
        """Return the jobs by their tags, if the provider has such a search (see `Route`)."""
        return TaggedJobs(self, ledger) if self.runner.searches else super().index(ledger)

    def price(self, setup: Setup, template: Template) -> dict[str, Any]:
        """Return the price by the options, for the shots of ``setup``: a round has shots of its own."""
        del template
        price_each = self.waits.price_of_shots(setup.shots)
        return {
            "price_each": price_each,
            "unit": None if price_each is None else self.waits.price_unit,
        }

    def send(
        self, circuits: Circuits, setup: Setup, token: str, ledger: str, session: str | None
    ) -> str:
        """Send circuits as one job, once (see `Route`). Any failure may hide an acceptance.

        Args:
            circuits: compiled, bound and measured, in the job's order.
            setup: its ``shots`` are sent; the seed of a simulator is that of the options.
            token: client token, the job's tag at a provider with a search by tags.
            ledger: not sent.
            session: not sent; these machines have none.

        Raises:
            RemoteTransientError: ``ambiguous``, for any error of the provider's package, and for a
                job without an id.
        """
        del ledger, session
        try:
            job = self.runner.start(circuits, setup.shots, self.waits.seed, token)
            job_id = _check_job_id(job.job_id())
        except Exception as error:  # of a provider's package
            raise RemoteTransientError(f"{error_text(error)}.", ambiguous=True) from error
        self._jobs_by_id[job_id] = job
        return job_id

    def describe(self, job_id: str) -> RemoteJob:
        """Return a job (see `Route`)."""
        job = self._job(job_id)
        status = self.ask_provider("the status of a job", lambda: job_status(job))
        completed = status in _COMPLETED_STATUSES
        is_failed = status in FAILED_STATUSES
        reason = f"the provider says {status}" if is_failed else ""
        if completed and (text := dry_run_text(job)):
            return RemoteJob(status, True, False, f"{text}, whose results are random", None, job)
        return RemoteJob(status, completed or is_failed, completed, reason, None, job)

    def read_results(self, chunk: Chunk, job: RemoteJob) -> Sequence[Probabilities | None]:
        """Return the frequencies of a job's counts, or None for each circuit of a failed job."""
        if not job.completed:
            return [None] * chunk.circuits
        named_counts = self.ask_provider(
            "the results of a job",
            lambda: self.runner.fetch_counts(job.content, chunk.circuits, chunk.setup.n_qubits),
        )
        if self.waits.compare_names:
            check_names(named_counts, [chunk.names(token) for token in chunk.tokens], chunk.label)
        return [_frequencies(chunk, measurement.counts) for measurement in named_counts]

    def cancel(self, job_id: str) -> str:
        """Cancel a job, and return its status."""
        job = self._job(job_id)
        self.ask_provider("the cancellation of a job", lambda: job.cancel(), final=PARSE_ERRORS)
        return "canceled"

    def find(self, token: str) -> list[str]:
        """Return the ids of the jobs that carry a client token."""
        assert isinstance(self.runner, SamplerRunner)
        search = self.runner.find
        return self.ask_provider(
            "a search by tags", lambda: list(map(_check_job_id, search(token)))
        )

    def ask_provider(
        self, what: str, call: Callable[[], T], final: tuple[type[Exception], ...] = ()
    ) -> T:
        """Return the provider's answer to a question that may be repeated.

        Args:
            what: the question, in words.
            call: asks it, and reads the answer.
            final: errors after which it is not repeated.

        Raises:
            JobFailedError: for an error of wrong values, after the last repetition.
            RemoteTransientError: for another one, after the last repetition.
        """
        patience = Deadline(self.waits.retry_s)
        silence = Silence(self.waits.retry_s)
        pause = min(1.0, self.waits.poll_interval_s)
        while True:
            try:
                return call()
            except BackendError:
                raise
            except Exception as error:  # of a provider's package
                if isinstance(error, final) or pause > min(
                    patience.seconds_left(), self.deadline.seconds_left()
                ):
                    text = f"{self.name} did not answer {what}: {error_text(error).rstrip('.')}. Nothing is lost: the "
                    text += "job's id is in the ledger. Run again later."
                    if isinstance(error, PARSE_ERRORS):  # of this job alone
                        raise JobFailedError(text) from error
                    raise RemoteTransientError(text, transient=True) from error
            silence.warn_before_pause(pause, f"{self.name} does not answer {what}")
            time.sleep(pause)
            pause *= 2

    def _job(self, job_id: str) -> Any:
        if job_id not in self._jobs_by_id:
            self._jobs_by_id[job_id] = self.ask_provider(
                "a job's id", lambda: self.runner.fetch(job_id)
            )
        return self._jobs_by_id[job_id]


class TaggedJobs(JobIndex):
    """Jobs of a provider, each tagged with its client token, by which it is looked up before it is sent."""

    searches = True
    route: MachineRoute

    def __init__(self, route: MachineRoute, ledger: Ledger) -> None:
        super().__init__(route, ledger)
        self._jobs_by_token: dict[str, list[ListedJob]] = {}  # by token

    def refresh(self, *, complete: bool = False) -> None:
        """Forget the answers so far."""
        del complete
        self._jobs_by_token.clear()

    def with_tokens(self, tokens: Iterable[str]) -> list[ListedJob]:
        """Return the jobs that carry one of ``tokens``."""
        tagged_jobs = []
        for token in tokens:
            if token not in self._jobs_by_token:
                ids = self.route.find(token)
                self._jobs_by_token[token] = [ListedJob(job_id, token, None, "") for job_id in ids]
            tagged_jobs += self._jobs_by_token[token]
        return tagged_jobs

    def chunks_to_reconcile(self) -> list[Chunk]:
        """Return the chunks that were sent more than once, or without an answer."""
        chunks = self.ledger.chunks.values()
        return [c for c in chunks if c.attempts and (c.job_id is None or c.may_have_duplicate)]


def _check_job_id(job_id: Any) -> str:
    """Return a job's id, or raise ValueError if it is none."""
    if not isinstance(job_id, str) or not job_id:
        raise ValueError(f"the job's id is {job_id!r}, expected a text")
    return job_id


def _frequencies(chunk: Chunk, counts: Counts) -> Probabilities:
    """Return the frequencies of one circuit's counts, or raise `JobFailedError`."""
    setup = chunk.setup
    total = sum(counts.values())
    fits = all(0 <= s < 2**setup.n_qubits and number >= 0 for s, number in counts.items())
    if total != setup.shots or not fits:
        raise JobFailedError(
            f"{chunk.label} answered {total} shots, expected {setup.shots} of {setup.n_qubits} qubits, none negative. "
            "Its id is in the ledger. Run again to read it again."
        )
    return {state: number / setup.shots for state, number in counts.items()}
