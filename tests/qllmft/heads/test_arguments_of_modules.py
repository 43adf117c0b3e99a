"""Arguments of the public torch modules: each one acts or is refused with a remedy, and ``repr`` shows the sizes."""

import pytest
from qiskit import QuantumCircuit

import qllmft
from qllmft import QuantumEncoder, QuantumHead
from qllmft.config import ModelConfig
from qllmft_backends import create

HEAD_ARGUMENTS = [
    ({"start": "zeros"}, "start is 'zeros', expected one of random, linear, sines"),
    ({"registers": 0}, "registers 0, expected a multiple of registers, which is 1 or more"),
    ({"registers": 3}, "n_qubits is 4 and registers 3, expected a multiple"),
    ({"ansatz": "brickwork"}, r"type str, .*ANSATZE\['brickwork'\]"),
    ({"ansatz": QuantumCircuit(4)}, "type QuantumCircuit, .* QuantumHead.from_circuit"),
    ({"backend": "adjoint"}, r"backend is of type str, .*create\('adjoint'\)"),
]
ENCODER_ARGUMENTS = [
    ({"wires": []}, r"wires are \[\] and n_outputs is 2"),
    ({"wires": [1]}, r"wires are \[1\] and n_outputs is 2"),
    ({"wires": [0, 3]}, r"measured qubits are \[0, 3\], .* of 0 to 2"),
    ({"wires": [1, 1]}, r"measured qubits are \[1, 1\], expected one or more different"),
    ({"n_outputs": 4}, r"measured qubits are \[0, 1, 2, 3\], .* of 0 to 2"),
    ({"n_outputs": 0}, r"measured qubits are \[\]"),
    ({"odd": True}, "odd is True and pad 'zeros', whose odd values are all 0"),
    ({"ansatz": "brickwork"}, "type str"),
    ({"backend": "adjoint"}, "only the engine runs encoders"),
    ({"backend": create("aer_statevector")}, "'aer_statevector', and only the engine"),
]
CLASSIFIER_ARGUMENTS = [
    (("sines", 8, 2), "config is of type str, expected ModelConfig"),
    ((ModelConfig(), 0, 2), "dimension is 0 and n_classes 2, expected 1 or more"),
    ((ModelConfig(), 8, 0), "dimension is 8 and n_classes 0, expected 1 or more"),
]


@pytest.mark.parametrize(("arguments", "message"), HEAD_ARGUMENTS)
def test_a_head_refuses_what_it_cannot_do(arguments, message):
    with pytest.raises(qllmft.UserError, match=message):
        QuantumHead(4, **arguments)


@pytest.mark.parametrize(
    ("circuit", "arguments", "message"),
    [
        (QuantumCircuit(3), {"backend": "adjoint"}, "backend is of type str"),
        (
            QuantumCircuit(3),
            {"output_shape": 2},
            "output_shape is 2, and only interpret has labels",
        ),
        ("circuit", {}, "circuit is of type str, expected a QuantumCircuit"),
    ],
)
def test_a_head_of_a_circuit_refuses_what_it_cannot_do(circuit, arguments, message):
    with pytest.raises(qllmft.UserError, match=message):
        QuantumHead.from_circuit(circuit, data=[], weights=[], **arguments)


@pytest.mark.parametrize(("arguments", "message"), ENCODER_ARGUMENTS)
def test_an_encoder_refuses_what_it_cannot_do(arguments, message):
    sizes = {"dimension": 8, "n_qubits": 3, "n_outputs": 2, "layers": 1}
    with pytest.raises(qllmft.UserError, match=message):
        QuantumEncoder(**sizes | arguments)


@pytest.mark.parametrize(("arguments", "message"), CLASSIFIER_ARGUMENTS)
def test_a_classifier_refuses_sizes_and_structures_that_are_none(arguments, message):
    with pytest.raises(qllmft.UserError, match=message):
        qllmft.build_classifier(*arguments)


def test_a_module_prints_its_sizes():
    head = repr(QuantumHead(6, 1, 1, 1, readout="words", registers=2))
    assert "n_inputs=6, n_values=12, n_weights=6, registers=2" in head
    assert "n_inputs=3, n_values=3, n_weights=15, registers=1" in repr(QuantumHead(3))
    encoder = repr(QuantumEncoder(7, 3, 2, 2, pad="bias", odd=True))
    assert "dimension=7, n_qubits=3, n_outputs=2, n_weights=6, pad='bias', odd=True" in encoder
