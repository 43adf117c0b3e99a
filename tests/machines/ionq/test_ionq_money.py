"""Money: known before, refused in time, never more than agreed; what was charged; and gradients nobody asked for."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import nullcontext

import numpy as np
import pytest
from faulty_server import Fault, MockServer
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp

from ionq.helpers import (
    ask,
    assert_fails,
    assert_paid_once,
    assert_refused,
    assert_right,
    assert_served,
    make_problem,
    read_records,
)
from qllmft_backends.errors import CostRefusedError
from qllmft_machines import cancel_ledger, job_total, ledger_jobs, silence, wait
from qllmft_machines.cost import LedgerCharges
from qllmft_machines.errors import (
    IonQAuthError,
    JobFailedError,
    JobTimeoutError,
    NoAnswerWarning,
    PaidTrainingError,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
)
from qllmft_machines.ionq import library
from qllmft_machines.ledger.chunk import Attempt, Chunk, Setup
from qllmft_machines.sandbox import shapes

# The mock server's price of the problem's circuit at 1,000 shots, 12 one-qubit and 6 two-qubit
# gates, and its time.
EACH = 1000 * (12e-6 + 6e-5)
SECONDS = 1000 * (12 * 130e-6 + 6 * 970e-6)
NOBODY = r"nobody agreed to the price.*is no agreement. Set yes"
NO_PRICE = r"the server's price of a circuit is .*, expected a finite number of 0 or more"


def estimate_price(backend, problem, **more):
    return backend.estimate(problem.circuit, problem.values, **more)


def test_a_dry_run_counts_and_prices_and_sends_nothing(box, forte, problem, folder):
    estimate = estimate_price(forte(yes=False), problem)
    assert (estimate.circuits, estimate.known, estimate.jobs, estimate.shots) == (7, 0, 3, 1000)
    assert estimate.gates == "12 one-qubit and 6 two-qubit gates"
    assert (estimate.price, estimate.unit) == (pytest.approx(7 * EACH), "sandbox-credit")
    assert "for 7 circuits on" in str(estimate)
    assert box.store.totals()["requests"] == {"estimate": 1}
    assert not folder.exists()


@pytest.mark.parametrize("options", [{"max_cost": 0.4}, {"circuit_budget": 6}], ids=str)
def test_an_estimate_says_why_its_limits_would_refuse_the_call(forte, problem, options):
    estimate = estimate_price(forte(**options), problem)
    with pytest.raises(CostRefusedError) as refusal:
        forte(**options).submit(problem.circuit, problem.values)
    assert estimate.refusal == str(refusal.value)
    assert estimate_price(forte(max_cost=0.51), problem).refusal == ""
    offline = estimate_price(forte(max_cost=0.51), problem, offline=True)
    assert "USD, above max_cost = 0.51" in offline.refusal


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        (Fault("status", "estimate", code=503, times=-1), RemoteTransientError, "503.*offline=True"),
        (Fault("status", "estimate", code=401), IonQAuthError, "API key was not accepted"),
        (Fault("status", "estimate", code=404), RemoteRequestError, "answered 404"),
        (Fault("price", "estimate"), RemoteRequestError, "The server gives no price"),
        (Fault("price", "estimate", value=-1), RemoteRequestError, NO_PRICE),
        (Fault("drop_before", "estimate", times=-1), RemoteTransientError, "got no answer"),
    ],
)  # fmt: skip
def test_a_dry_run_without_a_price_is_an_error_that_says_why(
    box, forte, problem, fault, error, match, folder
):
    box.faults.arm(fault)
    with assert_refused(box, error, f"no price: .*{match}"):
        estimate_price(forte(retry_s=0.1), problem)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("own_job", "spent"),
    [({"results": [{0: 1.0}] * 3}, 6.0), ({"results": [None] * 3, "failure": "failed"}, 3.0)],
    ids=["collected", "failed"],
)
def test_a_second_job_of_a_chunk_counts_whatever_became_of_the_first(own_job, spent):
    setup = Setup("https://api.ionq.co/v0.4", "qpu.forte-1", "0" * 64, 3, 1000, 0)
    chunk = Chunk("0001", setup, np.zeros((3, 2)), price_each=1.0, unit="usd", **own_job)
    chunk.attempts = [Attempt("a" * 32)]
    chunk.job_id = "first"
    chunk.duplicates = ["second"]
    charges = LedgerCharges.from_chunks([chunk], setup.url)
    assert charges == LedgerCharges(spent, "usd", 0, 6)


def test_a_dry_run_does_not_wait_long_for_a_server_that_is_away(forte, problem, monkeypatch):
    # drawn pauses can add up to less than the seconds that are worth a word
    monkeypatch.setattr(silence, "QUIET_S", 0.0)
    with MockServer() as gone:
        url = gone.url
    began = time.monotonic()
    with (
        pytest.warns(NoAnswerWarning, match=f"{url}/.* does not answer"),
        pytest.raises(RemoteTransientError, match=r"no price: .*The server was not reached"),
    ):
        estimate_price(forte(url=url, retry_s=120.0), problem)
    assert time.monotonic() - began < 10


def test_a_dated_estimate_needs_no_server(box, forte, simulator, monkeypatch):
    """By hand: X is one pulse, R_Y two, R_Z none, CNOT two and a ZZ gate, swap six and three ZZ gates."""
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    circuit = QuantumCircuit(3)
    values = np.empty((2, 0))
    circuit.x(0)
    circuit.ry(0.3, 1)
    circuit.rz(0.2, 2)
    circuit.cx(0, 1)
    circuit.swap(1, 2)

    def estimate_offline(backend):
        return backend.estimate(circuit, values, offline=True)

    estimate = estimate_offline(forte(yes=False, known_answer_shots=0))
    assert (estimate.circuits, estimate.unit) == (2, "usd")
    assert estimate.price == pytest.approx(2 * (12.4166 + 1000 * (0.000220 * 11 + 0.000975 * 4)))
    phrases = "a dated estimate from Azure's prices", "11 native one-qubit and 4 ZZ"
    assert all(part in str(estimate) for part in (*phrases, "2024-12-05", "https://"))
    first = estimate_offline(forte(known_answer_shots=1000))
    assert "Each job begins with a check circuit" in str(first)
    check = 12.4166 + 1000 * (0.000220 * (6 + 4) + 0.000975 * 2)
    assert first.price == pytest.approx(estimate.price + check)
    mitigated = estimate_offline(forte(error_mitigation="debiasing", known_answer_shots=0))
    assert mitigated.price == pytest.approx(estimate.price + 2 * (97.50 - 12.4166))
    assert estimate_offline(simulator()).price == 0
    assert box.store.totals()["requests"] == {}


def test_the_estimate_leaves_out_what_is_paid_already(forte, problem):
    first = make_problem(7)
    first.values = problem.values[:3]
    first.exact = problem.exact[:3]
    ask(forte(), first)
    estimate = estimate_price(forte(), problem)
    assert (estimate.circuits, estimate.known) == (4, 3)
    assert estimate.price == pytest.approx(4 * EACH)


@pytest.mark.parametrize(
    ("options", "fault", "error", "match", "enough"),
    [
        ({"max_cost": 0.4}, {}, CostRefusedError, r"price is 0\.50 sandbox-credit, above max_cost = 0\.4", 0.51),
        (
            {"max_cost": 0.5},  # the price is 0.504: people read 0.50
            {},
            CostRefusedError,
            r"price is 0\.50 sandbox-credit, above max_cost = 0\.5\. .*or raise max_cost to 0\.51\.$",
            0.51,
        ),
        ({"circuit_budget": 6}, {}, CostRefusedError, "7 more circuits make 7, above circuit_budget = 6", None),
        ({"max_circuits": 6}, {}, CostRefusedError, "7 more circuits make 7 in the ledger, above max_circuits", None),
        ({"yes": False}, {}, CostRefusedError, NOBODY, None),
        ({"yes": False, "max_cost": 5}, {}, CostRefusedError, NOBODY, 5),
        ({"max_cost": 1e9}, {"kind": "status", "code": 404}, CostRefusedError, "the price is unknown", 1e9),
        *(({"max_cost": 1e9}, {"kind": "price", "value": price}, RemoteRequestError, NO_PRICE, None)
          for price in (-0.01, float("nan"), float("inf"), "12", True, [1], {"value": 1})),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused_before_it_is_sent(
    box, forte, problem, options, fault, error, match, enough
):
    if fault:
        box.faults.arm(Fault(**fault, on="estimate", times=-1))
    with assert_refused(box, error, match):
        ask(forte(**options), problem)
    box.faults.clear()
    assert_served(box, forte, problem, max_cost=enough, circuit_budget=7, max_circuits=7)


def test_a_price_below_a_cent_is_not_zero(forte, folder):
    """One circuit of 10 shots costs 0.00072."""
    problem = make_problem(1)
    backend = forte(shots=10)
    estimate = str(estimate_price(backend, problem))
    assert "Estimated price: 0.00072 sandbox-credit for 1 circuit" in estimate
    ask(backend, problem)
    assert [job.amount_text for job in ledger_jobs(folder)] == ["0.00072"]


def test_a_budget_counts_circuits_whose_acceptance_nothing_confirmed(box, forte, problem):
    box.faults.arm(Fault("drop_after", "submit"))
    box.faults.arm(Fault("status", "list", code=503, times=-1))
    backend = forte(circuit_budget=9, retry_s=0.1)
    assert_fails(backend, problem, RemoteError, "may have been accepted")
    box.faults.clear()
    assert_right(ask(backend, problem), problem)
    with assert_refused(box, CostRefusedError, "3 more circuits make 10, above circuit_budget = 9"):
        ask(backend, make_problem(3, seed=5))
    ask(backend, make_problem(2, seed=5))


def test_no_consent_is_left_after_contexts_that_end_out_of_order(box, forte, problem):
    """As in two threads: the first context ends before the second one."""
    confirmed = []
    backend = forte(yes=False)
    backend.attend(
        confirm=lambda estimate: confirmed.append(estimate.circuits) or len(confirmed) <= 2
    )
    first = backend.consent(estimate_price(backend, make_problem(2)))
    second = backend.consent(estimate_price(backend, problem))
    for context in (first, second):
        context.__enter__()
    for context in (first, second):
        context.__exit__(None, None, None)
    with assert_refused(box, CostRefusedError, "not confirmed"):
        ask(backend, make_problem(2))
    assert confirmed == [2, 7, 2]


def test_a_consent_is_to_a_price_in_its_unit(box, forte, problem, monkeypatch):
    confirmed_units = []
    backend = forte(yes=False)
    backend.attend(
        confirm=lambda estimate: confirmed_units.append(estimate.unit) or len(confirmed_units) == 1
    )
    with backend.consent(estimate_price(backend, problem)):
        monkeypatch.setattr(shapes, "PRICE_UNIT", "usd")
        with assert_refused(box, CostRefusedError, "not confirmed"):
            ask(backend, problem)
    assert confirmed_units == ["sandbox-credit", "usd"]


def run_in_fork(function):
    """Return what a function returns in a fork of this process, or the type and the text of its error."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        signal.alarm(10)
        try:
            text = str(function())
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    text = os.read(reader, 1 << 16).decode()
    os.close(reader)
    return text


