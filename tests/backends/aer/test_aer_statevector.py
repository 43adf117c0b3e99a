"""Aer's state vector backend against the engine and against Qiskit's `Statevector`; the GPU that is not there."""

import re

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from reference_circuits import expectations_by_statevector

from qllmft_backends import BackendError, create
from qllmft_backends.aer import simulator, statevector
from qllmft_backends.aer.simulator import gpu_obstacle
from qllmft_backends.aer.statevector import AerSimulator, AerStatevectorBackend
from qllmft_circuits import head_circuit, readout_observables


def head(n_qubits: int, batch: int, seed: int = 0):
    circuit = head_circuit(n_qubits)
    values = np.random.default_rng(seed).uniform(-np.pi, np.pi, (batch, circuit.num_parameters))
    return circuit, values, readout_observables(n_qubits)


def evaluate(question, name="aer_statevector", **options):
    return create(name, options).expectations(*question)


def assert_by_statevector(*question):
    expected = expectations_by_statevector(*question)
    np.testing.assert_allclose(evaluate(question).values, expected, atol=1e-12)


# above 14 qubits Aer runs a batch in another way
@pytest.mark.parametrize("n_qubits", [3, 5, 8, 15])
def test_it_equals_the_engine_on_the_head(n_qubits):
    question = head(n_qubits, batch=4)
    got = evaluate(question)
    np.testing.assert_allclose(got.values, evaluate(question, "adjoint").values, atol=1e-6)
    reference = evaluate(question, "adjoint", dtype="float64")
    np.testing.assert_allclose(got.values, reference.values, atol=1e-12)
    assert got.values.shape == (4, n_qubits)
    assert not got.standard_errors.any()


def test_single_precision_is_single():
    question = head(6, batch=3)
    single = evaluate(question, precision="single").values
    double = evaluate(question).values
    np.testing.assert_allclose(single, double, atol=5e-6)
    assert np.abs(single - double).max() > 1e-12


def test_gates_that_aer_does_not_know_are_opened_up_and_any_pauli_is_measured():
    a = Parameter("a")
    b = Parameter("b")
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.iswap(0, 1)  # not among Aer's gates
    circuit.barrier()
    circuit.ry(2 * a + b * b, 1)
    circuit.rzz(a, 1, 2)
    circuit.cx(2, 0, ctrl_state=0)
    circuit.rx(b, 2)
    observables = [SparsePauliOp(["XYI", "ZIZ"], [0.5, -2.0]), *map(SparsePauliOp, ("IIY", "III"))]
    assert_by_statevector(circuit, np.random.default_rng(1).normal(size=(5, 2)), observables)


@pytest.mark.parametrize("name", ["cry", "crx", "crz", "cp"])
def test_controlled_rotations_get_their_angles_though_aer_would_not_bind_them(name):
    a = Parameter("a")
    b = Parameter("b")
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.ry(a, 0)
    getattr(circuit, name)(b, 2, 1)
    circuit.h(1)
    values = np.random.default_rng(4).normal(size=(3, 2))
    assert_by_statevector(circuit, values, readout_observables(3))


def test_a_gate_is_opened_up_for_shots_too_and_where_it_holds_one_gate_only():
    inner = QuantumCircuit(1, name="inner")
    inner.x(0)
    circuit = QuantumCircuit(3)
    circuit.append(inner.to_gate(), [1])
    for options in ({}, {"shots": 10}):
        got = evaluate((circuit, np.empty((1, 0)), readout_observables(3)), **options)
        np.testing.assert_allclose(got.values, [[1, -1, 1]], atol=1e-12)


def test_bits_that_only_a_condition_reads_are_0():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
    outcome = create("aer_statevector").sampler().run([circuit], shots=20).result()[0]
    assert outcome.data.c.get_counts() == {"00": 20}


def test_shots_scatter_about_the_exact_values_as_their_standard_errors_say():
    circuit, values, observables = head(3, batch=1)
    observables = [*observables, SparsePauliOp(["ZZI", "IZZ"], [1.0, -0.5])]
    exact = evaluate((circuit, values, observables)).values
    got = evaluate((circuit, np.repeat(values, 400, axis=0), observables), shots=500)
    scores = (got.values - exact) / got.standard_errors
    assert np.abs(scores).max() < 5
    assert np.abs(scores.mean(axis=0)).max() < 4 / np.sqrt(400)
    # 4 standard errors of a deviation of 400: 0.14
    np.testing.assert_allclose(scores.std(axis=0), 1, atol=0.15)


