"""Files that are not plain UTF-8 text, read in a process with bounds of its own.

`read_foreign` takes a path, or the bytes of a file as `FileBytes(name, content)`. It returns the content as plain text
or as rows, in a temporary file, and raises `UserError` for every file that takes more time, memory or space than a file
of its size may. `tables.open_table`, `texts.read_texts` and `texts.read_pairs` call it for every such
file, so that their callers need not:

    for text in read_texts(FileBytes("a.xlsx", content), "text"): ...
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from qllmft_base.bounded_process import is_out_of_memory, is_out_of_time, run_python
from qllmft_base.errors import UserError
from qllmft_tables.bounds import MAX_BYTES, MAX_LINE, MAX_WAIT_S, ReadingLimits, limit_reading
from qllmft_tables.file_bytes import DataFile, file_size, open_file
from qllmft_tables.foreign_reader import FULL_DISK_CODE
from qllmft_tables.line_check import LineBounds
from qllmft_tables.spool import Spool

_READER_CODE = "from qllmft_tables.foreign_reader import main; main()"


@dataclass(frozen=True)
class ForeignContent:
    """Content of a file, as plain text or as rows.

    Attributes:
        kind: ``text``, ``workbook`` or ``parquet``.
        facts: what the process found.
        spool: holds the content.
        limits: of the file.
    """

    kind: str
    facts: dict[str, Any]
    spool: Spool
    limits: ReadingLimits


def read_foreign(
    file: DataFile,
    *,
    names: Collection[str] = (),
    longest: int = MAX_LINE,
    most: int | None = None,
    is_packed: bool = False,
) -> ForeignContent:
    """Read a file in a process whose time, memory and output have bounds, which follow from the size of the file.

    Args:
        file: regular file, or a file in memory.
        names: of the columns that are read of a parquet file.
        longest: number of bytes of a line of text.
        most: number of bytes of the content, if that is less than the bound; None: the bound.
        is_packed: gzip packed the file.

    Raises:
        UserError: if the content is none of a table, or the file takes more than a bound.
    """
    with open_file(file, MAX_BYTES) as opened:
        size = file_size(opened)
        limits = limit_reading(size)
        output_bytes = min(limits.output_bytes, most or MAX_BYTES)
        remedy = "Split it."
        if output_bytes < min(most or MAX_BYTES, MAX_BYTES):
            remedy = (
                f"Unpack it first: gunzip {file.name}."
                if is_packed
                else "Save it as .csv in UTF-8."
            )
        lines = LineBounds(longest, limits.rows, output_bytes, "unpacks to", remedy)
        settings = {
            "name": file.name,
            "names": [*names],
            "seconds": limits.seconds,
            "memory_bytes": limits.memory_bytes,
            "output_bytes": output_bytes,
            "lines": asdict(lines),
        }
        spool = Spool()
        exchange = Spool()
        exchange.file.write(json.dumps(settings).encode())
        exchange.file.flush()
        exchange.file.seek(0)
        returncode = _run_reader(file, opened, spool, exchange, limits)
    if returncode:
        raise UserError(f"{file}{_failure(returncode, limits)}")
    exchange.file.seek(0)
    facts = json.loads(exchange.file.read())
    if fault := facts.get("fault"):
        raise UserError(f"{file}{fault}")
    return ForeignContent(facts["kind"], facts, spool, limits)


def _run_reader(
    file: DataFile, opened: BinaryIO, spool: Spool, exchange: Spool, limits: ReadingLimits
) -> int:
    """Return the exit code of the process that reads an open file."""
    with tempfile.TemporaryFile() as copy:
        stream: Any = opened
        if not isinstance(file, Path):
            copy.write(file.content)
            copy.flush()
            stream = copy
        stream.seek(0)
        timeout_s = MAX_WAIT_S + 10 * limits.seconds
        try:
            return run_python(
                _READER_CODE,
                packages=["qllmft_tables"],
                timeout_s=timeout_s,
                stdin=stream,
                stdout=spool.file,
                stderr=exchange.file,
            ).returncode
        except subprocess.TimeoutExpired:
            raise UserError(
                f"{file} is not read within {timeout_s} s. Save it as .csv in UTF-8."
            ) from None


def _failure(returncode: int, limits: ReadingLimits) -> str:
    """Return why a process ended without an answer."""
    if returncode == FULL_DISK_CODE:
        return f" cannot be unpacked: the disk of {tempfile.gettempdir()} is full. Make room there."
    if is_out_of_time(returncode):
        return f": reading it takes more than {limits.seconds:,} s of computing. Save it as .csv in UTF-8."
    if is_out_of_memory(returncode):
        megabytes = limits.memory_bytes // 1_000_000
        return f": reading it takes more than {megabytes:,} MB of memory. Save it as .csv in UTF-8."
    return f" cannot be read: the process that reads it ended with exit code {returncode}. Save it as .csv."
