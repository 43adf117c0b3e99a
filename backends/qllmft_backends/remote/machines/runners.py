"""Ways to run compiled circuits: a `BackendV2`, a V2 sampler, or IBM's sampler with tags of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit

from qllmft_backends.errors import BackendError
from qllmft_backends.remote.errors import JobFailedError

Counts = dict[int, int]  # basis state (qubit 0 the least significant bit) -> number of shots
_NAME = "name"  # of a circuit, in its metadata and in the header of its result
ENDED_BADLY = ("ERROR", "CANCELLED", "FAILED")


@dataclass(frozen=True)
class Measured:
    """Counts of one circuit, and its name in the machine's answer. None: the answer has no names."""

    name: str | None
    counts: Counts


class Runner:
    """Way to run circuits. A job is the provider's object.

    Attributes:
        searches: whether the provider finds jobs by their tags.
    """

    searches = False

    def start(self, circuits: Sequence[QuantumCircuit], shots: int, seed: int, tag: str) -> Any:
        """Send circuits without free parameters as one job and return it.

        Args:
            circuits: each measured into the register ``meas``.
            shots: measurements per circuit.
            seed: of a simulator's shots.
            tag: name to find the job by, if the provider takes one.
        """
        raise NotImplementedError

    def measured(self, job: Any, circuits: int) -> list[Measured]:
        """Wait for a job and return the counts of its circuits."""
        raise NotImplementedError

    def fetch(self, job_id: str) -> Any:
        """Return the job of an identity, in any process."""
        raise NotImplementedError

    def find(self, tag: str) -> list[str]:
        """Return the identities of the jobs with a tag."""
        raise NotImplementedError


class BackendRunner(Runner):
    """`BackendV2.run`, with the seed in the option ``seed_simulator`` of a backend that has it."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def start(self, circuits: Sequence[QuantumCircuit], shots: int, seed: int, tag: str) -> Any:
        """Send circuits (see `Runner`). No tag is sent."""
        del tag
        seeded = hasattr(self._backend.options, "seed_simulator")
        options = {"seed_simulator": seed} if seeded else {}
        return self._backend.run(list(circuits), shots=shots, **options)

    def measured(self, job: Any, circuits: int) -> list[Measured]:
        """Return counts (see `Runner`)."""
        result = job.result()
        found = []
        for i in range(circuits):
            counts = {
                int(str(bits).replace(" ", ""), 2): int(number)
                for bits, number in result.get_counts(i).items()
            }
            circuits_of = getattr(result, "results", None)  # of Qiskit's own class of results
            header = getattr(circuits_of[i], "header", None) if circuits_of else None
            found.append(Measured(_name(header), counts))
        return found

    def fetch(self, job_id: str) -> Any:
        """Return a job (see `Runner`)."""
        sources: list[Any] = [self._backend, getattr(self._backend, "provider", None)]
        for source in sources:
            if hasattr(source, "retrieve_job"):
                return source.retrieve_job(job_id)
        raise BackendError(
            f"job {job_id} cannot be read in another process: {self._backend.name} has no retrieve_job. Read it "
            "with the provider's own tools."
        )


class SamplerRunner(Runner):
    """`BaseSamplerV2.run`. With a service as IBM's, each job has one tag; without one, a simulator gets the seed."""

    def __init__(self, sampler: Any, service: Any = None) -> None:
        self._sampler, self._service = sampler, service
        self.searches = service is not None

    def start(self, circuits: Sequence[QuantumCircuit], shots: int, seed: int, tag: str) -> Any:
        """Send circuits (see `Runner`)."""
        simulator: Any = getattr(getattr(self._sampler, "options", None), "simulator", None)
        if self._service is not None:
            self._sampler.options.environment.job_tags = [tag]
        elif hasattr(simulator, "seed_simulator"):
            simulator.seed_simulator = seed
        for circuit in circuits:
            circuit.metadata = {**(circuit.metadata or {}), _NAME: circuit.name}
        return self._sampler.run([(circuit,) for circuit in circuits], shots=shots)

    def measured(self, job: Any, circuits: int) -> list[Measured]:
        """Return counts (see `Runner`)."""
        result = job.result()
        if len(result) != circuits:
            raise JobFailedError(f"the sampler answered {len(result)} of {circuits} circuits.")
        names = [_name((pub.metadata or {}).get("circuit_metadata")) for pub in result]
        counts = [dict(pub.data.meas.get_int_counts()) for pub in result]
        return [Measured(*pair) for pair in zip(names, counts, strict=True)]

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


def check_names(
    measured: Sequence[Measured], expected: Sequence[Sequence[str]], label: str
) -> None:
    """Raise `JobFailedError` unless the names in an answer are those of one of the lists ``expected``."""
    found = [each.name for each in measured]
    if any(
        all(name in (None, own) for name, own in zip(found, names, strict=True))
        for names in expected
    ):
        return
    first = next(i for i, name in enumerate(found) if name not in (None, expected[0][i]))
    raise JobFailedError(
        f"{label} answered circuits named {found[first]!r} ..., expected {expected[0][first]!r} ...: results of other "
        "circuits, or in another order. They are not used. Ask the provider; if it renames circuits, "
        "compare_names=false reads them as they are."
    )


def _name(source: Any) -> str | None:
    """Return the name in a header or in metadata, or None if there is none."""
    name = source.get(_NAME) if isinstance(source, dict) else getattr(source, _NAME, None)
    return None if name is None else str(name)


def status_of(job: Any) -> str:
    """Return the status of a job in capitals, such as ``DONE``."""
    status = job.status()
    return str(getattr(status, "name", status)).upper()
