"""Runtimes of a language model: ``python benchmarks/runtimes.py SST2 RUN ...`` writes docs/records/runtimes.json.

It needs the extras body-onnx and body-openvino. The model of each RUN reads texts of SST-2 with torch, ONNX Runtime and
OpenVINO on one core. They take turns at the same batches, so that each ratio compares times within seconds. Times are
those of the processor, which other programs change little. The share of labels that differ is that of the run's own
head.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from qllmft.config import BodyConfig, DataConfig
from qllmft.data import read_corpus
from qllmft.embed import Body
from qllmft.embed.published import published_name
from qllmft.inference import Predictor
from qllmft.tasks.statistics import Accuracy, MeanInterval
from qllmft.versions import version_of

from machine import load_average
from run import machine_facts

KINDS = {
    "torch": {},
    "onnx": {"runtime": "onnx"},
    "openvino": {"runtime": "openvino"},
    "openvino, bfloat16": {"runtime": "openvino", "dtype": "bfloat16"},
}
PACKAGES = ("torch", "transformers", "sentence-transformers", "optimum", "onnxruntime", "openvino")
BATCH = 32
RECORD = Path(__file__).parent.parent / "docs" / "records" / "runtimes.json"


class Timed:
    """Body that keeps its vectors and the processor seconds of each batch."""

    def __init__(self, config: BodyConfig) -> None:
        self.body, self.seconds = Body(config), list[float]()
        self.vectors: dict[str, np.ndarray] = {}

    def read(self, texts: list[str]) -> None:
        """Embed one batch."""
        begun = time.process_time()
        vectors = self.body.encode(texts)
        self.seconds.append(time.process_time() - begun)
        self.vectors |= dict(zip(texts, vectors, strict=True))

    def encode(self, texts: list[str]) -> np.ndarray:
        """Return the kept vectors (N, D)."""
        return np.stack([self.vectors[text] for text in texts])

    def labels(self, run: Path, texts: list[str]) -> list[str]:
        """Return the labels of a run's head on the kept vectors."""
        predictor = Predictor.load(run)
        predictor._vectors.body = self  # whose identity is another one than that of the run
        return [answer.label for answer in predictor.predict(texts)]


def compared(run: Path, texts: list[str]) -> list[dict[str, object]]:
    """Return a row for each runtime."""
    config = Predictor.load(run).model.body
    bodies = {
        name: Timed(BodyConfig.model_validate({**dict(config), **kind}))
        for name, kind in KINDS.items()
    }
    for body in bodies.values():
        body.read(texts[:BATCH])  # the first batch warms up
        body.seconds.clear()
    for start in range(0, len(texts), BATCH):
        order = list(bodies.values())
        for body in order if start % (2 * BATCH) else order[::-1]:
            body.read(texts[start : start + BATCH])
    seen = {name: body.seconds for name, body in bodies.items()}
    found = {name: body.labels(run, texts) for name, body in bodies.items()}
    rows = []
    for name, times in seen.items():
        ratio = MeanInterval.of(
            [torch / mine for torch, mine in zip(seen["torch"], times, strict=True)]
        )
        differ = sum(a != b for a, b in zip(found["torch"], found[name], strict=True))
        rows.append(
            {
                "body": published_name(config),
                "runtime": name,
                "texts_per_second": len(texts) / sum(times),
                "ratio": ratio.mean,
                "half_width": ratio.half_width,
                "texts": len(texts),
                "differ": differ,
                "differ_interval95": list(Accuracy(differ, len(texts)).interval),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sst2", help="folder or name of the data set")
    parser.add_argument(
        "runs", nargs="+", metavar="RUN[:TEXTS]", help="trained run, and its number of texts (640)"
    )
    parser.add_argument("--out", type=Path, default=RECORD)
    given = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before a library counts the cores
    machine = machine_facts(1)
    corpus = read_corpus(DataConfig(source=given.sst2)).splits["test"].texts
    rows: list[dict[str, object]] = []
    for each in given.runs:
        name, _, count = each.partition(":")
        rows += compared(Path(name), list(corpus[: int(count or 640)]))
    packages = {name: version_of(name) for name in PACKAGES}
    record = {
        "machine": machine,
        "load_after": load_average(),
        "packages": packages,
        "batch": BATCH,
        "rows": rows,
    }
    given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
