"""How the command line prints: text as it is, plain tables, progress bars; no character acts on the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress

DRAWN_EVERY_S = 1.0  # seconds between two drawings of a bar; one takes as long as an epoch of a small circuit

# C0 and C1 controls, line and paragraph separators, changes of writing direction, bytes that were not UTF-8
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""``text`` in one line that no terminal obeys: each control character is written as its escape.

    >>> printable("red\x1b[31m\tnext\n")
    'red\\x1b[31m\\tnext\\n'
    """
    return _ACTING.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def json_text(value: Any, indent: int | None = None) -> str:
    r"""``value`` as JSON that no terminal obeys: letters of all languages as they are, control characters as escapes.

    >>> json_text({"text": "schön\x9b31m"})
    '{"text": "schön\\u009b31m"}'
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=lambda array: array.tolist())
    return _ACTING.sub(lambda found: found.group() if found.group() == "\n" else f"\\u{ord(found.group()):04x}", text)


class PlainConsole(Console):
    """A console that prints every string as it is, in messages and in tables: no markup, no emoji, no highlighting.

    Control characters are printed as their escapes; a newline ends a line.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string that is printed comes through here, those in the cells of a table too."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)


def say(text: str, console: Console | None = None) -> None:
    """Print one line, however long, with escapes for control characters: a terminal wraps it, a file keeps it whole."""
    (console or PlainConsole()).print(Text(printable(text)), soft_wrap=True)


def say_lines(lines: Iterable[str], console: Console | None = None) -> None:
    """Print some lines."""
    for line in lines:
        say(line, console)


def say_json(value: Any) -> None:
    """Print ``value`` as JSON, indented."""
    typer.echo(json_text(value, indent=2))


def plain_table(*columns: Column | str, title: str | None = None, caption: str | None = None) -> Table:
    """An empty table with a rule under its head and no other lines, title and caption at the left."""
    return Table(
        *columns,
        title=title,
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        caption=caption,
        caption_justify="left",
    )


def names(*headers: str) -> list[Column]:
    """Columns of a table whose cells stay in one line."""
    return [Column(header, no_wrap=True) for header in headers]


def numbers(*headers: str) -> list[Column]:
    """The same at the right."""
    return [Column(header, justify="right", no_wrap=True) for header in headers]


def progress_bars(console: Console, *, counted: bool = True) -> Progress:
    """Progress bars, drawn once a second where ``console`` is a terminal, and nothing elsewhere.

    A task has a description, and words beside its bar in the field ``fields``: ``add_task("training", fields="")``. A
    narrow terminal has fewer columns, and wraps the words.

    Args:
        console: where they are drawn.
        counted: whether the steps done, the time since the start and the time left stand beside the bar.
    """
    from rich import progress

    class Words(progress.TextColumn):
        """A text of the task, as it is."""

        def render(self, task: progress.Task) -> Text:
            return Text(printable(self.text_format.format(task=task)))

    class Bars(progress.Progress):
        """Bars with the columns that fit into the terminal."""

        def make_tasks_table(self, tasks: Iterable[progress.Task]) -> Table:
            self.columns = tuple(column for column, least in columns if console.width >= least)
            return super().make_tasks_table(tasks)

    columns: list[tuple[progress.ProgressColumn, int]] = [  # and the narrowest terminal that has them, in characters
        (progress.SpinnerColumn(), 60),
        (Words("{task.description}", table_column=Column()), 0),
        (progress.BarColumn(bar_width=24), 90),
        *([(progress.MofNCompleteColumn(), 0)] if counted else []),
        (Words("{task.fields[fields]}", table_column=Column()), 0),
        *([(progress.TimeElapsedColumn(), 100)] if counted else []),
        *([(progress.TextColumn("left"), 60), (progress.TimeRemainingColumn(), 30)] if counted else []),
    ]
    return Bars(console=console, disable=not console.is_terminal, refresh_per_second=1 / DRAWN_EVERY_S)
