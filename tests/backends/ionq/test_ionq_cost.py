"""Money: known before, refused in time, never more than agreed; and gradients that were not asked for."""

from __future__ import annotations

import time

import numpy as np
import pytest
from qiskit import QuantumCircuit

from ionq.helpers import ask, assert_paid_once, assert_served, make_problem, refused
from qllmft.cli.consent import show_estimate
from qllmft.errors import UserError
from qllmft_backends.remote import (
    CostRefusedError,
    IonQAuthError,
    RemoteRequestError,
    RemoteTransientError,
    job_total,
    ledger_jobs,
)
from qllmft_backends.sandbox import Fault, MockServer

# The mock server's price of the problem's circuit at 1,000 shots: 12 one-qubit and 6 two-qubit
# gates.
EACH = 1000 * (12e-6 + 6e-5)


def test_a_dry_run_counts_and_prices_and_sends_nothing(box, forte, problem, folder):
    estimate = forte(yes=False).estimate(problem.circuit, problem.values)
    assert (estimate.circuits, estimate.known, estimate.jobs, estimate.shots) == (7, 0, 3, 1000)
    assert estimate.gates == "12 one-qubit and 6 two-qubit gates a circuit"
    assert estimate.price == pytest.approx(7 * EACH)
    assert estimate.unit == "sandbox-credit"
    assert "7 circuits to send in 3 jobs" in str(estimate)
    assert box.store.totals()["requests"] == {"estimate": 1}
    assert not folder.exists()


@pytest.mark.parametrize("options", [{"max_cost": 0.4}, {"circuit_budget": 6}], ids=str)
def test_an_estimate_says_why_its_limits_would_refuse_the_call(forte, problem, options):
    estimate = forte(**options).estimate(problem.circuit, problem.values)
    with pytest.raises(CostRefusedError) as refusal:
        forte(**options).submit(problem.circuit, problem.values)
    assert estimate.refusal == str(refusal.value)
    assert forte(max_cost=0.51).estimate(problem.circuit, problem.values).refusal == ""
    offline = forte(max_cost=0.51).estimate(problem.circuit, problem.values, offline=True)
    assert "usd, above max_cost = 0.51" in offline.refusal

    with pytest.raises(UserError, match="dry run: the call would be refused: "):
        show_estimate(estimate)


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        (Fault("status", "estimate", code=503, times=-1), RemoteTransientError, "no price: .*503.*offline=True"),
        (Fault("status", "estimate", code=401), IonQAuthError, "no price: .*API key was not accepted"),
        (Fault("status", "estimate", code=404), RemoteRequestError, "no price: .*answered 404"),
        (Fault("price", "estimate", value=None), RemoteRequestError, "no price: the server gives no price"),
        (Fault("drop_before", "estimate", times=-1), RemoteTransientError, "no price: .*got no answer"),
    ],
)  # fmt: skip
def test_a_dry_run_without_a_price_is_an_error_that_says_why(
    box, forte, problem, fault, error, match, folder
):
    box.faults.arm(fault)
    with pytest.raises(error, match=match):
        forte(retry_s=0.1).estimate(problem.circuit, problem.values)
    assert not folder.exists()


def test_a_price_that_is_none(box, forte, problem):
    box.faults.arm(Fault("price", "estimate", value=-1))
    with refused(box, RemoteRequestError, f"no price: {NO_PRICE}"):
        forte().estimate(problem.circuit, problem.values)
    box.faults.arm(Fault("status", "estimate", code=404))
    assert_served(box, forte, problem)  # yes, without a price


def test_a_dry_run_does_not_wait_long_for_a_server_that_is_away(forte, problem):
    with MockServer() as gone:
        url = gone.url
    began = time.monotonic()
    with pytest.raises(RemoteTransientError, match=r"no price: .*The server was not reached"):
        forte(url=url, retry_s=120.0).estimate(problem.circuit, problem.values)
    assert time.monotonic() - began < 10


def test_a_dated_estimate_needs_no_server(box, forte, simulator, monkeypatch):
    """By hand: X is one pulse, R_Y two, R_Z none, CNOT two and a ZZ gate, swap six and three ZZ gates."""
    monkeypatch.delenv("QISKIT_IONQ_API_TOKEN")
    circuit = QuantumCircuit(3)
    circuit.x(0)
    circuit.ry(0.3, 1)
    circuit.rz(0.2, 2)
    circuit.cx(0, 1)
    circuit.swap(1, 2)
    values = np.empty((2, 0))
    estimate = forte(yes=False, known_answer_shots=0).estimate(circuit, values, offline=True)
    assert (estimate.circuits, estimate.unit) == (2, "usd")
    assert estimate.price == pytest.approx(2 * (12.4166 + 1000 * (0.000220 * 11 + 0.000975 * 4)))
    for part in (
        "a dated estimate, not the server's price",
        "2024-12-05",
        "https://",
        "11 native one-qubit and 4 ZZ",
    ):
        assert part in str(estimate)
    first = forte(known_answer_shots=1000).estimate(circuit, values, offline=True)
    assert "with a circuit of known answer first in each job" in str(first)
    assert first.price == pytest.approx(
        estimate.price + 12.4166 + 1000 * (0.000220 * (6 + 4) + 0.000975 * 2)
    )
    mitigated = forte(error_mitigation="debiasing", known_answer_shots=0).estimate(
        circuit, values, offline=True
    )
    assert mitigated.price == pytest.approx(estimate.price + 2 * (97.50 - 12.4166))
    assert simulator().estimate(circuit, values, offline=True).price == 0
    assert box.store.totals()["requests"] == {}


