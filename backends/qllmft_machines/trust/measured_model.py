"""A trained model whose circuits a backend runs: its answers, their price, and how far they agree with exact ones."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qllmft.answers.agreement import BackendAgreement, compare
from qllmft.answers.decision import MOST_PROBABLE, Decision, Prediction
from qllmft.answers.probabilities import Bootstrap, LabelProbabilities
from qllmft.config.data import MIN_CALIBRATION_TEXTS
from qllmft.embed.embedder import Vectors
from qllmft.run.novelty import Novelty
from qllmft_backends import Backend, Estimate, remote_or_none
from qllmft_backends.protocol import RoundsBackend
from qllmft_backends.requests import number_of_shots
from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_machines.trust.bootstrap import bootstrap
from qllmft_machines.trust.budget import ErrorBudget, error_budget
from qllmft_machines.trust.circuits import ModelCircuits, model_circuits
from qllmft_machines.trust.known_texts import (
    KNOWN_TEXTS,
    MIN_TEXTS,
    MixedTexts,
    check_known_texts,
    decide_by_known_texts,
    mix_known_texts,
    shortage_sentence,
)
from qllmft_machines.trust.measurement import measure, measure_exactly
from qllmft_machines.trust.rounds import Rounds, estimate_rounds, measure_in_rounds

if TYPE_CHECKING:
    from qllmft.inference.items import Item
    from qllmft.inference.predictor import Predictor


@dataclass(frozen=True)
class MeasuredModel:
    """Trained model whose circuits a backend runs, some for money. The predictor computes all else here.

    Attributes:
        predictor: the exact model, of a run's folder if calibration texts are asked for.
        backend: runs the circuits of the head.
        known_texts: number of calibration texts that are measured too. None: `KNOWN_TEXTS` of them, or as many as the
            run has, if the backend is noisy and there are `MIN_TEXTS` texts or more.
        rounds: number of rounds in which the shots of undecided texts are measured.
    """

    predictor: Predictor
    backend: Backend
    known_texts: int | None = None
    rounds: int = 1

    def check_decision(self, decision: Decision) -> None:
        """Raise UserError if a rule does not fit the model's labels, or needs exact probabilities."""
        self.predictor.check_decision(decision)
        if decision.coverage is not None:
            raise UserError(
                "a coverage is that of probabilities computed here, and a backend is given. Omit one of the two."
            )

    def predict(
        self, texts: Iterable[Item], decision: Decision = MOST_PROBABLE
    ) -> list[Prediction]:
        """Return the predictions for texts, or for one text, in their order. One call runs the circuits of all."""
        self.check_decision(decision)
        with closing(self.predictor):
            parts = list(self.predictor.embed_in_parts(texts))
        if not parts:
            return []
        items = [item for part, _ in parts for item in part]
        vectors = np.concatenate([part_vectors for _, part_vectors in parts])
        answers = self.answer(vectors, decision)
        unlike = self.predictor.unlike(vectors, decision)
        return list(self.predictor.predictions(items, answers, decision, unlike))

    def answer(self, vectors: Vectors, decision: Decision = MOST_PROBABLE) -> LabelProbabilities:
        """Return the answers of the backend for embeddings (N, D).

        It measures in rounds if asked, and calibration texts decide its labels if they are wanted; too few of them
        decide none.

        Raises:
            UserError: if the model gives real values, which have no probabilities.
        """
        self.predictor.check_has_labels()
        texts = self.mix_known_texts(vectors)
        rounds = self._make_rounds()
        circuits = self.circuits(texts.vectors, decision)
        answers = (
            measure(circuits, self.backend)
            if rounds is None
            else measure_in_rounds(circuits, self.backend, rounds)
        )
        if texts.known_mask.any():
            exact = self.exact(texts.vectors[texts.known_mask], decision)
            answers = decide_by_known_texts(answers, exact, texts.known_mask)
        elif texts.shortage:
            answers = replace(answers, decided=np.zeros(len(vectors), bool))
        return replace(answers, shortage=texts.shortage)

    def circuits(self, vectors: Vectors, decision: Decision = MOST_PROBABLE) -> ModelCircuits:
        """Return the circuits for embeddings (N, D) on the backend, see `model_circuits`."""
        model = self.predictor.model
        thresholds = model.label_thresholds(decision.threshold)
        return model_circuits(model.classifier, vectors, thresholds, self.backend)

    def exact(self, vectors: Vectors, decision: Decision = MOST_PROBABLE) -> LabelProbabilities:
        """Return exact answers for embeddings (N, D), with the expectation values of the circuits."""
        model = self.predictor.model
        thresholds = model.label_thresholds(decision.threshold)
        return measure_exactly(model_circuits(model.classifier, vectors, thresholds))

    def mix_known_texts(self, vectors: Vectors) -> MixedTexts:
        """Return embeddings (N, D) with those of calibration texts, whose answers show the backend's errors.

        Raises:
            UserError: if a number of them is asked for, and the model has too few to decide a label.
        """
        requested_count = self.known_texts
        check_known_texts(requested_count or 0)
        unmixed_texts = MixedTexts(vectors, np.zeros(len(vectors), bool))
        noisy = self.backend.capabilities.noisy
        if requested_count == 0 or (
            requested_count is None and not (noisy and len(vectors) >= MIN_TEXTS)
        ):
            return unmixed_texts
        try:
            candidates = self.calibration_texts()
        except UserError as problem:
            if requested_count:
                raise
            return replace(unmixed_texts, shortage=f"No label is reliable: {problem}")
        wanted_count = KNOWN_TEXTS if requested_count is None else requested_count
        shortage = shortage_sentence(len(candidates), wanted_count)
        return replace(
            mix_known_texts(vectors, candidates, min(wanted_count, len(candidates))),
            shortage=shortage,
        )

    def calibration_texts(self) -> Vectors:
        """Return the embeddings (K, D) of the run's calibration texts, or raise UserError if they decide no label."""
        check_known_texts(self.known_texts or 0)
        remedy = "set --known-texts 0, to judge labels by shot noise alone"
        folder = self.predictor.folder
        if folder is None:
            raise UserError(
                f"the model has no folder with calibration texts. Load a run, or {remedy}."
            )
        model = self.predictor.model
        texts = Novelty.load(folder, model.body_identity, model.dimension, remedy).calibration
        if len(texts) < MIN_CALIBRATION_TEXTS:
            raise UserError(
                f"{folder} has {format_count(len(texts), 'calibration text')}, expected "
                f"{MIN_CALIBRATION_TEXTS} or more. Train with more validation texts, or with data.known_texts. Or "
                f"{remedy}."
            )
        return texts

    def agreement(
        self,
        vectors: Vectors,
        answers: LabelProbabilities,
        exact: LabelProbabilities | None = None,
    ) -> BackendAgreement:
        """Compare the backend's answers for embeddings (N, D) with exact ones, which are computed unless given."""
        exact = replace(exact or self.exact(vectors), thresholds=answers.thresholds)
        shots = number_of_shots(self.backend) if answers.shots is None else answers.shots
        return compare(answers, exact, shots, mitigated=bool(self.backend.mitigation))

    def estimate(self, vectors: Vectors, *, offline: bool = False) -> Estimate:
        """Return the circuits that the remote backend would be sent for embeddings (N, D), and their price.

        ``offline``: use published prices, without a request to the server.
        """
        backend = self.backend
        remote = remote_or_none(backend)
        if remote is None:
            raise UserError(
                "a price needs a backend that sends circuits away. Name one with --backend."
            )
        texts = self.mix_known_texts(vectors)
        circuits = self.circuits(texts.vectors)
        rounds = self._make_rounds()
        if rounds is not None and isinstance(backend, RoundsBackend):
            return estimate_rounds(circuits, backend, rounds, offline=offline)
        return remote.estimate(circuits.circuit, circuits.parameters, offline=offline)

    def bootstrap(self, vectors: Vectors, repeats: int, seed: int = 0) -> Bootstrap:
        """Return the spread of the probabilities for embeddings (N, D) over bootstrap samples of the shots."""
        return bootstrap(self.circuits(vectors), self.backend, repeats, seed, self.predictor.task)

    def error_budget(
        self, vectors: Vectors, labels: NDArray[np.int64], decision: Decision = MOST_PROBABLE
    ) -> ErrorBudget:
        """Predict the accuracy on embeddings (N, D) with true labels (N,), see `budget.error_budget`."""
        classifier = self.predictor.model.classifier
        return error_budget(classifier, vectors, labels, self.backend, decision)

    def _make_rounds(self) -> Rounds | None:
        """Return the rounds of the backend's shots, None if there is one."""
        if self.rounds == 1:
            return None
        shots = number_of_shots(self.backend)
        if shots is None:
            raise UserError(
                f"--rounds divides the shots of a circuit, and {self.backend.name} has none with these options. Give "
                "--shots, or omit --rounds."
            )
        return Rounds.from_total(shots, self.rounds)
