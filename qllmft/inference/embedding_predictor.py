"""Answers of a trained model for embeddings, computed here or measured by a backend."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.answers.agreement import BackendAgreement
from qllmft.answers.decision import MOST_PROBABLE, Decision
from qllmft.answers.probabilities import Bootstrap, Floats, LabelProbabilities
from qllmft.embed.embedder import Vectors
from qllmft.model import StoredModel
from qllmft.run.novelty import Novelty
from qllmft.tasks import TASKS, Task
from qllmft.training import compute_noise_logits, finite_logits
from qllmft_backends import Backend, Estimate
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft_machines.trust.budget import ErrorBudget
    from qllmft_machines.trust.circuits import ModelCircuits
    from qllmft_machines.trust.known_texts import MixedTexts
    from qllmft_machines.trust.measured_model import MeasuredModel


class EmbeddingPredictor:
    """Trained model that takes embeddings. `Predictor` adds the body, which takes texts."""

    model: StoredModel
    backend: Backend | None  # of the head's circuit; None computes it here, exactly
    folder: Path | None  # source of the model
    known_texts: int | None  # calibration texts that a noisy backend measures too
    rounds: int  # in which a backend measures the shots of undecided texts

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

    def check_decision(self, decision: Decision) -> None:
        """Raise UserError if a rule does not fit the model's labels."""
        decision.check(self.model.label_names, several=self.task.several)
        if decision.coverage is not None:
            self.check_one_label("a coverage is about")
            if self.backend is not None:
                raise UserError(
                    "a coverage is that of probabilities computed here, and a backend is given. Omit one of the two."
                )
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
        """Return the answers for embeddings (N, D), from the backend if there is one.

        The backend measures in rounds if asked, and calibration texts decide its labels if they are wanted; too few of
        them decide none.

        Raises:
            UserError: if the model gives real values, which have no probabilities.
        """
        if self.task.real:
            raise UserError(
                f"the model gives {self.task.gives(self.model.label_names)}. Use "
                "Predictor.values, `qllmft predict` or `qllmft evaluate`, without --backend."
            )
        if self.backend is None:
            logits = finite_logits(self.model.classifier, torch.from_numpy(vectors))
            probabilities = self.task.probabilities(logits)
            assert probabilities is not None
            return LabelProbabilities.exact(
                probabilities, self.model.label_thresholds(decision.threshold)
            )
        return self._measured.answer(vectors, decision)

    @property
    def _measured(self) -> MeasuredModel:
        """Return the model as the backend measures it."""
        from qllmft_machines.trust.measured_model import (
            MeasuredModel,  # the exact model needs none of it
        )

        return MeasuredModel(self.model, self.backend, self.folder, self.known_texts, self.rounds)

    def exact(self, vectors: Vectors, decision: Decision = MOST_PROBABLE) -> LabelProbabilities:
        """Return exact answers for embeddings (N, D), with the expectation values of the circuits."""
        return self._measured.exact(vectors, decision)

    def circuits(
        self,
        vectors: Vectors,
        decision: Decision = MOST_PROBABLE,
        backend: Backend | None = None,
    ) -> ModelCircuits:
        """Return the circuits for embeddings (N, D) on a backend, see `model_circuits`."""
        return replace(self._measured, backend=backend).circuits(vectors, decision)

    def with_known_texts(self, vectors: Vectors) -> MixedTexts:
        """Return embeddings (N, D) with those of calibration texts, see `MeasuredModel.mix_known_texts`."""
        return self._measured.mix_known_texts(vectors)

    def calibration_texts(self) -> Vectors:
        """Return the embeddings (K, D) of the run's calibration texts, or raise UserError if they decide no label."""
        return self._measured.calibration_texts()

    def agreement(self, vectors: Vectors, answers: LabelProbabilities) -> BackendAgreement:
        """Compare the backend's answers for embeddings (N, D) with exact ones."""
        return self._measured.agreement(vectors, answers)

    def estimate(self, vectors: Vectors, *, offline: bool = False) -> Estimate:
        """Return the circuits that the remote backend would be sent for embeddings (N, D), and their price.

        ``offline``: use published prices, without a request to the server.
        """
        return self._measured.estimate(vectors, offline=offline)

    def bootstrap(self, vectors: Vectors, repeats: int, seed: int = 0) -> Bootstrap:
        """Return the spread of the probabilities for embeddings (N, D) over bootstrap samples of the shots."""
        return self._measured.bootstrap(vectors, repeats, seed)

    def error_budget(
        self, vectors: Vectors, labels: NDArray[np.int64], decision: Decision = MOST_PROBABLE
    ) -> ErrorBudget:
        """Predict the accuracy of the backend on embeddings (N, D) with true labels (N,); nothing is sent."""
        return self._measured.error_budget(vectors, labels, decision)

    def compute_load(self, vectors: Vectors, decision: Decision = MOST_PROBABLE) -> float | None:
        """Return the share of answers for embeddings (N, D) that change if the measured circuits return only noise.

        See `Task.changed_share`. None: the model measures no circuit.
        """
        x = torch.from_numpy(vectors)
        noise = compute_noise_logits(self.model.classifier, x)
        if noise is None:
            return None

        answers = []
        for logits in (finite_logits(self.model.classifier, x), noise):
            p = self.task.probabilities(logits)
            label_probabilities = (
                None
                if p is None
                else LabelProbabilities.exact(p, self.model.label_thresholds(decision.threshold))
            )
            answers.append(
                self.task.answers(logits)
                if label_probabilities is None
                else decision.answers(label_probabilities)
            )
        return self.task.changed_share(*answers)
