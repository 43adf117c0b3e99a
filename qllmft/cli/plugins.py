"""`qllmft plugins`: ansätze, backends, rivals and trackers by name, and where each comes from."""

from __future__ import annotations

from dataclasses import asdict

import typer

from qllmft.cli.console import PlainConsole, json_text, plain_table
from qllmft.cli.options import Json


def plugins(json: Json = False) -> None:
    """List ansätze, backends, rivals and trackers: built-in ones, those of installed packages, and what is broken."""
    from qllmft.plugins import list_plugins

    rows = list_plugins()
    if json:
        typer.echo(json_text([asdict(row) for row in rows], indent=2))
        return
    table = plain_table()
    for title in ("kind", "name", "from", "error"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(row.kind, row.name, row.source, row.error)
    PlainConsole().print(table)
