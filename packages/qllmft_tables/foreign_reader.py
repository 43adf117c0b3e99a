"""The process that reads a foreign file for `qllmft_tables.foreign_files`.

Its standard input is the file, and its standard output a file that it writes. The file in the place of its standard
error holds the settings, and then the answer, a line of JSON.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import Any, BinaryIO, TypeAlias

from qllmft_base.bounded_process import NO_MEMORY_CODE, limit_resources, open_exchange
from qllmft_tables.formats import HEAD_BYTES, ContentError, find_format
from qllmft_tables.line_check import LineBounds

Settings: TypeAlias = dict[str, Any]

FULL_DISK_CODE = 28  # exit code
_FULL_DISK = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def main() -> None:
    """Read the file, and write its content and the answer."""
    exchange, output, settings = open_exchange()
    try:
        answer = _read(os.fdopen(0, "rb"), output, settings)
        output.flush()
        exchange.seek(0)
        exchange.truncate()
        exchange.write(json.dumps(answer).encode())
        exchange.flush()
    except MemoryError:
        os._exit(NO_MEMORY_CODE)
    except OSError as error:
        os._exit(FULL_DISK_CODE if error.errno in _FULL_DISK else 1)
    os._exit(0)  # an interpreter that ends looks for garbage among all objects


def _read(content: BinaryIO, output: BinaryIO, settings: Settings) -> dict[str, Any]:
    """Return the facts of a file, or the fault instead."""
    try:
        kind = find_format(content.read(HEAD_BYTES))
        content.seek(0)
        if kind == "gzip":
            kind = "text"
        write = {"text": _write_text, "workbook": _write_sheets, "parquet": _write_columns}[kind]
        return {"kind": kind} | write(content, output, settings)
    except ContentError as error:
        return {"fault": str(error)}
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        lines = settings["lines"]
        most = settings["output_bytes"]
        return {
            "fault": f" {lines['verb']} more than {most:,} bytes, expected at most that many. {lines['remedy']}"
        }


def _write_text(content: BinaryIO, output: BinaryIO, settings: Settings) -> dict[str, Any]:
    from qllmft_tables.foreign_text import convert_text

    _limit(settings)
    return convert_text(content, output, LineBounds(**settings["lines"]), settings["name"])


def _write_sheets(content: BinaryIO, output: BinaryIO, settings: Settings) -> dict[str, Any]:
    import python_calamine  # noqa: F401 - before the limits

    from qllmft_tables.foreign_sheets import write_sheets

    _limit(settings)
    return write_sheets(content, output, settings["lines"]["rows"], settings["name"])


def _write_columns(content: BinaryIO, output: BinaryIO, settings: Settings) -> dict[str, Any]:
    sys.modules["pandas"] = None  # type: ignore[assignment] # which pyarrow imports for times
    import pyarrow.compute
    import pyarrow.parquet

    from qllmft_tables.foreign_columns import write_columns

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    _limit(settings)
    return write_columns(content, output, settings["lines"]["rows"], settings["names"])


def _limit(settings: Settings) -> None:
    limit_resources(settings["seconds"], settings["memory_bytes"], settings["output_bytes"])
