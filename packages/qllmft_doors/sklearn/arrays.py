"""Arrays and weights of an estimator's texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from qllmft.training import Examples
from qllmft_base.errors import UserError
from qllmft_doors.sklearn.outputs import plain_array

Weights = NDArray[np.float64] | None


def changed_error(reason: str) -> UserError:
    """Return the error of an estimator whose fitted attributes do not fit each other."""
    return UserError(
        f"the fitted attributes were changed, and do not fit each other: {reason}. Fit again, or load the object again."
    )


def check_labels(labels: NDArray[Any]) -> None:
    """Raise ValueError for labels (N,) that are no classes, or are texts beside other values."""
    if labels.dtype == object:
        are_texts = {isinstance(label, str) for label in labels}
        if len(are_texts) > 1:
            type_names = ", ".join(sorted({type(label).__name__ for label in labels}))
            raise ValueError(
                f"y has labels of the types {type_names}, expected one type. Make all of them texts, or numbers."
            )
    check_classification_targets(labels)


def array_shapes(arrays: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of trained arrays by name, or raise UserError if one is no array of numbers."""
    if not isinstance(arrays, Mapping):
        raise changed_error(f"weights_ is {type(arrays).__name__}, expected arrays by name")
    for name, values in arrays.items():
        if not (isinstance(values, np.ndarray) and values.dtype.kind in "fiu"):
            kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
            raise changed_error(
                f"weights_ has {name} of the type {kind}, expected an array of numbers"
            )
    return {name: values.shape for name, values in arrays.items()}


def to_tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Return arrays by name as tensors that share their memory."""
    return {name: torch.from_numpy(values) for name, values in arrays.items()}


def to_arrays(tensors: Mapping[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    """Return tensors by name as arrays of their own."""
    return {name: values.detach().numpy().copy() for name, values in tensors.items()}


def with_weights(rows: Examples, sample_weight: Any, class_weights: Weights = None) -> Examples:
    """Return the rows with the weights of ``sample_weight`` times those of classes, without rows of weight 0."""
    if sample_weight is None and class_weights is None:
        return rows
    weights = np.ones(len(rows))
    if sample_weight is not None:
        sample_weight = plain_array(sample_weight, "sample_weight", numeric=True)
        weights = _check_sample_weight(sample_weight, rows.x.numpy(), dtype=np.float64)
    if (weights < 0).any():
        raise ValueError(
            f"sample_weight has {weights.min():g}, expected no negative weight. Leave such rows out."
        )
    if not weights.any():
        raise ValueError("sample_weight is 0 everywhere, expected at least one non-zero number.")
    weights = weights if class_weights is None else weights * class_weights
    return replace(rows, weight=torch.from_numpy(weights)).take(np.flatnonzero(weights))
