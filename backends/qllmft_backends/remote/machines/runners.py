"""Ways to run compiled circuits: a `BackendV2`, a V2 sampler, or IBM's sampler with tags of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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

    def measured(self, job: Any, circuits: int) -> list[Measured]:
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
        """Send circuits (see `Runner`).

        Args:
            circuits: without free parameters, each measured.
            shots: measurements per circuit.
            seed: the option ``seed_simulator`` of a backend that has it; otherwise not sent.
            tag: not sent.
        """
        del tag
        options = {"seed_simulator": seed} if self.takes_seed else {}
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
        """Send circuits (see `Runner`). IBM's jobs carry the tag.

        Args:
            circuits: without free parameters, each measured into the register ``meas``.
            shots: measurements per circuit.
            seed: written to ``options.simulator.seed_simulator`` of a sampler that has it, without
                a service; otherwise not used.
            tag: the job's only tag if there is a service; otherwise not sent.
        """
        if self.takes_seed and self._service is None:
            self._sampler.options.simulator.seed_simulator = seed
        if self._service is not None:
            self._sampler.options.environment.job_tags = [tag]
        for circuit in circuits:
            circuit.metadata = {**(circuit.metadata or {}), _NAME: circuit.name}
        return self._sampler.run([(circuit,) for circuit in circuits], shots=shots)

    def measured(self, job: Any, circuits: int) -> list[Measured]:
        """Return counts (see `Runner`)."""
        result = job.result()
        if len(result) != circuits:
            raise JobFailedError(f"the sampler answered {len(result)} of {circuits} circuits.")
        return [
            Measured(
                _name((pub.metadata or {}).get("circuit_metadata")),
                dict(pub.data.meas.get_int_counts()),
            )
            for pub in result
        ]

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
