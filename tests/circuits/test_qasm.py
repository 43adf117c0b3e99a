"""Texts that are read back mean the same circuit: by names, by position, and to how many digits."""

import math
import re
from fractions import Fraction

import numpy as np
import openqasm3
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, qasm2, qasm3
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import Statevector

from qllmft_backends import create
from qllmft_circuits import (
    AnsatzOptions,
    data_parameters,
    encoder_circuit,
    from_qasm3,
    from_qpy,
    head_circuit,
    readout_observables,
    to_qasm2,
    to_qasm3,
    to_qpy,
    weight_parameters,
)
from qllmft_circuits.files.reading import read_qpy
from qllmft_circuits.files.sizes import size_of_statements

pytestmark = pytest.mark.usefixtures("forked_reader")

CIRCUITS = {
    "3 qubits, 30 weights": head_circuit(3, 3, 1, 3, AnsatzOptions(connectivity=2)),
    "12 qubits, 24 weights": head_circuit(12, 2, 1, 1),  # both vectors have two-digit indices
    "an encoder": encoder_circuit(4, 5, AnsatzOptions(ring=False, block="ry_cx")),
}
EVERY = pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)


def angles(circuit: QuantumCircuit) -> dict[str, float]:
    """An angle by the name of every parameter, each another one."""
    rng = np.random.default_rng(7)
    return {
        p.name: float(a) for p, a in zip(circuit.parameters, rng.uniform(-3, 3, 500), strict=False)
    }


def by_statevector(circuit: QuantumCircuit) -> np.ndarray:
    """⟨Z⟩ (n,) of a bound circuit."""
    state = Statevector(circuit)
    return np.array(
        [state.expectation_value(z).real for z in readout_observables(circuit.num_qubits)]
    )


def by_engine(circuit: QuantumCircuit, named: dict[str, float]) -> np.ndarray:
    """⟨Z⟩ (n,) by the project's engine, of a circuit that may be parametric."""
    values = np.array([[named[p.name] for p in circuit.parameters]])
    return (
        create("adjoint")
        .expectations(circuit, values, readout_observables(circuit.num_qubits))
        .values[0]
    )


def by_position(circuit: QuantumCircuit, original: QuantumCircuit) -> QuantumCircuit:
    named = angles(original)
    return circuit.assign_parameters([named[p.name] for p in original.parameters])


@pytest.fixture
def two_digits() -> QuantumCircuit:
    return CIRCUITS["12 qubits, 24 weights"]


@EVERY
def test_qasm3_read_back_has_the_names_in_their_order_and_the_same_values_by_two_routes(circuit):
    reread = from_qasm3(*to_qasm3(circuit))
    for vector in (data_parameters, weight_parameters):
        assert [p.name for p in vector(reread)] == [p.name for p in vector(circuit)]
    expected = by_statevector(circuit.assign_parameters(angles(circuit)))
    np.testing.assert_allclose(
        by_statevector(reread.assign_parameters(angles(circuit))), expected, atol=1e-12
    )
    np.testing.assert_allclose(by_statevector(by_position(reread, circuit)), expected, atol=1e-12)
    np.testing.assert_allclose(by_engine(reread, angles(circuit)), expected, atol=1e-6)
    assert np.ptp(expected) > 0.05, "equal values would not tell qubits apart"


def test_a_reader_that_binds_by_position_is_right_with_these_identifiers_and_wrong_with_qiskits(
    two_digits,
):
    expected = by_statevector(by_position(two_digits, two_digits))
    ours = qasm3.loads(to_qasm3(two_digits)[0])
    np.testing.assert_allclose(by_statevector(by_position(ours, two_digits)), expected, atol=1e-12)
    plain = qasm3.loads(qasm3.dumps(two_digits))  # the trap: _theta_10_ before _theta_2_
    assert np.abs(by_statevector(by_position(plain, two_digits)) - expected).max() > 0.1


