"""A whole run of a second: a corpus of made-up texts, a body that is a hash, a head of three qubits."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_texts import write_corpus as write_corpus
from stopped_runs import without_seconds

from qllmft.config import BodyConfig, RunConfig, parse_config
from qllmft.embed import BodyLocation, Embeddings
from qllmft.run import Outcome, RunFolder
from qllmft_backends import Backend, create

D = 8
PER_LABEL = 20  # drawn: 34 to train on, 6 to validate, of two labels
LABELS = ("bad", "good")


def settings(corpus: Path) -> dict[str, Any]:
    return {
        "seed": 3,
        "data": {"source": str(corpus), "n_per_label": PER_LABEL},
        "body": {"model": "hash"},
        "model": {"n_qubits": 3, "encoder_layers": 2, "reuploads": 2},
        "train": {"epochs": 4, "lr": 0.05, "embedding_noise": 0.05},
        "baselines": {"grid": "small"},
    }


def config(corpus: Path, **changes: Any) -> RunConfig:
    """The tiny configuration with changes such as ``train__epochs=9``."""
    return changed(settings(corpus), changes)


def changed(tree: dict[str, Any], changes: dict[str, Any]) -> RunConfig:
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
    """Replacement of `qllmft.embed.embed` that keeps the texts of every call."""

    identity: str = "the hash body"
    calls: list[list[str]] = field(default_factory=list)

    def __call__(
        self, texts: Sequence[str], config: BodyConfig, *, cache_folder=None, progress=None
    ) -> Embeddings:
        self.calls.append(list(texts))
        if progress:
            progress(len(texts))
        return Embeddings(np.stack([vector(text) for text in texts]), self.identity)


class LoadedHashBody:
    """Replacement of a loaded body that counts its batches."""

    loaded = 0

    def __init__(self, config, *, light=False) -> None:
        type(self).loaded += 1
        self.location = BodyLocation("nowhere", HashBody.identity)
        self.batches: list[int] = []

    def encode(self, texts) -> np.ndarray:
        self.batches.append(len(texts))
        return np.stack([vector(text) for text in texts])


def assert_same(ours: RunFolder, expected: Outcome) -> None:
    """Every bit of the model, every figure of the record, every line of the metrics; the seconds aside."""
    assert without_seconds(ours.read_result().to_json()) == without_seconds(
        expected.record.to_json()
    )
    for file in (
        "model/model.safetensors",
        "model/model.json",
        "checkpoint/state.safetensors",
        "config.toml",
    ):
        assert (ours.path / file).read_bytes() == (expected.folder.path / file).read_bytes()
    lines = [
        [replace(m, seconds=0.0) for m in folder.metrics()] for folder in (ours, expected.folder)
    ]
    assert lines[0] == lines[1]
    assert [m.epoch for m in lines[0]] == [1, 2, 3, 4]


def backend_named(name: str, **options: Any) -> Backend:
    """A backend; Aer's run on one thread, and skip the test if Aer is not installed."""
    if name.startswith("aer"):
        pytest.importorskip(
            "qiskit_aer", reason="qiskit-aer is not installed: pip install '.[aer]'"
        )
        options["max_parallel_threads"] = 1
    return create(name, options)
