"""Labelled texts from a local file, a folder of splits, the hub, or the package itself."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Iterable
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qllmft.config import EMBEDDED, DataConfig
from qllmft.data.corpus import Corpus, Table
from qllmft.errors import UserError
from qllmft.files import expanded, parse_json

SUFFIXES = (".tsv", ".csv", ".jsonl", ".parquet")
_SPLIT_NAMES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip


def read_corpus(config: DataConfig) -> Corpus:
    """Read the data set that ``config`` names, with all its splits.

    Raises:
        UserError: where it cannot be found or read, or holds what cannot be learned from: unknown columns, empty texts,
            missing labels, broken encodings, one class only.
    """
    if config.source == EMBEDDED:
        frames = {"all": _embedded()}
        names: list[str] | None = ["negative", "positive"]
    elif (path := expanded(config.source)).exists():
        frames, names = {split: _read_file(file) for split, file in _files(path).items()}, None
    elif path.is_absolute() or config.source.startswith((".", "~")) or path.suffix in SUFFIXES:
        raise UserError(
            f"there is no file or folder {path}. Give a {', '.join(SUFFIXES)} file, a folder of such files named "
            f"train, validation and test, a data set's name on the hub (SetFit/sst2), or {EMBEDDED!r}."
        )
    else:
        frames, names = _read_hub(config)
    return _corpus(frames, names, config)


def _embedded() -> pd.DataFrame:
    return _table_of(resources.files("qllmft.data") / "reviews.tsv", "\t")


def _files(path: Path) -> dict[str, Path]:
    """Files by split; a single file is the split ``all``."""
    if not path.is_dir():
        return {"all": path}
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        split = _SPLIT_NAMES.get(file.stem.lower())
        if split and file.suffix in SUFFIXES:
            if split in files:
                raise UserError(
                    f"the folder {path} has two files of the split {split!r}: {files[split].name}, {file.name}."
                )
            files[split] = file
    if not files:
        raise UserError(
            f"the folder {path} has no split: expected files named train, validation (or dev), test with the suffix "
            f"{', '.join(SUFFIXES)}."
        )
    return files


def _read_file(path: Path) -> pd.DataFrame:
    """One file as a table, its rows numbered as a reader counts them; the suffix says its format."""
    try:
        if path.suffix == ".parquet":
            return _counted(pd.read_parquet(path))
        if path.suffix == ".jsonl":
            return _read_jsonl(path)
        if path.suffix in (".tsv", ".csv"):
            return _table_of(path, "\t" if path.suffix == ".tsv" else ",")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8. "
            f"Convert the file first, for instance: iconv -f latin1 -t utf-8 {path.name}."
        ) from None
    except pd.errors.ParserWarning:
        raise UserError(
            f"{path}: its rows have more fields than its first line names. Name every column there"
            f"{', and quote the texts that hold a comma' if path.suffix == '.csv' else ''}."
        ) from None
    except (ValueError, OSError, pd.errors.ParserError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error
    raise UserError(f"{path} has the suffix {path.suffix!r}; expected one of {', '.join(SUFFIXES)}.")


def _table_of(path: Any, separator: str) -> pd.DataFrame:
    """A separated file; every cell stays the text that it is, so that 'NA' or 'null' are words.

    Tab-separated files have no quoting (SST-2 has lone quotes); comma-separated ones have the usual.
    """
    content = path.read_bytes()
    content.decode("utf-8")  # the position of a broken byte, which pandas does not tell
    kept = content.rstrip()
    content = kept + content[len(kept) :].partition(b"\n")[0] + b"\n"  # blank lines at the end are no rows
    with warnings.catch_warnings():
        # by itself pandas takes the first field of too long rows for an index and shifts the columns
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            BytesIO(content),
            sep=separator,
            quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            skip_blank_lines=False,
            index_col=False,
        )
    return _counted(frame, first=2)  # the first line names the columns


def _counted(frame: pd.DataFrame, first: int = 1) -> pd.DataFrame:
    """The table with its rows numbered from ``first``, as errors name them."""
    return frame.set_axis(range(first, first + len(frame)))


def _read_jsonl(path: Path) -> pd.DataFrame:
    rows = {}
    for number, line in enumerate(path.read_bytes().decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise UserError(f"{path}, line {number}: not JSON ({reason}). Expected one object a line.") from None
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: {type(row).__name__}, expected an object with one field a column.")
        rows[number] = row
    return pd.DataFrame(list(rows.values()), index=list(rows))


def _read_hub(config: DataConfig) -> tuple[dict[str, pd.DataFrame], list[str] | None]:
    """A hub data set's splits, and the names of its labels where it declares them."""
    import datasets

    try:
        loaded = datasets.load_dataset(config.source, config.subset, revision=config.revision)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(
            f"the data set {config.source!r} could not be loaded from the hub: {reason}. "
            f"Check the name and the network, or give a local file or folder, or {EMBEDDED!r} (embedded)."
        ) from error
    splits = dict(loaded) if isinstance(loaded, dict) else {"all": loaded}
    feature = next(iter(splits.values())).features.get(config.label_column)
    names = list(feature.names) if isinstance(feature, datasets.ClassLabel) else None
    return {_SPLIT_NAMES.get(name, name): _counted(split.to_pandas()) for name, split in splits.items()}, names


