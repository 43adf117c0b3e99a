"""Random circuits of every gate of the engine, and their answers by Qiskit's `Statevector`, an independent route."""

from collections.abc import Sequence
from itertools import pairwise, permutations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Gate, ParameterExpression, ParameterVector
from qiskit.circuit.library import RYGate, get_standard_gate_name_mapping
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from qiskit_machine_learning.neural_networks import EstimatorQNN

from qllmft_backends import Backend, Capabilities, Expectations
from qllmft_circuits import data_parameters, readout_observables, weight_parameters

STANDARD_CLASSES = {gate.base_class for gate in get_standard_gate_name_mapping().values()}
NUMBERS_AT_ONCE = 1 << 14  # Qiskit takes three times as long for each number of a larger state


def every_gate(n_qubits: int, seed: int = 0, others: int | None = None) -> QuantumCircuit:
    """Every supported gate in random order, each R_Y with an angle of its own.

    Every ordered pair of qubits has a CNOT followed by an R_Y on its target, every qubit an R_Y, a Z or X, and an H:
    no branch of the kernels is left out, whatever qubits live inside a register. ``others``: further CX, CZ and SWAP
    each, as many as qubits by default.
    """
    rng = np.random.default_rng([n_qubits, seed])
    pairs = list(permutations(range(n_qubits), 2))
    blocks: list[tuple[str, tuple[int, ...]]] = [("cx_ry", pair) for pair in pairs]
    blocks += [
        (name, (q,)) for q in range(n_qubits) for name in ("ry", "h", "xz"[(q + seed) % 2], "id")
    ]
    if pairs:
        count = n_qubits if others is None else others
        blocks += [
            (name, pairs[i]) for name in ("cx", "cz", "swap") for i in rng.choice(len(pairs), count)
        ]
        blocks += [("barrier", (0, 1))]
    theta = iter(ParameterVector("t", n_qubits * n_qubits))
    circuit = QuantumCircuit(n_qubits)
    for i in rng.permutation(len(blocks)):
        name, qubits = blocks[i]
        if name == "cx_ry":
            circuit.cx(*qubits)
            circuit.ry(next(theta), qubits[1])
        elif name == "ry":
            circuit.ry(next(theta), *qubits)
        else:
            getattr(circuit, name)(*qubits)
    return circuit


def reuploading(n_qubits: int, uploads: int = 2) -> QuantumCircuit:
    """Data ``x`` encoded several times, with a ring of trained rotations ``theta`` after each."""
    x = ParameterVector("x", n_qubits)
    theta = ParameterVector("theta", uploads * n_qubits)
    circuit = QuantumCircuit(n_qubits)
    for upload in range(uploads):
        for q in range(n_qubits):
            circuit.ry(x[q], q)
        for q in range(n_qubits):
            circuit.cx(q, (q + 1) % n_qubits)
            circuit.ry(theta[upload * n_qubits + q], (q + 1) % n_qubits)
    return circuit


def walks(n_qubits: int, seed: int = 0) -> QuantumCircuit:
    """CNOT-R_Y blocks in which a target is the next control, and rows of rotations: what the engine groups.

    Rings over all qubits, walks over the four highest in random order, and steps down to each low qubit and up again,
    which is where a walk passes through the inside of a register; then walks and rows that begin or end there.
    """
    rng = np.random.default_rng([n_qubits, seed])
    high = rng.permutation(np.arange(max(0, n_qubits - 4), n_qubits)).tolist()
    around = [*range(n_qubits), *range(n_qubits), 0]
    there_and_back = [(n_qubits - 1, low, n_qubits - 2) for low in range(min(4, n_qubits - 2))]
    angle = iter(ParameterVector("t", 4 * n_qubits + 56))
    circuit = QuantumCircuit(n_qubits)
    for path in (*there_and_back, [*high, *high, high[0]], around):
        for q in rng.permutation(n_qubits if len(path) > 3 else 0).tolist():
            circuit.ry(next(angle), q)
        for control, target in pairwise(path):
            circuit.cx(control, target)
            circuit.ry(next(angle), target)
    first = n_qubits - 1
    second = n_qubits - 2
    for low in range(min(4, n_qubits - 2)):
        for path, row in (
            ([first, low], [first]),
            ([low, second, first], [low, first]),
            ([first, second], [low, first, second]),
        ):
            for control, target in pairwise(path):
                circuit.cx(control, target)
                circuit.ry(next(angle), target)
            for q in row:
                circuit.ry(next(angle), q)
    return circuit


