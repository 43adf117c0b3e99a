"""All trainings of the plan in processes of this machine; a later call goes on where an earlier one stopped."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from lab.paper.experiment.plan import Plan, PlannedTraining, training_config
from lab.paper.experiment.records import read_records, write_record
from lab.paper.experiment.texts import Inputs
from lab.paper.experiment.training import fit_grid, train
from qllmft import UserError

COMMIT_DIGITS = 12

_inputs: Inputs | None = None  # of a worker process, which keeps the vectors of its last body


@dataclass(frozen=True)
class Machine:
    """What the trainings of one call run on."""

    source: str  # folder or name of SST-2
    body: str  # folder or name of the language model
    processes: int
    minutes: float | None = None  # no training begins later; None: no limit


def run_trainings(
    plan: Plan,
    pending: Sequence[PlannedTraining],
    machine: Machine,
    folder: Path,
    say: Callable[[str], None],
) -> int:
    """Do the trainings in their order, record each, and return how many were done.

    Args:
        plan: what the trainings share.
        pending: trainings without a record.
        machine: texts, language model and processes.
        folder: of the records.
        say: receives a line for each finished training.
    """
    origin = {"commit": _commit()}
    started = time.monotonic()
    queue = iter(pending)
    done = 0
    # each process has one thread, so that two trainings share no core
    os.environ["QLLMFT_THREADS"] = "1"
    with ProcessPoolExecutor(machine.processes, get_context("spawn")) as pool:
        running: dict[Future[dict[str, Any]], PlannedTraining] = {}
        while True:
            late = machine.minutes is not None and time.monotonic() - started > 60 * machine.minutes
            while not late and len(running) < machine.processes:
                training = next(queue, None)
                if training is None:
                    break
                running[pool.submit(do_training, plan, training, machine)] = training
            if not running:
                return done
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                training = running.pop(future)
                counts = future.result()
                write_record(folder, training, counts, origin)
                done += 1
                say(f"{done} of {len(pending)}: {training.name}, {counts['seconds']:.0f} s")


def do_training(plan: Plan, training: PlannedTraining, machine: Machine) -> dict[str, Any]:
    """Return the counts of one training, in a worker process."""
    global _inputs
    if _inputs is None:
        _inputs = Inputs(Path(tempfile.gettempdir()) / "qllmft-paper")
    config = training_config(plan, training, machine.source, machine.body)
    texts = _inputs.embed(config, training)
    count = fit_grid if training.is_grid else train
    return {**count(config, training, texts), "vectors": texts.vectors}


def pending_trainings(
    planned: Sequence[PlannedTraining], folder: Path
) -> Iterator[PlannedTraining]:
    """Yield the trainings that have no record."""
    finished = read_records(folder)
    return (training for training in planned if training.name not in finished)


def plan_lines(planned: Sequence[PlannedTraining], folder: Path) -> Iterator[str]:
    """Yield a line for each table, body and row: trainings of the plan, finished ones, and their processor time."""
    finished = read_records(folder)
    by_row: dict[str, list[str]] = {}
    for training in planned:
        row = f"table {training.table}, {training.body} body, {training.row}"
        by_row.setdefault(row, []).append(training.name)
    for row, names in by_row.items():
        seconds = [finished[name]["seconds"] for name in names if name in finished]
        yield f"{row}: {len(seconds)} of {len(names)} finished, {sum(seconds) / 3600:.2f} h"


def count_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _commit() -> str:
    """Return the commit of the code, or raise UserError if the code differs from it."""
    root = Path(__file__).parents[3]
    try:
        changed = _git(root, "status", "--porcelain", "--", "*.py", "*.toml")
        commit = _git(root, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"{root} is no git checkout ({error}). The records name the commit of the code. Use a clone."
        ) from error
    if changed:
        raise UserError(
            f"the code differs from its commit, which the records name. Commit the changes first:\n{changed}"
        )
    return commit[:COMMIT_DIGITS]


def _git(root: Path, *arguments: str) -> str:
    """Return what git prints."""
    command = ["git", "-C", str(root), *arguments]
    result = subprocess.run(  # noqa: S603 - words of this file
        command, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()
