"""Histories of a ledger with its service, drawn by rules: nothing is paid twice, nothing is lost."""

import inspect
import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_histories import histories

from qllmft_backends.errors import BackendError
from qllmft_backends.remote import jobs, send

QUICK, ALL, FEW = 2_000, 100_000, 1_000
PARTS = 10  # of the long run, each with other histories
MUTANTS = {  # name: function of `send`, a piece of it, and what takes its place
    "no patience": (
        "resolve_doubtful_chunk",
        "patience_s = route.waits.settle_s if ambiguous else 0.0",
        "patience_s = 0.0",
    ),
    "a lost answer is a refusal": ("send", "chunk, failure.ambiguous)", "chunk, False)"),
    "sent before it is written": (
        "_post",
        "    ledger.record_sending(chunk, route.server_time(), session)\n    try:\n"
        "        job_id = route.post(circuits, chunk.setup, token, ledger.identity.id, session)\n",
        "    try:\n"
        "        job_id = route.post(circuits, chunk.setup, token, ledger.identity.id, session)\n"
        "        ledger.record_sending(chunk, route.server_time(), session)\n",
    ),
}

CAUGHT = r"was paid \d times|was not paid|not in the ledger|not recorded in it"


@pytest.fixture
def machine(monkeypatch):
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    place = Path(tempfile.mkdtemp(prefix="qllmft-ledgers-", dir=memory))
    with warnings.catch_warnings():
        yield histories(monkeypatch, place)
    shutil.rmtree(place)


def run(machine, number, part=0):
    """So many histories, the same ones in every run of a part; one that fails is not made shorter."""
    given = settings(
        max_examples=number,
        stateful_step_count=5,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(seed(part)(machine), settings=given)


def test_histories(machine):
    run(machine, QUICK)
    assert machine.met["histories"] >= QUICK


def test_the_id_of_a_job_whose_own_answer_was_lost(machine):
    """The service answers a chunk with the id of another one's job, of which the ledger knows no id yet."""
    call = {"texts": (3, 1), "number": None, "circuits_per_job": 4, "checked": True}
    state, of_round = machine(), {**call, "number": 1, "circuits_per_job": 1}
    state.begin(
        0.0, 20.0, 30.0, 25.0, {**call, "retry_failed": False}, ["post: late", "list: died"]
    )
    state.call(1, {**of_round, "retry_failed": True}, ["post: another's id", "post: late"])
    state.teardown()
    assert machine.met["post: another's id"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_many_histories(table, machine, part):
    number = table.tries(ALL // PARTS).stop
    row = table.row(
        "ledger, histories",
        "a history of a ledger and its service, drawn by rules: calls in one go and in rounds, of two processes, with "
        "other options, lost and late answers, late lists, deaths, cancellations, other clocks",
    )
    with row.attempt():
        run(machine, number, part)
    row.tries += number - 1
    row.survived += number - 1
    row.met.update(machine.met)
    row.assert_survived()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(machine, monkeypatch, name):
    function, old, new = MUTANTS[name]
    source = inspect.getsource(getattr(send, function))
    assert old in source
    changed = {}
    exec(source.replace(old, new), vars(send), changed)
    for module in (send, jobs):
        if hasattr(module, function):
            monkeypatch.setattr(module, function, changed[function])
    with pytest.raises((AssertionError, BackendError), match=CAUGHT):
        run(machine, FEW)
