"""`QuantumKernel`: its numbers by qiskit-machine-learning and by Qiskit's states, and scikit-learn around it."""

import pickle

import numpy as np
import pandas as pd
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import pauli_feature_map, zz_feature_map
from qiskit.quantum_info import DensityMatrix, Statevector, partial_trace
from qiskit_machine_learning.algorithms import QSVC
from qiskit_machine_learning.circuit.library import raw_feature_vector
from qiskit_machine_learning.kernels import BaseKernel, FidelityStatevectorKernel
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

import qllmft_engine.quantum_kernel
from qllmft import QuantumKernel, UserError
from qllmft_backends import UnsupportedGateError, create


def rows(count, features, seed=0):
    return np.random.default_rng(seed).uniform(-3, 3, (count, features))


def real_map(features):
    """Feature map of real gates, which runs on real states."""
    x = ParameterVector("x", features)
    circuit = QuantumCircuit(features)
    for _ in range(2):
        for qubit in range(features):
            circuit.h(qubit)
            circuit.ry(x[qubit] + 0.3 * x[(qubit + 1) % features], qubit)
        for qubit in range(features):
            circuit.cx(qubit, (qubit + 1) % features)
    return circuit


def states(circuit, x):
    """States by Qiskit, of rows in the order of the circuit's parameters."""
    return np.array([Statevector(circuit.assign_parameters(row)).data for row in x])


def fidelities(states, right):
    return np.abs(states.conj() @ right.T) ** 2


def bloch_vectors(circuit, x):
    """Expectation values (N, Q, 3) from reduced density matrices by Qiskit."""
    paulis = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    answer = []
    for row in x:
        state = DensityMatrix(circuit.assign_parameters(row))
        reduced = [
            partial_trace(state, [q for q in range(circuit.num_qubits) if q != qubit]).data
            for qubit in range(circuit.num_qubits)
        ]
        answer.append(np.einsum("qab,pba->qp", np.array(reduced), paulis).real)
    return np.array(answer)


@pytest.mark.public_report(
    case="quantum_kernel",
    source="qiskit-community/qiskit-machine-learning#547",
    seen="FidelityQuantumKernel runs a circuit for each pair of rows, and no kernel took the engine's states",
    outcome="QuantumKernel computes each state once; its matrices are those of FidelityStatevectorKernel to 1e-10",
)
@pytest.mark.parametrize(
    "circuit",
    [
        zz_feature_map(5, reps=2),
        pauli_feature_map(5, reps=2, paulis=["X", "YZ"], alpha=0.5),
        real_map(4),
    ],
    ids=["zz", "x and yz", "real"],
)
def test_fidelities_are_those_of_qiskits_kernel_and_of_qiskits_states(circuit):
    x = rows(9, circuit.num_parameters)
    y = rows(4, circuit.num_parameters, seed=1)
    kernel = QuantumKernel(circuit)
    reference = FidelityStatevectorKernel(feature_map=circuit)
    assert isinstance(kernel, BaseKernel)
    for columns in (None, x.copy(), y):
        np.testing.assert_allclose(
            kernel.evaluate(x, columns), reference.evaluate(x, columns), atol=1e-10, rtol=0
        )
    np.testing.assert_allclose(
        kernel.evaluate(x, y), fidelities(states(circuit, x), states(circuit, y)), atol=1e-10
    )


@pytest.mark.parametrize("circuit", [zz_feature_map(3), real_map(3)])
def test_blocks_of_any_size_give_the_same_matrix(circuit, monkeypatch):
    x = rows(11, 3)
    y = rows(7, 3, seed=1)
    kernel = QuantumKernel(circuit)
    matrix = kernel.evaluate(x)
    rectangle = kernel.evaluate(x, y)
    monkeypatch.setattr(qllmft_engine.quantum_kernel, "PART_ROWS", 2)
    monkeypatch.setattr(qllmft_engine.quantum_kernel, "FIRST_PARTS", 2)
    np.testing.assert_allclose(kernel.evaluate(x), matrix, atol=1e-14)
    np.testing.assert_allclose(kernel.evaluate(x, y), rectangle, atol=1e-14)
    assert (kernel.evaluate(x) == kernel.evaluate(x).T).all()


