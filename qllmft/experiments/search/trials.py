"""One trial: a configuration trained up to validation, at most once for each folder of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qllmft.config import RunConfig
from qllmft.run import Outcome, Reporter, RunFolder, run_experiment
from qllmft.statistics import Accuracy


@dataclass(frozen=True)
class TrialResult:
    """What a configuration came to.

    Attributes:
        identity: of the configuration.
        validation: accuracy of the selected epoch.
        validation_loss: of that epoch, in nats.
        parameters: trained ones.
        seconds: of the training.
        epochs_before: epochs that an earlier call had done; those of the configuration where nothing was trained now.
        test: accuracy on the test set; None where it was not to be read.
    """

    identity: str
    validation: Accuracy
    validation_loss: float
    parameters: int
    seconds: float
    epochs_before: int
    test: Accuracy | None


def run_trial(
    config: RunConfig,
    runs: Path,
    reporter: Reporter | None = None,
    *,
    read_test: bool = False,
    backend_options: Mapping[str, Any] | None = None,
) -> TrialResult:
    """Train ``config`` in ``runs/<identity>``, or take up or look up what is there.

    A lock that the system takes back from a dead process keeps others from training the same run at the same time: they
    wait, and find it finished.

    Args:
        config: the whole run; of its models the first counts.
        runs: the folder of all runs.
        reporter: who watches.
        read_test: whether to read the test set once validation is done; see `qllmft.run.run_experiment`.
        backend_options: see `qllmft.run.run_experiment`.

    Raises:
        UserError: for bad input.
        KeyboardInterrupt: where training was interrupted; the same call goes on.
    """
    reporter = reporter or Reporter()
    folder = RunFolder(runs / config.identity)
    with _alone(runs, config.identity, reporter):
        trained = folder.validation_file.exists() or folder.result_file.exists()
        before = config.train.epochs if trained else folder.checkpoint.epochs_done()
        outcome = run_experiment(config, folder.path, reporter, read_test=read_test, backend_options=backend_options)
    if outcome.record is None:
        raise KeyboardInterrupt
    return _result(config, outcome, before)


def _result(config: RunConfig, outcome: Outcome, before: int) -> TrialResult:
    assert outcome.record is not None
    head = outcome.record.head
    losses = {metrics.epoch: metrics.validation_loss for metrics in outcome.folder.metrics()}
    return TrialResult(
        identity=config.identity,
        validation=head.validation,
        validation_loss=losses[outcome.record.selected_epoch],
        parameters=head.parameters,
        seconds=head.seconds,
        epochs_before=before,
        test=head.test,
    )


@contextmanager
def _alone(runs: Path, identity: str, reporter: Reporter) -> Iterator[None]:
    """While nobody else works on the run."""
    folder = runs / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{identity}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        reporter.message(f"another process is training {identity}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
