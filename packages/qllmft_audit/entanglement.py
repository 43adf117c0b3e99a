"""States of a trained head: Schmidt rank across each cut with its bound, and the entanglement of single qubits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ControlledGate, Gate, Operation
from qiskit.quantum_info import Statevector

from qllmft.heads import QuantumHead
from qllmft_backends import UnsupportedGateError
from qllmft_backends.definitions import gate_definition, has_other_definition
from qllmft_base.errors import UserError
from qllmft_engine import AdjointEngine

Floats = NDArray[np.float64]
States = NDArray[np.floating[Any]] | NDArray[np.complex128]

# singular values below it are rounding: those of a float64 state are right to 1e-14
SMALLEST_COEFFICIENT = 1e-9
DISCARDED_WEIGHT = 1e-4  # weight that the truncated bond leaves out
_RANK_TWO_GATES = ("rzz", "rxx", "ryy", "rzx", "ecr")  # two products of Pauli matrices each


@torch.no_grad()
def head_states(head: QuantumHead, latent: Floats) -> States:
    """Return the states (N, 2^Q) of latent vectors (N, Q) in float64. Bit q of an index is qubit q.

    Those of a head of R registers are (N, R, 2^(Q/R)), since each register has a state of its own.
    """
    connector = head.connector
    weights = connector.weight.detach().double().numpy()
    if head.registers > 1:
        parts = zip(
            np.split(latent, head.registers, axis=1), np.split(weights, head.registers), strict=True
        )
        states = [
            _register_states(head, register_latent, register_weights)
            for register_latent, register_weights in parts
        ]
        return cast("States", np.stack(states, axis=1))
    return _register_states(head, latent, weights)


def _register_states(head: QuantumHead, latent: Floats, weights: Floats) -> States:
    """Return the states (N, 2^Q) of one register, of its latent values (N, Q) and its weights (P,)."""
    connector = head.connector
    engine = connector.engine
    if isinstance(engine, AdjointEngine):
        matrix, offset = (connector._constants[name] for name in ("angle_map", "angle_offset"))
        repeated = np.broadcast_to(weights, (len(latent), len(weights)))
        values = np.concatenate([latent, repeated], axis=1)
        return engine.double.states(values @ matrix.T + offset)
    network = connector.neural_network
    bound = head.circuit.assign_parameters(dict(zip(network.weight_params, weights, strict=True)))
    rows = [dict(zip(network.input_params, row, strict=True)) for row in latent]
    return np.stack([np.asarray(Statevector(bound.assign_parameters(row)).data) for row in rows])


def schmidt_values(states: States) -> list[Floats]:
    """Return the Schmidt coefficients of states (N, 2^Q) across the cuts after qubit 0, ..., Q-2, (N, rank) each."""
    qubits = states.shape[1].bit_length() - 1
    matrices = [
        states.reshape(len(states), 2 ** (qubits - cut), 2**cut) for cut in range(1, qubits)
    ]
    return [
        np.asarray(np.linalg.svd(matrix, compute_uv=False), dtype=np.float64) for matrix in matrices
    ]


def schmidt_rank(values: Floats) -> int:
    """Return the largest Schmidt rank of N states with the coefficients (N, r)."""
    return int((values > SMALLEST_COEFFICIENT).sum(axis=1).max())


def truncated_rank(values: Floats, discarded: float = DISCARDED_WEIGHT) -> int:
    """Return the bond dimension that keeps 1 - ``discarded`` of the weight of each of N states."""
    cumulative_weights = np.cumsum(values**2, axis=1)
    return int(((cumulative_weights < 1 - discarded).sum(axis=1) + 1).max())


@dataclass(frozen=True)
class BondResult:
    """Schmidt ranks of a head's states, by cut: the largest over the texts."""

    bounds: tuple[int, ...]  # for any angles and any number of qubits
    limits: tuple[int, ...]  # of any state, 2^min(q, Q-q)
    ranks: tuple[int, ...]
    truncated: tuple[int, ...]  # without 1e-4 of the weight
    texts: int

    @classmethod
    def compute(cls, circuit: QuantumCircuit, states: States) -> BondResult:
        """Return the ranks of a register's circuit and of its states, of all registers together."""
        qubits = circuit.num_qubits
        values = schmidt_values(states.reshape(-1, 2**qubits))
        return cls(
            bounds=tuple(rank_bounds(circuit)),
            limits=tuple(2 ** min(cut, qubits - cut) for cut in range(1, qubits)),
            ranks=tuple(map(schmidt_rank, values)),
            truncated=tuple(map(truncated_rank, values)),
            texts=len(states),
        )


