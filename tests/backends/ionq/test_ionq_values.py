"""Right numbers: qubit order, estimator, standard errors, one circuit a sample; against the adjoint engine, against the
library's own reading of the same jobs, and against Qiskit's density matrix."""

from __future__ import annotations

import json

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from ionq import TOKEN
from ionq.helpers import ask, assert_paid_once, assert_right, assert_served, make_problem, refused
from qllmft_backends import BACKENDS, BackendError, create
from qllmft_backends.noise import PRESETS, GateNoise
from qllmft_backends.observables import ZObservables, draw, expectations, expectations_of_counts
from qllmft_backends.remote import RemoteRequestError, ledger_jobs
from qllmft_backends.remote.ledger.payload import parse_probabilities
from qllmft_backends.sandbox import Fault, MockServer, Store


def test_shots_on_the_machine_against_the_adjoint_engine(box, forte):
    problem = make_problem(8, n_qubits=4)
    answer = ask(forte(shots=4000), problem)
    assert_right(answer, problem, shots=4000)
    np.testing.assert_allclose(
        answer.standard_errors, np.sqrt((1 - answer.values**2) / 3999), atol=1e-12
    )
    assert_paid_once(box, 8)  # one circuit a sample, not one an observable
    assert box.store.totals()["shots_paid"] == 8 * 4000


def test_the_ideal_simulator_is_exact_and_draws_shots_on_demand(simulator, problem):
    exact = ask(simulator(), problem)
    np.testing.assert_allclose(exact.values, problem.exact, atol=2e-6)
    assert not exact.standard_errors.any()
    drawn = ask(simulator(shots=1000), problem)
    assert_right(drawn, problem)
    assert (drawn.standard_errors > 0).all()
    assert (ask(simulator(shots=1000), problem).values == drawn.values).all()
    assert (ask(simulator(shots=1000, seed=1), problem).values != drawn.values).any()


@pytest.mark.parametrize("flipped", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)])
def test_qubit_order_with_asymmetric_states(forte, flipped):
    """X on some of three qubits: Z of exactly these is -1. No angles: also a circuit without parameters."""
    circuit = QuantumCircuit(3)
    for qubit in flipped:
        circuit.x(qubit)
    strings = [
        SparsePauliOp.from_sparse_list([("Z" * len(q), list(q), 1.0)], 3)
        for q in ((0,), (1,), (2,), (0, 2))
    ]
    expected = [-1.0 if q in flipped else 1.0 for q in range(3)]
    expected.append(expected[0] * expected[2])
    answer = forte(shots=10).expectations(circuit, np.empty((2, 0)), strings)
    assert answer.values.tolist() == [expected, expected]
    assert not answer.standard_errors.any()


@pytest.mark.parametrize("reordered", [False, True])
def test_the_library_reads_the_same_counts_from_the_same_jobs(
    box, forte, problem, folder, monkeypatch, reordered
):
    """Two routes from one job: ours, and qiskit-ionq's retrieve_job in what could be another process.

    Version 1.1.1 pairs results with circuits by the payload's order. Fails once an upgrade does better.
    """
    from qiskit_ionq import IonQProvider

    if reordered:
        box.faults.arm(Fault("reorder", "results", times=-1))
    answer = ask(forte(circuits_per_job=50), problem)
    assert_right(answer, problem)
    monkeypatch.setenv("QISKIT_IONQ_API_URL", box.url)  # what the library's get_n_qubits asks
    with pytest.warns(UserWarning, match="optimization_level"):
        theirs = IonQProvider(TOKEN, box.url).get_backend("qpu.forte-1")
    assert theirs.num_qubits == 36
    (job,) = ledger_jobs(folder)
    counts = theirs.retrieve_job(job.job_id).result().get_counts()
    assert {sum(each.values()) for each in counts} == {1000}
    read = np.array(
        [
            [sum(n * (-1) ** int(b[2 - q]) for b, n in c.items()) / 1000 for q in range(3)]
            for c in counts
        ]
    )
    np.testing.assert_allclose(
        read, answer.values[::-1] if reordered else answer.values, atol=1e-12
    )


def test_the_estimator_is_that_of_the_counts_whose_frequencies_the_server_gives():
    """`test_expectations_from_counts` has it against shots written out one by one."""
    sums = [
        SparsePauliOp.from_list([("ZII", 0.5), ("IZZ", -1.5), ("III", 0.25)]),
        SparsePauliOp("IIZ"),
    ]
    counts, observables = {0: 150, 1: 25, 2: 100, 6: 225}, ZObservables.from_operators(sums, 3)
    answer, exact = (
        expectations([{s: n / 500 for s, n in counts.items()}], n, observables) for n in (500, None)
    )
    expected = expectations_of_counts([counts], observables)
    np.testing.assert_allclose(answer.values, expected.values, atol=1e-12)
    np.testing.assert_allclose(answer.standard_errors, expected.standard_errors, atol=1e-12)
    np.testing.assert_array_equal(exact.values, answer.values)
    assert not exact.standard_errors.any()


