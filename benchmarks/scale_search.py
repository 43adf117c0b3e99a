"""Validation accuracy by the texts that a search of settings fits: ``python benchmarks/scale_search.py``.

The table is that of scale.py. The test texts have a part in the split, and no number of theirs is read.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import scale

RECORD = Path(__file__).with_suffix(".json")
CASE = scale.Case("rows", 60_000, 20)
LIMITS = (20_000, None)  # texts that a search fits, at most; None: all
# command line of qllmft, after the limit
PROGRAM = """
import sys
from qllmft.training import search
search.MAX_FIT_TEXTS = int(sys.argv.pop(1))
from qllmft.cli.main import run_process
run_process()
"""


def main() -> None:
    """Train with each limit, and write the record."""
    with tempfile.TemporaryDirectory() as unnamed:
        folder = Path(unnamed)
        scale.write_table(CASE, folder / "rows.csv")
        environment = scale.offline_environment(folder)
        runs: list[dict[str, Any]] = []
        for limit in LIMITS:
            out = folder / f"run-{limit}"
            program = [sys.executable, "-c", PROGRAM, str(limit or CASE.rows)]
            options = ["--data", str(folder / "rows.csv"), "--out", str(out)]
            scale.measure_command([*program, "train", *options], environment)
            result = scale.read_result(out)
            models = {
                model["name"]: {
                    "validation": model["validation"]["value"],
                    "C": model["settings"].get("C"),
                    "seconds": round(model["seconds"], 1),
                }
                for model in result["models"]
                if model.get("validation")
            }
            runs.append({"limit": limit, "models": models})
    scale.write_comparison(RECORD, CASE, result, runs)


if __name__ == "__main__":
    main()
