"""Ways to run compiled circuits: a `BackendV2`, a V2 sampler, or IBM's sampler with tags of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from qiskit import QuantumCircuit

from qllmft_backends.errors import BackendError

Counts = dict[int, int]  # basis state (qubit 0 the least significant bit) -> number of shots
ENDED_BADLY = ("ERROR", "CANCELLED", "FAILED")


class Runner(Protocol):
    """Way to run circuits. A job is the provider's object.

    Attributes:
        takes_seed: of its shots.
        searches: whether the provider finds jobs by their tags.
    """

    takes_seed: bool
    searches: bool

    def start(self, circuits: Sequence[QuantumCircuit], shots: int, seed: int, tag: str) -> Any:
        """Send circuits without free parameters as one job and return it.

        Args:
            circuits: each measured into one register.
            shots: measurements per circuit.
            seed: of a simulator's shots.
            tag: name to find the job by, if the provider takes one.
        """
        ...

    def counts(self, job: Any, circuits: int) -> list[Counts]:
        """Wait for a job and return the counts of its circuits."""
        ...

    def fetch(self, job_id: str) -> Any:
        """Return the job of an identity, in any process."""
        ...

    def find(self, tag: str) -> list[str]:
        """Return the identities of the jobs with a tag."""
        ...


class BackendRunner:
    """`BackendV2.run`."""

    searches = False

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.takes_seed = hasattr(backend.options, "seed_simulator")

    def start(self, circuits: Sequence[QuantumCircuit], shots: int, seed: int, tag: str) -> Any:
        """Send circuits (see `Runner`)."""
        del tag
        options = {"seed_simulator": seed} if self.takes_seed else {}
        return self._backend.run(list(circuits), shots=shots, **options)

    def counts(self, job: Any, circuits: int) -> list[Counts]:
        """Return counts (see `Runner`)."""
        result = job.result()
        read = [result.get_counts(i) for i in range(circuits)]
        return [
            {int(str(bits).replace(" ", ""), 2): int(number) for bits, number in counts.items()}
            for counts in read
        ]

    def fetch(self, job_id: str) -> Any:
        """Return a job (see `Runner`)."""
        source: Any = self._backend
        if not hasattr(source, "retrieve_job"):
            source = getattr(source, "provider", None)
        if not hasattr(source, "retrieve_job"):
            raise BackendError(
                f"job {job_id} cannot be read in another process: {self._backend.name} has no retrieve_job. Read it "
                "with the provider's own tools."
            )
        return source.retrieve_job(job_id)

    def find(self, tag: str) -> list[str]:
        """Return nothing: a `BackendV2` has no search."""
        del tag
        return []


class SamplerRunner:
    """`BaseSamplerV2.run`."""

    def __init__(self, sampler: Any, service: Any = None) -> None:
        self._sampler, self._service = sampler, service
        self.searches = service is not None
        simulator = getattr(getattr(sampler, "options", None), "simulator", None)
        self.takes_seed = hasattr(simulator, "seed_simulator")

    def start(self, circuits: Sequence[QuantumCircuit], shots: int, seed: int, tag: str) -> Any:
        """Send circuits (see `Runner`). IBM's jobs carry the tag."""
        if self.takes_seed and self._service is None:
            self._sampler.options.simulator.seed_simulator = seed
        if self._service is not None:
            self._sampler.options.environment.job_tags = [tag]
        return self._sampler.run([(circuit,) for circuit in circuits], shots=shots)

    def counts(self, job: Any, circuits: int) -> list[Counts]:
        """Return counts (see `Runner`)."""
        result = job.result()
        if len(result) != circuits:
            raise BackendError(f"the sampler answered {len(result)} of {circuits} circuits.")
        return [dict(pub.data.meas.get_int_counts()) for pub in result]

    def fetch(self, job_id: str) -> Any:
        """Return a job (see `Runner`)."""
        if self._service is None:
            raise BackendError(
                f"job {job_id} cannot be read in another process: a sampler alone has no list of jobs. Give the "
                "backend itself, or read the job with the provider's own tools."
            )
        return self._service.job(job_id)

    def find(self, tag: str) -> list[str]:
        """Return identities (see `Runner`)."""
        return [job.job_id() for job in self._service.jobs(None, job_tags=[tag])]


def status_of(job: Any) -> str:
    """Return the status of a job in capitals, such as ``DONE``."""
    status = job.status()
    return str(getattr(status, "name", status)).upper()
