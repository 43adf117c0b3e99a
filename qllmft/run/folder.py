"""A run's folder: what is in it, and the rules of writing to it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import tomli_w

from qllmft.config import RunConfig, parse_config
from qllmft.config.settings import differing
from qllmft.errors import UserError
from qllmft.files import is_temporary, parse_json, parse_toml, write_json, write_text, writing
from qllmft.model.store import OWN_BODY
from qllmft.run.lock import HOLDER, LOCK
from qllmft.run.predictions import TestPredictions
from qllmft.run.record import RunRecord
from qllmft.training import Checkpoint, EpochMetrics


class RunFolder:
    """The folder of one run.

    Args:
        path: of the folder.

    Attributes:
        config_file: ``config.toml``, the configuration, whole.
        metrics_file: ``metrics.jsonl``, one JSON object an epoch; see `EpochMetrics`.
        model_folder: ``model``, the selected model.
        model_body: the selected body in it, where the body learned.
        validation_file: ``validation.json``, the outcome as far as validation goes, where the test set was not read.
        predictions_file: ``predictions.json``, what every head answered on the test set; see `TestPredictions`.
        result_file: ``result.json``, the outcome; there only when the run is finished.
        report_file: ``report.html``, the run on one page, for people.
        trackers_file: ``trackers.json``, how far each tracker was told; see `qllmft.run.tracking`.
        checkpoint: where training stands, in the folder ``checkpoint``.
        contrastive_checkpoint: where the contrastive step stands.
        contrastive_body: the body after the contrastive step; there only when that is finished.
        own_embeddings: folder of the cache of embeddings by a body that only this run has.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.toml"
        self.metrics_file = path / "metrics.jsonl"
        self.model_folder = path / "model"
        self.model_body = self.model_folder / OWN_BODY
        self.validation_file = path / "validation.json"
        self.predictions_file = path / "predictions.json"
        self.result_file = path / "result.json"
        self.report_file = path / "report.html"
        self.trackers_file = path / "trackers.json"
        unfinished = path / "checkpoint"
        self.checkpoint = Checkpoint(unfinished / "state.safetensors")
        self.contrastive_checkpoint = Checkpoint(unfinished / "contrastive.safetensors")
        self.contrastive_body = unfinished / "contrastive"
        self.own_embeddings = unfinished

    def drop_checkpoint(self) -> None:
        """Remove what only an unfinished run needs; for a body that learned it is several times the body's size."""
        shutil.rmtree(self.path / "checkpoint", ignore_errors=True)

    def check_holds(self, config: RunConfig) -> None:
        """Make sure that the folder, which exists, is empty or this configuration's.

        Files of a process that has just begun here, or was killed when it had, do not count.
        """
        # listed before the configuration is looked for: another process may be writing it, and it is written first
        files = {file.name for file in self.path.iterdir()} if self.path.is_dir() else set()
        others = {name for name in files if not is_temporary(name)} - {LOCK, HOLDER}
        if self.config_file.exists():
            held = self.read_config()
            if held.identity != config.identity:
                raise UserError(
                    f"the folder {self.path} holds a run of another configuration; they differ in "
                    f"{', '.join(differing(held, config))}. Choose another folder with --out, or delete that one."
                )
        elif not self.path.is_dir() or others:
            raise UserError(f"{self.path} exists and holds no run. Choose another folder with --out.")

    def check_can_be_made(self) -> None:
        """Make sure, before any work, that the folder is there or can be made."""
        with writing(f"the run's folder {self.path}"):
            nearest = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        if nearest == self.path:
            return
        if not nearest.is_dir():
            raise UserError(f"the run's folder {self.path} cannot be written: {nearest} is not a directory.")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise UserError(f"the run's folder {self.path} cannot be written: {nearest} is not writable.")

    def open_for(self, config: RunConfig) -> None:
        """Make the folder with its ``config.toml``, or make sure that it is this configuration's."""
        if self.path.exists():
            self.check_holds(config)
        with writing(f"the run's folder {self.path}"):
            write_text(self.config_file, tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)))

    def read_config(self) -> RunConfig:
        """The configuration of the run; UserError where there is none, or it cannot be read."""
        try:
            tree = parse_toml(self.config_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{self.path} is not a run: there is no config.toml in it.") from None
        except ValueError as error:  # not TOML, or not UTF-8
            raise UserError(f"{self.config_file} cannot be read: {error}.") from error
        return parse_config(tree, str(self.config_file))

    def write_metrics(self, metrics: EpochMetrics) -> None:
        """Append one epoch."""
        with self.metrics_file.open("a", encoding="utf-8") as file:
            file.write(_line(metrics))

    def metrics(self) -> list[EpochMetrics]:
        """All epochs so far; a line that a crash cut short is left out."""
        found: list[EpochMetrics] = []
        for line in self.metrics_file.read_bytes().splitlines() if self.metrics_file.exists() else []:
            try:
                found.append(EpochMetrics(**parse_json(line.decode("utf-8"))))
            except (ValueError, TypeError):
                break
        return found

    def epochs_done(self) -> int:
        """How many epochs have their line, the checkpoint's and those after it."""
        return self.metrics_file.read_bytes().count(b"\n") if self.metrics_file.exists() else 0

    def validation_loss(self, epoch: int) -> float:
        """Of an epoch that is done, in nats."""
        return {metrics.epoch: metrics.validation_loss for metrics in self.metrics()}[epoch]

    def keep_metrics_until(self, epoch: int) -> None:
        """Drop what was written after the checkpoint; those epochs are trained again, to the same bits."""
        write_text(self.metrics_file, "".join(_line(m) for m in self.metrics() if m.epoch <= epoch))

    def write_predictions(self, answers: TestPredictions) -> None:
        """Write the answers on the test set."""
        write_text(self.predictions_file, json.dumps(answers.as_dict(), allow_nan=False) + "\n")

    def read_predictions(self) -> TestPredictions | None:
        """The answers on the test set; None where there are none, as in runs of earlier versions."""
        if not self.predictions_file.exists():
            return None
        try:
            return TestPredictions.from_dict(parse_json(self.predictions_file.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise UserError(
                f"{self.predictions_file} cannot be read: {error!r}. Delete it; the report is then made without it."
            ) from error

    def write_result(self, record: RunRecord) -> None:
        """Write the outcome."""
        write_json(self.result_file, record.to_json())

    def read_result(self) -> RunRecord | None:
        """The outcome; None where the run is not finished."""
        return _read_record(self.result_file)

    def write_validation(self, record: RunRecord) -> None:
        """Write the outcome without the test set."""
        write_json(self.validation_file, record.to_json())

    def read_validation(self) -> RunRecord | None:
        """The outcome without the test set; None where there is none."""
        return _read_record(self.validation_file)


def folder_of(config: RunConfig, out: Path | None) -> RunFolder:
    """The folder of a run: ``out``, or ``runs/<identity>`` where that is None."""
    return RunFolder(out or Path("runs") / config.identity)


def _line(metrics: EpochMetrics) -> str:
    return json.dumps(asdict(metrics), allow_nan=False) + "\n"


def _read_record(path: Path) -> RunRecord | None:
    if not path.exists():
        return None
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} cannot be read: {error}. Delete it; the same command makes it again.") from error
    return RunRecord.from_json(content, str(path))
