"""Content of a file of texts: plain text is read here, and every other content by a process with bounds of its own."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from io import TextIOWrapper
from typing import TextIO

from qllmft_base.errors import UserError
from qllmft_tables.bounds import MAX_LINE, MAX_ROWS
from qllmft_tables.file_bytes import DataFile, open_file
from qllmft_tables.foreign_files import ForeignContent, read_foreign
from qllmft_tables.formats import HEAD_BYTES, ContentError, find_format, find_wide_encoding
from qllmft_tables.line_check import CHUNK_BYTES, LineBounds, LineCheck
from qllmft_tables.spool import Spool


@dataclass(frozen=True)
class TextFile:
    """Regular file of text whose bytes were examined once."""

    path: DataFile
    newline: str = "\n"  # ends a line
    facts: tuple[str, ...] = field(default=())  # what is unusual, in words
    spool: Spool | None = None  # has the plain text of a file that is none
    max_rows: int = MAX_ROWS

    @contextmanager
    def lines(self) -> Iterator[TextIO]:
        """Open the file and return its lines with their ends."""
        opened = open_file(self.path, None) if self.spool is None else self.spool.open()
        with (
            opened as file,
            # only the end of this file's lines ends one, so that another one in a text stays there
            TextIOWrapper(file, "utf-8-sig", newline=self.newline) as text,
        ):
            yield text


def detect_kind(path: DataFile) -> str:
    """Return what kind of file the first bytes of a regular file tell, as `find_format` does."""
    try:
        return find_format(_head(path))
    except ContentError as error:
        raise UserError(f"{path}{error}") from None


def read_content(
    path: DataFile,
    names: Collection[str] = (),
    *,
    most: int | None = None,
    longest: int = MAX_LINE,
) -> TextFile | ForeignContent:
    """Return the text of a regular file, or the rows of one that is a workbook or a parquet file.

    Args:
        path: of the file.
        names: of the columns that are read.
        most: number of bytes that it may have when it is unpacked; None: any of plain text.
        longest: number of bytes that a line may have.

    Raises:
        UserError: for a byte that belongs to no encoding that is read, for a NUL byte, or beyond a bound.
    """
    kind = detect_kind(path)
    if kind == "workbook" and find_spec("python_calamine") is None:
        raise UserError(
            f"{path} is a workbook, which needs the package python-calamine: pip install python-calamine. Or save it "
            "as .csv."
        )
    if kind == "text" and not find_wide_encoding(_head(path)):
        bounds = LineBounds(longest, None if most is None else MAX_ROWS, most)
        plain = _examine(path, bounds)
        if plain is not None:
            return plain
    foreign = read_foreign(path, names=names, longest=longest, most=most, is_packed=kind == "gzip")
    if foreign.kind != "text":
        return foreign
    facts = tuple(foreign.facts["facts"])
    return TextFile(path, foreign.facts["newline"], facts, foreign.spool, foreign.limits.rows)


def _head(path: DataFile) -> bytes:
    with open_file(path, None) as file:
        return file.read(HEAD_BYTES)


def _examine(path: DataFile, bounds: LineBounds) -> TextFile | None:
    """Return a file of UTF-8 without a byte order mark in it, or None for another."""
    check = LineCheck(bounds, path.name)
    decoder = codecs.getincrementaldecoder("utf-8")()
    last = b""  # bytes of a mark that a chunk may end with
    try:
        with open_file(path, bounds.bytes) as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            while chunk := file.read(CHUNK_BYTES):
                check.feed(chunk)
                decoder.decode(chunk)
                if not chunk.isascii() and codecs.BOM_UTF8 in last + chunk:
                    return None
                last = chunk[1 - len(codecs.BOM_UTF8) :]
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    except ContentError as error:
        raise UserError(f"{path}{error}") from None
    facts = () if check.newline == "\n" else ("carriage returns as ends of lines",)
    return TextFile(path, check.newline, facts)