def test_the_names_are_written_and_sort_as_the_vectors_do(two_digits):
    text, names = to_qasm3(two_digits)
    assert names == {f"theta[{i}]": f"theta_{i:02}" for i in range(24)} | {
        f"x[{i}]": f"x_{i:02}" for i in range(12)
    }
    assert (
        re.findall(r"input float\[64\] (\w+);", text)
        == list(names.values())
        == sorted(names.values())
    )
    head = [f"ry(x_{q:02}) q[{q}];" for q in range(12)] + ["cx q[0], q[1];", "ry(theta_00) q[1];"]
    assert text[text.index("qubit[12] q;\n") :].splitlines()[1:15] == head


def test_the_width_of_an_index_is_the_vectors_not_that_of_the_elements_in_use():
    vector = ParameterVector("x", 101)
    circuit = QuantumCircuit(1)
    circuit.ry(vector[3], 0)
    circuit.ry(vector[20], 0)
    assert to_qasm3(circuit)[1] == {"x[3]": "x_003", "x[20]": "x_020"}
    assert [p.name for p in from_qasm3(*to_qasm3(circuit)).parameters] == ["x[3]", "x[20]"]


def test_names_that_qasm_keeps_for_itself_or_cannot_write_come_back():
    parameter_names = ["pi", "ry", "q", "input", "θ[3]", "1a", "a b", "x_0", "x[0]", "x_0_", "gate"]
    circuit = QuantumCircuit(3)
    for i, name in enumerate(parameter_names):
        circuit.ry(Parameter(name), i % 3)
        circuit.cx(i % 3, (i + 1) % 3)
    text, names = to_qasm3(circuit)
    assert set(names) == set(parameter_names)
    assert len(set(names.values())) == len(parameter_names)
    reread = from_qasm3(text, names)
    assert {p.name for p in reread.parameters} == set(parameter_names)
    expected = by_statevector(circuit.assign_parameters(angles(circuit)))
    np.testing.assert_allclose(
        by_statevector(reread.assign_parameters(angles(circuit))), expected, atol=1e-12
    )


def test_some_parameters_bound_and_expressions_of_others(two_digits):
    named = angles(two_digits)
    bound = two_digits.assign_parameters({p: named[p.name] for p in weight_parameters(two_digits)})
    bound.ry(2 * bound.parameters[1] - 0.25, 0)
    text, names = to_qasm3(bound)
    assert list(names) == [f"x[{i}]" for i in range(12)]
    reread = from_qasm3(text, names)
    free_angles = {name: named[name] for name in names}
    expected = by_statevector(bound.assign_parameters(free_angles))
    np.testing.assert_allclose(
        by_statevector(reread.assign_parameters(free_angles)), expected, atol=1e-12
    )


def test_the_circuit_that_was_given_is_left_as_it_was(two_digits):
    copy = two_digits.copy()
    to_qasm3(two_digits)
    assert two_digits == copy


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"x[0]": "x_0"},
        {"x[0]": "x_0", "x[1]": "x_1", "x[2]": "x_3"},
        {f"x[{i}]": f"x_{i}" for i in range(4)},
    ],
)
def test_names_of_another_text_are_refused(wrong):
    text, _ = to_qasm3(head_circuit(3, 1, 0, 0))
    with pytest.raises(
        ValueError,
        match=r"the text's inputs are x_0, x_1, x_2\. The identifiers in names are .* "
        "the map that was written with this",
    ):
        from_qasm3(text, wrong)


def one_angle(value: float) -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.ry(value, 0)
    return circuit


def read_angle(circuit: QuantumCircuit) -> float:
    return float(circuit.data[0].operation.params[0])


NEAR_FRACTIONS = [
    sign * (float(p) * math.pi + offset)
    for p in (0, 1, Fraction(1, 2), Fraction(3, 7), Fraction(97, 99), 7, 99)
    for offset in (0.0, 1e-13, 9e-13, 5e-10, 9.9e-10, 3.1e-9)
    for sign in (1, -1)
]


def test_qasm3_keeps_an_angle_to_the_last_bit():
    values = [*NEAR_FRACTIONS, 1e-300, 1e20, -0.1, 1 / 3]
    circuit = QuantumCircuit(1)
    for value in values:
        circuit.ry(value, 0)
    reread = from_qasm3(*to_qasm3(circuit))
    assert [instruction.operation.params[0] for instruction in reread.data] == values


