"""Histories of a ledger with its service, written out and drawn by rules: nothing is paid twice, nothing is lost."""

import itertools
import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_examples import CALL, EXAMPLES
from ledger_histories import histories
from ledger_mutants import MUTANTS, PAID_TWICE_OR_LOST

from qllmft_backends.errors import BackendError
from qllmft_machines import ledger_jobs

QUICK = 200
ALL = 100_000
OF_MUTANT = 1_000
PARTS = 10  # of the long run, each with other histories


@pytest.fixture
def machine(monkeypatch):
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    place = Path(tempfile.mkdtemp(prefix="qllmft-ledgers-", dir=memory))
    with warnings.catch_warnings():
        yield histories(monkeypatch, place)
    shutil.rmtree(place)


def run(machine, number, part=0):
    """So many histories, the same ones in every run of a part; one that fails is not made shorter."""
    profile = settings(
        max_examples=number,
        stateful_step_count=5,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(seed(part)(machine), settings=profile)


def test_histories(machine):
    run(machine, QUICK)
    assert machine.met["histories"] >= QUICK


def replay(machine, example):
    """Make the events of an example, compare them with its end, and check what is true of every history."""
    history = machine()
    service = history.service
    service.late_s = example.late_s
    service.lag_s = example.lag_s
    service.list_s = example.list_s
    service.ahead_s = example.ahead_s
    requests = []
    for event in example.events:
        event.replay(history)
        requests.append(service.requests)
    assert history.endings == example.endings.split()
    assert tuple(requests) == example.requests
    assert sum(service.paid().values()) == example.paid
    assert [row.state for row in ledger_jobs(history.ledger)] == example.states.split()
    history.teardown()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example(machine, name):
    replay(machine, EXAMPLES[name])


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("kind", ["died", "torn", "nothing written"])
def test_a_call_that_ends_at_any_sync_of_a_file(machine, kind, checked):
    call = CALL | {"checked": checked}
    for number in itertools.count():
        history = machine()
        history.call(0, call, ["sync: well"] * number + [f"sync: {kind}"])
        if history.endings == ["answer"]:
            break
        history.call(1, call, [])
        assert history.endings == ["died", "answer"]
        assert history.service.requests == 2, f"sync {number}"
        history.teardown()
    assert number > 8, "four records of two jobs"


@pytest.mark.parametrize("name", MUTANTS)
def test_an_example_notices_a_mutant(machine, monkeypatch, name):
    MUTANTS[name].install(monkeypatch)
    with pytest.raises((AssertionError, BackendError)):  # noqa: PT012
        for example in EXAMPLES.values():
            replay(machine, example)


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


@pytest.mark.slow
@pytest.mark.parametrize("name", PAID_TWICE_OR_LOST)
def test_drawn_histories_notice_a_mutant(machine, monkeypatch, name):
    MUTANTS[name].install(monkeypatch)
    with pytest.raises((AssertionError, BackendError)):
        run(machine, OF_MUTANT)
