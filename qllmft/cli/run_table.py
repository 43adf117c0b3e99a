"""Table of a run at its end."""

from __future__ import annotations

from rich.table import Table

from qllmft.cli.console import numbers, plain_table, texts
from qllmft.run import RunRecord
from qllmft.run.table import columns, notes, rows, title


def result_table(record: RunRecord) -> Table:
    """Return the table at the end of a run, for a `PlainConsole`, since its strings are not markup."""
    model, *measured = columns(record)
    table = plain_table(
        *texts(model),
        *numbers(*measured),
        title=title(record),
        caption="; ".join(notes(record)) or None,
    )
    for row in rows(record):
        table.add_row(*row)
    return table
