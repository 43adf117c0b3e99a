"""Figure 11: test accuracy against the number of qubits, without noise and at the paper's two rates of gate noise."""

from __future__ import annotations

from pathlib import Path

from qllmft.experiments.compare.record import RowResult, StudyRecord

LABELS = {
    "none": "no noise",
    "low": "1e-4 (1Q), 1e-3 (2Q)",
    "high": "2e-4 (1Q), 2e-3 (2Q)",
}


def qubits_and_noise(row: RowResult) -> tuple[int, str]:
    """(Q, key of `LABELS`) of a row of the studies fig11 and fig11-small, from its preset."""
    *rest, qubits = row.preset.split("-")
    return int(qubits.removesuffix("q")), rest[1] if rest[0] == "noise" else "none"


def draw(record: StudyRecord, path: Path) -> None:
    """Accuracy against qubits, a curve a noise, with the 95 % interval over the seeds."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    found = {qubits_and_noise(row): row.test_interval for row in record.rows}
    for shift, noise in enumerate(LABELS):
        chosen = {n: interval for (n, kind), interval in found.items() if kind == noise}
        if chosen:
            axes.errorbar(
                [n + 0.06 * (shift - 1) for n in chosen],
                [100 * interval.mean for interval in chosen.values()],
                [100 * (interval.half_width or 0.0) for interval in chosen.values()],
                marker="o",
                capsize=3,
                label=LABELS[noise],
            )
    axes.set_xlabel("qubits")
    axes.set_ylabel("test accuracy, %")
    axes.set_xticks(sorted({n for n, _ in found}))
    axes.legend(title="depolarizing error r", fontsize=8)
    figure.savefig(path)
    plt.close(figure)
