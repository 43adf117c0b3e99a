"""Circuits of an audit: parameters by role, values and states by two routes, and files."""

import io
import json
import struct

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3, qpy
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector

from qllmft import UserError
from qllmft_audit.audit import read_circuit, read_rows
from qllmft_audit.audit.circuit import expectations_of_states, trained_circuit
from qllmft_audit.least_bond import truncate_states
from qllmft_circuits import head_circuit, to_qasm3

pytestmark = pytest.mark.usefixtures("forked_reader")

ROWS = np.random.default_rng(0).uniform(-2, 2, (5, 3))


def mixed_gates():
    """Return a circuit of three qubits with products of data, fixed gates and Z and Y rotations."""
    x = ParameterVector("x", 3)
    theta = ParameterVector("theta", 4)
    circuit = QuantumCircuit(3)
    circuit.h(0)
    for qubit in range(3):
        circuit.rx(x[qubit], qubit)
    circuit.rzz(x[0] * x[1], 0, 1)
    for qubit in range(3):
        circuit.ry(theta[qubit], qubit)
    circuit.cx(0, 1)
    circuit.crz(theta[3], 1, 2)
    circuit.s(2)
    return circuit


WEIGHTS = np.array([0.3, -1.1, 2.2, 0.7])


@pytest.mark.parametrize("circuit", [mixed_gates(), head_circuit(3, reuploads=2, main_layers=1)])
def test_values_and_states_are_qiskits(circuit):
    operators = [
        SparsePauliOp(["XYZ", "IIZ"], [0.5, -2.0]),
        SparsePauliOp("ZZI"),
        SparsePauliOp("YIY"),
    ]
    names = [p for p in circuit.parameters if p.name.startswith("theta")]
    weights = np.linspace(-1, 2, len(names))
    circuit_model = trained_circuit(circuit, ROWS[0], weights=weights, observables=operators)
    states = circuit_model.states(ROWS)
    for row, values, state in zip(ROWS, circuit_model.expectations(ROWS), states, strict=True):
        bound = circuit.assign_parameters(
            {p.name: v for p, v in zip(names, weights, strict=True)}
            | {f"x[{q}]": v for q, v in enumerate(row)}
        )
        expected = Statevector(bound)
        assert values == pytest.approx(
            [expected.expectation_value(o).real for o in operators], abs=1e-9
        )
        assert abs(np.vdot(state, expected.data)) == pytest.approx(1, abs=1e-9)
    assert expectations_of_states(operators, states) == pytest.approx(
        circuit_model.expectations(ROWS), abs=1e-9
    )


def test_the_layer_of_a_twin_has_the_values_of_the_circuit():
    circuit_model = trained_circuit(mixed_gates(), ROWS[0], weights=WEIGHTS)
    import torch

    layer = circuit_model.head()(torch.from_numpy(ROWS)).detach().numpy()
    assert layer == pytest.approx(circuit_model.expectations(ROWS), abs=1e-9)


def test_truncation_is_that_of_dense_singular_values_and_exact_at_the_limit():
    random = np.random.default_rng(1)
    states = random.normal(size=(3, 16)) + 1j * random.normal(size=(3, 16))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    assert truncate_states(states, 4) == pytest.approx(states, abs=1e-9)
    for bond in (1, 2, 3):
        for state, truncated in zip(states, truncate_states(states, bond), strict=True):
            remainder = state.reshape(1, -1)
            product = np.ones((1, 1))
            for cut in range(1, 4):
                u, s, v = np.linalg.svd(
                    remainder.reshape(remainder.shape[0] * 2, -1), full_matrices=False
                )
                u = u[:, :bond]
                remainder = s[:bond, None] * v[:bond]
                product = np.einsum("al,lbr->abr", product, u.reshape(-1, 2, u.shape[1])).reshape(
                    2**cut, -1
                )
            expected = (product @ remainder).ravel()
            expected /= np.linalg.norm(expected)
            assert abs(np.vdot(expected, truncated)) == pytest.approx(1, abs=1e-9)


def test_latent_values_are_the_angles_of_a_row():
    latent = trained_circuit(mixed_gates(), ROWS[0], weights=WEIGHTS).latent(ROWS)
    expected = {tuple(ROWS[:, q].round(9)) for q in range(3)} | {
        tuple((ROWS[:, 0] * ROWS[:, 1]).round(9))
    }
    assert {tuple(column.round(9)) for column in latent.T} == expected


def test_noise_has_the_mean_of_each_operator():
    operators = [SparsePauliOp(["III", "ZZI"], [0.25, 1.0]), SparsePauliOp("ZII")]
    circuit_model = trained_circuit(mixed_gates(), ROWS[0], weights=WEIGHTS, observables=operators)
    mixed = np.eye(8) / 8
    assert circuit_model.noise_values == pytest.approx(
        [np.trace(mixed @ o.to_matrix()).real for o in operators]
    )


