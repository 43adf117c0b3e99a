"""The process that reads a file of a page for `qllmft_doors.serving.uploads`.

Its standard input is the file, and its standard output a file that gets the answer of the server in JSON. The file in
the place of its standard error holds the settings, and then the reason if the file is refused.
"""

from __future__ import annotations

import errno
import json
import os
from itertools import islice
from typing import Any, BinaryIO

from qllmft_base.bounded_process import NO_MEMORY_CODE, limit_resources, open_exchange
from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_tables.file_bytes import FileBytes
from qllmft_tables.texts import TextColumns, TextRow, read_rows

REFUSED_CODE = 3  # exit codes
TOO_LONG_CODE = 27
_ITEMS_AT_ONCE = 1_000
_MAX_NAMED = 20  # rows that were left out


def main() -> None:
    """Read the file and write the answer."""
    exchange, output, settings = open_exchange()
    # a process that unpacks the file has bounds of its own
    limit_resources(**settings["limits"], binds_children=False)
    code = 0
    reason = ""
    try:
        _write_answer(os.fdopen(0, "rb"), output, settings)
        output.flush()
    except UserError as error:
        code = REFUSED_CODE
        reason = str(error)
    except MemoryError:
        code = NO_MEMORY_CODE
    except OSError as error:
        code = TOO_LONG_CODE if error.errno == errno.EFBIG else 1
        reason = str(error)
    except Exception as error:
        code = 1
        reason = f"{type(error).__name__}: {error}"
    exchange.seek(0)
    exchange.truncate()
    exchange.write(reason.encode("utf-8", "replace"))
    exchange.flush()
    os._exit(code)  # an interpreter that ends looks for garbage among all objects


def _write_answer(content: BinaryIO, output: BinaryIO, settings: dict[str, Any]) -> None:
    """Write an object with the texts or pairs, a note on how their table was read, and the rows that were left out."""
    file = FileBytes(settings["name"], content.read())
    columns, delimiter, names = settings["columns"]
    lines: list[str] = []
    wanted = TextColumns(tuple(columns), delimiter, tuple(names))
    skipped: list[str] = []
    n_skipped = 0

    def skip(row: str) -> None:
        nonlocal n_skipped
        n_skipped += 1
        if n_skipped <= _MAX_NAMED:
            skipped.append(row)

    rows = read_rows(file, wanted, lines.append, settings["most"], skip)
    n_items = 0
    output.write(b'{"texts": [')
    while part := [_item(row) for row in islice(rows, _ITEMS_AT_ONCE)]:
        output.write(b", " if n_items else b"")
        output.write(_encode(part)[1:-1])
        n_items += len(part)
    if n_skipped > n_items:
        raise UserError(
            f"{file}: {format_count(n_skipped, 'row', ('has', 'have'))} no text, and {n_items:,} "
            f"{'has' if n_items == 1 else 'have'} one. The first is {skipped[0]}. Is the column right?"
        )
    if not n_items:
        expected = "a table of pairs" if len(columns) > 1 else "one text per line, or a table"
        raise UserError(f"{file} has no text. Expected {expected}.")
    output.write(b'], "note": ' + _encode(" ".join(lines)))
    output.write(b', "skipped": ' + _encode({"rows": n_skipped, "first": skipped}) + b"}")


def _item(row: TextRow) -> str | list[str]:
    """Return a text, or both of a pair."""
    return row.texts[0] if len(row.texts) == 1 else row.texts


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
