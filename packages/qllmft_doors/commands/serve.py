"""Command `qllmft serve`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar

import typer

from qllmft.cli.backend import BackendOptions
from qllmft.cli.consent import set_terminal_callbacks, set_unattended_callbacks
from qllmft.cli.console import say
from qllmft.cli.options import Head, Port, Positive, Row, Run, load_predictor, use_heads
from qllmft_base.errors import UserError
from qllmft_base.versions import install_command
from qllmft_doors.bounds import RequestLimits


@dataclass(frozen=True)
class NetworkOptions:
    """Options of `qllmft serve` about addresses and requests.

    Attributes:
        host: Address to listen on. 0.0.0.0 lets other computers in.
        port: Port to listen on. 0 takes a free one.
        allowed_host: Name of this server in requests, beside localhost and addresses. May be repeated.
        max_texts: Number of texts in one request.
        max_characters: Number of characters of one text.
        max_bytes: Number of bytes of one request.
        queue: Number of texts that may wait. More are refused.
    """

    panel: ClassVar = "Network and limits"

    host: str = "127.0.0.1"
    port: Port = 8000
    allowed_host: Annotated[list[str] | None, typer.Option(metavar="NAME")] = None
    max_texts: Positive = RequestLimits.texts
    max_characters: Positive = RequestLimits.characters
    max_bytes: Annotated[int, typer.Option(min=100)] = RequestLimits.body_bytes
    queue: Positive = RequestLimits.waiting

    @property
    def limits(self) -> RequestLimits:
        """Return the limits of requests."""
        return RequestLimits(
            texts=self.max_texts,
            characters=self.max_characters,
            body_bytes=self.max_bytes,
            waiting=self.queue,
        )


def serve(
    run: Run,
    *,
    model: Row = None,
    head: Head = None,
    network: NetworkOptions,
    explain: bool | None = None,
    backend_options: BackendOptions,
) -> None:
    """Serve a trained model: a page that classifies a typed text, and JSON for programs.

    POST /predict takes {"text": "..."} or {"texts": ["...", ...]}. A model of pairs takes ["first", "second"] in place
    of a text. /openapi.json describes the requests, and /health gives the state. Ctrl-C ends the server. SIGHUP loads
    the model again, without a stop.

    There is no password: every program that reaches the port can use the model. A backend that costs money needs --yes
    and --max-cost, a cost limit of all jobs of its ledger.

    Args:
        explain: Explain answers, which shows training texts. [default: --explain for your computer only]
    """
    _require_packages()
    from qllmft_doors.serving.loading import Reloadable
    from qllmft_doors.serving.port import address_of, is_loopback, open_port, run_app

    _check_options(network, backend_options)
    use_heads(head)
    message = partial(say, err=True)
    is_local = is_loopback(network.host)
    backends = backend_options.make_backends(run)
    for backend in backends.values():
        options = getattr(backend, "options", None)
        if backend.capabilities.paid and getattr(options, "max_cost", None) is None:
            raise UserError(
                f"each text that {backend.name} measures costs money, and there is no cost limit. Nothing was sent. "
                "Add --max-cost, a limit of all jobs of the ledger, and --yes."
            )
        set_terminal_callbacks([backend])
        activity = f"a server on {backend.name} sends paid circuits for each text"
        set_unattended_callbacks(backend, message, activity, yes=backend_options.yes)

    def load() -> Any:
        """Return the application of the model that the folder has now."""
        from qllmft_doors.serving.app import make_app
        from qllmft_doors.serving.model import ServedModel

        predictor = load_predictor(run, model)
        measured_models = backend_options.make_measured_models(predictor, backends)
        measured_model = next(iter(measured_models.values()), None)
        shows_training = is_local if explain is None else explain
        served_model = ServedModel(predictor, run, measured_model, shows_training)
        served_model.load()
        for sentence in served_model.left_out:
            message(sentence)
        names = [network.host, *(network.allowed_host or [])]
        return make_app(served_model, network.limits, names=names, report=message)

    with open_port(network.host, network.port) as server_socket:
        address = address_of(server_socket)
        say(f"Loading {run}. {address}/health says when it answers.")
        if not is_local:
            message(
                f"warning: every computer that reaches {network.host} can use the model. There is no password."
            )
        app = Reloadable(load, message, lambda: say(f"Serving {run} at {address}. Ctrl-C ends it."))
        run_app(app, server_socket)


def _require_packages() -> None:
    """Raise UserError if a package of the server is not installed."""
    for package in ("fastapi", "starlette", "uvicorn"):
        if find_spec(package) is None:
            raise UserError(
                f"a server needs the package {package}, which is not installed: {install_command('serve')}."
            )


def _check_options(network: NetworkOptions, backend_options: BackendOptions) -> None:
    """Raise UserError for options that no server can have."""
    if network.queue < network.max_texts:
        raise UserError(
            f"--queue is {network.queue}, expected --max-texts ({network.max_texts}) or more."
        )
    if (
        backend_options.names_several_backends
        or backend_options.dry_run
        or backend_options.resume
        or "," in (backend_options.aggregation or "")
    ):
        raise UserError(
            "a server takes one --backend and one --aggregation, without --dry-run and --resume. Omit the others."
        )
