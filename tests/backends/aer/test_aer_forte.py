"""Forte's gate noise on Aer, against a density matrix in NumPy and against Qiskit's own."""

import numpy as np
import pytest
from kraus_evolution import noisy_expectations
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_aer import AerSimulator
from reference_circuits import question

from qllmft_backends import (
    GateNoise,
    create,
)
from qllmft_backends.aer.noisy import cheaper_method, reruns_every_shot
from qllmft_backends.aer.simulator import gpu_obstacle
from qllmft_backends.noise import PRESETS
from qllmft_circuits import head_circuit, readout_observables

STRONG = {"noise": "explicit", "one_qubit_rate": 0.03, "two_qubit_rate": 0.08}
RATES = (0.03, 0.08)
EXACT = {"shots": None, "method": "density_matrix"}


def zoo() -> QuantumCircuit:
    """Every gate of the engine on three qubits, controls above and below their targets."""
    a = Parameter("a")
    b = Parameter("b")
    circuit = QuantumCircuit(3, name="zoo")
    for qubit in range(3):
        circuit.ry([a, b, 0.7][qubit], qubit)
    circuit.cx(0, 2)
    circuit.h(1)
    circuit.cz(2, 1)
    circuit.ry(0.5 * a - b + 0.2, 2)
    circuit.barrier()
    circuit.swap(0, 1)
    circuit.id(0)
    circuit.x(1)
    circuit.ry(b, 0)
    circuit.z(2)
    circuit.cx(2, 0)
    circuit.ry(-0.4, 2)
    return circuit


CIRCUITS = [zoo(), head_circuit(3), head_circuit(4)]


def ask(*request, **options):
    return create("aer_forte", options).expectations(*request)


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda c: c.name)
@pytest.mark.parametrize("readout_error", [0.0, 0.04])
def test_the_density_matrix_is_the_one_of_kraus_operators(circuit, readout_error):
    request = question(circuit, batch=3)
    options = STRONG | EXACT | {"readout_error": readout_error}
    got = ask(*request, **options)
    expected = noisy_expectations(*request, RATES, readout_error)
    np.testing.assert_allclose(got.values, expected, atol=1e-10)
    assert not got.standard_errors.any()


