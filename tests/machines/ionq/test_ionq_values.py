"""What is sent, and right numbers: qubit order, estimator, standard errors, one circuit a sample; against the adjoint
engine, against the library's own reading of the same jobs, and against Qiskit's density matrix."""

from __future__ import annotations

import json

import numpy as np
import pytest
from faulty_server import Fault, MockServer, Store
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.quantum_info import SparsePauliOp
from reference_circuits import own_gate

from ionq import TOKEN
from ionq.helpers import (
    ask,
    assert_fails,
    assert_paid_once,
    assert_refused,
    assert_right,
    assert_served,
    make_problem,
)
from qllmft_backends import BackendError, UnsupportedGateError
from qllmft_backends.observables import draw_frequencies
from qllmft_machines import Ledger, ledger_jobs
from qllmft_machines.errors import RemoteRequestError
from qllmft_machines.ionq import library
from qllmft_machines.ledger.payload import parse_probabilities
from qllmft_machines.sandbox import shapes, store


def test_shots_on_the_machine_against_the_adjoint_engine(box, forte):
    problem = make_problem(8, n_qubits=4)
    answer = ask(forte(shots=4000), problem)
    assert_right(answer, problem, shots=4000)
    expected = np.sqrt((1 - answer.values**2) / 3999)
    np.testing.assert_allclose(answer.standard_errors, expected, atol=1e-12)
    assert_paid_once(box, 8)  # one circuit a sample, not one an observable
    assert box.store.totals()["shots_paid"] == 8 * 4000


def test_the_ideal_simulator_is_exact_and_draws_shots_on_demand(simulator, problem):
    exact = ask(simulator(), problem)
    np.testing.assert_allclose(exact.values, problem.exact, atol=2e-6)
    assert not exact.standard_errors.any()
    sampled = ask(simulator(shots=1000), problem)
    assert_right(sampled, problem)
    assert (sampled.standard_errors > 0).all()
    assert (ask(simulator(shots=1000), problem).values == sampled.values).all()
    assert (ask(simulator(shots=1000, seed=1), problem).values != sampled.values).any()


def test_a_gate_is_its_definition_and_not_its_name(simulator):
    circuit = QuantumCircuit(3)
    for qubit, times in enumerate((1, 2)):
        for _ in range(times):
            circuit.append(own_gate("x"), [qubit])
    observables = [SparsePauliOp(label) for label in ("IIZ", "IZI", "ZII")]
    answer = simulator().expectations(circuit, np.empty((1, 0)), observables)
    np.testing.assert_allclose(answer.values, [[0, -1, 1]], atol=2e-6)


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
    assert {sum(count.values()) for count in counts} == {1000}

    def z(count, q):
        return sum(n * (-1) ** int(bits[2 - q]) for bits, n in count.items()) / 1000

    library_values = np.array([[z(count, q) for q in range(3)] for count in counts])
    ours = answer.values[::-1] if reordered else answer.values
    np.testing.assert_allclose(library_values, ours, atol=1e-12)


def test_one_shot_decides_nothing(forte, problem):
    answer = ask(forte(shots=1), problem)
    assert set(np.unique(answer.values)) <= {-1.0, 1.0}
    assert np.isinf(answer.standard_errors).all()


def test_drawn_shots_are_multinomial():
    p = {0: 0.7, 3: 0.2, 6: 0.1}
    frequencies = draw_frequencies(p, 100_000, np.random.default_rng(0))
    assert sum(frequencies.values()) == pytest.approx(1)
    for state, probability in p.items():
        error = np.sqrt(probability * (1 - probability) / 100_000)
        assert abs(frequencies[state] - probability) < 4 * error


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


@pytest.mark.parametrize(
    "payload",
    [{"0": 0.9995}, {"0": 1.0, "3": 0.0005}, {"0": 1.0005, "3": -0.0005}],
    ids=["lost", "too many", "negative"],
)
def test_frequencies_that_are_near_1_in_sum_and_no_counts_of_all_shots(payload):
    assert sum(parse_probabilities(payload, 3).values()) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match="expected 10000 shots and none below 0"):
        parse_probabilities(payload, 3, 10_000)
    assert parse_probabilities({"0": 0.9995, "3": 0.0005}, 3, 10_000) == {0: 0.9995, 3: 0.0005}


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
    problem.values[:] = problem.values[0]
    problem.exact[:] = problem.exact[0]
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


