"""The mock server's circuits on Aer against Qiskit's matrices, and its noise against Kraus operators."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from kraus_evolution import depolarize
from qiskit import QuantumCircuit
from qiskit.circuit.library import PauliEvolutionGate, RYGate, SXdgGate
from qiskit.quantum_info import DensityMatrix, Operator, SparsePauliOp, Statevector
from scipy.linalg import expm

from qllmft_backends.errors import MissingExtraError
from qllmft_backends.noise import GateNoise
from qllmft_machines import sandbox
from qllmft_machines.sandbox import circuits as sim
from qllmft_machines.sandbox.request import RefusedError
from qllmft_machines.sandbox.store import Store

AerSimulator = pytest.importorskip("qiskit_aer", reason="pip install '.[aer]'").AerSimulator
noisy = pytest.importorskip("qllmft_backends.aer.noisy")
simulation = pytest.importorskip("qllmft_machines.sandbox.simulation")

# (a gate of the API, the same in Qiskit); qubits 0..2, none symmetric
GATES = [
    ({"gate": "h", "targets": [0]}, lambda c: c.h(0)),
    ({"gate": "h", "target": 2}, lambda c: c.h(2)),
    ({"gate": "ry", "targets": [1], "rotation": 0.7}, lambda c: c.ry(0.7, 1)),
    ({"gate": "x", "controls": [0], "targets": [1]}, lambda c: c.cx(0, 1)),
    ({"gate": "cnot", "control": 2, "target": 0}, lambda c: c.cx(2, 0)),
    ({"gate": "t", "targets": [0]}, lambda c: c.t(0)),
    ({"gate": "rx", "targets": [0], "rotation": -1.1}, lambda c: c.rx(-1.1, 0)),
    ({"gate": "s", "targets": [1]}, lambda c: c.s(1)),
    ({"gate": "v", "targets": [1]}, lambda c: c.sx(1)),
    ({"gate": "xx", "targets": [2, 0], "rotation": 0.4}, lambda c: c.rxx(0.4, 2, 0)),
    ({"gate": "yy", "targets": [0, 1], "rotation": 0.9}, lambda c: c.ryy(0.9, 0, 1)),
    ({"gate": "zz", "targets": [1, 2], "rotation": 1.3}, lambda c: c.rzz(1.3, 1, 2)),
    ({"gate": "ti", "targets": [2]}, lambda c: c.tdg(2)),
    ({"gate": "vi", "targets": [2]}, lambda c: c.sxdg(2)),
    ({"gate": "swap", "targets": [0, 2]}, lambda c: c.swap(0, 2)),
    ({"gate": "y", "controls": [1], "targets": [0]}, lambda c: c.cy(1, 0)),
    ({"gate": "z", "controls": [2], "targets": [1]}, lambda c: c.cz(2, 1)),
    ({"gate": "ry", "controls": [0], "targets": [2], "rotation": 2.2}, lambda c: c.cry(2.2, 0, 2)),
    ({"gate": "si", "targets": [1]}, lambda c: c.sdg(1)),
    ({"gate": "rz", "targets": [1], "rotation": 0.3}, lambda c: c.rz(0.3, 1)),
    ({"gate": "h", "targets": [1]}, lambda c: c.h(1)),
    # as qiskit-ionq sends p, cp, csx, ch, mcphase and PauliEvolutionGate
    ({"gate": "z", "targets": [1], "rotation": 0.7}, lambda c: c.p(0.7, 1)),
    ({"gate": "z", "controls": [2], "targets": [0], "rotation": -1.9}, lambda c: c.cp(-1.9, 2, 0)),
    ({"gate": "v", "controls": [0], "targets": [1]}, lambda c: c.csx(0, 1)),
    ({"gate": "h", "controls": [1], "targets": [2]}, lambda c: c.ch(1, 2)),
    (
        {
            "gate": "pauliexp",
            "targets": [2, 0],
            "terms": ["XY"],
            "coefficients": [0.7],
            "time": 1.3,
        },
        lambda c: c.append(PauliEvolutionGate(SparsePauliOp("XY", 0.7), 1.3), [2, 0]),
    ),
    ({"gate": "not", "controls": [0, 1], "targets": [2]}, lambda c: c.ccx(0, 1, 2)),
    (
        {"gate": "z", "controls": [2, 0], "targets": [1], "rotation": 1.4},
        lambda c: c.mcp(1.4, [2, 0], 1),
    ),
    ({"gate": "swap", "controls": [1], "targets": [2, 0]}, lambda c: c.cswap(1, 2, 0)),
    (
        {"gate": "ry", "controls": [2, 1], "targets": [0], "rotation": -0.6},
        lambda c: c.append(RYGate(-0.6).control(2, annotated=False), [2, 1, 0]),
    ),
    (
        {"gate": "vi", "controls": [0, 2], "targets": [1]},
        lambda c: c.append(SXdgGate().control(2, annotated=False), [0, 2, 1]),
    ),
    (
        {
            "gate": "pauliexp",
            "targets": [1, 2, 0],
            "terms": ["XYZ", "YXI", "ZZZ"],
            "coefficients": [0.3, -0.8, 0.5],
            "time": 0.9,
        },
        lambda c: c.append(
            PauliEvolutionGate(SparsePauliOp(["XYZ", "YXI", "ZZZ"], [0.3, -0.8, 0.5]), 0.9),
            [1, 2, 0],
        ),
    ),
]


TWO_AT_MOST = [
    (gate, append) for gate, append in GATES if sum(map(len, sim.controls_and_targets(gate))) <= 2
]


def dense(by_state, n_qubits=3):
    """Values (2**n,) of all basis states."""
    return np.array([by_state.get(state, 0) for state in range(2**n_qubits)])


def phase_matrix(turns, *, half):
    """The matrix of GPI, or with ``half`` of GPI2, as IonQ prints it."""
    phase = np.exp(2j * np.pi * turns)
    if half:
        return np.array([[1, -1j / phase], [-1j * phase, 1]]) / np.sqrt(2)
    return np.array([[0, 1 / phase], [phase, 0]])


def native_gate(rng):
    """A native gate of the API, and its matrix by IonQ's formulas, on random ones of three qubits."""
    turns = rng.uniform(-1, 1, 3).tolist()
    qubits = rng.permutation(3)[:2].tolist()
    kind = rng.choice(["gpi", "gpi2", "ms", "zz"])
    if kind in ("gpi", "gpi2"):
        gate = {"gate": kind, "target": qubits[0], "phase": turns[0]}
        return gate, phase_matrix(turns[0], half=kind == "gpi2"), qubits[:1]
    if kind == "zz":
        gate = {"gate": "zz", "targets": qubits, "angle": turns[2]}
        return gate, expm(-1j * np.pi * turns[2] * np.diag([1, -1, -1, 1])), qubits
    gate = {"gate": "ms", "targets": qubits, "phases": turns[:2], "angle": turns[2]}
    first, second = (phase_matrix(t, half=False) for t in turns[:2])
    return gate, expm(-1j * np.pi * turns[2] * np.kron(second, first)), qubits