@pytest.mark.parametrize("in_call", [False, True], ids=["idle", "in a call"])
def test_a_fork_sends_nothing_and_can_still_ask_for_the_price(box, forte, problem, in_call):
    """Consent and circuit_budget would count in each process. A call of another thread would never end in a fork."""
    backend = forte(yes=False)
    backend.attend(confirm=lambda _: True)
    with (
        backend.consent(estimate_price(backend, problem)),
        backend.jobs.writing() if in_call else nullcontext(),
    ):
        message = run_in_fork(lambda: ask(backend, problem))
        price = run_in_fork(lambda: estimate_price(backend, problem, offline=True).circuits)
    assert re.search(r"LedgerError: .*is a fork of it\. Nothing was sent\. Call .*create", message)
    assert price == "7"
    assert "submit" not in box.store.totals()["requests"]
    assert_right(ask(backend, problem), problem)


def test_the_price_is_told_before_anything_is_sent(box, forte, simulator, problem):
    announced = []

    def announce(estimate):
        announced.append(
            (estimate.circuits, estimate.price, estimate.unit, box.store.totals()["jobs"])
        )

    def attend(backend, **more):
        backend.attend(announce=announce, **more)
        return backend

    backend = attend(forte())
    ask(backend, problem)
    assert announced == [(7, pytest.approx(7 * EACH), "sandbox-credit", 0)]
    ask(backend, problem)  # all known: nothing is sent
    with assert_refused(box, CostRefusedError, "nobody agreed"):
        ask(attend(forte(yes=False, repetition=1)), problem)
    ask(attend(simulator()), problem)
    assert len(announced) == 1
    ask(attend(forte(yes=False, repetition=2), confirm=lambda estimate: True), problem)
    assert len(announced) == 2


