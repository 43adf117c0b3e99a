"""Circuits of any gates in Triton's kernels, against the compiled engine and Qiskit's state vector."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector, random_unitary
from test_torch_engine import answers
from test_triton_engine import DEVICE, ON_GPU, triton  # noqa: F401  a fixture

from qllmft_backends import UnsupportedGateError, create
from qllmft_backends.observables import PauliObservables
from qllmft_engine import interface
from qllmft_engine.complex_engine import ComplexEngine
from qllmft_engine.program import ComplexProgram, lower_complex
from qllmft_engine.torch import devices

OBSERVABLES = [
    SparsePauliOp("IIZ"),
    SparsePauliOp(["XYI", "ZZZ"], [0.5, -2.0]),
    SparsePauliOp("YIY"),
]


def mixed_circuit(n_qubits, *, loads=True):
    """Parametrised and constant gates of every form, with an angle that two gates share."""
    t = ParameterVector("t", 8)
    circuit = QuantumCircuit(n_qubits)
    if loads:
        state = np.array([1, 2j, 0, -1, 0.5, 1j, 1, 2])
        circuit.initialize(state / np.linalg.norm(state), [0, 1, 2])
    circuit.u(t[0], t[1], t[2], 0)
    circuit.rx(2 * t[3] + 0.3, 1)
    circuit.rzz(t[4], 0, n_qubits - 1)
    circuit.crx(t[5], 2, 0)
    circuit.h(n_qubits - 1)
    circuit.t(n_qubits - 1)
    circuit.cx(1, 2)
    circuit.unitary(random_unitary(4, seed=1), [0, 2])
    circuit.swap(0, 1)
    circuit.cp(t[6], 1, n_qubits - 1)
    circuit.ryy(t[7], 0, 1)
    circuit.rx(t[0], 2)
    return circuit


def on_more_qubits(n_qubits):
    return [SparsePauliOp("I" * (n_qubits - 3)).tensor(operator) for operator in OBSERVABLES]


def assert_compiled_answers(circuit, dtype, samples, tolerance):
    from qllmft_engine.torch.gpu.complex_engine import TritonComplexEngine

    strings = PauliObservables.from_operators(
        on_more_qubits(circuit.num_qubits), circuit.num_qubits
    )
    program = lower_complex(circuit)
    rng = np.random.default_rng(3)
    angles = rng.uniform(-3, 3, (samples, program.n_angles))
    cotangent = rng.normal(size=(samples, len(strings.masks)))
    engine = TritonComplexEngine(program, strings, dtype, DEVICE)
    got = answers(engine, (angles, None), cotangent)
    expected = answers(ComplexEngine(program, strings, dtype), (angles, None), cotangent)
    assert got[2] is None
    for mine, theirs in zip(got[:2], expected[:2], strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)
    np.testing.assert_allclose(engine.values(angles), expected[0], rtol=0, atol=tolerance)
    assert engine.double.dtype == "float64"


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_values_and_gradients_are_the_compiled_engines(triton, dtype, tolerance):  # noqa: F811
    assert_compiled_answers(mixed_circuit(3), dtype, 2, tolerance)


def test_larger_states_are_computed_in_passes(triton, monkeypatch):  # noqa: F811
    from qllmft_engine.torch.gpu import complex_engine

    for name, number in (("WHOLE_STATE_QUBITS", 3), ("PASS_QUBITS", 3), ("CONTIGUOUS_QUBITS", 1)):
        monkeypatch.setattr(complex_engine, name, number)
    assert_compiled_answers(mixed_circuit(4), "float64", 1, 1e-12)


@pytest.fixture
def backend(triton, monkeypatch):  # noqa: F811
    """The backend whose device is that of the kernels here."""
    engines = devices.DeviceEngines(DEVICE, complex_gates=True)
    monkeypatch.setattr(interface, "_providers", [lambda device: engines])
    return create("adjoint", {"device": "cuda", "dtype": "float64"})


def test_the_backend_runs_any_gates_and_strings_on_its_device(backend):
    circuit = mixed_circuit(3, loads=False)
    values = np.random.default_rng(0).uniform(-3, 3, (1, circuit.num_parameters))
    assert backend.capabilities.paulis
    engine, _ = backend.compile(circuit, OBSERVABLES)
    assert isinstance(engine.program, ComplexProgram)
    state = Statevector(circuit.assign_parameters(values[0]))
    expected = [state.expectation_value(operator).real for operator in OBSERVABLES]
    got = backend.expectations(circuit, values, OBSERVABLES).values
    np.testing.assert_allclose(got, [expected], atol=1e-12)


@pytest.mark.parametrize("loads", [True, False])
def test_probabilities_are_the_compiled_engines(triton, loads):  # noqa: F811
    from qllmft_engine.torch.gpu.complex_engine import TritonComplexEngine

    program = lower_complex(mixed_circuit(3, loads=loads))
    strings = PauliObservables.from_operators(OBSERVABLES, 3)
    angles = np.random.default_rng(4).uniform(-3, 3, (2, program.n_angles))
    got, expected = (
        engine.probabilities(angles)
        for engine in (
            TritonComplexEngine(program, strings, "float64", DEVICE),
            ComplexEngine(program, strings, "float64"),
        )
    )
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_the_backend_draws_counts_of_any_gates_on_its_device(backend):
    circuit = mixed_circuit(3, loads=False)
    values = np.random.default_rng(0).uniform(-3, 3, (2, circuit.num_parameters))
    cpu = create("adjoint", {"dtype": "float64"})
    counts = [
        counting_backend.outcomes(circuit, values, 200, np.random.default_rng(5))
        for counting_backend in (backend, cpu)
    ]
    np.testing.assert_array_equal(*counts)


def test_a_device_without_kernels_refuses_complex_gates_with_the_remedy():
    engines = devices.DeviceEngines("cpu", complex_gates=False)
    with pytest.raises(UnsupportedGateError, match=r"Set device='cpu', or use a GPU with Triton"):
        engines(lower_complex(mixed_circuit(3)), OBSERVABLES, "float32")


@ON_GPU
@pytest.mark.parametrize("n_qubits", [4, 8, 10, 11, 12, 14])
def test_a_gpu_gives_the_compiled_engines_answers(triton, n_qubits):  # noqa: F811
    assert_compiled_answers(mixed_circuit(n_qubits), "float64", 3, 1e-12)
