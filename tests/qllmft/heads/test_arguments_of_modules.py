"""Arguments of the public torch modules: each one acts or is refused with a remedy, and ``repr`` shows the sizes."""

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import PauliList

import qllmft
from qllmft import QuantumEncoder, QuantumHead
from qllmft.config import ModelConfig
from qllmft_backends import create

HEAD_ARGUMENTS = [
    ({"start": "zeros"}, "start is 'zeros', expected one of random, linear, sines"),
    ({"registers": 0}, "registers is 0, expected a whole number from 1"),
    ({"registers": 3}, "n_qubits is 4 and registers 3, expected a multiple"),
    ({"n_qubits": -1}, "n_qubits is -1, expected a whole number from 1"),
    ({"n_qubits": 4.0}, "n_qubits is 4.0, expected a whole number from 1"),
    ({"n_qubits": True}, "n_qubits is True, expected a whole number from 1"),
    ({"n_qubits": "4"}, "n_qubits is '4', expected a whole number from 1"),
    ({"n_qubits": 10**9}, "circuit of 1000000000 qubits, expected at most 30"),
    ({"reuploads": True}, "reuploads is True, expected a whole number from 1"),
    ({"reupload_layers": 1.0}, "reupload_layers is 1.0, expected a whole number from 0"),
    ({"main_layers": None}, "main_layers is None, expected a whole number from 0"),
    ({"readout": "words", "word_weight": 2.0}, "word_weight is 2.0, expected a whole number"),
    ({"initial_angle": float("nan")}, "initial_angle is nan, expected a finite number"),
    ({"initial_angle": "pi"}, "initial_angle is 'pi', expected a finite number"),
    ({"generator": 0}, r"generator is 0, .* torch.Generator\(\).manual_seed\(0\)"),
    ({"ansatz": "brickwork"}, r"type str, .*ANSATZE\['brickwork'\]"),
    ({"ansatz": QuantumCircuit(4)}, "type QuantumCircuit, .* QuantumHead.from_circuit"),
    ({"backend": "adjoint"}, r"backend is of type str, .*create\('adjoint'\)"),
]
ENCODER_ARGUMENTS = [
    ({"wires": []}, r"wires are \[\] and n_outputs is 2"),
    ({"wires": [1]}, r"wires are \[1\] and n_outputs is 2"),
    ({"wires": 1}, r"wires is 1, expected a list of qubits, such as \[1\]"),
    ({"wires": [0, 1.0]}, r"measured qubits are \[0, 1.0\]"),
    ({"dimension": 0}, "dimension is 0, expected a whole number from 1"),
    ({"n_qubits": 3.0}, "n_qubits is 3.0, expected a whole number from 1"),
    ({"layers": True}, "layers is True, expected a whole number from 0"),
    ({"scale": float("inf")}, "scale is inf, expected a finite number"),
    ({"scale": "pi"}, "scale is 'pi', expected a finite number"),
    ({"wires": [0, 3]}, r"measured qubits are \[0, 3\], .* of 0 to 2"),
    ({"wires": [1, 1]}, r"measured qubits are \[1, 1\], expected one or more different"),
    ({"n_outputs": 4}, r"measured qubits are \[0, 1, 2, 3\], .* of 0 to 2"),
    ({"n_outputs": 0}, "n_outputs is 0, expected a whole number from 1"),
    ({"odd": True}, "odd is True and pad 'zeros', whose odd values are all 0"),
    ({"ansatz": "brickwork"}, "type str"),
    ({"backend": "adjoint"}, "only the engine runs encoders"),
    ({"backend": create("aer_statevector")}, "'aer_statevector', and only the engine"),
]
CLASSIFIER_ARGUMENTS = [
    (("sines", 8, 2), "config is of type str, expected ModelConfig"),
    ((ModelConfig(), 0, 2), "dimension is 0, expected a whole number from 1, the length"),
    ((ModelConfig(), 8, 0), "n_classes is 0, expected a whole number from 1, the number"),
    ((ModelConfig(), 8, 2.0), "n_classes is 2.0, expected a whole number"),
]


@pytest.mark.parametrize(("arguments", "message"), HEAD_ARGUMENTS)
def test_a_head_refuses_what_it_cannot_do(arguments, message):
    with pytest.raises(qllmft.UserError, match=message):
        QuantumHead(**{"n_qubits": 4} | arguments)


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
        (QuantumCircuit(3), {"data": "x"}, "data is 'x', expected a list of parameters"),
        (QuantumCircuit(3), {"weights": None}, r"weights is None, .* it is weights=\[\]"),
        (QuantumCircuit(3), {"observables": 0}, "observables is of type int, expected a list"),
        (
            QuantumCircuit(3),
            {"interpret": "parity", "output_shape": 2.0},
            "output_shape is 2.0, expected a whole number from 1",
        ),
    ],
)
def test_a_head_of_a_circuit_refuses_what_it_cannot_do(circuit, arguments, message):
    with pytest.raises(qllmft.UserError, match=message):
        QuantumHead.from_circuit(circuit, **{"data": [], "weights": []} | arguments)


@pytest.mark.parametrize(("arguments", "message"), ENCODER_ARGUMENTS)
def test_an_encoder_refuses_what_it_cannot_do(arguments, message):
    sizes = {"dimension": 8, "n_qubits": 3, "n_outputs": 2, "layers": 1}
    with pytest.raises(qllmft.UserError, match=message):
        QuantumEncoder(**sizes | arguments)


@pytest.mark.parametrize(("arguments", "message"), CLASSIFIER_ARGUMENTS)
def test_a_classifier_refuses_sizes_and_structures_that_are_none(arguments, message):
    with pytest.raises(qllmft.UserError, match=message):
        qllmft.build_classifier(*arguments)


def test_a_classifier_refuses_the_name_of_a_backend():
    with pytest.raises(qllmft.UserError, match=r"create\('adjoint'\)"):
        qllmft.build_classifier(ModelConfig(), 8, 2, backend="adjoint")


def test_numbers_of_numpy_and_whole_scales_are_sizes_and_scales():
    assert QuantumHead(np.int64(3))(torch.zeros(2, 3)).shape == (2, 3)
    encoder = QuantumEncoder(8, np.int64(3), 2, np.int32(1), wires=np.array([2, 0]), scale=1)
    assert encoder.scale.dtype == torch.float32
    assert encoder(torch.ones(2, 8)).abs().max() <= 1


def test_several_operators_of_qiskit_are_a_list():
    head = QuantumHead.from_circuit(
        QuantumCircuit(3), PauliList(["ZII", "XII"]), data=[], weights=[]
    )
    assert head(torch.zeros(1, 0)).tolist() == [[1.0, 0.0]]


def test_a_module_prints_its_sizes():
    head = repr(QuantumHead(6, 1, 1, 1, readout="words", registers=2))
    assert "n_inputs=6, n_values=12, n_weights=6, registers=2" in head
    assert "n_inputs=3, n_values=3, n_weights=15, registers=1" in repr(QuantumHead(3))
    encoder = repr(QuantumEncoder(7, 3, 2, 2, pad="bias", odd=True))
    assert "dimension=7, n_qubits=3, n_outputs=2, n_weights=6, pad='bias', odd=True" in encoder
