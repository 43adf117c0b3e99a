"""Drawn hostile files: each is read or refused by name, in bounded time and memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_tables import KINDS, draw
from table_files import HAS_EXCEL

MAX_SECONDS = 5  # of processor time
MAX_MEGABYTES = 500  # of the process that reads, and of its child


@pytest.fixture(scope="module")
def reading():
    """A process that reads each file in a fork."""
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("bounded_reading.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


def check(reading, folder, seed, places):
    name, content = draw(seed)
    path = folder / name
    path.write_bytes(content)
    reading.stdin.write(f"{places} {path}\n")
    reading.stdin.flush()
    facts = json.loads(reading.stdout.readline())
    path.unlink()
    assert facts["status"] == 0, name
    for message in facts["messages"]:
        assert message == "read" or (message.startswith("refused: ") and name in message), message
    assert len(facts["messages"]) == len(places)
    assert max(facts["seconds"]) < MAX_SECONDS, (name, facts)
    assert facts["megabytes"] < MAX_MEGABYTES, (name, facts)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the kernel")
@pytest.mark.skipif(not HAS_EXCEL, reason="python-calamine is not installed")
@pytest.mark.parametrize("seed", range(len(KINDS)), ids=[kind.__name__ for kind in KINDS])
def test_a_small_file_takes_little(reading, tmp_path, seed):
    check(reading, tmp_path, seed, places=str(seed % 3))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of the kernel")
@pytest.mark.skipif(not HAS_EXCEL, reason="python-calamine is not installed")
def test_200_small_files_take_little(reading, tmp_path):
    for seed in range(len(KINDS), len(KINDS) + 200):
        check(reading, tmp_path, seed, places="012")
