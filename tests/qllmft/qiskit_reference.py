"""What circuits answer by Qiskit's `Statevector` and dense matrices alone: the second route of these tests.

Qubit 0 is the least significant bit of an index, as everywhere in Qiskit.
"""

from collections.abc import Sequence

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit.circuit.library import RYGate
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from torch import Tensor

from qllmft.config import ModelConfig
from qllmft.heads import Classifier
from qllmft.templates import encoder_template, head_template
from qllmft_backends import Backend, Capabilities, Expectations
from qllmft_circuits import data_parameters, weight_parameters


def z(qubit: int, n_qubits: int) -> SparsePauliOp:
    return SparsePauliOp("I" * (n_qubits - 1 - qubit) + "Z" + "I" * qubit)


def values(
    circuit: QuantumCircuit,
    parameters: np.ndarray,
    operators: Sequence[SparsePauliOp],
    amplitudes: np.ndarray | None = None,
) -> np.ndarray:
    """Expectation values (B, O) for parameters (B, P) in Qiskit's order, from (B, D) amplitudes or from |0...0>."""
    answers = []
    for sample, row in enumerate(parameters):
        start = np.zeros(2**circuit.num_qubits)
        loaded = np.ones(1) if amplitudes is None else amplitudes[sample]
        start[: len(loaded)] = loaded
        state = Statevector(start).evolve(circuit.assign_parameters(row))
        answers.append([state.expectation_value(operator).real for operator in operators])
    return np.array(answers)


def rows(circuit: QuantumCircuit, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Parameters (B, P) of a head in Qiskit's order, from data angles (B, Q) and weights (G,)."""
    given = [*data_parameters(circuit), *weight_parameters(circuit)]
    side_by_side = np.hstack([data, np.tile(weights, (len(data), 1))])
    return side_by_side[:, [given.index(parameter) for parameter in circuit.parameters]]


def z_values(circuit: QuantumCircuit, parameters: np.ndarray, amplitudes: np.ndarray | None = None) -> np.ndarray:
    """`values` of Z of every qubit, (B, Q)."""
    return values(circuit, parameters, [z(q, circuit.num_qubits) for q in range(circuit.num_qubits)], amplitudes)


def logits(model: Classifier, config: ModelConfig, x: Tensor) -> np.ndarray:
    """Logits (B, k) of embeddings (B, D): one encoder, quantum or classical, the head, then W z + b."""
    state = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    head, encoder = head_template(config), encoder_template(config)
    if encoder is None:
        latent = model.encoder(x).detach().double().numpy()
    else:
        unit = (x / x.norm(dim=1, keepdim=True)).double().numpy()
        theta = np.tile(state["encoder.encoders.0.theta"], (len(x), 1))
        latent = state["encoder.encoders.0.scale"] * z_values(encoder, theta, unit)
    measured = z_values(head, rows(head, latent, state["head.connector.weight"]))
    return measured @ state["final.weight"].T + state["final.bias"]


def shift_jacobian(
    circuit: QuantumCircuit,
    parameters: np.ndarray,
    operators: Sequence[SparsePauliOp],
    amplitudes: np.ndarray | None = None,
) -> np.ndarray:
    """(B, O, P) derivatives by the parameter-shift rule, gate by gate: a parameter may stand in several R_Y."""
    names = list(circuit.parameters)
    jacobian = np.zeros((len(parameters), len(operators), len(names)))
    for position, instruction in enumerate(circuit.data):
        if instruction.operation.name != "ry":
            continue
        column = names.index(instruction.operation.params[0])
        for sign in (1, -1):
            shifted = circuit.copy()
            shifted.data.insert(position, CircuitInstruction(RYGate(sign * np.pi / 2), instruction.qubits))
            jacobian[:, :, column] += sign / 2 * values(shifted, parameters, operators, amplitudes)
    return jacobian


def central_differences(function, x: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Derivatives of a scalar function by x, of fourth order: error ~ step^4."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        delta = np.zeros_like(x)
        delta[index] = step
        near, far = function(x + delta) - function(x - delta), function(x + 2 * delta) - function(x - 2 * delta)
        gradient[index] = (8 * near - far) / (12 * step)
    return gradient


def quadratic_form(circuit: QuantumCircuit, parameters: np.ndarray, operator: SparsePauliOp) -> np.ndarray:
    """The real matrix M with <a| U^T O U |a> = a.M.a for real amplitudes a."""
    unitary = Operator(circuit.assign_parameters(parameters)).data
    return (unitary.conj().T @ operator.to_matrix() @ unitary).real


class StatevectorBackend(Backend):
    """The smallest backend that is not the project's own engine; it counts its calls."""

    name = "statevector"

    def __init__(self) -> None:
        self.calls = 0

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=True)

    def expectations(self, circuit, values_, observables) -> Expectations:
        self.calls += 1
        answers = values(circuit, values_, observables)
        return Expectations(answers, np.zeros_like(answers))
