"""Validation accuracy of the default head by its epochs on a large table: ``python benchmarks/scale_epochs.py``.

The table is that of scale.py. The test texts have a part in the split, and no number of theirs is read.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import scale

RECORD = Path(__file__).with_suffix(".json")
CASE = scale.Case("rows", 30_000, 20)
EPOCHS = (2, 4, 8, 20)


def main() -> None:
    """Train with each number of epochs, and write the record."""
    with tempfile.TemporaryDirectory() as unnamed:
        folder = Path(unnamed)
        scale.write_table(CASE, folder / "rows.csv")
        environment = scale.offline_environment(folder)
        runs = []
        for epochs in EPOCHS:
            options = ["--epochs", str(epochs), "--no-baselines"]
            out = folder / f"run-{epochs}"
            scale.train(folder / "rows.csv", out, environment, *options)
            result = scale.read_result(out)
            (head, *_) = result["models"]
            runs.append(
                {
                    "epochs": epochs,
                    "validation": head["validation"]["value"],
                    "seconds": round(head["seconds"], 1),
                }
            )
    scale.write_comparison(RECORD, CASE, result, runs)


if __name__ == "__main__":
    main()
