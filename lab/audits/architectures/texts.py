"""Texts of two tasks, and the vectors of their tokens by the frozen model all-MiniLM-L6-v2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from lab.audits.architectures.model import Ints
from qllmft import load_preset
from qllmft.config import BodyConfig
from qllmft.embed import Body
from qllmft.run import SharedInputs

Floats = NDArray[np.float64]
MAX_WORDS = 10  # of SST-2
TESTED = 200
TRAINED = 70  # of 162 sentences; as the task MC of Lorenz et al.
MAX_TOKENS = 10

# sentences with the grammar of MC and other words: subjects and one verb are shared by both labels
SUBJECTS = ("student", "neighbour", "guest")
VERBS = (("makes", "boils", "tastes"), ("makes", "compiles", "installs"))
OBJECTS = (("soup", "pudding", "salad"), ("script", "driver", "database"))
SUBJECT_ADJECTIVE = "clever"
OBJECT_ADJECTIVES = ("fresh", "fast")


@dataclass(frozen=True)
class Task:
    """Training and test texts with their labels."""

    train: Sequence[str]
    y: Ints
    test: Sequence[str]
    y_test: Ints
    numbers: tuple[Tensor, Tensor] | None = None  # places of the texts in `sentences`


def sentences() -> tuple[list[list[tuple[str, str]]], Ints]:
    """Return sentences about a kitchen (label 0) or a computer (1), as pairs of a word and its kind."""
    tagged_sentences = []
    labels = []
    for label, (verbs, objects) in enumerate(zip(VERBS, OBJECTS, strict=True)):
        for subject, verb, thing in product(SUBJECTS, verbs, objects):
            plain = [(subject, "noun"), (verb, "verb"), (thing, "noun")]
            adjective = (OBJECT_ADJECTIVES[label], "adjective")
            with_subject = [(SUBJECT_ADJECTIVE, "adjective"), *plain]
            tagged_sentences += [plain, with_subject, [*plain[:2], adjective, plain[2]]]
            labels += [label] * 3
    return tagged_sentences, np.array(labels)


def kitchen_or_computer(seed: int) -> Task:
    """Return 70 drawn sentences for training and the other 92 for the test."""
    all_sentences, y = sentences()
    texts = [" ".join(word for word, _ in sentence) for sentence in all_sentences]
    order = np.random.default_rng(seed).permutation(len(texts))
    train = order[:TRAINED]
    test = order[TRAINED:]
    numbers = torch.from_numpy(train), torch.from_numpy(test)
    return Task([texts[i] for i in train], y[train], [texts[i] for i in test], y[test], numbers)


def sst2(folder: str, seed: int) -> Task:
    """Return SST-2's texts of up to 10 words: all of the paper's training and validation split, 200 of the test."""
    data = load_preset("single-10q").config({"data.source": folder}).data
    splits = SharedInputs().splits(data, seed)
    training_texts = [*splits.train.texts, *splits.validation.texts]
    y = np.concatenate([splits.train.labels, splits.validation.labels])
    train = _short(training_texts)
    test = _short(splits.test.texts)
    test = np.random.default_rng(seed).permutation(test)[:TESTED]
    test_texts = [splits.test.texts[i] for i in test]
    return Task([training_texts[i] for i in train], y[train], test_texts, splits.test.labels[test])


def _short(texts: Sequence[str]) -> Ints:
    return np.flatnonzero([len(text.split()) <= MAX_WORDS for text in texts])


def token_vectors(texts: Sequence[str]) -> list[Floats]:
    """Return the vectors (S, 384) of each text's first 10 tokens, without [CLS] and [SEP]."""
    transformer = Body(BodyConfig(model="minilm")).transformer
    token_tensors = transformer.encode(list(texts), output_value="token_embeddings")
    vectors = [np.asarray(tensor.cpu().numpy(), np.float64) for tensor in token_tensors]
    return [text_vectors[1:-1][:MAX_TOKENS] for text_vectors in vectors]


def reduce_tokens(train: list[Floats], test: list[Floats], size: int) -> tuple[Tensor, Tensor]:
    """Return texts (N, 10, size): principal components of their tokens, zeros where a text has ended.

    Components are those of the training tokens; the first has deviation 1.
    """
    components = PCA(size, random_state=0).fit(np.concatenate(train))
    scale = float(components.explained_variance_[0]) ** 0.5

    def pack_texts(texts: list[Floats]) -> Tensor:
        x = torch.zeros(len(texts), MAX_TOKENS, size, dtype=torch.float64)
        for row, tokens in enumerate(texts):
            x[row, : len(tokens)] = torch.from_numpy(components.transform(tokens) / scale)
        return x

    return pack_texts(train), pack_texts(test)