def test_numbers_in_rotations_are_weights_if_no_parameter_is():
    circuit = mixed_gates()
    bound = circuit.assign_parameters({f"theta[{i}]": w for i, w in enumerate(WEIGHTS)})
    circuit_model = trained_circuit(bound, ROWS[0])
    expected = trained_circuit(circuit, ROWS[0], weights=WEIGHTS)
    assert circuit_model.values == pytest.approx(WEIGHTS)
    assert circuit_model.expectations(ROWS) == pytest.approx(expected.expectations(ROWS), abs=1e-12)


def test_data_of_more_than_ten_columns_are_in_the_order_of_their_index():
    x = [Parameter(f"x_{i}") for i in range(12)]
    circuit = QuantumCircuit(1)
    for angle in x:
        circuit.ry(angle, 0)
    circuit_model = trained_circuit(circuit, np.zeros(12))
    assert [p.name for p in circuit_model.data] == [f"x_{i}" for i in range(12)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "4 parameters besides the data (theta[0], theta[1], theta[2], theta[3]), and weights are None"),
        ({"weights": [1.0]}, "weights are 1 values, expected 4 finite ones"),
        ({"weights": [1.0, 2.0, 3.0, np.nan]}, "expected 4 finite ones"),
        ({"weights": {"a": 1.0}}, "weights names a, which the circuit does not have. Its parameters are theta[0]"),
        ({"weights": WEIGHTS, "data": "z"}, "data is 'z', expected a vector of the circuit's parameters: theta, x"),
        ({"weights": WEIGHTS, "data": ["q"]}, "data names q, which the circuit does not have"),
        ({"weights": WEIGHTS, "data": "theta"}, "a row has 3 values, and the circuit reads 4"),
        ({"weights": WEIGHTS, "observables": ["ZZ"]}, "observables of [2] qubits, expected one or more of 3"),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(
        UserError, match=message.replace("[", r"\[").replace("(", r"\(").replace(")", r"\)")
    ):
        trained_circuit(mixed_gates(), ROWS[0], **arguments)


def test_an_object_that_is_no_circuit_is_refused():
    with pytest.raises(
        UserError, match="circuit is str, expected a QuantumCircuit, a QNode or the path"
    ):
        trained_circuit("head", ROWS[0])


