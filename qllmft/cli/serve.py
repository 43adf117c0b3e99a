"""`qllmft serve`: a page and JSON for a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.backend import BackendOptions
from qllmft.cli.consent import attend_unasked
from qllmft.cli.console import PlainConsole, say
from qllmft.cli.options import RowOfTable, RunFolderArgument, loaded, with_options
from qllmft.errors import UserError
from qllmft.serving import RequestLimits

if TYPE_CHECKING:
    from pathlib import Path

    from qllmft_backends import Backend

NETWORK = "Network and limits"  # panel of the help


@with_options(choice=BackendOptions)
def serve(
    *,
    run: RunFolderArgument,
    model: RowOfTable = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 lets other machines in.", rich_help_panel=NETWORK
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Port to listen on; 0 for a free one.", rich_help_panel=NETWORK
        ),
    ] = 8000,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Name of this server in requests, beside localhost and addresses; may be repeated.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    max_texts: Annotated[
        int, typer.Option(min=1, help="Number of texts in one request.", rich_help_panel=NETWORK)
    ] = RequestLimits.texts,
    max_characters: Annotated[
        int, typer.Option(min=1, help="Number of characters of one text.", rich_help_panel=NETWORK)
    ] = RequestLimits.characters,
    max_bytes: Annotated[
        int, typer.Option(min=100, help="Number of bytes of one request.", rich_help_panel=NETWORK)
    ] = RequestLimits.body_bytes,
    queue: Annotated[
        int,
        typer.Option(
            min=1, help="Number of texts that may wait; more are refused.", rich_help_panel=NETWORK
        ),
    ] = RequestLimits.waiting,
    explain: Annotated[
        bool | None,
        typer.Option(
            "--explain/--no-explain",
            help="Explain answers, which shows training texts.",
            show_default="--explain on this machine only",
        ),
    ] = None,
    choice: BackendOptions,
) -> None:
    """Serve a trained model: a page that classifies a typed text, and JSON for programs.

    POST /predict takes {"text": "..."} or {"texts": ["...", ...]}, of a model of pairs ["first", "second"] in the place
    of a text; /openapi.json describes it, and /health gives the state. Ctrl-C ends the server.

    There is no password: every program that reaches the port can use the model. A backend that costs money needs
    --max-cost, a ceiling on all jobs of its ledger, and --yes.
    """
    try:
        from qllmft.serving.app import is_loopback, make_app, open_port, run_app
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("fastapi", "starlette", "uvicorn"):
            raise
        raise UserError(
            f"a server needs the package {package}, which is not installed: pip install '.[serve]'."
        ) from None
    from qllmft.serving.model import ServedModel

    if queue < max_texts:
        raise UserError(
            f"--queue is {queue}, and --max-texts {max_texts} in one request; expected as many or more."
        )
    errors = PlainConsole(stderr=True)
    here = is_loopback(host)
    backend = _backend(run, choice, errors)
    served = ServedModel(loaded(run, model), run, backend, here if explain is None else explain)
    limits = RequestLimits(max_texts, max_characters, max_bytes, queue)
    with open_port(host, port) as listening:
        served.load()
        app = make_app(
            served,
            limits,
            names=[host, *(allowed_host or [])],
            report=lambda line: say(line, errors),
        )
        if not here:
            say(
                f"warning: every machine that reaches {host} can use the model; there is no password",
                errors,
            )
        run_app(app, listening, lambda address: say(f"Serving {run} at {address}. Ctrl-C ends it."))


def _backend(run: Path, choice: BackendOptions, console: PlainConsole) -> Backend | None:
    """Return the backend of the options, or raise UserError if it can cost money without a ceiling and consent."""
    if choice.several or choice.dry_run or choice.resume or "," in (choice.aggregation or ""):
        raise UserError(
            "a server takes one --backend and one --aggregation, without --dry-run and --resume: a text whose circuits "
            "are in the ledger is answered from it. Omit them."
        )
    backend = next(iter(choice.make(run).values()), None)
    if backend is None:
        return None
    if (
        backend.capabilities.paid
        and getattr(getattr(backend, "options", None), "max_cost", None) is None
    ):
        raise UserError(
            f"each text that {backend.name} measures costs money, and there is no ceiling. Nothing was sent. Add "
            "--max-cost, a limit on the price of all jobs of the ledger, and --yes."
        )
    attend_unasked(
        backend,
        lambda line: say(line, console),
        doing=f"a server on {backend.name} sends paid circuits for each text",
        yes=choice.yes,
    )
    return backend
