"""Printing of the command line: plain text, tables and progress bars, with escapes for control characters."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.prompt import Confirm
from rich.table import Column, Table
from rich.text import Text

from qllmft_base.text import json_text, printable

if TYPE_CHECKING:
    from rich.progress import Progress

# seconds between two drawings of a bar, which take as long as an epoch of a small circuit
REFRESH_INTERVAL_S = 1.0

START_SIGN_AFTER_S = 1.0  # a command that prints nothing for so long says that it starts

PIPE_WIDTH = 160  # characters; a pipe or a file has no width, and a table in it is not cut


_printed = threading.Event()  # whether the command has printed anything


class PlainConsole(Console):
    """Console without markup, emoji and highlighting; control characters other than newlines are escaped."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = PIPE_WIDTH

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; an error of the system names the stream."""
        _printed.set()
        with _naming_stream_in_errors(
            "the standard error" if self.stderr else "the standard output"
        ):
            super().print(*objects, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Escape a string of a message or of a table's cell."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)


@contextmanager
def _naming_stream_in_errors(stream: str) -> Iterator[None]:
    """Give an error of the system, such as a full disk, the name of the stream."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = stream
        raise


@contextmanager
def start_sign(delay_s: float = START_SIGN_AFTER_S) -> Iterator[None]:
    """Tell a person at a terminal that a command starts, if it prints nothing within ``delay_s`` seconds."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    _printed.clear()

    def sign() -> None:
        if not _printed.wait(delay_s):
            say("Starting: loading the packages takes a few seconds.", err=True)

    threading.Thread(target=sign, name="start sign", daemon=True).start()
    try:
        yield
    finally:
        _printed.set()


def say(*parts: str | Table, err: bool = False, console: Console | None = None) -> None:
    """Print lines of any length, with escapes for control characters, and tables.

    Args:
        *parts: the lines and tables.
        err: print on standard error.
        console: the console; None for one of the standard streams.
    """
    console = console or PlainConsole(stderr=err)
    for part in parts:
        if isinstance(part, str):
            console.print(Text(printable(part)), soft_wrap=True)
        else:
            console.print(part)


def confirm(question: str) -> bool:
    """Return whether a person at the terminal says yes; the question is on standard error."""
    console = PlainConsole(stderr=True)
    console.soft_wrap = True  # a path is not broken
    # typer.confirm would write the last blank of its question to standard output, before the first
    # answer
    try:
        return Confirm.ask(Text(printable(question)), console=console, default=False)
    except EOFError:  # Ctrl-D
        return False


def say_json(value: Any) -> None:
    """Print ``value`` as JSON, indented."""
    write_output(json_text(value, indent=2) + "\n")


def write_output(text: str) -> None:
    """Write text to the standard output as it is."""
    _printed.set()
    with _naming_stream_in_errors("the standard output"):
        sys.stdout.write(text)
        sys.stdout.flush()


def table(
    *columns: Column | str,
    rows: Iterable[Sequence[str]] = (),
    title: str | None = None,
    caption: str | None = None,
) -> Table:
    """Return a table with a rule under its head, and title and caption at the left.

    Args:
        *columns: names, or those of `names`, `texts` and `numbers`.
        rows: cells of each row.
        title: above the table.
        caption: below it.
    """
    rich_table = _TitledTable(*columns, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    rich_table.above, rich_table.below = title, caption
    for row in rows:
        rich_table.add_row(*row)
    return rich_table


class _TitledTable(Table):
    """Table between two texts of the screen's width; rich breaks its own at the width of the columns."""

    above: str | None = None
    below: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.above:
            yield console.render_str(self.above)
        yield from super().__rich_console__(console, options)
        if self.below:
            yield console.render_str(self.below, style="table.caption")


def names(*headers: str) -> list[Column]:
    """Return columns without line breaks in cells."""
    return [Column(header, no_wrap=True) for header in headers]


def texts(*headers: str) -> list[Column]:
    """Return columns whose words are broken rather than cut."""
    return [Column(header, overflow="fold") for header in headers]


def numbers(*headers: str) -> list[Column]:
    """Return right-aligned columns without line breaks in cells."""
    return [Column(header, justify="right", no_wrap=True) for header in headers]


def progress_bars(console: Console, *, counted: bool = True) -> Progress:
    """Return progress bars, drawn once a second if ``console`` is a terminal.

    A task has a description, and text after its bar in the field ``fields``: ``add_task("training", fields="")``. A
    narrow terminal has fewer columns, and wraps the text. ``counted`` bars show steps, elapsed time and time left.
    """
    from rich import progress

    class Words(progress.TextColumn):
        """Text of the task, without markup."""

        def render(self, task: progress.Task) -> Text:
            return Text(printable(self.text_format.format(task=task)))

    class Bars(progress.Progress):
        """Progress bars with the columns that fit into the terminal."""

        def make_tasks_table(self, tasks: Iterable[progress.Task]) -> Table:
            self.columns = tuple(
                column for column, min_width in columns if console.width >= min_width
            )
            return super().make_tasks_table(tasks)

    # and the narrowest terminal that has them, in characters
    columns: list[tuple[progress.ProgressColumn, int]] = [
        (progress.SpinnerColumn(), 60),
        (Words("{task.description}", table_column=Column()), 0),
        (progress.BarColumn(bar_width=24), 90),
        (Words("{task.fields[fields]}", table_column=Column()), 0),
    ]
    if counted:
        columns.insert(3, (progress.MofNCompleteColumn(), 0))
        columns += [
            (progress.TimeElapsedColumn(), 100),
            (progress.TextColumn("left"), 60),
            (progress.TimeRemainingColumn(), 30),
        ]
    return Bars(
        console=console, disable=not console.is_terminal, refresh_per_second=1 / REFRESH_INTERVAL_S
    )
