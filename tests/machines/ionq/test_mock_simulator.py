"""The mock server's simulator against Qiskit."""

from __future__ import annotations

import numpy as np
import pytest
from kraus_evolution import depolarize
from qiskit import QuantumCircuit
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector

from qllmft_backends.noise import GateNoise
from qllmft_machines.sandbox import circuits as sim
from qllmft_machines.sandbox.request import RefusedError

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


# Qiskit's own exponential of a sparse matrix warns of its form
EXPONENTIAL = pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")


def dense(by_state, n_qubits=3):
    """Values (2**n,) of all basis states."""
    return np.array([by_state.get(state, 0) for state in range(2**n_qubits)])


@EXPONENTIAL
def test_every_gate_against_qiskit():
    circuit = QuantumCircuit(3)
    for n, (_, append) in enumerate(GATES, start=1):
        append(circuit)
        ours = dense(sim.probabilities([gate for gate, _ in GATES[:n]], 3))
        np.testing.assert_allclose(
            ours, Statevector(circuit).probabilities(), atol=3e-6, err_msg=str(GATES[n - 1][0])
        )


@EXPONENTIAL
@pytest.mark.parametrize("gates", [TWO_AT_MOST[:6], TWO_AT_MOST], ids=["few", "all"])
def test_noisy_shots_against_the_density_matrix(gates, monkeypatch):
    """Depolarizing as in Aer's depolarizing_error(r, n): every Pauli error with r / 4**n.

    Large rates: it shows. After few gates, errors of one kind have another distribution than errors of all kinds.
    """
    rates = (0.08, 0.2)
    monkeypatch.setitem(sim.NOISE, "strong", GateNoise(*rates))
    rho = DensityMatrix.from_label("000").data
    circuit = QuantumCircuit(3)
    for gate, append in gates:
        step = QuantumCircuit(3)
        append(step)
        controls, targets = sim.controls_and_targets(gate)
        qubits = controls + targets
        rho = DensityMatrix(rho).evolve(step).data
        rho = depolarize(rho, rates[len(qubits) - 1], qubits, 3)
        circuit.compose(step, inplace=True)
    expected = rho.diagonal().real
    # the noise does something
    assert np.abs(expected - Statevector(circuit).probabilities()).max() > 0.04
    shots = 4_000
    rng = np.random.default_rng(5)
    counts = dense(sim.counts([gate for gate, _ in gates], 3, shots, "strong", rng))
    assert counts.sum() == shots
    z = (counts / shots - expected) / np.sqrt(expected * (1 - expected) / shots)
    assert np.abs(z).max() < 4


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
    assert sim.probabilities(bell, n_qubits) == pytest.approx({0: 0.5, both_excited: 0.5})
    counts = sim.counts(bell, n_qubits, 2000, noise, np.random.default_rng(3))
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
    counts = dense(sim.counts(toffoli, 3, shots, "two qubits", np.random.default_rng(2)))
    untouched = (1 - 0.05 * 15 / 16) ** 6
    assert untouched < counts[0b111] / shots < untouched + 0.12, "a few errors change no bit"


def test_many_controls_need_no_matrix():
    """The matrix of 20 qubits would have 16 TiB."""
    flips = [{"gate": "x", "targets": [q]} for q in range(19)]
    wide = {"gate": "ry", "controls": list(range(19)), "targets": [19], "rotation": 2.0}
    expected = {2**19 - 1: np.cos(1.0) ** 2, 2**20 - 1: np.sin(1.0) ** 2}
    assert sim.probabilities([*flips, wide], 20) == pytest.approx(expected)


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
