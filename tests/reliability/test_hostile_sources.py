"""Rows on hostile models, on a service that mixes jobs up, and on file systems without locks.

Each try is one test of the fast suite in a process of its own. The service is a mock server.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BODIES, MODELS = (
    "tests/qllmft/embed/test_hostile_bodies.py",
    "tests/qllmft/sharing/test_hostile_models.py",
)
SERVICE = "tests/machines/ionq/test_ionq_wrong_server.py"
LOCKS = "tests/qllmft/run/test_run_lock.py"
ROWS = {
    "hostile bodies": (
        "a body or model whose files try to run code when it is loaded: refused, and nothing runs",
        [BODIES, MODELS],
        "",
    ),
    "results of another job": (
        "a service that answers with another job's id, token or results, a key twice, or parts of shots: none is used",
        [SERVICE],
        "wrong_id or another or twice or whole_shots",
    ),
    "one wrong reading": (
        "a known answer that is wrong at the first readings: read again, without another payment",
        [SERVICE],
        "wrong_reading",
    ),
    "late acceptance": (
        "a job that is accepted late while this machine's clock jumps, or a list without times or metadata: paid once",
        [SERVICE],
        "clock or without_metadata",
    ),
    "no locks": (
        "a file system on which flock fails: an error with the remedy",
        [LOCKS],
        "without_locks",
    ),
}
COUNTS = re.compile(r"(\d+) (passed|failed)")


@pytest.mark.parametrize("name", ROWS)
def test_hostile_source(name, table):
    attack, files, chosen = ROWS[name]
    row = table.begin(name, attack)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=short",
        *files,
        "-k",
        chosen,
    ]
    with row.attempt():
        done = subprocess.run(
            command, env=os.environ, cwd=ROOT, capture_output=True, text=True, check=False
        )
        counts = {kind: int(number) for number, kind in COUNTS.findall(done.stdout)}
        assert done.returncode == 0 or "failed" in counts, done.stdout + done.stderr
    row.survived = counts.get("passed", 0)
    row.tries = row.survived + counts.get("failed", 0)
    if done.returncode:
        row.failures.append(done.stdout[-3000:])
    row.assert_survived()
