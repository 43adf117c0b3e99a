"""Jobs of a remote machine: consent, limits, resuming, and doubtful jobs. No circuit is sent twice."""

import numpy as np
import pytest
from qiskit.providers import JobStatus
from remote_machine import RemoteMachine, open_backend
from test_local_machines import OBSERVABLES, VALUES, assert_close, circuit

from qllmft_backends import BackendError, create, remote_or_none
from qllmft_backends.errors import CostRefusedError
from qllmft_machines import IonQConnection, JobsInterrupt, cancel_ledger, ledger_jobs, wait
from qllmft_machines.errors import DamagedRecordWarning, JobFailedError
from qllmft_machines.ledger.ledger import ledgers_in
from qllmft_machines.qiskit_machines.providers import PROVIDERS, Machine, Provider
from qllmft_machines.qiskit_machines.route import BackendRunner


def measure(backend):
    return backend.expectations(circuit(), VALUES, OBSERVABLES)


def assert_fails(backend, error, match):
    with pytest.raises(error, match=match) as caught:
        measure(backend)
    return str(caught.value)


def lost_line():
    raise ConnectionError("the line is dead")


def test_the_same_call_in_another_process_reads_the_ledger(tmp_path):
    machine = RemoteMachine()
    first = measure(open_backend(machine, tmp_path, circuits_per_job=2))
    assert machine.log == [2, 1]
    assert_close(first)
    second_backend = open_backend(machine, tmp_path, circuits_per_job=2)
    np.testing.assert_array_equal(measure(second_backend).values, first.values)
    assert machine.log == [2, 1]
    assert second_backend.capabilities.remote
    assert second_backend.capabilities.paid
    assert remote_or_none(second_backend) is second_backend
    assert second_backend.has_ledger
    assert second_backend.running_jobs() == ""
    measure(open_backend(machine, tmp_path, repetition=1))
    assert machine.log == [2, 1, 3]


def test_without_price_limit_or_consent_nothing_is_sent(tmp_path):
    machine = RemoteMachine()
    price = {"price_per_circuit": 0.3, "price_per_shot": 0.001}
    for options, match in (
        (
            {"max_circuits": None},
            r"price of 3 circuits on faraway is not known\..* Set max_circuits",
        ),
        ({"max_circuits": 2}, r"3 more circuits make 3 in the ledger, above max_circuits = 2"),
        ({**price, "max_cost": 6}, r"estimated price is 6\.90 USD, above max_cost = 6"),
        ({"yes": False}, "nobody agreed to the price, so nothing was sent"),
    ):
        assert_fails(open_backend(machine, tmp_path, **options), CostRefusedError, match)
    unconfirmed = open_backend(machine, tmp_path, yes=False, price_per_circuit=0.5)
    estimates = []
    unconfirmed.attend(confirm=estimates.append)
    assert_fails(
        unconfirmed,
        CostRefusedError,
        r"not confirmed, so nothing.* price: 1\.50 USD for 3 circuits on faraway",
    )
    assert [estimate.price for estimate in estimates] == [1.5]
    assert machine.log == []
    unconfirmed.attend(confirm=lambda estimate: True)
    measure(unconfirmed)
    assert machine.log == [3]
    assert unconfirmed.estimate(circuit(), VALUES).circuits == 0


def test_a_round_costs_the_shots_of_the_round(tmp_path):
    """By hand: 3 circuits of 100 shots, each 0.30 and 0.001 per shot."""
    machine = RemoteMachine()
    backend = open_backend(machine, tmp_path, price_per_circuit=0.3, price_per_shot=0.001)
    in_round = backend.in_round(100, 1)
    assert in_round.estimate(circuit(), VALUES).price == pytest.approx(3 * 0.4)
    measure(in_round)
    assert [row.price for row in ledger_jobs(*ledgers_in(tmp_path))] == pytest.approx([3 * 0.4])
    assert backend.estimate(circuit(), VALUES).price == pytest.approx(3 * 2.3)


def test_a_job_that_was_accepted_without_an_answer_is_not_sent_again(tmp_path):
    machine = RemoteMachine(breaks=lost_line)
    assert_fails(
        open_backend(machine, tmp_path),
        BackendError,
        "sending chunk 0001 to faraway failed: ConnectionError: the line is dead",
    )
    machine.breaks = None
    backend = open_backend(machine, tmp_path)
    assert_fails(
        backend,
        BackendError,
        "was sent to faraway without an answer, and this provider has no search",
    )
    assert machine.log == [3]
    assert "1 job continues at the server" in backend.running_jobs()
    measure(open_backend(machine, tmp_path, retry_doubtful=True))
    assert machine.log == [3, 3]


