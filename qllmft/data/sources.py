"""Labelled texts from a local file, a folder of splits, the hub, the package itself, or Python objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qllmft.config import BUILT_IN_CORPUS, IN_MEMORY, DataConfig
from qllmft.data.corpus import FIRST_ROWS, Corpus
from qllmft.data.rows import columns_to_read, make_corpus
from qllmft.data.split_column import SPLIT_NAMES
from qllmft_base.errors import UserError, first_line
from qllmft_base.files import expand_home
from qllmft_tables.alignment import align_columns, check_pair
from qllmft_tables.cells import python_text, shortest_number
from qllmft_tables.columns import Columns
from qllmft_tables.file_bytes import DataFile
from qllmft_tables.tables import SUFFIXES as SUFFIXES
from qllmft_tables.tables import WORKBOOKS, read_table, table_stem, table_suffix

if TYPE_CHECKING:
    import pandas as pd

# settings of some kinds of sources, by name: how people give them, and what they are
_SOURCE_SETTINGS = {
    "subset": ("data.subset", "the configuration of a data set on the hub"),
    "revision": ("data.revision", "the revision of a data set on the hub"),
    "delimiter": ("--delimiter", "the separator of fields in a .csv, .tsv or .txt file"),
    "column_names": ("--columns", "for a file without a line of names"),
}
_HUB_SETTINGS = ("subset", "revision")
_TABLE_SETTINGS = ("delimiter", "column_names")


def read_corpus(config: DataConfig) -> Corpus:
    """Read the data set of ``config`` with all its splits."""
    if config.source.startswith(IN_MEMORY):
        raise UserError(
            f"the texts were given to Python ({config.source}) and are not kept. Give the same texts to "
            "qllmft.train again to resume the run, or labelled texts in a file with --data."
        )
    columns = columns_to_read(config)
    if config.source == BUILT_IN_CORPUS:
        refuse_settings(config, "the corpus of the package", (*_HUB_SETTINGS, *_TABLE_SETTINGS))
        reviews = Path(str(resources.files("qllmft.data") / "reviews.tsv"))
        table = read_table(reviews, columns, None, skips=False)
        return make_corpus({"all": table.frame}, {"all": ["negative", "positive"]}, config)
    path = expand_home(config.source)
    if path.exists():
        unused_table_settings = settings_without_effect(path)
        refuse_settings(config, str(path), (*_HUB_SETTINGS, *unused_table_settings))
        return _read_files(path, columns, config)
    if path.is_absolute() or config.source.startswith((".", "~")) or table_suffix(path):
        raise UserError(
            f"there is no file or folder {path}. Give a {', '.join(SUFFIXES)} file, a folder of such files named "
            f"train, validation and test, a data set's name on the hub (SetFit/sst2), or {BUILT_IN_CORPUS!r}."
        )
    refuse_settings(config, "a data set on the hub", _TABLE_SETTINGS)
    frames, names = _read_hub(config)
    return make_corpus(frames, names, config)


def settings_without_effect(path: Path) -> tuple[str, ...]:
    """Return the settings of how a table is written that no file of a path has, by the suffixes of the files."""
    parts = [settings_without_effect_on_file(file) for file in _files(path).values()]
    return tuple(name for name in _TABLE_SETTINGS if all(name in part for part in parts))


def settings_without_effect_on_file(file: DataFile) -> tuple[str, ...]:
    """Return the settings of how a table is written that a file has not, by its suffix."""
    suffix = table_suffix(file)
    if suffix in WORKBOOKS:
        return ("delimiter",)
    return _TABLE_SETTINGS if suffix in (".parquet", ".jsonl", ".json") else ()


def refuse_settings(config: DataConfig, source: str, names: Sequence[str]) -> None:
    """Raise UserError for a setting that says how another kind of source is read."""
    for name in names:
        if (value := getattr(config, name)) is not None:
            option, meaning = _SOURCE_SETTINGS[name]
            given = ",".join(value) if isinstance(value, tuple) else value
            raise UserError(
                f"{option} is {given!r}, and the texts are those of {source}. It is {meaning}. Leave it out."
            )


def _read_files(path: Path, columns: Columns, config: DataConfig) -> Corpus:
    """Return the corpus of a file or of a folder of splits, with how each was read, and what was left out."""
    skips = config.bad_rows == "skip"
    tables = {}
    for split, file in _files(path).items():
        try:
            tables[split] = read_table(file, columns, config.delimiter, skips=skips)
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror or error}.") from error
    corpus = make_corpus({split: table.frame for split, table in tables.items()}, {}, config)
    lines = [
        f"split {split!r}, line {fault.line}: {fault.reason}"
        for split, table in tables.items()
        for fault in table.faults
    ]
    findings = replace(
        corpus.findings,
        skipped_rows=corpus.findings.skipped_rows + len(lines),
        first_skipped=(*lines, *corpus.findings.first_skipped)[:FIRST_ROWS],
        unread_tables=_unread_tables(path),
    )
    descriptions = tuple(table.description for table in tables.values())
    return replace(corpus, findings=findings, tables=descriptions)


def _files(path: Path) -> dict[str, Path]:
    """Return files by split, which is ``all`` for a single file."""
    if not path.is_dir():
        return {"all": path}
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        split = SPLIT_NAMES.get(table_stem(file))
        if split is None or not table_suffix(file):
            continue
        if split in files and ".txt" in (table_suffix(file), table_suffix(files[split])):
            # beside a table of another format, it is a list of texts
            files[split] = min(
                file, files[split], key=lambda candidate: table_suffix(candidate) == ".txt"
            )
        elif split in files:
            raise UserError(
                f"the folder {path} has two files of the split {split!r}: {files[split].name}, {file.name}."
            )
        else:
            files[split] = file
    if not files:
        raise UserError(
            f"the folder {path} has no split: expected files named train, validation (or dev), test with the suffix "
            f"{', '.join(SUFFIXES)}.{_folder_remedy(path)}"
        )
    return files


def _folder_remedy(path: Path) -> str:
    """Return the remedy for a folder that datasets wrote, or one of the hub's layout, and "" for another."""
    if any((path / name).is_file() for name in ("dataset_dict.json", "dataset_info.json")):
        return " In Python, train(datasets.load_from_disk(folder)) reads this one."
    parts = sorted([*path.glob("*-00000-of-*"), *path.glob("*/*-00000-of-*")])
    if not parts:
        return ""
    part = parts[0]
    split, _, _ = part.name.partition("-00000-of-")
    return f" Rename {part.relative_to(path)} to {split}{part.suffix}, and give the folder of such files."


