"""Configuration of a run from an estimator's parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from qllmft.config import RunConfig
from qllmft.config.model import ModelConfig
from qllmft.config.presets import DEFAULT, load_preset
from qllmft.config.settings import parse_settings
from qllmft.errors import UserError

Settings = Mapping[str, Any] | Iterable[str] | None

PARAMETERS = {  # of an estimator, and the settings that they are
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
PARTLY = {
    "train.lr": 1e-2,
    "train.batch_size": 16,
    "model.components": None,
    "model.encoder_layers": 60,
}
_SECTIONS = ("model", "train", "noise", "backend")


def configuration(estimator: Any, *sections: str, partly: bool = False, **given: Any) -> RunConfig:
    """Return the configuration of an estimator: its preset, then ``settings``, then other parameters.

    In `partial_fit`, ``partly``, the default preset has the settings `PARTLY`.
    """
    overrides = chosen_settings(estimator.settings)
    allowed = (*_SECTIONS, *sections)
    if others := [name for name in overrides if name.partition(".")[0] not in allowed]:
        raise UserError(
            f"settings holds {', '.join(others)}; expected settings of {', '.join(allowed)}. The seed is random_state, "
            "the rows are those of fit, and baselines are other estimators."
        )
    given = {name.replace("__", "."): value for name, value in given.items()}
    given |= {setting: getattr(estimator, name) for name, setting in PARAMETERS.items()}
    # a search draws numpy's numbers
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in given.items()
    }
    overrides |= {name: value for name, value in plain.items() if value is not None}
    if partly and estimator.preset == DEFAULT:
        overrides = PARTLY | overrides
    config = load_preset(estimator.preset).config(overrides)
    if config.body.learns:
        raise UserError(
            f"the preset {estimator.preset!r} has a body that learns, and a scikit-learn estimator keeps it frozen. "
            "Choose another preset, or train with qllmft.train."
        )
    return config


def chosen_settings(settings: Settings) -> dict[str, Any]:
    """Return settings by dotted names, from a mapping or from ``NAME=VALUE`` texts."""
    if isinstance(settings, str):
        raise UserError(
            f"settings is the text {settings!r}; expected a dict, or a list of 'NAME=VALUE' texts."
        )
    if isinstance(settings, Mapping):
        return dict(settings)
    return parse_settings(settings or [], "settings")


def seed_of(random_state: Any) -> int:
    """Return the seed of a fit: a number itself, or one drawn from a generator."""
    if isinstance(random_state, int | np.integer) and random_state >= 0:
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def with_room_for(config: ModelConfig, dimension: int, settings: Settings) -> ModelConfig:
    """Return the structure for vectors of D values.

    If the preset's encoders have too few amplitudes, each gets the fewest qubits Q_e with 2^Q_e ≥ D, or ≥ D + 1 with
    ``model.pad = "bias"``, unless ``settings`` gives a number.
    """
    needed = min(dimension, config.components or dimension) + (config.pad != "zeros")
    if config.encoder != "quantum" or "model.encoder_qubits" in chosen_settings(settings):
        return config
    if needed <= 2**config.latent_encoder_qubits:
        return config
    return config.model_copy(update={"encoder_qubits": (needed - 1).bit_length()})
