"""`qllmft train`, one run, and `qllmft init`, a commented file of all its settings."""

from __future__ import annotations

import shlex
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import typer

from qllmft.cli.backend import BACKEND, Options, Yes
from qllmft.cli.console import PlainConsole, numbers, say, say_json, table, texts, write_output
from qllmft.cli.options import (
    DataOptions,
    Epochs,
    Head,
    Json,
    Settings,
    TrackOptions,
    add_own_heads,
    build_config,
)
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from qllmft.config import RunConfig
    from qllmft.run import Outcome, RunFolder, RunRecord
    from qllmft.run.predictions import Predictions


@dataclass(frozen=True)
class CircuitTraining:
    """Options of `qllmft train` about the head's circuit in training.

    Attributes:
        backend: Backend of the head's circuit. [default: adjoint]
        device: Device of the backend: GPU for aer_statevector, one of torch's for adjoint (cuda, mps, xpu). auto takes
            the one that is expected to be faster. [default: CPU]
        noise: Gate noise of the head's circuit in training, validation and test: none, paper_low, paper_high, forte1.
            Use --set noise.NAME=VALUE for the rest. [default: the preset's]
        shots: Measurements of each circuit (S in the paper), drawn by eq. 2 of the paper. 0 computes exact values. Use
            --set noise.shot_model=multinomial for true shots. [default: 0]
    """

    panel: ClassVar = BACKEND

    backend: str | None = None
    device: str | None = None
    backend_option: Options = None
    noise: str | None = None
    shots: int | None = None

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return settings of the run, and options of the backend that a configuration may not contain."""
        from qllmft.config import PERSONAL_OPTIONS
        from qllmft.config.settings import parse_settings

        options = parse_settings(self.backend_option or [], "--backend-option")
        options |= {} if self.device in (None, "auto") else {"device": self.device}
        personal = {name: options.pop(name) for name in PERSONAL_OPTIONS if name in options}
        backend_settings = {"backend__name": self.backend, "backend__options": options or None}
        return backend_settings | {"noise__gates": self.noise, "noise__shots": self.shots}, personal


def train(
    *,
    preset: str | None = None,
    config: Path | None = None,
    data: DataOptions,
    circuit: CircuitTraining,
    epochs: Epochs = None,
    lr: float | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    folds: int | None = None,
    validation_folds: int | None = None,
    tune_body: bool = False,
    baselines: bool = True,
    head: Head = None,
    yes: Yes = False,
    settings: Settings = None,
    out: Path | None = None,
    trackers: TrackOptions,
    json: Json = False,
) -> None:
    """Train a quantum head and its classical baselines on labelled texts, and print how they compare.

    The language model is frozen unless body.trainable or body.contrastive is set. The epoch is selected on validation.
    The test set is read once.

    Args:
        preset: Named settings to start from, listed by `qllmft info`. [default: sines]
        config: A TOML file of settings instead of a preset, such as a run's config.toml.
        lr: Learning rate of Adam, L in the paper. [default: the preset's]
        batch_size: Texts in a batch, B in the paper. [default: the preset's]
        seed: Seed of the split, the weights, the shuffling and the noise. [default: 0]
        folds: Number of folds of cross-validation. Each fold is one run, so that every text is tested once. Choices are
            made within each fold. [default: none]
        validation_folds: For few texts: number of folds that give the validation score. Every model is then trained on
            all texts but the test, and none are held back. [default: none]
        tune_body: First fine-tune the language model on the labels (contrastive fine-tuning), for all heads of the
            table. The expected time is printed before.
        baselines: Train classical heads on the same split, too.
        out: Folder of the run. An interrupted training continues there. [default: runs/<identity>]
    """
    started = time.perf_counter()
    circuit_settings, personal = circuit.settings()

    def read_overrides(**device: Any) -> dict[str, Any]:
        options = {**(circuit_settings["backend__options"] or {}), **device}
        return data.overrides(
            settings,
            **{**circuit_settings, "backend__options": options or None},
            train__epochs=epochs,
            train__lr=lr,
            train__batch_size=batch_size,
            seed=seed,
            data__folds=folds,
            data__validation_folds=validation_folds,
            body__contrastive__loss="supervised" if tune_body else None,
            baselines__names=None if baselines else [],
        )

    def make_config(**device: Any) -> RunConfig:
        return add_own_heads(build_config(preset, config, read_overrides(**device)), head)

    from qllmft.run.compilation import start_compilation

    run_config = make_config()
    if circuit.device is None:  # before torch is imported; other ways in start it with the run
        start_compilation(run_config)
    if (device := _faster_device(run_config, circuit.device)) is not None:
        run_config = make_config(device=device)

    from qllmft.api import train_and_report
    from qllmft.cli.listener import ConsoleListener
    from qllmft.run import SharedInputs
    from qllmft.run.large_table import limit_epochs

    inputs = SharedInputs(keeps_vectors=run_config.data.folds is not None)
    are_chosen = config is not None or "train.epochs" in read_overrides()
    try:
        with ConsoleListener(yes=yes) as listener:
            if not are_chosen:
                run_config = limit_epochs(run_config, inputs, listener)
            outcome = train_and_report(
                run_config,
                out,
                listener,
                trackers.tracking(),
                backend_options=personal,
                inputs=inputs,
            )
    except KeyboardInterrupt as stop:
        if str(stop):  # jobs that continue at a service
            raise
        outcome = _interrupted_outcome(run_config, out)
    if outcome.record is None:
        _exit_interrupted(outcome, run_config, personal, err=json)
    _say_outcome(outcome.folder, outcome.record, run_config, json=json)
    if json:
        return
    from qllmft.run.needs import duration_text

    seconds = time.perf_counter() - started
    say(f"Time: {duration_text(seconds)} in all. The table has the training alone.")
    fold_option = "data.folds" if folds is None else "--folds"
    _say_next_commands(outcome.folder, outcome.record, run_config, fold_option, out)


def _say_outcome(
    folder: RunFolder, record: RunRecord, run_config: RunConfig, *, json: bool
) -> None:
    """Print the result of a run, or raise UserError if its report could not be written."""
    from qllmft.run.verdict import next_step

    place = folder.model_for_texts(record)
    step = next_step(record, run_config, str(place.path), place.stored_rows(record))
    read = folder.read_pooled_predictions if record.data.folds else folder.read_predictions
    _say_result(record, step, read(), json=json)
    if not folder.report_file.exists():
        raise UserError(
            f"{folder.path} has no report. Make room there, then run: qllmft report {shlex.quote(str(folder.path))}"
        )


def _say_result(
    record: RunRecord, next_step: str, predictions: Predictions | None, *, json: bool
) -> None:
    """Print the rows, how they compare, and the verdict."""
    from qllmft.run.verdict import verdict, verdict_as_dict

    outcome = record.models, record.data.folds, next_step
    if json:
        say_json({**record.to_json(), "verdict": verdict_as_dict(*outcome)})
        return
    from qllmft.run.own_rows import own_row_sentences

    say(result_table(record), comparison_table(record))
    if predictions is not None:
        say(*own_row_sentences(record.models, predictions))
    say("", *verdict(*outcome).lines, "")


def _say_next_commands(
    folder: RunFolder, record: RunRecord, config: RunConfig, option: str, out: Path | None
) -> None:
    """Print where the report is, and the command that predicts by the row that validation prefers.

    Args:
        folder: of the run or of its folds.
        record: of the run, or pooled over folds.
        config: of the run.
        option: the one that asked for folds.
        out: folder that was asked for.
    """
    from qllmft.run.verdict import advice

    n_folds = record.data.folds
    place = folder.model_for_texts(record)
    _, name = advice(record.models, place.stored_rows(record))
    choice = f" --model {shlex.quote(name)}" if name else ""
    say(
        f"Report: {folder.report_file}",
        f"Predict: qllmft predict {shlex.quote(str(place.path))}{choice} {config.data.example_texts}",
    )
    if n_folds:
        other_folder = " and with another --out" if out else ""
        say(
            f"Each of the {n_folds} folds has a model. For one model, run the command without {option}{other_folder}."
        )


def _faster_device(config: RunConfig, option: str | None) -> str | None:
    """Return the device that ``--device auto`` takes instead of the configuration's, and say which it is.

    Without the option, a GPU that is expected to be clearly faster has a line.
    """
    if option not in (None, "auto") or (option is None and "device" in config.backend.options):
        return None
    from qllmft.run.device import device_times

    times = device_times(config)
    if option is None:
        if times.gpu_is_clearly_faster:
            text = f"A GPU is expected to be faster: {times.text}. To use it, add --device auto."
            say(text, console=PlainConsole(stderr=True))
        return None
    say(f"--device auto takes {times.fastest}: {times.text}.", console=PlainConsole(stderr=True))
    return None if times.fastest == "cpu" else times.fastest


def _interrupted_outcome(config: RunConfig, out: Path | None) -> Outcome:
    """Return the outcome of a run that Ctrl-C ended outside of its epochs."""
    from qllmft.run import Outcome
    from qllmft.run.folder import run_folder

    folder = run_folder(config, out)
    return Outcome(folder, None, folder.epochs_done())


def _exit_interrupted(
    outcome: Outcome, config: RunConfig, personal: dict[str, Any], *, err: bool
) -> NoReturn:
    """Print what an interrupted run left, how to continue it and its running jobs, and exit with the signal's code."""
    from qllmft_backends import BACKENDS, create, remote_or_none

    say(_describe_interruption(outcome, config), err=err)
    if outcome.folder.model_folder.exists() and BACKENDS[config.backend.name].keeps_ledger:
        remote = remote_or_none(create(config.backend.name, config.backend.options | personal))
        if remote is not None:
            say(*remote.running_jobs().splitlines(), err=err)
    raise typer.Exit(128 + (outcome.signal or signal.SIGINT))


def _describe_interruption(outcome: Outcome, config: RunConfig) -> str:
    """Return what an interrupted run left, and where the same command continues."""
    folder = outcome.folder
    continuation = "The same command continues"
    if folder.folds:
        n_finished_folds = sum(fold.result_file.exists() for fold in folder.folds)
        return f"Interrupted after {n_finished_folds} of {config.data.folds} folds. {continuation} where it stopped."
    if folder.result_file.exists():
        return f"Interrupted. {continuation} with the report."
    if not folder.model_folder.exists():
        next_step = f"{continuation} where it stopped" if folder.config_file.exists() else ""
        return f"Interrupted. {next_step or 'The same command starts again'}."
    missing = f" Missing: {folder.missing_parts}." if folder.missing_parts else ""
    starts_again = config.train.optimizer == "lbfgs"
    next_step = (
        "The same command starts again"
        if starts_again
        else f"{continuation} from the last checkpoint"
    )
    return (
        f"Interrupted after epoch {outcome.epochs_done} of {config.train.epochs}.{missing} The best model so far is in "
        f"{folder.model_folder}. {next_step}."
    )


def result_table(record: RunRecord) -> Table:
    """Return the table at the end of a run, for a `PlainConsole`, since its strings are not markup."""
    from qllmft.run.table import columns, notes, rows, title

    model, *measured = columns(record)
    return table(
        *texts(model),
        *numbers(*measured),
        rows=rows(record),
        title=title(record),
        caption="\n".join(notes(record)) or None,
    )


def comparison_table(record: RunRecord) -> Table:
    """Return the comparisons of a run's head with its baselines, for a `PlainConsole`."""
    from qllmft.run.comparison import comparison_columns, comparison_rows

    name, difference, p, effect, outcome = comparison_columns(record.models)
    header = [*texts(name), *numbers(difference, p, effect), *texts(outcome)]
    caption = "CI: confidence interval, MDE: minimum detectable effect (80 % power)"
    return table(*header, rows=comparison_rows(record.models), caption=caption)


def init(file: Path = Path("config.toml"), *, preset: str = "sines") -> None:
    """Write a commented file of all settings, which `qllmft train --config` takes.

    A setting that differs from its default is a line of the file, and all others are comments with their defaults.

    Args:
        file: File to write, or - for standard output.
        preset: Preset to start from.
    """
    from qllmft.config.presets import load_preset
    from qllmft.config.toml_files import commented_toml
    from qllmft_base.files import write_text, writing

    config = load_preset(preset).config()
    if str(file) == "-":
        write_output(commented_toml(config))
        return
    if file.exists():
        raise UserError(
            f"{file} exists and is not overwritten. Name another file, or delete that one."
        )
    with writing(f"the file {file}"):
        write_text(file, commented_toml(config))
    say(
        f"{file} has the settings of the preset {preset}. Change them, then: qllmft train --config {file}"
    )