def test_all_observables_of_a_sample_come_from_the_same_shots_behind_the_primitive_too():
    ghz = QuantumCircuit(3)
    ghz.h(0)
    ghz.cx(0, 1)
    ghz.cx(1, 2)
    noise = {"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 0.0}
    backend = create("aer_forte", noise | {"shots": 101})
    direct = backend.expectations(ghz, np.empty((1, 0)), readout_observables(3))
    # the three bits of every shot agree, so the three means do
    assert len(set(direct.values[0])) == 1
    assert 0 < abs(direct.values[0, 0]) < 0.5
    results = backend.estimator().run([(ghz, o) for o in readout_observables(3)]).result()
    np.testing.assert_array_equal([float(r.data.evs) for r in results], direct.values[0])
    np.testing.assert_array_equal([float(r.data.stds) for r in results], direct.standard_errors[0])


def test_noise_comes_from_presets_or_numbers():
    assert create("aer_forte").gate_noise == PRESETS["forte1"]
    options = STRONG | {"readout_error": 0.01}
    assert create("aer_forte", options).gate_noise == GateNoise(0.03, 0.08, 0.01)


@pytest.mark.parametrize(
    ("n_qubits", "runs", "method"),
    [
        (3, 16, "density_matrix"),
        (3, 15, "trajectories"),
        (12, 8192, "density_matrix"),
        (13, 8192, "trajectories"),
        (16, 10**9, "trajectories"),  # the memory holds 15
    ],
)
def test_the_cheaper_method_follows_its_rule(n_qubits, runs, method):
    assert cheaper_method(n_qubits, runs, density_matrix_qubits=15) == method


@pytest.mark.parametrize(
    ("options", "n_qubits", "method"),
    [
        ({}, 10, "density_matrix"),
        ({"shots": 1000}, 10, "trajectories"),
        ({"shots": None}, 8, "density_matrix"),
        ({"shots": None, "trajectories": 500}, 8, "trajectories"),
        ({"method": "trajectories"}, 3, "trajectories"),
    ],
)
def test_auto_follows_the_rule(options, n_qubits, method):
    assert create("aer_forte", options).method_for(head_circuit(n_qubits)) == method


def random_operations(rng, n_qubits=3):
    """Circuit with gates, measurements, resets and conditions in any order."""
    circuit = QuantumCircuit(n_qubits, n_qubits)
    circuit.measure(0, 0)
    kinds = ("h", "cx", "measure", "measure", "reset", "condition", "barrier")
    for kind in rng.choice(kinds, rng.integers(1, 8)):
        qubit, second_qubit = rng.choice(n_qubits, 2, replace=False).tolist()
        if kind == "cx":
            circuit.cx(qubit, second_qubit)
        elif kind == "measure":
            circuit.measure(qubit, second_qubit)
        elif kind == "condition":
            with circuit.if_test((0, 1)):
                circuit.x(qubit)
        elif kind == "barrier":
            circuit.barrier()
        else:
            getattr(circuit, str(kind))(qubit)
    return circuit


def test_the_circuits_that_run_anew_for_each_shot_are_those_of_aer():
    simulator = AerSimulator(method="density_matrix")
    rng = np.random.default_rng(3)
    counts = {True: 0, False: 0}
    for _ in range(120):
        circuit = random_operations(rng)
        result = simulator.run(circuit, shots=5).result()
        if not result.success:  # Aer fails on some conditions on which no measurement depends
            continue
        assert reruns_every_shot(circuit) is not result.results[0].metadata["measure_sampling"]
        counts[reruns_every_shot(circuit)] += 1
    assert min(counts.values()) > 20


def measured_in_the_middle(n_qubits):
    circuit = QuantumCircuit(n_qubits, n_qubits)
    circuit.h(range(n_qubits))
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(range(n_qubits), range(n_qubits))
    return circuit


@pytest.mark.public_report(
    case="aer_forte_mid_slow",
    source="own audit",
    seen="with a measurement in the middle, aer_forte computed a density matrix for each shot",
    outcome="auto counts the runs of such circuits and takes trajectories from 4 qubits on",
)
@pytest.mark.parametrize(
    ("n_qubits", "method"), [(3, "density_matrix"), (4, "trajectories"), (8, "trajectories")]
)
def test_auto_counts_a_density_matrix_for_each_shot_of_a_measurement_in_the_middle(
    n_qubits, method
):
    backend = create("aer_forte")
    circuit = measured_in_the_middle(n_qubits)
    assert backend.method_for(circuit, 1000) == method
    nested = QuantumCircuit(n_qubits, n_qubits)
    nested.append(circuit.to_instruction(), range(n_qubits), range(n_qubits))
    assert backend.method_for(nested, 1000) == method
    with_loop = QuantumCircuit(n_qubits, n_qubits)
    with with_loop.for_loop(range(2)):
        with_loop.measure(0, 0)
    assert backend.method_for(with_loop, 1000) == method
    assert backend.method_for(head_circuit(n_qubits), 1000) == "density_matrix"


def test_auto_counts_the_shots_that_are_measured():
    backend = create("aer_forte")  # 8192 shots
    assert backend.method_for(head_circuit(10)) == "density_matrix"
    assert backend.method_for(head_circuit(10), 1000) == "trajectories"


def test_both_methods_measure_the_same_in_the_middle():
    strong = {"noise": "explicit", "one_qubit_rate": 0.1, "two_qubit_rate": 0.2}
    circuit = measured_in_the_middle(3)
    shots = 4000
    ones = []
    for method in ("density_matrix", "trajectories"):
        sampler = create("aer_forte", strong | {"method": method}).sampler(seed=2)
        bits = sampler.run([circuit], shots=shots).result()[0].data.c.to_bool_array()
        ones.append(bits.mean(axis=0))
    assert np.abs(ones[0] - ones[1]).max() < 5 * np.sqrt(0.5 / shots)


def test_auto_runs_a_prepared_state_which_the_density_matrix_does_not_have():
    circuit = QuantumCircuit(2, 2)
    circuit.initialize([0, 1], 0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    backend = create("aer_forte", {"noise": "explicit", "one_qubit_rate": 0, "two_qubit_rate": 0})
    counts = backend.sampler().run([circuit], shots=50).result()[0].data.c.get_counts()
    assert counts == {"11": 50}


def test_capabilities_follow_the_options():
    exact = create("aer_forte", EXACT).capabilities
    default = create("aer_forte").capabilities
    assert (exact.exact, exact.shots, exact.noisy) == (True, False, True)
    assert (default.exact, default.shots, default.noisy) == (False, True, True)
    assert exact.max_qubits < default.max_qubits
    # which method "auto" takes is known with the circuit only, so exactness is not promised
    assert not create("aer_forte", {"shots": None}).capabilities.exact


@pytest.mark.skipif(gpu_obstacle() is not None, reason="Aer finds no GPU here")
@pytest.mark.parametrize(
    "options", [EXACT, {"shots": None, "method": "trajectories"}, {"shots": 8192}]
)
def test_a_gpu_gives_what_the_cpu_gives(options):
    circuit = head_circuit(4, 1, 1, 1)
    values = np.random.default_rng(0).uniform(-3, 3, (3, circuit.num_parameters))
    observables = readout_observables(4)
    got = create("aer_forte", STRONG | options | {"device": "GPU"}).expectations(
        circuit, values, observables
    )
    exact = create("aer_forte", STRONG | EXACT).expectations(circuit, values, observables)
    assert (np.abs(got.values - exact.values) <= 5 * got.standard_errors + 1e-10).all()