def test_memory_is_bounded_by_parts_of_fewer_rows_for_more_qubits():
    few = QuantumKernel(zz_feature_map(3))
    many = QuantumKernel(zz_feature_map(18, entanglement="linear"))
    assert few._part_rows == qllmft_engine.quantum_kernel.PART_ROWS
    assert many._part_rows * 16 * 2**18 <= qllmft_engine.quantum_kernel.PART_BYTES


def test_columns_are_in_the_natural_order_of_names_or_in_that_of_features():
    parameters = [Parameter(f"x{i}") for i in range(11)]
    circuit = QuantumCircuit(3)
    for i, parameter in enumerate(parameters):
        circuit.ry(parameter, i % 3)
        circuit.rx(0.3 * i, i % 3)
        circuit.cx(i % 3, (i + 1) % 3)
    x = rows(3, 11)
    bound = [circuit.assign_parameters(dict(zip(parameters, row, strict=True))) for row in x]
    expected = np.array([Statevector(single).data for single in bound])
    np.testing.assert_allclose(
        QuantumKernel(circuit).evaluate(x), fidelities(expected, expected), atol=1e-10
    )
    names = [f"x{i}" for i in reversed(range(11))]
    for features in (names, parameters[::-1]):
        kernel = QuantumKernel(circuit, features=features)
        np.testing.assert_allclose(
            kernel.evaluate(x[:, ::-1]), fidelities(expected, expected), atol=1e-10
        )


def test_amplitudes_that_qiskit_binds_as_numbers_only_are_a_feature_map():
    circuit = raw_feature_vector(8)
    x = rows(5, 8)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(
        QuantumKernel(circuit).evaluate(x, x[:3]), fidelities(unit, unit[:3]), atol=1e-10
    )


def test_shots_are_frequencies_of_their_fidelity_and_repeat_with_their_seed():
    circuit = zz_feature_map(3)
    x = np.vstack([rows(30, 3), rows(1, 3)])  # the first and the last row are equal
    exact = QuantumKernel(circuit).evaluate(x)
    settings = {"shots": 500, "enforce_psd": False}
    kernel = QuantumKernel(circuit, **settings, seed=7)
    frequencies = kernel.evaluate(x)
    assert (frequencies == frequencies.T).all()
    assert (np.diag(frequencies) == 1).all()
    assert frequencies[0, -1] == frequencies[-1, 0] == 1
    pairs = np.triu_indices(30, 1)
    deviations = (frequencies - exact)[pairs] / np.sqrt(exact * (1 - exact) / 500)[pairs]
    assert abs(deviations.mean()) < 4 / np.sqrt(deviations.size)
    assert abs(deviations.std() - 1) < 0.15
    assert (frequencies * 500 % 1 == 0).all()
    np.testing.assert_array_equal(kernel.evaluate(x), frequencies)
    assert (QuantumKernel(circuit, **settings, seed=8).evaluate(x) != frequencies).any()
    rectangle = kernel.evaluate(x, x[:9])
    assert np.abs(rectangle - exact[:, :9]).max() < 5 * 0.5 / np.sqrt(500)


def test_one_shot_gives_0_or_1():
    frequencies = QuantumKernel(zz_feature_map(3), shots=1, enforce_psd=False).evaluate(rows(20, 3))
    assert set(frequencies.ravel()) == {0.0, 1.0}


def test_a_matrix_with_shots_becomes_the_closest_semidefinite_one():
    circuit = zz_feature_map(3)
    x = rows(40, 3)
    frequencies = QuantumKernel(circuit, shots=50, enforce_psd=False).evaluate(x)
    kernel = QuantumKernel(circuit, shots=50)
    assert np.linalg.eigvalsh(frequencies)[0] < -0.01
    assert np.linalg.eigvalsh(kernel.evaluate(x))[0] > -1e-12
    np.testing.assert_allclose(kernel.evaluate(x), kernel._make_psd(frequencies), atol=1e-10)


