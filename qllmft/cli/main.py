"""The entry point: commands, and what an error looks like."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from qllmft.cli.evaluate import evaluate
from qllmft.cli.export import export
from qllmft.cli.info import info
from qllmft.cli.predict import predict
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
app.command()(info)
app.command()(export)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; bad input ends with exit code 2, Ctrl-C with 130."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        app(args=arguments, prog_name="qllmft")
    except (UserError, BackendError) as error:
        errors.print("[bold red]error:[/bold red]", end=" ")
        errors.print(str(error), markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # the reader (head, less) has left: not an error, and nothing may be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
