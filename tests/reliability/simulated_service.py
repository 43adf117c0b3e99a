"""A service of paid jobs in this process, on a clock that no test waits for, which loses and delays what it is sent."""

import itertools
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from qllmft_machines.batch import Template, known_answer_circuit
from qllmft_machines.errors import (
    NOT_FOUND,
    IonQQuotaError,
    RemoteRequestError,
    RemoteTransientError,
)
from qllmft_machines.ionq.client import IonQJobs
from qllmft_machines.ledger.chunk import Chunk
from qllmft_machines.options import Deadline, Waits
from qllmft_machines.route import RemoteJob, Route

URL = "https://simulated.example/v0.4"
BEGUN = 1_780_000_000.0  # by the service's clock
LATEST_S = 20.0
SLOWEST_S = 30.0
SETTLE_S = 60.0  # of an acceptance, of the list; more than both
TOO_LATE_S = 300.0
QUBITS = 6

POSTS = (
    "well", "lost", "late", "dropped", "busy", "unreached", "refused", "failed later", "ends late", "another's id",
    "died before", "died", "died, late", "interrupted", "others meanwhile",
)  # fmt: skip
LISTS = ("well", "fails", "died", "interrupted")
LOOKS = ("well", "fails", "missing", "died", "interrupted")
SYNCS = ("well", "full", "died", "torn", "nothing written")


class Died(BaseException):
    """The process ends here."""


@dataclass
class Clock:
    """Stands in for the module `time`: a sleep takes no time."""

    now: float = 0.0
    wrong: float = 0.0  # of this machine's calendar

    def monotonic(self) -> float:
        """Return seconds since the start."""
        return self.now

    def time(self) -> float:
        """Return seconds since 1970 as this machine believes."""
        return BEGUN + self.now + self.wrong

    def sleep(self, seconds: float) -> None:
        """Let time pass. A moment passes in any case, so that nothing loops for ever."""
        self.now += max(seconds, 0.01)


def install(patch: Any, clock: Clock) -> None:
    """Give the clock to every module of jobs."""
    from qllmft_machines import collect, options, send
    from qllmft_machines.ledger import ledger

    for module in (collect, options, send, ledger):
        patch.setattr(module, "time", clock)

    def begin(deadline: Deadline, seconds: float) -> None:
        deadline.seconds = seconds
        deadline._start = clock.monotonic()

    patch.setattr(Deadline, "__init__", begin)


Circuit = tuple[Any, ...]  # ("text", row, shots, repetition) or ("known answer", state)


@dataclass(frozen=True)
class SmallTemplate(Template):
    """A circuit that is only its name and its row."""

    def bind(self, values: Any, names: Sequence[str]) -> list[Any]:
        """Return a circuit per row."""
        return [("text", int(row[0])) for row in values]


TEMPLATE = SmallTemplate(known_answer_circuit(QUBITS), "0" * 64, 1, 1)


def known_answer_template(state: int) -> SmallTemplate:
    """Return the circuit with a known answer."""
    return SmallTemplate(("known answer", state), "1" * 64, 1, 1)  # type: ignore[arg-type]


@dataclass
class ServedJob:
    """A job that was accepted.

    Attributes:
        circuits: in its order.
        accepted_at, listed_at, ends_at: by the clock.
        end: completed, failed or canceled.
    """

    id: str
    token: str
    ledger: str
    circuits: list[Circuit]
    accepted_at: float
    listed_at: float
    ends_at: float
    end: str = "completed"