def test_the_estimate_leaves_out_what_is_paid_already(forte, problem):
    first = make_problem(7)
    first.values, first.exact = problem.values[:3], problem.exact[:3]
    ask(forte(), first)
    estimate = forte().estimate(problem.circuit, problem.values)
    assert (estimate.circuits, estimate.known) == (4, 3)
    assert estimate.price == pytest.approx(4 * EACH)


NOBODY = r"nobody agreed to the price: set yes.*a ceiling, not an agreement"
NO_PRICE = r"the server's price of a circuit is .*, expected a finite number of 0 or more"


@pytest.mark.parametrize(
    ("options", "fault", "error", "match", "enough"),
    [
        ({"max_cost": 0.4}, {}, CostRefusedError, r"price is 0\.50 sandbox-credit, above max_cost = 0\.4", 0.51),
        ({"circuit_budget": 6}, {}, CostRefusedError, "7 more circuits make 7, above circuit_budget = 6", None),
        ({"yes": False}, {}, CostRefusedError, NOBODY, None),
        ({"yes": False, "max_cost": 5}, {}, CostRefusedError, NOBODY, 5),
        ({"max_cost": 1e9}, {"kind": "status", "code": 404}, CostRefusedError, "the price is unknown", 1e9),
        *(
            (
                {"max_cost": 1e9},
                {"kind": "price", "value": price},
                RemoteRequestError,
                NO_PRICE,
                None,
            )
            for price in (-0.01, float("nan"), float("inf"), "12", True, [1], {"value": 1})
        ),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused_before_it_is_sent(
    box, forte, problem, options, fault, error, match, enough
):
    if fault:
        box.faults.arm(Fault(**fault, on="estimate", times=-1))
    with refused(box, error, match):
        ask(forte(**options), problem)
    box.faults.clear()
    assert_served(box, forte, problem, max_cost=enough, circuit_budget=7)


def test_the_estimator_asks_for_agreement_too(box, forte, problem):
    pub = (problem.circuit, problem.observables[0], problem.values)
    with refused(box, CostRefusedError, "nobody agreed"):
        forte(yes=False).estimator().run([pub]).result()


def test_the_price_is_told_before_anything_is_sent(box, forte, simulator, problem):
    told = []

    def announce(estimate):
        told.append((estimate.circuits, estimate.price, estimate.unit, box.store.totals()["jobs"]))

    backend = forte()
    backend.attend(announce=announce)
    ask(backend, problem)
    assert told == [(7, pytest.approx(7 * EACH), "sandbox-credit", 0)]
    ask(backend, problem)  # all known: nothing is sent
    unasked = forte(yes=False, repetition=1)
    unasked.attend(announce=announce)
    with refused(box, CostRefusedError, "nobody agreed"):
        ask(unasked, problem)
    free = simulator()
    free.attend(announce=announce)
    ask(free, problem)
    assert len(told) == 1
    asked = forte(yes=False, repetition=2)
    asked.attend(announce=announce, confirm=lambda estimate: True)
    ask(asked, problem)
    assert len(told) == 2


def test_what_was_charged_is_in_the_ledger_beside_the_estimate(
    box, forte, problem, monkeypatch, folder
):
    """The server charges less than it estimated; the ceiling goes by what it charged."""
    from qllmft_backends.sandbox import shapes

    monkeypatch.setattr(
        shapes, "cost", lambda job: {"cost": {"value": 0.01, "unit": "sandbox-credit"}}
    )
    ask(forte(), problem)
    rows = ledger_jobs(folder)
    assert [(row.price, row.cost, row.unit) for row in rows] == [
        (pytest.approx(n * EACH), 0.01, "sandbox-credit") for n in (3, 3, 1)
    ]
    assert str(job_total(rows)) == "3 jobs, 7 circuits: 0.03 sandbox-credit charged"
    problem.values += 0.1
    ask(forte(max_cost=0.54), problem)


def test_a_charge_that_is_none_is_left_out(box, forte, problem, folder):
    told = [
        None,
        [],
        {},
        {"cost": None},
        {"cost": 3},
        {"cost": {"value": -1}},
        {"cost": {"value": "x", "unit": 1}},
    ]
    for charge in told:
        box.faults.arm(Fault("value", "cost", value=charge))
    ask(forte(circuits_per_job=1), problem)
    assert box.store.requests["cost"] == len(told)
    assert {row.cost for row in ledger_jobs(folder)} == {None}


def test_only_true_is_a_yes(box, forte, problem):
    asked = []
    backend = forte(yes=False)
    for answer in (None, "no", 0, False):
        backend.attend(confirm=lambda estimate, answer=answer: asked.append(estimate) or answer)
        with refused(box, CostRefusedError, "not confirmed"):
            ask(backend, problem)
    assert [estimate.price for estimate in asked] == [pytest.approx(7 * EACH)] * 4
    backend.attend(confirm=lambda estimate: True)
    ask(backend, problem)
    assert_paid_once(box, 7)
    backend.attend()
    ask(backend, problem)  # all known: nothing to agree to


def test_the_simulator_is_free(box, simulator, problem):
    ask(simulator(), problem)
    assert "estimate" not in box.store.totals()["requests"]
    assert simulator().estimate(problem.circuit, problem.values + 1).price == 0
