"""Figure 11: test accuracy against the number of qubits, without noise and at the paper's two rates of gate noise."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.files import write_text
from qllmft.presets import load_preset
from qllmft.run import Reporter, run_experiment

LABELS = {"none": "no noise", "low": "1e-4 (1Q), 1e-3 (2Q)", "high": "2e-4 (1Q), 2e-3 (2Q)"}


@dataclass(frozen=True)
class NoiseStudy:
    """What is trained.

    Attributes:
        qubits: Q of each column.
        noises: keys of `LABELS`; with noise, 8192 shots too.
        seeds: each draws its own split, weights and noise.
        epochs: of each run.
    """

    qubits: tuple[int, ...]
    noises: tuple[str, ...] = ("none", "low", "high")
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 800


STUDIES = {
    "fig11-small": NoiseStudy((10, 12), epochs=300),
    "fig11": NoiseStudy((10, 12, 14, 16, 18)),
}


@dataclass(frozen=True)
class Point:
    """One point of the figure.

    Attributes:
        qubits: Q.
        noise: key of `LABELS`.
        accuracies: on the test set, with the noise that the head was trained with, by seed; in [0, 1].
        exact: of the same heads without noise.
    """

    qubits: int
    noise: str
    accuracies: tuple[float, ...]
    exact: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.accuracies)

    @property
    def standard_error(self) -> float:
        """Of the mean, from the scatter of the seeds; 0 with one seed, which says nothing of it."""
        n = len(self.accuracies)
        return statistics.stdev(self.accuracies) / n**0.5 if n > 1 else 0.0


def study(name: str) -> NoiseStudy:
    """A study by its name.

    Raises:
        UserError: where there is none of that name.
    """
    if name not in STUDIES:
        raise UserError(f"there is no noise study {name!r}; expected one of {', '.join(STUDIES)}.")
    return STUDIES[name]


def configurations(plan: NoiseStudy, settings: dict[str, Any]) -> Iterator[tuple[int, str, int, RunConfig]]:
    """(Q, noise, seed, configuration) of every run; ``settings`` by dotted names."""
    for n_qubits in plan.qubits:
        for noise in plan.noises:
            preset = f"single-{n_qubits}q" if noise == "none" else f"noise-{noise}-{n_qubits}q"
            for seed in plan.seeds:
                given = {"train.epochs": plan.epochs, "rivals.names": [], **settings, "seed": seed}
                yield n_qubits, noise, seed, load_preset(preset).config(given)


def run_study(plan: NoiseStudy, folder: Path, settings: dict[str, Any], reporter: Reporter) -> list[Point]:
    """Train every run that is not finished, and write ``noise.json``; run folders are by identity.

    Raises:
        KeyboardInterrupt: where a run was interrupted; the same call goes on.
    """
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for n_qubits, noise, seed, config in configurations(plan, settings):
        reporter.message(f"{n_qubits} qubits, {LABELS[noise]}, seed {seed}")
        result = run_experiment(config, folder / "runs" / config.identity, reporter).result
        if result is None:
            raise KeyboardInterrupt
        row = result["models"][0]
        accuracy = float(row["test"]["value"])
        found.setdefault((n_qubits, noise), []).append((accuracy, float(row.get("test_exact", accuracy))))
    points = [Point(*key, *zip(*pairs, strict=True)) for key, pairs in found.items()]
    write_text(folder / "noise.json", json.dumps([asdict(point) for point in points], indent=1) + "\n")
    return points


def table(points: list[Point]) -> str:
    """Markdown: mean ± standard error over the seeds, in percent."""
    lines = ["| qubits | gate noise | test accuracy, % | the same heads without noise, % |", "|---|---|---|---|"]
    for point in points:
        exact = 100 * statistics.fmean(point.exact)
        cell = f"{100 * point.mean:.2f} ± {100 * point.standard_error:.2f}"
        lines.append(f"| {point.qubits} | {LABELS[point.noise]} | {cell} | {exact:.2f} |")
    return "\n".join(lines)


def draw(points: list[Point], path: Path) -> None:
    """Accuracy against qubits, a curve a noise, error bars from the seeds."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    for shift, noise in enumerate(LABELS):
        chosen = [point for point in points if point.noise == noise]
        if chosen:
            axes.errorbar(
                [point.qubits + 0.06 * (shift - 1) for point in chosen],
                [100 * point.mean for point in chosen],
                [100 * point.standard_error for point in chosen],
                marker="o",
                capsize=3,
                label=LABELS[noise],
            )
    axes.set_xlabel("qubits")
    axes.set_ylabel("test accuracy, %")
    axes.set_xticks(sorted({point.qubits for point in points}))
    axes.legend(title="depolarizing error r", fontsize=8)
    figure.savefig(path)
    plt.close(figure)
