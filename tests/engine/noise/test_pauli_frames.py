"""Every Pauli after every gate, pushed to the end as signs, against the circuit with the Pauli in it, by Qiskit."""

import numpy as np
import pytest
from new_gates import add_row, make_circuit
from noisy_circuits import all_strings, random_gates, signs
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector
from scipy.stats import chi2

from qllmft_backends.noise import GateNoise
from qllmft_circuits import head_circuit
from qllmft_engine import AdjointEngine, lower
from qllmft_engine.compiled import frames as kernels
from qllmft_engine.frames import FrameProgram, Trajectories


def with_errors(circuit: QuantumCircuit, errors: dict[int, int]) -> QuantumCircuit:
    """``circuit`` with Pauli ``errors[g]`` after its g-th gate (barriers not counted), as X and Z gates."""
    out = circuit.copy_empty_like()
    g = 0
    for instruction in circuit.data:
        out.append(instruction)
        if instruction.operation.name == "barrier":
            continue
        for position, qubit in enumerate(instruction.qubits):
            bits = errors.get(g, 0) >> 2 * position
            if bits & 1:
                out.x(qubit)
            if bits & 2:
                out.z(qubit)
        g += 1
    return out


def by_statevector(
    circuit: QuantumCircuit, values: np.ndarray, errors: list[dict[int, int]]
) -> list[np.ndarray]:
    """(2^n,) values of all strings after each of the trajectories with the given errors."""
    assigned = circuit.assign_parameters(values)
    states = [Statevector.from_instruction(with_errors(assigned, of_run)) for of_run in errors]
    return [signs(circuit.num_qubits) @ np.abs(state.data) ** 2 for state in states]


def by_frames(
    circuit: QuantumCircuit, values: np.ndarray, errors: list[dict[int, int]]
) -> np.ndarray:
    """(K, 2^n) values of all strings in trajectories with the given errors, each at least one."""
    masks = all_strings(circuit.num_qubits)
    frames = FrameProgram.from_circuit(circuit)
    engine = AdjointEngine(lower(circuit), masks, "float64")
    rows = np.flatnonzero(frames.is_noisy)  # of each gate
    flat = [(k, rows[g], pauli) for k, of_run in enumerate(errors) for g, pauli in of_run.items()]
    ordered = (np.array(column, np.int64) for column in zip(*sorted(flat), strict=True))
    runs = Trajectories(len(errors), *kernels.push_errors(frames.gates, frames.n_angles, *ordered))
    np.testing.assert_array_equal(runs.rows, np.arange(len(errors)))
    assert set(np.unique(runs.signs)) <= {-1, 1}
    return engine.values(engine.program.angles(values[None]) * runs.signs) * runs.string_signs(
        masks
    )


@pytest.mark.parametrize("seed", range(3))
def test_any_pauli_after_any_gate(seed):
    circuit = random_gates(3, 24, seed)
    values = np.random.default_rng(seed).uniform(-np.pi, np.pi, circuit.num_parameters)
    widths = [len(i.qubits) for i in circuit.data if i.operation.name != "barrier"]
    errors = [{g: pauli} for g, width in enumerate(widths) for pauli in range(1, 4**width)]
    expected = by_statevector(circuit, values, errors)
    np.testing.assert_allclose(by_frames(circuit, values, errors), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["hopping", "cry"])
def test_any_pauli_after_a_new_gate_of_several_steps(name, monkeypatch):
    add_row(monkeypatch, name)
    circuit = make_circuit(name)
    values = np.random.default_rng(5).uniform(-np.pi, np.pi, circuit.num_parameters)
    widths = [len(i.qubits) for i in circuit.data]
    errors = [{g: pauli} for g, width in enumerate(widths) for pauli in range(1, 4**width)]
    expected = by_statevector(circuit, values, errors)
    np.testing.assert_allclose(by_frames(circuit, values, errors), expected, atol=1e-12)


