"""A sweep and a study on a real Ray cluster whose nodes join, die, and share no folder with the command."""

import contextlib
import json
import signal
from pathlib import Path

import psutil
import pytest
from ray_nodes import start, until, wait_for_end
from small_sweeps import arguments, scores

from qllmft.run.lock import LOCK_FILE

pytestmark = pytest.mark.slow
pytest.importorskip("optuna", reason="the extra sweep is not installed")
pytest.importorskip("ray", reason="the extra sweep is not installed")
EPOCHS = 400  # several seconds of a run
STUDY = """
title = "Table 0"
subject = "quantum head"
baseline = "classical head"
seeds = 2
epochs = 400
published = false
rows = [
    { label = "Single", preset = "single-10q", side = "subject" },
    { label = "SVC", preset = "nn-head-0", side = "baseline", classical = "svc" },
    { label = "NN head", preset = "nn-head-0", side = "baseline" },
]
"""


def trains(node):
    """The process of the node that holds the lock of a run's folder and has trained an epoch in it, if there is one."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for process in raylet.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for file in map(Path, (file.path for file in process.open_files())):
                if file.name == LOCK_FILE and (file.parent / "metrics.jsonl").exists():
                    return process
    return None


def test_a_node_joins_a_sweep_and_is_killed_and_its_run_is_done_by_the_other(
    cluster, texts, tiny_body, tmp_path, environment
):
    few = ["--set", "model.main_layers=2", "--set", "model.n_qubits=8"]
    command = arguments(
        texts, tiny_body, tmp_path / "ray", "--ray", cluster.address, *few, epochs=EPOCHS
    )
    sweep = start(command, environment)
    try:
        until(lambda: trains(cluster.first), sweep)
        second = cluster.add()
        until(lambda: trains(second), sweep)
        cluster.remove_node(second, allow_graceful=False)
        output = wait_for_end(sweep)
    finally:
        sweep.kill()
    assert "Its test accuracy" in output
    for run in tmp_path.glob("ray/runs/*"):
        lines = (run / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == list(range(1, EPOCHS + 1))
    wait_for_end(
        start(arguments(texts, tiny_body, tmp_path / "here", *few, epochs=EPOCHS), environment)
    )
    assert scores(tmp_path / "ray") == scores(tmp_path / "here")


def test_a_ray_worker_and_the_driver_of_a_study_are_killed_and_it_ends_in_the_bits_of_one_machine(
    cluster, texts, tiny_body, tmp_path, environment
):
    cluster.add()
    (tmp_path / "tiny.toml").write_text(STUDY)
    settings = ["model.n_qubits=4", "model.encoder_layers=2", "data.n_per_label=20"]
    settings.append("baselines.grid=small")
    pairs = [part for setting in settings for part in ("--set", setting)]
    inputs = ["--data", texts, "--body", tiny_body]
    common = ["study", tmp_path / "tiny.toml", *inputs, *pairs, "--out"]
    command = [*common, tmp_path / "ray", "--ray", cluster.address]
    killed = start(command, environment)
    until(lambda: trains(cluster.first), killed)
    if worker := trains(cluster.first):
        worker.kill()
    until(lambda: list(tmp_path.glob("ray/runs/*/result.json")), killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("ray/runs/*/result.json")}
    assert 1 <= len(times) < 4
    wait_for_end(start(command, environment))
    assert {path: path.stat().st_mtime_ns for path in times} == times
    wait_for_end(start([*common, tmp_path / "here"], environment))
    records = [
        json.loads((tmp_path / place / "study.json").read_text()) for place in ("ray", "here")
    ]
    for record in records:
        del record["command"]
    assert records[0] == records[1]
    for run in tmp_path.glob("here/runs/*"):
        for name in ("model/model.safetensors", "checkpoint/state.safetensors", "predictions.json"):
            assert (tmp_path / "ray" / "runs" / run.name / name).read_bytes() == (
                run / name
            ).read_bytes()
