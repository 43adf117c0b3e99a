"""Values and gradients of the simulated GPU against the CPU's engine."""

import numpy as np
import pytest
from cuda_cases import GROUPED, WHOLE, WIDER, Case, Problem, close
from numba import cuda
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qllmft_backends.adjoint import lower
from qllmft_backends.adjoint.cuda import Limits
from qllmft_backends.adjoint.cuda.sums import add_up

EVERY = ("zero state", "fewer amplitudes", "all amplitudes")
CASES = [
    *((n_qubits, WHOLE, EVERY[n_qubits % 3]) for n_qubits in (1, 2, 3, 4)),
    *((5, limits, start) for limits in (WHOLE, GROUPED) for start in EVERY),
    (6, WIDER, "fewer amplitudes"),
    (6, GROUPED, "all amplitudes"),
]


@pytest.mark.parametrize(("n_qubits", "limits", "start"), CASES)
def test_values_and_gradients_are_the_cpu_engines(n_qubits, limits, start):
    dimension = {
        "zero state": None,
        "fewer amplitudes": 2**n_qubits - 1,
        "all amplitudes": 2**n_qubits,
    }[start]
    case = Case(n_qubits, 2, dimension=dimension)
    case.check(limits)
    close(case.engine(limits).values(case.angles, case.amplitudes), case.values)


@pytest.mark.parametrize("limits", [WHOLE, GROUPED], ids=["whole", "grouped"])
def test_shared_angles_have_one_gradient_for_the_batch(limits):
    case = Case(5, 3, dimension=17, shared=True)
    engine = case.engine(limits)
    values, tape = engine.forward(case.angles, case.amplitudes)
    close(values, case.values)
    by_angle, by_amplitude = engine.vjp(tape, case.cotangent)
    assert by_amplitude is None
    close(by_angle, case.by_angle)


@pytest.mark.parametrize("limits", [WHOLE, WIDER], ids=["whole", "grouped"])
def test_single_precision_is_near(limits):
    Case(6, 2, dimension=64).check(limits, "float32")


@pytest.mark.parametrize("threads", [1, 3, 4])
def test_any_number_of_threads_and_rows_of_sums(threads):
    case = Case(6, 1, dimension=60)
    two_tiles = 2 * 8 * 2**6  # state and co-state; then 4 rows of sums, and not one more
    engine = case.engine(Limits(two_tiles + 4 * 8 * (threads + 1) + 1, threads))
    _, tape = engine.forward(case.angles, case.amplitudes)
    close(engine.vjp(tape, case.cotangent)[0], case.by_angle)


@pytest.mark.parametrize(("rotations", "threads"), [(1, 8), (2, 5), (3, 5), (3, 8)])
def test_few_rotations_are_added_up_by_several_threads_each(rotations, threads):
    circuit = QuantumCircuit(7)
    for qubit, theta in enumerate(ParameterVector("t", rotations)):
        circuit.ry(theta, 2 * qubit)
        circuit.cx(2 * qubit, 2 * qubit + 1)
    amplitudes = np.random.default_rng(rotations).normal(size=(1, 128))
    angles = np.linspace(-2, 2, rotations)[np.newaxis]
    Problem(lower(circuit), [1, 3, 64], angles, amplitudes, np.ones((1, 3))).check(
        Limits(48 * 1024, threads)
    )


def test_many_rotations_on_one_qubit_make_several_passes():
    circuit = QuantumCircuit(3)
    for theta in ParameterVector("t", 70):
        circuit.ry(theta, 1)
        circuit.cz(1, 2)
    angles = np.random.default_rng(0).uniform(-3, 3, (2, 70))
    Problem(lower(circuit), [1, 2, 4, 7], angles, None, np.ones((2, 4))).check()


def test_launches_that_begin_with_passes_of_no_rotation():
    circuit = QuantumCircuit(6)
    for theta in ParameterVector("t", 3):
        for qubit in range(6):
            circuit.cx(qubit, (qubit + 1) % 6)
        circuit.ry(theta, 0)
    amplitudes = np.random.default_rng(0).normal(size=(2, 64))
    Problem(
        lower(circuit), [1, 8, 33], np.array([0.3, -1.0, 2.0]), amplitudes, np.ones((2, 3))
    ).check(GROUPED)


def test_no_gates_on_several_threads():
    amplitudes = np.random.default_rng(0).normal(size=(2, 64))
    Problem(
        lower(QuantumCircuit(6)), [1, 32], np.zeros((2, 0)), amplitudes, np.ones((2, 2))
    ).check()


@pytest.mark.parametrize(("columns", "depth"), [(2, 3), (4, 1), (1, 4)])
def test_shares_are_added_up_by_rows_of_threads(columns, depth):
    shares = np.random.default_rng(0).normal(size=(2 * 7, 5))
    totals = cuda.device_array((2, 5), np.float64)
    launch = add_up[(2, -(-5 // columns)), (columns, depth), 0, 8 * columns * depth]
    launch(cuda.to_device(shares), totals)
    close(totals.copy_to_host(), shares.reshape(2, 7, 5).sum(axis=1))


@pytest.mark.parametrize("limits", [WHOLE, GROUPED], ids=["whole", "grouped"])
def test_the_same_call_gives_the_same_bits(limits):
    case = Case(5, 2, dimension=32, shared=True)
    engines = [case.engine(limits, "float32") for _ in range(2)]
    first, *others = [case.ask(engine) for engine in engines * 2]
    for answer in others:
        for got, expected in zip(answer, first, strict=True):
            np.testing.assert_array_equal(got, expected)
