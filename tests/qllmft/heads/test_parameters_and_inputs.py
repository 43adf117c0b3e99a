"""What a layer of a circuit takes as parameters and inputs, and what it refuses in words."""

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qllmft import QuantumEncoder, QuantumHead, UserError


def circuit_of_two() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    circuit.cx(0, 1)
    circuit.rx(Parameter("b"), 1)
    return circuit


@pytest.mark.public_report(
    case="fresh parameters of equal names",
    source="own audit",
    seen="from_circuit ended with a raw ValueError of qiskit-machine-learning",
    outcome="they stand for the circuit's own parameters, as names do",
)
@pytest.mark.parametrize("as_parameter", [Parameter, str])
def test_names_and_fresh_parameters_stand_for_the_circuits(as_parameter):
    circuit = circuit_of_two()
    head = QuantumHead.from_circuit(
        circuit,
        [SparsePauliOp("ZZ")],
        data=[as_parameter("a")],
        weights=[as_parameter("b")],
    )
    value = head(torch.tensor([[0.4]])).item()
    # cos of each angle: ⟨ZZ⟩ is 1 behind the CNOT, then R_X turns Z of qubit 1
    assert value == pytest.approx(np.cos(head.connector.weight.item()), abs=1e-6)


@pytest.mark.parametrize(
    ("data", "weights", "message"),
    [
        (["a"], ["c"], r"name the parameters \['a', 'c'\], expected each of the circuit's once"),
        (["a", "a"], ["b"], r"name the parameters \['a', 'a', 'b'\], expected each"),
        (["a"], [], r"name the parameters \['a'\], expected each"),
        ([0], ["b"], "data holds 0, expected parameters of the circuit or their names"),
    ],
)
def test_other_parameters_are_refused(data, weights, message):
    with pytest.raises(UserError, match=message):
        QuantumHead.from_circuit(circuit_of_two(), data=data, weights=weights)


@pytest.mark.public_report(
    case="NumPy or complex input of a layer",
    source="own audit",
    seen="raw TypeError for arrays and lists, and advice to call .double() for complex tensors",
    outcome="a UserError that names the type and torch.as_tensor",
)
@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        *(
            (layer, x, rf"{kind}, expected a real tensor of torch: torch\.as_ten")
            for layer in (QuantumHead(4), QuantumEncoder(4, 2, 2, 1))
            for x, kind in (
                (np.zeros((2, 4)), "ndarray"),
                (np.zeros((2, 4), np.complex64), "ndarray"),
                ([[0.0] * 4], "list"),
                (torch.zeros(2, 4, dtype=torch.complex64), r"torch\.complex64"),
            )
        ),
        *(
            (QuantumHead(4).connector, x, rf"data angles are {shape}, expected \(\.\.\., 4\)")
            for x, shape in (
                (torch.zeros(3, 5), r"\(3, 5\)"),
                (torch.zeros(3), r"\(3,\)"),
                (torch.zeros(()), r"\(\)"),
                (None, "None"),
            )
        ),
        (QuantumHead(3), torch.eye(3).to_sparse(), r"torch.sparse_coo, expected a dense .* x.to_dense\(\)"),
    ],
)  # fmt: skip
def test_an_input_of_another_kind_or_shape_is_refused(layer, x, message):
    with pytest.raises(UserError, match=message):
        layer(x)
