"""Turns of the complex engine: phases left on wires, and states divided by cosines, against Qiskit's Statevector."""

from functools import cache

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector
from reference_circuits import expectations_by_statevector

from qllmft_backends import create
from qllmft_engine.program.complex_lowering import MatrixForm
from qllmft_engine.program.turns import GradientSums

TOLERANCES = {"float32": 2e-5, "float64": 1e-10}
HALF_TURNS = [0.0, np.pi, -np.pi, np.pi - 1e-3, np.pi + 1e-6, 2 * np.pi, 3 * np.pi, 1.3]


def layers(n_qubits: int, count: int) -> QuantumCircuit:
    """Return layers of U and CZ, with a CNOT and a controlled R_Y between them in some."""
    angles = iter(ParameterVector("t", 3 * n_qubits * count + count))
    circuit = QuantumCircuit(n_qubits)
    for layer in range(count):
        for q in range(n_qubits):
            circuit.u(next(angles), next(angles), next(angles), q)
        circuit.cz(layer % n_qubits, (layer + 1) % n_qubits)
        if layer % 3 == 2:
            circuit.cx(0, 1 + layer % (n_qubits - 1))
        else:
            circuit.cry(next(angles), layer % n_qubits, (layer + 1) % n_qubits)
    return circuit


def single(letter: str, n_qubits: int) -> list[SparsePauliOp]:
    return [SparsePauliOp.from_sparse_list([(letter, [q], 1.0)], n_qubits) for q in range(n_qubits)]


class Reference:
    """Values of a circuit by Qiskit's states, and central differences of them along a direction of each sample.

    A direction has all parameters. The error of the differences is the tolerance of float64's gradients.
    """

    def __init__(self, circuit, values, operators):
        self.circuit = circuit
        self.values = values
        self.operators = operators
        self.expected = expectations_by_statevector(circuit, values, operators)
        self.directions = np.random.default_rng(4).normal(size=values.shape)
        self.directions /= np.linalg.norm(self.directions, axis=1, keepdims=True)
        plus, minus = (
            expectations_by_statevector(circuit, values + step * self.directions, operators)
            for step in (1e-5, -1e-5)
        )
        self.slopes = (plus - minus) / 2e-5

    def check(self, dtype):
        backend = create("adjoint", {"dtype": dtype})
        engine, sums = backend.compile(self.circuit, self.operators)
        by_string, tape = engine.forward(engine.program.angles(self.values))
        np.testing.assert_allclose(
            by_string @ sums.coefficients.T, self.expected, atol=TOLERANCES[dtype]
        )
        cotangent = np.random.default_rng(3).normal(size=self.slopes.shape)
        by_angle, _ = engine.vjp(tape, cotangent @ sums.coefficients)
        gradient = engine.program.by_parameter(by_angle, self.values)
        np.testing.assert_allclose(
            (gradient * self.directions).sum(axis=1),
            (self.slopes * cotangent).sum(axis=1),
            atol=max(1e-8, 5 * TOLERANCES[dtype]),
        )
        return engine


@cache
def nearly_turned_over() -> Reference:
    circuit = layers(5, 60)
    values = np.random.default_rng(10).uniform(3.0, 3.1, (2, circuit.num_parameters))
    return Reference(circuit, values, single("Z", 5))


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_many_turns_that_each_nearly_turn_over_neither_overflow_nor_vanish(dtype):
    nearly_turned_over().check(dtype)


def test_a_sample_at_a_half_turn_leaves_its_neighbours_theirs():
    circuit = layers(5, 3)
    values = np.random.default_rng(11).uniform(-3, 3, (8, circuit.num_parameters))
    values[4] = np.pi
    Reference(circuit, values, single("Z", 5)).check("float32")


def same_gates_on_all_qubits(letters: str, n_qubits: int) -> QuantumCircuit:
    """Return R_X, R_Y and R_Z in the order of the letters between layers of CZ.

    A capital has a parameter, and p, q and r are quarter turns: R_Y(π/2), R_Y(-π/2) and R_X(π/2).
    """
    quarter_turns = {"p": ("ry", np.pi / 2), "q": ("ry", -np.pi / 2), "r": ("rx", np.pi / 2)}
    circuit = QuantumCircuit(n_qubits)
    angles = iter(ParameterVector("t", 2 * n_qubits * len(letters)))
    for layer in range(2):
        for q in range(n_qubits):
            circuit.u(0.4 + q, 1.1 - q + layer, 0.3 * q, q)
        for q in range(n_qubits - 1):
            circuit.cz(q, q + 1)
        for q in range(n_qubits):
            for i, letter in enumerate(letters):
                angle = next(angles) if letter.isupper() else 0.7 + i + 0.1 * q
                name, angle = quarter_turns.get(letter, (f"r{letter.lower()}", angle))
                getattr(circuit, name)(angle, q)
        for q in range(n_qubits - 1):
            circuit.cz(q, q + 1)
    return circuit


