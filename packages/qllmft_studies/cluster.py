"""Execution of a plan on a Ray cluster: a task does one run and returns its folder, so that the nodes share no disk."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from qllmft.config import DataConfig, RunConfig
from qllmft.data import Corpus
from qllmft.events import (
    OnEvent,
    RunEnded,
)
from qllmft.run import SharedInputs, Tracking, run_experiment
from qllmft.run.lock import HOLDER_FILE, LOCK_FILE, RunBusyError, sole_use
from qllmft_base.errors import UserError
from qllmft_base.files import stays_inside, write_bytes
from qllmft_base.workers import RayPool
from qllmft_studies.local import POLL_INTERVAL_S, execute_run
from qllmft_studies.progress import CampaignProgress
from qllmft_studies.runs import FinishedRuns, Plan, PlannedRun


class RunInterruptedError(Exception):
    """Run that its node ended early. Ray does it again on another node."""


def run_on_node(config: dict[str, Any], read_test: bool, packed: bytes, corpus: Corpus) -> bytes:
    """Do a run on the processor that Ray assigned, and return its folder, packed.

    Args:
        config: of the run, as JSON values.
        read_test: whether the test set is read.
        packed: the run's folder as it is so far, see `pack`; empty for a new run.
        corpus: its texts.

    Raises:
        RunInterruptedError: if the node ended the run early.
    """
    os.environ["QLLMFT_THREADS"] = "1"
    run = RunConfig.model_validate(config)
    with tempfile.TemporaryDirectory(prefix="qllmft-") as temporary_folder:
        folder = Path(temporary_folder) / run.identity
        inputs = SharedInputs({run.data: corpus})
        if packed:
            unpack(packed, folder)
        outcome = run_experiment(run, folder, read_test=read_test, inputs=inputs)
        if outcome.record is None:
            raise RunInterruptedError(run.identity)
        return pack(folder)


def execute_plan_on_cluster(
    plan: Plan, runs: Path, address: str, on_event: OnEvent, inputs: SharedInputs
) -> None:
    """Do every run of a plan that is not finished on a Ray cluster, see `Executor.execute`.

    Args:
        plan: of the campaign.
        runs: folder of the runs' folders.
        address: HOST:PORT of the cluster, or "auto".
        on_event: called with the events of the campaign.
        inputs: texts of the runs.

    Raises:
        UserError: if the cluster is not reached or gives a run up, or a node returns no folder of a run.
    """
    finished = FinishedRuns(runs)
    progress = CampaignProgress(plan, finished, on_event)
    # with what releases the run's lock
    pending: dict[Future[bytes], tuple[PlannedRun, Callable[[], None]]] = {}
    corpora: dict[DataConfig, Any] = {}  # references to texts on the cluster
    checked: set[str] = set()
    with RayPool(address, "runs", [RunInterruptedError]) as pool, ExitStack() as locks:
        for unchecked_runs in progress.rounds(checked):
            for run in filter(finished.has, unchecked_runs.values()):
                execute_run(run, runs, progress, Tracking(), inputs)
                checked.add(run.identity)
            submitted = {run.identity for run, _ in pending.values()}
            limit = pool.room()
            for identity in unchecked_runs.keys() - submitted - checked:
                run = unchecked_runs[identity]
                if len(pending) == limit or not (lock := _try_lock(run, finished, locks)):
                    continue
                data = run.config.data
                folder = run.folder(runs)
                if data not in corpora:
                    corpora[data] = pool.put(inputs.corpus(data))
                config = run.config.model_dump(mode="json")
                packed = pack(folder.path) if folder.config_file.exists() else b""
                task = pool.submit(run_on_node, config, run.read_test, packed, corpora[data])
                pending[task] = run, lock.close
            if not pending:
                time.sleep(POLL_INTERVAL_S)
            for task in wait(pending, POLL_INTERVAL_S, FIRST_COMPLETED).done:
                run, release = pending.pop(task)
                try:
                    unpack(task.result(), run.folder(runs).path)
                finally:
                    release()
                score = finished.load_run(run).record.head.validation.value
                progress(RunEnded(run.label, score, run.config.data.task))


def _try_lock(run: PlannedRun, finished: FinishedRuns, locks: ExitStack) -> ExitStack | None:
    """Lock the folder of a run, or return None if another process works on it or has finished it."""
    lock = ExitStack()
    try:
        lock.enter_context(sole_use(run.folder(finished.folder).path, None))
    except RunBusyError:
        return None
    locks.push(lock)
    if finished.has(run):
        lock.close()
        return None
    return lock


def pack(folder: Path) -> bytes:
    """Return the files of a run's folder as an archive, with the record at the end."""
    stream = io.BytesIO()
    records = ("validation.json", "result.json")
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for file in sorted(folder.rglob("*"), key=lambda file: (file.name in records, file)):
            if file.is_file() and file.name not in (LOCK_FILE, HOLDER_FILE):
                archive.add(file, str(PurePosixPath(file.relative_to(folder))))
    return stream.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write the files of an archive to a run's folder, each as a whole and in their order.

    Raises:
        UserError: if the archive cannot be read, or has an entry that is no file in the folder. Nothing is written.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
            files = [
                (member.name, _read_member(archive, member)) for member in archive.getmembers()
            ]
    except (tarfile.TarError, ValueError) as error:
        raise UserError(
            f"a Ray worker returned a run that is not stored in {folder}: {error}. Check the machines of the cluster, "
            "then run the command again."
        ) from None
    for name, content in files:
        write_bytes(folder / name, content)


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return the bytes of a file of an archive, or raise ValueError if it is a link or leads out of its folder."""
    has_safe_name = stays_inside(member.name) and PurePosixPath(member.name).name
    file = archive.extractfile(member) if member.isfile() and has_safe_name else None
    if file is None:
        raise ValueError(f"the entry {member.name[:80]!r} of its archive is no file of a run")
    return file.read()
