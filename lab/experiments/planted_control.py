"""Studies whose true answer is known: ``python -m lab.experiments.planted_control --sst2 FOLDER``.

A teacher circuit labels the texts of SST-2. Its label turns with a probability, the noise, drawn anew for every seed. A
quantum head of the teacher's structure is compared with its separable twin and logistic regression, seed by seed, as a
study does. Numbers of right answers are kept by point, a file each in the folder --json, and a seed that is there is
not trained again. ``--page FILE`` writes the page and its figure from the kept files.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.experiments.common import DOCS, options, vectors
from lab.experiments.planted_heads import (
    HEAD,
    KERNEL,
    LINEAR,
    TRAINING,
    TWIN,
    VALIDATION,
    Floats,
    Structure,
    Task,
    latent_angles,
    teacher_labels,
    train_baseline,
    train_head,
    train_models,
)
from lab.experiments.planted_page import RANKS, planted_page
from lab.experiments.planted_rank import QUBITS, truncations
from qllmft.config import DataConfig
from qllmft.data import read_corpus

CONTEXT = 20  # seeds of a point with an SVC
FOLDS = 2  # of the planted gap
EVERY = 5  # seeds between two writes


@dataclass(frozen=True)
class Point:
    """Teacher, noise and seeds of one point. The seeds of a point are those of no other."""

    name: str
    structure: Structure
    noise: float
    first: int
    count: int

    @property
    def seeds(self) -> range:
        """Return the seeds."""
        return range(self.first, self.first + self.count)


NEIGHBOURS = Structure()
SECOND = Structure(2, 16)
POINTS = [
    Point("c1-noise-00", NEIGHBOURS, 0.0, 1000, 60),
    Point("c1-noise-20", NEIGHBOURS, 0.2, 2000, 60),
    Point("c1-noise-25", NEIGHBOURS, 0.25, 13000, 60),
    Point("c1-noise-30", NEIGHBOURS, 0.3, 3000, 70),
    Point("c1-noise-50", NEIGHBOURS, 0.5, 5000, 100),
    Point("c2-noise-00", SECOND, 0.0, 6000, 60),
    Point("c2-noise-20", SECOND, 0.2, 7000, 60),
    Point("c2-noise-30", SECOND, 0.3, 8000, 40),
    Point("c2-noise-50", SECOND, 0.5, 9000, 100),
    Point("blocks-0", Structure(1, 0), 0.0, 10000, 100),
    Point("blocks-2", Structure(1, 2), 0.0, 11000, 30),
    Point("blocks-4", Structure(1, 4), 0.0, 12000, 30),
]


def measure_point(
    point: Point, angles: Floats, earlier_record: dict[str, Any] | None, file: Path | None
) -> Any:
    """Return the record of a point, with the seeds that ``earlier_record`` lacks, and write it to the file as it grows.

    Args:
        point: teacher, noise and seeds.
        angles: (N, Q) of all texts, in radians.
        earlier_record: the record so far; None for none.
        file: receives the record after every few seeds; None keeps none.
    """
    labels, share = teacher_labels(point.structure, angles)
    task = Task(angles, labels, point.noise)
    training = min(TRAINING, len(labels) // 2)
    record = earlier_record or {
        **asdict(point),
        "sizes": [training, VALIDATION, len(labels) - training - VALIDATION],
        "separable_share": share,
        "large": planted_accuracies(point.structure, Task(angles, labels)),
        "right": {name: [] for name in (HEAD, TWIN, LINEAR, KERNEL)},
    }
    right = record["right"]
    for seed in point.seeds[len(right[HEAD]) :]:
        seed_counts = train_models(
            point.structure, task, seed, training, kernel=len(right[KERNEL]) < CONTEXT
        )
        for name, numbers in seed_counts.items():
            right[name].append(numbers)
        if file and (len(right[HEAD]) % EVERY == 0 or seed == point.seeds[-1]):
            file.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return record


def planted_accuracies(structure: Structure, task: Task) -> dict[str, float]:
    """Return the accuracy of each model on labels without noise, by cross-fitting on all texts."""
    size = len(task.labels)
    folds = np.array_split(np.random.default_rng(0).permutation(size), FOLDS)
    right = dict.fromkeys((HEAD, TWIN, LINEAR, KERNEL), 0)
    for index, held_out in enumerate(folds):
        train_rows = np.setdiff1d(np.arange(size), held_out)
        parts = [task.examples(rows) for rows in (train_rows, train_rows[:VALIDATION], held_out)]
        right[HEAD] += train_head(structure, HEAD, parts, index)[1]
        right[TWIN] += train_head(structure.separable, TWIN, parts, index)[1]
        for name in (LINEAR, KERNEL):
            right[name] += train_baseline(name, parts)[1]
    return {name: count / size for name, count in right.items()}


def embed_sst2(sst2: str, body: str) -> Floats:
    """Return the embeddings (N, D) of all texts of SST-2."""
    return vectors(read_corpus(DataConfig(source=sst2)).join_splits().texts, body)


def main() -> None:
    """Measure what the record lacks, and write the page."""
    parser = options(__doc__, sst2=False)  # without it, only the page of the record is made
    parser.add_argument("--body", default="minilm")
    parser.add_argument("--points", nargs="*", default=[point.name for point in POINTS])
    parser.add_argument("--json", type=Path, default=DOCS / "records" / "planted-control")
    parser.add_argument("--page", type=Path, help="file of the page")
    arguments = parser.parse_args()
    arguments.json.mkdir(parents=True, exist_ok=True)
    if arguments.sst2:
        torch.set_num_threads(1)
        embeddings = embed_sst2(arguments.sst2, arguments.body)
        ranks = truncations(latent_angles(embeddings, QUBITS))
        (arguments.json / RANKS).write_text(json.dumps(ranks, indent=1) + "\n", encoding="utf-8")
        angles = latent_angles(embeddings, NEIGHBOURS.qubits)
        for point in (point for point in POINTS if point.name in arguments.points):
            file = arguments.json / f"{point.name}.json"
            earlier_record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
            measure_point(point, angles, earlier_record, file)
            print(f"{point.name}: {point.count} seeds", flush=True)
    if arguments.page:
        planted_page(arguments.json, arguments.page)


if __name__ == "__main__":
    main()
