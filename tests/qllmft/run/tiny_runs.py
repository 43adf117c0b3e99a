"""A whole run of a second: a corpus of made-up texts, a body that is a hash, a head of three qubits."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qllmft.config import BodyConfig, RunConfig, parse_config
from qllmft.embed import Embeddings

D = 8
PER_LABEL = 20  # drawn: 34 to train on, 6 to validate, of two labels
LABELS = ("bad", "good")


def write_corpus(path: Path, per_label: int = 35, labels: Sequence[str] = LABELS) -> Path:
    rows = [f"{label} text number {i}\t{label}" for i in range(per_label) for label in labels]
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def settings(corpus: Path) -> dict[str, Any]:
    return {
        "seed": 3,
        "data": {"source": str(corpus), "n_per_label": PER_LABEL},
        "body": {"model": "hash"},
        "model": {"n_qubits": 3, "encoder_layers": 2, "reuploads": 2},
        "train": {"epochs": 4, "lr": 0.05, "embedding_noise": 0.05},
        "rivals": {"grid": "small"},
    }


def config(corpus: Path, **changes: Any) -> RunConfig:
    """The tiny configuration with changes such as ``train__epochs=9``."""
    tree = settings(corpus)
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            tree.setdefault(section, {})[key] = value
        else:
            tree[section] = value
    return parse_config(tree, "the test")


def vector(text: str) -> np.ndarray:
    """A noisy direction of its own for every label, of no particular length."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    of_label = int.from_bytes(hashlib.sha256(text.split()[0].encode()).digest()[:8], "little")
    mean = np.random.default_rng(of_label).normal(size=D)
    return (3 * (mean + np.random.default_rng(seed).normal(size=D))).astype(np.float32)


@dataclass
class HashBody:
    """Stands for `qllmft.embed.embed`, and keeps the texts of every call."""

    identity: str = "the hash body"
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, texts: Sequence[str], config: BodyConfig, *, cache_folder=None, progress=None) -> Embeddings:
        self.calls.append(list(texts))
        if progress:
            progress(len(texts))
        return Embeddings(np.stack([vector(text) for text in texts]), self.identity, 0)


def without_seconds(result: dict[str, Any]) -> dict[str, Any]:
    return result | {"models": [{k: v for k, v in row.items() if k != "seconds"} for row in result["models"]]}
