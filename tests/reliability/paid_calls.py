"""`qllmft predict` through IonQ's API as a mock server on this machine: the call, its totals, its ledger."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked_commands
import numpy as np
from drawn_faults import LONGEST_ANSWER, TIMEOUT_S
from faulty_server import MockServer, Store, has_known_answer
from forked_commands import Command, Preparation
from sandbox_job import TEXTS, TOKEN, release
from small_commands import Reference, cache

from qllmft_machines import ledger_jobs
from qllmft_machines.sandbox import simulation

OPTIONS = {
    "poll_interval_s": 0.02, "settle_s": 1.5, "retry_s": 2.0, "deadline_s": 6.0, "circuits_per_job": 3,
    "request_timeout_s": TIMEOUT_S, "max_answer_bytes": LONGEST_ANSWER, "retry_failed": "true",
}  # fmt: skip
CHECKED = {"known_answer_shots": 1000, "per_shot": "true"}


class SameShots(Store):
    """Gives a circuit the same shots whenever it is sent, so that two calls can be compared to the bit."""

    def _simulate(self, job: Any) -> dict[str, float]:
        circuit = job.circuits[0]
        qubits = int(job.payload["input"]["qubits"])
        shots = int(job.payload["shots"])
        digest = hashlib.sha256(json.dumps(circuit, sort_keys=True).encode()).digest()
        rng = np.random.default_rng(list(digest))
        counts = simulation.counts(circuit, qubits, shots, "ideal", rng)
        return {str(state): count / shots for state, count in counts.items()}


@dataclass(frozen=True)
class PaidCall:
    """One call, to be made again and again until it is done.

    Attributes:
        box: the mock server.
        folder: the working directory, with the ledger in it.
        checked: a circuit with a known answer goes first in each job, and the single shots are read.
        rounds: in which the shots of undecided texts are measured.
    """

    box: MockServer
    folder: Path
    reference: Reference
    checked: bool = False
    rounds: int = 1

    @property
    def ledger(self) -> Path:
        """Its folder."""
        return self.folder / "ledger"

    def start(self, prepare: Preparation | None = None, **options: Any) -> Command:
        """The command in a process of its own, which is there when this is back."""
        call_options = OPTIONS | (CHECKED if self.checked else {}) | options
        pairs = [
            part
            for name, value in call_options.items()
            for part in ("--backend-option", f"{name}={value}")
        ]
        environment = cache(self.reference.folder)
        environment |= {"QISKIT_IONQ_API_URL": self.box.url, "QISKIT_IONQ_API_TOKEN": TOKEN}
        arguments = [
            "predict",
            str(self.reference.run),
            *TEXTS,
            "--backend",
            "ionq_forte",
            "--yes",
        ]
        arguments += ["--ledger", str(self.ledger), *pairs, "--rounds", str(self.rounds)]
        return forked_commands.start(arguments, self.folder, environment, prepare)

    def release(self) -> None:
        """No faults any more; every job that was held ends."""
        release(self.box)

    def times_paid(self) -> list[int]:
        """How often each text's circuit was paid."""
        return times_paid(self.box)

    def assert_paid_once_and_all_there(self) -> None:
        """Make sure that each circuit was paid once, and that the ledger knows every job that was paid."""
        assert_paid_once(self.box, self.ledger, self.rounds)
        checks = self.box.store.totals()["circuits_paid"] - sum(self.times_paid())
        assert checks >= 3 if self.checked else checks == 0, (
            "a circuit with a known answer in each of the jobs"
        )


def times_paid(box: MockServer) -> list[int]:
    """How often each text's circuit was paid."""
    jobs = [job for job in box.store.jobs.values() if not job.children]
    paid = [job.circuits[0] for job in jobs if job.status not in ("failed", "canceled")]
    texts = [
        json.dumps(circuit, sort_keys=True) for circuit in paid if not has_known_answer(circuit)
    ]
    return list(Counter(texts).values())


def assert_paid_once(box: MockServer, ledger: Path, rounds: int = 1) -> None:
    """Make sure that each text's circuit was paid once a round, and that the ledger knows every job that was paid."""
    totals = box.store.totals()
    times = times_paid(box)
    assert len(times) == len(TEXTS), totals
    assert max(times) <= rounds, totals
    ledger_ids = {chunk.job_id for chunk in ledger_jobs(ledger)}
    paid_ids = {name for name, status in totals["statuses"].items() if status == "completed"}
    assert paid_ids <= ledger_ids, f"jobs that the ledger does not know: {paid_ids - ledger_ids}"


@contextmanager
def paid_call(
    folder: Path,
    reference: Reference,
    clock_offset_s: float = 0.0,
    *,
    checked: bool = False,
    rounds: int = 1,
) -> Iterator[PaidCall]:
    """A mock server of its own for one call."""
    with MockServer(
        token=TOKEN, store=SameShots(qpu_noise="ideal", clock_offset_s=clock_offset_s)
    ) as box:
        yield PaidCall(box, folder, reference, checked, rounds)
