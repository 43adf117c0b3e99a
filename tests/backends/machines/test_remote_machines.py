"""Jobs of a remote machine: consent, limits, resuming, and doubtful jobs. No circuit is sent twice."""

import numpy as np
import pytest
from qiskit.providers import JobStatus
from remote_machine import RemoteMachine
from test_local_machines import OBSERVABLES, VALUES, assert_close, circuit

from qllmft_backends import BackendError, create, remote_or_none
from qllmft_backends.remote.ionq import (
    CostRefusedError,
    IonQConnection,
    LedgerError,
    ledger_jobs,
    wait,
)
from qllmft_backends.remote.ledger.ledger import ledgers_in
from qllmft_backends.remote.machines import open_jobs
from qllmft_backends.remote.machines.providers import PROVIDERS, Machine, Provider
from qllmft_backends.remote.machines.routes import RunRoute


def opened(machine, tmp_path, **options):
    given = {
        "ledger": tmp_path,
        "max_circuits": 100,
        "yes": True,
        "poll_interval_s": 0.01,
        "shots": 2000,
        **options,
    }
    return create("qiskit", given, backend=machine)


def measured(backend):
    return backend.expectations(circuit(), VALUES, OBSERVABLES)


def test_the_same_call_in_another_process_reads_the_ledger(tmp_path):
    machine = RemoteMachine()
    first = measured(opened(machine, tmp_path, circuits_per_job=2))
    assert machine.log == [2, 1]
    assert_close(first)
    again = opened(machine, tmp_path, circuits_per_job=2)
    np.testing.assert_array_equal(measured(again).values, first.values)
    assert machine.log == [2, 1]
    assert again.capabilities.remote
    assert again.capabilities.paid
    assert remote_or_none(again) is again
    assert again.has_ledger
    assert again.running_jobs() == ""
    measured(opened(machine, tmp_path, repetition=1))
    assert machine.log == [2, 1, 3]


def test_without_price_limit_or_consent_nothing_is_sent(tmp_path):
    machine = RemoteMachine()
    with pytest.raises(
        CostRefusedError, match="price of 3 circuits on faraway is not known, so max_circuits is"
    ):
        measured(opened(machine, tmp_path, max_circuits=None))
    with pytest.raises(
        CostRefusedError, match=r"3 more circuits make 3 in the ledger, above max_circuits = 2"
    ):
        measured(opened(machine, tmp_path, max_circuits=2))
    with pytest.raises(CostRefusedError, match=r"3 circuits cost 6\.90 usd .*above max_cost = 6"):
        measured(opened(machine, tmp_path, price_per_circuit=0.3, price_per_shot=0.001, max_cost=6))
    with pytest.raises(CostRefusedError, match="nobody agreed to the price: set yes"):
        measured(opened(machine, tmp_path, yes=False))
    asked = opened(machine, tmp_path, yes=False, price_per_circuit=0.5)
    asked.attend(
        confirm=lambda estimate: (
            str(estimate).startswith("faraway: 3 circuits") and estimate.price != 1.5
        )
    )
    with pytest.raises(CostRefusedError, match=r"not confirmed: .* price: 1\.50 usd"):
        measured(asked)
    assert machine.log == []
    asked.attend(confirm=lambda estimate: True)
    measured(asked)
    assert machine.log == [3]
    assert asked.estimate(circuit(), VALUES).circuits == 0


def test_a_job_that_was_accepted_without_an_answer_is_not_sent_again(tmp_path):
    def breaks():
        raise ConnectionError("the line is dead")

    machine = RemoteMachine(breaks=breaks)
    with pytest.raises(
        BackendError,
        match="sending chunk 0001 to faraway failed: ConnectionError: the line is dead",
    ):
        measured(opened(machine, tmp_path))
    machine.breaks = None
    backend = opened(machine, tmp_path)
    with pytest.raises(
        BackendError, match="was sent to faraway without an answer, and this provider has no search"
    ):
        measured(backend)
    assert machine.log == [3]
    assert "1 job(s) continue at faraway" in backend.running_jobs()
    measured(opened(machine, tmp_path, retry_doubtful=True))
    assert machine.log == [3, 3]


def test_a_provider_with_a_search_by_tags_finds_it(tmp_path, monkeypatch):
    tags = {}

    def breaks():
        raise ConnectionError("the line is dead")

    machine = RemoteMachine(breaks=breaks)
    backend = opened(machine, tmp_path)
    route = backend._jobs._route
    start = route.start
    monkeypatch.setattr(type(route), "find", lambda self, tag: tags.get(tag, []))
    monkeypatch.setattr(
        route,
        "start",
        lambda c, s, seed, tag: (tags.update({tag: ["job-1"]}), start(c, s, seed, tag)),
    )
    with pytest.raises(BackendError, match="sending chunk"):
        measured(backend)
    machine.breaks = None
    assert_close(measured(opened(machine, tmp_path)))
    assert machine.log == [3]


