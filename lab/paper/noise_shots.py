"""Two measurements of noisy heads on the same texts: ``python -m lab.paper.noise_shots RUNS``.

RUNS is the folder of finished runs of ``qllmft study noise``. Each head with gate noise is measured twice on the same
drawn test texts: with an error trajectory per shot, as on a machine, and with one trajectory for all shots of a text,
as in training. ``--json FILE`` keeps the record. Without RUNS, the table of the record is printed.
"""

from __future__ import annotations

import argparse
import json
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

from qllmft import Predictor
from qllmft.inference import LabelledTexts, Subset, evaluate
from qllmft.run import RunFolder
from qllmft.tasks import ACCURACY, MeanInterval, PairedDifference
from qllmft_backends import create
from qllmft_machines.trust import MeasuredModel

MEASUREMENTS = ("per_shot", "same")
RATES = {"paper_low": "1e-4 and 1e-3", "paper_high": "2e-4 and 2e-3"}
HEADER = """\
| qubits | rates | per shot, % | cheap, % | difference, points | other labels, per shot | other labels, cheap |
|---|---|---|---|---|---|---|"""


def measure_run(run: Path, sample: int) -> dict[str, Any] | None:
    """Return both measurements of one run, or None if its head has no gate noise."""
    config = RunFolder(run).read_config()
    if config.noise.gates == "none":
        return None
    predictor = Predictor.load(run)
    texts = LabelledTexts.load(predictor, run, subset=Subset(sample, seed=0))
    row: dict[str, Any] = {"qubits": config.model.n_qubits, "gates": config.noise.gates}
    row |= {"seed": config.seed, "epochs": config.train.epochs, "texts": len(texts.labels)}
    for name in MEASUREMENTS:
        options = config.noise.backend_options | {"shot_test": name}
        measured_model = MeasuredModel(predictor, create("adjoint", options), known_texts=0)
        started = perf_counter()
        evaluation = evaluate(predictor, texts, measured_model=measured_model)
        seconds = round(perf_counter() - started, 1)
        assert evaluation.agreement is not None
        row[name] = {"right": evaluation.accuracy.right, "flips": evaluation.agreement.flips}
        row[name] |= {"measured": evaluation.measured, "seconds": seconds}
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of a record, with a line per head and differences paired by seed."""
    lines = [HEADER]
    by_head = groupby(rows, key=lambda row: (row["qubits"], row["gates"]))
    for (qubits, gates), head_rows in by_head:
        heads = list(head_rows)
        share = {
            name: [row[name]["right"] / row["texts"] for row in heads] for name in MEASUREMENTS
        }
        paired = PairedDifference.from_values(share["per_shot"], share["same"])
        low, high = (ACCURACY.with_sign(end, 2) for end in paired.interval or (paired.value,) * 2)
        total = sum(row["texts"] for row in heads)
        flips = [100 * sum(row[name]["flips"] for row in heads) / total for name in MEASUREMENTS]
        cells = [str(qubits), RATES[gates]]
        cells += [ACCURACY.mean(MeanInterval.from_values(share[name])) for name in MEASUREMENTS]
        cells += [f"{ACCURACY.with_sign(paired.value, 2)} [{low}, {high}]"]
        cells += [f"{flip:.2f} %" for flip in flips]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the runs, if a folder is given, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=Path, help="folder of finished runs")
    parser.add_argument("--sample", type=int, default=2000, help="test texts per run")
    parser.add_argument("--json", type=Path, default=Path("docs/records/noise-shots.json"))
    arguments = parser.parse_args()
    if arguments.runs:
        rows = []
        for folder in sorted(arguments.runs.iterdir()):
            row = measure_run(folder, arguments.sample)
            if row is not None:
                rows.append(row)
                print(row, flush=True)
        rows.sort(key=lambda row: (row["qubits"], row["gates"] == "paper_high", row["seed"]))
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(table(json.loads(arguments.json.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
