"""Labelled texts from a local file, a folder of splits, the hub, the package itself, or Python objects."""

from __future__ import annotations

import codecs
import csv
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from qllmft.config import EMBEDDED, IN_MEMORY, DataConfig
from qllmft.data.cells import MOST_BYTES, batches, check_columns, open_parquet
from qllmft.data.corpus import Corpus
from qllmft.data.rows import SPLIT_NAMES, corpus_of, counted
from qllmft.errors import UserError, first_line
from qllmft.files import expanded, parse_json, read_bytes

SUFFIXES = (".tsv", ".csv", ".jsonl", ".parquet")
_SEPARATORS = {".tsv": "\t", ".csv": ","}


def read_corpus(config: DataConfig) -> Corpus:
    """Read the data set of ``config`` with all its splits."""
    if config.source.startswith(IN_MEMORY):
        raise UserError(
            f"the texts were given to Python ({config.source}) and are not kept. Give the same texts to "
            "qllmft.train again to resume the run, or labelled texts in a file with --data."
        )
    names: list[str] | None = None
    if config.source == EMBEDDED:
        frames = {"all": _table_of(resources.files("qllmft.data") / "reviews.tsv", "\t")}
        names = ["negative", "positive"]
    elif (path := expanded(config.source)).exists():
        frames = {split: _read_file(file, config) for split, file in _files(path).items()}
    elif path.is_absolute() or config.source.startswith((".", "~")) or path.suffix in SUFFIXES:
        raise UserError(
            f"there is no file or folder {path}. Give a {', '.join(SUFFIXES)} file, a folder of such files named "
            f"train, validation and test, a data set's name on the hub (SetFit/sst2), or {EMBEDDED!r}."
        )
    else:
        frames, names = _read_hub(config)
    return corpus_of(frames, names, config)


def _files(path: Path) -> dict[str, Path]:
    """Return files by split, which is ``all`` for a single file."""
    if not path.is_dir():
        return {"all": path}
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        split = SPLIT_NAMES.get(file.stem.lower())
        if split is None or file.suffix not in SUFFIXES:
            continue
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


def _read_file(path: Path, config: DataConfig) -> pd.DataFrame:
    """Read one file in the format of its suffix, with rows numbered as in an editor."""
    if path.suffix not in SUFFIXES:
        raise UserError(
            f"{path} has the suffix {path.suffix!r}; expected one of {', '.join(SUFFIXES)}."
        )
    try:
        if path.suffix == ".parquet":
            return counted(_read_parquet(path, config))
        if path.suffix == ".jsonl":
            return _read_jsonl(path)
        separator = config.delimiter or _SEPARATORS[path.suffix]
        return _table_of(path, separator, quoted=path.suffix == ".csv")
    except UnicodeDecodeError as error:
        if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise _utf_16(path) from None
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8. "
            f"Convert the file first, for instance: iconv -f cp1252 -t utf-8 {path.name}."
        ) from None
    except pd.errors.ParserWarning:
        commas = ", and quote the texts that hold a comma" * (path.suffix == ".csv")
        raise UserError(
            f"{path}: its rows have more fields than its first line names. Name every column there{commas}."
        ) from None
    except UserError:
        raise
    except (ValueError, OSError, pd.errors.ParserError) as error:
        if fields := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
            raise UserError(
                f"{path}, line {fields[2]}: it has {fields[3]} fields, and the first line names {fields[1]} columns. "
                "Quote the texts that hold the delimiter, or name another one with --delimiter."
            ) from None
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error


def _utf_16(path: Any) -> UserError:
    return UserError(
        f"{path} is UTF-16, expected UTF-8. Convert it: iconv -f utf-16 -t utf-8 {path.name}."
    )


def _table_of(path: Any, separator: str, *, quoted: bool = False) -> pd.DataFrame:
    """Read a separated file with every cell as text, so that 'NA' and 'null' are words.

    Files named .tsv have no quoting (SST-2 has lone quotes); files named .csv have the usual quoting.
    """
    content = read_bytes(path, MOST_BYTES)
    if not content.strip():
        raise UserError(
            f"{path} is empty; expected a first line that names the columns, and one row per text."
        )
    content.decode("utf-8")  # pandas does not report the position of a broken byte
    # UTF-16 without a byte order mark is valid UTF-8 with a null byte per letter
    if b"\0" in content[:1000]:
        raise _utf_16(path)
    check_columns(content.partition(b"\n")[0].count(separator.encode()) + 1, path)
    kept = content.rstrip()
    content = kept + content[len(kept) :].partition(b"\n")[0] + b"\n"  # drop blank lines at the end
    with warnings.catch_warnings():
        # by default pandas takes the first field of too long rows for an index and shifts the
        # columns
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            BytesIO(content),
            sep=separator,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            skip_blank_lines=False,
            index_col=False,
        )
    return counted(frame, first=2)  # the first line names the columns


