"""Functions of the package that do the same as the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from qllmft.config import RunConfig
from qllmft.config.keywords import SettingKeywords
from qllmft.config.options import explain_in_python
from qllmft.config.presets import DEFAULT_PRESET, load_preset
from qllmft.config.run import nearest_setting
from qllmft.data import corpus_in_memory
from qllmft.events import Message, OnEvent, ignore
from qllmft.progress import LineListener
from qllmft.run import Outcome, SharedInputs, Tracking, TrainedRun, run_experiment
from qllmft.run.large_table import limit_epochs
from qllmft.run.tracking import TrackingListener
from qllmft_base.errors import UserError
from qllmft_base.files import expand_home

if TYPE_CHECKING:
    from qllmft.embed.loading import GivenBody
    from qllmft.inference import Predictor


class Rows(Protocol):
    """Texts in memory: a table, a dict of columns, a pair of lists, or a dict of tables by split."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any, /) -> Any: ...


@contextmanager
def _keywords_in_errors() -> Iterator[None]:
    """Name the keywords of `train` in an error whose remedy is an option of the command line."""
    try:
        yield
    except UserError as error:
        error.args = (explain_in_python(str(error)),)
        raise


def _check_type(name: str, value: object, types: tuple[type, ...], expected: str) -> None:
    """Raise UserError if an argument is of another type than the expected ones."""
    if not isinstance(value, types):
        raise UserError(f"{name} is {value!r:.60}, expected {expected}.")


@_keywords_in_errors()
def train(
    data: str | Path | Rows | None = None,
    *,
    preset: str = DEFAULT_PRESET,
    body: GivenBody | None = None,
    out: str | Path | None = None,
    on_event: OnEvent | None = None,
    track: str | Sequence[str] | None = (),
    track_files: bool = False,
    **settings: Unpack[SettingKeywords],
) -> TrainedRun:
    """Train a head and its baselines, and write the report, like ``qllmft train``.

    Texts in memory are not saved, except for a few mistakes in the run's report. Their kind, number and hash name the
    run, so the same call with the same texts continues it.

    Args:
        data: a file, a folder of splits, a data set on the hub; a `pandas.DataFrame`, a polars frame, a
            `datasets.Dataset`, a dict of columns, a pair of lists (texts, labels), or a dict of tables by split such as
            a `DatasetDict`; the preset's own if None.
        preset: name of the settings to start from.
        body: language model: a name on the hub, a folder, or a `SentenceTransformer`, which is saved in the cache;
            the preset's own if None.
        out: the run's folder; ``runs/<identity>`` if None.
        on_event: receives the events of the run; if None, lines are printed at a Python prompt and in a notebook,
            and nothing elsewhere.
        track: names of trackers: ``tensorboard``, ``mlflow``, ``wandb``, those of plug-ins; None is no tracker.
        track_files: send them the run's small files, too; some contain texts.
        settings: differences from the preset, with a double underscore for the dot: ``train__epochs=20``.

    Returns:
        Outcome whose ``record.models`` are the rows of the table.

    Raises:
        UserError: for bad input; the message has the remedy.
        KeyboardInterrupt: if Ctrl-C interrupted the training; the same call resumes it.
    """
    _check_type("preset", preset, (str,), f"a name, such as {DEFAULT_PRESET!r}")
    _check_type("out", out or "", (str, os.PathLike), "the path of a folder")
    if not (on_event is None or callable(on_event)):
        raise UserError(f"on_event is {on_event!r}, expected a function that takes an event.")
    for name in settings:
        # a name within a dict of options begins with that of the dict
        if not any(
            f"{name}__".startswith(f"{section}__") for section in SettingKeywords.__annotations__
        ):
            near = nearest_setting(name.split("__")).replace(".", "__")
            meant = f" Did you mean {near}?" if near else ""
            raise UserError(
                f"there is no setting {name!r}.{meant} Names are those of a configuration, with a double underscore "
                "for the dot: train__epochs=20."
            )
    for argument, value, keyword in (("data", data, "data__source"), ("body", body, "body__model")):
        if value is not None and keyword in settings:
            raise UserError(
                f"the argument {argument} and {keyword} are both given, and name the same setting. Leave {keyword} out."
            )
    overrides: dict[str, Any] = {name.replace("__", "."): value for name, value in settings.items()}
    if body is not None:
        from qllmft.embed.loading import body_name

        overrides["body.model"] = body_name(body)
    corpus = None
    if isinstance(data, str | Path):
        overrides["data.source"] = str(data)
    elif data is not None:
        corpus = corpus_in_memory(data, load_preset(preset).config(overrides).data)
        overrides["data.source"] = corpus.source
    if on_event is None:
        on_event = LineListener() if hasattr(sys, "ps1") else ignore
    config = load_preset(preset).config(overrides)
    tracking = Tracking.from_names(track, files=track_files)
    corpora = {} if corpus is None else {config.data: corpus}
    inputs = SharedInputs(corpora, keeps_vectors=config.data.folds is not None)
    if "train.epochs" not in overrides:
        config = limit_epochs(config, inputs, on_event)
    return TrainedRun.from_outcome(
        train_and_report(config, Path(out) if out else None, on_event, tracking, inputs=inputs)
    )


