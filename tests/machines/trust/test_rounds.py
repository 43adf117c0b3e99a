"""Shots in rounds: the intervals hold at all looks, decided texts get no more, and nothing is paid twice."""

from types import SimpleNamespace

import numpy as np
import pytest
from faulty_server import Fault, MockServer, Store
from test_measured_errors import WEIGHTS, classifier, request_for

from qllmft_backends import BackendError, create
from qllmft_backends.errors import CostRefusedError
from qllmft_base.errors import UserError
from qllmft_machines import IonQConnection, wait
from qllmft_machines.cost import LedgerCharges
from qllmft_machines.trust.measurement import measure
from qllmft_machines.trust.rounds import (
    Rounds,
    bound_cost,
    estimate_rounds,
    expected_shares,
    measure_in_rounds,
)


def test_the_shots_double_up_to_the_total():
    assert Rounds.from_total(1000, 4).shots == (125, 125, 250, 500)
    assert Rounds.from_total(2400, 6).totals == (75, 150, 300, 600, 1200, 2400)
    assert Rounds.from_total(1001, 3).totals == (250, 500, 1001)
    with pytest.raises(UserError, match=r"begin with 10, expected 20 or more"):
        Rounds.from_total(320, 6)


def test_an_interval_holds_at_all_rounds_together():
    """Means of shots around 0 leave it in at most 5 % of 20,000 sequences; with 1.96 errors a look, in far more."""
    rounds = Rounds.from_total(2560, 7)
    rng = np.random.default_rng(0)
    sums = np.zeros(20_000)
    total = 0
    out = np.zeros((2, 20_000), bool)
    for shots, width in zip(rounds.shots, rounds.half_widths(1), strict=True):
        total += shots
        sums += rng.normal(size=sums.shape) * np.sqrt(shots)
        z = np.abs(sums / np.sqrt(total))
        out |= np.stack([z > width, z > 1.96])
    intervals, looks = out.mean(axis=1)
    assert intervals < 0.05
    assert looks > 0.15


@pytest.mark.parametrize("weights", ["errors add up", "three labels"])
def test_all_rounds_give_the_mean_of_all_shots(weights):
    """Of each text: the values are the means over its rounds, weighted by shots, by another route."""
    circuits = request_for(classifier(WEIGHTS[weights]), spread=1.2, samples=30)
    backend = create("aer_forte", {"seed": 3})
    rounds = Rounds.from_total(1600, 5)
    measured = measure_in_rounds(circuits, backend, rounds)
    shots = measured.shots
    assert shots is not None
    assert set(shots.tolist()) <= set(rounds.totals)
    assert shots.min() < 1600
    active = np.ones(30, bool)
    sums = np.zeros((30, 4))
    for number, size in enumerate(rounds.shots):
        backend_of_round = backend.in_round(size, number)
        part = backend_of_round.expectations(
            circuits.circuit, circuits.parameters[active], circuits.observables
        )
        sums[active] += size * part.values
        active &= shots > rounds.totals[number]
    np.testing.assert_allclose(measured.values, sums / shots[:, None], atol=1e-12)
    assert measured.decided[shots < 1600].all(), "a text with fewer shots is decided"
    exact = measure(circuits, create("adjoint", {"dtype": "float64"}))
    assert (measured.labels == exact.labels)[measured.decided].all()
    assert (measure_in_rounds(circuits, backend, rounds).values == measured.values).all()


def test_the_expected_share_is_the_one_that_is_measured():
    circuits = request_for(classifier(WEIGHTS["errors add up"]), spread=1.2, samples=400)
    rounds = Rounds.from_total(1600, 5)
    expected = expected_shares(circuits, rounds)
    in_rounds = measure_in_rounds(circuits, create("adjoint", {"shots": 1600}), rounds)
    measured = [(in_rounds.shots >= total).mean() for total in rounds.totals]
    np.testing.assert_allclose(expected, measured, atol=0.06)
    assert expected[0] == 1
    assert expected[-1] < 0.6


