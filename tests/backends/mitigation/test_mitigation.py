"""Mitigated expectation values: two routes at three qubits, errors, circuits and prices, refusals."""

import numpy as np
import pytest
from kraus_evolution import noisy_expectations
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp
from remote_machine import RemoteMachine

from qllmft_backends import BackendError, create
from qllmft_backends.errors import CostRefusedError
from qllmft_backends.mitigation import Correction, MitigatedBackend, Readout
from qllmft_backends.observables import ZObservables

OBSERVABLES = [
    SparsePauliOp("IIZ"),
    SparsePauliOp("ZII"),
    SparsePauliOp(["ZIZ", "IZI", "III"], [0.5, -2.0, 0.3]),
]
VALUES = np.random.default_rng(3).uniform(-2, 2, (2, 6))
RATES = (0.004, 0.02)
NOISE = {"noise": "explicit", "one_qubit_rate": RATES[0], "two_qubit_rate": RATES[1]}
EXACT = {"shots": None, "method": "density_matrix", "max_parallel_threads": 1}


def circuit():
    """Three qubits, not symmetric in them."""
    p = ParameterVector("p", 6)
    head = QuantumCircuit(3, name="head")
    for i in range(6):
        head.ry(p[i], i % 3)
        head.cx(i % 3, (i + 1) % 3)
    return head


def make_mitigated(name, options=None, machine=None):
    return MitigatedBackend(create(name, options, backend=machine))


def test_the_inverse_of_a_string_is_that_of_the_whole_confusion_matrix():
    flips = ((0.02, 0.05), (0.1, 0.3), (0.0, 0.2))  # p(1|0), p(0|1) of each qubit
    means = np.array([[1 - 2 * up for up, _ in flips], [2 * down - 1 for _, down in flips]])
    # index: qubit 0 is the least significant bit
    confusion = np.ones((1, 1))
    for up, down in reversed(flips):
        confusion = np.kron(confusion, [[1 - up, down], [up, 1 - down]])
    parity = np.array(
        [[(-1) ** (outcome & mask).bit_count() for outcome in range(8)] for mask in range(8)]
    )
    for mask in range(8):
        inverse = Readout(means, np.zeros((2, 3))).inverse(mask)
        by_hand = parity[mask] @ np.linalg.inv(confusion) @ parity.T / 8
        np.testing.assert_allclose([inverse.get(key, 0.0) for key in range(8)], by_hand, atol=1e-12)


def test_inverted_readout_errors_leave_the_values_without_them():
    rates = NOISE | {"one_qubit_rate": 0.0}  # the calibration's X gates have no noise
    backend = make_mitigated("aer_forte", rates | EXACT | {"readout_error": 0.07})
    expected = noisy_expectations(circuit(), VALUES, OBSERVABLES, (0.0, RATES[1]))
    answer = backend.expectations(circuit(), VALUES, OBSERVABLES)
    np.testing.assert_allclose(answer.values, expected, atol=1e-9)


def test_the_errors_are_those_of_repeated_measurements():
    rows = np.repeat(VALUES[:1], 300, axis=0)
    options = NOISE | {"shots": 60, "readout_error": 0.05, "max_parallel_threads": 1}
    backend = make_mitigated("aer_forte", options)
    readout = Readout(np.array([[0.9] * 3, [-0.9] * 3]), np.zeros((2, 3)))
    backend._run_calibration = lambda circuit: readout
    answer = backend.expectations(circuit(), rows, OBSERVABLES)
    stated = answer.standard_errors.mean(axis=0)
    np.testing.assert_allclose(answer.values.std(axis=0), stated, rtol=0.15)


def test_the_error_of_the_calibration_is_that_of_drawn_calibrations():
    sums = ZObservables.from_operators(OBSERVABLES, 3)
    means = np.array([[0.95, 0.9, 0.8], [-0.9, -0.85, -0.95]])
    errors = np.full((2, 3), 0.01)
    measured = np.array([0.3, -0.5, 0.4, 0.2, -0.1, 0.7, 0.25])
    correction = Correction.from_readout(sums, Readout(means, errors))
    strings = np.array([1.0 if mask == 0 else measured[mask - 1] for mask in correction.masks])
    stated = np.sqrt(((correction.slopes @ strings) ** 2).sum(axis=0))
    rng = np.random.default_rng(0)
    redrawn_values = []
    for _ in range(80):
        redrawn = Correction.from_readout(
            sums, Readout(means + rng.normal(0, errors), np.zeros((2, 3)))
        )
        redrawn_values.append(redrawn.coefficients @ strings)
    np.testing.assert_allclose(np.std(redrawn_values, axis=0), stated, rtol=0.3)


