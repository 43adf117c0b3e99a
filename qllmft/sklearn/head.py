"""Quantum head as a scikit-learn classifier of vectors, and as a regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from qllmft.config import RunConfig
from qllmft.sklearn.base import TrainedEstimator
from qllmft.sklearn.outputs import TrainedClassifier, TrainedRegressor


class OfVectors(TrainedEstimator):
    """Estimator of rows that are vectors."""

    def _checked(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        y: Any,
        config: RunConfig,  # noqa: ARG002 - of the body, which vectors do not need
        *,
        labels: bool,
        first: bool = True,
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        how = {} if labels else {"multi_output": True, "y_numeric": True}
        rows, outputs = validate_data(self, X, y, dtype=np.float32, reset=first, **how)
        if labels:
            check_classification_targets(outputs)
        return rows, outputs

    def _vectors(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        return np.asarray(validate_data(self, X, dtype=np.float32, reset=False))


class QuantumHeadClassifier(OfVectors, TrainedClassifier):
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


class QuantumHeadRegressor(OfVectors, TrainedRegressor):
    """The head of a preset on vectors, with one or several real targets.

    Targets are scaled to mean 0 and deviation 1 for the training, which minimises the squared error. Arguments and
    attributes are those of `QuantumHeadClassifier` but ``class_weight``, ``classes_`` and ``partial_fit``.
    """

    def __sklearn_tags__(self) -> Any:
        """Return tags with several targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