MITIGATIONS = [
    {"debiasing": d, **v} for v in ({}, {"symmetry_verification": True}) for d in (False, True)
]
MEASURED_ANEW = [  # options, error mitigation that is sent
    *((options, MITIGATIONS[0]) for options in ({}, {"shots": 500}, {"repetition": 1})),
    ({"target": "forte-enterprise-1"}, MITIGATIONS[0]),
    ({"error_mitigation": "debiasing"}, MITIGATIONS[1]),
    ({"symmetry_verification": True}, MITIGATIONS[2]),
    ({"error_mitigation": "debiasing", "symmetry_verification": True}, MITIGATIONS[3]),
]  # fmt: skip


def keywords(passed, backend):
    """Settings as the library's successor makes them, which takes keywords and is done with the enum."""
    assert passed.get("error_mitigation") is None, "deprecated there"
    settings = dict(passed.get("job_settings") or {})
    names = ("debiasing", "symmetry_verification")
    chosen_settings = {name: passed[name] for name in names if passed.get(name) is not None}
    merged = {"error_mitigation": settings.get("error_mitigation", {}) | chosen_settings}
    return settings | (merged if chosen_settings else {})


@pytest.mark.filterwarnings("ignore:IonQ does not tell how many shots")
@pytest.mark.parametrize("successor", [False, True])
def test_settings_are_explicit_and_another_one_is_measured_anew(box, forte, monkeypatch, successor):
    from qiskit_ionq import helpers

    problem = make_problem(4)
    if successor:
        monkeypatch.setattr(helpers, "_build_settings", keywords)
    for n, (options, mitigation) in enumerate(MEASURED_ANEW, start=1):
        earlier_ids = set(box.store.jobs)
        assert_right(ask(forte(**options), problem), problem, shots=options.get("shots", 1000))
        payloads = [job.payload for job in box.store.jobs.values() if job.id not in earlier_ids]
        assert all(p["settings"] == {"error_mitigation": mitigation} for p in payloads)
        assert all(p.get("noise") is None for p in payloads)
        assert box.store.totals()["circuits_paid"] == 4 * n
    changed_problem = make_problem(4)
    changed_problem.circuit.x(0)
    ask(forte(), changed_problem)
    assert box.store.totals()["circuits_paid"] == 4 * (n + 1)


def test_the_simulators_noise_is_explicit(box, simulator, problem):
    ask(simulator(noise="forte1", shots=10, seed=9), problem)
    for job in box.store.jobs.values():
        assert job.payload.get("settings") is None
        assert job.payload.get("noise") == {"model": "forte-1", "seed": 9}


def test_a_machine_without_symmetry_verification(box, forte, problem, monkeypatch):
    describe = shapes.backend
    offered = {"supported_error_mitigations": ["debiasing"]}
    monkeypatch.setattr(shapes, "backend", lambda name: describe(name) | offered)
    with assert_refused(
        box, RemoteRequestError, r"qpu\.forte-1 offers no symmetry_verification, but debiasing"
    ):
        ask(forte(symmetry_verification=True), problem)


def test_the_width_that_is_sent_is_that_of_the_circuit(box, forte, problem, monkeypatch):
    write = library.qiskit_to_ionq

    def wider(*arguments):
        body = json.loads(write(*arguments))
        body["input"]["qubits"] = 36
        return json.dumps(body)

    with monkeypatch.context() as patch:
        patch.setattr(library, "qiskit_to_ionq", wider)
        with assert_refused(
            box,
            RemoteRequestError,
            r"3 circuits on 36 qubits for 3 circuits on 3\. Nothing was sent",
        ):
            ask(forte(), problem)
    assert_served(box, forte, problem)


def test_a_mock_server_is_named_in_the_ledger_and_shares_no_results(box, forte, problem, folder):
    """The address belongs to the identity: a mock server's numbers never pass for IonQ's."""
    ask(forte(), problem)
    assert '"sandbox": true' in (folder / "ledger.jsonl").read_text()
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal")) as other_box:
        ask(forte(url=other_box.url), problem)
        assert_paid_once(other_box, 7)


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
    observables = [[observable] for observable in problem.observables]
    sampled = result.data.meas.expectation_values(observables)  # (O, B)
    np.testing.assert_allclose(sampled.T, direct.values, atol=1e-12)
    assert_paid_once(box, 7)
    with assert_refused(box, BackendError, "got 500 shots, expected 1000"):
        sampler.run([(circuit, problem.values)], shots=500).result()
    pub = (problem.circuit, "ZZZ", problem.values)
    with assert_refused(box, BackendError, "precision 0.001 needs 1000000 shots"):
        backend.estimator().run([pub], precision=0.001).result()


