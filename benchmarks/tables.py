"""Reading a table against pandas: ``python benchmarks/tables.py [--rows N] [--turns N]`` writes tables.json.

All texts are in quotes, and one in ten holds quotes. Fresh processes in turns read the table:

- ``pandas``: ``read_csv`` with every cell as it is written, ``dtype=str``.
- ``read``: this project's rows, as a table.
- ``train``: reading, the checks of texts, labels and copies, and the split, as before the embedding of ``train``.
- ``predict``: the texts of ``predict --file``, as a stream.

Processor seconds and peak memory are those above the imports. The ratios are medians over the turns.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from run import machine_facts

WORDS = 16  # of a text
LABELS = ("good", "bad", "fair")
MEASURED = """
import json, resource, sys, time
from pathlib import Path
import pandas
{imports}
path = Path(sys.argv[1])
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.process_time()
{code}
seconds = time.process_time() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{"seconds": round(seconds, 3), "megabytes": round((peak - memory) / 1024)}}))
"""
PROJECT = """
import sklearn.model_selection
from qllmft.config import DataConfig
from qllmft_tables.columns import Columns
from qllmft_tables.tables import read_table
from qllmft_tables.texts import read_texts
from qllmft.run.setup import SharedInputs
"""
READERS = {
    "pandas": ("", "table = pandas.read_csv(path, dtype=str)"),
    "read": (
        PROJECT,
        "table = read_table(path, Columns(('text',), ('label',)), None, skips=False)",
    ),
    "train": (
        PROJECT,
        "inputs = SharedInputs()\n"
        "checked = inputs.check(DataConfig(source=str(path), protocol='split'), 0)",
    ),
    "predict": (PROJECT, "count = sum(1 for text in read_texts(path, 'text'))"),
}


def write_table(path: Path, n_rows: int) -> None:
    """Write texts of words of this project's pages, all in quotes."""
    generator = random.Random(0)
    pages = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
    words = [word for page in pages for word in page.read_text("utf-8").split() if word.isalnum()]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["text", "label"])
        for row in range(n_rows):
            text = " ".join(generator.choices(words, k=WORDS))
            if row % 10 == 0:
                text = f'"{text}"'
            writer.writerow([text, LABELS[row % len(LABELS)]])


def measure(reader: str, path: Path) -> dict[str, float]:
    """Return the processor seconds and the memory of a reader in a process of its own."""
    imports, code = READERS[reader]
    script = MEASURED.format(imports=imports, code=code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(result.stdout))


def main() -> None:
    """Measure all readers in turns, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    measurements: dict[str, list[dict[str, float]]] = {reader: [] for reader in READERS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path, options.rows)
        for _ in range(options.turns):
            for reader in READERS:
                measurements[reader].append(measure(reader, path))
                print(reader, measurements[reader][-1], flush=True)
    medians = {
        reader: {
            unit: statistics.median(measurement[unit] for measurement in values)
            for unit in ("seconds", "megabytes")
        }
        for reader, values in measurements.items()
    }
    record = {
        "machine": machine_facts(1),
        "rows": options.rows,
        "measurements": measurements,
        "median": medians,
        "ratio_to_pandas": {
            reader: {unit: round(value / medians["pandas"][unit], 2) for unit, value in row.items()}
            for reader, row in medians.items()
        },
    }
    options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record["ratio_to_pandas"], indent=1))


if __name__ == "__main__":
    main()
