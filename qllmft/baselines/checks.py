"""Checks of what a run gets from a head that may be the user's own: answers, number of parameters and settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.training import Examples

MAX_SHOWN = 60  # characters of a value in a message


def check_answers(
    name: str, answers: Any, examples: Examples, n_labels: int | None = None
) -> NDArray[Any]:
    """Return answers as integer labels or as float64, or raise UserError if they do not suit the examples.

    Args:
        name: of the baseline that gave them.
        answers: an array, or what numpy makes one of.
        examples: N texts that were asked about.
        n_labels: k, of one label per text; None if it is not known.
    """
    task = examples.task
    expected_shape = tuple(examples.y.shape)
    values = _as_numbers(answers)
    if values is None or values.shape != expected_shape:
        fault = _describe(answers)
    elif task.one_label:
        fault = _label_fault(values, n_labels)
    else:
        fault = _number_fault(values, leads=task.several)
    if values is None or fault:
        if task.one_label:
            numbers = "whole numbers from 0" + (f" to {n_labels - 1}" if n_labels else "")
        elif task.several:
            numbers = "finite leads of the labels' scores over their thresholds"
        else:
            numbers = "finite values of the targets"
        raise UserError(
            f"the baseline {name!r} returned {fault}, expected {numbers} in the shape {expected_shape}. "
            "Correct its method predict."
        )
    return values.astype(np.int64 if task.one_label else np.float64, copy=False)


def is_estimator(thing: Any) -> bool:
    """Return whether a thing is an estimator of scikit-learn, and no class of them."""
    if isinstance(thing, type):
        return False
    return all(hasattr(thing, name) for name in ("fit", "get_params", "set_params"))


def check_maker(label: str, make: Any) -> None:
    """Raise UserError unless a baseline's ``make`` is a function that can return a head."""
    if callable(make) and not _makes_estimators(make):
        return
    raise UserError(
        f"make of the baseline {label!r} is {describe_thing(make)}, expected a function that returns a head. "
        + head_remedy(label, make)
    )


def _makes_estimators(make: Any) -> bool:
    """Return whether a thing is an estimator of scikit-learn, or a class of them."""
    return is_estimator(make) or (isinstance(make, type) and hasattr(make, "get_params"))


def describe_thing(thing: Any) -> str:
    """Return a thing in the place of a baseline in words."""
    return thing.__name__ if isinstance(thing, type) else f"an object of {type(thing).__name__}"


def head_remedy(label: str, thing: Any) -> str:
    """Return how a thing becomes a baseline: an estimator by a grid, and another one by a function."""
    if not _makes_estimators(thing):
        return f"Example: Baseline({label!r}, lambda config, *sizes: head, tuned=False)."
    estimator = thing.__name__ if isinstance(thing, type) else f"{type(thing).__name__}()"
    grid = f"GridBaseline({label!r}, {estimator}, [{{}}])"
    return f"Example: Baseline.from_grid({label!r}, lambda grid: {grid})."


def check_head(label: str, head: Any, names: Iterable[str]) -> None:
    """Raise UserError unless what a baseline's ``make`` returned has the names of a head."""
    # a property of a head may have no value before it is fitted
    missing_names = [
        name for name in names if not (hasattr(type(head), name) or hasattr(head, name))
    ]
    if missing_names or isinstance(head, type):
        lack = f" without {', '.join(missing_names)}" if missing_names else ""
        raise UserError(
            f"make of the baseline {label!r} returned {describe_thing(head)}{lack}, expected a head, such as a "
            "GridBaseline."
        )


def convert_settings(name: str, settings: Any) -> dict[str, Any]:
    """Return settings with Python's numbers in place of numpy's, or raise UserError if JSON cannot hold them.

    Args:
        name: of the baseline that has them.
        settings: values by name.
    """
    if not isinstance(settings, Mapping):
        raise UserError(
            f"the baseline {name!r} has settings of the type {type(settings).__name__}, expected a dict by name."
        )
    converted = {}
    for setting, value in settings.items():
        try:
            converted[setting] = _convert(value)
        except TypeError:
            raise UserError(
                f"the baseline {name!r} has the setting {setting!r} with {repr(value)[:MAX_SHOWN]}, which JSON cannot "
                "hold. Give a finite number, a text, True, False, None, or a list or dict of them."
            ) from None
    return converted


def _convert(value: Any) -> Any:
    """Return a value as Python has it, or raise TypeError if JSON cannot hold it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list):
        return [_convert(part) for part in value]
    if isinstance(value, tuple):
        return tuple(_convert(part) for part in value)
    if isinstance(value, Mapping):
        return {_convert_key(key): _convert(part) for key, part in value.items()}
    raise TypeError(f"{type(value).__name__} is no JSON")


def _convert_key(key: Any) -> str | int:
    """Return the key of a dict as Python has it, or raise TypeError if it is no text and no whole number."""
    converted = _convert(key)
    if not isinstance(converted, str | int):
        raise TypeError(f"{type(key).__name__} is no key")
    return converted


def _as_numbers(answers: Any) -> NDArray[Any] | None:
    """Return answers as an array of numbers or truth values, or None if they are others."""
    try:
        values = np.asarray(answers)
    except (TypeError, ValueError):  # lists of unequal lengths, tensors of another device
        return None
    return values if values.dtype.kind in "biuf" else None


def _describe(answers: Any) -> str:
    """Return the type of answers in words, and the shape of those that have one."""
    text = f"a value of the type {type(answers).__name__}"
    if isinstance(answers, np.ndarray):
        text = f"an array of {answers.dtype}"
    shape = getattr(answers, "shape", None)
    if shape is not None:
        return f"{text} in the shape {tuple(shape)}"
    return f"{text} of length {len(answers)}" if hasattr(answers, "__len__") else text


def _label_fault(values: NDArray[Any], n_labels: int | None) -> str:
    """Return the first value (N,) that is no label, in words, or ""."""
    limit = np.iinfo(np.int32).max if n_labels is None else n_labels
    wrong = values[~((values >= 0) & (values < limit) & (np.floor(values) == values))]
    return f"the answer {wrong[0]}" if wrong.size else ""


def _number_fault(values: NDArray[Any], *, leads: bool) -> str:
    """Return the fault of values or leads (N, T) in words, or "".

    Truth values, and whole numbers 0 and 1, are the labels themselves: as leads, all would be labels.
    """
    wrong = values[~np.isfinite(values)]
    if wrong.size:
        return f"the answer {wrong[0]}"
    if leads and values.dtype.kind in "biu" and set(np.unique(values).tolist()) <= {0, 1}:
        return "the labels themselves"
    return ""
