"""Validation accuracy of the default head by its epochs on a large table: ``python benchmarks/scale_epochs.py``.

The table is that of scale.py. The test texts have a part in the split, and no number of theirs is read.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import machine
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
            result = json.loads((out / "result.json").read_text("utf-8"))
            (head, *_) = result["models"]
            runs.append(
                {
                    "epochs": epochs,
                    "validation": head["validation"]["value"],
                    "seconds": round(head["seconds"], 1),
                }
            )
    record = {
        "processor": machine.cpu_model(),
        "rows": CASE.rows,
        "labels": CASE.labels,
        "sizes": result["data"]["sizes"],
        "runs": runs,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