def draw_angles(circuit: QuantumCircuit, batch: int, kind: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    shape = batch, circuit.num_parameters
    return random.uniform(-4, 4, shape) if kind == "random" else random.choice(HALF_TURNS, shape)


@cache
def same_gates_reference(letters: str, values: str) -> Reference:
    circuit = same_gates_on_all_qubits(letters, 6)
    return Reference(circuit, draw_angles(circuit, 9, values, seed=13), single("Z", 6))


@pytest.mark.parametrize("values", ["random", "half turns"])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(
    ("letters", "sums"),
    [
        ("zx", GradientSums.NONE),
        ("yxZ", GradientSums.K),
        ("Zyx", GradientSums.K_BEFORE),
        ("ZZxzZ", GradientSums.K_BEFORE),
        ("X", GradientSums.TURN),
        ("zYz", GradientSums.TURN),
        ("xXZ", GradientSums.TURN),
        ("ZYZ", GradientSums.TURN_BEFORE),
        ("ZXyZ", GradientSums.ALL),
        ("YzX", GradientSums.ALL),
        ("Xp", GradientSums.K),
        ("XqZ", GradientSums.K),
        ("Yr", GradientSums.K),
        ("pX", GradientSums.K_BEFORE),
        ("qX", GradientSums.K_BEFORE),
        ("rY", GradientSums.K_BEFORE),
        ("ZpX", GradientSums.K_BEFORE),
        ("ZpXq", GradientSums.K),
        ("pZq", GradientSums.ALL),
        ("pZYZ", GradientSums.ALL),
    ],
)
def test_the_sums_of_a_turn_give_the_derivatives_of_all_its_parameters(
    letters, sums, dtype, values
):
    engine = same_gates_reference(letters, values).check(dtype)
    gates = engine._plan(9).arrays[0].gates
    last_turn = gates[gates[:, 0] == MatrixForm.TURN][-1]
    assert last_turn[5] == sums


def forms(engine, samples: int) -> list[MatrixForm]:
    return [MatrixForm(int(form)) for form in engine._plan(samples).arrays[0].gates[:, 0]]


@pytest.mark.parametrize(
    ("letter", "last"),
    [("Z", MatrixForm.TURN), ("X", MatrixForm.GENERAL), ("Y", MatrixForm.GENERAL)],
)
def test_a_wire_ends_with_a_phase_only_where_no_string_sees_it(letter, last):
    circuit = QuantumCircuit(6)
    angles = iter(ParameterVector("t", 36))
    for _ in range(2):
        for q in range(6):
            circuit.u(next(angles), next(angles), next(angles), q)
        for q in range(5):
            circuit.cz(q, q + 1)
    operator = SparsePauliOp.from_sparse_list([(letter, [4], 1.0)], 6)
    engine, _ = create("adjoint").compile(circuit, [operator])
    by_target = {
        gate.target: form
        for gate, form in zip(engine.program.gates, forms(engine, 16), strict=True)
        if form != MatrixForm.PHASE
    }
    assert by_target[4] == last
    assert by_target[3] == MatrixForm.TURN
    assert MatrixForm.TURN in forms(engine, 16)[:6]


def test_amplitudes_have_all_their_phases():
    circuit = layers(5, 4)
    values = np.random.default_rng(12).uniform(-3, 3, (3, circuit.num_parameters))
    engine, _ = create("adjoint", {"dtype": "float64"}).compile(circuit, single("Z", 5))
    assert MatrixForm.TURN in forms(engine, 3)
    angles = engine.program.angles(values)
    samples = engine.amplitudes(angles)
    for row, amplitudes in zip(values, samples, strict=True):
        expected = Statevector(circuit.assign_parameters(row)).data
        # standard gates count as their parts, which are equal up to a phase
        phase = np.vdot(expected, amplitudes)
        np.testing.assert_allclose(amplitudes, expected * phase, atol=1e-12)
        np.testing.assert_allclose(abs(phase), 1, atol=1e-12)
    # the plan of amplitudes changes no later value
    np.testing.assert_allclose(
        engine.forward(angles)[0],
        expectations_by_statevector(circuit, values, single("Z", 5)),
        atol=1e-12,
    )


def random_circuit(n_qubits: int, layers: int, seed: int) -> QuantumCircuit:
    """Return layers of a random gate on every qubit and on random pairs, nearly all with parameters."""
    random = np.random.default_rng(seed)
    circuit = QuantumCircuit(n_qubits)
    angles = iter(ParameterVector("t", 5 * n_qubits * layers))
    for q in range(n_qubits):
        circuit.ry(next(angles), q)
    for _ in range(layers):
        for q in range(n_qubits):
            name = random.choice(["rx", "ry", "rz", "u", "h", "sx", "t"])
            if name == "u":
                circuit.u(next(angles), next(angles), next(angles), q)
            else:
                args = (next(angles), q) if name.startswith("r") else (q,)
                getattr(circuit, name)(*args)
        for a, b in random.permutation(n_qubits)[: n_qubits // 2 * 2].reshape(-1, 2).tolist():
            name = random.choice(["cx", "cz", "crx", "cry", "crz", "cp", "rxx", "ryy", "rzz"])
            args = (a, b) if name in ("cx", "cz") else (next(angles), a, b)
            getattr(circuit, name)(*args)
    return circuit


@cache
def random_gates_reference(n_qubits: int, batch: int, values: str) -> Reference:
    circuit = random_circuit(n_qubits, 6, seed=n_qubits)
    return Reference(circuit, draw_angles(circuit, batch, values, seed=14), single("Z", n_qubits))


@pytest.mark.parametrize("values", ["random", "half turns"])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("n_qubits", "batch"), [(4, 1), (5, 3), (6, 9), (7, 4)])
def test_two_turns_in_one_pass_give_qiskits_values_and_gradients(n_qubits, batch, dtype, values):
    engine = random_gates_reference(n_qubits, batch, values).check(dtype)
    if n_qubits > 4:  # else all qubits are inside registers
        assert {2, 3} <= set(engine._plan(batch).arrays[0].steps[:, 8].tolist())


def test_halves_of_registers_have_turns():
    circuit = random_circuit(6, 6, seed=1)
    engine, _ = create("adjoint", {"dtype": "float32"}).compile(circuit, single("Z", 6))
    # 4 samples: two qubits are inside registers, and the higher one divides them into halves
    steps = engine._plan(4).arrays[0].steps
    assert set(steps[steps[:, 0] == MatrixForm.LANE_TURN, 7]) == {8}
    assert set(steps[steps[:, 0] == MatrixForm.LANES, 7]) == {4}
    group_starts = np.flatnonzero(steps[:, 8] == 3)
    forms_in_groups = {tuple(steps[i + 1 : i + 3, 0].tolist()) for i in group_starts}
    assert any(MatrixForm.LANE_TURN in forms for forms in forms_in_groups)


@pytest.mark.parametrize("seed", range(4))
def test_groups_hold_every_gate_once_and_keep_the_order_on_each_wire(seed):
    n_qubits = 6
    engine, _ = create("adjoint").compile(random_circuit(n_qubits, 8, seed), single("Z", n_qubits))
    gates = engine.program.gates
    steps = engine._plan(8).arrays[0].steps
    order = steps[:, 1].tolist()
    assert sorted(order) == list(range(len(gates)))
    wires = [{gate.control, gate.target} - {-1} for gate in gates]
    for wire in range(n_qubits):
        on_wire = [g for g in order if wire in wires[g]]
        assert on_wire == sorted(on_wire)
    start = 0
    while start < len(steps):
        size = steps[start, 8]
        group = steps[start : start + size]
        assert group[-1, 9] == size
        if size > 1:
            assert set(group[-2:, 0]) <= {MatrixForm.TURN, MatrixForm.LANE_TURN}
            first, second = (wires[g] for g in group[-2:, 1])
            assert first.isdisjoint(second)
            if size == 3:
                assert group[0, 0] == MatrixForm.PHASE
                assert wires[group[0, 1]] == first | second
        start += size


@pytest.mark.parametrize(
    ("gate", "n_angles"), [("cx", 0), ("crx", 1), ("cry", 1)], ids=["cx", "crx", "cry"]
)
def test_a_controlled_gate_between_matrices_of_its_target_becomes_a_phase(gate, n_angles):
    angles = iter(ParameterVector("t", 20))
    circuit = QuantumCircuit(3)
    for q in range(3):
        circuit.u(next(angles), next(angles), next(angles), q)
    getattr(circuit, gate)(*(next(angles) for _ in range(n_angles)), 2, 1)
    circuit.u(next(angles), next(angles), next(angles), 1)
    getattr(circuit, gate)(*(next(angles) for _ in range(n_angles)), 0, 1)  # no matrix behind it
    engine, _ = create("adjoint", {"dtype": "float64"}).compile(circuit, single("Z", 3))
    controlled = [g.form for g in engine.program.gates if g.control >= 0]
    assert controlled[0] == MatrixForm.PHASE
    assert controlled[1] != MatrixForm.PHASE
    values = np.random.default_rng(15).uniform(-4, 4, (3, circuit.num_parameters))
    Reference(circuit, values, single("Z", 3)).check("float64")
    amplitudes = engine.amplitudes(engine.program.angles(values))
    for row, state in zip(values, amplitudes, strict=True):
        overlap = np.vdot(Statevector(circuit.assign_parameters(row)).data, state)
        np.testing.assert_allclose(abs(overlap), 1, atol=1e-12)
