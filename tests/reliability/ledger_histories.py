"""Histories of a ledger and its service: calls of two processes, faults, cancellations, and time."""

import errno
import os
import shutil
import warnings
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from simulated_service import (
    LATEST_S,
    LISTS,
    LOOKS,
    POSTS,
    QUBITS,
    SLOWEST_S,
    SYNCS,
    TEMPLATE,
    TOO_LATE_S,
    URL,
    Clock,
    Died,
    Service,
    SimulatedRoute,
    answer,
    known_answer_template,
)

from qllmft_backends.errors import BackendError, LedgerError
from qllmft_backends.protocol import Capabilities, Expectations
from qllmft_machines import listing
from qllmft_machines.batch import CircuitBatch
from qllmft_machines.cost import CostEstimate
from qllmft_machines.errors import JobFailedError
from qllmft_machines.jobs import Jobs
from qllmft_machines.jobs_backend import JobsBackend
from qllmft_machines.ledger.chunk import Setup
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.options import KnownAnswerOptions

SHOTS = (100, 30)  # of a call in one go, of a round
TEXTS = ((0,), (0, 1), (0, 1, 2, 3), (2, 3), (3, 1))


class Options(KnownAnswerOptions):
    """Options of a call."""

    shots: int = SHOTS[0]


class Machine(JobsBackend):
    """A paid machine of the simulated service."""

    name = "simulated"

    def __init__(self, options: Options, folder: Path, service: Service) -> None:
        self.options = options
        self.jobs = Jobs(options, Ledger(folder), lambda: SimulatedRoute(service))

    @property
    def capabilities(self) -> Capabilities:
        """Raise: none are asked for."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """Return the service's address."""
        return URL

    def expectations(self, circuit: Any, values: Any, observables: Any) -> Expectations:
        """Raise: it is not asked for."""
        raise NotImplementedError

    def estimate(self, circuit: Any, values: Any, *, offline: bool = False) -> CostEstimate:
        """Raise: it is not asked for."""
        raise NotImplementedError

    def _batch(self, circuit: Any, values: Any) -> CircuitBatch:
        options = self.options
        setup = Setup(
            URL, "qpu.simulated", TEMPLATE.sha256, QUBITS, options.shots, options.repetition
        )
        batch = CircuitBatch(
            TEMPLATE,
            values,
            setup,
            "simulated",
            options.circuits_per_job,
            known_answer_template=known_answer_template,
        )
        self.jobs.find(batch)
        return batch

    def measure(self, texts: Sequence[int]) -> list[dict[int, float]]:
        """Return the result of each text."""
        values = np.array([[text, 0.5] for text in texts])
        return self._run_circuits(None, values)[1]


KINDS = [
    f"{place}: {kind}"
    for place, kinds in (("post", POSTS), ("list", LISTS), ("look", LOOKS), ("sync", SYNCS))
    for kind in kinds
]
FAULTS = st.lists(st.sampled_from(KINDS), max_size=5)
CALLS = st.builds(
    dict,
    texts=st.sampled_from(TEXTS),
    number=st.sampled_from((None, None, 0, 1)),
    circuits_per_job=st.sampled_from((1, 2, 4)),
    checked=st.booleans(),
    retry_failed=st.booleans(),
)


