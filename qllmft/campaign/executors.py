"""Execution of a plan, each run once: by processes of this machine and of others, or on a Ray cluster."""

from __future__ import annotations

import io
import json
import math
import os
import tarfile
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from qllmft.campaign.runs import FinishedRuns, Plan, PlannedRun
from qllmft.config import DataConfig, RunConfig
from qllmft.data import Corpus
from qllmft.embed import locate_body
from qllmft.embed.reading import Reader
from qllmft.errors import UserError
from qllmft.events import (
    CampaignAdvanced,
    DataChecked,
    EpochEnded,
    Event,
    Message,
    OnEvent,
    RunEnded,
    RunStarted,
    StageStarted,
    TextsRead,
    ignore,
)
from qllmft.files import stays_inside, write_bytes
from qllmft.heads import build_classifier
from qllmft.progress import MinuteLines
from qllmft.run import RunRecord, SharedInputs, Tracking, run_experiment, run_tracked
from qllmft.run.lock import HOLDER_FILE, LOCK_FILE, RunBusyError, sole_use
from qllmft.run.reading import reading_sentences
from qllmft.workers import ProcessDiedError, Processes, RayPool, report
from qllmft_backends import create
from qllmft_backends.adjoint.thread_pool import thread_count

POLL_INTERVAL_S = 1.0  # between two looks at the folders of the runs
MIN_RUNS_PER_PROCESS = 8  # fewer are not worth the start of a process
MEMORY_PER_PROCESS = 2 * 2**30  # bytes that a process needs with all its imports


