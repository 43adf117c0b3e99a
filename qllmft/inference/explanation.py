"""Explanation of one answer: the nearest training texts, and words left out one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qllmft.answers.decision import Prediction
from qllmft.events import OnEvent, ignore
from qllmft.inference.predictor import Predictor
from qllmft.inference.run_texts import texts_of_run
from qllmft_base.errors import UserError


@dataclass(frozen=True)
class Neighbour:
    """Training text near the explained one."""

    text: str
    label: str  # its label in the data
    cosine: float  # of the angle between the two embeddings, in [-1, 1]


@dataclass(frozen=True)
class WordEffect:
    """Effect of one word on the answer."""

    word: str
    position: int  # in the text, from 1
    effect: float  # probability of the answer with the word minus that without it
    label: str  # answer without the word


@dataclass(frozen=True)
class Explanation:
    """Explanation of one answer."""

    prediction: Prediction
    words: tuple[WordEffect, ...]  # the largest effects first; none for a single word
    neighbours: tuple[Neighbour, ...]  # the nearest first
    note: str = ""  # reason for which there are no neighbours

    def as_dict(self) -> dict[str, object]:
        """Return the explanation for JSON."""
        return {
            "text": self.prediction.text,
            "label": self.prediction.label,
            "probabilities": self.prediction.probabilities,
            "words": [asdict(word) for word in self.words],
            "neighbours": [asdict(neighbour) for neighbour in self.neighbours],
            "note": self.note or None,
        }


@dataclass(frozen=True)
class TrainingTexts:
    """Training texts of a run with their embeddings, among which neighbours are found."""

    texts: list[str]
    labels: list[str]  # of each text, in the data
    vectors: NDArray[np.float64]  # (N, D)

    @classmethod
    def load(cls, predictor: Predictor, run: Path, on_event: OnEvent = ignore) -> TrainingTexts:
        """Read and embed the training texts of a run.

        Raises:
            UserError: if they cannot be read, or are embedded by another body than the model's.
        """
        _, corpus, splits = texts_of_run(run)
        (examples,) = predictor.embed_tables({"": splits.train}, on_event)
        labels = [corpus.label_names[label] for label in splits.train.labels]
        return cls(splits.train.texts, labels, examples.x.numpy().astype(np.float64))

    def nearest(self, vector: NDArray[np.float32], count: int) -> tuple[Neighbour, ...]:
        """Return the ``count`` texts that are nearest to an embedding (D,)."""
        query = vector.astype(np.float64)
        lengths = np.linalg.norm(self.vectors, axis=1) * np.linalg.norm(query)
        cosines = self.vectors @ query / lengths
        best = np.argsort(-cosines, kind="stable")[:count].tolist()
        return tuple(Neighbour(self.texts[i], self.labels[i], float(cosines[i])) for i in best)


def explain_text(
    predictor: Predictor,
    text: str,
    load_training_texts: Callable[[], TrainingTexts],
    nearest: int = 5,
) -> Explanation:
    """Explain the answer of a model for a text.

    Args:
        predictor: the model.
        text: the text.
        load_training_texts: returns the training texts; its UserError becomes the explanation's note.
        nearest: number of training texts in the explanation.

    Raises:
        UserError: if the model gives several labels per text, real values, or answers for pairs.
    """
    predictor.check_one_label("an explanation is about")
    if predictor.model.pair is not None:
        raise UserError(
            "an explanation is about one text, and the model compares two. Use predict for pairs."
        )
    words = text.split()
    word_indices = range(len(words) if len(words) > 1 else 0)  # of words that can be left out
    shorter_texts = [" ".join(words[:i] + words[i + 1 :]) for i in word_indices]
    full_prediction, *shorter_predictions = predictor.predict([text, *shorter_texts])
    probability = full_prediction.probabilities[full_prediction.label]
    effects = [
        WordEffect(
            word,
            position,
            probability - shorter_prediction.probabilities[full_prediction.label],
            shorter_prediction.label,
        )
        for position, (word, shorter_prediction) in enumerate(
            zip(words, shorter_predictions, strict=False), start=1
        )
    ]
    effects.sort(key=lambda effect: -abs(effect.effect))
    try:
        neighbours = load_training_texts().nearest(predictor.embed([text])[0], nearest)
        note = ""
    except UserError as error:
        neighbours = ()
        note = str(error)
    return Explanation(full_prediction, tuple(effects), neighbours, note)
