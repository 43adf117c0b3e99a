"""Base of all estimators: configuration of a run, training of a head on vectors, its outputs, and pickling."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from qllmft.config import RunConfig
from qllmft.config.model import ModelConfig
from qllmft.config.presets import DEFAULT_PRESET, load_preset
from qllmft.config.settings import flatten_sections, parse_settings
from qllmft.events import EpochEnded, ignore, stage
from qllmft.heads import Classifier, build_classifier
from qllmft.progress import LineListener
from qllmft.tasks.calibration import best_temperature
from qllmft.templates import least_numbers
from qllmft.training import EpochMetrics, Examples, Scaling, finite_logits, fit, weigh_by_class
from qllmft_backends import create
from qllmft_base.errors import UserError
from qllmft_base.randomness import derive_seed
from qllmft_base.validation import faults
from qllmft_doors.sklearn.arrays import array_shapes, changed_error, to_arrays, to_tensors
from qllmft_doors.sklearn.held_out_rows import Rows, split_rows

_UNPICKLED_ATTRIBUTES = ("_network", "_learning")
_PARAMETER_SETTINGS = {  # of an estimator, and the settings that they are
    "epochs": "train.epochs",
    "lr": "train.lr",
    "ridge_c": "train.ridge_c",
    "patience": "train.patience",
    "n_qubits": "model.n_qubits",
    "encoder_layers": "model.encoder_layers",
    "reuploads": "model.reuploads",
    "backend": "backend.name",
    "device": "backend.options.device",
}
# of the default preset in partial_fit: the first rows are too few for principal axes, and a call makes few steps
_PARTIAL_FIT_SETTINGS = {
    "train.lr": 1e-2,
    "train.batch_size": 16,
    "model.components": None,
    "model.encoder_layers": 60,
}


@dataclass(eq=False, repr=False, kw_only=True)
class TrainedEstimator(BaseEstimator):  # type: ignore[misc]
    """A head on vectors; subclasses make the vectors, and give its outputs a meaning.

    A pickle holds arrays, numbers and names, and no object of torch.
    """

    # of the configuration, in ``settings``
    _sections: ClassVar[tuple[str, ...]] = ("model", "train", "noise", "backend")

    preset: str = field(default=DEFAULT_PRESET, kw_only=False)
    settings: Mapping[str, Any] | Iterable[str] | None = None
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
    patience: int | None = None
    warm_start: bool = False

    def latent_values(self, X: Any) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Return the encoder's values (N, Q), in radians, one per qubit of the head."""
        check_is_fitted(self)
        network = self._load_network()
        vectors = torch.from_numpy(self._vectors(X).astype(np.float64))
        with torch.no_grad():
            latent = vectors if network.encoder is None else network.encoder(vectors)
        return np.asarray(latent.numpy())

    def _configuration(self, *, partly: bool = False, **parameters: Any) -> RunConfig:
        """Return the configuration of the preset, then ``settings``, then other parameters and ``parameters`` ones.

        In `partial_fit`, ``partly``, the default preset has settings of its own.
        """
        if not isinstance(self.preset, str):
            raise UserError(
                f"preset is {self.preset!r}, expected a name, such as {DEFAULT_PRESET!r}."
            )
        overrides = self._user_settings
        if other_settings := [
            name for name in overrides if name.partition(".")[0] not in self._sections
        ]:
            raise UserError(
                f"settings holds {', '.join(other_settings)}, expected settings of {', '.join(self._sections)}. The "
                "seed is random_state, the rows are those of fit, and baselines are other estimators."
            )
        parameters = {name.replace("__", "."): value for name, value in parameters.items()}
        parameters |= {
            setting: getattr(self, name) for name, setting in _PARAMETER_SETTINGS.items()
        }
        # a search draws numpy's numbers
        overrides |= {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in parameters.items()
            if value is not None
        }
        if partly and self.preset == DEFAULT_PRESET:
            overrides = _PARTIAL_FIT_SETTINGS | overrides
        config = load_preset(self.preset).config(overrides)
        if config.body.learns:
            raise UserError(
                f"the preset {self.preset!r} has a language model that learns, and a scikit-learn estimator keeps it "
                "frozen. Choose another preset, or train with qllmft.train."
            )
        # the weights of classes are a parameter of the estimator, and `predict` takes probability 1/2
        neutral_values = {"class_weight": None, "thresholds": "half"}
        train = config.train
        replaced_settings = {
            name: value for name, value in neutral_values.items() if getattr(train, name) == "auto"
        }
        return config.model_copy(update={"train": train.model_copy(update=replaced_settings)})

    @property
    def _user_settings(self) -> dict[str, Any]:
        """Return ``settings`` by dotted names, from a mapping, also a nested one, or from ``NAME=VALUE`` texts."""
        settings = [] if self.settings is None else self.settings
        if isinstance(settings, Mapping):
            return flatten_sections(settings)
        is_list = isinstance(settings, Iterable) and not isinstance(settings, str)
        pairs = list(settings) if is_list else []
        if not (is_list and all(isinstance(pair, str) for pair in pairs)):
            raise UserError(
                f"settings is {settings!r}, expected a dict, or a list of 'NAME=VALUE' texts."
            )
        return parse_settings(pairs, "settings")

    @property
    def _seed(self) -> int:
        """Return the seed of a fit: ``random_state`` itself, or a number drawn from that generator."""
        random_state = self.random_state
        if isinstance(random_state, int | np.integer) and random_state >= 0:
            return int(random_state)
        return int(check_random_state(random_state).randint(2**31 - 1))

    def _outputs(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the outputs (N, k), computed row by row in float64 without noise."""
        check_is_fitted(self)
        vectors = torch.from_numpy(self._vectors(X).astype(np.float64))
        return finite_logits(self._load_network(), vectors).numpy()

    def _load_network(self) -> Classifier:
        """Return the trained network, which a pickle does not hold."""
        if "_network" not in self.__dict__:
            self._network = self._build_fitted_network(
                create("adjoint", {"dtype": "float64"})
            ).double()
        return self._network

    def _build_fitted_network(self, backend: Any) -> Classifier:
        """Return the network of the fitted attributes, or raise UserError if they were changed and do not fit."""
        shapes = array_shapes(self.weights_)
        d = self.n_inputs_
        k = self.n_outputs_
        try:
            if not (isinstance(d, int) and isinstance(k, int) and d > 0 and k > 0):
                raise ValueError(f"n_inputs_ is {d!r} and n_outputs_ {k!r}")
            structure = ModelConfig.model_validate(self.structure_)
            n_numbers = sum(map(math.prod, shapes.values()))
            if n_numbers < (least := least_numbers(structure, d, k)):
                raise ValueError(f"weights_ has {n_numbers:,} numbers, expected {least:,} or more")
            network = build_classifier(structure, d, k, backend=backend)
        except ValueError as error:  # of pydantic and UserError, too
            reason = faults(error)[0] if isinstance(error, ValidationError) else error
            raise changed_error(str(reason).rstrip(".")) from None
        expected_shapes = array_shapes(to_arrays(network.state_dict()))
        for name in sorted(shapes.keys() | expected_shapes.keys()):
            if shapes.get(name) != expected_shapes.get(name):
                raise changed_error(
                    f"weights_ has {name} of the shape {shapes.get(name)}, expected {expected_shapes.get(name)}"
                )
        network.load_state_dict(to_tensors(self.weights_))
        return network

    def _check_rows(
        self,
        X: Any,  # noqa: N803
        y: Any,
        config: RunConfig,
        *,
        labels: bool,
        first: bool = True,
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Return rows as vectors (N, D) for a fit, the ``first`` or a further one, with the checked outputs.

        They are ``labels`` (N,), or numbers: targets (N,) or (N, T), or several labels (N, L).
        """
        raise NotImplementedError

    def _vectors(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Return the rows as vectors (N, D), for an answer."""
        raise NotImplementedError

    def _fit_head(
        self, rows: Examples, strata: Rows | None, n_outputs: int, config: RunConfig
    ) -> None:
        """Train the head of ``config``, and set the fitted attributes.

        ``strata`` (N,) are the labels whose shares a validation part keeps, or None.
        """
        seed = self._seed
        fresh = not (self.warm_start and "weights_" in self.__dict__)
        network, structure = self._build_untrained(config, rows, n_outputs, seed)
        if not fresh:  # start from the weights of the last fit
            last_shapes = array_shapes(self.weights_)
            if last_shapes != (expected_shapes := array_shapes(to_arrays(network.state_dict()))):
                raise ValueError(
                    f"warm_start is True, and the last fit had weights of the shapes {last_shapes}, expected "
                    f"{expected_shapes}: the columns, the targets or the settings have changed. Fit a new estimator, "
                    "or set warm_start to False."
                )
            network.load_state_dict(to_tensors(self.weights_))
            if rows.task.real:  # training starts with scaled values
                Scaling.from_examples(rows).restore(network, inverse=True)
        train, validation, settings = split_rows(
            len(rows), strata, self.validation_fraction, config.train, seed
        )
        weighted_train, weighted_validation = weigh_by_class(
            rows.take(train), rows.take(validation), config.train
        )
        loss_texts = "training" if train is validation else "validation"
        on_event = LineListener(loss_texts) if self.verbose else ignore
        losses: list[float] = []

        def on_epoch(metrics: EpochMetrics) -> None:
            losses.append(metrics.train_loss)
            on_event(EpochEnded(metrics))

        with stage(on_event, "training", total=settings.epochs):
            selection = fit(
                network,
                weighted_train,
                weighted_validation,
                settings,
                seed,
                on_epoch=on_epoch,
                fresh=fresh,
            )
        if not selection.finished:
            raise KeyboardInterrupt
        self.best_epoch_ = selection.epoch
        self.n_iter_ = selection.epochs_done
        self.loss_curve_ = losses
        self.seen_ = rows.size
        self.__dict__.pop("moments_", None)
        self.__dict__.pop("_learning", None)
        self._set_fitted_attributes(network, structure, rows, n_outputs)
        if settings.calibration == "temperature":
            held_out = rows.take(validation)
            logits = finite_logits(self._load_network(), held_out.x.double()).numpy()
            network.rescale(1.0 / best_temperature(logits, held_out.y.numpy()))
            self._set_fitted_attributes(network, structure, rows, n_outputs)
        self._load_network()

    def _fit_partly(self, rows: Examples, n_outputs: int, config: RunConfig) -> None:
        """Train one epoch from the weights and moments of the last call, and set the fitted attributes."""
        if config.train.optimizer != "adam":
            raise UserError(
                f"the preset {self.preset!r} is trained by L-BFGS, which takes all rows at once. Choose one with Adam, "
                "such as 'sines', for partial_fit."
            )
        attributes = self.__dict__
        first = "weights_" not in self.__dict__
        seed = self._seed
        if first:
            self.n_iter_ = 0
            self.loss_curve_ = list[float]()
            network, structure = self._build_untrained(config, rows, n_outputs, seed)
        else:
            structure = ModelConfig.model_validate(self.structure_)
            network = attributes.get("_learning") or self._build_fitted_network(
                self._backend(config)
            )
        moments = {
            place: to_tensors(arrays_or_tensors)
            for place, arrays_or_tensors in attributes.get("moments_", {}).items()
        }
        self.seen_ = rows.size + (0.0 if first else attributes.get("seen_", 0.0))
        strength = config.train.ridge_c
        if strength in ("folds", "validation"):  # of all rows, and a call has a part of them
            strength = "auto"
        if not first:  # the ridge of all rows so far, in place of that of the rows of this call
            strength = (1.0 if isinstance(strength, str) else strength) * self.seen_ / rows.size
        epoch_settings = {"epochs": 1, "select": "last", "patience": None, "ridge_c": strength}
        losses: list[float] = []
        selection = fit(
            network,
            rows,
            rows,
            config.train.model_copy(update=epoch_settings),
            derive_seed(seed, "partial fit", self.n_iter_),
            on_epoch=lambda metrics: losses.append(metrics.train_loss),
            moments=moments,
        )
        if not selection.finished:
            raise KeyboardInterrupt
        self.moments_ = {
            place: to_arrays(arrays_or_tensors) for place, arrays_or_tensors in moments.items()
        }
        self.n_iter_ += 1
        self.best_epoch_ = self.n_iter_
        self.loss_curve_ = [*self.loss_curve_, *losses]
        self._set_fitted_attributes(network, structure, rows, n_outputs)
        self._learning = network

    def _build_untrained(
        self, config: RunConfig, rows: Examples, n_outputs: int, seed: int
    ) -> tuple[Classifier, ModelConfig]:
        """Return an untrained network, and its structure with room for the rows.

        If the preset's encoders have too few amplitudes, each gets the fewest qubits Q_e with 2^Q_e ≥ D, or ≥ D + 1
        with ``model.pad = "bias"``, unless ``settings`` gives a number.
        """
        structure = config.model
        width = rows.x.shape[1]
        needed = min(width, structure.components or width) + (structure.pad != "zeros")
        small = structure.encoder == "quantum" and needed > 2**structure.latent_encoder_qubits
        if small and "model.encoder_qubits" not in self._user_settings:
            structure = structure.model_copy(update={"encoder_qubits": (needed - 1).bit_length()})
        backend = self._backend(config)
        return build_classifier(structure, width, n_outputs, seed=seed, backend=backend), structure

    def _set_fitted_attributes(
        self, network: Classifier, structure: ModelConfig, rows: Examples, n_outputs: int
    ) -> None:
        self.n_inputs_ = rows.x.shape[1]
        self.n_outputs_ = n_outputs
        self.structure_ = structure.model_dump(mode="json")
        self.weights_ = to_arrays(network.state_dict())
        self.n_parameters_ = network.n_parameters
        self.__dict__.pop("_network", None)

    def _backend(self, config: RunConfig) -> Any:
        backend = create(config.backend.name, config.backend_options)
        if backend.capabilities.remote:
            raise UserError(
                f"the backend {backend.name!r} sends circuits away, and a fit does not confirm their price. Choose "
                "one that computes here, or train with `qllmft train`."
            )
        return backend

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and fitted attributes, without networks."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in _UNPICKLED_ATTRIBUTES}