def test_the_ceiling_sums_what_each_job_cost_in_one_currency(tmp_path):
    machine = RemoteMachine()
    measure(open_backend(machine, tmp_path, price_per_circuit=3.0))  # 9 usd
    cheap = {"price_per_circuit": 0.5, "repetition": 1}
    for options, match in (
        ({"max_cost": 10}, r"1\.50 USD on top of 9\.00 for the ledger's jobs"),
        (
            {"max_cost": 100, "price_unit": "eur"},
            "the ledger, and .* circuits have no price in EUR",
        ),
    ):
        assert_fails(open_backend(machine, tmp_path, **cheap, **options), CostRefusedError, match)
    assert machine.log == [3]
    measure(open_backend(machine, tmp_path, **cheap, max_cost=10.5))
    assert machine.log == [3, 3]


@pytest.mark.parametrize("seed", range(8))
def test_no_sequence_of_calls_spends_more_than_its_ceiling(tmp_path, seed):
    """Prices and currencies change between the calls; each job is paid at the price of its own."""
    rng = np.random.default_rng(seed)
    machine = RemoteMachine()
    spent = {"usd": 0.0, "eur": 0.0}
    refused = 0
    for repetition in range(12):
        price = float(rng.integers(1, 9))
        unit = str(rng.choice(["usd", "usd", "usd", "eur"]))
        samples = int(rng.choice([1, 3, 12]))
        circuits_sent = sum(machine.log)
        ceiling = float(rng.integers(20, 200))
        options = {"price_per_circuit": price, "price_unit": unit, "max_cost": ceiling, "shots": 50}
        backend = open_backend(
            machine, tmp_path, repetition=repetition, circuits_per_job=5, **options
        )
        values = rng.uniform(-2, 2, (samples, 9))
        try:
            backend.expectations(circuit(), values, OBSERVABLES)
        except CostRefusedError:
            assert sum(machine.log) == circuits_sent
            refused += 1
            continue
        spent[unit] += price * (sum(machine.log) - circuits_sent)
        assert sum(spent.values()) == spent[unit] <= ceiling
    assert 0 < refused < 12


@pytest.mark.parametrize("counts", [{"0000": 2001, "0001": -1}, {"0000": 1999}], ids=str)
def test_no_answer_that_cannot_be_read_again_is_recorded(tmp_path, counts):
    machine = RemoteMachine()
    machine.breaks = lambda: machine.jobs["job-1"].counts.__setitem__(0, counts)
    assert_fails(
        open_backend(machine, tmp_path),
        JobFailedError,
        rf"answered {sum(counts.values())} shots, expected 2000 of 4 qubits, none negative",
    )
    machine.jobs["job-1"].counts[0] = {"0000": 2000}
    measure(open_backend(machine, tmp_path))
    assert machine.log == [3]


def test_a_damaged_announcement_counts_as_sent(tmp_path):
    """At a provider without a search nothing else tells whether its job was accepted."""
    machine = RemoteMachine(breaks=lost_line)
    backend = open_backend(machine, tmp_path)
    assert_fails(backend, BackendError, "the line is dead")
    path = backend.jobs.ledger.path
    planned, sending = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(planned + sending[:40] + b"\n")
    with pytest.warns(DamagedRecordWarning):
        assert_fails(
            open_backend(machine, tmp_path), BackendError, "was sent to faraway without an answer"
        )
    assert machine.log == [3]


