"""The harness itself: its reference by a second route, and its handling of wrong, crashed and missing peers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp

import environments
import limit_tables
import noise_table
import reference_mixed
import sessions
from environments import Environment, NotAvailableError
from figure import spread
from limit import limit_ms
from pauli_rotations import rotations
from reference import Floats, expectation_and_gradients, expected_outputs
from sessions import Entrant, Worker, check, differences
from steps import PARAMETERS, Model, expected_step, make_step_inputs
from workloads import (
    CX,
    MIXED_ON_ONE,
    MIXED_ON_TWO,
    RY,
    Gate,
    Named,
    circuit_gates,
    count_weights,
    make_inputs,
    mixed_gates,
    save_arrays,
)

HERE = Path(__file__).resolve().parent
IDENTITY = np.eye(2)
FLIP = np.array([[0.0, 1.0], [1.0, 0.0]])
Z = np.diag([1.0, -1.0])
OFF = np.diag([1.0, 0.0])
ON = np.diag([0.0, 1.0])


def on_qubits(factors: dict[int, Floats], n_qubits: int) -> Floats:
    """Return the dense matrix with the given factors. Qubit 0 is the last one of the Kronecker product."""
    matrix: Floats = np.ones((1, 1))
    for qubit in reversed(range(n_qubits)):
        matrix = np.kron(matrix, factors.get(qubit, IDENTITY)).astype(np.float64)
    return matrix


def dense_values(gates: list[Gate], state: Floats, angles: Floats) -> Floats:
    """Return <Z> (Q,) of one state by matrices, with one entry of ``angles`` per gate."""
    n_qubits = state.size.bit_length() - 1
    for gate, angle in zip(gates, angles, strict=True):
        if isinstance(gate, CX):
            matrix = on_qubits({gate.control: OFF}, n_qubits)
            matrix = matrix + on_qubits({gate.control: ON, gate.target: FLIP}, n_qubits)
        else:
            cos = np.cos(angle / 2)
            sin = np.sin(angle / 2)
            matrix = on_qubits({gate.qubit: np.array([[cos, -sin], [sin, cos]])}, n_qubits)
        state = matrix @ state
    return np.array([state @ on_qubits({q: Z}, n_qubits) @ state for q in range(n_qubits)])


@pytest.mark.parametrize("workload", ["enc", "head"])
def test_reference_agrees_with_dense_matrices_and_parameter_shift(workload: str) -> None:
    n_qubits = 3
    batch = 2
    rng = np.random.default_rng(3)
    gates = circuit_gates(workload, n_qubits)
    weights = rng.uniform(-3, 3, count_weights(workload, n_qubits))
    data = rng.uniform(-3, 3, (batch, n_qubits))
    cotangent = rng.standard_normal((batch, n_qubits))
    states = rng.standard_normal((batch, 2**n_qubits))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    result = expectation_and_gradients(gates, states, weights, data, cotangent)

    grad_weights = np.zeros_like(weights)
    grad_data = np.zeros_like(data)
    for b in range(batch):
        angles = np.array(
            [
                (data[b] if g.from_data else weights)[g.index] if isinstance(g, RY) else 0.0
                for g in gates
            ]
        )
        np.testing.assert_allclose(
            result.values[b], dense_values(gates, states[b], angles), atol=1e-12
        )
        for k, gate in enumerate(gates):
            if isinstance(gate, RY):
                shift = np.pi / 2 * (np.arange(len(gates)) == k)
                plus, minus = (dense_values(gates, states[b], angles + s * shift) for s in (1, -1))
                (grad_data[b] if gate.from_data else grad_weights)[gate.index] += (
                    cotangent[b] @ (plus - minus) / 2
                )
    np.testing.assert_allclose(result.weights, grad_weights, atol=1e-12)
    np.testing.assert_allclose(result.data, grad_data, atol=1e-12)


def test_the_reference_of_mixed_agrees_with_qiskit() -> None:
    n_qubits = 4
    h = 1e-5
    inputs = make_inputs("mixed", n_qubits)
    weights = inputs["weights"]
    data = inputs["data"][:2]
    cotangent = inputs["cotangent"][:2]
    gates = circuit_gates("mixed", n_qubits)
    assert {gate.name for gate in gates if isinstance(gate, Named)} == {
        *MIXED_ON_ONE,
        *MIXED_ON_TWO,
    }
    circuit = QuantumCircuit(n_qubits)
    theta = ParameterVector("theta", len(weights))
    x = ParameterVector("x", n_qubits)
    for gate in gates:
        if isinstance(gate, Named):
            getattr(circuit, gate.name)(*[theta[i] for i in gate.indices], *gate.qubits)
        elif isinstance(gate, RY):
            circuit.ry(x[gate.index], gate.qubit)
    z = [SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], n_qubits) for q in range(n_qubits)]

    def values(parameters: Floats) -> Floats:
        jobs = [(circuit, z, row) for row in parameters]
        return np.array(
            [result.data.evs for result in StatevectorEstimator().run(jobs, precision=0.0).result()]
        )

    swept_values, by_weights, by_data = reference_mixed.expectation_and_gradients(
        gates, weights, data, cotangent
    )
    parameters = np.concatenate([np.broadcast_to(weights, (2, len(weights))), data], axis=1)
    np.testing.assert_allclose(swept_values, values(parameters), atol=1e-12)
    last = {gate.name: gate.indices for gate in gates if isinstance(gate, Named)}
    for k in [*sum(last.values(), ()), *range(len(weights), parameters.shape[1])]:
        step = h * (np.arange(parameters.shape[1]) == k)
        slope = ((values(parameters + step) - values(parameters - step)) / (2 * h) * cotangent).sum(
            axis=1
        )
        if k < len(weights):
            assert by_weights[k] == pytest.approx(slope.sum(), abs=1e-8)
        else:
            np.testing.assert_allclose(by_data[:, k - len(weights)], slope, atol=1e-8)


def test_pauli_rotations_are_the_gates_of_the_reference() -> None:
    """Each gate's rotations give its matrix up to a global phase."""
    n_qubits = 3
    rng = np.random.default_rng(5)
    paulis = {"X": reference_mixed.X, "Y": reference_mixed.Y, "Z": reference_mixed.Z}
    gates = {gate.name: gate for gate in mixed_gates(8) if isinstance(gate, Named) and gate.indices}
    assert {*gates} == {name for name, n in (MIXED_ON_ONE | MIXED_ON_TWO).items() if n}
    for name, gate in gates.items():
        qubits = (2, 0)[: len(gate.qubits)]
        angles = rng.uniform(-3, 3, len(gate.indices))
        state = rng.standard_normal((1, 2**n_qubits)) + 1j * rng.standard_normal((1, 2**n_qubits))
        expected = state
        local = Named(name, qubits, tuple(range(len(angles))))
        for factor_name, on, place, _ in reference_mixed.factors([local]):
            energies, basis = np.linalg.eigh(reference_mixed.GENERATORS[factor_name])
            matrix = (basis * np.exp(-1j * angles[place] * energies)) @ basis.conj().T
            expected = reference_mixed.apply(expected, matrix, on)
        for (letters, on, factor), place in rotations(local):
            half = factor * angles[place] / 2
            turned = state
            for letter, qubit in zip(letters, on, strict=True):
                turned = reference_mixed.apply(turned, paulis[letter], (qubit,))
            state = np.cos(half) * state - 1j * np.sin(half) * turned
        overlap = np.vdot(state, expected)
        np.testing.assert_allclose(state * overlap / abs(overlap), expected, atol=1e-12)