@pytest.mark.parametrize("seed", range(3))
def test_random_programs_have_the_probabilities_of_their_matrices(seed):
    """Half of the gates are IonQ's native ones, by its formulas; the others are those of `GATES`, by Qiskit."""
    rng = np.random.default_rng(seed)
    program = []
    state = Statevector.from_label("000")
    for _ in range(40):
        if rng.random() < 0.5:
            gate, matrix, qubits = native_gate(rng)
            state = state.evolve(Operator(matrix), qubits)
        else:
            gate, append = GATES[rng.integers(len(GATES))]
            step = QuantumCircuit(3)
            append(step)
            # the matrix of a sum is that of its terms in turn, which commute
            state = state.evolve(Operator(step.decompose("PauliEvolution")))
        program.append(gate)
    np.testing.assert_allclose(
        dense(simulation.probabilities(program, 3)), state.probabilities(), rtol=0, atol=1e-10
    )


@pytest.fixture
def strong_noise(monkeypatch):
    """A circuit of all gates on one and two qubits, large rates, and its density matrix by hand."""
    rates = (0.08, 0.2)
    monkeypatch.setitem(sim.NOISE, "strong", GateNoise(*rates))
    rng = np.random.default_rng(7)
    steps = []
    for gate, append in TWO_AT_MOST:
        step = QuantumCircuit(3)
        append(step)
        controls, targets = sim.controls_and_targets(gate)
        steps.append((gate, Operator(step.decompose("PauliEvolution")).data, controls + targets))
    for gate, matrix, qubits in [native_gate(rng) for _ in range(8)]:
        steps.insert(
            int(rng.integers(len(steps))),
            (gate, Operator(np.eye(8)).compose(Operator(matrix), qubits).data, qubits),
        )
    steps = [steps[i] for i in rng.permutation(len(steps))[:6]]
    rho = DensityMatrix.from_label("000").data
    state = rho
    for _, matrix, qubits in steps:
        rho = depolarize(matrix @ rho @ matrix.conj().T, rates[len(qubits) - 1], qubits, 3)
        state = matrix @ state @ matrix.conj().T
    assert np.abs((rho - state).diagonal()).max() > 0.04, "the noise does something"
    return [gate for gate, _, _ in steps], rho


