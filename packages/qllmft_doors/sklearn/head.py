"""Estimators by the meaning of their outputs, labels or real values, and those of vectors."""

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
from sklearn.utils.validation import check_array, validate_data

from qllmft.answers.decision import Decision
from qllmft.bounds import LARGEST_TARGET
from qllmft.config import RunConfig
from qllmft.training import Examples, with_loss
from qllmft_base.errors import UserError
from qllmft_doors.sklearn.arrays import check_labels, with_weights
from qllmft_doors.sklearn.base import TrainedEstimator
from qllmft_doors.sklearn.outputs import check_unmasked, plain_array, warn_of_other_order


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
        warn_of_other_order(X, y)
        y = plain_array(y)
        if (several := convert_label_sets(y)) is not None:
            config = self._configuration(data__task="multilabel")
            vectors, y = self._check_rows(X, several, config, labels=False)
            if self.class_weight is not None:
                raise ValueError(
                    f"class_weight is {self.class_weight!r}, which weighs one label per row, and y has the shape "
                    f"{y.shape}. Leave it out, or give sample_weight."
                )
            if config.train.thresholds == "validation":
                raise UserError(
                    "train.thresholds is 'validation', and an estimator's predict takes probability 1/2. Leave it out, "
                    "and compare predict_proba with thresholds of yours, or train with qllmft.train."
                )
            rows = with_weights(Examples.from_arrays(vectors, y), sample_weight)
            self._fit_head(rows, None, y.shape[1], config)
            self.classes_ = np.arange(y.shape[1])
            self.multilabel_ = True
            return self
        config = self._configuration()
        self._refuse_two_class_weights(config)
        vectors, y = self._check_rows(X, y, config, labels=True)
        classes = np.unique(y)
        rows = self._make_examples(vectors, y, classes, sample_weight)
        # rows of weight 0 are left out, and with them the classes of no other rows
        present, labels = np.unique(rows.y.numpy(), return_inverse=True)
        if len(present) < 2:
            raise ValueError(
                "This classifier needs samples of at least 2 classes in the data, but the data contains only one "
                f"class: {classes[present][0]!r}"
            )
        rows = replace(rows, y=torch.from_numpy(labels.astype(np.int64)))
        self._fit_head(rows, rows.y.numpy(), len(present), config)
        self.classes_ = classes[present]
        self.multilabel_ = False
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
        config = self._configuration(partly=True)
        warn_of_other_order(X, y)
        y = plain_array(y)
        classes = plain_array(classes, "classes")
        known_classes = self.__dict__.get("classes_")
        counted = config.train.class_weight or self.class_weight
        if isinstance(counted, str):
            raise ValueError(
                f"class_weight is {counted!r}, which counts all labels, and partial_fit sees a part of them. Give a "
                "dict of weights, or sample_weight."
            )
        vectors, y = self._check_rows(
            X, y, config, labels=True, first="weights_" not in self.__dict__
        )
        if known_classes is None and classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit: all labels that will occur."
            )
        all_classes: NDArray[Any] = (
            np.asarray(known_classes) if classes is None else np.unique(classes)
        )
        if known_classes is not None and not np.array_equal(known_classes, all_classes):
            raise ValueError(
                f"classes is {all_classes.tolist()}, and the first call had {known_classes.tolist()}. Give the same."
            )
        if len(all_classes) < 2:
            raise ValueError(f"classes is {all_classes.tolist()}, expected at least 2 classes.")
        if unknown := sorted(set(np.unique(y).tolist()) - set(all_classes.tolist())):
            raise ValueError(
                f"y has the labels {unknown}, and classes are {all_classes.tolist()}. Name all in the first call."
            )
        self._fit_partly(
            self._make_examples(vectors, y, all_classes, sample_weight), len(all_classes), config
        )
        self.classes_ = all_classes
        self.multilabel_ = False
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803 - scikit-learn's name
        """Return the class of each row, (N,), or of several labels per row (N, L) 0 or 1.

        It is the most probable class unless ``threshold`` or ``margin`` are given.
        """
        outputs = self._outputs(X)
        decision = Decision(self.threshold, self.margin)
        decision.check(list(map(str, self.classes_)), several=self.multilabel_)
        if self.multilabel_:
            least = 0.0 if self.threshold is None else logit(self.threshold)
            return (outputs >= least).astype(np.int64)
        if self.threshold is None and not self.margin:
            return np.asarray(self.classes_[outputs.argmax(axis=1)])
        probabilities = softmax(outputs, axis=1)
        predicted: NDArray[Any] = np.asarray(self.classes_[decision.labels(probabilities)])
        if not self.margin:
            return predicted
        if self.unsure_label is None:
            raise UserError(
                f"margin is {self.margin:g} and unsure_label is None. Give the label of rows without an answer as "
                "unsure_label, such as -1 or 'unknown'."
            )
        label: NDArray[Any] = np.asarray(self.unsure_label)
        predicted = (
            predicted if predicted.dtype.kind == label.dtype.kind else predicted.astype(object)
        )
        return np.where(decision.unsure(probabilities), label, predicted)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return probabilities (N, k) in the order of `classes_`, which add up to 1 unless rows have several labels.

        They are calibrated only with ``settings={"train.calibration": "temperature"}``.
        """
        outputs = self._outputs(X)
        return np.asarray(expit(outputs) if self.multilabel_ else softmax(outputs, axis=1))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Return the share of rows whose predicted label, or set of labels, is that of ``y``."""
        return float(super().score(X, plain_array(y), sample_weight))

    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the logits (N, k), or for two classes the lead (N,) of the second over the first."""
        logits = self._outputs(X)
        is_binary = logits.shape[1] == 2 and not self.multilabel_
        return logits[:, 1] - logits[:, 0] if is_binary else logits

    def __sklearn_tags__(self) -> Any:
        """Return tags with several labels per row."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _refuse_two_class_weights(self, config: RunConfig) -> None:
        """Refuse weights of classes both as a parameter and as a setting, which would multiply each other."""
        setting = config.train.class_weight
        if setting is not None and self.class_weight is not None:
            raise UserError(
                f"class_weight is {self.class_weight!r} and settings has train.class_weight {setting!r}, expected one "
                "of them. Leave the setting out."
            )

    def _make_examples(
        self,
        vectors: NDArray[np.float32],
        y: NDArray[Any],
        classes: NDArray[Any],
        sample_weight: Any,
    ) -> Examples:
        """Return rows (N, D) with the places of their labels (N,) in ``classes``, and with their weights."""
        rows = Examples.from_arrays(vectors, np.searchsorted(classes, y).astype(np.int64))
        weights = self.class_weight
        if weights is None:
            return with_weights(rows, sample_weight)
        class_weights = compute_sample_weight(weights, y)
        if not (np.isfinite(class_weights).all() and (class_weights >= 0).all()):
            raise ValueError(
                f"class_weight is {weights!r}, expected finite numbers from 0. Give the weight of each class."
            )
        return with_weights(rows, sample_weight, class_weights)