def _read_jsonl(path: Path) -> pd.DataFrame:
    rows = {}
    columns: set[str] = set()
    lines = read_bytes(path, MOST_BYTES).decode("utf-8-sig").split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows[number] = parse_object(line, f"{path}, line {number}")
            columns |= rows[number].keys()
            check_columns(len(columns), path)
    return pd.DataFrame(list(rows.values()), index=list(rows))


def parse_object(line: str, where: str) -> dict[str, Any]:
    """Return the object of a line of JSON, or raise UserError with its place in the file."""
    try:
        row = parse_json(line)
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise UserError(f"{where}: not JSON ({reason}). Expected one object per line.") from None
    if not isinstance(row, dict):
        raise UserError(
            f"{where}: {type(row).__name__}, expected an object with a field per column."
        )
    return row


def _read_parquet(path: Path, config: DataConfig) -> pd.DataFrame:
    """Read the columns of texts, labels and names of labels, without what pandas wrote about its index and types."""
    wanted = *config.columns, f"{config.label_column}_text"
    with open_parquet(path, wanted) as file:
        names = file.schema_arrow.names
        if not {*config.columns} <= {*names}:
            # for the error that names the columns
            return pd.DataFrame({name: [""] for name in names})
        values: dict[str, list[Any]] = {name: [] for name in wanted if name in names}
        for batch in batches(file, [*values], path, keeps_all=True):
            for column, part in zip(values.values(), batch, strict=True):
                column += part
    return pd.DataFrame({name: pd.Series(part, dtype=object) for name, part in values.items()})


def _read_hub(config: DataConfig) -> tuple[dict[str, pd.DataFrame], list[str] | None]:
    """Return the splits of a data set on the hub, and the names of its labels if it declares them."""
    import datasets

    try:
        loaded = datasets.load_dataset(config.source, config.subset, revision=config.revision)
    except Exception as error:
        raise UserError(
            f"the data set {config.source!r} could not be loaded from the hub: {first_line(error)}. "
            f"Check the name and the network, or give a local file or folder, or {EMBEDDED!r} (in the package)."
        ) from error
    return frames_in_memory(loaded, config)


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
    pair = isinstance(data, tuple | list) and len(data) == 2
    if pair and not any(isinstance(part, str) for part in data):
        texts, labels = map(list, data)
        if len(texts) != len(labels):
            raise UserError(
                f"there are {len(texts)} texts and {len(labels)} labels; expected one label per text."
            )
        data = {config.text_columns[0]: texts, config.label_columns[0]: labels}
    splits = data if isinstance(data, Mapping) and data else {"all": data}
    if splits is data and not any(map(_is_table, data.values())):
        columns = {str(name): each for name, each in data.items()}
        lengths = {
            name: type(each).__name__ if isinstance(each, str | tuple) else len(list(each))
            for name, each in columns.items()
        }
        if len({*lengths.values()}) > 1 or any(isinstance(each, str) for each in lengths.values()):
            held = ", ".join(f"{name!r}: {each}" for name, each in lengths.items())
            raise UserError(
                f"the dict holds {held}; expected columns of one length by name, or tables by split."
            )
        lists = {name: list(each) for name, each in columns.items()}
        splits = {"all": pd.DataFrame(lists, dtype=object)}
    frames = {}
    for name, part in splits.items():
        if not _is_table(part):
            raise UserError(
                f"the texts are given as {type(part).__name__}; expected a path, a DataFrame of pandas or polars, a "
                "Dataset or DatasetDict, a dict of columns, or two lists: train((texts, labels))."
            )
        frame = part if isinstance(part, pd.DataFrame) else part.to_pandas()
        frames[SPLIT_NAMES.get(str(name), str(name))] = counted(frame)
    first = next(iter(splits.values()))
    declared = None if isinstance(first, pd.DataFrame) else getattr(first, "features", None)
    feature: Any = (declared or {}).get(config.label_columns[0])
    if config.has_lists:
        feature = getattr(feature, "feature", None)
    return frames, list(feature.names) if type(feature).__name__ == "ClassLabel" else None


def _is_table(data: Any) -> bool:
    return isinstance(data, pd.DataFrame) or hasattr(data, "to_pandas")