def _unread_tables(path: Path) -> tuple[str, ...]:
    """Return the names of a folder's tables that are no split. Text files may be notes."""
    if not path.is_dir():
        return ()
    return tuple(
        file.name
        for file in sorted(path.iterdir())
        if table_suffix(file) not in ("", ".txt") and table_stem(file) not in SPLIT_NAMES
    )


def _read_hub(config: DataConfig) -> tuple[dict[str, pd.DataFrame], dict[str, list[str]]]:
    """Return the splits of a data set on the hub, and the names of their labels, for those that declare them."""
    import datasets

    try:
        loaded = datasets.load_dataset(config.source, config.subset, revision=config.revision)
    except Exception as error:
        raise UserError(
            f"the data set {config.source!r} could not be loaded from the hub: {first_line(error)}. "
            f"Check the name and the network, or give a local file or folder, or {BUILT_IN_CORPUS!r} (in the package)."
        ) from error
    return frames_in_memory(loaded, config)


def corpus_in_memory(data: Any, config: DataConfig) -> Corpus:
    """Return a corpus with the kind, the number of rows and the hash of ``data`` in its source.

    Args:
        data: a `pandas.DataFrame`, a `datasets.Dataset`, a table of polars or Arrow, a dict of columns, or two lists of
            texts or pairs of them, and of labels or rows of several columns; tables also by split, as in a
            `DatasetDict`. Errors count rows from 1.
        config: columns, and treatment of bad rows and of duplicates.

    Raises:
        UserError: for data of another type, bad rows, and settings of files or of the hub.
    """
    refuse_settings(config, "Python", (*_HUB_SETTINGS, *_TABLE_SETTINGS))
    frames, names = frames_in_memory(data, config)
    kind = "texts and labels" if isinstance(data, tuple | list) else type(data).__name__
    source = f"{IN_MEMORY}{kind} of {sum(map(len, frames.values()))} rows"
    corpus = make_corpus(frames, names, config.model_copy(update={"source": source}))
    return replace(corpus, source=f"{source} ({corpus.fingerprint})")


def frames_in_memory(
    data: Any, config: DataConfig
) -> tuple[dict[str, pd.DataFrame], dict[str, list[str]]]:
    """Return tables by split, and the names of their labels, for each Dataset that declares them."""
    import pandas as pd  # takes a third of a second, and predictions need no frame

    pair = isinstance(data, tuple | list) and len(data) == 2
    if pair and not any(isinstance(part, str) for part in data):
        check_pair(*data)
        texts, labels = map(_list_cells, data)
        if len(texts) != len(labels):
            raise UserError(
                f"there are {len(texts)} texts and {len(labels)} labels, expected one label per text."
            )
        data = _name_cells(texts, config.text_columns, "text")
        data |= _name_cells(labels, config.label_columns, "label")
    splits = data if isinstance(data, Mapping) and data else {"all": data}
    if splits is data and not any(
        _is_table(part) or isinstance(part, Mapping) for part in data.values()
    ):
        splits = {"all": _join_columns(data)}
    split_by_name = _name_splits([*splits], config)
    frames = {}
    names_by_split = {}
    for name, part in splits.items():
        is_dict = isinstance(part, Mapping) and part and not _is_table(part)
        table = _join_columns(part) if is_dict else part
        if not _is_table(table):
            raise UserError(
                f"the texts are given as {type(part).__name__}, expected a path, a DataFrame (pandas or polars), a "
                "Dataset, a DatasetDict, a dict of columns, or two lists. Example: train((texts, labels))."
            )
        frame = table if isinstance(table, pd.DataFrame) else table.to_pandas()
        frame = _name_columns(frame, config, type(part).__name__)
        for column in config.label_columns:
            if column in frame and frame[column].dtype in (np.float16, np.float32):
                frame = frame.assign(**{column: [*map(shortest_number, frame[column].to_numpy())]})
        split = split_by_name[name]
        frames[split] = frame.set_axis(range(1, 1 + len(frame)))  # for errors
        if declared := _declared_names(part, config):
            names_by_split[split] = declared
    return frames, names_by_split