def test_only_true_is_a_yes(box, forte, problem):
    confirmed_estimates = []
    backend = forte(yes=False)
    for answer in (None, "no", 0, False):
        backend.attend(
            confirm=lambda estimate, answer=answer: confirmed_estimates.append(estimate) or answer
        )
        with assert_refused(box, CostRefusedError, "not confirmed"):
            ask(backend, problem)
    assert [estimate.price for estimate in confirmed_estimates] == [pytest.approx(7 * EACH)] * 4
    backend.attend(confirm=lambda estimate: True)
    ask(backend, problem)
    assert_paid_once(box, 7)
    backend.attend()
    ask(backend, problem)  # all known: nothing to agree to


def test_the_simulator_is_free_and_has_no_energy(box, simulator, problem, folder):
    ask(simulator(), problem)
    assert "estimate" not in box.store.totals()["requests"]
    assert {row.kwh for row in ledger_jobs(folder)} == {None}
    problem.values += 1
    assert estimate_price(simulator(), problem).price == 0


def test_what_was_charged_is_in_the_ledger_beside_the_estimate(
    box, forte, problem, monkeypatch, folder
):
    """The server charges less than it estimated; the ceiling goes by what it charged."""
    charge = {"cost": {"value": 0.01, "unit": "sandbox-credit"}}
    monkeypatch.setattr(shapes, "cost", lambda job: charge)
    ask(forte(), problem)
    rows = ledger_jobs(folder)
    assert [row.price for row in rows] == pytest.approx([n * EACH for n in (3, 3, 1)])
    assert {(row.cost, row.unit) for row in rows} == {(0.01, "sandbox-credit")}
    assert str(job_total(rows)) == "3 jobs, 7 circuits: 0.03 sandbox-credit charged"
    problem.values += 0.1
    ask(forte(max_cost=0.54), problem)


