"""Base of both classifiers: training of a head on vectors, answers, and pickling."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from qllmft.config import RunConfig, TrainConfig
from qllmft.config.model import ModelConfig
from qllmft.config.presets import AUTO
from qllmft.errors import UserError
from qllmft.events import EpochEnded, ignore, stage
from qllmft.heads import Classifier, build_classifier
from qllmft.progress import LineListener
from qllmft.run.choice import ChoiceInterruptedError, choose
from qllmft.sklearn.configuration import Settings, seed_of, with_room_for
from qllmft.training import EpochMetrics, Examples, finite_logits, fit
from qllmft_backends import create

Rows = NDArray[np.int64]


@dataclass(eq=False, repr=False, kw_only=True)
class TrainedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A head on vectors; subclasses make the vectors.

    A pickle holds arrays, numbers and names, and no object of torch.
    """

    preset: str = field(default=AUTO, kw_only=False)
    settings: Settings = None
    epochs: int | None = None
    random_state: Any = None
    validation_fraction: float = 0.15
    backend: str | None = None
    device: str | None = None
    verbose: bool = False
    lr: float | None = None
    n_qubits: int | None = None
    encoder_layers: int | None = None
    reuploads: int | None = None
    ridge_c: float | None = None

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803 - scikit-learn's name
        """Return the most probable class of each row, (N,)."""
        best = self._logits(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return probabilities (N, k) in the order of `classes_`, not calibrated."""
        return np.asarray(softmax(self._logits(X), axis=1))

    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the logits (N, k), or for two classes the lead (N,) of the second over the first."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def latent_values(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the encoder's values (N, Q), in radians, one per qubit of the head."""
        check_is_fitted(self)
        network, vectors = self._loaded(), torch.from_numpy(self._vectors(X).astype(np.float64))
        with torch.no_grad():
            latent = vectors if network.encoder is None else network.encoder(vectors)
        return np.asarray(latent.numpy())

    def _logits(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the logits (N, k), computed row by row in float64 without noise."""
        check_is_fitted(self)
        vectors = torch.from_numpy(self._vectors(X).astype(np.float64))
        return finite_logits(self._loaded(), vectors).numpy()

    def _loaded(self) -> Classifier:
        """Return the trained network, which a pickle does not hold."""
        if "_network" not in self.__dict__:
            self._network = self._exact_network()
        return self._network

    def _vectors(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Return the rows as vectors (N, D)."""
        raise NotImplementedError

    def _exact_network(self) -> Classifier:
        config = ModelConfig.model_validate(self.structure_)
        exact = create("adjoint", {"dtype": "float64"})
        network = build_classifier(config, self.n_inputs_, len(self.classes_), backend=exact)
        network.load_state_dict({name: torch.from_numpy(values) for name, values in self.weights_.items()})
        return network.double()

    def _fit_head(self, vectors: NDArray[np.float32], y: NDArray[Any], config: RunConfig) -> None:
        """Train the head of ``config`` on vectors (N, D) and labels (N,), and set the fitted attributes."""
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                "This classifier needs samples of at least 2 classes in the data, but the data contains only one "
                f"class: {classes[0]!r}"
            )
        seed, labels = seed_of(self.random_state), labels.astype(np.int64)
        self.choice_ = None
        if config.candidates:
            config, self.choice_ = self._chosen(config, Examples.from_arrays(vectors, labels), len(classes), seed)
        structure = with_room_for(config.model, vectors.shape[1], self.settings)
        backend = create(config.backend.name, config.backend_options)
        if backend.capabilities.remote:
            raise UserError(
                f"the backend {backend.name!r} sends circuits away, and a fit does not confirm their price. Choose "
                "one that computes here, or train with `qllmft train`."
            )
        network = build_classifier(structure, vectors.shape[1], len(classes), seed=seed, backend=backend)
        train, validation, settings = self._parts(labels, config.train, seed)
        parts = [Examples.from_arrays(vectors[rows], labels[rows]) for rows in (train, validation)]
        on_event = LineListener("training" if train is validation else "validation") if self.verbose else ignore
        losses: list[float] = []
        with stage(on_event, "training", total=settings.epochs):

            def on_epoch(metrics: EpochMetrics) -> None:
                losses.append(metrics.train_loss)
                on_event(EpochEnded(metrics))

            selection = fit(network, parts[0], parts[1], settings, seed, on_epoch=on_epoch)
        if not selection.finished:
            raise KeyboardInterrupt
        self.classes_ = classes
        self.n_inputs_ = vectors.shape[1]
        self.structure_ = structure.model_dump(mode="json")
        self.weights_ = {name: values.detach().numpy().copy() for name, values in network.state_dict().items()}
        self.n_parameters_ = network.n_parameters
        self.best_epoch_ = selection.epoch
        self.loss_curve_ = losses
        self._network = self._exact_network()

    def _chosen(self, config: RunConfig, rows: Examples, n_classes: int, seed: int) -> tuple[RunConfig, str]:
        """Return the configuration that takes the best candidate, and the reason."""
        dimension = rows.x.shape[1]
        candidates = tuple(
            each.model_copy(update={"model": with_room_for(each.model, dimension, self.settings)})
            for each in config.candidates
        )
        first = {"model": candidates[0].model, "seed": seed, "candidates": candidates}
        try:
            config, choice = choose(config.model_copy(update=first), rows, None, n_classes)
        except ChoiceInterruptedError:
            raise KeyboardInterrupt from None
        return config, str(choice)

    def _parts(self, labels: Rows, config: TrainConfig, seed: int) -> tuple[Rows, Rows, TrainConfig]:
        """Split rows into training and validation, and return the settings of the training.

        All rows are in both parts if the last epoch is kept.
        """
        rows = np.arange(len(labels))
        if config.select == "last":
            return rows, rows, config
        share = self.validation_fraction
        if not (isinstance(share, float) and 0.0 < share < 1.0):
            raise UserError(f"validation_fraction is {share!r}; expected a number above 0 and below 1.")
        held, counts = math.ceil(share * len(labels)), np.bincount(labels)
        if counts.min() < 2 or min(held, len(labels) - held) < len(counts):
            warnings.warn(
                f"{len(labels)} samples of {len(counts)} classes are too few to choose the epoch on a share of them; "
                "all are trained on, and the last epoch is kept. Give more, another validation_fraction, or "
                "settings={'train.select': 'last'}.",
                UserWarning,
                stacklevel=4,
            )
            return rows, rows, config.model_copy(update={"select": "last"})
        parts: Sequence[Rows] = train_test_split(rows, test_size=held, stratify=labels, random_state=seed % 2**32)
        return parts[0], parts[1], config

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and fitted attributes, without the network."""
        return {name: value for name, value in super().__getstate__().items() if name != "_network"}