class Histories(RuleBasedStateMachine):
    """A history of one ledger.

    Attributes:
        folder: for ledgers; set by `histories`.
        clock: of every module; set by `histories`.
        met: what happened in all histories.
        endings: of the calls of this history: "answer", the name of an error, "died" or "interrupted".
    """

    folder: Path
    clock: Clock
    met: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.clock.now = self.clock.wrong = 0.0
        self.service = Service(self.clock)
        self.ledger = self.folder / str(self.met["histories"])
        self.met["histories"] += 1
        self.processes: list[dict[Any, Machine]] = [{}, {}]
        self.wanted: set[tuple[int, int | None]] = set()
        self.endings: list[str] = []

    @initialize(
        ahead=st.sampled_from((0.0, -86_400.0, 86_400.0)),
        late=st.sampled_from((LATEST_S, LATEST_S / 4, LATEST_S, TOO_LATE_S)),
        lag=st.sampled_from((SLOWEST_S, 0.0)),
        slow=st.sampled_from((0.0, 25.0)),
        call=CALLS,
        faults=FAULTS,
    )
    def begin(
        self,
        ahead: float,
        late: float,
        lag: float,
        slow: float,
        call: dict[str, Any],
        faults: list[str],
    ) -> None:
        """Draw the service's habits, and make a first call."""
        service = self.service
        service.ahead_s = ahead
        service.late_s = late
        service.lag_s = lag
        service.list_s = slow
        self._call(0, call, faults)

    @rule(process=st.sampled_from((0, 1)), call=CALLS, faults=FAULTS)
    def call(self, process: int, call: dict[str, Any], faults: list[str]) -> None:
        """Make a call, which sends and collects."""
        self._call(process, call, faults)

    @rule(
        process=st.sampled_from((0, 1)),
        sizes=st.sampled_from((1, 2, 4)),
        checked=st.booleans(),
        faults=FAULTS,
    )
    def again(self, process: int, sizes: int, checked: bool, faults: list[str]) -> None:
        """Repeat the last call with other options."""
        self._call(process, {**self.last, "circuits_per_job": sizes, "checked": checked}, faults)

    @rule(process=st.sampled_from((0, 1)), faults=FAULTS)
    def wait(self, process: int, faults: list[str]) -> None:
        """`qllmft jobs wait`."""
        if (self.ledger / "ledger.jsonl").exists():
            self._attempt(process, lambda: listing.wait(self.ledger, self._connection), faults)

    @rule(
        seconds=st.sampled_from((1.0, 15.0, 45.0, 100.0, 1000.0)),
        wrong=st.sampled_from((0.0, -1e5, 1e5)),
        canceled=st.sampled_from(("", "all", "all", 0, 1)),
    )
    def time(self, seconds: float, wrong: float, canceled: str | int) -> None:
        """Time passes, somebody sets this machine's calendar, and jobs are canceled, here or at the service's page."""
        self.clock.sleep(seconds)
        self.clock.wrong += wrong
        jobs = self.service.accepted_jobs()
        if canceled == "all" and (self.ledger / "ledger.jsonl").exists():
            listing.cancel_ledger(self.ledger, self._connection)
        elif isinstance(canceled, int) and canceled < len(jobs):
            self.service.cancel(jobs[canceled])

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        """Assert that nothing was paid twice, but for jobs accepted later than any call waits for."""
        for circuit, times in self.service.paid().items():
            assert times <= 1 + self.service.too_late, f"{circuit} was paid {times} times"

    def teardown(self) -> None:
        """Make all calls again, in new processes and without faults: everything is there, and was paid once."""
        try:
            self._end()
        finally:
            self.met.update(self.service.met)
            shutil.rmtree(self.ledger, ignore_errors=True)

    def _end(self) -> None:
        self.service.next = {}
        self.clock.sleep(2 * TOO_LATE_S)
        for number in (None, 0, 1):
            texts = sorted(text for text, round_number in self.wanted if round_number == number)
            if texts:
                self.processes = [{}, {}]
                try:
                    self._measure(0, texts, number)
                except JobFailedError:  # of jobs whose end is news
                    self._measure(0, texts, number)
        self.nothing_is_paid_twice()
        assert len(self.service.paid()) == len(self.wanted), "a circuit was not paid"
        if not self.wanted:
            return
        rows = listing.ledger_jobs(self.ledger)
        known_ids = {row.job_id for row in rows}
        for job in self.service.accepted_jobs():
            assert job.end != "completed" or job.id in known_ids, f"{job.id} is not in the ledger"

    @property
    def _connection(self) -> Any:
        return SimpleNamespace(address=lambda: URL, route=SimulatedRoute(self.service))

    def _call(self, process: int, call: dict[str, Any], faults: list[str]) -> None:
        self.last = call
        self.wanted |= {(text, call["number"]) for text in call["texts"]}
        self.service.meanwhile = lambda: self._call_meanwhile(1 - process, call)
        self._attempt(process, lambda: self._measure(process, **call), faults)

    def _measure(
        self,
        process: int,
        texts: Sequence[int],
        number: int | None,
        circuits_per_job: int = 4,
        checked: bool = False,
        retry_failed: bool = True,
    ) -> None:
        """Make a call, of round ``number`` or (None) in one go, and compare its answer."""
        shots = SHOTS[number is not None]
        call_options = (circuits_per_job, checked, retry_failed, shots)
        machines = self.processes[process]
        if call_options not in machines:
            options = Options(
                circuits_per_job=circuits_per_job, retry_failed=retry_failed, yes=True, shots=shots,
                known_answer_shots=shots if checked else 0,
            )  # fmt: skip
            machines[call_options] = Machine(options, self.ledger, self.service)
        machine = (
            machines[call_options]
            if number is None
            else machines[call_options].in_round(shots, number)
        )
        results = machine.measure(texts)
        expected = [
            {answer(("text", text, shots, machine.options.repetition)): 1.0} for text in texts
        ]
        assert results == expected, f"the results of others: {results}, expected {expected}"

    def _attempt(self, process: int, act: Callable[[], Any], faults: list[str]) -> None:
        for place, kind in (fault.split(": ") for fault in faults):
            self.service.next.setdefault(place, deque()).append(kind)
        ending = "answer"
        try:
            act()
            self.met["calls that end well"] += 1
        except Died:
            self.processes[process] = {}
            ending = "died"
        except BackendError as error:
            ending = type(error).__name__
            self.met[ending] += 1
        except KeyboardInterrupt as interrupt:
            ending = (
                "interrupted" if type(interrupt) is KeyboardInterrupt else type(interrupt).__name__
            )
        self.endings.append(ending)
        self.service.next = {}

    def _call_meanwhile(self, process: int, call: dict[str, Any]) -> None:
        """Make a call of the other process in the middle of one."""
        waiting = self.service.next
        self.service.next = {}
        with pytest.raises(LedgerError, match="is in use by"):
            self._measure(process, **call)
        listing.ledger_jobs(self.ledger)
        self.service.next = waiting


def sync(descriptor: int, service: Service) -> None:
    """Stand in for `os.fsync` of a file of the ledger; what was not synced may be lost with the process."""
    kind = service.take_event("sync")
    if kind == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    status = os.fstat(descriptor)
    certain = min(service.synced.get(status.st_ino, 0), status.st_size)
    if kind in ("torn", "nothing written"):
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "ledger.jsonl":
            torn_bytes = (status.st_size - certain) // 2 if kind == "torn" else 0
            os.ftruncate(descriptor, certain + torn_bytes)
        raise Died
    service.synced[status.st_ino] = status.st_size


def histories(patch: Any, folder: Path) -> type[Histories]:
    """Return the machine, with everything in its place."""
    from simulated_service import install

    class Prepared(Histories):
        current: Any = None

        def __init__(self) -> None:
            super().__init__()
            type(self).current = self.service

    Prepared.folder = folder
    Prepared.clock = Clock()
    Prepared.met = Counter()
    install(patch, Prepared.clock)
    patch.setattr(os, "fsync", lambda descriptor: sync(descriptor, Prepared.current))
    patch.setattr(listing, "_open_ionq_route", lambda connection: connection.route)
    warnings.simplefilter("ignore")
    return Prepared
