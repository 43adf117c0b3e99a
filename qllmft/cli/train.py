"""`qllmft train`, one run, and `qllmft init`, a commented file of all its settings."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from qllmft.cli.backend import BACKEND, Options, Yes
from qllmft.cli.console import PlainConsole, numbers, plain_table, say, say_json, say_lines, texts
from qllmft.cli.options import (
    DataOptions,
    Epochs,
    Json,
    Settings,
    TrackOptions,
    build_config,
    with_options,
)
from qllmft.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from qllmft.config import RunConfig
    from qllmft.run import Outcome, RunRecord


def _backend_options(
    device: str | None, pairs: list[str] | None
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the backend's options of the configuration, or None, and those that it may not contain."""
    from qllmft.config import PERSONAL_OPTIONS
    from qllmft.config.settings import parse_settings

    given = parse_settings(pairs or [], "--backend-option")
    if device is not None:
        given["device"] = device
    personal = {name: given.pop(name) for name in PERSONAL_OPTIONS if name in given}
    return given or None, personal


def _report_jobs(config: RunConfig, personal: dict[str, Any], console: PlainConsole) -> None:
    """Report jobs that are still running remotely, and how to collect them."""
    from qllmft_backends import BACKENDS, create, remote_or_none

    if not BACKENDS[config.backend.name].keeps_ledger:
        return
    remote = remote_or_none(create(config.backend.name, config.backend.options | personal))
    if remote is not None:
        say_lines(remote.running_jobs().splitlines(), console)


@with_options(texts=DataOptions, trackers=TrackOptions)
def train(
    *,
    preset: Annotated[
        str,
        typer.Option(
            help="Named settings to start from; `qllmft info` lists them.",
        ),
    ] = "sines",
    config: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file of settings instead of a preset; a run's config.toml is one."
        ),
    ] = None,
    texts: DataOptions,
    backend: Annotated[
        str | None,
        typer.Option(
            help="Backend of the head's circuit.", show_default="adjoint", rich_help_panel=BACKEND
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Device of the backend: GPU for aer_statevector, one of torch's for adjoint (cuda, mps, xpu).",
            show_default="CPU",
            rich_help_panel=BACKEND,
        ),
    ] = None,
    backend_option: Options = None,
    noise: Annotated[
        str | None,
        typer.Option(
            help="Gate noise of the head's circuit, in training, validation and test: none, paper_low, paper_high, "
            "forte1. Use --set noise.NAME=VALUE for the rest.",
            show_default="the preset's",
            rich_help_panel=BACKEND,
        ),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(
            help="Measurements of each circuit, S in the paper, drawn by its eq. 2; 0: exact values.",
            show_default="0",
            rich_help_panel=BACKEND,
        ),
    ] = None,
    epochs: Epochs = None,
    lr: Annotated[
        float | None,
        typer.Option(help="Learning rate of Adam, L in the paper.", show_default="the preset's"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Texts in a batch, B in the paper.", show_default="16")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of the split, the weights, the shuffling and the noise.", show_default="0"
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Number of folds of cross-validation: one run for each, so that every row is tested once; choices "
            "are made within each fold.",
            show_default="none",
        ),
    ] = None,
    tune_body: Annotated[
        bool,
        typer.Option(
            "--tune-body",
            help="Tune the language model on the labels first, by a contrastive step, for all heads of the table; "
            "its time is printed before.",
        ),
    ] = False,
    baselines: Annotated[
        bool, typer.Option(help="Train classical heads on the same split, too.")
    ] = True,
    yes: Yes = False,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; an interrupted training is continued in it.",
            show_default="runs/<identity>",
        ),
    ] = None,
    trackers: TrackOptions,
    json: Json = False,
) -> None:
    """Train a quantum head and its classical baselines on labelled texts, and print how they compare.

    The language model is frozen unless body.trainable or body.contrastive is set. The epoch is selected by validation
    accuracy alone, and the test set is read once.
    """
    options, personal = _backend_options(device, backend_option)
    overrides = texts.overrides(
        settings,
        backend__name=backend,
        backend__options=options,
        noise__gates=noise,
        noise__shots=shots,
        train__epochs=epochs,
        train__lr=lr,
        train__batch_size=batch_size,
        seed=seed,
        data__folds=folds,
        body__contrastive__loss="supervised" if tune_body else None,
        baselines__names=None if baselines else [],
    )
    run_config = build_config(preset, config, overrides)

    from rich.text import Text

    from qllmft.api import train_and_report
    from qllmft.cli.listener import ConsoleListener
    from qllmft.run.verdict import advice, verdict

    console = PlainConsole(stderr=json)
    with ConsoleListener(PlainConsole(stderr=True), yes=yes) as listener:
        outcome = train_and_report(
            run_config, out, listener, trackers.tracking(), backend_options=personal
        )
    folder = outcome.folder
    if outcome.record is None:
        _end_interrupted(outcome, run_config, personal, console)
    record = outcome.record
    assert record is not None
    if json:
        say_json({**record.to_json(), "verdict": verdict(record.models)})
    else:
        console.print(result_table(record))
        console.print(Text(f"{verdict(record.models)}\n"))
    if folder.folds_file.exists():
        say(
            f"The runs of the folds are in {folder.path}. Every text was tested once, by the run of its fold; the same "
            "command without --folds trains the model to use.",
            PlainConsole(stderr=json),
        )
        return
    if not folder.report_file.exists():
        raise UserError(
            f"{folder.path} has no report. Make room there and write it: qllmft report {folder.path}"
        )
    if not json:
        say(f"The report is {folder.report_file}.", console)
        run = shlex.quote(str(folder.path))
        say(f"The run is in {folder.path}. Use it: qllmft predict {run} 'your text'", console)
        sentence, name = advice(record.models, folder.kept_rows(record))
        if name:
            say(
                f"{sentence} Use it: qllmft predict {run} --model {shlex.quote(name)} 'your text'",
                console,
            )


