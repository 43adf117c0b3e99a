"""Jobs of a remote machine: consent, limits, resuming, and doubtful jobs. No circuit is sent twice."""

import numpy as np
import pytest
from qiskit.providers import JobStatus
from remote_machine import RemoteMachine
from test_local_machines import OBSERVABLES, VALUES, assert_close, circuit

from qllmft_backends import BackendError, create, remote_or_none
from qllmft_backends.remote import (
    CostRefusedError,
    DamagedRecordWarning,
    DuplicateJobWarning,
    IonQConnection,
    JobFailedError,
    JobsInterrupt,
    LedgerError,
    RemoteError,
    cancel_ledger,
    ledger_jobs,
    wait,
)
from qllmft_backends.remote.ledger.ledger import ledgers_in
from qllmft_backends.remote.machines import providers
from qllmft_backends.remote.machines.providers import PROVIDERS, Machine
from qllmft_backends.remote.machines.runners import BackendRunner


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
    with pytest.raises(CostRefusedError, match=r"estimated price is 6\.90 usd, above max_cost = 6"):
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
    assert "1 job(s) continue at the server" in backend.running_jobs()
    measured(opened(machine, tmp_path, retry_doubtful=True))
    assert machine.log == [3, 3]


class Provider(RemoteMachine):
    """Machine of a provider that lists jobs by their tags, ``lag`` searches after they were accepted."""

    def __init__(self, lag=0, **more):
        super().__init__(**more)
        self.tags, self.lag, self.searches = {}, lag, 0

    def find(self, tag):
        self.searches += 1
        found = [job_id for job_id, of in self.tags.items() if of == tag]
        return found if self.searches > self.lag else []


class TaggedRunner(BackendRunner):
    searches = True

    def start(self, circuits, shots, seed, tag):
        self._backend.tags[f"job-{len(self._backend.jobs) + 1}"] = tag
        return super().start(circuits, shots, seed, tag)

    def find(self, tag):
        return self._backend.find(tag)


@pytest.fixture
def listing(monkeypatch, tmp_path, prompt_lists):
    """Make a backend of a provider that lists jobs by their tags."""

    def opens(options):
        return Machine("faraway", "ibm:torino", machine, TaggedRunner(machine), remote=True)

    def make(**options):
        given = {
            "provider": "ibm",
            "machine": "torino",
            "ledger": tmp_path,
            "max_circuits": 100,
            "yes": True,
            "shots": 2000,
            "circuits_per_job": 2,
            "poll_interval_s": 0.01,
            "settle_s": 0.5,
            **options,
        }
        return create("qiskit", given)

    machine = Provider()
    monkeypatch.setitem(
        PROVIDERS, "ibm", providers.Provider(opens, "ibm", "qiskit_ibm_runtime", remote=True)
    )
    make.machine = machine
    return make


@pytest.mark.parametrize("lag", [0, 5])
def test_a_lost_answer_of_a_provider_with_a_search_is_paid_once(listing, lag):
    """The provider lists the accepted job at once, or some searches later."""
    machine, lines = listing.machine, iter([True])

    def breaks():
        if next(lines, False):
            machine.searches, machine.lag = 0, lag
            raise ConnectionError("the line is dead")

    machine.breaks = breaks
    assert_close(measured(listing()))
    assert machine.log == [2, 1]
    assert_close(measured(listing()))
    assert machine.log == [2, 1]


def test_a_killed_sending_is_found_by_its_tag(listing):
    machine = listing.machine
    machine.breaks = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        measured(listing())
    machine.breaks, machine.searches, machine.lag = None, 0, 3
    assert_close(measured(listing()))
    assert machine.log == [2, 1]


def test_a_job_that_is_listed_after_the_patience_is_a_duplicate(listing, tmp_path):
    machine = listing.machine
    machine.lag, lines = 10**6, iter([True])

    def breaks():
        if next(lines, False):
            raise ConnectionError("the line is dead")

    machine.breaks = breaks
    with pytest.raises(RemoteError, match="was not accepted and costs nothing"):
        measured(listing(settle_s=0.05))
    measured(listing(settle_s=0.05))
    assert machine.log == [2, 2, 1]
    machine.lag = 0
    with pytest.warns(DuplicateJobWarning, match="cancel it with the provider's own tools"):
        measured(listing())
    states = [row.state for row in ledger_jobs(tmp_path / "ibm-torino")]
    assert states == ["collected", "duplicate", "collected"]