def test_one_shot_decides_nothing(forte, problem):
    answer = ask(forte(shots=1), problem)
    assert set(np.unique(answer.values)) <= {-1.0, 1.0}
    assert np.isinf(answer.standard_errors).all()


def test_drawn_shots_are_multinomial():
    p = {0: 0.7, 3: 0.2, 6: 0.1}
    drawn = draw(p, 100_000, np.random.default_rng(0))
    assert sum(drawn.values()) == pytest.approx(1)
    for state, probability in p.items():
        assert abs(drawn[state] - probability) < 4 * np.sqrt(
            probability * (1 - probability) / 100_000
        )


@pytest.mark.parametrize(
    ("payload", "match"),
    [
        ([1], "not a mapping"),
        *(({state: 1.0}, "not a mapping") for state in ("a", " 1", "-1")),
        *(({"0": share}, "not a mapping") for share in ("1", True, None)),
        ({"00": 0.5, "0": 0.5}, "names a state twice"),
        ({"8": 1.0}, r"0\.\.7"),
        ({"0": 1.5, "1": -0.5}, r"outside of 0\.\.1"),
        ({"0": 0.5}, "sum to 0.5"),
        ({"0": float("nan")}, r"outside of 0\.\.1"),
        ({}, "sum to 0"),
    ],
)
def test_payloads_that_are_no_distribution(payload, match):
    with pytest.raises(ValueError, match=match):
        parse_probabilities(payload, 3)


def test_through_the_estimator_all_observables_cost_one_circuit_a_sample(box, forte, problem):
    """EstimatorQNN asks one pub an observable; qiskit-ionq's own estimator sends a paid circuit for each."""
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    circuit = problem.circuit
    network = EstimatorQNN(
        circuit=circuit,
        observables=problem.observables,
        input_params=circuit.parameters[:0],
        weight_params=circuit.parameters,
        estimator=forte().estimator(),
        gradient=object(),  # no backward pass here
        default_precision=None,  # the default asks for 4096 shots
    )
    values = network.forward([], problem.values[0])
    assert values.shape == (1, 3)
    assert_paid_once(box, 1)


def test_equal_samples_are_measured_each(box, forte, problem):
    """Two equal sentences are two samples, with independent shots."""
    problem.values[:], problem.exact[:] = problem.values[0], problem.exact[0]
    answer = ask(forte(), problem)
    assert_right(answer, problem)
    assert box.store.totals()["circuits_paid"] == 7
    assert np.unique(answer.values[:, 0]).size > 1


def test_angles_that_differ_by_a_rounding_are_the_same_circuit(box, forte, problem):
    ask(forte(), problem)
    problem.values += 1e-7
    ask(forte(), problem)
    assert_paid_once(box, 7)
    problem.values += 1e-3
    ask(forte(), problem)
    assert box.store.totals()["circuits_paid"] == 14


MEASURED_ANEW = [  # options, error mitigation that is sent
    ({}, {"debiasing": False}),
    ({"shots": 500}, {"debiasing": False}),
    ({"repetition": 1}, {"debiasing": False}),
    ({"target": "forte-enterprise-1"}, {"debiasing": False}),
    ({"error_mitigation": "debiasing"}, {"debiasing": True}),
    ({"symmetry_verification": True}, {"debiasing": False, "symmetry_verification": True}),
    (
        {"error_mitigation": "debiasing", "symmetry_verification": True},
        {"debiasing": True, "symmetry_verification": True},
    ),
]


def keywords(passed, backend):
    """Settings as the library's successor makes them, which takes keywords and is done with the enum."""
    assert passed.get("error_mitigation") is None, "deprecated there"
    settings = dict(passed.get("job_settings") or {})
    given = {
        n: passed[n] for n in ("debiasing", "symmetry_verification") if passed.get(n) is not None
    }
    return settings | (
        {"error_mitigation": settings.get("error_mitigation", {}) | given} if given else {}
    )