def _end_interrupted(
    outcome: Outcome, config: RunConfig, personal: dict[str, Any], console: PlainConsole
) -> NoReturn:
    """Print what an interrupted run left and how to continue it, and exit with the signal's code."""
    folder = outcome.folder
    if not folder.model_folder.exists():
        say("Interrupted; the same command starts again where it can.", console)
        raise typer.Exit(128 + (outcome.signal or signal.SIGINT))
    say(
        f"Interrupted after epoch {outcome.epochs_done} of {config.train.epochs}. The best model so far is "
        f"in {folder.model_folder}; the same command "
        f"{'starts again' if config.train.optimizer == 'lbfgs' else 'continues from the last checkpoint'}.",
        console,
    )
    _report_jobs(config, personal, console)
    raise typer.Exit(128 + (outcome.signal or signal.SIGINT))


def result_table(record: RunRecord) -> Table:
    """Return the table at the end of a run, for a `PlainConsole`, since its strings are not markup."""
    from qllmft.run.table import columns, notes, rows, title

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


def init(
    file: Annotated[Path, typer.Argument(help="File to write.")] = Path("config.toml"),
    preset: Annotated[str, typer.Option(help="Preset to start from.")] = "sines",
) -> None:
    """Write a commented file of all settings, which `qllmft train --config` takes.

    A setting that differs from its default is a line of the file, and all others are comments with their defaults.
    """
    from qllmft.config.presets import load_preset
    from qllmft.config.toml_files import commented_toml
    from qllmft.files import write_text, writing

    config = load_preset(preset).config()
    if file.exists():
        raise UserError(
            f"{file} exists and is not overwritten. Name another file, or delete that one."
        )
    with writing(f"the file {file}"):
        write_text(file, commented_toml(config))
    say(
        f"{file} has the settings of the preset {preset}. Change them, then: qllmft train --config {file}"
    )