def z_string(mask: int, n_qubits: int) -> SparsePauliOp:
    """The operator with Z on the qubits whose bit is set in ``mask``."""
    qubits = [q for q in range(n_qubits) if mask >> q & 1]
    return SparsePauliOp.from_sparse_list([("Z" * len(qubits), qubits, 1.0)], num_qubits=n_qubits)


def own_gate(name: str) -> Gate:
    """A gate with a name of Qiskit's, which is R_X(π/2)."""
    gate = Gate(name, 1, [])
    gate.definition = QuantumCircuit(1)
    gate.definition.rx(np.pi / 2, 0)
    return gate


def masks_of_every_weight(n_qubits: int) -> np.ndarray:
    """The identity, Z on each qubit, and strings of 2 up to all qubits, as masks."""
    single = [1 << q for q in range(n_qubits)]
    longer = [(1 << weight) - 1 << (n_qubits - weight) % 2 for weight in range(2, n_qubits + 1)]
    return np.array([0, *single, *longer])


def expectations_by_statevector(
    circuit: QuantumCircuit,
    values: np.ndarray,
    operators: Sequence[SparsePauliOp],
    amplitudes: np.ndarray | None = None,
) -> np.ndarray:
    """(B, O) values for (B, P) parameters, from (B, D) initial amplitudes padded with zeros, or from |0...0>."""
    first = np.zeros((len(values), 2**circuit.num_qubits), complex)
    for sample in range(len(values)):
        first[sample] = loaded_state(circuit, None if amplitudes is None else amplitudes[sample])
    return compute_expectations(final_states(circuit, values, first), operators)


def compute_expectations(states: np.ndarray, operators: Sequence[SparsePauliOp]) -> np.ndarray:
    """(B, O) values of states (B, D)."""
    answers = np.empty((len(states), len(operators)))
    for column, operator in enumerate(operators):
        images = (operator.to_matrix(sparse=True) @ states.T).T
        answers[:, column] = (states.conj() * images).sum(axis=1).real
    return answers


