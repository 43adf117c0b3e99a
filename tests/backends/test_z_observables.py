"""Observables: sums of Z strings are read into masks and coefficients, everything else is refused."""

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp
from reference_circuits import every_gate, expectations_by_statevector

from qllmft_backends import UnsupportedGateError, create
from qllmft_backends.observables import ZObservables


def test_bit_q_of_a_mask_is_z_on_qubit_q():
    sums = ZObservables.from_operators(
        [SparsePauliOp("IIIZ"), SparsePauliOp("ZIIZ"), SparsePauliOp("IIII")], 4
    )
    assert sums.masks.tolist() == [0b0001, 0b1001, 0]
    assert sums.is_plain


def test_a_string_that_several_observables_share_is_measured_once():
    first = SparsePauliOp(["ZII", "IZZ"], [0.5, -2.0])
    second = SparsePauliOp(["IZZ", "IIZ", "IZZ"], [1.0, 3.0, 0.25])
    sums = ZObservables.from_operators([first, second], 3)
    assert sums.masks.tolist() == [0b100, 0b011, 0b001]
    assert sums.coefficients.tolist() == [[0.5, -2.0, 0.0], [0.0, 1.25, 3.0]]
    assert not sums.is_plain


@pytest.mark.parametrize(
    ("operators", "plain"),
    [
        (["IIZ", "IZI"], True),
        (["IIZ", "IIZ"], False),
        ([("IIZ", 2.0)], False),
        ([("IIZ", 1.0), ("ZII", -1.0)], False),
    ],
    ids=["single strings", "one string twice", "a factor", "a sign"],
)
def test_observables_are_plain_only_where_each_is_a_string_of_its_own(operators, plain):
    observables = [
        SparsePauliOp(*o) if isinstance(o, tuple) else SparsePauliOp(o) for o in operators
    ]
    assert ZObservables.from_operators(observables, 3).is_plain is plain


@pytest.mark.parametrize("n_qubits", [3, 6])
def test_masks_and_coefficients_rebuild_the_matrices_of_the_operators(n_qubits):
    rng = np.random.default_rng(n_qubits)
    operators = []
    for terms in (1, 2, 5):
        strings = ["".join(letters) for letters in rng.choice(["I", "Z"], (terms, n_qubits))]
        operators.append(SparsePauliOp(strings, rng.normal(size=terms)))
    sums = ZObservables.from_operators(operators, n_qubits)
    index = np.arange(2**n_qubits)
    parity = np.array([[(int(i) & int(m)).bit_count() % 2 for i in index] for m in sums.masks])
    diagonals = sums.coefficients @ (1 - 2 * parity)
    for diagonal, operator in zip(diagonals, operators, strict=True):
        np.testing.assert_allclose(np.diag(diagonal), operator.to_matrix(), atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_sums_of_strings_have_the_statevectors_values(dtype, tolerance):
    circuit = every_gate(5)
    operators = [
        SparsePauliOp(["ZIIII", "IZIZI", "IIIII"], [0.5, -2.0, 0.125]),
        SparsePauliOp(["ZZZZZ"], [-1.5]),
        SparsePauliOp(["IZIZI", "IIIIZ", "IZIZI"], [1.0, 3.0, 1.0]),
    ]
    values = np.random.default_rng(3).uniform(-np.pi, np.pi, (3, circuit.num_parameters))
    answer = create("adjoint", {"dtype": dtype}).expectations(circuit, values, operators)
    expected = expectations_by_statevector(circuit, values, operators)
    np.testing.assert_allclose(answer.values, expected, atol=tolerance)
    assert answer.values.dtype == np.float64
    np.testing.assert_array_equal(answer.standard_errors, np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            SparsePauliOp("IXZ"),
            r"observable 1 is \['IXZ'\], expected strings of I and Z only\. "
            r"Rotate .*H for X.*aer_statevector",
        ),
        ("ZZZ", "observable 1 is of type str, expected SparsePauliOp. Make it by"),
        (SparsePauliOp(["ZII", "IIY"]), r"observable 1 is \['ZII', 'IIY'\], expected strings of I and Z only"),
        (SparsePauliOp("ZIII"), r"observable 1 acts on 4 qubits, expected 3, the circuit's number"),
        (SparsePauliOp("ZII", 1j), r"observable 1 has complex coefficients, expected real ones"),
    ],
    ids=["X", "text", "Y", "width", "complex"],
)  # fmt: skip
def test_an_observable_that_the_engine_cannot_measure_is_refused_by_its_index(wrong, message):
    with pytest.raises(UnsupportedGateError, match=message):
        ZObservables.from_operators([SparsePauliOp("IIZ"), wrong], 3)
