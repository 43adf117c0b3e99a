"""Compare an ansatz of your own with the paper's and with a classical head, by paired tests over seeds.

Run: python examples/study_of_an_ansatz.py
"""

import sys
import tempfile
from pathlib import Path

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

import qllmft
from qllmft.campaign import load_study, run_study

STUDY = """
title = "A ladder of CZ gates"
subject = "own ansatz"
baseline = "other head"
seeds = 3
epochs = 10
margin = 2
rows = [
    { label = "ladder", preset = "single-10q", side = "subject", settings = { model.ansatz = "ladder" } },
    { label = "the paper's", preset = "single-10q", side = "baseline" },
    { label = "logistic regression", preset = "single-10q", side = "baseline", classical = "logistic_regression" },
]
[settings]
data.source = "reviews"
body.model = "minilm"
baselines.grid = "small"
"""

RESULTS = {"open": "inconclusive", "equal": "equivalent"}


def ladder(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return layers of RY gates on all qubits and CZ gates between neighbours."""
    angles = iter(ParameterVector("angle", n_qubits * n_layers))
    circuit = QuantumCircuit(n_qubits)
    for _ in range(n_layers):
        for qubit in range(n_qubits):
            circuit.ry(next(angles), qubit)
        for qubit in range(n_qubits - 1):
            circuit.cz(qubit, qubit + 1)
    return circuit


def main() -> None:
    """Register the ansatz, do the study's six runs, and print its rows and comparisons."""
    qllmft.register("ansatz", "ladder", ladder, replace=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ladder.toml")
        file.write_text(STUDY, encoding="utf-8")
        record = run_study(
            load_study(str(file)), Path(folder, "study"), {}, "python " + sys.argv[0]
        )
    for row in record.rows:
        print(f"{row.label:20} {row.parameters[0]:5} parameters, test {row.test_interval.mean:.3f}")
    for comparison in qllmft.compare(record):
        low, high = comparison.difference.interval
        print(
            f"{comparison.subject} minus {comparison.baseline}: {100 * comparison.difference.value:+.1f} points "
            f"[{100 * low:+.1f}, {100 * high:+.1f}], {RESULTS.get(comparison.outcome, comparison.outcome)}"
        )


if __name__ == "__main__":
    main()
