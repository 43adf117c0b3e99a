"""A study of a second: made-up texts, a body that is a hash, heads of three qubits; and records without runs."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from qllmft.embed import Embeddings
from qllmft.experiments.compare import Published, Row, RowResult, Study, StudyRecord
from qllmft.run.record import BodyRecord, DataRecord

D = 8
SETTINGS: dict[str, Any] = {
    "data.n_per_label": 20,
    "body.model": "minilm",
    "model.n_qubits": 3,
    "model.encoder_layers": 2,
    "rivals.grid": "small",
    "train.lr": 0.05,
}
STUDY = Study(
    "tiny",
    "Table 0: a study of a second",
    "quantum head",
    "classical head",
    (
        Row("Single", "single-10q", "subject", Published(90.21, 353, "II")),
        Row("Short", "single-12q", "subject", settings={"model.reuploads": 2}),
        Row("SVC", "nn-head-0", "rival", Published(89.56, 296, "II"), classical="svc"),
        Row("Logistic regression", "nn-head-0", "rival", classical="logistic_regression"),
        Row("NN head", "nn-head-0", "rival", Published(91.05, 1538, "II")),
    ),
    seeds=2,
    epochs=3,
)


def write_texts(path: Path, per_label: int = 35) -> Path:
    rows = [f"{label} text number {i}\t{label}" for i in range(per_label) for label in ("bad", "good")]
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def embed_by_hash(texts, config, *, cache_folder=None, progress=None) -> Embeddings:
    """In the place of `qllmft.embed.embed`: a noisy direction of its own for every label."""

    def vector(text: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        sign = 1 if text.startswith("good") else -1
        return (sign * np.linspace(0.2, 1, D) + np.random.default_rng(seed).normal(size=D)).astype(np.float32)

    return Embeddings(np.stack([vector(text) for text in texts]), "a hash", 0)


def row(label, side, test, *, validation=None, parameters=100, group="", published=None) -> RowResult:
    """A measured row; by default validation prefers what the test set does."""
    n = len(test)
    validation = validation or (sum(test) / n,) * n
    zeros = ("0" * 12,) * n
    return RowResult(
        label,
        side,
        group,
        "single-10q",
        "quantum head",
        published,
        zeros,
        (parameters,) * n,
        tuple(validation),
        tuple(test),
    )


def record(*rows: RowResult, **changes: Any) -> StudyRecord:
    """A study's record around ``rows``."""
    values: dict[str, Any] = {
        "study": "tiny",
        "title": "Table 0",
        "subject": "quantum head",
        "rival": "classical head",
        "reduced": "",
        "seeds": tuple(range(len(rows[0].test))),
        "epochs": 3,
        "select": "accuracy",
        "protocol": "paper",
        "redrawn": True,
        "data": DataRecord("texts.tsv", "f", ("a", "b"), {"train": 1, "validation": 1, "test": 1}),
        "body": BodyRecord("minilm", "i", D),
        "settings": {},
        "command": "qllmft study tiny",
        "rows": rows,
        "versions": {"python": ["3.12"]},
    }
    return StudyRecord(**(values | changes))
