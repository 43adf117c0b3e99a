"""Estimators by the rules of Qiskit's V2 primitives: precision, seeds, resets, bases, nested circuits."""

import warnings

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives import StatevectorEstimator
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.quantum_info import DensityMatrix, SparsePauliOp
from qiskit_machine_learning.neural_networks import EstimatorQNN
from reference_circuits import every_gate, expectations_by_statevector

from qllmft_backends import BackendError, create

PAULIS = [
    SparsePauliOp(["XYI", "ZIZ", "IYX"], [0.5, -2.0, 0.3]),
    SparsePauliOp("IIY"),
    SparsePauliOp("ZZI"),
]
NO_NOISE = {"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 0.0, "readout_error": 0.0}


def rotation_circuit(name: str = "rotated") -> QuantumCircuit:
    """Three qubits, two parameters, no symmetry; a parameter in several gates, in an expression and in the phase."""
    a = Parameter("a")
    b = Parameter("b")
    circuit = QuantumCircuit(3, name=name, global_phase=0.5 * a)
    circuit.ry(a, 0)
    circuit.cx(0, 1)
    circuit.rx(2 * a + b, 1)
    circuit.cx(1, 2)
    circuit.rz(a * b, 2)
    circuit.ry(b, 2)
    return circuit


VALUES = np.array([[0.3, -0.7], [1.1, 0.4]])


def evs(estimator, *pub, **options):
    return estimator.run([pub], **options).result()[0].data.evs


def test_differences_of_values_are_derivatives_by_default_and_training_stays_in_float32():
    backend = create("adjoint")
    circuit = every_gate(3)
    step = 1e-6
    values = np.random.default_rng(0).normal(size=circuit.num_parameters)
    shifts = values + step * np.vstack([np.eye(len(values)), -np.eye(len(values))])
    plus, minus = np.split(evs(backend.estimator(), circuit, "ZIZ", shifts), 2)
    [derivatives] = (
        backend.gradient().run([circuit], [SparsePauliOp("ZIZ")], [values]).result().gradients
    )
    np.testing.assert_allclose((plus - minus) / (2 * step), derivatives, atol=1e-7)
    assert backend.compile(circuit, [SparsePauliOp("ZIZ")])[0].dtype == "float32"
    single = evs(create("adjoint", {"dtype": "float32"}).estimator(), circuit, "ZIZ", values)
    assert 0 < abs(single - evs(backend.estimator(), circuit, "ZIZ", values)) < 1e-5


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
def test_precision_is_the_noise_of_qiskits_own_estimator(name):
    pub = rotation_circuit(), ["ZIZ", "IXY"], VALUES
    ours, theirs = (
        [job.result()[0] for job in (e.run([pub]), e.run([pub]), e.run([pub], precision=0))]
        for e in (
            create(name).estimator(default_precision=0.5, seed=1),
            StatevectorEstimator(default_precision=0.5, seed=1),
        )
    )
    for result, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(result.data.evs, expected.data.evs, atol=1e-12)
        assert result.metadata == expected.metadata
    unseeded = create(name).estimator(default_precision=0.5)
    assert (evs(unseeded, *pub) != evs(unseeded, *pub)).all()


def test_a_simulator_takes_the_shots_that_a_precision_needs():
    estimator = create("aer_statevector", {"shots": 50}).estimator(seed=3)
    pub = rotation_circuit(), ["ZIZ", "IXY", "ZZZ"], VALUES[0]
    result = estimator.run([pub, pub], precision=0.01).result()
    assert result.metadata == {"version": 2}
    assert result[0].metadata == {"target_precision": 0.01, "circuit_metadata": {}, "shots": 10000}
    np.testing.assert_array_equal(result[0].data.evs, result[1].data.evs)
    reseeded = create("aer_statevector", {"shots": 50}).estimator(seed=4)
    assert (evs(reseeded, *pub, precision=0.01) != result[0].data.evs).any()
    assert (result[0].data.stds < 0.011).all()
    operators = [SparsePauliOp(o) for o in pub[1]]
    [exact] = expectations_by_statevector(rotation_circuit(), VALUES[:1], operators)
    assert (np.abs(result[0].data.evs - exact) < 5 * result[0].data.stds).all()
    assert estimator.run([pub]).result()[0].metadata["shots"] == 50
    with pytest.raises(
        BackendError,
        match=r"precision is 0, the exact values\. Backend 'aer_statevector' draws 50 shots",
    ):
        estimator.run([pub], precision=0).result()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("aer_forte", {"shots": None, "method": "density_matrix"} | NO_NOISE),
        ("aer_statevector", {}),
    ],
)
def test_observables_in_any_basis_of_circuits_inside_circuits(name, options):
    """H and S† turn the basis if a backend measures Z only; Aer binds no global phase with a parameter."""
    outer = QuantumCircuit(3)
    outer.append(rotation_circuit("a name of its own"), [2, 0, 1])
    flat = QuantumCircuit(3)
    flat.compose(rotation_circuit(), [2, 0, 1], inplace=True)
    expected = expectations_by_statevector(flat, VALUES, PAULIS)
    for circuit in (outer, flat):
        values = evs(create(name, options).estimator(), circuit, PAULIS, VALUES[:, np.newaxis])
        np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