class TrainedRegressor(RegressorMixin, TrainedEstimator):  # type: ignore[misc]
    """A head on vectors whose outputs are real values."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on rows (N, D), or N texts, their targets (N,) or (N, T), and weights (N,) of the rows."""
        config = self._configuration(data__task="regression")
        warn_of_other_order(X, y)
        y = plain_array(y, numeric=True)
        vectors, y = self._check_rows(X, y, config, labels=False)
        targets: NDArray[np.float64] = np.asarray(y, np.float64)
        too_large = targets[np.abs(targets) > LARGEST_TARGET]
        if too_large.size:
            raise UserError(
                f"y has the target {too_large[0]:g}, expected numbers of at most {LARGEST_TARGET:g} in size. "
                "Correct it, or use another unit."
            )
        examples = Examples.from_arrays(vectors, targets.reshape(len(targets), -1))
        rows = with_weights(examples, sample_weight)
        self.one_target_ = targets.ndim == 1
        self._fit_head(with_loss(rows, config.train), None, rows.y.shape[1], config)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return values (N,), or (N, T) for several targets."""
        values = self._outputs(X)
        return values[:, 0] if self.one_target_ else values

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Return R² of the predicted values, the mean of several targets."""
        return float(super().score(X, plain_array(y, numeric=True), sample_weight))