@dataclass
class Service:
    """The service.

    Attributes:
        jobs: accepted ones.
        ahead_s: of its clock before the true time.
        lag_s: after an acceptance, until the job is in the list.
        late_s: after a request, until a job is accepted whose answer is late.
        list_s: until a list arrives, which is then that old.
        next: what happens at the next requests, and at the next syncs of a file, by place.
        meanwhile: called in the middle of a request.
        met: what has happened.
        too_late: number of jobs accepted later than any call waits for.
        synced: bytes of each file (by inode) that are on the disk for certain.
        requests: number of POSTs that were made, accepted or not.
    """

    clock: Clock
    ahead_s: float = 0.0
    lag_s: float = 0.0
    late_s: float = 0.0
    list_s: float = 0.0
    jobs: list[ServedJob] = field(default_factory=list)
    next: dict[str, deque[str]] = field(default_factory=dict)
    meanwhile: Any = None
    met: Counter[str] = field(default_factory=Counter)
    too_late: int = 0
    synced: dict[int, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    requests: int = 0

    def now(self) -> float:
        """Return the service's own time, in seconds since 1970."""
        return BEGUN + self.clock.now + self.ahead_s

    def take_event(self, place: str) -> str:
        """Return what happens now at a place, or raise it."""
        waiting = self.next.get(place)
        event = waiting.popleft() if waiting else "well"
        if event != "well":
            self.met[f"{place}: {event}"] += 1
        if event == "died":
            raise Died
        if event == "interrupted":
            raise KeyboardInterrupt
        return event

    def accepted_jobs(self) -> list[ServedJob]:
        """Return the jobs that have been accepted by now."""
        return [job for job in self.jobs if job.accepted_at <= self.clock.now]

    def status(self, job: ServedJob) -> str:
        """Return a job's status in IonQ's words."""
        if job.end == "canceled":
            return "canceled"
        return job.end if self.clock.now >= job.ends_at else "ready"

    def paid(self) -> Counter[Circuit]:
        """Count how often each text's circuit was paid, or will be: jobs that failed or were canceled are free."""
        return Counter(
            circuit
            for job in self.accepted_jobs()
            if job.end == "completed"
            for circuit in job.circuits
            if circuit[0] == "text"
        )

    def accept(
        self,
        post: dict[str, Any],
        after_s: float = 0.0,
        runs_s: float = 0.0,
        end: str = "completed",
    ) -> str:
        """Take a job, perhaps later, and return its id."""
        at = self.clock.now + after_s
        job = ServedJob(
            f"job-{next(self.numbers)}",
            **post,
            accepted_at=at,
            listed_at=at + self.lag_s,
            ends_at=at + runs_s,
            end=end,
        )
        self.jobs.append(job)
        return job.id

    def cancel(self, job: ServedJob) -> str:
        """Cancel a job unless it has ended, and return its status."""
        if self.status(job) == "ready":
            job.end = "canceled"
        return self.status(job)


def lost(text: str = "no answer") -> RemoteTransientError:
    """Return the error of a lost connection."""
    return RemoteTransientError(f"{text}.", transient=True, ambiguous=True)


class SimulatedRoute(Route):
    """The way to the service from one process."""

    name = "the service"
    packages = ()
    carries_tokens = True

    def __init__(self, service: Service) -> None:
        self.service = service
        self.client = self
        self.waits = Waits(settle_s=SETTLE_S, retry_s=10.0, poll_interval_s=15.0, deadline_s=500.0)
        self._seen: tuple[float, float] | None = None

    def _note_time(self) -> None:
        self._seen = float(int(self.service.now())), self.service.clock.monotonic()

    def server_time(self) -> float | None:
        """Return the time by the last answer, in whole seconds as the header Date has them."""
        return (
            None
            if self._seen is None
            else self._seen[0] + self.service.clock.monotonic() - self._seen[1]
        )

    def index(self, ledger: Any) -> IonQJobs:
        """Return the product's own index of a list of jobs."""
        return IonQJobs(self, self, ledger)  # type: ignore[arg-type]

    def price(self, setup: Any, template: Any) -> dict[str, Any]:
        """Return a price of one dollar a circuit."""
        self._note_time()
        return {"price_each": 1.0, "unit": "usd"}

    def check(self, setup: Any) -> None:
        """Accept any circuit."""
        self._note_time()

    def send(self, circuits: Any, setup: Any, token: str, ledger: str, session: str | None) -> str:
        """Take a job; see `POSTS`."""
        service = self.service
        service.requests += 1
        sent_circuits = [
            (*circuit, setup.shots, setup.repetition) if circuit[0] == "text" else circuit
            for circuit in circuits
        ]
        post = {"token": token, "ledger": ledger, "circuits": sent_circuits}
        former = [job.id for job in service.accepted_jobs()]
        match service.take_event("post"):
            case "lost":
                service.accept(post)
                raise lost()
            case "late" | "died, late" as kind:
                service.accept(post, service.late_s)
                service.too_late += service.late_s > LATEST_S
                if kind != "late":
                    raise Died
                raise lost()
            case "dropped":
                raise lost()
            case "busy":
                raise IonQQuotaError("busy.", transient=True, retry_after_s=3.0, status=429)
            case "unreached":
                raise RemoteTransientError("not reached.", transient=True, unsent=True)
            case "refused":
                self._note_time()
                raise RemoteRequestError("no such thing.", status=400)
            case "died before":
                raise Died
            case "failed later":
                self._note_time()
                return service.accept(post, end="failed")
            case "ends late":
                self._note_time()
                return service.accept(post, runs_s=90.0)
            case "another's id":
                self._note_time()
                job_id = service.accept(post)
                return former[0] if former else job_id
            case "others meanwhile":
                service.meanwhile()
        self._note_time()
        return service.accept(post)

    def jobs(self) -> Iterator[dict[str, Any]]:
        """Yield the list, from new to old, as it was when it was asked for."""
        service = self.service
        request_time = self.service.clock.now
        kind = service.take_event("list")
        if kind == "fails":
            raise lost("no list")
        rows = [
            self._describe(job)
            for job in reversed(service.accepted_jobs())
            if job.listed_at <= request_time
        ]
        service.clock.sleep(service.list_s)
        self._note_time()
        yield from rows

    def _describe(self, job: ServedJob) -> dict[str, Any]:
        at = BEGUN + job.accepted_at + self.service.ahead_s
        return {
            "id": job.id, "status": self.service.status(job), "name": "a job",
            "metadata": {"client_token": job.token, "ledger": job.ledger},
            "submitted_at": datetime.fromtimestamp(at, UTC).isoformat(),
        }  # fmt: skip

    def _find(self, job_id: str) -> ServedJob:
        kind = self.service.take_event("look")
        if kind == "fails":
            raise lost("no description")
        self._note_time()
        job = next((job for job in self.service.accepted_jobs() if job.id == job_id), None)
        if job is None or kind == "missing":
            raise RemoteRequestError(f"no job {job_id}.", status=NOT_FOUND)
        return job

    def describe(self, job_id: str) -> RemoteJob:
        """Describe a job."""
        job = self._find(job_id)
        status = self.service.status(job)
        return RemoteJob(status, status != "ready", status == "completed", status, job.token, job)

    def read_results(self, chunk: Chunk, job: RemoteJob) -> list[dict[int, float] | None]:
        """Return the results of a job that has ended."""
        circuits = job.content.circuits
        return [{answer(circuit): 1.0} if job.completed else None for circuit in circuits]

    def cancel(self, job_id: str) -> str:
        """Cancel a job."""
        return self.service.cancel(self._find(job_id))


def answer(circuit: Circuit) -> int:
    """Return the one state that a circuit is measured in."""
    if circuit[0] == "known answer":
        return int(circuit[1])
    _, row, shots, repetition = circuit
    return int(row) + 4 * (shots % 3) + 16 * int(repetition % 3)
