"""The mock server's simulator against Qiskit."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Kraus, Pauli, Statevector

from qllmft_backends.noise import GateNoise
from qllmft_backends.sandbox import circuits as sim
from qllmft_backends.sandbox.request import RefusedError

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
    ({"gate": "not", "controls": [0, 1], "targets": [2]}, lambda c: c.ccx(0, 1, 2)),
]


TWO_AT_MOST = GATES[:-1]


def test_every_gate_against_qiskit():
    circuit = QuantumCircuit(3)
    for n, (_, append) in enumerate(GATES, start=1):
        append(circuit)
        ours = sim.probabilities([gate for gate, _ in GATES[:n]], 3)
        np.testing.assert_allclose(
            ours, Statevector(circuit).probabilities(), atol=3e-6, err_msg=str(GATES[n - 1][0])
        )


def test_qubit_0_is_the_least_significant_bit():
    assert sim.probabilities([{"gate": "x", "targets": [0]}, {"gate": "x", "targets": [1]}], 3)[
        0b011
    ] == pytest.approx(1)


def test_noisy_shots_against_the_density_matrix(monkeypatch):
    """Depolarizing as in Aer's depolarizing_error(r, n): every Pauli error with r / 4**n. Large rates: it shows."""
    rates = (0.08, 0.2)
    monkeypatch.setitem(sim.NOISE, "strong", GateNoise(*rates))
    state, circuit = DensityMatrix.from_label("000"), QuantumCircuit(3)
    for gate, append in TWO_AT_MOST:
        step = QuantumCircuit(3)
        append(step)
        state = state.evolve(step)
        controls, targets = sim.qubits_of(gate)
        qubits = controls + targets
        n = len(qubits)
        r = rates[n - 1]
        paulis = [
            Pauli((np.array(z), np.array(x)))
            for z in np.ndindex(*[2] * n)
            for x in np.ndindex(*[2] * n)
        ]
        weights = [1 - r + r / 4**n] + [r / 4**n] * (4**n - 1)
        state = state.evolve(
            Kraus([np.sqrt(w) * p.to_matrix() for w, p in zip(weights, paulis, strict=True)]),
            qubits,
        )
        circuit.compose(step, inplace=True)
    expected = state.probabilities()
    # the noise does something
    assert np.abs(expected - Statevector(circuit).probabilities()).max() > 0.05
    shots = 4_000
    counts = sim.counts(
        [gate for gate, _ in TWO_AT_MOST], 3, shots, "strong", np.random.default_rng(5)
    )
    assert counts.sum() == shots
    z = (counts / shots - expected) / np.sqrt(expected * (1 - expected) / shots)
    assert np.abs(z).max() < 4


def test_without_errors_shots_are_multinomial():
    gates = [gate for gate, _ in TWO_AT_MOST]
    counts = sim.counts(gates, 3, 20_000, "ideal", np.random.default_rng(1))
    p = sim.probabilities(gates, 3)
    assert np.abs((counts / 20_000 - p) / np.sqrt(p * (1 - p) / 20_000 + 1e-12)).max() < 4


@pytest.mark.parametrize(
    ("circuit", "n", "noise", "match"),
    [
        ([{"gate": "warp", "targets": [0]}], 2, "ideal", "gate 0 is 'warp'"),
        ([{"gate": "ry", "targets": [0]}], 2, "ideal", "does not have"),
        ([{"gate": "x", "targets": [2]}], 2, "ideal", r"acts on \[2\]"),
        ([{"gate": "x", "controls": [1], "targets": [1]}], 2, "ideal", r"acts on \[1, 1\]"),
        ([{"gate": "x", "controls": [0, 1], "targets": [2]}], 3, "forte-1", "3 qubits; with noise"),
        ([], 21, "ideal", "up to 20"),
        ([], 3, "harmony", "no noise model 'harmony'"),
    ],
)
def test_what_cannot_run_is_refused(circuit, n, noise, match):
    with pytest.raises(RefusedError, match=match):
        sim.check(circuit, n, noise)