@pytest.mark.parametrize("n_qubits", [4, 5])
def test_many_paulis_in_one_run(n_qubits):
    circuit = random_gates(n_qubits, 40, 7)
    rng = np.random.default_rng(1)
    values = rng.uniform(-np.pi, np.pi, circuit.num_parameters)
    widths = [len(i.qubits) for i in circuit.data if i.operation.name != "barrier"]
    errors = [
        {
            int(g): int(rng.integers(1, 4 ** widths[g]))
            for g in rng.choice(len(widths), count, replace=False)
        }
        for count in rng.integers(1, len(widths), 30)
    ]
    expected = by_statevector(circuit, values, errors)
    np.testing.assert_allclose(by_frames(circuit, values, errors), expected, atol=1e-12)


def test_gates_carry_noise_as_the_circuit_has_them_written():
    circuit = head_circuit(4)
    frames = FrameProgram.from_circuit(circuit)
    assert len(frames.gates) == sum(i.operation.name != "barrier" for i in circuit.data)
    assert frames.n_angles == lower(circuit).n_angles
    fused = lower(circuit).ops
    # the engine has CNOT and R_Y in one; noise comes between them
    assert len(fused) < len(frames.gates)
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.id(1)
    circuit.barrier()
    circuit.swap(0, 2)
    circuit.ry(0.3, 1)
    frames = FrameProgram.from_circuit(circuit)
    assert frames.gates[:, 3].tolist()[0] == 0
    assert (len(frames.gates), frames.n_angles, lower(circuit).n_angles) == (4, 2, 2)
    assert frames.gates[3, 3] == 1


def draw_errors(circuit, noise, count, seed=0):
    """What `draw` draws, before it is pushed."""
    frames = FrameProgram.from_circuit(circuit)
    return frames, *frames.draw_errors(noise, count, seed)


@pytest.mark.parametrize(
    ("rates", "count"), [((0.03, 0.08), 30_000), ((2e-4, 2e-3), 30_000), ((1.0, 0.5), 6_000)]
)
def test_errors_come_as_often_as_the_channel_says_and_no_pauli_is_preferred(rates, count):
    """Numbers of hits within 4.5 standard deviations; Paulis and gates uniform by chi-squared at 1e-5."""
    circuit = head_circuit(4)
    frames, rows, places, paulis = draw_errors(circuit, GateNoise(*rates), count)
    on_two_qubits = frames.gates[places, 2] >= 0
    for width, of_width in ((1, ~on_two_qubits), (2, on_two_qubits)):
        gates = np.flatnonzero((frames.gates[:, 2] >= 0) == (width == 2))
        probability = rates[width - 1] * (4**width - 1) / 4**width
        sites = count * len(gates)
        hits = int(of_width.sum())
        assert abs(hits - sites * probability) < 4.5 * np.sqrt(
            sites * probability * (1 - probability)
        )
        assert paulis[of_width].min() == 1
        for values, kinds in (
            (paulis[of_width], np.arange(1, 4**width)),
            (places[of_width], gates),
        ):
            seen = np.bincount(values, minlength=kinds.max() + 1)[kinds]
            assert seen.sum() == hits
            statistic = ((seen - hits / len(kinds)) ** 2).sum() / (hits / len(kinds))
            assert chi2.sf(statistic, len(kinds) - 1) > 1e-5
    # one error a run and gate
    assert len(np.unique(rows * len(frames.gates) + places)) == len(rows)


def test_the_extremes_of_the_rates():
    frames, rows, _, _ = draw_errors(head_circuit(3), GateNoise(4 / 3, 16 / 15), 50)
    assert len(rows) == 50 * len(frames.gates)  # every gate is hit
    runs = FrameProgram.from_circuit(head_circuit(3)).draw(GateNoise(0, 0), 50, seed=0)
    assert (runs.count, len(runs.rows), runs.signs.shape) == (
        50,
        0,
        (0, lower(head_circuit(3)).n_angles),
    )
