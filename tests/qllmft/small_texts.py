"""Corpora of made-up texts, and a body that is a hash."""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qllmft.embed import Embeddings

GOOD, BAD = ("good", "great", "fine", "lovely"), ("bad", "awful", "dull", "poor")
DIMENSION = 8  # of `embed_by_hash`


def write_corpus(path: Path, per_label: int = 35, labels: Sequence[str] = ("bad", "good")) -> Path:
    """A table of numbered texts, each of which begins with its label; columns text and label."""
    rows = [f"{label} text number {i}\t{label}" for i in range(per_label) for label in labels]
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_reviews(path: Path, per_label: int = 40) -> Path:
    """A table of short reviews whose labels the tiny body can tell apart; columns label and text."""
    rng = random.Random(1)
    rows = []
    for i in range(per_label):
        for label, words in (("positive", GOOD), ("negative", BAD)):
            rest = rng.choices(["film", "plot", "cast", "score", "ending", "very"], k=3)
            rows.append(f"{label}\t{' '.join([rng.choice(words), *rest, rng.choice(words)])} {i}\n")
    path.write_text("label\ttext\n" + "".join(rows), encoding="utf-8")
    return path


def embed_by_hash(texts, config, *, cache_folder=None, progress=None) -> Embeddings:
    """Replacement of `qllmft.embed.embed`: a noisy direction, the opposite one for texts that begin with 'good'."""
    if progress:
        progress(len(texts))
    return Embeddings(np.stack([_vector(text) for text in texts]), "a hash", 0)


def _vector(text: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    sign = 1 if text.startswith("good") else -1
    noise = np.random.default_rng(seed).normal(size=DIMENSION)
    return (sign * np.linspace(0.2, 1, DIMENSION) + noise).astype(np.float32)
