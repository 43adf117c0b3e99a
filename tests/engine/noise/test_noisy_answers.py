"""The backend `adjoint` with noise, asked for expectation values: means, standard errors, options, seeds."""

import numpy as np
import pytest
from noisy_circuits import density_matrix
from qiskit import QuantumCircuit
from reference_circuits import question

from qllmft_backends import Capabilities, create
from qllmft_backends.noise import PRESETS, GateNoise
from qllmft_circuits import head_circuit, readout_observables
from qllmft_engine import noisy, noisy_sampler
from qllmft_engine.backend import AdjointGradient

RATES = {"noise": "explicit", "one_qubit_rate": 0.03, "two_qubit_rate": 0.08}


def ask(circuit, batch: int):
    """`question` with no string on two qubits: shots by eq. 2 with flips take none."""
    return question(circuit, batch, pair="Z")


def test_one_pass_of_equation_2_has_the_shots_standard_error():
    circuit, values, observables = ask(head_circuit(3), 2)
    options = {"readout_error": 0.2, "dtype": "float64"}
    z = create("adjoint", options).expectations(circuit, values, observables).values[:, :3]
    got = create("adjoint", options | {"shots": 500, "shot_model": "gaussian"}).expectations(
        circuit, values, observables
    )
    np.testing.assert_allclose(got.standard_errors[:, :3], np.sqrt((1 - z**2) / 500), atol=1e-12)


def test_distinct_trajectories_are_simulated_once(monkeypatch):
    request = ask(head_circuit(4), 3)
    backend = create("adjoint", {"noise": "paper_high", "trajectories": 2000})
    rows = []
    values = noisy_sampler.AdjointEngine.values
    monkeypatch.setattr(
        noisy_sampler.AdjointEngine, "values", lambda *a: rows.append(len(a[1])) or values(*a)
    )
    got = backend.expectations(*request)
    assert sum(rows) < 3 * 2000 / 10
    assert (got.standard_errors > 0).all()


def test_parts_that_fit_the_memory_are_drawn_apart(monkeypatch):
    circuit, values, observables = ask(head_circuit(3), 1)
    request = circuit, values.repeat(7, axis=0), observables
    for module in (noisy, noisy_sampler):
        monkeypatch.setattr(module, "GATES_AT_ONCE", 300 * 100)
    gaussian = {"shots": 300, "shot_model": "gaussian", "trajectories": 300}
    for way in ({"trajectories": 300}, {"shots": 300}, gaussian):
        got = create("adjoint", RATES | way).expectations(*request)
        assert got.values.shape == (7, 4)
        assert len(np.unique(got.values, axis=0)) == 7  # no part repeats the draws of another


def test_readout_error_alone_has_exact_means():
    request = ask(head_circuit(3), 2)
    got = create("adjoint", {"readout_error": 0.1, "dtype": "float64"}).expectations(*request)
    exact = create("adjoint", {"dtype": "float64"}).expectations(*request)
    np.testing.assert_allclose(got.values[:, :3], 0.8 * exact.values[:, :3], atol=1e-12)
    assert not got.standard_errors.any()
    np.testing.assert_allclose(
        got.values, density_matrix(*request, GateNoise(0, 0, 0.1)), atol=1e-10
    )


def test_one_trajectory_says_nothing_of_its_error():
    request = ask(head_circuit(3), 2)
    for way in ({"trajectories": 1}, {"trajectories": 1, "shots": 100, "shot_model": "gaussian"}):
        assert np.isinf(create("adjoint", RATES | way).expectations(*request).standard_errors).all()


def test_no_gates():
    empty = QuantumCircuit(3)
    backend = create("adjoint", RATES | {"shots": 10})
    got = backend.expectations(empty, np.empty((2, 0)), readout_observables(3))
    np.testing.assert_array_equal(got.values, np.ones((2, 3)))


def test_options_become_noise():
    assert create("adjoint").options.is_none
    noise = create("adjoint", {"noise": "paper_low", "readout_error": 0.02, "shots": 100}).options
    assert noise.gate_noise == GateNoise(1e-4, 1e-3, 0.02)
    assert (noise.shots, noise.model, noise.runs) == (100, "multinomial", 1)
    assert create("adjoint", RATES).gate_noise == GateNoise(0.03, 0.08)
    for name, preset in PRESETS.items():  # one value for the engine and for Aer
        ours, aers = (create(backend, {"noise": name}) for backend in ("adjoint", "aer_forte"))
        assert ours.gate_noise == aers.gate_noise == preset


@pytest.mark.parametrize(
    ("options", "capabilities"),
    [
        ({}, {"exact": True, "paulis": True}),
        ({"noise": "forte1"}, {"noisy": True}),
        ({"shots": 100}, {"shots": True}),
        ({"shots": 100, "shot_model": "gaussian", "noise": "paper_low"}, {"shots": True, "noisy": True}),
        ({"readout_error": 0.1}, {"exact": True, "noisy": True}),
    ],
    ids=str,
)  # fmt: skip
def test_capabilities_say_what_the_options_do(options, capabilities):
    expected = Capabilities(**capabilities, adjoint=True, max_qubits=30)
    assert create("adjoint", options).capabilities == expected


def test_the_gradient_for_qiskit_sees_the_noise():
    circuit = head_circuit(3, 1)
    options = RATES | {"dtype": "float64", "trajectories": 20_000}
    values = np.random.default_rng(0).uniform(-np.pi, np.pi, circuit.num_parameters)
    observable = readout_observables(3)[0]
    assert isinstance(create("adjoint").gradient(), AdjointGradient)
    job = create("adjoint", options).gradient().run([circuit], [observable], [values])
    aer = RATES | {"shots": None, "method": "density_matrix"}
    expected = create("aer_forte", aer).gradient().run([circuit], [observable], [values]).result()
    np.testing.assert_allclose(job.result().gradients, expected.gradients, atol=0.03)