class CampaignProgress:
    """Listener that forwards all events and adds `CampaignAdvanced` after epochs and runs, once per second at most."""

    def __init__(
        self,
        plan: Plan,
        finished: FinishedRuns,
        on_event: OnEvent,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._finished = finished
        self._on_event = on_event
        self._clock = clock
        self._last_report = -math.inf
        # time of the first look, and the share done by then
        self._start: tuple[float, float] | None = None

    def __call__(self, event: Event) -> None:
        """Forward an event, and report progress if the event ended an epoch or a run."""
        if isinstance(event, RunEnded):
            self.report(at_once=True)
        self._on_event(event)
        if isinstance(event, EpochEnded):
            self.report()

    def report(self, *, at_once: bool = False) -> None:
        """Report progress, unless the last look was less than a second ago and ``at_once`` is False."""
        now = self._clock()
        folder = self._finished.folder
        if not at_once and now - self._last_report < POLL_INTERVAL_S:
            return
        self._last_report = now
        planned = self._plan.runs(self._finished)
        begun_identities = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        done = math.fsum(
            run.cost(None if self._finished.has(run) else run.folder(folder).epochs_done())
            for run in planned
            if run.identity in begun_identities
        )
        cost = math.fsum(run.cost() for run in planned)
        # runs that are not planned yet cost the mean of the others
        share = min(done / cost * len(planned) / self._plan.size, 1.0) if cost else 0.0
        # a killed run falls back to its last checkpoint
        if self._start is None or share < self._start[1]:
            self._start = now, share
        start_time, start_share = self._start
        seconds_left = (
            (now - start_time) * (1 - share) / (share - start_share)
            if share > start_share
            else None
        )
        n_finished = sum(map(self._finished.has, planned))
        task = planned[0].config.data.task
        points: defaultdict[str, dict[str, PlannedRun]] = defaultdict(dict)
        for run in planned if self._plan.selects else ():
            points[json.dumps(run.point)][run.identity] = run
        # of points whose seeds are all finished
        complete_points = [
            point_runs.values()
            for point_runs in points.values()
            if all(map(self._finished.has, point_runs.values()))
        ]
        best = max(map(self._finished.mean_validation, complete_points), default=None)
        self._on_event(
            CampaignAdvanced(self._plan.size, n_finished, share, best, seconds_left, task)
        )


def execute_run(
    run: PlannedRun,
    runs: Path,
    on_event: OnEvent,
    tracking: Tracking,
    inputs: SharedInputs | None = None,
) -> RunRecord:
    """Do a run, continue it from its checkpoint, or check and read its record.

    Args:
        run: the run.
        runs: folder of the campaign's run folders.
        on_event: gets the run's events.
        tracking: services that follow the run.
        inputs: texts and embeddings that runs of this process share; None: of this run alone.

    Raises:
        UserError: for bad input, or if the run was finished on other texts.
        RunBusyError: if another process works on the run.
        KeyboardInterrupt: if training was interrupted; the same call continues.
    """
    started = False

    def listen(event: Event) -> None:
        nonlocal started
        # until then another process may have the run
        if isinstance(event, StageStarted) and not started:
            started = True
            on_event(RunStarted(run.label))
        # `report_texts` sends them once for all runs on the same texts, and each record holds the findings
        if not isinstance(event, DataChecked | TextsRead):
            on_event(event)

    listener = ignore if run.is_finished(runs) else listen
    run_options: dict[str, Any] = {"read_test": run.read_test, "wait": False, "inputs": inputs}
    outcome = run_tracked(run.config, run.folder(runs).path, listener, tracking, **run_options)
    if outcome.record is None:
        raise KeyboardInterrupt
    if started:
        score = outcome.record.head.validation.value
        on_event(RunEnded(run.label, score, run.config.data.task))
    return outcome.record


def execute_plan(
    plan: Plan,
    runs: Path,
    on_event: OnEvent,
    tracking: Tracking,
    inputs: SharedInputs | None = None,
    others_at_work: Callable[[], bool] = lambda: False,
) -> None:
    """Do every run of a plan that is not finished, and wait for those of other processes.

    A run that another process works on is left to it. If that process dies, this one continues the run.
    Errors are those of `execute_run`.

    Args:
        plan: the runs.
        runs: folder of their folders.
        on_event: gets the events of the runs and the campaign's progress.
        tracking: services that follow the runs.
        inputs: texts and embeddings that the runs share.
        others_at_work: returns whether other processes of this command are alive, which are waited for silently.
    """
    finished = FinishedRuns(runs)
    inputs = inputs or SharedInputs()
    checked: set[str] = set()
    last_busy_message = ""
    progress = CampaignProgress(plan, finished, on_event)
    progress.report(at_once=True)
    while unchecked_runs := {
        r.identity: r for r in plan.runs(finished) if r.identity not in checked
    }:
        n_checked = len(checked)
        busy_message = ""
        for run in unchecked_runs.values():
            try:
                execute_run(run, runs, progress, tracking, inputs)
                checked.add(run.identity)
            except RunBusyError as error:
                busy_message = str(error)
        if len(checked) == n_checked:
            if busy_message != last_busy_message and not others_at_work():
                last_busy_message = busy_message
                on_event(Message(f"{busy_message}. Waiting for it."))
            progress.report()
            time.sleep(POLL_INTERVAL_S)
    progress.report(at_once=True)


@dataclass(frozen=True)
class Executor:
    """Way to do the runs of a campaign."""

    on_event: OnEvent = ignore
    tracking: Tracking = field(default_factory=Tracking)
    inputs: SharedInputs = field(default_factory=SharedInputs)  # of all plans that it executes
    jobs: int | None = 1  # processes of this command; None: see `count_processes`
    ray: str | None = None  # address of a Ray cluster, which does the runs instead of this machine

    def execute(self, plan: Plan, runs: Path) -> None:
        """Do every run of a plan that is not finished.

        Several calls with the same plan and folder share the runs, on one machine or on several. This process and its
        children use equal shares of the processors. If an error or Ctrl-C ends the work here, the children save a
        checkpoint. An error of a child is raised here.
        """
        finished = FinishedRuns(runs)
        unfinished_runs = [run for run in plan.runs(finished) if not finished.has(run)]
        if self.ray is not None and unfinished_runs:
            execute_plan_on_cluster(plan, runs, self.ray, self.on_event, self.inputs)
            return
        children = count_processes([run.config for run in unfinished_runs], self.jobs) - 1
        tracking = replace(self.tracking, campaign=runs.parent)
        started_children = set()

        def on_value(value: int | Event) -> None:
            if isinstance(value, int):
                started_children.add(value)
            else:
                self.on_event(value)

        with _share_threads(children) as threads, Processes(children, threads, on_value) as pool:
            tasks = [pool.submit(_work_on_plan, i, plan, runs, tracking) for i in range(children)]

            def forward(event: Event) -> None:
                for task in tasks:
                    if task.done() and not isinstance(task.exception(), ProcessDiedError):
                        task.result()
                self.on_event(event)

            at_work = lambda: not all(task.done() for task in tasks)  # noqa: E731
            execute_plan(plan, runs, forward, tracking, self.inputs, at_work)
            for i, task in enumerate(tasks):
                if i in started_children or task.done():  # the others have nothing left to do
                    try:
                        task.result()
                    except ProcessDiedError as error:
                        self.on_event(Message(f"{error}. The others took its runs over."))


@contextmanager
def _share_threads(children: int) -> Iterator[int]:
    """Give this process its share of the processors beside its children during a block, and yield the share."""
    previous_threads = os.environ.get("QLLMFT_THREADS")
    threads = max(1, thread_count() // (children + 1))
    try:
        if children:
            os.environ["QLLMFT_THREADS"] = str(threads)
        yield threads
    finally:
        os.environ.pop("QLLMFT_THREADS", None)
        os.environ |= {} if previous_threads is None else {"QLLMFT_THREADS": previous_threads}


def _work_on_plan(number: int, plan: Plan, runs: Path, tracking: Tracking) -> None:
    """Work on a plan in the child ``number``, which this reports after its imports, and then messages and runs."""
    # this process may be the one that embeds the texts
    lines = MinuteLines(lambda text: report(Message(text)))

    def forward(event: Event) -> None:
        lines(event)
        if isinstance(event, RunStarted):
            event = replace(event, in_this_process=False)
        if isinstance(event, RunStarted | RunEnded | Message):
            report(event)

    warnings.showwarning = lambda message, *_, **__: report(Message(f"warning: {message}"))
    report(number)
    execute_plan(plan, runs, forward, tracking, others_at_work=lambda: True)


def count_processes(configs: Sequence[RunConfig], jobs: int | None) -> int:
    """Return the number of processes that share a run of each configuration, never more than runs.

    If ``jobs`` is None, there is one per processor, as far as memory allows and each has `MIN_RUNS_PER_PROCESS`. Runs
    that share something else get one process: a body that learns takes all processors, and there is one GPU and one
    budget.
    """
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs got {jobs}, expected 1 or more.")
    if jobs is None:
        kinds = {
            (c.body.learns, c.backend.entry.adjoint, c.backend.options.get("device", "cpu"))
            for c in configs
        }
        exclusive_kinds = kinds - {(False, True, "cpu")}
        fitting = psutil.virtual_memory().available // MEMORY_PER_PROCESS
        jobs = (
            1
            if exclusive_kinds
            else min(thread_count(), fitting, len(configs) // MIN_RUNS_PER_PROCESS)
        )
    return max(1, min(jobs, len(configs)))


def report_texts(
    configs: Iterable[RunConfig], inputs: SharedInputs, on_event: OnEvent, *, read_test: bool
) -> None:
    """Report the texts of planned runs, once for all runs on the same texts.

    Args:
        configs: of the runs.
        inputs: texts that the runs share.
        on_event: gets what a single run reports, with the split of the first run on the texts.
        read_test: the language model's reading of the test texts too.
    """
    reported: set[tuple[str, str]] = set()  # texts, and the language model that reads them or ""
    for config in configs:
        texts = inputs.corpus(config.data).fingerprint
        model = config.body.model
        if (texts, "") not in reported:
            on_event(inputs.check(config.data, config.seed))
        reader = Reader.for_body(config.body) if (texts, model) not in reported else None
        reported |= {(texts, ""), (texts, model)}
        if reader is None:
            continue
        tables = inputs.splits(config.data, config.seed).tables
        if not read_test:
            del tables["test"]
        for sentence in reading_sentences(tables, reader, model):
            on_event(TextsRead(sentence))


def check_feasible(configs: Mapping[str, RunConfig], inputs: SharedInputs) -> None:
    """Raise an error if texts, a split, a body or a backend is missing, or a head does not fit on its body."""
    for config in configs.values():
        locate_body(config.body)
        inputs.splits(config.data, config.seed)
    checked: set[str] = set()
    for name, config in configs.items():
        if config.structure in checked:
            continue
        checked.add(config.structure)
        backend = create(config.backend.name, config.backend_options)
        dimension = inputs.dimension(config)
        n_classes = inputs.corpus(config.data).n_classes
        try:
            build_classifier(config.model, dimension, n_classes, backend=backend)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None


# --- a Ray cluster: a task does one run and returns its folder, so that the nodes share no disk


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
        progress.report(at_once=True)
        while unchecked_runs := {
            r.identity: r for r in plan.runs(finished) if r.identity not in checked
        }:
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
            progress.report()
        progress.report(at_once=True)


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
