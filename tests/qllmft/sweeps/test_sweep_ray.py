"""Trials on a Ray cluster of several nodes, for real; a node is killed in the middle of its trial."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from small_sweeps import SIZE, arguments, complete_trials

pytestmark = pytest.mark.slow
pytest.importorskip("optuna", reason="the extra sweep is not installed")
pytest.importorskip("ray", reason="the extra sweep is not installed")
EPOCHS = 600  # ten seconds or so of a trial: its checkpoint is written after five
MIB = 2**20


@pytest.fixture
def cluster(monkeypatch):
    """A head that trains nothing, and three nodes of one processor each."""
    for name, value in {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_health_check_initial_delay_ms": "0",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_failure_threshold": "5",
    }.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="qray-")  # short: the names of its sockets are limited to 107 characters
    common = {"include_dashboard": False, "object_store_memory": 80 * MIB}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_temp_dir": folder, **common})
    made.workers = [made.add_node(num_cpus=1, **common) for _ in range(3)]
    yield made
    made.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def epochs_done(run: Path) -> int:
    """Lines of the run's metrics."""
    file = run / "metrics.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def unfinished(out: Path) -> list[Path]:
    """Runs in the middle of their training, past their first checkpoint."""
    return [
        run
        for run in out.glob("runs/*")
        if (run / "checkpoint").exists()
        and 0 < epochs_done(run) < EPOCHS - 50
        and not (run / "validation.json").exists()
    ]


def test_a_node_is_killed_and_the_others_do_its_trial(cluster, texts, tiny_body, tmp_path, environment):
    out = tmp_path / "sweep"
    command = arguments(texts, tiny_body, out, "--ray", cluster.address, epochs=EPOCHS)
    sweep = subprocess.Popen(
        [sys.executable, "-m", "qllmft.cli.main", *command],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 400
        while len(unfinished(out)) < 3:  # all three nodes are in the middle of a trial
            assert sweep.poll() is None, sweep.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        cluster.remove_node(cluster.workers[1], allow_graceful=False)
        said, _ = sweep.communicate(timeout=600)
    finally:
        sweep.kill()
    assert sweep.returncode == 0, said
    assert "Its test accuracy" in said

    done = complete_trials(f"sqlite:///{out}/study.db")
    assert len(done) == SIZE
    assert set(done.values()) == {1}
    record = json.loads((out / "sweep.json").read_text())
    assert [path.parent.name for path in out.glob("runs/*/result.json")] == [record["winner"]]
    before = {
        row["identity"]: epochs for row, epochs in zip(record["ranking"], epochs_before(out, record), strict=True)
    }
    assert sum(epochs > 0 for epochs in before.values()) == 1  # the killed node's, from its checkpoint
    assert max(before.values()) < EPOCHS
    for run in out.glob("runs/*"):
        if run.name != ".locks":
            epochs = [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()]
            assert epochs == list(range(1, EPOCHS + 1))


def epochs_before(out: Path, record: dict) -> list[int]:
    """Of each configuration of the ranking, the epochs that were done when the trial that finished it began."""
    import optuna

    storage = optuna.storages.RDBStorage(f"sqlite:///{out}/study.db")
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    storage.remove_session()
    storage.engine.dispose()
    results = {trial.user_attrs["identity"]: trial.user_attrs["result"] for trial in trials}
    return [results[row["identity"]]["epochs_before"][0] for row in record["ranking"]]