@pytest.mark.parametrize("successor", [False, True])
def test_settings_are_explicit_and_another_one_is_measured_anew(
    box, forte, problem, monkeypatch, successor
):
    from qiskit_ionq import helpers

    if successor:
        monkeypatch.setattr(helpers, "_build_settings", keywords)
    for n, (options, mitigation) in enumerate(MEASURED_ANEW, start=1):
        known = set(box.store.jobs)
        assert_right(ask(forte(**options), problem), problem, shots=options.get("shots", 1000))
        sent = [job.payload for job in box.store.jobs.values() if job.id not in known]
        assert all(
            p["settings"] == {"error_mitigation": mitigation} and p.get("noise") is None
            for p in sent
        )
        assert box.store.totals()["circuits_paid"] == 7 * n
    other = make_problem(7)
    other.circuit.x(0)
    ask(forte(), other)
    assert box.store.totals()["circuits_paid"] == 7 * (n + 1)


def test_the_simulators_noise_is_explicit(box, simulator, problem):
    ask(simulator(noise="forte1", shots=10, seed=9), problem)
    sent = [
        (job.payload.get("settings"), job.payload.get("noise")) for job in box.store.jobs.values()
    ]
    assert all(each == (None, {"model": "forte-1", "seed": 9}) for each in sent)


def test_a_machine_without_symmetry_verification(box, forte, problem, monkeypatch):
    from qllmft_backends.sandbox import shapes

    describe = shapes.backend
    monkeypatch.setattr(
        shapes,
        "backend",
        lambda name: describe(name) | {"supported_error_mitigations": ["debiasing"]},
    )
    with refused(
        box, RemoteRequestError, r"qpu\.forte-1 offers no symmetry_verification, but debiasing"
    ):
        ask(forte(symmetry_verification=True), problem)


def test_the_width_that_is_sent_is_that_of_the_circuit(box, forte, problem, monkeypatch):
    from qllmft_backends.remote.ionq import library

    write = library.qiskit_to_ionq

    def wider(*arguments):
        body = json.loads(write(*arguments))
        body["input"]["qubits"] = 36
        return json.dumps(body)

    monkeypatch.setattr(library, "qiskit_to_ionq", wider)
    with refused(
        box, RemoteRequestError, r"3 circuits on 36 qubits for 3 circuits on 3\. Nothing was sent"
    ):
        ask(forte(), problem)
    monkeypatch.setattr(library, "qiskit_to_ionq", write)
    assert_served(box, forte, problem)


def test_from_the_registry(box, tmp_path, problem):
    assert {"ionq_simulator", "ionq_forte"} <= set(BACKENDS)
    backend = create(
        "ionq_simulator", {"url": box.url, "ledger": str(tmp_path / "l"), "poll_interval_s": 0.02}
    )
    np.testing.assert_allclose(ask(backend, problem).values, problem.exact, atol=2e-6)


def test_calibration(forte):
    calibration = forte().calibration()
    assert calibration.qubits == 36
    assert (calibration.timing["1q"], calibration.timing["2q"]) == (130e-6, 970e-6)
    noise = GateNoise.calibrated(
        *(calibration.fidelity[key]["median"] for key in ("1q", "2q")), kind="process"
    )
    assert noise.two_qubit_rate == pytest.approx(PRESETS["forte1"].two_qubit_rate)
    assert noise.one_qubit_rate == pytest.approx(PRESETS["forte1"].one_qubit_rate)


def test_a_mock_server_is_named_in_the_ledger_and_shares_no_results(box, forte, problem, folder):
    """The address belongs to the identity: a mock server's numbers never pass for IonQ's."""
    ask(forte(), problem)
    assert '"sandbox": true' in (folder / "ledger.jsonl").read_text()
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal")) as other:
        ask(forte(url=other.url), problem)
        assert_paid_once(other, 7)


def test_the_sampler_has_the_counts_that_were_paid_for(box, forte, problem):
    backend = forte(shots=1000)
    circuit = problem.circuit.copy()
    circuit.measure_all()
    sampler = backend.sampler()
    assert sampler.default_shots == 1000
    [result] = sampler.run([(circuit, problem.values)]).result()
    assert (result.data.meas.shape, result.data.meas.num_shots) == ((7,), 1000)
    direct = ask(backend, problem)  # from the ledger: the same counts, and nothing is paid again
    assert_right(direct, problem)
    # (O, B)
    found = result.data.meas.expectation_values(
        [[observable] for observable in problem.observables]
    )
    np.testing.assert_allclose(found.T, direct.values, atol=1e-12)
    assert_paid_once(box, 7)
    with refused(box, BackendError, "got 500 shots, expected 1000"):
        sampler.run([(circuit, problem.values)], shots=500).result()
    with refused(box, BackendError, "precision 0.001 needs 1000000 shots"):
        backend.estimator().run(
            [(problem.circuit, "ZZZ", problem.values)], precision=0.001
        ).result()
