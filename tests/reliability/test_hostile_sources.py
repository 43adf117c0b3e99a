"""Rows on hostile models, on a service that mixes jobs up, and on file systems without locks.

Each try is one test of the fast suite in a process of its own. The service is a mock server.
"""

import pytest
from pytest_process import run_tests

pytestmark = pytest.mark.slow
BODIES = "tests/qllmft/embed/test_hostile_bodies.py"
MODELS = "tests/qllmft/sharing/test_hostile_models.py"
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


@pytest.mark.parametrize("name", ROWS)
def test_hostile_source(name, table):
    attack, files, expression = ROWS[name]
    row = table.begin(name, attack)
    run_tests(row, [*files, "-k", expression], ("passed", "failed"), {})
