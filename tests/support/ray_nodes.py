"""A real Ray cluster on this machine, and commands that use it."""

import shutil
import subprocess
import sys
import tempfile
import time

import pytest

MIB = 2**20
PATIENCE_S = 900


@pytest.fixture
def cluster(monkeypatch):
    """A head that does no runs, and a node of one processor; `add_node` adds another one."""
    # short: the names of its sockets are limited to 107 characters
    folder = tempfile.mkdtemp(prefix="qray-")
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
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **common})
    nodes.add = lambda: nodes.add_node(num_cpus=1, **common)
    nodes.first = nodes.add()
    yield nodes
    nodes.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def start(command, environment, output=subprocess.PIPE):
    words = [sys.executable, "-m", "qllmft.cli.main", *map(str, command)]
    return subprocess.Popen(
        words, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True
    )


def until(condition, process):
    """Wait for a condition while the command works."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_for_end(process):
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output
    assert "state-dump" not in (output or "")
    return output