def test_the_engine_with_a_readout_error_is_mitigated_too():
    options = {"readout_error": 0.1, "shots": 4000, "dtype": "float64"}
    answer = make_mitigated("adjoint", options).expectations(circuit(), VALUES, OBSERVABLES)
    ideal = noisy_expectations(circuit(), VALUES, OBSERVABLES, (0, 0))
    assert (np.abs(answer.values - ideal) < 4 * answer.standard_errors).all()
    assert answer.standard_errors.max() < 0.1


def test_the_calibration_measures_the_same_qubits(monkeypatch):
    machine = GenericBackendV2(5, coupling_map=[[i, i + 1] for i in range(4)], seed=2)
    backend = make_mitigated("qiskit", {"shots": 4000, "optimization_level": 3}, machine)
    sent_batches = []
    run = type(machine).run

    def count_circuits(self, circuits, **more):
        sent_batches.append(circuits)
        return run(self, circuits, **more)

    monkeypatch.setattr(type(machine), "run", count_circuits)
    answer = backend.expectations(circuit(), VALUES, OBSERVABLES)
    plain = backend.inner.compile_for_machine(circuit())
    places = [
        [c.find_bit(i.qubits[0]).index for i in c.data if i.operation.name == "measure"]
        for (c, *_) in sent_batches
    ]
    assert all(sorted(place) == sorted(plain.measured) for place in places)
    assert [len(circuits) for circuits in sent_batches] == [
        2,
        1,
        2,
    ]  # the first with a check circuit
    ideal = noisy_expectations(circuit(), VALUES, OBSERVABLES, (0, 0))
    assert (np.abs(answer.values - ideal) < 4 * answer.standard_errors + 0.1).all()


def test_all_circuits_are_priced_before_one_is_sent_and_paid_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Readout, "check", lambda *_: None)  # this machine reads every bit right
    machine = RemoteMachine()
    usual_options = {
        "ledger": tmp_path,
        "shots": 500,
        "poll_interval_s": 0.01,
        "price_per_circuit": 0.5,
    }

    def make_backend(**options):
        return make_mitigated("qiskit", usual_options | options, machine)

    backend = make_backend()
    estimate = backend.estimate(circuit(), VALUES)
    assert (estimate.circuits, estimate.jobs, estimate.price) == (4, 3, 2.0)
    checked = make_backend(known_answer_shots=500).estimate(circuit(), VALUES)
    assert (checked.circuits, checked.known_answers, checked.price) == (4, 3, 3.5)
    limits = (
        ({"max_circuits": 3}, r"4 (more )?circuits"),
        ({"max_cost": 1.9}, r"price is 2\.00 USD, above max_cost = 1\.9"),
    )
    for limit, message in limits:
        with pytest.raises(CostRefusedError, match=message):
            make_backend(**limit).expectations(circuit(), VALUES, OBSERVABLES)
    confirmed = []
    backend.attend(confirm=lambda estimate: bool(confirmed.append(estimate.circuits)))
    with pytest.raises(CostRefusedError, match="not confirmed"):
        backend.expectations(circuit(), VALUES, OBSERVABLES)
    assert machine.log == []
    backend.attend(confirm=lambda estimate: confirmed.append(estimate.circuits) is None)
    first = backend.expectations(circuit(), VALUES, OBSERVABLES)
    assert (machine.log, confirmed) == ([1, 1, 2], [4, 4])
    second = make_backend().expectations(circuit(), VALUES, OBSERVABLES)
    np.testing.assert_array_equal(second.values, first.values)
    assert machine.log == [1, 1, 2]
    assert backend.estimate(circuit(), VALUES).circuits == 0


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("adjoint", {}, "adjoint has no noise with these options"),
        ("aer_statevector", {"shots": 100}, "aer_statevector has no noise"),
        ("aer_forte", {}, r"aer_forte has no readout error to mitigate .*readout_error=0\.01"),
    ],
)
def test_a_backend_without_the_noise_is_refused(name, options, words):
    with pytest.raises(BackendError, match=words):
        make_mitigated(name, options)


def test_a_machine_that_reads_every_bit_right_is_refused():
    backend = make_mitigated("qiskit", {"shots": 1500, "local": True}, RemoteMachine())
    with pytest.raises(
        BackendError,
        match=r"no readout error to mitigate: qiskit read every calibration bit right in 1,500 shots\. Use more",
    ):
        backend.expectations(circuit(), VALUES, OBSERVABLES)
