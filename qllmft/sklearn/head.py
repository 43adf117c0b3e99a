"""A quantum head as a scikit-learn classifier of vectors."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from qllmft.sklearn.base import TrainedClassifier
from qllmft.sklearn.configuration import Settings, configuration


class QuantumHeadClassifier(TrainedClassifier):
    """The head of a preset on vectors of your own: embeddings, or any table of numbers.

    A quantum encoder loads a row as amplitudes of norm 1: it sees the row's direction, not its length, so that columns
    of different units are best scaled before. Where the length matters too, a constant column makes it part of the
    direction: ``PolynomialFeatures(1)`` after the scaling.

    Rows shorter than the amplitudes are padded. Where the preset's encoders have too few, each has the fewest qubits
    Q_e with 2^Q_e ≥ D (≥ D + 1 with ``model.pad = "bias"``, as in ``recommended``), unless ``settings`` has
    ``model.encoder_qubits``.

    Training is that of ``qllmft train``; answers are computed here, exactly. Rows have no weights: ``fit`` takes no
    ``sample_weight``.

    Args:
        preset: where the settings come from; see ``qllmft presets``.
        settings: differences from it, ``{"model.reuploads": 6}`` or ``["model.reuploads=6"]``; of the sections model,
            train, noise and backend.
        epochs: passes over the rows; the preset's where None.
        random_state: seed of weights, shuffling, noise and validation split; a number gives the same bits again.
        validation_fraction: share of the rows on which the epoch is chosen, read where ``train.select`` is "accuracy";
            where it is "last", as in ``recommended``, all rows are trained on.
        backend: what runs the head's circuit in training, none that circuits are sent to; the preset's where None.
        device: of the backend: "cuda" for adjoint; the CPU where None.
        verbose: whether to print a line at every tenth of the epochs.

    Attributes:
        classes_: k labels, sorted.
        n_features_in_: D.
        feature_names_in_: names of the columns, where all are texts.
        weights_: the trained arrays by name.
        structure_: settings of the section model, with the qubits that the encoders have.
        n_inputs_: D, of the vectors that the head reads.
        n_parameters_: number of trained parameters.
        best_epoch_: the epoch whose weights these are, from 1.
        loss_curve_: mean cross-entropy of each epoch, in nats.
    """

    def __init__(
        self,
        preset: str = "recommended",
        *,
        settings: Settings = None,
        epochs: int | None = None,
        random_state: Any = None,
        validation_fraction: float = 0.15,
        backend: str | None = None,
        device: str | None = None,
        verbose: bool = False,
    ) -> None:
        self.preset = preset
        self.settings = settings
        self.epochs = epochs
        self.random_state = random_state
        self.validation_fraction = validation_fraction
        self.backend = backend
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on rows (N, D) and their labels (N,), numbers or texts; ValueError for bad rows, labels or settings."""
        config = configuration(self)
        rows, labels = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(labels)
        self._fit_head(rows, labels, config)
        return self

    def _vectors(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        return np.asarray(validate_data(self, X, dtype=np.float32, reset=False))