def test_a_charge_that_is_none_is_left_out(box, forte, problem, folder):
    costs = [None, 3, {"value": -1}, {"value": "x", "unit": 1}]
    odd_answers = [None, [], {}, *({"cost": cost} for cost in costs)]
    for charge in odd_answers:
        box.faults.arm(Fault("value", "cost", value=charge))
    ask(forte(circuits_per_job=1), problem)
    assert box.store.requests["cost"] == len(odd_answers)
    assert {row.cost for row in ledger_jobs(folder)} == {None}


def test_a_ceiling_counts_all_calls_of_a_ledger(box, forte, problem, folder):
    backend = forte(max_cost=0.9)
    ask(backend, problem)
    problem.values += 0.1
    for capped in (backend, forte(max_cost=0.9)):  # the second: as in another process
        assert_fails(
            capped,
            problem,
            CostRefusedError,
            r"0\.50 sandbox-credit on top of 0\.50 for the ledger's jobs",
        )
    assert_paid_once(box, 7)
    ask(forte(max_cost=1.01), problem)
    ask(forte(max_cost=0.51, ledger=folder.with_name("another"), repetition=1), problem)
    assert box.store.totals()["circuits_paid"] == 21


def test_a_ceiling_counts_what_is_under_way_and_not_what_failed(box, forte, problem):
    box.faults.arm(Fault("job_failed", "submit", times=3))
    forte().submit(problem.circuit, problem.values)
    new_problem = make_problem(7, seed=9)
    assert_fails(forte(max_cost=0.9), new_problem, CostRefusedError, r"on top of 0\.50")
    assert_fails(forte(), problem, JobFailedError, "have no result")
    ask(forte(max_cost=0.9), new_problem)
    assert_paid_once(box, 7)


