"""A trained model against labelled texts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qllmft.config import EMBEDDED, DataConfig
from qllmft.data import Corpus, Table, read_corpus, split_corpus
from qllmft.errors import UserError
from qllmft.events import OnEvent, ignore
from qllmft.files import found_beside
from qllmft.inference.measurement import Agreement, compare, shots_of, trajectories_of
from qllmft.inference.predictor import Predictor
from qllmft.randomness import numpy_generator
from qllmft.run.folder import RunFolder
from qllmft.run.vectors import embed_tables
from qllmft.statistics import Accuracy, ClassScores, confusion_of
from qllmft_backends import Backend


@dataclass(frozen=True)
class Evaluation:
    """How a model did.

    Attributes:
        source: of the texts.
        label_names: k names.
        confusion: k rows (true label) of k counts (predicted label).
        backend: what ran the head; None: it was computed here, exactly.
        agreement: of the backend with the exact model; None where there is no backend.
        measured: on what shots and error trajectories, in words; "" where there is no gate noise of ours.
    """

    source: str
    label_names: tuple[str, ...]
    confusion: list[list[int]]
    backend: str | None = None
    agreement: Agreement | None = None
    measured: str = ""

    @property
    def accuracy(self) -> Accuracy:
        """Right answers, with their interval."""
        counts = np.array(self.confusion)
        return Accuracy(int(np.trace(counts)), int(counts.sum()))

    @property
    def classes(self) -> ClassScores:
        """The answers class by class."""
        return ClassScores.of(np.array(self.confusion))

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "source": self.source,
            "accuracy": self.accuracy.as_dict(),
            "classes": self.classes.as_dict(),
            "labels": list(self.label_names),
            "confusion": self.confusion,
            "backend": self.backend,
            "measured": self.measured or None,
            "agreement": asdict(self.agreement) if self.agreement else None,
        }


@dataclass(frozen=True)
class Subset:
    """Some of the texts, for a backend where each costs time or money."""

    size: int  # how many
    seed: int | None = None  # draws them at random; None: the first ones

    def of(self, table: Table) -> Table:
        """The subset of ``table``; all of it where it is not larger."""
        size = min(self.size, len(table))
        rows = np.arange(size)
        if self.seed is not None:
            rows = np.sort(numpy_generator(self.seed, "subset").choice(len(table), size, replace=False))
        return table.take(rows)

    def __str__(self) -> str:
        return f"the first {self.size}" if self.seed is None else f"{self.size} drawn with seed {self.seed}"


def evaluate_run(
    run: Path,
    data: DataConfig | None = None,
    split: str | None = None,
    on_event: OnEvent = ignore,
    *,
    backend: Backend | None = None,
    subset: Subset | None = None,
) -> Evaluation:
    """Evaluate a run's model; UserError where model and data do not fit together.

    Args:
        run: the run's folder.
        data: labelled texts; the run's own test set where None.
        split: which split of ``data``; its test split, or all of it, where None.
        on_event: receives the progress of embedding.
        backend: what runs the head; None: it is computed here, exactly.
        subset: which of the texts; None: all.
    """
    predictor = Predictor.load(run, backend)
    question = _read(run, predictor, data, split, subset)
    vectors = _embed(predictor, question, on_event)
    agreement = None
    if backend is None:
        predicted = predictor.probabilities(vectors).argmax(axis=1)
    else:
        measured = predictor.measure(vectors)
        predicted = measured.probabilities.argmax(axis=1)
        agreement = compare(measured, predictor.exact(vectors), shots_of(backend))
    names = predictor.model.label_names
    confusion = confusion_of(question.labels, predicted, len(names)).tolist()
    words = trajectories_of(backend) if backend else ""
    return Evaluation(question.source, names, confusion, backend.name if backend else None, agreement, words)


def estimate_run(
    run: Path,
    data: DataConfig | None = None,
    split: str | None = None,
    on_event: OnEvent = ignore,
    *,
    backend: Backend,
    subset: Subset | None = None,
    offline: bool = False,
) -> object:
    """What `evaluate_run` would send to ``backend``, and its price, ``offline`` or not: see `Predictor.estimate`."""
    predictor = Predictor.load(run, backend)
    return predictor.estimate(_embed(predictor, _read(run, predictor, data, split, subset), on_event), offline=offline)


@dataclass(frozen=True)
class _Question:
    """Texts to evaluate on."""

    source: str
    table: Table
    labels: NDArray[np.int64]  # (N,) indices into the model's label names


def _read(
    run: Path, predictor: Predictor, data: DataConfig | None, split: str | None, subset: Subset | None
) -> _Question:
    """The texts that `evaluate_run` is asked for."""
    if data is None:
        folder = RunFolder(run)
        config = folder.read_config()
        given = config.data
        if given.source != EMBEDDED:
            given = given.model_copy(update={"source": found_beside(given.source, run)})
        corpus = read_corpus(given)
        result = folder.read_result()
        if result and result.data.fingerprint != corpus.fingerprint:  # texts that it learned from may be in it
            raise UserError(
                f"{corpus.source} has changed since the run, so the run's test set cannot be told from what it learned "
                "from. Give the texts to evaluate on with --data."
            )
        table, source = split_corpus(corpus, config.data, config.seed).test, f"{corpus.source} (the run's test set)"
    else:
        corpus = read_corpus(data)
        table, source = _chosen(corpus, split)
    if subset is not None:
        table, source = subset.of(table), f"{source}, {subset}"
    return _Question(source, table, _labels_of_model(corpus, table, predictor.model.label_names))


def _embed(predictor: Predictor, question: _Question, on_event: OnEvent) -> NDArray[np.float32]:
    """Embeddings (N, D) of the texts by the model's body."""
    predictor.check_located_body()
    identity, (examples,) = embed_tables({"": question.table}, predictor.model.body, on_event)
    predictor.check_body(identity)
    return examples.x.numpy()


def _chosen(corpus: Corpus, split: str | None) -> tuple[Table, str]:
    """One split of the corpus, or all of it."""
    name = split or ("test" if "test" in corpus.splits else None)
    if name is None:
        return corpus.pooled(), corpus.source
    if name not in corpus.splits:
        raise UserError(
            f"{corpus.source} has no split {name!r}; it has {', '.join(corpus.splits)}. Choose with --split."
        )
    return corpus.splits[name], f"{corpus.source}, split {name}"


def _labels_of_model(corpus: Corpus, table: Table, names: tuple[str, ...]) -> NDArray[np.int64]:
    """The table's labels as indices into the model's label names."""
    unknown = sorted(set(corpus.label_names) - set(names))
    if unknown:
        raise UserError(
            f"{corpus.source} has the labels {', '.join(corpus.label_names)}; the model knows {', '.join(names)}. "
            "Evaluate on texts with the labels that it was trained on."
        )
    return np.array([names.index(name) for name in corpus.label_names], dtype=np.int64)[table.labels]
