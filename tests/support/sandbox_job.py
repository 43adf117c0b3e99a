"""A trained run, IonQ's API as a mock server on this machine, and `qllmft` between the two."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TOKEN = "key-7c1e9b52d0fa4683"
TEXTS = [
    "a good and lovely film",
    "an awful dull plot",
    "the cast is great",
    "score",
    "not very bad",
    "dull",
    "a film",
]
FAST = ["poll_interval_s=0.02", "settle_s=0.15", "retry_s=2.0", "circuits_per_job=3"]
VARIABLES = (
    "QISKIT_IONQ_API_URL",
    "IONQ_API_URL",
    "QISKIT_IONQ_API_TOKEN",
    "IONQ_API_KEY",
    "IONQ_API_TOKEN",
)


def option_arguments(*pairs: str, beside: Iterable[Any] = ()) -> list[str]:
    """As `--backend-option`, with those that keep the tests fast unless the pairs or arguments ``beside`` set them."""
    words = " ".join(map(str, (*pairs, *beside)))
    fast_pairs = [pair for pair in FAST if f"{pair.partition('=')[0]}=" not in words]
    return [f"--backend-option {pair}" for pair in (*fast_pairs, *pairs)]


@dataclass
class Job:
    """A copy of the trained run, so that its ledger is its own, and the mock server that it is sent to.

    Attributes:
        path: the run's folder.
        box: the `MockServer`; its machines make no errors unless a test says so.
        printed: all that the commands printed.
    """

    path: Path
    box: Any
    cli: Callable[..., tuple[str, str]]
    printed: list[str] = field(default_factory=list)

    def __call__(self, *arguments: Any, code: int = 0) -> tuple[str, str]:
        """`qllmft` with these arguments: its output and its messages."""
        told = self.cli(*arguments, code=code)
        self.printed += told
        return told

    def predict(
        self, *arguments: Any, backend: str = "ionq_forte", texts: list[str] = TEXTS, code: int = 0
    ) -> tuple[str, str]:
        """`qllmft predict` through IonQ, in jobs of three circuits."""
        options = (f"--backend {backend}", *option_arguments(beside=arguments), *arguments)
        return self("predict", self.path, *texts, *options, code=code)

    def evaluate(
        self, *arguments: Any, backend: str = "ionq_forte", code: int = 0
    ) -> tuple[str, str]:
        """`qllmft evaluate` through IonQ."""
        options = (f"--backend {backend}", *option_arguments(beside=arguments), *arguments)
        return self("evaluate", self.path, *options, code=code)

    @property
    def ids(self) -> list[str]:
        """Ids of the jobs, in the order of their submission."""
        return [job.id for job in self.box.store.jobs.values() if not job.parent]

    @property
    def totals(self) -> dict[str, Any]:
        """What the mock server was sent and paid."""
        totals: dict[str, Any] = self.box.store.totals()
        return totals

    def hold(self, first: int = 0, times: int = -1) -> None:
        """The next jobs are accepted and do not end until `release`; the ``first`` of them do."""
        from faulty_server import Fault

        self.box.faults.arm(Fault("never_ends", "submit", after=first, times=times))

    def release(self) -> None:
        """Let every job end that was held; back when they have ended."""
        release(self.box)

    def assert_paid_once(self, circuits: int, jobs: int, checks: int = 0) -> None:
        """No circuit was paid twice, but for check circuits of several jobs with the same answer by chance."""
        totals = self.totals
        assert totals["circuits_paid"] == totals["circuits_submitted"] == circuits + checks
        assert totals["jobs"] == jobs
        assert sum(times - 1 for times in totals["times"].values()) <= max(0, checks - 1)


def release(box: Any) -> None:
    """Clear a mock server's faults, and let every job end that was held; back when they have ended."""
    store = box.store
    box.faults.clear()
    for job in [j for j in store.jobs.values() if j.outcome == "never_ends" and not j.parent]:
        job.outcome = ""
        store._worker.submit(store._work, job).result()


@contextmanager
def sandbox_job(
    run: Any,
    cli: Callable[..., tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    **store: Any,
) -> Iterator[Job]:
    """A `Job` in ``folder``; the environment names its mock server and its key.

    Args:
        run: the trained run of `conftest.run`.
        cli: `conftest.cli`.
        monkeypatch: pytest's.
        folder: an empty one.
        store: of the mock server's `Store`.
    """
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    from faulty_server import MockServer, Store

    with MockServer(token=TOKEN, store=Store(**({"qpu_noise": "ideal"} | store))) as box:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("QISKIT_IONQ_API_URL", box.url)
        monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", TOKEN)
        # where the ledger lies that nobody named
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        yield Job(Path(shutil.copytree(run.path, folder / "run")), box, cli)


def needs_aer(name: str) -> None:
    """Skip where ``name`` is one of Aer's backends and Aer is not installed."""
    if name.startswith("aer"):
        pytest.importorskip(
            "qiskit_aer", reason="qiskit-aer is not installed: pip install '.[aer]'"
        )
