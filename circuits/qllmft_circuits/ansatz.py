"""Trainable parts of a circuit: the ansatz of figure 2, blocks U_i around a ring or a chain, and others by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import efficient_su2, n_local, real_amplitudes

Block = Literal["cx_ry", "ry_cx"]
# of n_qubits and n_layers; its parameters are what is trained
Ansatz = Callable[[int, int], QuantumCircuit]


@dataclass(frozen=True)
class AnsatzOptions:
    """Choices that the paper leaves open about one ansatz layer. The defaults fit all its printed counts.

    Attributes:
        connectivity: C of table I. One layer holds the distances 1..C.
        ring: blocks wrap around from the last qubit to the first; if False, they are an open chain.
        block: order inside U_i. ``cx_ry``: CNOT, then R_Y on its target (figure 2); ``ry_cx``: R_Y first.
    """

    connectivity: int = 1  # C, Table I
    ring: bool = True
    block: Block = "cx_ry"

    def __post_init__(self) -> None:
        if self.connectivity < 1:
            raise ValueError(
                f"connectivity is {self.connectivity}, expected 1 or more (C of table I)."
            )
        if self.block not in ("cx_ry", "ry_cx"):
            raise ValueError(f"block is {self.block!r}, expected 'cx_ry' or 'ry_cx'.")

    def pairs(self, n_qubits: int) -> Iterator[tuple[int, int]]:
        """Yield (control, target) of the blocks U_i of one layer, in the order of application.

        Raises:
            ValueError: if there is one qubit only, or if the connectivity would pair a qubit with itself.
        """
        if n_qubits < 2:
            raise ValueError(
                f"n_qubits is {n_qubits}, expected 2 or more: a block U_i acts on two qubits."
            )
        if self.connectivity >= n_qubits:
            raise ValueError(
                f"connectivity is {self.connectivity} on {n_qubits} qubits, expected at most {n_qubits - 1}: "
                "distance n_qubits would pair a qubit with itself."
            )
        for distance in range(1, self.connectivity + 1):
            for control in range(n_qubits if self.ring else n_qubits - distance):
                yield control, (control + distance) % n_qubits

    def layer_size(self, n_qubits: int) -> int:
        """Return the number of blocks, and so of parameters, of one layer: C·Q on a ring."""
        return sum(1 for _ in self.pairs(n_qubits))

    def __call__(self, n_qubits: int, n_layers: int) -> QuantumCircuit:
        """Return a circuit of layers. Its parameters are one vector in the order of application."""
        size = self.layer_size(n_qubits)
        angles = ParameterVector("block", n_layers * size)
        circuit = QuantumCircuit(n_qubits)
        for layer in range(n_layers):
            append_ansatz_layer(circuit, angles[layer * size : (layer + 1) * size], self)
        return circuit


def append_ansatz_layer(
    circuit: QuantumCircuit, theta: Sequence[Parameter], options: AnsatzOptions
) -> None:
    """Append one ansatz layer to ``circuit``, in place.

    Args:
        circuit: the circuit to extend, on all its qubits.
        theta: one angle per block, ``options.layer_size(circuit.num_qubits)`` of them, in the order of application.
        options: connectivity, ring or chain, block order.

    Raises:
        ValueError: if there are more or fewer angles than blocks.
    """
    pairs = list(options.pairs(circuit.num_qubits))
    if len(theta) != len(pairs):
        raise ValueError(
            f"got {len(theta)} angles for one layer, expected {len(pairs)}: one a block."
        )
    for angle, (control, target) in zip(theta, pairs, strict=True):
        if options.block == "cx_ry":
            circuit.cx(control, target)
            circuit.ry(angle, target)
        else:
            circuit.ry(angle, target)
            circuit.cx(control, target)


def trainable_blocks(n_qubits: int, layers: Sequence[int], ansatz: Ansatz) -> list[QuantumCircuit]:
    """Return the trainable blocks of one circuit, whose parameters together are the vector ``theta``.

    Args:
        n_qubits: width.
        layers: number of layers of each block; if a block has none, it has no gates.
        ansatz: makes each block with layers. Its parameters become elements of ``theta`` in Qiskit's order of them.

    Raises:
        ValueError: if the ansatz makes no circuit of that width.
    """
    unnamed_blocks = [
        _make_block(n_qubits, count, ansatz) if count else QuantumCircuit(n_qubits)
        for count in layers
    ]
    theta = ParameterVector("theta", sum(block.num_parameters for block in unnamed_blocks))
    blocks = []
    start = 0
    for block in unnamed_blocks:
        stop = start + block.num_parameters
        blocks.append(block.assign_parameters(theta[start:stop]))
        start = stop
    return blocks


def _make_block(n_qubits: int, n_layers: int, ansatz: Ansatz) -> QuantumCircuit:
    """Return the circuit of an ansatz, or raise ValueError if it is none on ``n_qubits`` qubits. Do not change it."""
    if isinstance(ansatz, AnsatzOptions):
        return _layers_of_the_paper(ansatz, n_qubits, n_layers)
    block = ansatz(n_qubits, n_layers)
    if not isinstance(block, QuantumCircuit):
        raise ValueError(
            f"the ansatz returned {type(block).__name__}, expected a QuantumCircuit. Return the circuit."
        )
    if block.num_qubits != n_qubits:
        raise ValueError(
            f"the ansatz returned a circuit of {block.num_qubits} qubits, expected {n_qubits}. Make it on n_qubits, "
            "its first argument."
        )
    return block


@lru_cache(maxsize=64)
def _layers_of_the_paper(options: AnsatzOptions, n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return the circuit of `AnsatzOptions`. A run makes the same one a dozen times, gate by gate."""
    return options(n_qubits, n_layers)