def _corpus(frames: dict[str, pd.DataFrame], names: list[str] | None, config: DataConfig) -> Corpus:
    for split, frame in frames.items():
        if not len(frame):
            raise UserError(f"{config.source}, split {split!r}: there is no row in it. Fill it in, or leave it out.")
        for column in (config.text_column, config.label_column):
            if column not in frame.columns:
                raise UserError(
                    f"{config.source}, split {split!r}: there is no column {column!r}; its columns are "
                    f"{', '.join(map(str, frame.columns))}. Choose with --text-column and --label-column."
                )
    raw = {split: [_label(v) for v in frame[config.label_column].tolist()] for split, frame in frames.items()}
    if names is None:
        names = _label_names(frames, raw, config)
        values = _sorted_labels({label for labels in raw.values() for label in labels})
    else:
        values = [str(i) for i in range(len(names))]
    index_of = {value: i for i, value in enumerate(values)}
    tables = {}
    for split, frame in frames.items():
        texts = frame[config.text_column].tolist()
        labels = raw[split]
        for row, text, label in zip(frame.index.tolist(), texts, labels, strict=True):
            if not isinstance(text, str) and not _missing(text):
                raise UserError(
                    f"{config.source}, split {split!r}, row {row}: the text is {text!r}, expected a string. "
                    "Is --text-column right?"
                )
            if _missing(text) or not text.strip():
                raise UserError(
                    f"{config.source}, split {split!r}, row {row}: the text is empty. Remove the row or fill it in."
                )
            if label not in index_of:
                raise UserError(
                    f"{config.source}, split {split!r}, row {row}: the label is {label!r}, expected one of {values}."
                )
        tables[split] = Table(texts, np.array([index_of[label] for label in labels], dtype=np.int64))
    corpus = Corpus(config.source, tuple(names), tables)
    present = sorted({int(y) for table in tables.values() for y in np.unique(table.labels)})
    if len(present) < 2:
        only = corpus.label_names[present[0]]
        raise UserError(
            f"{config.source}: every text has the label {only!r}; a classifier needs two labels or more. "
            "Is --label-column right?"
        )
    return corpus


def _missing(value: Any) -> bool:
    """Whether a cell is empty: None, or one of the two not-a-values of pandas."""
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _label(value: Any) -> str:
    """A label as text: 1, 1.0 and '1' are the same label; an empty one is an error later, with its row."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if _missing(value) else str(value).strip()


def _sorted_labels(labels: Iterable[str]) -> list[str]:
    """Numbers by value, words by alphabet; the empty label is none."""
    kept = [label for label in labels if label]
    return sorted(kept, key=int) if all(label.removeprefix("-").isdecimal() for label in kept) else sorted(kept)


def _label_names(frames: dict[str, pd.DataFrame], raw: dict[str, list[str]], config: DataConfig) -> list[str]:
    """Names of the labels: those of a column ``label_text`` beside the label (SetFit's convention), else themselves."""
    values = _sorted_labels({label for labels in raw.values() for label in labels})
    column = f"{config.label_column}_text"
    names: dict[str, str] = {}
    for split, frame in frames.items():
        if column in frame.columns:
            names.update(zip(raw[split], map(str, frame[column].tolist()), strict=True))
    return [names.get(value, value) for value in values]
