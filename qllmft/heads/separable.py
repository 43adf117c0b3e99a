"""Separable twin of a layer: the same circuit without gates on two qubits."""

from __future__ import annotations

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction

from qllmft.heads.quantum import QuantumHead
from qllmft_base.errors import UserError
from qllmft_engine.program.gates import GATES

_NO_GATES = ("barrier", "measure", "reset")


def is_entangling(head: QuantumHead) -> bool:
    """Return whether the circuit of a layer has a gate on two qubits or more."""
    return any(_joins_qubits(instruction) for instruction in head.circuit.data)


def separable_twin(head: QuantumHead) -> QuantumHead:
    """Return the layer without gates on two qubits or more, with the weights that are left.

    Raises:
        UserError: if data enter through such a gate, so that the twin would not read them.
    """
    circuit = _open_boxes(head.circuit)
    product = circuit.copy_empty_like()
    for instruction in circuit.data:
        if not _joins_qubits(instruction):
            product.append(instruction)
    network = head.connector.neural_network
    unread = [p.name for p in network.input_params if p not in product.parameters]
    if unread:
        raise UserError(
            f"the separable twin of the circuit does not read {', '.join(unread)}, which enter through gates on two "
            "qubits. Give the function a parameter `separable`, and return your own twin."
        )
    kept = [i for i, p in enumerate(network.weight_params) if p in product.parameters]
    twin = QuantumHead.from_circuit(
        product,
        head.observables,
        data=list(network.input_params),
        weights=[network.weight_params[i] for i in kept],
    ).to(head.connector.weight.dtype)
    with torch.no_grad():
        twin.connector.weight.copy_(head.connector.weight[kept])
    return twin


def _joins_qubits(instruction: CircuitInstruction) -> bool:
    """Return whether an instruction is a gate on two qubits or more."""
    return len(instruction.qubits) > 1 and instruction.operation.name not in _NO_GATES


def _open_boxes(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with the gates of each box, such as that of a library's feature map."""
    gates = {*GATES, "unitary"}
    while boxes := {
        instruction.operation.name
        for instruction in circuit.data
        if _joins_qubits(instruction)
        and instruction.operation.name not in gates
        and instruction.operation.definition is not None
    }:
        circuit = circuit.decompose(gates_to_decompose=sorted(boxes))
    return circuit