def test_a_ceiling_over_circuits_without_a_price(box, forte, simulator, problem):
    ask(simulator(), problem)  # free ones have one
    box.faults.arm(Fault("status", "estimate", code=404))
    box.faults.arm(Fault("status", "cost", code=404, times=-1))
    ask(forte(), problem)
    problem.values += 0.1
    assert_fails(
        forte(max_cost=1e9),
        problem,
        CostRefusedError,
        r"7 circuits have no price in sandbox-credit",
    )
    assert_paid_once(box, 14)


def test_a_gradient_through_hardware_is_refused(box, forte):
    with pytest.raises(
        PaidTrainingError,
        match=r"allow_paid_training=true and .*circuit_budget=N.*3 circuits per text",
    ):
        forte().gradient()
    assert box.store.totals()["requests"] == {}


def test_the_announcement_of_training_names_check_circuits(forte, simulator):
    paid = forte(allow_paid_training=True, circuit_budget=10)
    text = "sends up to 8 circuits, and stops at circuit_budget = 10 circuits. A job may have a check circuit"
    assert text in paid.training_note(2, 1, 2)
    unchecked = forte(allow_paid_training=True, circuit_budget=10, known_answer_shots=0)
    for backend in (unchecked, simulator()):
        assert "check circuit" not in backend.training_note(2, 1, 2)


def gradient_jobs(problem, observables):
    """Arguments of a gradient's run, by sample and observable."""
    values = [row for row in problem.values for _ in range(observables)]
    n = len(values)
    parameters = list(problem.circuit.parameters)
    return [problem.circuit] * n, problem.observables[:observables] * 2, values, [parameters] * n


@pytest.mark.parametrize(
    "call",
    [
        lambda backend, problem: backend.estimator().run(
            [(problem.circuit, problem.observables[0], problem.values)]
        ),
        lambda backend, problem: backend.gradient().run(*gradient_jobs(problem, 1)),
    ],
    ids=["estimator", "training"],
)
def test_the_estimator_and_training_ask_for_agreement_too(box, forte, call):
    backend = forte(yes=False, allow_paid_training=True, circuit_budget=10, max_cost=9)
    with assert_refused(box, CostRefusedError, "nobody agreed"):
        call(backend, make_problem(2)).result()


