"""Names of parameters: their order, what stands for them, and the same circuit written in several ways."""

import io
import sys
import warnings

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3, qpy
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector

import qllmft
from qllmft import UserError
from qllmft_audit.audit import CHECKS, read_circuit
from qllmft_audit.audit.circuit import trained_circuit
from qllmft_circuits.parameter_names import natural_order

pytestmark = pytest.mark.usefixtures("forked_reader")

WEIGHTS = np.random.default_rng(0).uniform(-3, 3, 12)
ROWS = np.random.default_rng(1).uniform(-1.5, 1.5, (60, 3))
Z0 = SparsePauliOp("IIZ")


def circuit_with_weights(weight_names) -> QuantumCircuit:
    """Return a circuit of three qubits, three data parameters and twelve weights of these names, in this order."""
    circuit = QuantumCircuit(3)
    for i in range(3):
        circuit.ry(Parameter(f"x_{i}"), i)
    for i, name in enumerate(weight_names):
        (circuit.rx if i % 2 else circuit.ry)(Parameter(name), i % 3)
        circuit.cx(i % 3, (i + 1) % 3)
    return circuit


FORMS = ("theta_{}", "theta{}", "theta_{:02}", "_theta_{}_", "theta[{}]")
EXPECTED = np.array(
    [
        Statevector(
            circuit_with_weights([f"w{i:02}" for i in range(12)]).assign_parameters(
                [*WEIGHTS, *row]
            )
        )
        .expectation_value(Z0)
        .real
        for row in ROWS
    ]
)


@pytest.mark.public_report(
    case="audit_weight_order",
    source="own audit",
    seen="100 % accuracy as underscore.qasm, 50 % as underscore.qpy and plain.qasm: weights in the order of text",
    outcome="numbers count as numbers, the order is printed, and weights may be given by names",
)
@pytest.mark.parametrize("ending", ["qasm", "qpy"])
@pytest.mark.parametrize("form", FORMS)
def test_the_same_weights_have_the_same_values_in_every_notation(form, ending, tmp_path):
    circuit = circuit_with_weights([form.format(i) for i in range(12)])
    path = tmp_path / f"circuit.{ending}"
    if ending == "qasm":
        path.write_text(qasm3.dumps(circuit))
    else:
        stream = io.BytesIO()
        qpy.dump(circuit, stream)
        path.write_bytes(stream.getvalue())
    for source in (circuit, read_circuit(path)):
        audited = trained_circuit(source, ROWS[0], weights=WEIGHTS, observables=[Z0])
        assert audited.expectations(ROWS)[:, 0] == pytest.approx(EXPECTED, abs=1e-9)
    named = {f"theta_{i}": value for i, value in enumerate(WEIGHTS)}
    shuffled = dict(sorted(named.items(), reverse=True))
    audited = trained_circuit(source, ROWS[0], weights=shuffled, observables=[Z0])
    assert audited.expectations(ROWS)[:, 0] == pytest.approx(EXPECTED, abs=1e-9)


def test_several_indices_and_several_vectors_are_ordered():
    names = ["b_2", "w[10][0]", "w[2][10]", "w[2][9]", "a", "w[1][11]", "b_10"]
    ordered = natural_order([Parameter(name) for name in names], "weights")
    assert [parameter.name for parameter in ordered] == [
        *("a", "b_2", "b_10", "w[1][11]", "w[2][9]", "w[2][10]", "w[10][0]")
    ]


