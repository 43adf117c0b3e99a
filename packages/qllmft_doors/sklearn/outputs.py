"""Labels, targets and weights of any library as arrays that scikit-learn can check."""

from __future__ import annotations

import warnings
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from qllmft_base.errors import UserError
from qllmft_tables.alignment import is_other_order, row_index
from qllmft_tables.cells import is_missing, python_text

_DATES = (date, time, timedelta, np.datetime64, np.timedelta64)
_LABEL = "a label"
_SCALARS = (str, int, float, Decimal, np.number, np.bool_)


def plain_array(values: Any, name: str = "y", *, numeric: bool = False) -> Any:
    """Return values (N,) or (N, T) as an array of NumPy's types, or as they are if scikit-learn refuses them.

    Args:
        values: a list, an array, or a column or table of another library.
        name: of the argument, for messages.
        numeric: the values are numbers and no labels, which may be dates of NumPy.

    Raises:
        UserError: for a value that is missing, with its row, and for bytes and dates, with the remedy.
    """
    if values is None or isinstance(values, str) or issparse(values):
        return values
    try:
        array = _to_array(values)
    except ValueError:  # rows of different lengths
        return values
    if array.ndim == 0 or any(isinstance(cell, list | tuple) for cell in _objects(array)):
        return values
    expected = "a number" if numeric else _LABEL
    _check_present(array, name, expected)
    wrong_kinds = "MmS" if numeric else "S"
    if array.size and array.dtype.kind in wrong_kinds:
        raise _other_type(array.flat[0], name, expected)
    for cell in _objects(array):
        if not isinstance(cell, _SCALARS):
            raise _other_type(cell, name, expected)
    return _narrow(array) if array.dtype.kind == "O" else array


def check_unmasked(X: Any) -> None:  # noqa: N803 - scikit-learn's name
    """Raise UserError for a masked value, since scikit-learn reads the number below the mask."""
    if (
        isinstance(X, np.ma.MaskedArray)
        and (masked_rows := np.argwhere(np.ma.getmaskarray(X))).size
    ):
        raise UserError(
            f"row {masked_rows[0][0] + 1} of X has a masked value, expected numbers. Fill it in, or leave out that row."
        )


def warn_of_other_order(X: Any, y: Any) -> None:  # noqa: N803 - scikit-learn's name
    """Warn if the indices of rows and labels hold the same values in another order, since none is joined by index."""
    first = row_index(X)
    second = row_index(y)
    if first is not None and second is not None and is_other_order(first, second):
        warnings.warn(
            "X and y have the same index in another order, and scikit-learn joins them by position. Give "
            "y.loc[X.index] to join them by index, or y.to_numpy() if the positions are right.",
            UserWarning,
            stacklevel=3,
        )


def _to_array(values: Any) -> NDArray[Any]:
    """Return values as an array, of objects if they come from a library with missing values."""
    if isinstance(values, np.ma.MaskedArray):
        if not np.ma.getmaskarray(values).any():
            return np.asarray(values)
        return np.array(values.tolist(), dtype=object)  # None in the place of masked values
    if isinstance(values, np.ndarray):
        return values.astype(object) if values.dtype.kind == "T" else values
    if hasattr(values, "iloc") or hasattr(values, "to_numpy"):  # of pandas, polars or Arrow
        values = _from_columns(values)
    if isinstance(values, list | tuple):
        return _from_list(values)
    return np.asarray(values)


def _from_columns(values: Any) -> Any:
    """Return a column of another library as an array or a list, and a table as an array."""
    if hasattr(values, "to_pylist"):
        return np.array([*values.to_pylist(), None], dtype=object)[:-1]
    if hasattr(values, "columns"):
        is_pandas = hasattr(values, "iloc")
        return values.to_numpy(dtype=object) if is_pandas else values.to_numpy().astype(object)
    if isinstance(getattr(values, "dtype", None), np.dtype):
        return values.to_numpy()
    return np.array([*values, None], dtype=object)[:-1]


def _from_list(values: list[Any] | tuple[Any, ...]) -> NDArray[Any]:
    """Return a list as NumPy's array, or as objects if texts stand beside other values or some are missing."""
    array = np.asarray(values)
    if array.ndim == 1 and array.dtype.kind in "USTf":
        objects = np.array([*values, None], dtype=object)[:-1]
        same_types = len({isinstance(value, str) for value in values}) == 1
        if not same_types or array.dtype.kind in "ST":
            return objects
    return array


def _objects(array: NDArray[Any]) -> Any:
    return array.flat if array.dtype.kind == "O" else ()


def _check_present(array: NDArray[Any], name: str, expected: str) -> None:
    """Raise UserError for the first row with a missing value."""
    if array.dtype.kind == "f":
        missing = np.isnan(array)
    elif array.dtype.kind in "Mm":
        missing = np.isnat(array)
    elif array.dtype.kind == "O":
        missing = np.fromiter(map(is_missing, array.flat), bool, array.size).reshape(array.shape)
    else:
        return
    if missing.any():
        place = np.argwhere(missing)[0]
        raise UserError(
            f"row {place[0] + 1} of {name} is {python_text(array[tuple(place)])}, expected {expected}. Fill it in, or "
            "leave out that row."
        )


def _other_type(cell: Any, name: str, expected: str) -> UserError:
    """Return the error for a value that is neither text nor number."""
    remedy = "Give texts or numbers."
    if isinstance(cell, bytes):
        remedy = "Decode bytes first, as cell.decode() does."
    elif isinstance(cell, _DATES):
        remedy = "Write dates as numbers, such as a year."
        if expected == _LABEL:
            remedy = "Write dates as texts, such as 2026-01-31."
    return UserError(
        f"{name} has {str(cell)[:60]!r} of the type {type(cell).__name__}, expected {expected}. {remedy}"
    )


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Return objects that are all truth values or all numbers as an array of these, and others as they are."""
    cells = [float(cell) if isinstance(cell, Decimal) else cell for cell in array.flat]
    are_bools = {isinstance(cell, bool | np.bool_) for cell in cells}
    are_texts = any(isinstance(cell, str) for cell in cells)
    if are_texts or len(are_bools) > 1:
        return array
    return np.array(cells).reshape(array.shape)
