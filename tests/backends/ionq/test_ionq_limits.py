"""Ceilings on prices and circuits, and the permission of paid training."""

from __future__ import annotations

import pytest

from ionq.helpers import ask, assert_paid_once, make_problem, refused
from qllmft_backends import UnknownBackendError, create
from qllmft_backends.remote import CostRefusedError, JobFailedError, PaidTrainingError
from qllmft_backends.sandbox import Fault


def test_training_asks_as_every_other_call(box, forte):
    problem = make_problem(2)
    backend = forte(yes=False, allow_paid_training=True, circuit_budget=10, max_cost=9)
    job = (
        [problem.circuit],
        problem.observables[:1],
        problem.values[:1],
        [list(problem.circuit.parameters)],
    )
    with refused(box, CostRefusedError, "nobody agreed"):
        backend.gradient().run(*job).result()


def test_a_ceiling_counts_all_calls_of_a_ledger(box, forte, problem, folder):
    backend = forte(max_cost=0.9)
    ask(backend, problem)
    problem.values += 0.1
    for again in (backend, forte(max_cost=0.9)):  # the second: as in another process
        with pytest.raises(
            CostRefusedError, match=r"0\.50 sandbox-credit on top of 0\.50 for the ledger's jobs"
        ):
            ask(again, problem)
    assert_paid_once(box, 7)
    ask(forte(max_cost=1.01), problem)
    ask(forte(max_cost=0.51, ledger=folder.with_name("another"), repetition=1), problem)
    assert box.store.totals()["circuits_paid"] == 21


def test_a_ceiling_counts_what_is_under_way_and_not_what_failed(box, forte, problem):
    box.faults.arm(Fault("job_failed", "submit", times=3))
    forte().submit(problem.circuit, problem.values)
    other = make_problem(7, seed=9)
    with pytest.raises(CostRefusedError, match=r"on top of 0\.50"):
        ask(forte(max_cost=0.9), other)
    with pytest.raises(JobFailedError):
        ask(forte(), problem)
    ask(forte(max_cost=0.9), other)
    assert_paid_once(box, 7)


def test_a_ceiling_over_circuits_without_a_price(box, forte, simulator, problem):
    ask(simulator(), problem)  # free ones have one
    box.faults.arm(Fault("status", "estimate", code=404))
    box.faults.arm(Fault("status", "cost", code=404, times=-1))
    ask(forte(), problem)
    problem.values += 0.1
    with pytest.raises(
        CostRefusedError, match=r"7 circuits of the ledger have no price in sandbox-credit"
    ):
        ask(forte(max_cost=1e9), problem)
    assert_paid_once(box, 14)


@pytest.mark.parametrize("ceiling", [float("nan"), float("inf"), -1.0, "much"])
def test_a_ceiling_that_is_none_is_refused(box, ceiling):
    with pytest.raises(UnknownBackendError, match="max_cost"):
        create("ionq_forte", {"max_cost": ceiling, "url": box.url})


def test_a_gradient_through_hardware_is_refused(box, forte):
    with pytest.raises(
        PaidTrainingError, match=r"allow_paid_training and circuit_budget.*3,000 circuits"
    ):
        forte().gradient()
    assert box.store.totals()["requests"] == {}


def test_paid_training_keeps_its_budget(box, forte):
    problem = make_problem(2)
    backend = forte(allow_paid_training=True, circuit_budget=10, circuits_per_job=50)
    assert backend.options.training_circuits(samples=2) == 6
    parameters = [list(problem.circuit.parameters)] * 6
    jobs = (
        [problem.circuit] * 6,
        problem.observables * 2,
        [v for v in problem.values for _ in range(3)],
        parameters,
    )
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
