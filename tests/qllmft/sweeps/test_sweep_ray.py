"""Trials on a Ray cluster of several nodes, for real; a node is killed in the middle of its trial."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from small_sweeps import arguments, complete_trials, ended_trials

from qllmft.run.lock import LOCK

pytestmark = pytest.mark.slow
pytest.importorskip("optuna", reason="the extra sweep is not installed")
pytest.importorskip("ray", reason="the extra sweep is not installed")
EPOCHS = 200  # six seconds of a trial or more
TRIALS = 3  # one for each node
MIB = 2**20


@pytest.fixture
def cluster(monkeypatch):
    """A head that trains nothing, and three nodes of one processor each."""
    folder = tempfile.mkdtemp(prefix="qray-")  # short: the names of its sockets are limited to 107 characters
    for name, value in {
        "RAY_TMPDIR": folder,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_health_check_initial_delay_ms": "0",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_failure_threshold": "5",
    }.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    common = {"include_dashboard": False, "object_store_memory": 80 * MIB}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **common})
    made.workers = [made.add_node(num_cpus=1, **common) for _ in range(3)]
    yield made
    made.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def is_in_the_middle(run: Path) -> bool:
    """Whether a training has a checkpoint and still a way to go."""
    if not (run / "checkpoint" / "state.safetensors").exists():
        return False
    return len((run / "metrics.jsonl").read_text().splitlines()) < EPOCHS // 2


def at_work(cluster, out: Path):
    """A node in the middle of a training that has a checkpoint; None where there is none at the moment."""
    for node in cluster.workers:
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        for process in raylet.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                for file in process.open_files():
                    lock = Path(file.path)  # who trains a run holds its lock
                    if lock.name == LOCK and lock.parents[1] == out / "runs" and is_in_the_middle(lock.parent):
                        return node
    return None


def test_a_node_is_killed_and_another_does_its_trial(cluster, texts, tiny_body, tmp_path, environment):
    out = tmp_path / "sweep"
    few = ["--set", "model.main_layers=2"]
    command = arguments(texts, tiny_body, out, "--ray", cluster.address, *few, epochs=EPOCHS)
    sweep = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("ray_process.py")), *command],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 600
        while (victim := at_work(cluster, out)) is None:
            assert sweep.poll() is None, sweep.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        cluster.remove_node(victim, allow_graceful=False)
        said, _ = sweep.communicate(timeout=900)
    finally:
        sweep.kill()
    assert sweep.returncode == 0, said
    assert "Its test accuracy" in said

    url = f"sqlite:///{out}/study.db"
    done = complete_trials(url)
    assert len(done) == TRIALS
    assert set(done.values()) == {1}
    assert "FAIL" not in [trial.state.name for trial in ended_trials(url)]  # none was given up
    kept = [trial.user_attrs["result"] for trial in ended_trials(url) if "result" in trial.user_attrs]
    assert len(kept) == TRIALS
    before = [result["epochs_before"][0] for result in kept]
    assert sum(epochs > 0 for epochs in before) == 1  # the killed node's, from its checkpoint
    assert max(before) < EPOCHS
    for identity in done:
        lines = (out / "runs" / identity / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == list(range(1, EPOCHS + 1))
    record = json.loads((out / "sweep.json").read_text())
    tested = {path.parent.name for path in out.glob("runs/*/result.json")}
    assert tested == {row["winner"] for row in record["rows"]}