def test_a_job_without_an_id_is_doubtful(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(machine.jobs["job-1"], "_job_id", "")
    for match in (
        r"sending chunk 0001 to faraway failed: .*job's id is ''",
        "was sent to faraway without an answer",
    ):
        assert_fails(open_backend(machine, tmp_path), BackendError, match)
    assert machine.log == [3]


def test_an_interrupted_wait_is_collected_later(tmp_path):
    def interrupt(job_id, status):
        raise KeyboardInterrupt

    machine = RemoteMachine()
    backend = open_backend(machine, tmp_path, circuits_per_job=2)
    backend.attend(on_progress=interrupt)
    message = assert_fails(backend, JobsInterrupt, r"2 jobs continue at the server")
    assert "the same call with the same object of Python" in message
    assert machine.log == [2, 1]
    assert_close(measure(open_backend(machine, tmp_path, circuits_per_job=2)))
    assert machine.log == [2, 1]


def test_a_failed_job_is_sent_again_only_on_request(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(machine.jobs["job-1"], "state", JobStatus.ERROR)
    for match in ("the provider says ERROR", "Set retry_failed"):
        assert_fails(open_backend(machine, tmp_path), BackendError, match)
    assert machine.log == [3]
    machine.breaks = None
    assert_close(measure(open_backend(machine, tmp_path, retry_failed=True)))


def test_training_through_a_remote_machine_is_refused(tmp_path):
    backend = open_backend(RemoteMachine(), tmp_path)
    for ask in (backend.gradient, lambda: backend.training_note(10, 1, 1)):
        with pytest.raises(BackendError, match="Train on adjoint"):
            ask()
    with pytest.raises(BackendError, match="each shot has a price"):
        backend.outcomes(circuit(), VALUES, 5, np.random.default_rng(0))


def test_ionq_s_commands_list_the_jobs_and_give_their_key_to_nobody(tmp_path):
    machine = RemoteMachine()
    backend = open_backend(machine, tmp_path, price_per_circuit=0.3)
    measure(backend)
    (row,) = ledger_jobs(backend.jobs.ledger.folder)
    assert (row.state, row.circuits, row.price) == ("collected", 3, pytest.approx(0.9))
    assert row.two_qubit_gates
    machine.breaks = lost_line
    assert_fails(open_backend(machine, tmp_path, repetition=1), BackendError, "the line is dead")
    with pytest.raises(BackendError, match="an object of Python, which no name opens again"):
        wait(backend.jobs.ledger.folder, IonQConnection(url="http://127.0.0.1:9/v0.4"))


def test_the_jobs_of_a_named_machine_are_collected_and_cancelled_by_its_ledger(
    tmp_path, monkeypatch
):
    machine = RemoteMachine()

    def opens(options):
        address = f"ibm:{options.machine}"
        runner = BackendRunner(machine)
        return Machine("faraway", address, machine, runner, remote=True)

    monkeypatch.setitem(PROVIDERS, "ibm", Provider(opens, "ibm", remote=True))
    options = {"provider": "ibm", "machine": "torino", "max_circuits": 100, "yes": True}
    options |= {"ledger": tmp_path, "shots": 2000, "circuits_per_job": 2, "deadline_s": 0.01}

    def busy():
        for job in machine.jobs.values():
            job.state = JobStatus.RUNNING

    machine.breaks = busy
    assert_fails(
        create("qiskit", options), BackendError, r"have not ended: job-1 \(RUNNING\), job-2"
    )
    folder = tmp_path / "ibm-torino"
    assert ledgers_in(tmp_path) == [folder]
    running_job, ended_job = machine.jobs.values()
    monkeypatch.setattr(
        type(running_job), "cancel", lambda job: setattr(job, "state", JobStatus.CANCELLED)
    )
    ended_job.state = JobStatus.DONE
    monkeypatch.setattr(ended_job, "cancel", 1 / 1, raising=False)
    assert cancel_ledger(folder, IonQConnection()) == [
        "job-1: canceled",
        "job-2: not canceled: faraway did not answer the cancellation of a job: TypeError: 'float' object is not "
        "callable. Nothing is lost: the job's id is in the ledger. Run again later.",
    ]
    wait(folder, IonQConnection())
    assert [row.state for row in ledger_jobs(folder)] == ["failed", "collected"]
    assert machine.log == [2, 1]
    assert cancel_ledger(folder, IonQConnection()) == []
    machine.breaks = lost_line
    assert_fails(create("qiskit", options | {"repetition": 1}), BackendError, "the line is dead")
    assert cancel_ledger(folder, IonQConnection()) == [
        "chunk 0003: sent without an answer. faraway has no search by tags. Look for the job in the provider's list, "
        "and cancel it there."
    ]


def test_the_ledger_of_an_object_says_how_to_collect_its_jobs(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(machine.jobs["job-1"], "state", JobStatus.RUNNING)
    backend = open_backend(machine, tmp_path, deadline_s=0.01)
    assert_fails(backend, BackendError, r"1 job has not ended: job-1 \(RUNNING\)")
    for act in (wait, cancel_ledger):
        with pytest.raises(BackendError, match="an object of Python, which no name opens again"):
            act(backend.jobs.ledger.folder, IonQConnection())
