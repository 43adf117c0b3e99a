"""Many texts embedded on a real Ray cluster whose nodes die, and that have not the folder of the body."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from ray_nodes import PATIENCE_S, start, until, wait_for_end

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="the extra sweep is not installed")
TEXTS = 60_000
SENT = """
import sys
import numpy as np
from pathlib import Path
from qllmft.config import BodyConfig
from qllmft.embed import Embedder

texts = [f"a good film {'very ' * (i % 7)}{i}" for i in range(3000)]
config = BodyConfig(model="here")
with Embedder(config, Path("one")) as one, Embedder(config, Path("ray"), ray=sys.argv[1]) as two:
    expected = one.embed(texts).vectors
    assert np.array_equal(np.concatenate(list(two.chunks(texts))), expected)
    assert np.array_equal(two.embed(texts).vectors, expected)
"""


def count_embeddings(cache):
    """Number of embeddings in the only cache of a folder."""
    if not (caches := list(cache.glob("*.sqlite"))):
        return 0
    with closing(sqlite3.connect(caches[0])) as file:
        return file.execute("SELECT count(*) FROM embeddings").fetchone()[0]


def test_the_command_and_a_node_are_killed_and_the_answers_are_those_of_one_process(
    cluster, trained_run, tmp_path, environment
):
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"a good film {'very ' * (i % 7)}{i}\n" for i in range(TEXTS)))
    second = cluster.add()
    command = ["predict", trained_run, "--file", texts]
    cache = tmp_path / "cache"
    on_ray = [*command, "--ray", cluster.address]
    environment |= {"QLLMFT_CACHE": str(cache)}
    with (tmp_path / "killed").open("w") as output:
        killed = start(on_ray, environment, output)
        until(lambda: os.fstat(output.fileno()).st_size > 100_000, killed)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    n_stored = count_embeddings(cache)
    assert 0 < n_stored < TEXTS
    with (tmp_path / "again").open("w") as output:
        second_process = start(on_ray, environment, output)
        until(lambda: count_embeddings(cache) > n_stored, second_process)
        cluster.remove_node(second, allow_graceful=False)
        wait_for_end(second_process)
    with (tmp_path / "one").open("w") as output:
        wait_for_end(start(command, environment, output))
    assert (tmp_path / "again").read_bytes() == (tmp_path / "one").read_bytes()
    assert count_embeddings(cache) == TEXTS


def test_nodes_without_the_folder_of_the_body_get_it_once(
    monkeypatch, tmp_path, tiny_body, environment, request
):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "node"))
    cluster = request.getfixturevalue("cluster")
    work = tmp_path / "work"
    shutil.copytree(tiny_body, work / "here")
    process = subprocess.run(
        [sys.executable, "-c", SENT, cluster.address],
        cwd=work,
        env=environment,
        timeout=PATIENCE_S,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    (folder,) = (path for path in (tmp_path / "node" / "bodies").iterdir() if path.is_dir())
    assert (folder / "modules.json").read_bytes() == (tiny_body / "modules.json").read_bytes()