def _list_cells(values: Any) -> list[Any]:
    """Return the cells of a column, or the rows of a table of several, with None in the place of masked ones."""
    import pandas as pd

    if _is_table(values):
        frame = values if isinstance(values, pd.DataFrame) else values.to_pandas()
        rows = frame.to_numpy(dtype=object).tolist()
        return [cell for (cell,) in rows] if frame.shape[1] == 1 else list(rows)
    if hasattr(values, "to_pylist"):  # of Arrow
        return list(values.to_pylist())
    return list(values.tolist() if isinstance(values, np.ma.MaskedArray) else values)


def _name_cells(rows: list[Any], columns: Sequence[str], kind: str) -> dict[str, list[Any]]:
    """Return the columns of a list, whose rows have a cell for each of several columns."""
    if len(columns) == 1:
        return {columns[0]: rows}
    for number, row in enumerate(rows, 1):
        if isinstance(row, str) or not hasattr(row, "__len__") or len(row) != len(columns):
            raise UserError(
                f"{kind} {number} is {python_text(row):.60}, expected {len(columns)} values, those of "
                f"{', '.join(columns)}."
            )
    return {column: [row[i] for row in rows] for i, column in enumerate(columns)}


def _declared_names(part: Any, config: DataConfig) -> list[str]:
    """Return the names of labels that a Dataset declares, none for another table."""
    import pandas as pd

    features = None if isinstance(part, pd.DataFrame) else getattr(part, "features", None)
    feature: Any = (features or {}).get(config.label_columns[0])
    if config.has_lists:
        feature = getattr(feature, "feature", None)
    return list(feature.names) if type(feature).__name__ == "ClassLabel" else []


def _join_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
    """Return the table of a dict of columns."""
    import pandas as pd

    lists = {str(name): _list_cells(values) for name, values in align_columns(columns).items()}
    lengths = {
        str(name): type(values).__name__
        if isinstance(values, str | tuple)
        else len(lists[str(name)])
        for name, values in columns.items()
    }
    if len({*lengths.values()}) > 1 or any(isinstance(length, str) for length in lengths.values()):
        lengths_text = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        raise UserError(
            f"the dict holds {lengths_text}, expected columns of one length by name, or tables by split."
        )
    return pd.DataFrame(lists, dtype=object)


def _name_splits(names: Sequence[Any], config: DataConfig) -> dict[Any, str]:
    """Return the split of each table by its name, in which capitals do not matter.

    A single table may have any name, and so may tables that the paper's protocol pools.
    """
    splits = {name: SPLIT_NAMES.get(str(name).strip().lower(), "") for name in names}
    unknown = [name for name, split in splits.items() if not split]
    if len(names) == 1 or config.protocol == "paper":
        splits |= {name: str(name) for name in unknown}
    elif unknown:
        raise UserError(
            f"the data have a split named {str(unknown[0])!r}, expected train, validation (or dev) and test. Rename it "
            "or leave it out in Python: train({'train': table, 'test': other_table})."
        )
    for split in splits.values():
        same = [name for name in names if splits[name] == split]
        if len(same) > 1:
            raise UserError(
                f"the data have two tables of the split {split!r}: {same[0]!r} and {same[1]!r}. Join them or leave one "
                "out."
            )
    return splits


def _name_columns(frame: pd.DataFrame, config: DataConfig, where: str) -> pd.DataFrame:
    """Return a table whose columns have the names of the settings, which may differ in blanks and capitals.

    An optional column that is there several times is left out.
    """
    columns = columns_to_read(config)
    places = columns.positions([*map(str, frame.columns)], f"the {where}")
    new_names = list(frame.columns)
    for column, place in places.items():
        new_names[place] = column
    if new_names != list(frame.columns):
        frame = frame.set_axis(new_names, axis=1)
    unused = {*columns.optional} - places.keys()
    return frame.loc[:, ~frame.columns.isin(unused)] if unused & {*new_names} else frame


def _is_table(data: Any) -> bool:
    import pandas as pd

    has_columns = hasattr(data, "columns") or hasattr(data, "column_names")
    return isinstance(data, pd.DataFrame) or (has_columns and hasattr(data, "to_pandas"))