@pytest.mark.parametrize("circuit", [zz_feature_map(4), real_map(3)])
def test_a_projected_kernel_is_that_of_qiskits_reduced_density_matrices(circuit):
    x = rows(6, circuit.num_parameters)
    y = rows(4, circuit.num_parameters, seed=1)
    bloch = bloch_vectors(circuit, x)
    right = bloch_vectors(circuit, y)
    squares = ((bloch[:, None] - right[None]) ** 2).sum(axis=(2, 3)) / 2  # Frobenius norms
    kernel = QuantumKernel(circuit, "projected", gamma=0.7)
    np.testing.assert_allclose(kernel.evaluate(x, y), np.exp(-0.7 * squares), atol=1e-10)
    assert (np.diag(kernel.evaluate(x)) == 1).all()


def test_a_projected_kernel_of_a_reset_in_the_middle_is_that_of_the_mixed_state():
    x = ParameterVector("x", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(x[qubit], qubit)
        circuit.cx(qubit, (qubit + 1) % 3)
    circuit.reset(0)
    circuit.rx(x[1], 0)
    circuit.cx(0, 2)
    data = rows(4, 3)
    vectors = bloch_vectors(circuit, data)
    squares = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=(2, 3)) / 2
    kernel = QuantumKernel(circuit, "projected")
    np.testing.assert_allclose(kernel.evaluate(data), np.exp(-squares), atol=1e-10)
    with pytest.raises(UnsupportedGateError, match="reset"):
        QuantumKernel(circuit).evaluate(data)


def test_a_projected_kernel_with_shots_converges_and_repeats_with_its_seed():
    circuit = zz_feature_map(3)
    x = rows(6, 3)
    exact = QuantumKernel(circuit, "projected").evaluate(x)
    kernel = QuantumKernel(circuit, "projected", shots=4000, seed=3)
    estimate = kernel.evaluate(x)
    assert 0 < np.abs(estimate - exact).max() < 0.05
    np.testing.assert_array_equal(kernel.evaluate(x), estimate)
    on_backend = QuantumKernel(
        circuit,
        "projected",
        backend=create("adjoint", {"shots": 4000, "seed": 3, "dtype": "float64"}),
    )
    np.testing.assert_array_equal(on_backend.evaluate(x), estimate)
    assert (QuantumKernel(circuit, "projected", shots=4000).evaluate(x) != estimate).any()


def test_scikit_learn_takes_the_kernel_as_a_function_and_as_a_matrix():
    x, y = load_iris(return_X_y=True)
    x = make_pipeline(MinMaxScaler()).fit_transform(x[50:])
    y = y[50:]
    kernel = QuantumKernel(zz_feature_map(4, reps=1))
    by_function = SVC(kernel=kernel.evaluate).fit(x[::2], y[::2])
    by_matrix = SVC(kernel="precomputed").fit(kernel.evaluate(x[::2]), y[::2])
    by_qsvc = QSVC(quantum_kernel=kernel).fit(x[::2], y[::2])
    answers = by_function.predict(x[1::2])
    assert (answers == by_matrix.predict(kernel.evaluate(x[1::2], x[::2]))).all()
    assert (answers == by_qsvc.predict(x[1::2])).all()
    assert (answers == y[1::2]).mean() > 0.8
    search = GridSearchCV(clone(by_function), {"C": [0.1, 1, 10]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.8


def test_copies_and_pickles_give_the_same_matrix():
    x = rows(5, 3)
    for kernel in (QuantumKernel(zz_feature_map(3)), QuantumKernel(real_map(3), "projected")):
        matrix = kernel.evaluate(x)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(kernel)).evaluate(x), matrix)
        np.testing.assert_array_equal(kernel.evaluate(pd.DataFrame(x)), matrix)
        np.testing.assert_allclose(kernel.evaluate(x[0], x), matrix[:1], atol=1e-14)


