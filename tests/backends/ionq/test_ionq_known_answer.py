"""A circuit whose answer is known goes before paid ones; a wrong answer stops the sending."""

from __future__ import annotations

import pytest
from qiskit.quantum_info import Statevector

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install 'qllmft[ionq]'")

from ionq.helpers import TOKEN, ask, assert_right, make_problem
from qllmft_backends.ionq import CostRefusedError, IonQJobFailedError, IonQTimeoutError, ledger_jobs
from qllmft_backends.ionq.known_answer import known_circuit
from qllmft_backends.ionq.sandbox import Fault, Sandbox, Store


@pytest.fixture
def careful(forte):
    def make(**options):
        return forte(**{"known_answer_shots": 20, **options})

    return make


@pytest.mark.parametrize("n_qubits", range(1, 11))
def test_the_answer_against_qiskit(n_qubits):
    circuit, state = known_circuit(n_qubits)
    assert Statevector(circuit).probabilities()[state] == pytest.approx(1)
    assert n_qubits == 1 or f"{state:0{n_qubits}b}" != f"{state:0{n_qubits}b}"[::-1]
    assert circuit.count_ops().get("cx", 0) == n_qubits - 1


def test_it_goes_first_and_is_priced(box, careful, problem):
    estimate = careful().estimate(problem.circuit, problem.values)
    each, first = 1000 * (12e-6 + 6e-5), 20 * (3e-6 + 2e-5)
    assert estimate.price == pytest.approx(7 * each + first)
    assert estimate.price_each == pytest.approx(each)
    assert_right(ask(careful(), problem), problem)
    jobs = sorted((j for j in box.store.jobs.values() if not j.parent), key=lambda j: j.number)
    assert [(len(j.circuits), j.payload["shots"]) for j in jobs] == [(1, 20), (3, 1000), (3, 1000), (1, 1000)]
    assert sum(row.price for row in ledger_jobs(careful().options.ledger)) == pytest.approx(7 * each + first)
    ask(careful(), problem)  # all known
    assert box.store.till()["jobs"] == 4
    ask(careful(), make_problem(2, seed=5))
    assert box.store.till()["jobs"] == 6, "each paid call has its own"


def flipped(box, monkeypatch, qubit):
    simulate = box.store._simulate
    monkeypatch.setattr(
        box.store, "_simulate", lambda job: {str(int(s) ^ 1 << qubit): p for s, p in simulate(job).items()}
    )


def reversed_order(box, monkeypatch, n_qubits):
    simulate = box.store._simulate
    monkeypatch.setattr(
        box.store,
        "_simulate",
        lambda job: {str(int(f"{int(s):0{n_qubits}b}"[::-1], 2)): p for s, p in simulate(job).items()},
    )


def test_a_wrong_answer_stops_the_sending(box, careful, problem, monkeypatch):
    flipped(box, monkeypatch, 1)
    with pytest.raises(IonQJobFailedError, match=r"wrong on the qubits \[1\]: .*Nothing else was sent"):
        ask(careful(), problem)
    assert box.store.till()["circuits_paid"] == 1
    with pytest.raises(IonQJobFailedError, match="wrong on the qubits"):
        ask(careful(), problem)
    assert box.store.till()["circuits_paid"] == 1, "known to be wrong"


def test_qubits_in_the_wrong_order_stop_the_sending(box, careful, problem, monkeypatch):
    reversed_order(box, monkeypatch, 3)
    with pytest.raises(IonQJobFailedError, match=r"wrong on the qubits \[0, 2\]"):
        ask(careful(), problem)
    assert box.store.till()["circuits_paid"] == 1


def test_noise_is_no_wrong_answer(careful):
    problem = make_problem(2, n_qubits=8)
    with Sandbox(token=TOKEN, store=Store(qpu_noise="forte-1")) as box:
        assert ask(careful(url=box.url), problem).values.shape == (2, 8)
        assert box.store.till()["jobs"] == 2


def test_interrupted_while_it_is_under_way(box, careful, problem):
    box.faults.arm(Fault("never_ends", "submit"))
    with pytest.raises(IonQTimeoutError):
        ask(careful(deadline_s=0.3), problem)
    job = next(iter(box.store.jobs.values()))
    job.fate = ""
    box.store._worker.submit(box.store._work, job).result()
    assert_right(ask(careful(), problem), problem)
    assert box.store.till()["jobs"] == 4
    assert max(box.store.till()["times"].values()) == 1


def test_one_that_failed_stops_too(box, careful, problem):
    box.faults.arm(Fault("job_failed", "submit"))
    with pytest.raises(IonQJobFailedError, match="known answer has no result"):
        ask(careful(), problem)
    assert_right(ask(careful(retry_failed=True), problem), problem)
    assert box.store.till()["circuits_paid"] == 8


def test_a_budget_counts_it(box, careful, problem):
    with pytest.raises(CostRefusedError, match="7 more circuits make 8"):
        ask(careful(circuit_budget=7), problem)
    ask(careful(circuit_budget=8), problem)


def test_real_machines_get_one_unless_told_otherwise(careful, problem, monkeypatch):
    """A server that does not say that it is the sandbox."""
    from qllmft_backends.ionq.sandbox import server

    monkeypatch.setattr(server, "HEADER", "X-Other")
    with Sandbox(token=TOKEN, store=Store(qpu_noise="ideal")) as box:
        ask(careful(url=box.url, known_answer_shots=None), problem)
        assert sorted(j.payload["shots"] for j in box.store.jobs.values() if not j.parent) == [50, 1000, 1000, 1000]
        ask(careful(url=box.url, known_answer_shots=0), make_problem(1, seed=2))
        assert box.store.till()["jobs"] == 5