def test_names_that_fit_two_orders_are_refused():
    names = ["w_1", "w_01", *(f"w_{i}" for i in range(2, 12))]
    circuit = circuit_with_weights(names)
    with pytest.raises(
        UserError, match=r"order of the parameters w_01 and w_1 is not clear.*Give weights by names"
    ):
        trained_circuit(circuit, ROWS[0], weights=WEIGHTS)
    by_name = dict(zip(names, WEIGHTS, strict=True))
    audited = trained_circuit(circuit, ROWS[0], weights=by_name, observables=[Z0])
    assert audited.expectations(ROWS)[:, 0] == pytest.approx(EXPECTED, abs=1e-9)
    del by_name["w_01"]
    with pytest.raises(UserError, match=r"the name w1 fits w_01, w_1\. Give the whole name"):
        trained_circuit(circuit, ROWS[0], weights=by_name | {"w1": 0.3})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": WEIGHTS[:11]}, "weights are 11 values, expected 12 finite ones, of w0, w1, w2, …, w11"),
        ({"weights": {f"w{i}": 0.1 for i in range(11)}}, "weights have no value of w11"),
        ({"weights": {"w0": 0.1, "w_0": 0.2}}, "weights names w0 twice"),
        ({"weights": {"v0": 0.1}}, "weights names v0, which the circuit does not have"),
        ({"weights": {1: 0.1}}, "weights holds 1, expected parameters of the circuit or their names"),
        ({"weights": WEIGHTS * 1j}, "weights holds values that are no real numbers"),
        ({"weights": "theta"}, "weights holds values that are no real numbers"),
        ({"weights": WEIGHTS, "data": [0, 1, 2]}, "data holds 0, expected parameters of the circuit"),
        ({"weights": WEIGHTS, "data": ["x_0", "x_1", "x_1"]}, "data names x_1 twice"),
        ({"weights": WEIGHTS, "data": "x_2"}, "a row has 3 values, and the circuit reads 1"),
        ({"weights": WEIGHTS, "observables": ["QQQ"]}, "observables hold another thing than Pauli strings"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        trained_circuit(circuit_with_weights([f"w{i}" for i in range(12)]), ROWS[0], **arguments)


def test_complex_rows_are_refused():
    with pytest.raises(UserError, match="X holds values that are no real numbers"):
        qllmft.audit(circuit_with_weights([]), ROWS + 1j, np.arange(60) % 2)


def test_two_vectors_that_may_be_the_data_are_not_guessed():
    circuit = QuantumCircuit(1)
    for name in ("x_0", "data_0"):
        circuit.ry(Parameter(name), 0)
    with pytest.raises(
        UserError, match=r"of the vectors x and data each may be the data. Give data="
    ):
        trained_circuit(circuit, np.zeros(1))
    with pytest.raises(UserError, match="the circuit has no free parameters, so that a row of X"):
        trained_circuit(QuantumCircuit(1), np.zeros(1))


@pytest.mark.parametrize("data", [["theta_1"], ["theta[1]"], "theta_1", [Parameter("theta[1]")]])
def test_names_and_other_parameters_of_equal_names_stand_for_the_circuits(data):
    theta = ParameterVector("theta", 2)
    circuit = QuantumCircuit(1)
    circuit.ry(theta[0], 0)
    circuit.rx(theta[1], 0)
    audited = trained_circuit(circuit, np.zeros(1), data=data, weights=[0.3])
    assert [parameter.name for parameter in audited.data] == ["theta[1]"]
    assert audited.data[0] in circuit.parameters


def test_another_order_than_qiskits_is_said(monkeypatch):
    monkeypatch.setattr(sys.modules["qllmft_audit.audit.audit"], "CHECKS", CHECKS[:2])
    circuit = circuit_with_weights([f"theta{i}" for i in range(12)])
    labels = np.arange(60) % 2
    with pytest.warns(
        UserWarning, match=r"order theta0, theta1, theta2, …, theta11, and circuit.par"
    ):
        audit = qllmft.audit(circuit, ROWS, labels, weights=WEIGHTS)
    assert audit.weight_names == tuple(f"theta{i}" for i in range(12))
    assert audit.data_names == ("x_0", "x_1", "x_2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_name = {f"theta{i}": value for i, value in enumerate(WEIGHTS)}
        renamed_audit = qllmft.audit(circuit, ROWS, labels, weights=by_name)
    assert renamed_audit.accuracy == audit.accuracy


HEADER = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
BODY = "qubit[2] q;\nry(x_0) q[0];\nry({}) q[1];\ncx q[0], q[1];\nrx(0.4) q[0];\n"
INPUTS = {
    "plain": ("input float[64] x_0;\ninput float[64] x_1;\n", "x_1"),
    "oneline_inputs": ("input float[64] x_0; input float[64] x_1;\n", "x_1"),
    "comment_input": ("input float[64] x_0;\n/* second */ input float[64] x_1;\n", "x_1"),
    "comment_fake": (
        "input float[64] x_0;\ninput float[64] x_1;\n/*\ninput float[64] x_9;\n*/\n",
        "x_1",
    ),
    "float_space": ("input float[64] x_0;\ninput float [64] x_1;\n", "x_1"),
    "dup_index": ("input float[64] x_0;\ninput float[64] x_00;\n", "x_00"),
}


@pytest.mark.public_report(
    case="audit_qasm_inputs",
    source="own audit",
    seen="five valid texts of OpenQASM 3 refused, QASM 2 misnamed, an AttributeError for an empty file",
    outcome="the texts are read, and messages name OpenQASM 2 and the empty file",
)
@pytest.mark.parametrize("name", INPUTS)
def test_inputs_of_openqasm_3_are_read_in_every_way_of_writing(name, tmp_path):
    inputs, second = INPUTS[name]
    path = tmp_path / f"{name}.qasm"
    path.write_text(HEADER + inputs + BODY.format(second))
    audited = trained_circuit(read_circuit(path), np.zeros(2))
    assert [parameter.name for parameter in audited.data] == ["x_0", second]
    circuit = QuantumCircuit(2)
    circuit.ry(0.3, 0)
    circuit.ry(0.7, 1)
    circuit.cx(0, 1)
    circuit.rx(0.4, 0)
    expected = [Statevector(circuit).expectation_value(SparsePauliOp(z)).real for z in ("IZ", "ZI")]
    answer = audited.expectations(np.array([[0.3, 0.7]]))[0]
    assert answer == pytest.approx(expected, abs=1e-12)