def test_an_interrupted_wait_is_collected_later(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    machine = RemoteMachine()
    backend = opened(machine, tmp_path, circuits_per_job=2)
    backend._jobs._collect = lambda chunks: interrupted()
    with pytest.raises(KeyboardInterrupt):
        measured(backend)
    assert machine.log == [2, 1]
    assert_close(measured(opened(machine, tmp_path, circuits_per_job=2)))
    assert machine.log == [2, 1]


def test_a_failed_job_is_sent_again_only_on_request(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(machine.jobs["job-1"], "state", JobStatus.ERROR)
    with pytest.raises(BackendError, match="failed: the provider says ERROR"):
        measured(opened(machine, tmp_path))
    with pytest.raises(BackendError, match="set retry_failed"):
        measured(opened(machine, tmp_path))
    assert machine.log == [3]
    machine.breaks = None
    assert_close(measured(opened(machine, tmp_path, retry_failed=True)))


def test_a_wrong_number_of_shots_is_not_recorded(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: machine.jobs["job-1"].counts.__setitem__(0, {"0000": 1999})
    with pytest.raises(BackendError, match="answered 1999 shots, expected 2000"):
        measured(opened(machine, tmp_path))


def test_training_through_a_remote_machine_is_refused(tmp_path):
    backend = opened(RemoteMachine(), tmp_path)
    for ask in (backend.gradient, lambda: backend.training_note(10, 1, 1)):
        with pytest.raises(BackendError, match="Train on adjoint"):
            ask()
    with pytest.raises(BackendError, match="each shot has a price"):
        backend.outcomes(circuit(), VALUES, 5, np.random.default_rng(0))


def test_ionq_s_commands_list_the_jobs_and_give_their_key_to_nobody(tmp_path):
    machine = RemoteMachine()
    backend = opened(machine, tmp_path, price_per_circuit=0.3)
    measured(backend)
    (row,) = ledger_jobs(backend._jobs.ledger.folder)
    assert (row.state, row.circuits, row.price) == ("collected", 3, pytest.approx(0.9))
    assert row.two_qubit_gates
    machine.breaks = lambda: (_ for _ in ()).throw(ConnectionError)
    with pytest.raises(BackendError):
        measured(opened(machine, tmp_path, repetition=1))
    with pytest.raises(BackendError, match="was sent to qiskit"):
        wait(backend._jobs.ledger.folder, IonQConnection(url="http://127.0.0.1:9/v0.4"))


def test_the_jobs_of_a_named_machine_are_collected_and_cancelled_by_its_ledger(
    tmp_path, monkeypatch
):
    machine = RemoteMachine()

    def opens(options):
        return Machine(
            "faraway", f"ibm:{options.machine}", RunRoute(machine), machine.target, remote=True
        )

    monkeypatch.setitem(PROVIDERS, "ibm", Provider(opens, "ibm", "qiskit_ibm_runtime", remote=True))
    given = {
        "provider": "ibm",
        "machine": "torino",
        "ledger": tmp_path,
        "max_circuits": 100,
        "yes": True,
    }
    backend = create("qiskit", {**given, "shots": 2000, "circuits_per_job": 2, "deadline_s": 0.01})
    machine.breaks = lambda: [
        setattr(job, "state", JobStatus.RUNNING) for job in machine.jobs.values()
    ]
    with pytest.raises(BackendError, match="have not ended: job-1, job-2"):
        measured(backend)
    folder = tmp_path / "ibm-torino"
    assert ledgers_in(tmp_path) == [folder]
    assert open_jobs.is_of_qiskit(folder)
    monkeypatch.setattr(
        type(machine.jobs["job-1"]),
        "cancel",
        lambda job: setattr(job, "state", JobStatus.CANCELLED),
    )
    machine.jobs["job-2"].state = JobStatus.DONE
    monkeypatch.setattr(machine.jobs["job-2"], "cancel", 1 / 1, raising=False)
    assert open_jobs.cancel(folder) == [
        "job-1: canceled",
        "job-2: not canceled: TypeError: 'float' object is not callable",
    ]
    open_jobs.wait(folder)
    assert [row.state for row in ledger_jobs(folder)] == ["failed", "collected"]
    assert machine.log == [2, 1]
    assert open_jobs.cancel(folder) == []


def test_the_ledger_of_an_object_says_how_to_collect_its_jobs(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(machine.jobs["job-1"], "state", JobStatus.RUNNING)
    backend = opened(machine, tmp_path, deadline_s=0.01)
    with pytest.raises(BackendError, match="have not ended"):
        measured(backend)
    for act in (open_jobs.wait, open_jobs.cancel):
        with pytest.raises(BackendError, match="an object of Python, which no name opens again"):
            act(backend._jobs.ledger.folder)


def test_two_processes_share_no_ledger(tmp_path):
    backend = opened(RemoteMachine(), tmp_path)
    with backend._jobs.ledger.lock(), pytest.raises(LedgerError, match="is in use"):
        measured(opened(RemoteMachine(), tmp_path))