def test_no_rows_give_an_empty_matrix():
    for kind in ("fidelity", "projected"):
        kernel = QuantumKernel(zz_feature_map(3), kind)
        assert kernel.evaluate(np.empty((0, 3)), rows(2, 3)).shape == (0, 2)
        assert kernel.evaluate(np.empty((0, 3))).shape == (0, 0)
        with_shots = QuantumKernel(zz_feature_map(3), kind, shots=10)
        assert with_shots.evaluate(np.empty((0, 3))).shape == (0, 0)


BOUND = zz_feature_map(3).assign_parameters([0.1, 0.2, 0.3])
WRONG_ARGUMENTS = {
    "feature_map is str, expected a QuantumCircuit": {"feature_map": "zz"},
    "has no parameters, expected one for each feature": {"feature_map": BOUND},
    "kind is 'swap', expected one of fidelity": {"kind": "swap"},
    "gamma is 0, expected a number above 0": {"gamma": 0, "kind": "projected"},
    "gamma is nan, expected a number above 0": {"gamma": float("nan"), "kind": "projected"},
    "gamma is 'scale', expected a number above 0": {"gamma": "scale", "kind": "projected"},
    "gamma is 0.3, expected None for kind='fidelity'": {"gamma": 0.3},
    "backend is int, expected one that `qllmft_backends.create` returns": {
        "backend": 1,
        "kind": "projected",
    },
    "shots is 0, expected a whole number from 1": {"shots": 0},
    "shots is 2.5, expected a whole number from 1": {"shots": 2.5},
    "shots is '10', expected a whole number from 1": {"shots": "10"},
    "shots is True, expected a whole number from 1": {"shots": True},
    "seed is -1, expected a whole number from 0": {"seed": -1},
    "features is 'x', expected a list of parameters of the circuit or of their names": {
        "features": "x"
    },
    "features is 3, expected a list of parameters": {"features": 3},
    r"features lack x\[2\], expected each parameter": {"features": ["x[0]", "x[1]"]},
    "features names y, which the circuit does not have": {"features": ["x[0]", "x[1]", "y"]},
    r"features names x\[0\] twice": {"features": ["x[0]", "x[0]", "x[1]"]},
    "expected None: the engine computes fidelities.*FidelityQuantumKernel": {
        "backend": create("adjoint")
    },
    "got backend 'adjoint' and shots=9.*Set the option shots": {
        "backend": create("adjoint"),
        "kind": "projected",
        "shots": 9,
    },
}


@pytest.mark.parametrize("message", WRONG_ARGUMENTS)
def test_wrong_arguments_are_refused_with_a_remedy(message):
    with pytest.raises(UserError, match=message):
        QuantumKernel(**{"feature_map": zz_feature_map(3)} | WRONG_ARGUMENTS[message])


WRONG_ROWS = {
    r"x_vec has shape \(2, 4\), expected \(N, 3\): a column for each": np.zeros((2, 4)),
    r"x_vec has shape \(1, 1, 3\)": np.zeros((1, 1, 3)),
    "x_vec is nan in row 1, column 2, expected finite numbers": [[0, 0, 0], [0, 0, np.nan]],
    "x_vec holds values that are no real numbers.*Encode": [["a", "b", "c"]],
    "x_vec holds values that are no real numbers.*complex": [[1j, 0, 0]],
}


@pytest.mark.parametrize("message", WRONG_ROWS)
def test_wrong_rows_are_refused_with_a_remedy(message):
    kernel = QuantumKernel(zz_feature_map(3))
    with pytest.raises(UserError, match=message):
        kernel.evaluate(WRONG_ROWS[message])
    with pytest.raises(UserError, match=message.replace("x_vec", "y_vec")):
        kernel.evaluate(np.zeros((2, 3)), WRONG_ROWS[message])


def test_measurements_in_a_feature_map_are_refused():
    circuit = zz_feature_map(3)
    circuit.measure_all()
    with pytest.raises(UnsupportedGateError, match="Leave out measurements"):
        QuantumKernel(circuit).evaluate(rows(2, 3))
