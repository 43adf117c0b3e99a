"""Exact answers of a trained model for embeddings."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.answers.decision import MOST_PROBABLE, Decision
from qllmft.answers.probabilities import Floats, LabelProbabilities
from qllmft.embed.embedder import Vectors
from qllmft.model import StoredModel
from qllmft.run.novelty import Novelty
from qllmft.tasks import TASKS, Task
from qllmft.training import compute_noise_logits, finite_logits
from qllmft_base.errors import UserError


class EmbeddingPredictor:
    """Trained model that takes embeddings. `Predictor` adds the body, which takes texts."""

    model: StoredModel
    folder: Path | None  # source of the model

    @property
    def task(self) -> Task:
        """Return the meaning of the model's outputs."""
        return TASKS[self.model.task]

    def check_one_label(self, purpose: str) -> None:
        """Raise UserError if texts have any number of labels, or real targets."""
        if not self.task.one_label:
            raise UserError(
                f"{purpose} one label per text, and the model gives {self.task.gives(self.model.label_names)}. Use "
                "`qllmft predict` or `qllmft evaluate`."
            )

    def check_has_labels(self) -> None:
        """Raise UserError if the model gives real values."""
        if self.task.real:
            raise UserError(
                f"the model gives {self.task.gives(self.model.label_names)}. Use "
                "Predictor.values, `qllmft predict` or `qllmft evaluate`, without --backend."
            )

    def check_decision(self, decision: Decision) -> None:
        """Raise UserError if a rule does not fit the model's labels."""
        decision.check(self.model.label_names, several=self.task.several)
        if decision.coverage is not None:
            self.check_one_label("a coverage is about")
        if decision.novelty is not None:
            self.novelty.distance_limit(decision.novelty)

    @cached_property
    def novelty(self) -> Novelty:
        """Return the training texts' embeddings of the run, or raise UserError if there are none."""
        model = self.model
        if self.folder is None:
            raise UserError("texts are compared with those of a run, and the model has no folder.")
        return Novelty.load(self.folder, model.body_identity, model.dimension)

    def unlike(self, vectors: Vectors, decision: Decision) -> NDArray[np.bool_] | None:
        """Return whether the texts of embeddings (N, D) differ from the training texts, or None without a mark."""
        return (
            None
            if decision.novelty is None
            else self.novelty.out_of_distribution(vectors, decision.novelty)
        )

    def target_values(self, vectors: Vectors) -> Floats:
        """Return the real values (N, T) for embeddings (N, D), for a model of real targets."""
        return self.task.answers(finite_logits(self.model.classifier, torch.from_numpy(vectors)))

    def answer(self, vectors: Vectors, decision: Decision = MOST_PROBABLE) -> LabelProbabilities:
        """Return the exact answers for embeddings (N, D).

        Raises:
            UserError: if the model gives real values, which have no probabilities.
        """
        self.check_has_labels()
        logits = finite_logits(self.model.classifier, torch.from_numpy(vectors))
        probabilities = self.task.probabilities(logits)
        assert probabilities is not None
        return LabelProbabilities.exact(
            probabilities, self.model.label_thresholds(decision.threshold)
        )

    def compute_circuit_dependence(
        self, vectors: Vectors, decision: Decision = MOST_PROBABLE
    ) -> float | None:
        """Return the share of answers for embeddings (N, D) that change if the measured circuits return only noise.

        See `Task.changed_share`. None: the model measures no circuit.
        """
        x = torch.from_numpy(vectors)
        noise = compute_noise_logits(self.model.classifier, x)
        if noise is None:
            return None
        thresholds = self.model.label_thresholds(decision.threshold)
        answers = []
        for logits in (finite_logits(self.model.classifier, x), noise):
            p = self.task.probabilities(logits)
            answers.append(
                self.task.answers(logits)
                if p is None
                else decision.answers(LabelProbabilities.exact(p, thresholds))
            )
        return self.task.changed_share(*answers)