def test_a_provider_that_is_away_is_asked_again(listing):
    machine, away = listing.machine, iter([True, True])
    find = machine.find

    def flaky(tag):
        if next(away, False):
            raise ConnectionError("no route")
        return find(tag)

    machine.find = flaky
    assert_close(measured(listing()))
    assert machine.log == [2, 1]
    machine.find = lambda tag: (_ for _ in ()).throw(ConnectionError("no route"))
    with pytest.raises(
        RemoteError, match="faraway did not answer a search by tags: ConnectionError"
    ):
        measured(listing(repetition=1, retry_s=0.05))
    assert machine.log == [2, 1]


def test_the_ceiling_sums_what_each_job_cost_in_one_currency(tmp_path):
    machine = RemoteMachine()
    measured(opened(machine, tmp_path, price_per_circuit=3.0))  # 9 usd
    cheap = {"price_per_circuit": 0.5, "repetition": 1}
    with pytest.raises(CostRefusedError, match=r"1\.50 usd on top of 9\.00 for the ledger's jobs"):
        measured(opened(machine, tmp_path, **cheap, max_cost=10))
    with pytest.raises(CostRefusedError, match="circuits of the ledger have no price in eur"):
        measured(opened(machine, tmp_path, **cheap, max_cost=100, price_unit="eur"))
    assert machine.log == [3]
    measured(opened(machine, tmp_path, **cheap, max_cost=10.5))
    assert machine.log == [3, 3]


@pytest.mark.parametrize("seed", range(8))
def test_no_sequence_of_calls_spends_more_than_its_ceiling(tmp_path, seed):
    """Prices and currencies change between the calls; each job is paid at the price of its own."""
    rng, machine, spent = np.random.default_rng(seed), RemoteMachine(), {"usd": 0.0, "eur": 0.0}
    refused = 0
    for repetition in range(12):
        price, unit = float(rng.integers(1, 9)), str(rng.choice(["usd", "usd", "usd", "eur"]))
        samples, sent = int(rng.choice([1, 3, 12])), sum(machine.log)
        ceiling = float(rng.integers(20, 200))
        given = {"price_per_circuit": price, "price_unit": unit, "max_cost": ceiling}
        backend = opened(machine, tmp_path, repetition=repetition, circuits_per_job=5, **given)
        values = rng.uniform(-2, 2, (samples, 9))
        try:
            backend.expectations(circuit(), values, OBSERVABLES)
        except CostRefusedError:
            assert sum(machine.log) == sent
            refused += 1
            continue
        spent[unit] += price * (sum(machine.log) - sent)
        assert sum(spent.values()) == spent[unit] <= ceiling
    assert 0 < refused < 12


