"""Header and arrays of a study's kept answers, each checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from qllmft.tasks.measure import ScoreName

FORMAT = 1

Arrays = Mapping[str, NDArray[Any]]  # of the file, by name


class Header(BaseModel):
    """Array ``about`` of the file, in JSON."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    rows: tuple[str, ...]
    seeds: tuple[int, ...]
    # number of labels of one per text, which are kept as differences; 1 for other scores
    labels: Annotated[int, Field(ge=1, le=2**16)]
    settings: dict[str, dict[str, Any]]
    curves: tuple[str, ...]
    score: ScoreName = "accuracy"


def read_choosing_mask(arrays: Arrays, n_texts: int) -> NDArray[np.bool_] | None:
    """Return which texts were drawn for choosing settings (N,), None if none were."""
    if "drawn" not in arrays:
        return None
    packed = read_array(arrays, "drawn", 1, "u")
    if arrays["drawn"].dtype != np.uint8 or len(packed) != -(-n_texts // 8):
        raise ValueError(f"its array 'drawn' has the shape {packed.shape}")
    choosing_mask = np.unpackbits(arrays["drawn"], count=n_texts).astype(bool)
    if choosing_mask.all():
        raise ValueError("its array 'drawn' marks every text, which leaves none to test on")
    return choosing_mask


def read_labels(arrays: Arrays, about: Header) -> NDArray[Any]:
    """Return the true labels of the texts, or raise ValueError if they are not of the score's kind."""
    if about.score == "accuracy":
        labels = read_array(arrays, "labels", 1, "iu")
        largest_label = about.labels - 1
    else:
        raw_labels = read_array(arrays, "labels", 2, "f")
        largest_label = 1
        if about.score == "R²":
            return raw_labels
        labels = raw_labels.astype(np.int64)
        if not np.array_equal(labels, raw_labels):
            raise ValueError("its labels are neither 0 nor 1")
    if len(labels) and not 0 <= labels.min() <= labels.max() <= largest_label:
        raise ValueError(
            f"its labels are {labels.min()} to {labels.max()}, expected 0 to {largest_label}"
        )
    return labels


def read_array(arrays: Arrays, name: str, axes: int, kinds: str) -> NDArray[Any]:
    """Return an array of integers or of finite real numbers, or raise ValueError if it is of another kind.

    Args:
        arrays: of the file.
        name: of the array.
        axes: number of its axes.
        kinds: of its type, letters of `numpy.dtype.kind`.
    """
    array = arrays[name]
    if array.ndim != axes or array.dtype.kind not in kinds:
        raise ValueError(f"its array {name!r} has the shape {array.shape} and type {array.dtype}")
    if kinds == "f" and not np.isfinite(array).all():
        raise ValueError(f"its array {name!r} has numbers that are not finite")
    return array if kinds == "f" else array.astype(np.int64)
