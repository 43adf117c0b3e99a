"""Trials on a Ray cluster: this process keeps the search, the nodes train."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qllmft.campaign.liveness import Liveness
from qllmft.campaign.queue import PlannedRun, QueueProgress, QueueReporter
from qllmft.campaign.storage import of_the_extra
from qllmft.campaign.store import SearchStore
from qllmft.campaign.worker import POLL_S, TrialResult, Worker, do_trial_run
from qllmft.config import RunConfig
from qllmft.errors import UserError

NODES_MAY_DIE = 100  # times that a trial is begun again on another node


def train_on_node(config: dict[str, Any], runs: str) -> TrialResult:
    """What a node does: train a configuration with one thread, on the one processor that Ray gave it."""
    os.environ["QLLMFT_THREADS"] = "1"
    run = PlannedRun(RunConfig.model_validate(config), "", read_test=False)
    return do_trial_run(run, QueueProgress(QueueReporter(), Path(runs)))


@contextmanager
def ray_cluster(address: str) -> Iterator[int]:
    """While this process is connected to a cluster; gives the number of trials that it takes at a time."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no figures about the use to anybody
    ray = of_the_extra("ray", "--ray needs Ray")
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"--ray {address}: the cluster cannot be reached ({str(error).splitlines()[0]}). Start it with `ray start "
            "--head`, join other machines with `ray start --address=…`, and give that address, or auto."
        ) from None
    try:
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        ray.shutdown()


def remote_execute(halted: Callable[[], bool], progress: QueueProgress) -> Callable[[PlannedRun], TrialResult]:
    """Train on some node, and on another one where it dies."""
    import ray

    # Ray begins a task again when its node or its process dies, never when it raises
    task = ray.remote(num_cpus=1, max_retries=NODES_MAY_DIE)(train_on_node)

    def execute(run: PlannedRun) -> TrialResult:
        reference = task.remote(run.config.model_dump(mode="json"), str(progress.runs.resolve()))
        while not ray.wait([reference], timeout=POLL_S)[0]:
            if halted():
                ray.cancel(reference, force=True)
                raise KeyboardInterrupt
        try:
            result: TrialResult = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, Exception):
                raise error.cause from None
            raise
        progress.reporter.run_ends(run.label, result.validation.value)
        return result

    return execute


def work_on_cluster(store: SearchStore, liveness: Liveness, runs: Path, address: str, reporter: QueueReporter) -> None:
    """Work on a search with as many trials at a time as the cluster has processors.

    Raises:
        UserError: where the cluster cannot be reached or a configuration cannot be trained.
        KeyboardInterrupt: by Ctrl-C; trials under way are given up, and their runs go on from their checkpoints.
    """
    halt = threading.Event()
    with ray_cluster(address) as slots:
        progress = QueueProgress(reporter, runs)
        worker = Worker(store, liveness, remote_execute(halt.is_set, progress), progress, halt.is_set)
        count = min(slots, store.plan.size)
        with ThreadPoolExecutor(count) as threads:
            at_work = [threads.submit(worker.work) for _ in range(count)]
            try:
                wait(at_work, return_when=FIRST_EXCEPTION)
            finally:
                halt.set()  # the pool waits for its threads
    errors = filter(None, (each.exception() for each in at_work))
    for error in sorted(errors, key=lambda error: isinstance(error, KeyboardInterrupt)):
        raise error
