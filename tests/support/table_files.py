"""Tables of texts and labels as files of every format."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from qllmft.config import DataConfig
from qllmft.data import Corpus, read_corpus
from qllmft_base.errors import UserError

HAS_EXCEL = all(map(find_spec, ("openpyxl", "python_calamine")))
FORMATS = (".tsv", ".csv", ".jsonl", ".parquet", ".txt", ".json", *([".xlsx"] if HAS_EXCEL else []))


def write_table(path: Path, rows: list[dict]) -> Path:
    """Write ``rows`` in the format that the suffix names, by another way than the package reads it."""
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
        )
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    elif path.suffix == ".xlsx":
        from openpyxl import Workbook

        book = Workbook()
        for line in [list(rows[0]), *(list(row.values()) for row in rows)]:
            book.active.append(line)
        book.save(path)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        lines = [list(rows[0]), *(row.values() for row in rows)]
        path.write_text(
            "".join("\t".join(map(str, line)) + "\n" for line in lines), encoding="utf-8"
        )
    return path


def labelled_rows(*pairs: tuple[str, object]) -> list[dict]:
    """Rows of the usual two columns."""
    return [{"text": text, "label": label} for text, label in pairs]


def write_lines(path: Path, *lines: str) -> Path:
    """Write lines as they are, in UTF-8."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def write_content(path: Path, content: str | bytes) -> Path:
    """Write a text in UTF-8, or bytes as they are."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_file(path: Path, **settings) -> Corpus:
    """Read the labelled texts of a file."""
    return read_corpus(DataConfig(source=str(path), **settings))


def read_all_texts(path: Path, **settings) -> list[str]:
    """Return the texts of a file that is read."""
    return read_file(path, **settings).join_splits().texts


def refusal(path: Path, **settings) -> str:
    """Return the message of the error about a file."""
    with pytest.raises(UserError) as caught:
        read_file(path, **settings)
    return str(caught.value)