def test_paid_training_keeps_its_budget(box, forte):
    problem = make_problem(2)
    backend = forte(allow_paid_training=True, circuit_budget=10, circuits_per_job=50)
    assert backend.options.training_circuits(samples=2) == 6
    jobs = gradient_jobs(problem, 3)
    gradients = backend.gradient().run(*jobs).result().gradients
    assert [g.shape for g in gradients] == [problem.values[0].shape] * 6
    # 2 samples, 2 circuits each, whatever the number of observables; all in one job
    assert_paid_once(box, 4, jobs=1)
    gradient = backend.gradient()
    gradient.run(*jobs).result()  # the same seed: all known
    assert_paid_once(box, 4)
    gradient.run(*jobs).result()  # other signs
    assert box.store.totals()["circuits_paid"] == 8
    with pytest.raises(CostRefusedError, match="above circuit_budget = 10"):
        gradient.run(*jobs).result()
    assert box.store.totals()["circuits_paid"] == 8


def test_the_measured_energy_of_each_job_is_in_the_ledger(box, forte, problem, folder):
    assert_right(ask(forte(), problem), problem)
    rows = ledger_jobs(folder)
    assert [row.kwh for row in rows] == pytest.approx([n * SECONDS * 20 / 3600 for n in (3, 3, 1)])
    assert [row.billed_us for row in rows] == pytest.approx([1e6 * n * SECONDS for n in (3, 3, 1)])
    facts = {(r.machine_kw, r.qubits, r.one_qubit_gates, r.two_qubit_gates) for r in rows}
    assert facts == {(20.0, 3, 12, 6)}
    collected = [record for record in read_records(folder) if record["event"] == "collected"]
    assert [record["kwh"] for record in collected] == [row.kwh for row in rows]


def test_a_server_that_measures_nothing(box, forte, problem, folder, monkeypatch):
    odd = {"kwh": -1, "billed_quantum_compute_time_us": "x"}
    monkeypatch.setattr(shapes, "_stats", lambda job: odd)
    assert_right(ask(forte(), problem), problem)
    rows = ledger_jobs(folder)
    assert {(row.kwh, row.billed_us, row.machine_kw) for row in rows} == {(None, None, None)}


def test_results_do_not_wait_for_the_power_of_the_machine(box, forte, problem, folder):
    box.faults.arm(Fault("status", "backends", code=500, after=1, times=-1))
    assert_right(ask(forte(retry_s=0.0), problem), problem)
    assert all(row.kwh is not None and row.machine_kw is None for row in ledger_jobs(folder))
    assert_paid_once(box, 7)


def test_the_price_names_its_rates(box, forte, problem, monkeypatch):
    assert "It is not binding. IonQ bills by gates." in str(estimate_price(forte(), problem))
    monkeypatch.setattr(
        shapes, "_RATE_CARD", {"sku": "a", "unit": "compute_second", "unit_cost": 2.0}
    )
    answer = shapes.describe_price
    timed = {"estimated_quantum_compute_time_us": 7_380_000}
    monkeypatch.setattr(shapes, "describe_price", lambda *a, **b: answer(*a, **b) | timed)
    text = str(estimate_price(forte(), problem))
    assert "IonQ bills by compute_second. A circuit takes about 7.38 s of quantum" in text


def test_a_request_that_is_too_long_is_not_sent(box, forte, monkeypatch):
    problem = make_problem(3)
    with monkeypatch.context() as patch:
        patch.setattr(library, "JOB_MAX_BYTES", 1000)
        with assert_refused(
            box,
            RemoteRequestError,
            r"bytes, and IonQ takes up to 1,000\. Nothing was sent.*circuits_per_job",
        ):
            ask(forte(), problem)
    assert_served(box, forte, problem)