def test_submit_and_collect_from_two_objects(forte, problem):
    submission, repetition = (forte().submit(problem.circuit, problem.values) for _ in range(2))
    assert len(submission.job_ids) == 3
    assert submission.estimate.circuits == 7
    assert repetition.job_ids == submission.job_ids
    assert (repetition.estimate.circuits, repetition.estimate.known) == (0, 7)
    assert_right(forte().collect(problem.circuit, problem.values, problem.observables), problem)


def test_a_call_searches_the_ledger_once(forte, problem, monkeypatch):
    searches = []
    find = Ledger.find

    def count_search(*given, **options):
        searches.append(given)
        return find(*given, **options)

    monkeypatch.setattr(Ledger, "find", count_search)
    for n_searches in (1, 2):  # first all circuits are sent, then none
        ask(forte(), problem)
        assert len(searches) == n_searches


def test_collecting_what_was_never_submitted(box, forte, problem):
    with assert_refused(box, RemoteRequestError, "7 of 7 samples are not in the ledger"):
        forte().collect(problem.circuit, problem.values, problem.observables)


def test_chunks_of_one_and_of_all(box, forte, problem):
    assert_right(ask(forte(circuits_per_job=1), problem), problem)
    assert {j.payload["type"] for j in box.store.jobs.values()} == {"ionq.circuit.v1"}
    assert_right(ask(forte(circuits_per_job=50, repetition=1), problem), problem)
    assert box.store.totals()["jobs"] == 8


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda c: c.reset(0), UnsupportedGateError, "gate 0 .* is 'reset'.*aer_statevector"),
        (
            lambda c: c.append(Gate("mystery", 1, []), [0]),
            UnsupportedGateError,
            "'mystery' .* has no definition by gates that the IonQ backends run",
        ),
        (lambda c: c.measure_all(), RemoteRequestError, "Remove the measurements"),
    ],
)
def test_circuits_that_cannot_be_sent(box, forte, build, error, match):
    circuit = QuantumCircuit(3)
    build(circuit)
    with pytest.raises(error, match=match):
        forte().expectations(circuit, np.empty((1, 0)), [SparsePauliOp("ZII")])
    assert box.store.totals()["requests"] == {}


@pytest.mark.parametrize(
    ("values", "observable", "error", "match"),
    [
        (np.zeros((7, 3)), "ZII", BackendError, r"have shape \(7, 3\), expected \(B, "),
        (np.diag([0, np.nan]) @ np.ones((2, 9)), "ZII", BackendError, "in row 1 is nan"),
        (np.zeros((7, 9)), "XII", UnsupportedGateError, "expected strings of I and Z"),
    ],
)
def test_values_and_observables_that_do_not_fit(
    box, forte, problem, values, observable, error, match
):
    with assert_refused(box, error, match):
        forte().expectations(problem.circuit, values, [SparsePauliOp(observable)])


@pytest.mark.parametrize(("name", "limit"), [("forte", 36), ("simulator", 29)])
def test_limits_are_checked_before_anything_is_sent(box, request, name, limit):
    backend = request.getfixturevalue(name)()
    with assert_refused(
        box, RemoteRequestError, f"{limit + 1} qubits and ionq_{name} takes {limit}"
    ):
        backend.expectations(QuantumCircuit(limit + 1), np.empty((1, 0)), [])
    limits = (backend.capabilities.paid, backend.capabilities.max_shots)
    assert limits == ((True, 10_000) if name == "forte" else (False, None))


def test_a_machine_smaller_than_its_name_promises(box, forte, problem, monkeypatch):
    monkeypatch.setitem(store.BACKENDS, "qpu.forte-1", 2)
    with assert_refused(box, RemoteRequestError, r"3 qubits and qpu\.forte-1 has 2"):
        ask(forte(), problem)


def test_the_list_of_machines_is_the_servers(box, forte, problem):
    backend = forte(target="tempo-1")
    assert backend.capabilities.max_qubits is None
    assert_right(ask(backend, problem), problem)
    assert {job.backend for job in box.store.jobs.values()} == {"qpu.tempo-1"}
    assert_fails(
        forte(target="unknown-9"),
        problem,
        RemoteRequestError,
        r"no device qpu\.unknown-9.*target: forte-1, forte-enterprise-1, tempo-1",
    )
    assert {job.backend for job in box.store.jobs.values()} == {"qpu.tempo-1"}