def test_files_give_the_circuit_back(tmp_path):
    circuit = head_circuit(3, reuploads=2, main_layers=4)
    text, names = to_qasm3(circuit)
    (tmp_path / "head.qasm").write_text(text)
    (tmp_path / "head.qasm.names.json").write_text(json.dumps(names))
    (tmp_path / "plain.qasm").write_text(qasm3.dumps(circuit))
    with (tmp_path / "head.qpy").open("wb") as file:
        qpy.dump(circuit, file)
    weights = np.linspace(-1, 1, circuit.num_parameters - 3)
    expected = trained_circuit(circuit, ROWS[0], weights=weights).expectations(ROWS)
    for name in ("head.qasm", "head.qpy"):
        circuit_model = trained_circuit(read_circuit(tmp_path / name), ROWS[0], weights=weights)
        assert circuit_model.expectations(ROWS) == pytest.approx(expected, abs=1e-9)
    plain = read_circuit(tmp_path / "plain.qasm")  # with _theta_10_ before _theta_2_ as text
    circuit_model = trained_circuit(plain, ROWS[0], weights=weights)
    assert circuit_model.expectations(ROWS) == pytest.approx(expected, abs=1e-9)
    assert [p.name for p in circuit_model.data] == ["_x_0_", "_x_1_", "_x_2_"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.qasm", None, r"none\.qasm is no file. Give a circuit in OpenQASM 3"),
        ("a.qasm", b"\x00nonsense", "a.qasm cannot be read as OpenQASM 3"),
        ("a.qpy", b"\x00nonsense", "a.qpy cannot be read as QPY"),
        ("a.qasm", b" " * 1_000_001, "1,000,001 bytes, expected at most 1,000,000"),
        ("a.qpy", b" " * 10_000_001, "10,000,001 bytes, expected at most 10,000,000"),
        ("a.qasm", b"\n", r"a\.qasm is empty, expected a circuit. Write it"),
        ("a.qpy", b"\n", r"a\.qpy is empty, expected a circuit. Write it"),
        ("a.qasm", b"/* **" * 100_000, "cannot be read as OpenQASM 3"),  # comments without an end
        *(
            ("old.qasm", f'{comments}OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\n{gates}'.encode(), message)
            for comments in ("", "// by hand\n\n", "// OPENQASM 3;\n//\n")
            for gates, message in (
                ("ry(0.3) q[0];\ncx q[0], q[1];\n", r"is OpenQASM 2, which has no parameters.*qiskit.qasm3.dumps"),
                ("ry(a) q[0];\n", r"cannot be read as OpenQASM 2: .*'a' is not a parameter"),
            )
        ),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_files_that_hold_no_circuit_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_circuit(tmp_path / name)


QASM = """
OPENQASM 3.0;
include "stdgates.inc";
input float[64] x_0;
gate g0 a { rx(0.1) a; h a; }
"""
NESTED = "".join(f"gate g{i} a {{ {f'g{i - 1} a; ' * 10} }}\n" for i in range(1, 7))


@pytest.mark.parametrize(
    ("text", "memory", "operations"),
    [
        ("qubit[40] q; ry(x_0) q[0];", 8 * 2**40 + 180_000, 3 * 2**40),
        ("qubit[25] q; ry(x_0) q; " + "for int i in [0:1000000] { h q[0]; }", None, None),
        (NESTED + "qubit[2] q; g6 q[0];", 60_000 * 4_222_222 + 32, 4 * 4_222_222),
        ("qubit[2] q; pow(999999) @ h q[0];", 60_000 * 1_000_002 + 32, 4 * 1_000_002),
        ("qubit[1000000] q; ry(x_0) q;", None, None),
    ],
    ids=["qubits", "loop", "definitions", "power", "broadcast"],
)
def test_a_short_text_of_a_large_circuit_is_refused_before_it_is_built(
    text, memory, operations, tmp_path
):
    path = tmp_path / "small.qasm"
    path.write_text(QASM + text)
    numbers = r"[\d,]+" if memory is None else f"{memory:,}"
    work = r"[\d,]+" if operations is None else f"{operations:,}"
    with pytest.raises(
        UserError,
        match=rf"would take {numbers} bytes of memory and {work} operations, expected at most 2,500,000,000 and",
    ):
        read_circuit(path)


def test_a_short_file_of_a_wide_circuit_is_read_with_little_memory(tmp_path):
    wide = io.BytesIO()
    qpy.dump(QuantumCircuit(3, global_phase=0.25), wide)
    content = wide.getvalue()
    at = content.index(struct.pack("!II", 3, 0))
    (tmp_path / "wide.qpy").write_bytes(
        content[:at] + struct.pack("!II", 2**32 - 1, 0) + content[at + 8 :]
    )
    with pytest.raises(UserError, match=r"wide\.qpy .* more than 500,000,000 bytes of memory"):
        read_circuit(tmp_path / "wide.qpy")


def test_rows_of_a_file_are_the_arguments_of_an_audit(tmp_path):
    file = tmp_path / "rows.npz"
    y = np.array(["a", "b", "a", "b", "a"])
    np.savez(
        file,
        X=ROWS,
        y=y,
        X_test=ROWS,
        y_test=y,
        weights=WEIGHTS,
        observables=["ZII"],
        readout_weight=[[0.0], [1.0]],
        readout_bias=[0.0, 0.0],
        inputs=ROWS,
        inputs_test=ROWS,
    )
    arguments = read_rows(file)
    assert sorted(arguments) == [
        *("X", "inputs", "observables", "readout", "test", "test_inputs", "weights", "y")
    ]
    assert arguments["observables"] == ["ZII"]
    assert (arguments["test"][1] == y).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": ROWS}, "has the arrays X, expected X and y"),
        ({"X": ROWS, "y": ROWS[:, 0], "z": ROWS}, "has the arrays X, y, z, expected X and y"),
        (
            {"X": ROWS, "y": ROWS[:, 0], "X_test": ROWS},
            "has X_test, expected X_test and y_test or neither",
        ),
        (
            {"X": ROWS, "y": np.array([{}], dtype=object)},
            r"has y of type \|O, expected numbers or texts",
        ),
    ],
)
def test_files_of_other_arrays_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(UserError, match=message):
        read_rows(tmp_path / "rows.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_file_of_rows_is_refused(tmp_path, save):
    file = tmp_path / "rows.npz"
    file.write_text("X, y")
    with pytest.raises(UserError, match=r"rows\.npz is no NPZ file. Write it by numpy\.savez"):
        read_rows(file)
    save(file, X=ROWS, y=ROWS[:, 0])
    content = file.read_bytes()
    for at in (200, content.index(b"PK\x01\x02") + 10):  # a number, the method of compression
        file.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        with pytest.raises(UserError, match=r"rows\.npz cannot be read: .* Write it again"):
            read_rows(file)