def test_consent_to_several_calls_ends_with_them_and_is_one_to_their_price(box, forte, problem):
    """Of the calls that were agreed to, one is left out; another call then asks, and so does one with more shots."""
    confirmed_calls = []
    backend = forte(yes=False)
    backend.attend(
        confirm=lambda estimate: confirmed_calls.append((estimate.circuits, estimate.shots)) or True
    )
    agreed = backend.merge_estimates([estimate_price(backend, problem)] * 2)
    with backend.consent(agreed):
        assert confirmed_calls == [(14, 1000)]
        backend.submit(problem.circuit, problem.values[:3])
        backend.submit(problem.circuit, problem.values[3:])
        assert len(confirmed_calls) == 1
        backend.in_round(9000, 1).submit(problem.circuit, problem.values[:2])
        assert confirmed_calls[1:] == [(2, 9000)]
    backend.in_round(1000, 2).submit(problem.circuit, problem.values[:1])
    assert confirmed_calls[2:] == [(1, 1000)]
    assert box.store.totals()["circuits_submitted"] == 7 + 2 + 1


def pauli_problem():
    """Three qubits, two rows of angles, and an observable in three bases, with its value by Qiskit."""
    angles = ParameterVector("x", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(angles[qubit], qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.rx(0.4, 1)
    observable = SparsePauliOp(["ZZI", "XXX", "YIY"], [1, 0.5, 0.7])
    values = np.array([[0.3, 0.7, 1.1], [1.0, 0.2, -0.4]])
    pubs = [(circuit, observable, values)]
    return pubs, StatevectorEstimator().run(pubs).result()[0].data.evs


def test_an_estimator_asks_once_for_all_bases(box, forte):
    pubs, exact = pauli_problem()
    confirmed = []
    backend = forte(yes=False)
    backend.attend(confirm=lambda estimate: confirmed.append(estimate.circuits) or True)
    result = backend.estimator().run(pubs).result()[0].data
    assert confirmed == [6]
    assert box.store.totals()["requests"]["estimate"] == 6, (
        "each basis before consent, and as it is sent"
    )
    assert np.abs(result.evs - exact).max() < 5 * result.stds.max()


@pytest.mark.parametrize(
    "options", [{"yes": False}, {"max_cost": 0.12}, {"circuit_budget": 4}], ids=str
)
def test_an_estimator_that_is_refused_sends_no_basis(box, forte, options):
    """Two of the six circuits are one basis, which the limits would allow by itself."""
    pubs, _ = pauli_problem()
    backend = forte(**options)
    backend.attend(confirm=lambda estimate: estimate.circuits < 6)
    with assert_refused(
        box, CostRefusedError, "not confirmed|above max_cost|6 more circuits make 6"
    ):
        backend.estimator().run(pubs).result()


def test_a_sampler_asks_once_for_all_pubs(box, forte):
    circuit, _, values = pauli_problem()[0][0]
    confirmed = []
    measured = circuit.measure_all(inplace=False)
    backend = forte(yes=False)
    backend.attend(
        confirm=lambda estimate: confirmed.append(estimate.circuits) or len(confirmed) == 1
    )
    backend.sampler().run([(measured, values), (measured, 0.5 * values)]).result()
    assert confirmed == [4]
    with assert_refused(box, CostRefusedError, "not confirmed"):
        backend.sampler().run([(measured, 0.7 * values), (measured, 0.9 * values)]).result()
    assert confirmed == [4, 4]


def test_circuits_of_a_canceled_job_are_not_free(box, forte, problem, folder, connection):
    box.faults.arm(Fault("never_ends", "submit", times=3))
    hasty = forte(deadline_s=0.5, poll_interval_s=0.1)
    assert_fails(hasty, problem, JobTimeoutError, "3 jobs have not ended")
    cancel_ledger(folder, connection)
    wait(folder, connection)
    estimate = estimate_price(forte(), problem)
    assert (estimate.known, estimate.lost) == (0, 7)
    assert "in the ledger and free" not in str(estimate)
    assert "7 circuits have no result, because jobs failed" in str(estimate)
    assert "7 of 7 circuits have no result" in estimate.refusal
    assert "The others" not in estimate.refusal
    assert_fails(forte(), problem, JobFailedError, re.escape(estimate.refusal))
    retry = estimate_price(forte(retry_failed=True), problem)
    assert (retry.circuits, retry.lost, retry.refusal) == (7, 0, "")