def test_step_reference_agrees_with_finite_differences() -> None:
    model = Model("small", 2, 10, 4)
    h = 1e-5
    inputs = make_step_inputs(model)
    expected = expected_step(model, inputs)
    for name in PARAMETERS:
        moved = []
        for sign in (1, -1):
            changed = np.array(inputs[name])
            changed.flat[1] += sign * h
            moved.append(float(expected_step(model, {**inputs, name: changed})["loss"]))
        slope = (moved[0] - moved[1]) / (2 * h)
        assert expected[f"grad_{name}"].flat[1] == pytest.approx(slope, abs=1e-8), name


def test_missing_misshapen_and_nan_outputs_are_infinitely_wrong() -> None:
    expected = {name: np.ones(3) for name in ("missing", "short", "nan", "close")}
    got = {"short": np.ones(2), "nan": np.array([1, np.nan, 1]), "close": np.ones(3) + 1e-6}
    errors = differences(got, expected)
    assert [errors[name] for name in ("missing", "short", "nan")] == [np.inf] * 3
    assert errors["close"] == pytest.approx(1e-6)


@pytest.mark.parametrize(("error", "status"), [(0.0, "ok"), (1e-2, "refused")])
def test_a_peer_that_computes_something_else_is_not_timed(
    tmp_path: Path, error: float, status: str
) -> None:
    expected = expected_outputs(make_inputs("head", 3))
    path = tmp_path / "outputs.npz"
    save_arrays(path, {**expected, "grad_data": expected["grad_data"] + error})
    entrant = Entrant("liar", "Liar", tolerance=1e-4)
    entrant.worker = SimpleNamespace(
        ask=lambda _: {"version": "1"}, outputs=path, close=lambda: None
    )  # type: ignore[assignment]
    check(entrant, expected)
    assert entrant.status == status
    assert (entrant.worker is None) == (status == "refused")
    assert ("grad_data differs" in entrant.reason) == (status == "refused")


