"""Labelled texts in Python objects: a table, a dict of columns, two lists, or a mapping of splits to tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from qllmft.config import IN_MEMORY, DataConfig
from qllmft.data.corpus import Corpus
from qllmft.data.rows import SPLIT_NAMES, corpus_of, counted
from qllmft.errors import UserError


def corpus_in_memory(data: Any, config: DataConfig) -> Corpus:
    """Return a corpus with the kind, the number of rows and the hash of ``data`` in its source.

    Args:
        data: a `pandas.DataFrame`, a `datasets.Dataset`, a table of polars or Arrow, a dict of columns, or two lists of
            texts and labels; tables also by split, as in a `DatasetDict`. Errors count rows from 1.
        config: columns, and treatment of bad rows and of duplicates.
    """
    frames, names = frames_in_memory(data, config)
    kind = "texts and labels" if isinstance(data, tuple | list) else type(data).__name__
    source = f"{IN_MEMORY}{kind} of {sum(map(len, frames.values()))} rows"
    corpus = corpus_of(frames, names, config.model_copy(update={"source": source}))
    return replace(corpus, source=f"{source} ({corpus.fingerprint})")


def frames_in_memory(
    data: Any, config: DataConfig
) -> tuple[dict[str, pd.DataFrame], list[str] | None]:
    """Return tables by split, and the names of labels if the first Dataset declares them."""
    if (
        isinstance(data, tuple | list)
        and len(data) == 2
        and not any(isinstance(part, str) for part in data)
    ):
        texts, labels = map(list, data)
        if len(texts) != len(labels):
            raise UserError(
                f"there are {len(texts)} texts and {len(labels)} labels; expected one label per text."
            )
        data = pd.DataFrame({config.text_column: texts, config.label_column: labels}, dtype=object)
    if (
        isinstance(data, Mapping)
        and data
        and not any(
            isinstance(part, pd.DataFrame) or hasattr(part, "to_pandas") for part in data.values()
        )
    ):
        data = _of_columns(data)
    splits = data if isinstance(data, Mapping) and data else {"all": data}
    frames = {SPLIT_NAMES.get(str(name), str(name)): _frame(part) for name, part in splits.items()}
    first = next(iter(splits.values()))
    declared = None if isinstance(first, pd.DataFrame) else getattr(first, "features", None)
    feature: Any = (declared or {}).get(config.label_column)
    if config.has_lists:
        feature = getattr(feature, "feature", None)
    return frames, list(feature.names) if type(feature).__name__ == "ClassLabel" else None


def _of_columns(data: Mapping[Any, Any]) -> pd.DataFrame:
    """Return the table of columns by name."""
    columns = {
        str(name): list(column)
        for name, column in data.items()
        if not isinstance(column, str | tuple)
    }
    lengths = {name: len(column) for name, column in columns.items()}
    if len(columns) < len(data) or len(set(lengths.values())) > 1:
        found = ", ".join(
            f"{name!r}: {lengths.get(str(name), type(column).__name__)}"
            for name, column in data.items()
        )
        raise UserError(
            f"the dict holds {found}; expected columns of one length by name, or tables by split."
        )
    return pd.DataFrame(columns, dtype=object)


def _frame(data: Any) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return counted(data)
    if hasattr(data, "to_pandas"):
        return counted(data.to_pandas())
    raise UserError(
        f"the texts are given as {type(data).__name__}; expected a path, a DataFrame of pandas or polars, a Dataset or "
        "DatasetDict, a dict of columns, or two lists: train((texts, labels))."
    )