def final_states(circuit: QuantumCircuit, values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """States (B, D) behind a circuit: all at once by Qiskit's matrices of gates, or one by one where it has none."""
    bound = [circuit.assign_parameters(row) for row in values]
    gates = [(p, i) for p, i in enumerate(circuit.data) if i.operation.name != "barrier"]
    if len(values) < 2 or not all(isinstance(i.operation, Gate) for _, i in gates):
        pairs = zip(first, bound, strict=True)
        states = [Statevector(state).evolve(bound_circuit).data for state, bound_circuit in pairs]
        return np.reshape(states, first.shape)
    states = first
    for position, gate in gates:
        different = bound[: 1 if is_fixed(gate.operation) else len(bound)]
        matrices = np.array(
            [Operator(bound_circuit.data[position].operation).data for bound_circuit in different]
        )
        qubits = [circuit.find_bit(qubit).index for qubit in gate.qubits]
        states = apply_matrices(states, matrices, qubits)
    return states


def is_fixed(operation: Gate) -> bool:
    """Whether it is one of Qiskit's own gates without a parameter."""
    has_parameters = any(isinstance(p, ParameterExpression) for p in operation.params)
    return operation.base_class in STANDARD_CLASSES and not has_parameters


def apply_matrices(states: np.ndarray, matrices: np.ndarray, qubits: Sequence[int]) -> np.ndarray:
    """States (B, D) after matrices (B or 1, d, d) on some qubits, whose first is the lowest bit of a matrix's index."""
    n_qubits = states.shape[1].bit_length() - 1
    axes = [n_qubits - qubit for qubit in reversed(qubits)]  # behind that of the states
    last = range(-len(qubits), 0)
    tensor = np.moveaxis(states.reshape(-1, *[2] * n_qubits), axes, last)
    columns = tensor.reshape(len(states), -1, matrices.shape[1])
    products = (columns @ matrices.swapaxes(1, 2)).reshape(tensor.shape)
    return np.moveaxis(products, last, axes).reshape(states.shape)


def jacobian_by_shifts(
    circuit: QuantumCircuit,
    values: np.ndarray,
    operators: Sequence[SparsePauliOp],
    amplitudes: np.ndarray | None = None,
) -> np.ndarray:
    """(B, O, P) derivatives by the parameter-shift rule, gate by gate: a parameter may be the angle of several R_Y."""
    names = list(circuit.parameters)
    rotations = [
        (position, names.index(instruction.operation.params[0]))
        for position, instruction in enumerate(circuit.data)
        if instruction.operation.name == "ry" and instruction.operation.params[0] in names
    ]
    jacobian = np.zeros((len(values), len(operators), len(names)))
    for sample, row in enumerate(values):
        first = loaded_state(circuit, None if amplitudes is None else amplitudes[sample])
        gates = circuit.assign_parameters(row).data
        states = shifted_states(circuit, gates, first, [position for position, _ in rotations])
        answers = compute_expectations(states, operators)
        for (_, column), plus, minus in zip(rotations, answers[::2], answers[1::2], strict=True):
            jacobian[sample, :, column] += (plus - minus) / 2
    return jacobian


def shifted_states(
    circuit: QuantumCircuit,
    gates: Sequence[CircuitInstruction],
    first: Statevector,
    positions: Sequence[int],
) -> np.ndarray:
    """(2P, D) last states, each with one R_Y turned further: by π/2 in even rows, by -π/2 in odd ones."""
    states = first.data[np.newaxis]  # not shifted, then those that are shifted so far
    done = 0
    for position in positions:
        states = evolve_states(states, circuit, gates[done:position])
        done = position
        shifts = [
            CircuitInstruction(RYGate(angle), gates[position].qubits)
            for angle in (np.pi / 2, -np.pi / 2)
        ]
        states = np.vstack(
            [states, *(evolve_states(states[:1], circuit, [shift]) for shift in shifts)]
        )
    return evolve_states(states, circuit, gates[done:])[1:]


def loaded_state(circuit: QuantumCircuit, amplitudes: np.ndarray | None = None) -> Statevector:
    """The state of the first amplitudes, padded with zeros, or |0...0>."""
    padded = np.zeros(2**circuit.num_qubits)
    loaded = [1.0] if amplitudes is None else amplitudes
    padded[: len(loaded)] = loaded
    return Statevector(padded)


def evolve_states(
    states: np.ndarray, circuit: QuantumCircuit, gates: Sequence[CircuitInstruction]
) -> np.ndarray:
    """States (B, D) behind some of a circuit's gates, which have numbers for angles.

    Further qubits number the states, so that Qiskit applies a gate to many of them at once.
    """
    part = circuit.copy_empty_like()
    part.data = gates
    block = min(1 << (len(states) - 1).bit_length(), max(1, NUMBERS_AT_ONCE >> circuit.num_qubits))
    padded_states = np.zeros((-(-len(states) // block) * block, states.shape[1]), complex)
    padded_states[: len(states)] = states
    for rows in np.split(padded_states, len(padded_states) // block):
        state = Statevector(rows.ravel()).evolve(part, range(circuit.num_qubits))
        rows[:] = state.data.reshape(rows.shape)
    return padded_states[: len(states)]


def question(circuit: QuantumCircuit, batch: int, pair: str = "ZZ"):
    """A request: ``circuit``, random values, and Z on each qubit and a sum; ``pair``: its string on first and last."""
    n = circuit.num_qubits
    values = np.random.default_rng(0).uniform(-np.pi, np.pi, (batch, circuit.num_parameters))
    terms = [(pair, [0, n - 1][: len(pair)], 0.5), ("Z", [1], -1.5), ("", [], 0.25)]
    return circuit, values, [*readout_observables(n), SparsePauliOp.from_sparse_list(terms, n)]


def network(
    circuit: QuantumCircuit,
    observables: list[SparsePauliOp],
    estimator,
    gradient,
    *,
    input_gradients: bool = True,
) -> EstimatorQNN:
    """A network whose inputs are the vector ``x`` of ``circuit`` and whose weights are ``theta``."""
    return EstimatorQNN(
        circuit=circuit,
        observables=observables,
        input_params=data_parameters(circuit),
        weight_params=weight_parameters(circuit),
        estimator=estimator,
        gradient=gradient,
        input_gradients=input_gradients,
        default_precision=0.0,  # no sampling noise in Qiskit's StatevectorEstimator
    )


class StatevectorBackend(Backend):
    """The smallest backend there can be, on Qiskit's Statevector; it keeps its calls."""

    name = "statevector"

    def __init__(self) -> None:
        self.calls: list[tuple[QuantumCircuit, np.ndarray, list[SparsePauliOp]]] = []

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=True)

    def expectations(self, circuit, values, observables) -> Expectations:
        self.calls.append((circuit, values, list(observables)))
        answers = expectations_by_statevector(circuit, values, observables)
        return Expectations(answers, np.zeros_like(answers))