def test_a_crash_shows_the_tail_of_standard_error(tmp_path: Path) -> None:
    worker = Worker(
        Environment(Path(sys.executable), 0.0),
        "no_such_module",
        tmp_path / "i.npz",
        variant="-",
        threads=1,
        limit_s=60.0,
    )
    with pytest.raises(
        NotAvailableError, match=r"ended at check with exit code 1: .*no_such_module"
    ):
        worker.ask("check")
    worker.close()


def test_a_silent_worker_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sleeper.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(sessions, "HERE", tmp_path)
    worker = Worker(
        Environment(Path(sys.executable), 0.0),
        "sleeper",
        tmp_path / "i.npz",
        variant="-",
        threads=1,
        limit_s=0.5,
    )
    with pytest.raises(NotAvailableError, match="stopped: check took longer"):
        worker.ask("check")
    worker.close()


def test_an_environment_that_cannot_be_made_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "peers" / "ghost"
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text(f"{tmp_path}/no-such-package.whl\n")
    monkeypatch.setattr(environments, "HERE", tmp_path)
    with pytest.raises(NotAvailableError, match=r"cannot be installed: .*no-such-package"):
        environments.prepare("ghost", tmp_path / "cache", sys.executable)


def test_labels_keep_their_distance_and_stay_inside() -> None:
    placed = np.sort(spread(np.array([0.98, 0.5, 0.51, 0.99, 0.52]), 0.05))
    assert np.diff(placed).min() >= 0.05 - 1e-12
    assert placed.max() <= 1.0


def test_the_table_of_noise_compares_like_with_like() -> None:
    machine = {"cpu": "a processor", "threads": 2, "date": "today", "load_at_start": 0.1}
    ours = [
        {"qubits": 10, "noise": "none", "ms": 1.0, "wall": 1.0, "processor": 1.0},
        {"qubits": 10, "noise": "paper_high", "ms": 1.2, "wall": 1.2, "processor": 1.3},
    ]
    theirs = [
        {"qubits": 10, "noise": "none", "ms": 100.0},
        {"qubits": 10, "noise": "paper_high", "ms": 150.0},
    ]
    content = {"machine": machine, "what": "A step", "ours": ours, "notes": ["mind"]}
    page = noise_table.markdown({**content, "theirs": theirs})
    assert "| 10 | paper_high | 1.2 | 1.20 | 1.30 |" in page
    assert "| 10 | paper_high | 1.2 (1.20) | 150 (1.50) | 125 |" in page
    assert page.endswith("- mind\n")
    assert "TorchQuantum" not in noise_table.markdown({**content, "theirs": []})


def test_the_page_has_the_tables_of_the_records() -> None:
    page = (HERE / "README.md").read_text("utf-8")
    for limit_table in limit_tables.limit_tables().split("\n\n"):
        assert limit_table in page


def test_the_parts_of_the_limit_are_quotients_of_a_record() -> None:
    record = json.loads((HERE / "peers.json").read_text("utf-8"))
    milliseconds = {
        row["label"]: row["ms"]
        for cell in record["cells"]
        if (cell["workload"], cell["n_qubits"]) == ("head", 10)
        for row in cell["rows"]
        if row["status"] == "ok"
    }
    least_ms = limit_ms("head", 10, record["machine"]["peak_gflops"])
    ours = milliseconds.pop("qllmft")
    del milliseconds["plain C, written for these circuits"]
    nearest_ms = min(milliseconds.values())
    assert limit_tables.limit_cell(record, "head", 10) == f"{100 * least_ms / ours:.0f} %"
    words = limit_tables.nearest_cell(record, "head", 10).split()
    assert float(words[0]) == pytest.approx(nearest_ms / ours, rel=0.05)
    assert float(words[2].rstrip(",")) == pytest.approx(nearest_ms / least_ms, rel=0.05)


def test_the_limit_of_real_rotations_is_eight_operations_an_amplitude() -> None:
    rotations = 28 * 10
    at_one_gflop = limit_ms("enc", 10, 1.0)
    assert at_one_gflop == pytest.approx(8 * rotations * 2**10 * 16 / 1e6)


def test_the_limit_of_the_head_counts_its_first_two_layers_on_few_qubits() -> None:
    """Of 9·Q rotations, those of the first encoding and of the first layer cost as much as three on all qubits."""
    n = 12
    by_hand = 0
    for size in range(1, n + 1):
        by_hand += 5 * 2 ** (size - 1)  # the first encoding: R_Y of the qubit that joins
        if size > 1:
            by_hand += 8 * 2 ** (size - 1)  # the first layer: R_Y behind the CNOT that couples it
    other_rotations = 7 * n + 1  # and the end of the first ring, on all qubits
    by_hand += 8 * other_rotations * 2 ** (n - 1)
    assert limit_ms("head", n, 1.0) == pytest.approx(2 * by_hand * 16 / 1e6)
    on_all_qubits = 8 * 9 * n * 2 ** (n - 1)
    assert by_hand / on_all_qubits == pytest.approx(0.82, abs=0.005)