def test_the_noise_is_the_formula_gate_by_gate(strong_noise):
    """Depolarizing as in Aer's depolarizing_error(r, n): every Pauli error with r / 4**n."""
    program, rho = strong_noise
    circuit = simulation.gates_with_noise(sim.to_qiskit_circuit(program, 3))
    model = noisy.noise_model(circuit, sim.NOISE["strong"])
    noisy.check_coverage(circuit, model, sim.NOISE["strong"])
    circuit.save_density_matrix()
    result = AerSimulator(method="density_matrix").run(circuit, noise_model=model).result()
    np.testing.assert_allclose(result.data()["density_matrix"].data, rho, rtol=0, atol=1e-12)


def test_noisy_shots_against_the_density_matrix(strong_noise):
    program, rho = strong_noise
    expected = rho.diagonal().real
    shots = 4_000
    counts, again = (
        simulation.counts(program, 3, shots, "strong", np.random.default_rng(5)) for _ in range(2)
    )
    assert counts == again, "one seed, the same shots"
    assert sum(counts.values()) == shots
    z = (dense(counts) / shots - expected) / np.sqrt(expected * (1 - expected) / shots)
    assert np.abs(z).max() < 4


def test_without_aer_the_server_does_not_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit_aer", None)
    monkeypatch.delitem(sys.modules, "qllmft_machines.sandbox.simulation")
    monkeypatch.delattr(sandbox, "simulation")
    with pytest.raises(
        MissingExtraError,
        match=r"the mock server needs the package 'qiskit_aer', which is not installed: "
        r"pip install 'qllmft\[aer,ionq\]'",
    ):
        sandbox.Store()


@pytest.mark.public_report(
    case="ionq_mock_idle",
    source="own audit",
    seen="a Bell pair that the transpiler puts on qubits 26 and 28 was refused as 29 qubits",
    outcome="idle qubits are not simulated",
)
@pytest.mark.parametrize(("n_qubits", "noise"), [(29, "ideal"), (36, "forte-1"), (100, "tempo-1")])
def test_idle_qubits_are_not_simulated(n_qubits, noise):
    first = n_qubits - 3
    second = n_qubits - 1
    bell = [{"gate": "h", "target": first}, {"gate": "cnot", "control": first, "target": second}]
    sim.check_circuit(bell, n_qubits, noise)
    both_excited = 2**first + 2**second
    assert simulation.probabilities(bell, n_qubits) == pytest.approx({0: 0.5, both_excited: 0.5})
    counts = simulation.counts(bell, n_qubits, 2000, noise, np.random.default_rng(3))
    assert sum(counts.values()) == 2000
    assert 900 < counts[both_excited] < 1100
    assert counts.keys() <= {0, both_excited, 2**first, 2**second}


