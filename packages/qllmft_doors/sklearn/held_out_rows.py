"""Rows that an estimator holds back to choose its epoch and its temperature."""

from __future__ import annotations

import math
import warnings
from numbers import Real

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from qllmft.config import TrainConfig
from qllmft_base.errors import UserError

Rows = NDArray[np.int64]


def split_rows(
    n: int, strata: Rows | None, share: float, config: TrainConfig, seed: int
) -> tuple[Rows, Rows, TrainConfig]:
    """Split N rows into training and validation, and return the settings of the training.

    All rows are in both parts if the last epoch is kept and nothing is calibrated.

    Args:
        n: number of rows.
        strata: (N,) class of each row, of which both parts have their share; None for targets.
        share: of the rows for validation, an estimator's ``validation_fraction``.
        config: settings of the training.
        seed: of the draw.

    Raises:
        UserError: if the share is no fraction, or the rows are too few to calibrate on a share of them.
    """
    rows = np.arange(n)
    calibrated = config.calibration == "temperature"
    if not (isinstance(share, Real) and 0.0 < share < 1.0):
        raise UserError(f"validation_fraction is {share!r}, expected a number above 0 and below 1.")
    choosing = config.ridge_c == "validation"
    if config.select == "last" and not calibrated and not choosing:
        return rows, rows, config
    n_held_out = math.ceil(float(share) * n)
    counts = np.ones(1, int) if strata is None else np.bincount(strata)
    rare = strata is not None and counts.min() < 2
    if rare or min(n_held_out, n - n_held_out) < len(counts):
        if calibrated:
            raise UserError(
                f"{n} samples of {len(counts)} classes are too few to calibrate on a share of them. Give more, "
                "another validation_fraction, or leave train.calibration out."
            )
        warnings.warn(
            f"{n} samples{'' if strata is None else f' of {len(counts)} classes'} are too few to choose the epoch "
            "on a share of them. All are trained on, and the last epoch is kept. Give more, another "
            "validation_fraction, or settings={'train.select': 'last'}.",
            UserWarning,
            stacklevel=5,
        )
        return rows, rows, config.model_copy(update={"select": "last", "patience": None})
    train, validation = train_test_split(
        rows, test_size=n_held_out, stratify=strata, random_state=seed % 2**32
    )
    return train, validation, config
