"""What the package refuses: numbers of layers, qubits, angles and amplitudes, and circuits that have no form."""

import openqasm3
import pytest
from qiskit import QuantumCircuit

from qllmft_circuits import (
    AnsatzOptions,
    encoder_circuit,
    head_circuit,
    readout_observables,
    to_qasm2,
)
from qllmft_circuits.encoder import loading_circuit
from qllmft_circuits.files.sizes import size_of_statements


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AnsatzOptions(connectivity=0), r"connectivity is 0, expected 1 or more \(C of table I\)"),
        (lambda: AnsatzOptions(connectivity=-2), "connectivity is -2, expected 1 or more"),
        (lambda: AnsatzOptions(block="rycx"), "block is 'rycx', expected 'cx_ry' or 'ry_cx'"),
        (lambda: list(AnsatzOptions().pairs(1)), "n_qubits is 1, expected 2 or more: a block U_i acts on two qubits"),
        (
            lambda: AnsatzOptions(connectivity=4).layer_size(4),
            "connectivity is 4 on 4 qubits, expected at most 3: .*pair a qubit with itself",
        ),
        (lambda: head_circuit(3, ansatz=lambda n, layers: None), "returned NoneType, expected a QuantumCircuit"),
        (
            lambda: head_circuit(3, ansatz=lambda n, layers: QuantumCircuit(n + 1)),
            "a circuit of 4 qubits, expected 3",
        ),
        (
            lambda: head_circuit(3, ansatz=lambda n, layers: QuantumCircuit(n - 1)),
            "a circuit of 2 qubits, expected 3",
        ),
        (lambda: head_circuit(4, 0), r"reuploads is 0, expected 1 or more: .* must see its data \(R of table I\)"),
        (lambda: head_circuit(4, 2, -1, 2), "layers are N = -1, M = 2, expected 0 or more of each"),
        (lambda: head_circuit(4, 2, 1, -3), "layers are N = 1, M = -3, expected 0 or more of each"),
        (lambda: encoder_circuit(4, -1), "layers is -1, expected 0 or more"),
        (lambda: readout_observables(4, "last"), "readout is 'last', expected 'all', 'first' or 'words'"),
        (
            lambda: readout_observables(4, "words", 5),
            "word_weight is 5, expected 1 to 4, the number of qubits",
        ),
        (lambda: loading_circuit([], 3), "got 0 amplitudes, expected 1 to 8 for 3 qubits"),
        (lambda: loading_circuit([1.0] * 9, 3), "got 9 amplitudes, expected 1 to 8 for 3 qubits"),
        (lambda: loading_circuit([0.0, -0.0], 3), "all zero, or not finite"),
        (lambda: loading_circuit([1.0, float("nan")], 3), "all zero, or not finite"),
        (lambda: loading_circuit([float("inf"), 1.0], 3), "all zero, or not finite"),
        (
            lambda: to_qasm2(head_circuit(12, 2, 1, 1)),
            r"36 free parameters \(theta\[0\], .*, …, x\[11\]\), and QASM 2 has no parameters\. Bind",
        ),
        (
            lambda: size_of_statements(openqasm3.parse("const int n = 9; qubit[n] q;").statements),
            "a size or a power is of the kind Identifier, expected a number",
        ),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_with_what_was_got_and_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