def test_no_answer_that_cannot_be_read_again_is_recorded(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: machine.jobs["job-1"].counts.__setitem__(0, {"0000": 2001, "0001": -1})
    with pytest.raises(JobFailedError, match="expected 2000 of 4 qubits, none negative"):
        measured(opened(machine, tmp_path))
    machine.jobs["job-1"].counts[0] = {"0000": 2000}
    measured(opened(machine, tmp_path))
    assert machine.log == [3]


def test_a_damaged_announcement_counts_as_sent(tmp_path):
    """At a provider without a search nothing else tells whether its job was accepted."""

    def breaks():
        raise ConnectionError("the line is dead")

    machine = RemoteMachine(breaks=breaks)
    backend = opened(machine, tmp_path)
    with pytest.raises(BackendError, match="the line is dead"):
        measured(backend)
    path = backend.jobs.ledger.path
    planned, sent = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(planned + sent[:40] + b"\n")
    with (
        pytest.warns(DamagedRecordWarning),
        pytest.raises(BackendError, match="was sent to faraway without an answer"),
    ):
        measured(opened(machine, tmp_path))
    assert machine.log == [3]


def test_a_job_without_an_id_is_doubtful(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(machine.jobs["job-1"], "_job_id", "")
    with pytest.raises(
        BackendError, match=r"sending chunk 0001 to faraway failed: .*job's id is ''"
    ):
        measured(opened(machine, tmp_path))
    with pytest.raises(BackendError, match="was sent to faraway without an answer"):
        measured(opened(machine, tmp_path))
    assert machine.log == [3]


def test_an_interrupted_wait_is_collected_later(tmp_path):
    def interrupted(job_id, status):
        raise KeyboardInterrupt

    machine = RemoteMachine()
    backend = opened(machine, tmp_path, circuits_per_job=2)
    backend.attend(on_progress=interrupted)
    with pytest.raises(JobsInterrupt, match="2 job\\(s\\) continue at the server") as caught:
        measured(backend)
    assert "the same call with the same object of Python" in str(caught.value)
    assert machine.log == [2, 1]
    assert_close(measured(opened(machine, tmp_path, circuits_per_job=2)))
    assert machine.log == [2, 1]


def test_a_failed_job_is_sent_again_only_on_request(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(machine.jobs["job-1"], "state", JobStatus.ERROR)
    with pytest.raises(BackendError, match="the provider says ERROR"):
        measured(opened(machine, tmp_path))
    with pytest.raises(BackendError, match="Set retry_failed"):
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
    (row,) = ledger_jobs(backend.jobs.ledger.folder)
    assert (row.state, row.circuits, row.price) == ("collected", 3, pytest.approx(0.9))
    assert row.two_qubit_gates
    machine.breaks = lambda: (_ for _ in ()).throw(ConnectionError)
    with pytest.raises(BackendError):
        measured(opened(machine, tmp_path, repetition=1))
    with pytest.raises(BackendError, match="an object of Python, which no name opens again"):
        wait(backend.jobs.ledger.folder, IonQConnection(url="http://127.0.0.1:9/v0.4"))


def test_the_jobs_of_a_named_machine_are_collected_and_cancelled_by_its_ledger(
    tmp_path, monkeypatch
):
    machine = RemoteMachine()

    def opens(options):
        runner = BackendRunner(machine)
        return Machine("faraway", f"ibm:{options.machine}", machine, runner, remote=True)

    monkeypatch.setitem(
        PROVIDERS, "ibm", providers.Provider(opens, "ibm", "qiskit_ibm_runtime", remote=True)
    )
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
    with pytest.raises(BackendError, match=r"have not ended: job-1 \(RUNNING\), job-2"):
        measured(backend)
    folder = tmp_path / "ibm-torino"
    assert ledgers_in(tmp_path) == [folder]
    monkeypatch.setattr(
        type(machine.jobs["job-1"]),
        "cancel",
        lambda job: setattr(job, "state", JobStatus.CANCELLED),
    )
    machine.jobs["job-2"].state = JobStatus.DONE
    monkeypatch.setattr(machine.jobs["job-2"], "cancel", 1 / 1, raising=False)
    assert cancel_ledger(folder, IonQConnection()) == [
        "job-1: canceled",
        "job-2: not canceled: faraway did not answer the cancellation of a job: TypeError: 'float' object is not "
        "callable. Nothing is lost: the job's id is in the ledger; run again later.",
    ]
    wait(folder, IonQConnection())
    assert [row.state for row in ledger_jobs(folder)] == ["failed", "collected"]
    assert machine.log == [2, 1]
    assert cancel_ledger(folder, IonQConnection()) == []


def test_the_ledger_of_an_object_says_how_to_collect_its_jobs(tmp_path):
    machine = RemoteMachine()
    machine.breaks = lambda: setattr(machine.jobs["job-1"], "state", JobStatus.RUNNING)
    backend = opened(machine, tmp_path, deadline_s=0.01)
    with pytest.raises(BackendError, match="have not ended"):
        measured(backend)
    for act in (wait, cancel_ledger):
        with pytest.raises(BackendError, match="an object of Python, which no name opens again"):
            act(backend.jobs.ledger.folder, IonQConnection())


def test_two_processes_share_no_ledger(tmp_path):
    machine = RemoteMachine()
    backend = opened(machine, tmp_path)
    with backend.jobs.ledger.lock(), pytest.raises(LedgerError, match="is in use"):
        measured(opened(machine, tmp_path))
