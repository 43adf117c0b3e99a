"""Train a circuit of Qiskit 2 as a layer of a torch model, and check it with Qiskit's own primitive.

Run: python examples/qiskit_circuit_as_a_layer.py
"""

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from torch import nn

from qllmft import QuantumHead

N_QUBITS = 4


def make_circuit() -> tuple[QuantumCircuit, ParameterVector, ParameterVector]:
    """Return a circuit of two uploads of the data, with its data and its weights."""
    data = ParameterVector("x", N_QUBITS)
    weights = ParameterVector("w", 2 * N_QUBITS)
    circuit = QuantumCircuit(N_QUBITS)
    for layer in range(2):
        for qubit in range(N_QUBITS):
            circuit.ry(data[qubit], qubit)
            circuit.rx(weights[layer * N_QUBITS + qubit], qubit)
        for qubit in range(N_QUBITS):
            circuit.cx(qubit, (qubit + 1) % N_QUBITS)
    return circuit, data, weights


def main() -> None:
    """Learn the parity of four signs, and compare the layer's values with Qiskit's."""
    torch.manual_seed(0)
    circuit, data, weights = make_circuit()
    observables = [SparsePauliOp("ZZZZ"), SparsePauliOp("IIIZ")]
    layer = QuantumHead.from_circuit(circuit, observables, data=data, weights=weights)
    model = nn.Sequential(layer, nn.Linear(len(observables), 2))
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * N_QUBITS)
    labels = (signs.prod(dim=1) > 0).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(80):
        loss = nn.functional.cross_entropy(model(signs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracy = (model(signs).argmax(dim=1) == labels).float().mean()
    print(f"accuracy {accuracy.item():.2f}, loss {loss.item():.3f}")

    values = torch.cat([signs[0], next(layer.parameters()).detach()])
    parameters = [*data, *weights]
    bound = circuit.assign_parameters(dict(zip(parameters, values.tolist(), strict=True)))
    expected = StatevectorEstimator().run([(bound, observables)]).result()[0].data.evs
    difference = (layer(signs[:1])[0].detach() - torch.from_numpy(expected)).abs().max()
    print(f"difference from Qiskit's StatevectorEstimator below 1e-5: {bool(difference < 1e-5)}")


if __name__ == "__main__":
    main()