def test_variances_of_bases_add_up(name):
    values = np.repeat(VALUES[:1], 300, axis=0)
    estimator = create(name, {"shots": 200}).estimator()
    [result] = estimator.run([(rotation_circuit(), PAULIS[0], values)]).result()
    [[exact]] = expectations_by_statevector(rotation_circuit(), VALUES[:1], PAULIS[:1])
    scores = (result.data.evs - exact) / result.data.stds
    assert abs(scores.mean()) < 4 / np.sqrt(300)
    assert scores.std() == pytest.approx(1, abs=0.17)  # 4 standard errors of a deviation of 300


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
def test_a_reset_leaves_the_mean_over_its_outcomes(name):
    circuit = QuantumCircuit(3, 1)
    circuit.reset(2)
    circuit.ry(0.7, 0)
    circuit.cx(0, 1)
    circuit.rx(0.4, 1)
    circuit.cx(1, 2)
    circuit.reset(1)
    circuit.h(1)
    circuit.cx(1, 0)
    expected = [DensityMatrix(circuit).expectation_value(o).real for o in PAULIS]
    np.testing.assert_allclose(evs(create(name).estimator(), circuit, PAULIS), expected, atol=1e-12)
    of_z = DensityMatrix(circuit).expectation_value(SparsePauliOp("ZIZ")).real
    circuit.measure(0, 0)  # Z of a measured qubit keeps its value, X and Y lose it
    measured_values = evs(create(name).estimator(), circuit, ["ZIZ", "IIX", "IIY"])
    np.testing.assert_allclose(measured_values, [of_z, 0, 0], atol=1e-12)


def test_a_noisy_backend_adds_no_gates_for_a_reset():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.reset(0)
    with pytest.raises(
        BackendError, match=r"each gate has noise. Use create\('aer_forte'\).sampler\(\)"
    ):
        evs(create("aer_forte").estimator(), circuit, "ZZ")
    fresh = QuantumCircuit(2, 2)
    fresh.reset([0, 1])
    fresh.x(0)
    fresh.measure([0, 1], [0, 1])
    assert evs(create("aer_forte", NO_NOISE).estimator(), fresh, "IZ") == -1


def test_a_network_without_its_own_gradient_warns_once_and_with_it_has_the_same_gradient():
    backend = create("adjoint")
    circuit = rotation_circuit()
    inputs = VALUES[:, :1]
    weights = VALUES[0, 1:]
    a, b = circuit.parameters
    gradients = []
    for options in ({}, {"gradient": backend.gradient()}):
        network = EstimatorQNN(
            circuit=circuit,
            estimator=backend.estimator(),
            observables=PAULIS,
            input_params=[a],
            weight_params=[b],
            input_gradients=True,
            default_precision=0.0,
            **options,
        )
        network.forward(inputs, weights)
        if not options:
            remedy = r"Add gradient=backend\.gradient\(\) .* VQR has no such argument: fit Neural"
            with pytest.warns(UserWarning, match=remedy):
                network.backward(inputs, weights)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gradients.append(network.backward(inputs, weights))
    for slow, fast in zip(*gradients, strict=True):
        np.testing.assert_allclose(slow, fast, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adjoint", {"shots": 200}),
        ("adjoint", {"noise": "explicit", "one_qubit_rate": 0.05, "two_qubit_rate": 0.05}),
        ("aer_forte", {"shots": 200}),
        ("aer_statevector", {"shots": 200}),
        ("pennylane", {"shots": 200}),
    ],
)
def test_a_seed_repeats_the_shots_and_none_draws_anew(name, options):
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(0.4 + qubit, qubit)
        circuit.cx(qubit, (qubit + 1) % 3)
    pub = circuit, ["ZII", "IZI", "IIZ"]
    fixed, free, second_free = (
        create(name, options).estimator(seed=seed) for seed in (4, None, None)
    )
    np.testing.assert_array_equal(evs(fixed, *pub), evs(fixed, *pub))
    runs = np.array([evs(free, *pub) for _ in range(5)])
    assert (np.ptp(runs, axis=0) > 0).any()
    assert len(np.unique(runs, axis=0)) == 5
    np.testing.assert_array_equal(
        runs, [evs(second_free, *pub) for _ in range(5)]
    )  # by the option seed
    assert not np.array_equal(runs[0], evs(fixed, *pub))


def test_the_spread_of_repeated_runs_is_the_standard_error():
    circuit = rotation_circuit().assign_parameters(VALUES[0])
    for name in ("adjoint", "aer_statevector"):
        estimator = create(name, {"shots": 200}).estimator()
        results = [estimator.run([(circuit, PAULIS)]).result()[0].data for _ in range(40)]
        spread = np.std([data.evs for data in results], axis=0, ddof=1)
        expected = np.mean([data.stds for data in results], axis=0)
        # the standard deviation of 40 draws has an error of 11 %
        np.testing.assert_allclose(spread, expected, rtol=0.4)


def test_pubs_of_other_shapes_without_parameters_are_answered_each():
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    pubs = [(circuit, "IXX"), (circuit, "IXX", BindingsArray(shape=(2,)))]
    for estimator in (create("adjoint").estimator(), StatevectorEstimator()):
        single_value, pair_values = (result.data.evs for result in estimator.run(pubs).result())
        np.testing.assert_allclose(single_value, 1.0, atol=1e-12)
        np.testing.assert_allclose(pair_values, [1.0, 1.0], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "precision", "message"),
    [
        ({}, np.nan, "precision is nan, expected a finite standard error"),
        ({}, np.inf, "precision is inf, expected a finite standard error"),
        ({}, 1e-12, "shots is 1000000000000000117440512, expected an integer of at most"),
        ({"seed": -1}, None, "seed = -1: Input should be greater than or equal to 0"),
    ],
)
def test_impossible_precisions_and_seeds_are_refused(options, precision, message):
    circuit = QuantumCircuit(1)
    circuit.h(0)
    with pytest.raises(BackendError, match=message):
        create("adjoint", {"shots": 10}).estimator(**options).run(
            [(circuit, "X")], precision=precision
        ).result()