def convert_label_sets(y: Any) -> NDArray[np.int64] | None:
    """Return several labels per row (N, L) as 0 and 1, dense or sparse, or None if there is one label per row."""
    shape: tuple[int, ...] = getattr(y, "shape", None) or np.asarray(y).shape
    if len(shape) != 2 or shape[1] < 2:
        return None
    checked = check_array(y, accept_sparse="csr", dtype=None, input_name="y")
    indicators: NDArray[Any] = getattr(checked, "toarray", lambda: checked)()  # sparse or dense
    if not np.isin(indicators, (0, 1)).all():
        raise ValueError(
            f"y has the shape {shape} and values other than 0 and 1. Expected: 0 or 1 for each of {shape[1]} labels, "
            "or one label per row, (N,). MultiLabelBinarizer makes such a table of lists."
        )
    return np.asarray(indicators, np.int64)


class VectorEstimator(TrainedEstimator):
    """Estimator of rows that are vectors."""

    def _check_rows(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        y: Any,
        config: RunConfig,  # noqa: ARG002 - of the body, which vectors do not need
        *,
        labels: bool,
        first: bool = True,
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        check_unmasked(X)
        output_checks = {} if labels else {"multi_output": True, "y_numeric": True}
        rows, outputs = validate_data(self, X, y, dtype=np.float32, reset=first, **output_checks)
        if labels:
            check_labels(outputs)
        return rows, outputs

    def _vectors(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        check_unmasked(X)
        return np.asarray(validate_data(self, X, dtype=np.float32, reset=False))


class QuantumHeadClassifier(VectorEstimator, TrainedClassifier):
    """The head of a preset on vectors: embeddings, or any table of numbers.

    A quantum encoder loads a row as amplitudes, so scale columns of different units first. With the default preset a
    constant amplitude beside them keeps the row's length; an encoder of the paper sees its direction alone.

    Rows shorter than the amplitudes are padded. If the preset's encoders have too few amplitudes, each gets the fewest
    qubits Q_e with 2^Q_e ≥ D (≥ D + 1 unless ``model.pad`` is "zeros"), unless ``settings`` has
    ``model.encoder_qubits``.

    Training is that of ``qllmft train``; answers are computed here, exactly.

    Args:
        preset: source of the settings; see ``qllmft info``.
        settings: differences from it, ``{"model.reuploads": 6}`` or ``["model.reuploads=6"]``, of the sections model,
            train, noise and backend.
        epochs: passes over the rows; None takes the preset's.
        random_state: seed of weights, shuffling, noise and validation split; a number makes fits the same to the bit.
        validation_fraction: share of the rows to choose the epoch on if ``train.select`` is "accuracy". If it is
            "last", as by default, all rows are trained on.
        backend: backend of the head's circuit in training, not a remote one; None takes the preset's.
        device: device of the backend: one of torch's for adjoint, such as "cuda"; None is the CPU.
        verbose: print a line at every tenth of the epochs.
        lr, n_qubits, encoder_layers, reuploads, ridge_c: settings that searches vary, ``train.lr``, ``model.n_qubits``,
            ``model.encoder_layers``, ``model.reuploads`` and ``train.ridge_c``; None takes that of ``settings`` or of
            the preset.
        class_weight: weights of the classes as a dict, or "balanced" for the same total weight of each.
        threshold: least probability of the second of two classes, or of each of several labels per row, in `predict`;
            None takes the most probable class.
        margin: least lead in probability of the best class over the next; `predict` gives other rows ``unsure_label``.
        unsure_label: answer to rows whose lead is below the margin, such as -1 or "unknown".
        patience: epochs in a row without a better one after which training ends, if ``train.select`` is "accuracy".
        warm_start: start from the weights of the last fit, whose structure is kept.

    Attributes:
        classes_: k labels, sorted; of several labels per row their columns, 0 to L - 1.
        multilabel_: whether rows have several labels.
        n_features_in_: D.
        feature_names_in_: names of the columns if all are strings.
        weights_: trained arrays by name.
        structure_: settings of the section model, with the qubits of the encoders.
        n_inputs_: D, length of the vectors that the head reads.
        n_outputs_: number of values that the head gives.
        n_parameters_: number of trained parameters.
        best_epoch_: epoch of the weights, from 1.
        n_iter_: number of trained epochs.
        loss_curve_: mean cross-entropy of each epoch, in nats.
    """


class QuantumHeadRegressor(VectorEstimator, TrainedRegressor):
    """The head of a preset on vectors, with one or several real targets.

    Targets are scaled to mean 0 and deviation 1 for the training, which minimises the squared error. Arguments and
    attributes are those of `QuantumHeadClassifier` but ``class_weight``, ``classes_`` and ``partial_fit``.
    """

    def __sklearn_tags__(self) -> Any:
        """Return tags with several targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
