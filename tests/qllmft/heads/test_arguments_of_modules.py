"""Arguments of the public torch modules: each one acts or is refused with a remedy, and ``repr`` shows the sizes."""

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import PauliList

import qllmft
from qllmft import QuantumEncoder, QuantumHead
from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft_backends import create

HEAD_ARGUMENTS = [
    ({"start": "zeros"}, "start is 'zeros', expected one of random, linear, sines"),
    ({"start": "sines"}, "got reuploads 4, main_layers 2 and 20 weights. Set both"),
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
    ({"pad": "repeat"}, "pad is 'repeat', expected one of zeros, bias, constant"),
    ({"ansatz": "brickwork"}, "type str"),
    ({"backend": "adjoint"}, "only the engine runs encoders"),
    ({"backend": create("aer_statevector")}, "'aer_statevector', and only the engine"),
]
CIRCUIT_ARGUMENTS = [
    ({"backend": "adjoint"}, "backend is of type str"),
    ({"output_shape": 2}, "output_shape is 2, and only interpret has labels"),
    ({"circuit": "circuit"}, "circuit is of type str, expected a QuantumCircuit"),
    ({"data": "x"}, "data is 'x', expected a list of parameters"),
    ({"weights": None}, r"weights is None, .* it is weights=\[\]"),
    ({"observables": 0}, "observables is of type int, expected a list"),
    ({"interpret": "parity", "output_shape": 2.0}, "output_shape is 2.0, expected a whole number"),
]
CLASSIFIER_ARGUMENTS = [
    ({"config": "sines"}, "config is of type str, expected ModelConfig"),
    ({"dimension": 0}, "dimension is 0, expected a whole number from 1, the length"),
    ({"n_classes": 0}, "n_classes is 0, expected a whole number from 1, the number"),
    ({"n_classes": 2.0}, "n_classes is 2.0, expected a whole number"),
    ({"backend": "adjoint"}, r"create\('adjoint'\)"),
]
# a constructor, arguments that it accepts, and what it refuses in their place
REFUSALS = [
    (QuantumHead, {"n_qubits": 4}, HEAD_ARGUMENTS),
    (
        QuantumHead.from_circuit,
        {"circuit": QuantumCircuit(3), "data": [], "weights": []},
        CIRCUIT_ARGUMENTS,
    ),
    (
        QuantumEncoder,
        {"dimension": 8, "n_qubits": 3, "n_outputs": 2, "layers": 1},
        ENCODER_ARGUMENTS,
    ),
    (
        build_classifier,
        {"config": ModelConfig(), "dimension": 8, "n_classes": 2},
        CLASSIFIER_ARGUMENTS,
    ),
]


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (make, accepted | arguments, message)
        for make, accepted, refusals in REFUSALS
        for arguments, message in refusals
    ],
)
def test_an_argument_that_cannot_act_is_refused(make, arguments, message):
    with pytest.raises(qllmft.UserError, match=message):
        make(**arguments)


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
