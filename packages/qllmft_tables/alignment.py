"""Columns that are Python objects with an index, such as pandas Series: joined by it as pandas does, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qllmft_base.errors import UserError
from qllmft_tables.cells import python_text

if TYPE_CHECKING:
    import pandas as pd

_BY_POSITION = "Give {name}.to_numpy() to join them by position."


def row_index(values: Any) -> pd.Index | None:
    """Return the index of a Series or a table of pandas, or of a library like it, and None for other objects."""
    index = getattr(values, "index", None)
    if index is None or callable(index):  # a method of lists
        return None
    import pandas as pd  # takes a third of a second, and lists need no index

    if not isinstance(index, pd.Index):
        index = index.to_pandas() if hasattr(index, "to_pandas") else None
    return index if isinstance(index, pd.Index) else None


def is_other_order(first: pd.Index, second: pd.Index) -> bool:
    """Return whether two indices have the same values, each once, in another order."""
    if len(first) != len(second) or first.equals(second):
        return False
    return bool(first.is_unique and second.is_unique and second.isin(first).all())


def check_pair(texts: Any, labels: Any) -> None:
    """Raise UserError for texts and labels with different indices, since a pair is joined by position."""
    first = row_index(texts)
    second = row_index(labels)
    if first is None or second is None or len(first) != len(second) or first.equals(second):
        return
    row = _first_difference(first, second)
    raise UserError(
        "the texts and the labels have different indices, and a pair is joined by position: row "
        f"{row + 1} has {_shown(first[row])} and {_shown(second[row])}. Give a dict of both to join them by index. "
        + _BY_POSITION.format(name="labels")
    )


def align_columns(columns: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return columns by name, all in the order of the first index among them, as pandas joins Series.

    Raises:
        UserError: if one index has other values than another, or if a column without an index stands beside two
            that differ.
    """
    indices = {
        name: index for name, values in columns.items() if (index := row_index(values)) is not None
    }
    lengths = {len(index) for index in indices.values()}
    if len(indices) < 2 or len(lengths) > 1:  # the error of other lengths names them
        return dict(columns)
    first_name, *other_names = indices
    first = indices[first_name]
    different = [name for name in other_names if not first.equals(indices[name])]
    if not different:
        return dict(columns)
    for name in different:
        if not is_other_order(first, indices[name]):
            raise _unlike_indices(first_name, first, name, indices[name])
    if unindexed := [name for name in columns if name not in indices]:
        raise UserError(
            f"the columns {str(first_name)!r} and {str(different[0])!r} have their rows in another order, by their "
            f"indices, and {str(unindexed[0])!r} has no index. Give it one, or give a DataFrame of all columns."
        )
    aligned = dict(columns)
    for name in different:
        places = indices[name].get_indexer(first)
        aligned[name] = _take(columns[name], places)
    return aligned


def _take(values: Any, places: Any) -> Any:
    """Return the values of a column at places."""
    if hasattr(values, "iloc"):
        return values.iloc[places]
    return np.asarray(values)[places]


def _unlike_indices(first_name: Any, first: pd.Index, name: Any, index: pd.Index) -> UserError:
    """Return the error for two columns whose indices have other values, or values several times."""
    repeated = [
        column for column, labels in ((first_name, first), (name, index)) if not labels.is_unique
    ]
    fault = f"the index of {str(repeated[0])!r} has values several times" if repeated else ""
    if not repeated:
        missing = first[~first.isin(index)]
        fault = f"{str(name)!r} has no row {_shown(missing[0])}"
        if len(missing) > 1:
            fault += f", and {len(missing) - 1:,} more are missing"
    return UserError(
        f"the columns {str(first_name)!r} and {str(name)!r} have different indices, by which a dict is joined: "
        f"{fault}. Give both the same rows. " + _BY_POSITION.format(name=name)
    )


def _first_difference(first: pd.Index, second: pd.Index) -> int:
    """Return the first place where two indices of one length differ, 0 if only their types do."""
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), 0)


def _shown(value: Any) -> str:
    return python_text(value)[:40]
