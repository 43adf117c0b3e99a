"""Real values of a model for texts, and scores of them or of several labels on texts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.errors import UserError
from qllmft.inference.measurement import Agreement
from qllmft.model.store import StoredModel
from qllmft.tasks.multilabel import LabelSetScores
from qllmft.tasks.regression import TargetScores
from qllmft.training import finite_logits


@dataclass(frozen=True)
class TargetPrediction:
    """Values of one text."""

    text: str
    values: dict[str, float]  # by the target's name


def values_of(model: StoredModel, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return values (N, T) of embeddings (N, D)."""
    return np.asarray(finite_logits(model.classifier, torch.from_numpy(vectors)).double().numpy())


@dataclass(frozen=True)
class TargetEvaluation:
    """Result of a model on texts with real targets, or with several labels each."""

    source: str  # of the texts
    target_names: tuple[str, ...]  # names of the T targets, or of the labels
    scores: TargetScores | LabelSetScores
    # number of texts that training or validation used; None if its texts cannot be read
    trained_on: int | None
    # name of the backend of the head's circuit; None if it was computed here, exactly
    backend: str | None = None
    # of the backend with the exact model; None without a backend
    agreement: Agreement | None = None

    @property
    def n_texts(self) -> int:
        """Return the number of texts."""
        return self.scores.total

    def as_dict(self) -> dict[str, object]:
        """Return the result for JSON."""
        kind = "labels" if isinstance(self.scores, LabelSetScores) else "targets"
        names = {
            "source": self.source,
            "trained_on": self.trained_on,
            kind: list(self.target_names),
        }
        measured = (
            {}
            if self.agreement is None
            else {"backend": self.backend, "agreement": asdict(self.agreement)}
        )
        return {**names, "scores": self.scores.as_dict(), **measured}


def check_targets(names: tuple[str, ...], data: DataConfig) -> None:
    """Raise UserError unless the columns of ``data`` are the model's targets, in number."""
    if len(data.label_columns) != len(names):
        raise UserError(
            f"the columns of targets are {', '.join(data.label_columns)}, and the model has the targets "
            f"{', '.join(names)}. Give the run's own columns, or --label-column."
        )