def test_the_seed_decides_the_shots():
    question = head(4, batch=2)
    first, repeated, reseeded = (
        evaluate(question, shots=100, seed=seed).values for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(repeated, first)
    assert (reseeded != first).any()


def test_samples_that_aer_loses_are_an_error(monkeypatch):
    everything = AerSimulator.run

    def first_only(self, circuits, parameter_binds, **options):
        firsts = [{p: v[:1] for p, v in parameter_binds[0].items()}]
        return everything(self, circuits, firsts, **options)

    monkeypatch.setattr(AerSimulator, "run", first_only)
    with pytest.raises(BackendError, match="got 1 of 4 samples"):
        evaluate(head(3, batch=4))


def test_capabilities_follow_the_options():
    exact, sampled = (
        create("aer_statevector", options).capabilities for options in ({}, {"shots": 9})
    )
    assert (exact.exact, exact.shots) == (True, False)
    assert (sampled.exact, sampled.shots) == (False, True)
    assert 20 < exact.max_qubits < 50
    assert not any((exact.noisy, exact.paid, exact.remote))


@pytest.mark.skipif(gpu_obstacle() is None, reason="Aer finds a GPU here")
def test_a_gpu_that_is_listed_and_runs_nothing_is_refused(monkeypatch):
    # qiskit-aer-gpu lists the GPU without a driver
    monkeypatch.setattr(AerSimulator, "available_devices", lambda self: ("CPU", "GPU"))
    match = "Aer finds no GPU: it lists one, but runs no circuit on it: .*not supported on this"
    assert re.match(match, AerStatevectorBackend.availability().note)
    with pytest.raises(BackendError, match=match):
        create("aer_statevector", {"device": "GPU"})


def test_a_missing_driver_is_what_aer_says_of_it(monkeypatch):
    monkeypatch.setattr(AerSimulator, "available_devices", lambda self: ("CPU", "GPU"))

    def no_driver(self, circuit, **options):
        raise RuntimeError("No CUDA device available!")

    monkeypatch.setattr(AerSimulator, "run", no_driver)
    note = AerStatevectorBackend.availability().note
    assert "it lists one, but runs no circuit on it: No CUDA device available (qiskit-aer" in note
    assert "an NVIDIA GPU with a driver for CUDA 12 (nvidia-smi tests it)" in note


@pytest.mark.skipif(gpu_obstacle() is None, reason="Aer finds a GPU here")
def test_a_gpu_that_fails_later_is_an_error_and_not_the_cpu(monkeypatch):
    for module in (simulator, statevector):
        monkeypatch.setattr(module, "gpu_obstacle", lambda: None)
    assert AerStatevectorBackend.availability().note == "Aer finds a GPU: device='GPU' works."
    monkeypatch.setattr(AerSimulator, "available_devices", lambda self: ("CPU", "GPU"))
    backend = create("aer_statevector", {"device": "GPU"})
    assert backend.capabilities.max_qubits is None
    with pytest.raises(BackendError, match=r"Aer refused circuit .*GPU"):
        backend.expectations(*head(3, batch=2))


def test_a_gpu_gets_its_parameter_sets_in_batches_and_one_device(monkeypatch):
    for module in (simulator, statevector):
        monkeypatch.setattr(module, "gpu_obstacle", lambda: None)
    monkeypatch.setattr(AerSimulator, "available_devices", lambda self: ("CPU", "GPU"))
    seen = {}
    monkeypatch.setattr(AerSimulator, "run", lambda self, _, **given: seen.update(given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(head(3, batch=2), device="GPU")
    assert seen["batched_shots_gpu"]
    assert seen["runtime_parameter_bind_enable"]
    assert seen["target_gpus"] == [0]
    assert len(seen["parameter_binds"][0]) == 18


@pytest.mark.skipif(gpu_obstacle() is not None, reason="Aer finds no GPU here")
@pytest.mark.parametrize("options", [{}, {"shots": 20000}])
def test_a_gpu_gives_what_the_cpu_gives(options):
    question = head(6, batch=16)
    got = evaluate(question, device="GPU", **options)
    exact = evaluate(question)
    assert (np.abs(got.values - exact.values) <= 5 * got.standard_errors + 1e-10).all()
