"""Entry point of the command line: commands, errors and interrupts."""

from __future__ import annotations

import _thread
import os
import shlex
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from qllmft.cli.console import PlainConsole, say, start_sign
from qllmft.cli.options import as_command
from qllmft.cli.panels import collect_panels
from qllmft_backends.errors import BackendError
from qllmft_base.current_folder import ignore_current_folder
from qllmft_base.errors import UserError
from qllmft_base.files import FULL_DISK, MAKE_ROOM
from qllmft_base.garbage import rare_collections
from qllmft_base.text import HALF_PAIR

INTERRUPTED = 130

_HELP_WIDTH = 100  # characters, in a terminal that has them
_DESCRIPTIONS_FROM = 34  # column; an option with a longer name has its description on the next line


def _write_panels(
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
            formatter.write_dl(content, col_max=_DESCRIPTIONS_FROM)


class PanelCommand(TyperCommand):
    """Command with its options in panels, those of ``rich_help_panel``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options."""
        for param_type, title in {"argument": "Arguments", "option": "Options"}.items():
            rows = [
                (getattr(param, "rich_help_panel", None), param.get_help_record(ctx))
                for param in self.get_params(ctx)
                if param.param_type_name == param_type
            ]
            _write_panels(formatter, title, rows)


class PanelGroup(TyperGroup):
    """Command line with its commands in panels, those of ``rich_help_panel``.

    Attributes:
        faults: why commands of other packages are missing, by the name of their group.
    """

    faults: Mapping[str, str] = MappingProxyType({})

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first paragraph of its help."""
        rows = [
            (
                getattr(command, "rich_help_panel", None),
                (name, (command.help or "").partition("\n")[0]),
            )
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name))
        ]
        _write_panels(formatter, "Commands", rows)
        _write_panels(formatter, "Missing commands", [(None, row) for row in self.faults.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names. An unknown one may be of a package that is broken."""
        if self.faults and self.get_command(ctx, args[0]) is None:
            causes = " ".join(f"{fault[:1].upper()}{fault[1:]}" for fault in self.faults.values())
            raise UserError(f"no command {args[0]!r}. {causes}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="qllmft",
    cls=PanelGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut names in a narrow terminal
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _HELP_WIDTH},
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        from qllmft import __version__

        say(f"qllmft {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Put a quantum circuit on top of a language model: train it, compare it with classical heads, use it."""


@cache
def build_command() -> Any:
    """Return the commands with their options, which Typer would build again for each call of `main`."""
    panels = collect_panels()
    for panel, commands in panels.commands.items():
        for command in commands:
            app.command(cls=PanelCommand, rich_help_panel=panel)(as_command(command))
    group: Any = typer.main.get_command(app)
    group.faults = panels.faults
    return group


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and exit with 2 for bad input and 130 for Ctrl-C."""
    _open_closed_streams()
    errors = PlainConsole(stderr=True)
    command_words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        for number, argument in enumerate(command_words, start=1):
            if HALF_PAIR.search(argument):
                raise UserError(
                    f"argument {number}, {argument!r}, is not UTF-8. Give text in UTF-8, or rename the file."
                )
        with _short_warnings(errors), _repeat_lost_interrupts(), start_sign():
            build_command()(args=command_words, prog_name="qllmft")
    except (SystemExit, KeyboardInterrupt, BrokenPipeError) as exit_cause:
        # typer and rich catch the latter two themselves and end silently, with 1 for a broken pipe
        causes = list(_causes(exit_cause))
        interrupts = [cause for cause in causes if isinstance(cause, KeyboardInterrupt)]
        if interrupts:
            _exit_interrupted(interrupts, command_words, errors)
        if any(isinstance(cause, BrokenPipeError) for cause in causes):
            # the reader (head, less) has closed the pipe, which is no error
            _drop_output()
            sys.exit(0)
        raise
    except Exception as error:
        # pydantic turns a Ctrl-C in a serialiser into an error of its own
        serialization_errors = (
            str(e) for e in _causes(error) if type(e).__name__ == "PydanticSerializationError"
        )
        if any("KeyboardInterrupt" in message for message in serialization_errors):
            _exit_interrupted([], command_words, errors)
        # an OSError is a full disk, a folder without permission, a name that is too long
        if not isinstance(error, UserError | BackendError | OSError | MemoryError):
            raise
        errors.print("error:", style="bold red", end=" ")
        errors.print(_message(error), soft_wrap=True)
        sys.exit(2)


def run_process() -> None:
    """Run `main` in a process of its own."""
    ignore_current_folder()
    with rare_collections():
        main()


def _message(error: Exception) -> str:
    """Return the sentences of an error that ends the command."""
    text = str(error)
    if isinstance(error, MemoryError):
        cause = f" ({text})" if text else ""
        return f"out of memory{cause}. Use fewer shots, texts or qubits, or smaller batches."
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        _drop_output()  # the output may be what is full
        name = error.filename or "the standard output or a file"
        return f"{name} cannot be written: {error.strerror}. {MAKE_ROOM}"
    return text


def _drop_output() -> None:
    """Lead what is left in the standard output to nowhere, so that nothing fails at exit."""
    with suppress(OSError):  # an output without a descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed_streams() -> None:
    """Open the null device for standard streams that are closed: otherwise a file would get their descriptors."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


@contextmanager
def _short_warnings(console: PlainConsole) -> Iterator[None]:
    """Print the warnings of qllmft's packages without the line of the source."""
    original_showwarning = warnings.showwarning

    def show(message: Any, category: type[Warning], *location: Any, **options: Any) -> None:
        if category.__module__.startswith("qllmft"):
            say(f"warning: {message}", console=console)
        else:
            original_showwarning(message, category, *location, **options)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def _repeat_lost_interrupts() -> Iterator[None]:
    """Repeat a Ctrl-C in a destructor or a callback from C, which Python prints and ignores."""
    original_hook = sys.unraisablehook
    timers = list[threading.Timer]()

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            original_hook(unraisable)
            return
        # delayed, to be raised outside of this hook
        timers.append(threading.Timer(0.01, _thread.interrupt_main))
        timers[-1].daemon = True
        timers[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = original_hook
        for timer in timers:
            timer.cancel()


def _exit_interrupted(
    interrupts: Sequence[KeyboardInterrupt], command_words: Sequence[str], console: PlainConsole
) -> NoReturn:
    """Exit with 130, and report jobs that are still running remotely with the command that collects them."""
    jobs = next((str(interrupt) for interrupt in interrupts if str(interrupt)), None)
    if jobs is None:
        say("interrupted", console=console)
    else:
        command, *arguments = command_words
        resume = command in ("predict", "evaluate") and "--resume" not in arguments
        words = ["qllmft", command, *(["--resume"] if resume else []), *arguments]
        say(*jobs.splitlines(), f"resume: {shlex.join(words)}", console=console)
    sys.exit(INTERRUPTED)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes, each once, since an error that was raised again may be its own cause."""
    visited_causes = []
    while error is not None and error not in visited_causes:
        visited_causes.append(error)
        yield error
        error = error.__cause__ or error.__context__


if __name__ == "__main__":
    run_process()