@pytest.mark.parametrize(
    ("write", "read", "at_most", "epsilon"),
    [(qasm3.dumps, qasm3.loads, 3.2e-9, 1e-9), (to_qasm2, qasm2.loads, 3.2e-12, 1e-12)],
    ids=["QASM 3 by Qiskit alone", "QASM 2"],
)
def test_how_far_an_exporter_moves_an_angle(write, read, at_most, epsilon):
    def error(value: float) -> float:
        return abs(read_angle(read(write(one_angle(value)))) - value)

    offsets = (0.9 * epsilon, 0.99 * epsilon * math.pi)
    largest = max(
        error(float(p) * math.pi + offset)
        for p in (0, 1, Fraction(1, 2), Fraction(3, 7))
        for offset in offsets
    )
    assert 0.9 * at_most < largest < at_most, "what the docstrings say"
    beyond = 1.05 * epsilon * math.pi
    assert (
        max(error(float(p) * math.pi + beyond) for p in (0, 1, Fraction(1, 2), Fraction(3, 7)))
        < 1e-15
    )


@EVERY
def test_qasm2_of_a_bound_circuit_gives_the_same_values(circuit):
    bound = circuit.assign_parameters(angles(circuit))
    text = to_qasm2(bound)
    assert text.startswith("OPENQASM 2.0;\n")
    np.testing.assert_allclose(by_statevector(qasm2.loads(text)), by_statevector(bound), atol=1e-11)


@EVERY
def test_qpy_keeps_everything(circuit):
    reread = from_qpy(to_qpy(circuit))
    assert reread == circuit
    assert reread.name == circuit.name
    np.testing.assert_allclose(
        by_statevector(by_position(reread, circuit)),
        by_statevector(by_position(circuit, circuit)),
        atol=1e-15,
    )


@pytest.mark.parametrize("way", ["qasm3", "qasm2", "qpy"])
def test_measurements_stay_on_their_qubits_and_bits(way):
    circuit = head_circuit(3, 2, 1, 1)
    measured = circuit.assign_parameters(angles(circuit))
    measured.add_register(ClassicalRegister(2, "c"))
    measured.measure([2, 0], [0, 1])
    reread = {
        "qasm3": lambda: from_qasm3(*to_qasm3(measured)),
        "qasm2": lambda: qasm2.loads(to_qasm2(measured)),
        "qpy": lambda: from_qpy(to_qpy(measured)),
    }[way]()
    assert [(r.name, r.size) for r in reread.cregs] == [("c", 2)]
    pairs = [
        (reread.find_bit(i.qubits[0]).index, reread.find_bit(i.clbits[0]).index)
        for i in reread.data
        if i.operation.name == "measure"
    ]
    assert pairs == [(2, 0), (0, 1)]


def size(text):
    """Return qubits, classical bits and gates of a text."""
    return size_of_statements(openqasm3.parse(text).statements)


@EVERY
def test_the_size_is_counted_without_the_circuit(circuit):
    n_gates = sum(circuit.count_ops().values())
    assert size(to_qasm3(circuit)[0]) == (circuit.num_qubits, 0, n_gates)
    assert read_qpy(to_qpy(circuit)).n_gates == n_gates


@pytest.mark.parametrize(
    "text",
    [
        "qubit[4] q; gate two a, b { h a; cx a, b; } two q[0], q[1]; h q; two q[0:1], q[2:3];",
        "qubit[3] q; bit[3] c; if (c[0]) { h q[0]; } else { h q; } for int i in [0:4] { x q[0]; }",
        "qubit[3] q; h q[{0, 2}]; let pair = q[0:1]; h pair; ctrl(2) @ x q[0], q[1], q[2];",
    ],
)
def test_no_size_is_below_that_of_the_circuit(text):
    text = f'OPENQASM 3.0; include "stdgates.inc"; {text}'

    def gates(circuit):
        return sum(
            sum(map(gates, instruction.operation.blocks))
            if hasattr(instruction.operation, "blocks")
            else 1
            for instruction in circuit.decompose("two").data
        )

    circuit = qasm3.loads(text)
    n_qubits, n_clbits, count = size(text)
    assert n_qubits == circuit.num_qubits
    assert n_clbits == circuit.num_clbits
    assert count >= gates(circuit)