def test_few_shots_that_agree_decide_nothing():
    """Where all 20 shots give the same outcome, the error is that of one more at the other end."""
    model = classifier([[0.02, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.01]])
    circuits = request_for(model, spread=0.0, samples=2)
    circuits.parameters[:] = 0.0  # every shot is 0000
    measured = measure_in_rounds(circuits, create("aer_forte", {}), Rounds.from_total(20, 1))
    assert measured.lead_errors.min() > 0


def test_backends_that_measure_once_say_so():
    with pytest.raises(BackendError, match="cannot measure its shots in rounds"):
        create("adjoint", {}).in_round(10, 1)
    from qllmft_backends.mitigation import MitigatedBackend

    mitigated = MitigatedBackend(create("aer_forte", {"readout_error": 0.01}))
    with pytest.raises(BackendError, match="with readout"):
        mitigated.in_round(10, 1)


def test_a_machine_s_least_shots_are_kept(box, tmp_path, monkeypatch):
    """IonQ's with debiasing, and those that a device of Braket states."""
    debiased = forte(box, tmp_path, error_mitigation="debiasing", shots=2000)
    assert debiased.in_round(500, 0).options.shots == 500
    with pytest.raises(BackendError, match="a round has 499 shots, and ionq_forte takes 500 or"):
        debiased.in_round(499, 1)
    from qiskit.providers.fake_provider import GenericBackendV2

    service = SimpleNamespace(shotsRange=(100, 5000))
    device = SimpleNamespace(properties=SimpleNamespace(service=service))
    monkeypatch.setattr(GenericBackendV2, "_device", device, raising=False)
    machine = create("qiskit", {"provider": "generic", "machine": "5", "shots": 400})
    assert machine.in_round(100, 0).options.shots == 100
    with pytest.raises(BackendError, match="takes 100 or more"):
        machine.in_round(50, 0)


@pytest.fixture
def box(monkeypatch, tmp_path):
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", "tok-of-rounds")
    with MockServer(token="tok-of-rounds", store=Store(qpu_noise="ideal")) as server:
        yield server


def forte(box, tmp_path, **options):
    usual_options = {
        "url": box.url,
        "ledger": tmp_path / "ledger",
        "shots": 1600,
        "poll_interval_s": 0.02,
    }
    return create("ionq_forte", usual_options | {"settle_s": 0.15, "circuits_per_job": 8} | options)


def test_a_ledger_keeps_rounds_and_nothing_is_paid_twice(box, tmp_path):
    """The circuits paid are those of each round's undecided texts, and a call killed in a round continues in it."""
    circuits = request_for(classifier(WEIGHTS["errors add up"]), spread=1.2, samples=20)
    rounds = Rounds.from_total(1600, 5)
    estimates = []
    backend = forte(box, tmp_path)
    backend.attend(confirm=lambda estimate: estimates.append(estimate) or True)
    estimate = bound_cost(circuits, backend, rounds)
    assert estimate.circuits == 20 * 5
    assert "for at most 100 circuits and 15 check circuits on" in str(estimate)

    class Killed(BaseException):
        pass

    def kill(job, status):
        if box.store.totals()["circuits_paid"] > 25:
            raise Killed

    backend.attend(confirm=lambda estimate: estimates.append(estimate) or True, on_progress=kill)
    with pytest.raises(Killed):
        measure_in_rounds(circuits, backend, rounds)
    later = forte(box, tmp_path, yes=True)
    measured = measure_in_rounds(circuits, later, rounds)
    chunks = later.jobs.ledger.chunks.values()
    expected = sum((measured.shots >= total).sum() for total in rounds.totals)
    expected += sum(chunk.checked for chunk in chunks)
    assert box.store.totals()["circuits_paid"] == expected < 100
    assert len(estimates) == 1, "consent is to the price of all rounds"
    assert estimates[0].price == pytest.approx(estimate.price)
    paid = LedgerCharges.from_chunks(chunks, later.address).price
    assert paid <= estimate.price
    assert estimate.expected == pytest.approx(paid, rel=0.35)
    repeated = measure_in_rounds(circuits, forte(box, tmp_path), rounds)
    assert (repeated.values == measured.values).all()
    assert box.store.totals()["circuits_paid"] == expected


