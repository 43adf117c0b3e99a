"""Estimators by the meaning of their outputs: labels, one or several per row, or real values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_array

from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.heads import Classifier
from qllmft.inference.decision import Decision
from qllmft.sklearn.base import TrainedEstimator, with_weights
from qllmft.training import Examples, Scaling, with_loss


@dataclass(eq=False, repr=False, kw_only=True)
class TrainedClassifier(ClassifierMixin, TrainedEstimator):  # type: ignore[misc]
    """A head on vectors whose outputs are the logits of classes."""

    class_weight: Mapping[Any, float] | str | None = None
    threshold: float | None = None
    margin: float = 0.0
    unsure_label: Any = None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on rows (N, D), or N texts, and their labels (N,), numbers or texts, or several labels per row (N, L).

        Several labels, 0 or 1, have a sigmoid each. Weights (N,) multiply the losses of the rows; a row of weight 0 is
        left out. Principal axes, in the presets that load them, and the split of validation rows do not depend on the
        weights.
        """
        if (several := label_sets_of(y)) is not None:
            config = self._configuration(data__task="multilabel")
            vectors, several = self._checked(X, several, config, labels=False)
            self._fit_label_sets(vectors, several, sample_weight, config)
            return self
        config = self._configuration()
        vectors, labels = self._checked(X, y, config, labels=True)
        self._fit_labels(vectors, labels, sample_weight, config)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train one epoch from the weights and Adam's moments of the last call.

        The first call fixes mean and unit of the rows, and the head starts at its linear solution if all classes are
        there. The ridge counts all rows so far. The default preset loads the columns themselves here and no
        principal axes. Presets with L-BFGS are refused.

        Args:
            X: rows (N, D), or N texts.
            y: labels (N,).
            classes: all labels that will occur, needed in the first call.
            sample_weight: weights (N,) of the rows; None for equal ones.

        Raises:
            ValueError: if ``classes`` are missing in the first call or others than then, or do not hold a label.
        """
        config, first = self._configuration(partly=True), "weights_" not in self.__dict__
        vectors, labels = self._checked(X, y, config, labels=True, first=first)
        self._fit_labels_partly(vectors, labels, classes, sample_weight, config)
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803 - scikit-learn's name
        """Return the class of each row, (N,), or of several labels per row (N, L) 0 or 1.

        It is the most probable class unless ``threshold`` or ``margin`` are given.
        """
        outputs, decision = self._outputs(X), Decision(self.threshold, self.margin)
        decision.check(list(map(str, self.classes_)), several=self.multilabel_)
        if self.multilabel_:
            least = 0.0 if self.threshold is None else logit(self.threshold)
            return (outputs >= least).astype(np.int64)
        if self.threshold is None and not self.margin:
            return np.asarray(self.classes_[outputs.argmax(axis=1)])
        probabilities = softmax(outputs, axis=1)
        found: NDArray[Any] = np.asarray(self.classes_[decision.labels(probabilities)])
        return self._without_unsure(found, decision.unsure(probabilities)) if self.margin else found

    def _without_unsure(self, answers: NDArray[Any], unsure: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the answers (N,) with ``unsure_label`` in the rows that are unsure."""
        if self.unsure_label is None:
            raise UserError(
                f"margin is {self.margin:g} and unsure_label is None; give the label of rows without an answer as "
                "unsure_label, such as -1 or 'unknown'."
            )
        label: NDArray[Any] = np.asarray(self.unsure_label)
        alike = answers.dtype.kind == label.dtype.kind
        return np.where(unsure, label, answers if alike else answers.astype(object))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return probabilities (N, k) in the order of `classes_`, which add up to 1 unless rows have several labels.

        They are calibrated only with ``settings={"train.calibration": "temperature"}``.
        """
        outputs = self._outputs(X)
        return np.asarray(expit(outputs) if self.multilabel_ else softmax(outputs, axis=1))

    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the logits (N, k), or for two classes the lead (N,) of the second over the first."""
        logits = self._outputs(X)
        return (
            logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 and not self.multilabel_ else logits
        )

    def __sklearn_tags__(self) -> Any:
        """Return tags with several labels per row."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _fit_label_sets(
        self, vectors: NDArray[np.float32], y: NDArray[np.int64], weights: Any, config: RunConfig
    ) -> None:
        """Train on vectors (N, D), several labels (N, L), 0 or 1, and the weights (N,) of the rows or None."""
        if self.class_weight is not None:
            raise ValueError(
                f"class_weight is {self.class_weight!r}, which weighs one label per row, and y has the shape {y.shape}."
                " Leave it out, or give sample_weight."
            )
        if config.train.thresholds != "half":
            raise UserError(
                "train.thresholds is 'validation', and an estimator's predict takes probability 1/2. Leave it out, and "
                "compare predict_proba with thresholds of yours, or train with qllmft.train."
            )
        self._fit_head(
            with_weights(Examples.from_arrays(vectors, y), weights), None, y.shape[1], config
        )
        self.classes_, self.multilabel_ = np.arange(y.shape[1]), True

    def _fit_labels(
        self, vectors: NDArray[np.float32], y: NDArray[Any], weights: Any, config: RunConfig
    ) -> None:
        """Train on vectors (N, D), labels (N,) and their weights (N,) or None."""
        of_classes = (
            None if self.class_weight is None else compute_sample_weight(self.class_weight, y)
        )
        classes, labels = np.unique(y, return_inverse=True)
        rows = with_weights(
            Examples.from_arrays(vectors, labels.astype(np.int64)), weights, of_classes
        )
        present, labels = np.unique(rows.y.numpy(), return_inverse=True)
        classes = classes[present]
        if len(classes) < 2:
            raise ValueError(
                "This classifier needs samples of at least 2 classes in the data, but the data contains only one "
                f"class: {classes[0]!r}"
            )
        rows = replace(rows, y=torch.from_numpy(labels.astype(np.int64)))
        self._fit_head(rows, rows.y.numpy(), len(classes), config)
        self.classes_, self.multilabel_ = classes, False

    def _fit_labels_partly(
        self,
        vectors: NDArray[np.float32],
        y: NDArray[Any],
        classes: Any,
        weights: Any,
        config: RunConfig,
    ) -> None:
        """Train one epoch on vectors (N, D) and labels (N,) of ``classes``, which the first call gives."""
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight is {self.class_weight!r}, which counts all labels, and partial_fit sees a part of them. "
                "Give a dict of weights, or sample_weight."
            )
        known = self.__dict__.get("classes_")
        if known is None and classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit: all labels that will occur."
            )
        given: NDArray[Any] = np.asarray(known) if classes is None else np.unique(classes)
        if known is not None and not np.array_equal(known, given):
            raise ValueError(
                f"classes is {given.tolist()}, and the first call had {known.tolist()}. Give the same."
            )
        if len(given) < 2:
            raise ValueError(f"classes is {given.tolist()}; expected at least 2 classes.")
        if unknown := sorted(set(np.unique(y).tolist()) - set(given.tolist())):
            raise ValueError(
                f"y has the labels {unknown}, and classes are {given.tolist()}. Name all in the first call."
            )
        of_classes = (
            None if self.class_weight is None else compute_sample_weight(self.class_weight, y)
        )
        rows = Examples.from_arrays(vectors, np.searchsorted(given, y).astype(np.int64))
        self._fit_partly(with_weights(rows, weights, of_classes), len(given), config)
        self.classes_, self.multilabel_ = given, False


class TrainedRegressor(RegressorMixin, TrainedEstimator):  # type: ignore[misc]
    """A head on vectors whose outputs are real values."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on rows (N, D), or N texts, their targets (N,) or (N, T), and weights (N,) of the rows."""
        config = self._configuration(data__task="regression")
        vectors, y = self._checked(X, y, config, labels=False)
        targets: NDArray[np.float64] = np.asarray(y, np.float64)
        examples = Examples.from_arrays(vectors, targets.reshape(len(targets), -1))
        rows = with_weights(examples, sample_weight)
        self.one_target_ = targets.ndim == 1
        self._fit_head(with_loss(rows, config.train), None, rows.y.shape[1], config)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return values (N,), or (N, T) for several targets."""
        values = self._outputs(X)
        return values[:, 0] if self.one_target_ else values

    def _start(self, network: Classifier, rows: Examples) -> None:
        """Give a network that was trained before scaled values, with which training starts."""
        Scaling.of(rows).undo(network)


def label_sets_of(y: Any) -> NDArray[np.int64] | None:
    """Return several labels per row (N, L) as 0 and 1, dense or sparse, or None if there is one label per row."""
    shape: tuple[int, ...] = getattr(y, "shape", None) or np.asarray(y).shape
    if len(shape) != 2 or shape[1] < 2:
        return None
    checked = check_array(y, accept_sparse="csr", dtype=None, input_name="y")
    given: NDArray[Any] = getattr(checked, "toarray", lambda: checked)()  # sparse or dense
    if not np.isin(given, (0, 1)).all():
        raise ValueError(
            f"y has the shape {shape} and values other than 0 and 1; expected 0 or 1 for each of {shape[1]} labels, or "
            "one label per row, (N,). MultiLabelBinarizer makes such a table of lists."
        )
    return np.asarray(given, np.int64)