def rank_bounds(circuit: QuantumCircuit) -> list[int]:
    """Return the bound on the Schmidt rank across each cut for any angles, before the limit 2^min(q, Q-q) of the cut.

    A gate across a cut multiplies the rank by its operator Schmidt rank: 2 if it is controlled and its targets are on
    one side, 4^k at most with k qubits on the smaller side. If the gates of its definition give less, theirs is taken.
    L layers of the paper's ansatz give 2^L on a chain, 4^L on a ring with C = 1, and 64^L with C = 2.

    Raises:
        UserError: if an instruction on several qubits is neither a gate nor made of gates.

    >>> from qllmft_circuits import head_circuit
    >>> rank_bounds(head_circuit(4))[1] == 4**5
    True
    """
    bounds = [1] * (circuit.num_qubits - 1)
    for instruction in circuit.data:
        qubit_indices = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if len(qubit_indices) < 2 or instruction.operation.name == "barrier":
            continue
        for cut in range(min(qubit_indices), max(qubit_indices)):
            is_left = tuple(qubit_index <= cut for qubit_index in qubit_indices)
            bounds[cut] *= _operator_rank(instruction.operation, is_left)
    return bounds


def _operator_rank(operation: Operation, is_left: tuple[bool, ...]) -> int:
    """Return the bound on the operator Schmidt rank between the qubits with True in ``is_left`` and the others."""
    if len(set(is_left)) == 1 or operation.name == "barrier":
        return 1
    limit: int = 4 ** min(sum(is_left), len(is_left) - sum(is_left))
    if (
        isinstance(operation, ControlledGate)
        and len(set(is_left[operation.num_ctrl_qubits :])) == 1
    ):
        return 2
    if operation.name in _RANK_TWO_GATES:
        return 2
    if isinstance(operation, Gate) and (
        len(is_left) == 2 or has_other_definition(operation) or operation.definition is None
    ):
        return limit
    try:
        definition = gate_definition(operation)
    except UnsupportedGateError:
        raise UserError(
            f"the head has the instruction {operation.name!r} on {len(is_left)} qubits, expected gates or an "
            "instruction made of gates. No bound on the Schmidt rank can be given. Decompose it in the circuit."
        ) from None
    product = 1
    for instruction in definition.data:
        sides = tuple(is_left[definition.find_bit(qubit).index] for qubit in instruction.qubits)
        product *= _operator_rank(instruction.operation, sides)
    return min(limit, product) if isinstance(operation, Gate) else product


def meyer_wallach(states: States) -> Floats:
    """Return Meyer and Wallach's entanglement (N,) of states (N, 2^Q): 2 - 2·mean of the purities of the qubits.

    It is 0 for product states and 1 for a GHZ state. That of registers (N, R, 2^Q) is their mean.
    """
    if states.ndim == 3:
        return np.asarray(
            meyer_wallach(states.reshape(-1, states.shape[2])).reshape(len(states), -1).mean(axis=1)
        )
    qubits = states.shape[1].bit_length() - 1
    purities = []
    for qubit in range(qubits):
        split_states = states.reshape(len(states), -1, 2, 2**qubit)
        reduced = np.einsum("naib,najb->nij", split_states, split_states.conj(), optimize=True)
        purities.append((np.abs(reduced) ** 2).sum(axis=(1, 2)))
    return cast("Floats", 2.0 - 2.0 * np.mean(purities, axis=0))