def test_a_dry_run_reads_the_rounds_that_are_in_the_ledger(box, tmp_path):
    """After each round the bound is on the texts that it left undecided, and 0 at the end."""
    circuits = request_for(classifier(WEIGHTS["errors add up"]), spread=1.2, samples=12)
    rounds = Rounds.from_total(1600, 4)
    bounds = []

    class Stopped(BaseException):
        pass

    def stop(job, status):
        if status == "completed":
            raise Stopped

    while len(bounds) < 20:
        backend = forte(box, tmp_path, yes=True, circuits_per_job=20, known_answer_shots=0)
        estimate = estimate_rounds(circuits, backend, rounds)
        bounds.append((estimate.circuits, estimate.known))
        offline = estimate_rounds(circuits, backend, rounds, offline=True)
        assert (offline.circuits, offline.known) == bounds[-1]
        if not estimate.circuits:
            break
        backend.attend(on_progress=stop)
        with pytest.raises(Stopped):
            measure_in_rounds(circuits, backend, rounds)
        paid = box.store.totals()["circuits_paid"]
        bound_then = estimate_rounds(circuits, backend, rounds)
        assert bound_then.known == paid, "the circuits of this round are paid, and not read yet"
        wait(tmp_path / "ledger", IonQConnection(url=box.url, poll_interval_s=0.02, settle_s=0.15))
    measured = measure_in_rounds(circuits, forte(box, tmp_path), rounds)
    undecided = [int((measured.shots > total).sum()) for total in (0, *rounds.totals)]
    expected = [n * (4 - i) for i, n in enumerate(undecided) if n]
    assert bounds == [(n, sum(undecided[:i])) for i, n in enumerate([*expected, 0])]
    assert "for 0 circuits on" in str(estimate)
    assert estimate.price == 0


def test_a_dry_run_in_rounds_ends_like_the_call_if_a_job_failed(box, tmp_path):
    circuits = request_for(classifier(WEIGHTS["errors add up"]), samples=10)
    rounds = Rounds.from_total(1600, 3)
    backend = forte(box, tmp_path, yes=True, circuits_per_job=20)
    match = "10 of 10 circuits have no result"
    box.faults.arm(Fault("job_failed", "submit"))
    with pytest.raises(BackendError, match=match):
        measure_in_rounds(circuits, backend, rounds)
    estimate = estimate_rounds(circuits, backend, rounds)
    assert match in estimate.refusal
    assert "10 circuits have no result, because jobs failed" in str(estimate)
    with pytest.raises(BackendError, match=match):
        measure_in_rounds(circuits, backend, rounds)
    assert box.store.totals()["jobs"] == 1


def test_a_ceiling_below_the_bound_sends_nothing(box, tmp_path):
    circuits = request_for(classifier(WEIGHTS["errors add up"]), samples=4)
    rounds = Rounds.from_total(1600, 5)
    price = bound_cost(circuits, forte(box, tmp_path), rounds).price
    for options in ({"max_cost": price * 0.99}, {}):
        with pytest.raises(CostRefusedError):
            measure_in_rounds(circuits, forte(box, tmp_path, **options), rounds)
    assert box.store.totals()["circuits_paid"] == 0
    allowed = forte(box, tmp_path, yes=True, max_cost=price * 1.01)
    assert measure_in_rounds(circuits, allowed, rounds).decided.shape == (4,)


def test_a_machine_measures_all_rounds_on_the_same_qubits():
    """The compiled circuit is that of one round, and the shots of two rounds of one size differ."""
    backend = create("qiskit", {"provider": "generic", "machine": "7", "shots": 200, "seed": 4})
    circuits = request_for(classifier(WEIGHTS["errors add up"]), spread=1.2, samples=3)
    request = circuits.circuit, circuits.parameters, circuits.observables
    rounds = [backend.in_round(100, number) for number in (0, 1)]
    assert (
        len(
            {
                round_backend.compile_for_machine(circuits.circuit).sha256
                for round_backend in (backend, *rounds)
            }
        )
        == 1
    )
    first, second = (round_backend.expectations(*request).values for round_backend in rounds)
    assert (first != second).any()
    np.testing.assert_allclose(first, second, atol=0.6)