def train_and_report(
    config: RunConfig, out: Path | None, on_event: OnEvent, tracking: Tracking, **options: Any
) -> Outcome:
    """Do a run, or one for each fold, write its report, and send both to trackers.

    If the report cannot be written, the outcome is returned all the same and a message says why.

    Args:
        config: of the run.
        out: the run's folder; ``runs/<identity>`` if None.
        on_event: receives the events of the run.
        tracking: trackers of the run.
        **options: those of `run_experiment`.

    Raises:
        UserError: for bad input; the message has the remedy.
    """
    if config.data.folds is not None and config.data.fold is None:
        from qllmft.run.fold_runs import run_folds

        inputs = options.pop("inputs", None)

        def run_fold(fold_config: RunConfig, fold_folder: Path, texts: SharedInputs) -> Outcome:
            return train_and_report(
                fold_config, fold_folder, on_event, tracking, **options, inputs=texts
            )

        outcome = run_folds(config, out, on_event, run_fold, inputs)
        if outcome.record:
            _write_report(outcome, on_event)
        return outcome
    with TrackingListener(config, out, tracking, on_event) as trackers:
        outcome = run_experiment(config, out, trackers, **options)
        if outcome.record:
            _write_report(outcome, on_event)
            trackers.end(outcome.record, _pack_model)
        return outcome


def _write_report(outcome: Outcome, on_event: OnEvent) -> None:
    """Write the page of a finished run, or report why it cannot be written."""
    from qllmft.report import write_report  # it imports matplotlib, which `load` does not need

    try:
        write_report(outcome.folder.path)
    except OSError as error:
        on_event(Message(f"The report cannot be written: {error.strerror}."))


def _pack_model(run: Path, folder: Path) -> None:
    """Write the model of a run with its body into a new folder."""
    from qllmft.inference import Predictor  # training alone does not need it

    Predictor.load(run).save_pretrained(folder)


def load(
    run: str | Path,
    *,
    model: str | None = None,
    token: str | None = None,
    body: GivenBody | None = None,
) -> Predictor:
    """Load the trained model of a run's folder or of the Hugging Face hub.

    Args:
        run: a folder, or ``owner/name`` with or without ``@revision``; an existing folder has priority.
        model: row of the run's table, such as ``logistic regression``, or ``best`` on the validation texts; the run's
            head if None.
        token: of the hub, for a private model; if None, that of the environment or of ``hf auth login``.
        body: the `SentenceTransformer` of the training again, if its backend is not torch.

    Raises:
        UserError: if there is no model, its files fail a check, or it was trained with another body.
    """
    from qllmft.inference import Predictor

    _check_type("run", run, (str, os.PathLike), "the path of a run's folder")
    if model is not None and not expand_home(str(run)).is_dir():
        raise UserError(
            f"there is no folder {run}, and only the folder of a run has the rows of its table. Give that folder, or "
            "leave model out."
        )
    predictor = (
        Predictor.from_pretrained(run, token=token)
        if model is None
        else Predictor.load(run, model=model)
    )
    if body is not None:
        from qllmft.embed.loading import body_name

        trained_body = predictor.model.body.model
        name = body_name(body)
        if name != trained_body:
            raise UserError(
                f"the model was trained with the language model {trained_body!r}, and the given one is {name!r}. Give "
                "the same language model, or leave it out."
            )
    return predictor
