"""Evaluation of a trained model on labelled texts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import starmap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qllmft.answers.agreement import BackendAgreement
from qllmft.answers.decision import MOST_PROBABLE, Decision
from qllmft.answers.probabilities import LabelProbabilities
from qllmft.inference.labelled_texts import LabelledTexts
from qllmft.inference.predictor import Predictor
from qllmft.run.device_answers import DeviceAnswers, collect_device_answers
from qllmft.tasks.accuracy import Accuracy, ClassScores, LabelScores, confusion_matrix
from qllmft.tasks.calibration import Calibration
from qllmft.tasks.measure import Score
from qllmft.tasks.multilabel import LabelSetScores
from qllmft_backends import Backend
from qllmft_base.errors import UserError
from qllmft_base.files import json_values

if TYPE_CHECKING:
    from qllmft.inference.measuring import MeasuredModel

MIN_TARGET_TEXTS = 5  # texts to evaluate real values on


@dataclass(frozen=True)
class Evaluation:
    """Result of a model on labelled texts."""

    source: str  # of the texts
    names: tuple[str, ...]  # of the labels or targets
    scores: Score  # of the task
    # number of texts that training or validation used; None if its texts cannot be read
    trained_on: int | None
    # name of the backend of the head's circuit; None if it was computed here, exactly
    backend: str | None = None
    # of the backend with the exact model; None without a backend
    agreement: BackendAgreement | None = None
    # description of the shots and error trajectories; "" unless the engine simulated gate noise
    measured: str = ""
    # of one label per text: k rows (true label) of k counts (predicted label); None of other tasks
    confusion: list[list[int]] | None = None
    calibration: Calibration | None = None  # of the probabilities
    margin: float = 0.0  # least lead of an answer
    # accuracy of the answers with that lead; None without a margin, or if there are none
    sure: Accuracy | None = None
    # texts whose set of labels contains the true one; None without a coverage
    covered: Accuracy | None = None
    coverage: float = 0.0  # asked probability of that
    single: int = 0  # number of texts whose set has one label
    # of a backend that sends circuits away, for one label per text; not among the values for JSON
    device_answers: DeviceAnswers | None = None

    @property
    def accuracy(self) -> Accuracy:
        """Return the accuracy of one label per text."""
        assert isinstance(self.scores, Accuracy)
        return self.scores

    @property
    def unsure(self) -> int:
        """Return the number of texts without an answer."""
        return 0 if not self.margin else self.scores.total - (self.sure.total if self.sure else 0)

    @property
    def classes(self) -> ClassScores:
        """Return the scores per label of one label per text."""
        return ClassScores.from_confusion(np.array(self.confusion))

    @property
    def only_label(self) -> str | None:
        """Return the label that all texts have, or None if they have several."""
        texts = self.classes.texts
        return self.names[int(np.argmax(texts))] if max(texts) == sum(texts) else None

    @property
    def by_label(self) -> dict[str, LabelScores]:
        """Return the scores of each label, of one label per text."""
        scores = self.classes
        counts = zip(scores.texts, scores.answers, scores.right, strict=True)
        return dict(zip(self.names, starmap(LabelScores, counts), strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        record: dict[str, Any] = {"source": self.source, "trained_on": self.trained_on}
        if self.confusion is None:
            kind = "labels" if isinstance(self.scores, LabelSetScores) else "targets"
            record |= {kind: self.names, "scores": self.scores}
            if self.agreement:
                record |= {"backend": self.backend, "agreement": self.agreement}
            return dict(json_values(record))
        record |= {
            "accuracy": self.accuracy,
            "classes": None if self.only_label else self.classes,
            "labels": self.names,
            "by_label": self.by_label,
            "confusion": self.confusion,
            "backend": self.backend,
            "measured": self.measured or None,
            "calibration": self.calibration,
        }
        if self.margin:
            record |= {"margin": self.margin, "unsure": self.unsure}
        if self.sure:
            record["sure"] = self.sure
        if self.covered:
            record |= {"coverage": self.coverage, "single": self.single, "covered": self.covered}
        return dict(json_values(record | {"agreement": self.agreement}))


def evaluate(
    predictor: Predictor,
    texts: LabelledTexts,
    decision: Decision = MOST_PROBABLE,
    measured_model: MeasuredModel | None = None,
) -> Evaluation:
    """Compare a model's answers, or its real values, with the labels or targets of the texts.

    With a margin, the accuracy is that of all answers, and ``sure`` that of answers with the lead. With a coverage,
    ``covered`` counts the texts whose set of labels contains the true one.

    Args:
        predictor: the model.
        texts: N of them.
        decision: rule of the answers.
        measured_model: the model on a backend, which answers in its place; None: the exact model does.

    Raises:
        UserError: if the rule does not fit the model's labels, or there are too few texts for a correlation.
    """
    task = predictor.task
    labels = texts.labels
    names = (*predictor.model.label_names, *texts.unseen_names)
    if task.real:
        return _evaluate_targets(predictor, texts)
    source = measured_model or predictor
    source.check_decision(decision)
    answers = source.answer(texts.vectors, decision)
    p = answers.probabilities
    answer_labels = decision.answers(answers)
    evaluation = Evaluation(
        texts.source, names, task.scores.from_answers(labels, answer_labels), texts.trained_on
    )
    if task.one_label:
        has_answer = ~decision.unsure(p) & (decision.margin > 0)
        evaluation = replace(
            evaluation,
            confusion=confusion_matrix(labels, answer_labels, len(names)).tolist(),
            calibration=Calibration.from_probabilities(p, labels),
            margin=decision.margin,
            sure=Accuracy.from_answers(labels[has_answer], answer_labels[has_answer])
            if has_answer.any()
            else None,
        )
    if decision.coverage is not None:
        sets = decision.sets(p, predictor.model.true_probabilities)
        sets = np.pad(sets, ((0, 0), (0, len(texts.unseen_names))))  # no set has an unseen label
        evaluation = _add_coverage(evaluation, decision.coverage, sets, labels)
    if measured_model is None:
        return evaluation
    return _add_backend(evaluation, texts, answers, measured_model)


def _add_backend(
    evaluation: Evaluation,
    texts: LabelledTexts,
    answers: LabelProbabilities,
    measured_model: MeasuredModel,
) -> Evaluation:
    """Return an evaluation with the backend's agreement with the exact model, and its answers if it is remote.

    Args:
        evaluation: of the backend's answers.
        texts: N of them.
        answers: those of the backend.
        measured_model: the model on the backend.
    """
    backend = measured_model.backend
    exact = measured_model.exact(texts.vectors)
    agreement = measured_model.agreement(texts.vectors, answers, exact)
    device_answers = None
    if measured_model.predictor.task.one_label and backend.capabilities.remote:
        device_answers = collect_device_answers(
            backend.name,
            texts.source,
            agreement,
            evaluation.names,
            texts.items,
            texts.labels,
            answers,
            exact,
        )
    return replace(
        evaluation,
        backend=backend.name,
        agreement=agreement,
        measured=describe_sampling(backend),
        device_answers=device_answers,
    )


def _evaluate_targets(predictor: Predictor, texts: LabelledTexts) -> Evaluation:
    """Compare a model's real values with the targets of the texts, or raise UserError for too few."""
    if len(texts.labels) < MIN_TARGET_TEXTS:
        raise UserError(
            f"{texts.source}: there are {len(texts.labels)} texts, expected at least {MIN_TARGET_TEXTS} for a "
            "correlation."
        )
    values = predictor.target_values(texts.vectors)
    scores = predictor.task.scores.from_answers(texts.labels, values)
    return Evaluation(texts.source, predictor.model.label_names, scores, texts.trained_on)


def _add_coverage(
    evaluation: Evaluation, coverage: float, sets: NDArray[np.bool_], labels: NDArray[np.int64]
) -> Evaluation:
    """Return an evaluation with the number of sets (N, k) of labels that contain the true label (N,)."""
    contains_true_label = sets[np.arange(len(sets)), labels]
    return replace(
        evaluation,
        covered=Accuracy(int(contains_true_label.sum()), len(labels)),
        coverage=coverage,
        single=int((sets.sum(axis=1) == 1).sum()),
    )


def describe_sampling(backend: Backend) -> str:
    """Describe the mitigation, and the shots and error trajectories behind an answer, "" without gate noise."""
    parts = (backend.mitigation, str(backend.sampling or ""))
    return ", ".join(part for part in parts if part)