def test_a_wide_gate_has_the_errors_of_its_parts(monkeypatch):
    """Six CNOTs, each with rate r, leave 1 - r·15/16 of the shots without an error, six times over."""
    monkeypatch.setitem(sim.NOISE, "two qubits", GateNoise(0.0, 0.05))
    flips = [{"gate": "x", "targets": [q]} for q in (0, 1)]
    toffoli = [*flips, {"gate": "x", "controls": [0, 1], "targets": [2]}]
    sim.check_circuit(toffoli, 3, "two qubits")
    shots = 5_000
    counts = dense(simulation.counts(toffoli, 3, shots, "two qubits", np.random.default_rng(2)))
    untouched = (1 - 0.05 * 15 / 16) ** 6
    assert untouched < counts[0b111] / shots < untouched + 0.12, "a few errors change no bit"


def test_many_controls_need_no_matrix():
    """The matrix of 20 qubits would have 16 TiB."""
    flips = [{"gate": "x", "targets": [q]} for q in range(19)]
    wide = {"gate": "ry", "controls": list(range(19)), "targets": [19], "rotation": 2.0}
    expected = {2**19 - 1: np.cos(1.0) ** 2, 2**20 - 1: np.sin(1.0) ** 2}
    assert simulation.probabilities([*flips, wide], 20) == pytest.approx(expected)


NOT_COMMUTING = {"gate": "pauliexp", "targets": [0, 1], "terms": ["XI", "ZI"]}
NOT_COMMUTING |= {"coefficients": [1.0, 0.5], "time": 1.0}


@pytest.mark.parametrize(
    ("circuit", "n", "noise", "match"),
    [
        ([{"gate": "warp", "targets": [0]}], 2, "ideal", "gate 0 is 'warp'"),
        ([{"gate": "ry", "targets": [0]}], 2, "ideal", "does not have"),
        ([{"gate": "x", "targets": [2]}], 2, "ideal", r"acts on \[2\]"),
        ([{"gate": "x", "controls": [1], "targets": [1]}], 2, "ideal", r"acts on \[1, 1\]"),
        (
            [{"gate": "h", "targets": [q]} for q in range(21)],
            29,
            "ideal",
            "21 qubits, .* up to 20 with noise .ideal.$",
        ),
        (
            [{"gate": "h", "targets": [q]} for q in range(15)],
            36,
            "forte-1",
            r"15 qubits, .* up to 14 .*forte-1.\. Without noise it simulates up to 20: .* --noise ideal$",
        ),
        ([], 0, "ideal", "0 qubits, expected 1 or more"),
        ([NOT_COMMUTING], 2, "ideal", "XI, ZI of a 'pauliexp' do not commute, .* a gate for each"),
        ([NOT_COMMUTING | {"terms": ["XA"]}], 2, "ideal", "'pauliexp' with .* does not have"),
        ([NOT_COMMUTING | {"terms": ["XI"]}], 2, "ideal", "'pauliexp' with .* does not have"),
        ([], 3, "harmony", "no noise model 'harmony'"),
    ],
)
def test_what_cannot_run_is_refused(circuit, n, noise, match):
    with pytest.raises(RefusedError, match=match):
        sim.check_circuit(circuit, n, noise)


def test_a_job_that_cannot_be_simulated_fails(monkeypatch):
    store = Store()

    def refuse(*_):
        raise ValueError("no such gate\nhere")

    monkeypatch.setattr(store._simulation, "counts", refuse)
    program = {"qubits": 1, "gateset": "qis", "circuit": [{"gate": "h", "target": 0}]}
    job = store.submit(
        {"backend": "qpu.forte-1", "type": "ionq.circuit.v1", "shots": 10, "input": program}
    )
    store._worker.shutdown()  # waits for the job
    assert job.status == "failed"
    assert job.failure == {"code": "SimulationError", "message": "no such gate"}
