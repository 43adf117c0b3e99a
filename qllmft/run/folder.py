"""Folder of a run: its files, and the rules of writing to them."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import tomli_w

from qllmft.bounds import MAX_PID_DIGITS
from qllmft.config import BodyConfig, RunConfig, parse_config
from qllmft.config.body import ADAPTER_FOLDER, BODY_FOLDER, ROWS_FOLDER
from qllmft.config.settings import find_differing
from qllmft.run.lock import HOLDER_FILE, LOCK_FILE
from qllmft.run.metrics import metrics_line, read_metrics
from qllmft.run.predictions import Predictions
from qllmft.run.record import RunRecord
from qllmft.tasks import TASKS
from qllmft.training import Checkpoint, EpochMetrics
from qllmft_base.errors import UserError
from qllmft_base.files import (
    expand_home,
    folder_name,
    is_temporary,
    is_writable,
    nearest_existing,
    open_any_size,
    parse_json,
    parse_toml,
    read_bytes,
    read_text,
    reading,
    sync_file,
    write_json,
    write_text,
    writing,
)
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.data import Corpus

BEST_ROW = "best"  # name of the row with the highest validation score
# in the folder of a run, and not among the files of a shared model
NOVELTY_FILE = "novelty.safetensors"


class RunFolder:
    """Folder of one run."""

    def __init__(self, path: Path) -> None:
        path = expand_home(str(path))
        self.path = path
        self.config_file = path / "config.toml"  # the whole configuration
        # time of the first call, until a record holds it
        self.started_file = path / ".started"
        self.metrics_file = path / "metrics.jsonl"  # one JSON object per epoch; see `EpochMetrics`
        self.novelty_file = path / NOVELTY_FILE  # exists only when the head is trained
        self.model_folder = path / "model"  # the selected model
        self.rows_folder = path / ROWS_FOLDER  # models of the other rows of the table
        self.model_body = self.model_folder / BODY_FOLDER  # its body, if that was trained
        # its body's adapter, if that was trained
        self.model_adapter = self.model_folder / ADAPTER_FOLDER
        # record of a run that has not read the test set
        self.validation_file = path / "validation.json"
        self.predictions_file = path / "predictions.json"  # see `Predictions`
        self.result_file = path / "result.json"  # record; exists only when the run is finished
        self.folds_file = path / "folds.json"  # record of a cross-validation; see `run_folds`
        self.report_file = path / "report.html"  # the run on one page
        self.ledger = path / "ledger"  # of its paid jobs
        # state of the trackers; see `qllmft.run.tracking`
        self.trackers_file = path / "trackers.json"
        unfinished = path / "checkpoint"
        self.texts_file = unfinished / "texts.json"  # says on which texts an unfinished run began
        self.body_file = unfinished / "body.json"  # says on which body its head began
        self.checkpoint = Checkpoint(unfinished / "state.safetensors", self.metrics_file)
        self.contrastive_checkpoint = Checkpoint(unfinished / "contrastive.safetensors")
        # exists only when the contrastive step is finished
        self.contrastive_body = unfinished / "contrastive"
        self.words = unfinished / "words" / "body"  # body of the baseline that reads words
        self.own_embeddings = unfinished  # cache of embeddings by a body that only this run has

    def fold(self, index: int) -> RunFolder:
        """Return the folder of the run of a fold of a cross-validation, from 0."""
        return RunFolder(self.path / f"fold-{index + 1}")

    @property
    def folds(self) -> list[RunFolder]:
        """Return the folders of the runs of a cross-validation, none of a run."""
        begun = takewhile(lambda fold: fold.config_file.is_file(), map(self.fold, count()))
        return [] if self.config_file.is_file() else list(begun)

    def folds_config(self) -> RunConfig:
        """Read the configuration that the runs of a cross-validation share."""
        config = self.fold(0).read_config()
        return config.model_copy(update={"data": config.data.model_copy(update={"fold": None})})

    def check_is_one_run(self) -> None:
        """Raise UserError if the folder holds the runs of a cross-validation."""
        if folds := self.folds:
            raise UserError(
                f"{self.path} holds {len(folds)} folds, each a run of its own. Give one of them, such as "
                f"{folds[0].path}."
            )

    def check_holds(self, config: RunConfig) -> None:
        """Check that the folder, which exists, is empty or of this configuration.

        Files of a process that has just started, or was killed at its start, do not count.
        """
        # list the files first: another process may be writing the configuration, which precedes all
        # other files
        files = {file.name for file in self.path.iterdir()} if self.path.is_dir() else set()
        run_files = {name for name in files if not is_temporary(name)} - {LOCK_FILE, HOLDER_FILE}
        if self.config_file.exists():
            stored_config = self.read_config()
            if stored_config.identity != config.identity:
                raise UserError(
                    f"the folder {self.path} holds a run of another configuration. They differ in "
                    f"{', '.join(find_differing(stored_config, config))}. Choose another folder with --out, or "
                    "delete that one."
                )
        elif not self.path.is_dir() or run_files:
            raise UserError(
                f"{self.path} exists and holds no run. Choose another folder with --out."
            )

    def check_texts(self, corpus: Corpus) -> None:
        """Check that what an unfinished run has trained so far was trained on these texts."""
        has_progress = any(self.texts_file.parent.rglob("*.safetensors"))
        if not has_progress or not self.texts_file.exists():
            return
        if self._read_start(self.texts_file) != corpus.identity:
            raise UserError(
                f"the folder {self.path} holds an unfinished run on other texts: {corpus.source} has changed since. "
                "Choose another folder with --out, or delete that one."
            )

    def keep_body(self, identity: str) -> None:
        """Keep the identity of the body that the head is trained on, or check that a training goes on with the same."""
        if self.checkpoint.path.exists() and self.body_file.exists():
            kept_identity = self._read_start(self.body_file)
            if kept_identity != identity:
                raise UserError(
                    f"the folder {self.path} holds an unfinished run on another version of its language model: got "
                    f"{identity}, expected {kept_identity}. Choose another folder with --out, or install that version."
                )
        write_json(self.body_file, identity)

    def _read_start(self, file: Path) -> Any:
        """Read what an unfinished run says of its start."""
        with reading(file, "Delete the run's folder, and train again."):
            return parse_json(read_text(file))

    def remove_temporaries(self) -> None:
        """Remove the files that killed processes were writing; those of a process that is still there stay."""
        for path in self.path.rglob(".*"):
            if not is_temporary(path.name) or not (path.is_symlink() or path.is_file()):
                continue
            digits = path.name.rpartition(".")[2]
            is_process = len(digits) < MAX_PID_DIGITS and psutil.pid_exists(int(digits))
            if not is_process or int(digits) == os.getpid():
                with suppress(OSError):
                    path.unlink()

    def check_can_be_made(self) -> None:
        """Check that the folder exists or can be made."""
        with writing(f"the run's folder {self.path}"):
            nearest = nearest_existing(self.path)
        if nearest != self.path and not is_writable(nearest):
            reason = "writable" if nearest.is_dir() else "a directory"
            raise UserError(
                f"the run's folder {self.path} cannot be written: {nearest} is not {reason}."
            )

    def open_for(self, config: RunConfig, corpus: Corpus | None = None) -> None:
        """Make the folder with its ``config.toml``, or check that it is of this configuration.

        The texts of an unfinished run are named beside its checkpoint, see `check_texts`.
        """
        if self.path.exists():
            self.check_holds(config)
        with writing(f"the run's folder {self.path}"):
            write_text(
                self.config_file, tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
            )
            if not self.started_file.exists():
                write_text(self.started_file, datetime.now(UTC).isoformat(timespec="seconds"))
            if corpus is not None:
                write_json(self.texts_file, corpus.identity)

    @property
    def start_time(self) -> str | None:
        """Return the time at which the first call of an unfinished run began, in ISO 8601 and UTC, or None."""
        if not self.started_file.exists():
            return None
        with reading(self.started_file, "Delete it. The record is then without the time of start."):
            return datetime.fromisoformat(read_text(self.started_file).strip()).isoformat()

    @property
    def settings(self) -> dict[str, Any]:
        """Return the content of ``config.toml``, or raise UserError if it is missing or malformed."""
        try:
            with reading(self.config_file):
                return parse_toml(read_text(self.config_file))
        except FileNotFoundError:
            self.check_is_one_run()
            raise UserError(f"{self.path} is not a run: there is no config.toml in it.") from None

    def read_config(self) -> RunConfig:
        """Read the configuration, or raise UserError if it is missing or malformed."""
        return parse_config(self.settings, str(self.config_file))

    def config_or_defaults(self) -> RunConfig:
        """Read the configuration, or return the defaults for a model's folder, which has none."""
        return self.read_config() if self.config_file.is_file() else RunConfig()

    def write_metrics(self, metrics: EpochMetrics) -> None:
        """Append one epoch."""
        with writing(str(self.metrics_file)), open_any_size(self.metrics_file, append=True) as file:
            file.write(metrics_line(metrics).encode())

    def trained_body(self, body: BodyConfig) -> Path:
        """Return the folder of a body that the run trains: the body itself, or its adapter alone."""
        return self.model_adapter if body.adapts else self.model_body

    def metrics(self) -> list[EpochMetrics]:
        """Read all complete lines, since a crash may have cut the last one short."""
        return read_metrics(self.metrics_file)

    def epochs_done(self) -> int:
        """Return the number of epochs with a line, which may be ahead of the checkpoint."""
        return read_bytes(self.metrics_file).count(b"\n") if self.metrics_file.exists() else 0

    @property
    def missing_parts(self) -> str:
        """Return the parts that an unfinished run lacks although its head is trained, or "" of any other run."""
        finished = self.result_file.exists() or self.validation_file.exists()
        if finished or not self.novelty_file.exists():
            return ""
        return "baselines and test" if self.read_config().baselines.names else "test"

    def progress(self) -> str:
        """Return the progress of an unfinished run: ``3 of 20 epochs``, with the parts that are missing after them."""
        missing = f" (missing: {self.missing_parts})" if self.missing_parts else ""
        return f"{len(self.metrics())} of {format_count(self.read_config().train.epochs, 'epoch')}{missing}"

    def keep_metrics_until(self, epoch: int) -> None:
        """Drop the epochs after the checkpoint, which are trained again to the same bits."""
        write_text(
            self.metrics_file, "".join(metrics_line(m) for m in self.metrics() if m.epoch <= epoch)
        )

    def write_predictions(self, answers: Predictions) -> None:
        """Write the answers on the test set."""
        write_text(self.predictions_file, json.dumps(answers.as_dict(), allow_nan=False) + "\n")

    def read_predictions(self) -> Predictions | None:
        """Read the answers of the models on the test set, or return None if there are none."""
        if not self.predictions_file.exists():
            return None
        task = TASKS[self.read_config().data.task]
        with reading(self.predictions_file, "Delete it. The report is then made without it."):
            return Predictions.from_dict(parse_json(read_text(self.predictions_file)), task)

    def write_result(self, record: RunRecord) -> None:
        """Write the record of a finished run, or of one that has not read the test set."""
        if self.metrics_file.exists():
            sync_file(self.metrics_file)
        tested = record.head.test is not None
        write_json(self.result_file if tested else self.validation_file, record.to_json())
        self.started_file.unlink(missing_ok=True)

    def row_folder(self, name: str) -> Path:
        """Return the folder of the model of a row of the table other than the head.

        >>> RunFolder(Path("run")).row_folder("logistic regression (C = 1)").name
        'logistic-regression-c-1'
        """
        return self.rows_folder / folder_name(name)

    def stored_rows(self, record: RunRecord) -> dict[str, Path]:
        """Return the folders of the models of the run's record that were kept, by the name of the row."""
        folders = {model.name: self.row_folder(model.name) for model in record.models}
        folders[record.head.name] = self.model_folder
        return {name: folder for name, folder in folders.items() if folder.is_dir()}

    def model_for_texts(self, record: RunRecord) -> RunFolder:
        """Return the folder with the models that `stored_rows` finds: the run's own, or the first fold's."""
        return self.fold(0) if record.data.folds else self

    def find_model(self, name: str) -> tuple[Path, str]:
        """Return the folder of the model of a row of the table, and the row's name.

        Args:
            name: as in the table, or "best": the row with the highest validation score, the first of equals.

        Raises:
            UserError: if there is no such row, or its model was not kept.
        """
        record = self.require_record(tested=False)
        scores = {model.name: model.compared_validation for model in record.models}
        row_folders = self.stored_rows(record)
        if not row_folders:
            raise UserError(
                f"the run in {self.path} has kept no model. Copy the folder again, or train it again."
            )
        if name == BEST_ROW:
            name = max(row_folders, key=lambda row_name: scores[row_name])
        if name not in row_folders:
            problem = "is not kept" if name in scores else "is no row of its table"
            raise UserError(
                f"the run in {self.path}: {name!r} {problem}, expected best or one of {', '.join(row_folders)}."
            )
        return row_folders[name], name

    def read_result(self) -> RunRecord | None:
        """Read the record, or return None if the run is not finished."""
        return _read_record(self.result_file)

    def require_record(self, *, tested: bool = True) -> RunRecord:
        """Return the record, also of a run that has not read the test set unless ``tested``, or raise UserError."""
        record = self.read_result() or (None if tested else self.read_validation())
        if record is None:
            config, out = (shlex.quote(str(path)) for path in (self.config_file, self.path))
            raise UserError(
                f"the run in {self.path} is not finished: {self.progress()}. Finish it: qllmft train --config "
                f"{config} --out {out}"
            )
        return record

    def unfinished_note(self) -> str:
        """Return how far an unfinished run was trained, in words, or "" of a finished run and of a model's folder.

        Raises:
            UserError: if it was not trained for one epoch, so that its model has its initial weights, or the folder
                holds several folds.
        """
        self.check_is_one_run()
        finished = self.result_file.exists() or self.validation_file.exists()
        if finished or not self.config_file.is_file():
            return ""
        if not self.metrics():
            self.require_record()
        return (
            f"the run in {self.path} is not finished: its model was trained for {self.progress()}"
        )

    def read_pooled(self) -> RunRecord | None:
        """Read the record of a cross-validation, or return None if a fold is not finished."""
        return _read_record(self.folds_file)

    def require_pooled(self) -> RunRecord:
        """Return the record of a cross-validation, or raise UserError if a fold is not finished."""
        record = self.read_pooled()
        if record is None:
            finished = sum(fold.result_file.exists() for fold in self.folds)
            total = self.folds_config().data.folds
            raise UserError(
                f"{self.folds_file} is missing, and {finished} of {total} folds are finished. Run the same qllmft "
                "train command again. It continues, and makes the file."
            )
        return record

    def read_pooled_predictions(self) -> Predictions | None:
        """Read the answers on the test sets of all folds, or return None if a fold has none."""
        fold_predictions = [fold.read_predictions() for fold in self.folds]
        predictions = [part for part in fold_predictions if part is not None]
        return Predictions.pool(predictions) if len(predictions) == len(fold_predictions) else None

    def read_validation(self) -> RunRecord | None:
        """Read the record without the test set, or return None."""
        return _read_record(self.validation_file)


def run_folder(config: RunConfig, out: Path | None) -> RunFolder:
    """Return the folder of a run: ``out``, or ``runs/<identity>`` if that is None."""
    return RunFolder(out or Path("runs") / config.identity)


def _read_record(path: Path) -> RunRecord | None:
    if not path.exists():
        return None
    with reading(path, "Delete it. The same command makes it again."):
        content = parse_json(read_text(path))
    return RunRecord.from_json(content, str(path))
