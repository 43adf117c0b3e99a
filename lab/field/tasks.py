"""Tasks of the bench: features and labels of all seeds at once, (S, N, D) and (S, N)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lab.experiments import docstrings
from lab.experiments.common import vectors
from lab.field.plan import Plan
from lab.field.words import word_values
from qllmft import UserError
from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft_base.randomness import numpy_generator

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
REVIEWS_SPLIT = (300, 100, 200)


class Part(NamedTuple):
    """Examples of one part of the split, of all seeds."""

    x: Tensor  # (S, N, D), float32
    y: Tensor  # (S, N), float32, 0 or 1

    def take_first(self, n: int) -> Part:
        """Return the first n examples of each seed."""
        return Part(self.x[:, :n], self.y[:, :n])


class Split(NamedTuple):
    """Training, validation and test examples of all seeds."""

    train: Part
    validation: Part
    test: Part

    @property
    def digest(self) -> str:
        """Return 16 digits of the hash of all features, rounded to 3 digits, and labels."""
        digest = hashlib.sha256()
        for part in self:
            digest.update(np.round(part.x.numpy(), 3).tobytes() + part.y.numpy().tobytes())
        return digest.hexdigest()[:16]


def interaction_score(z: Floats) -> Floats:
    """Return the score (N,) of principal axes (N, 16): equation 22 of arXiv 2609.37134."""
    z1, z2, z3, z4, z5, z6, z7, z8, z9, z10, z11, z12, z13, z14, z15, z16 = z.T
    score = 1.2 * np.sin(1.4 * z1 * z2) + 0.9 * np.cos(1.1 * (z3 - z4)) + 0.8 * z5 * z6
    score += -0.55 * z7**2 + 0.45 * np.sin(z8 + z9) - 0.35 * z10 * z11
    score += 0.25 * np.cos(z12 * z13) + 0.2 * np.sin(z14 * z15 - z16)
    return np.asarray(score)


def stack(seeds_parts: list[list[tuple[Floats, NDArray[Any]]]]) -> Split:
    """Return the split whose parts are those of several seeds."""
    parts = []
    for examples in zip(*seeds_parts, strict=True):
        x = np.stack([features for features, _ in examples])
        y = np.stack([labels for _, labels in examples])
        parts.append(
            Part(torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32))
        )
    return Split(*parts)


def project(embeddings: Floats, order: Labels, sizes: tuple[int, ...], axes: int) -> list[Floats]:
    """Return the principal axes (n, axes) of the parts of an order, scaler and axes fitted on the first part."""
    parts = np.split(embeddings[order[: sum(sizes)]], np.cumsum(sizes)[:-1])
    projection = make_pipeline(StandardScaler(), PCA(axes, svd_solver="full")).fit(parts[0])
    return [projection.transform(part) for part in parts]


def draw_texts(
    embeddings: Floats, labels: Labels | None, plan: Plan, sizes: tuple[int, int, int]
) -> Split:
    """Return the task of texts with their own labels, or with labels that equation 22 plants.

    Args:
        embeddings: of all texts, (N, D).
        labels: of the texts, (N,); None plants labels with the median of the training texts as threshold.
        plan: seeds and number of axes.
        sizes: numbers of training, validation and test texts.
    """
    seeds_parts = []
    for seed in plan.seeds:
        order = numpy_generator(seed, "field texts").permutation(len(embeddings))
        features = project(embeddings, order, sizes, plan.texts["axes"])
        if labels is None:
            threshold = np.median(interaction_score(features[0]))
            parts_labels = [interaction_score(z) > threshold for z in features]
        else:
            parts_labels = np.split(labels[order[: sum(sizes)]], np.cumsum(sizes)[:-1])
        seeds_parts.append(list(zip(features, parts_labels, strict=True)))
    return stack(seeds_parts)


def draw_bits(bits: int, plan: Plan) -> Split:
    """Return the task whose label is the majority of hidden words: products of two or more of n bits ±1."""
    settings = plan.bits
    sizes = (settings["training"], settings["validation"], settings["test"])
    seeds_parts = []
    for seed in plan.seeds:
        random = numpy_generator(seed, f"field words of {bits} bits")
        words = np.array(
            [
                random.permutation(np.arange(bits) < random.integers(2, bits + 1))
                for _ in range(settings["words"])
            ]
        )
        parts = []
        for part, size in enumerate(sizes):
            x = random.choice([-1.0, 1.0], (size, bits))
            votes = word_values(x, words).sum(axis=1)
            flips = random.random(size) < (settings["flips"] if part < 2 else 0.0)
            parts.append((x, (votes > 0) ^ flips))
        seeds_parts.append(parts)
    return stack(seeds_parts)


@cache
def labelled_embeddings(source: str, body: str) -> tuple[Floats, Labels]:
    """Return the embeddings and the labels of all texts of a data set, each text once.

    Args:
        source: folder of files, or the name of the reviews that the package includes.
        body: name of the language model.
    """
    corpus = read_corpus(DataConfig(source=source)).join_splits()
    label_of_text = dict(zip(corpus.texts, corpus.labels, strict=True))
    return vectors(label_of_text, body).astype(np.float64), np.array(list(label_of_text.values()))


@cache
def docstring_embeddings(body: str) -> Floats:
    """Return the embeddings of first sentences of docstrings of all sub-packages."""
    texts = [text for sentences in docstrings.classes().values() for text in sentences]
    return vectors(texts, body).astype(np.float64)


def make_tasks(plan: Plan, sst2: str | None) -> dict[str, Callable[[], Split]]:
    """Return the makers of the tasks by name.

    Args:
        plan: of the bench.
        sst2: folder of SST-2, without which its tasks raise a UserError.
    """
    texts = plan.texts
    body = texts["body"]
    sizes = (texts["training"], texts["validation"], texts["test"])

    def few(split: Split) -> Split:
        return split._replace(train=split.train.take_first(texts["few"]))

    def sentences() -> tuple[Floats, Labels]:
        if sst2 is None:
            raise UserError("the task needs SST-2. Give its folder with --sst2.")
        return labelled_embeddings(sst2, body)

    return {
        "planted, SST-2": lambda: draw_texts(sentences()[0], None, plan, sizes),
        "planted, docstrings": lambda: draw_texts(docstring_embeddings(body), None, plan, sizes),
        "few": lambda: few(draw_texts(sentences()[0], None, plan, sizes)),
        "SST-2": lambda: draw_texts(*sentences(), plan, sizes),
        "SST-2, few": lambda: few(draw_texts(*sentences(), plan, sizes)),
        "5 bits": lambda: draw_bits(5, plan),
        "8 bits": lambda: draw_bits(8, plan),
        "10 bits": lambda: draw_bits(10, plan),
        "reviews": lambda: draw_texts(*labelled_embeddings("reviews", body), plan, REVIEWS_SPLIT),
    }
