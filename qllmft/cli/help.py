"""Help of the command line: options and commands in panels, with names that are never cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup

DESCRIPTIONS_FROM = 34  # column; an option with a longer name has its description on the next line


def write_panels(
    formatter: Any, title: str, rows: Iterable[tuple[str | None, tuple[str, str] | None]]
) -> None:
    """Write rows of a name and a description, each with its panel, under the panels' titles in order of first rows.

    ``title`` is that of rows without a panel. A row is None if it is hidden.
    """
    panels: dict[str, list[tuple[str, str]]] = {}
    for panel, row in rows:
        if row is not None:
            panels.setdefault(panel or title, []).append(row)
    for name, content in panels.items():
        with formatter.section(name):
            formatter.write_dl(content, col_max=DESCRIPTIONS_FROM)


class PanelCommand(TyperCommand):
    """Command with its options in panels, those of ``rich_help_panel``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options."""
        titles = {"argument": "Arguments", "option": "Options"}
        for kind, title in titles.items():
            found = [param for param in self.get_params(ctx) if param.param_type_name == kind]
            rows = [
                (getattr(param, "rich_help_panel", None), param.get_help_record(ctx))
                for param in found
            ]
            write_panels(formatter, title, rows)


class PanelGroup(TyperGroup):
    """Command line with its commands in panels, those of ``rich_help_panel``."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first paragraph of its help."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                first = (command.help or "").partition("\n")[0]
                rows.append((getattr(command, "rich_help_panel", None), (name, first)))
        write_panels(formatter, "Commands", rows)