def brickwork(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return layers of bricks, each two R_Y and a CNOT: on (0, 1), (2, 3), ..., then on (1, 2), . 2·(Q-1) angles.

    >>> brickwork(4, 3).num_parameters
    18
    """
    angles = iter(ParameterVector("brick", 2 * (n_qubits - 1) * n_layers))
    circuit = QuantumCircuit(n_qubits)
    for _ in range(n_layers):
        for upper_qubit in (*range(0, n_qubits - 1, 2), *range(1, n_qubits - 1, 2)):
            circuit.ry(next(angles), upper_qubit)
            circuit.ry(next(angles), upper_qubit + 1)
            circuit.cx(upper_qubit, upper_qubit + 1)
    return circuit


def separable(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return layers of one R_Y per qubit: the paper's layers on a ring (C = 1) without their CNOTs.

    >>> separable(4, 3).num_parameters, separable(4, 3).num_nonlocal_gates()
    (12, 0)
    """
    angles = iter(ParameterVector("turn", n_qubits * n_layers))
    circuit = QuantumCircuit(n_qubits)
    for _ in range(n_layers):
        for qubit in range(n_qubits):
            circuit.ry(next(angles), qubit)
    return circuit


def _without_final_rotations(
    n_qubits: int, n_layers: int, *, make: Callable[..., QuantumCircuit]
) -> QuantumCircuit:
    """Return a circuit of Qiskit without its last rotations, which belong to no layer."""
    return make(n_qubits, reps=n_layers, skip_final_rotation_layer=True)


_ry_cz = partial(n_local, rotation_blocks="ry", entanglement_blocks="cz", entanglement="linear")
LIBRARY: dict[str, Ansatz] = {
    "brickwork": brickwork,
    "separable": separable,
    "real_amplitudes": partial(_without_final_rotations, make=real_amplitudes),
    "n_local_ry_cz": partial(_without_final_rotations, make=_ry_cz),
    "efficient_su2": partial(_without_final_rotations, make=efficient_su2),
}
