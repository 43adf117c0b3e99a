"""The entry point: commands, and what an error looks like."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

import typer
from rich.console import Console

from qllmft.cli.bench import bench
from qllmft.cli.doctor import doctor
from qllmft.cli.energy import energy
from qllmft.cli.evaluate import evaluate
from qllmft.cli.export import export
from qllmft.cli.figure import figure
from qllmft.cli.info import info
from qllmft.cli.machines import backends, ionq_sandbox, jobs
from qllmft.cli.paper import paper
from qllmft.cli.predict import predict
from qllmft.cli.presets import presets
from qllmft.cli.report import report
from qllmft.cli.study import study
from qllmft.cli.sweep import sweep, worker
from qllmft.cli.train import train
from qllmft.errors import UserError
from qllmft_backends.errors import BackendError

INTERRUPTED = 130

app = typer.Typer(
    name="qllmft",
    help="Put a quantum circuit on top of a language model: train it, compare it with classical heads, use it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(predict)
app.command()(evaluate)
app.command()(report)
app.command()(info)
app.command()(presets)
app.command()(bench)
app.command()(energy)
app.command()(figure)
app.command()(paper)
app.command()(backends)
app.command()(jobs)
app.command()(doctor)
app.command()(study)
app.command()(sweep)
app.command()(worker)
app.command("ionq-sandbox")(ionq_sandbox)
app.command()(export)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; bad input ends with exit code 2, Ctrl-C with 130."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        app(args=arguments, prog_name="qllmft")
    except (SystemExit, KeyboardInterrupt, BrokenPipeError) as end:
        # typer and rich catch the latter two themselves: they end silently, and with 1 where the reader has left
        causes = set(_causes(end))
        if KeyboardInterrupt in causes:
            errors.print("interrupted")
            sys.exit(INTERRUPTED)
        if BrokenPipeError in causes:
            # the reader (head, less) has left: not an error, and nothing may be flushed to it at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        raise
    except (UserError, BackendError, OSError) as error:
        # of OSError: a full disk, a folder without permission, a name too long; the system's words say it
        errors.print("[bold red]error:[/bold red]", end=" ")
        errors.print(str(error), markup=False)
        sys.exit(2)


def _causes(error: BaseException | None) -> Iterator[type[BaseException]]:
    """The kinds of an exception and of those that it came from."""
    while error is not None:
        yield type(error)
        error = error.__cause__ or error.__context__


if __name__ == "__main__":
    main()
