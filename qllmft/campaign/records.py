"""Finished runs, read from their folders or from a small summary of them in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from qllmft.config import RunConfig, parse_config
from qllmft.config.settings import differing, with_settings
from qllmft.errors import UserError
from qllmft.files import parse_json, write_text, writing
from qllmft.run import ModelResult, RunFolder, RunRecord
from qllmft.run.record import BodyRecord, DataRecord
from qllmft.statistics import Accuracy
from qllmft.training import EpochMetrics

FORMAT = 1
CURVE_POINTS = 200  # epochs of a curve that a summary keeps


@dataclass(frozen=True)
class Curve:
    """What `EpochMetrics` has of the epochs of a run."""

    epochs: tuple[int, ...]  # from 1, ascending
    train_loss: tuple[float, ...]  # mean cross-entropy, in nats
    validation_accuracy: tuple[float, ...]  # in [0, 1]

    @classmethod
    def of(cls, metrics: Sequence[EpochMetrics]) -> Curve:
        """The curve of a run's lines."""
        return cls(
            tuple(m.epoch for m in metrics),
            tuple(m.train_loss for m in metrics),
            tuple(m.validation_accuracy for m in metrics),
        )

    def thinned(self) -> Curve:
        """At most `CURVE_POINTS` epochs, evenly spaced, the last one among them; rounded to 4 digits."""
        step = -(-len(self.epochs) // CURVE_POINTS)
        kept = slice((len(self.epochs) - 1) % step if step else 0, None, step or 1)
        losses = tuple(round(x, 4) for x in self.train_loss[kept])
        return Curve(self.epochs[kept], losses, tuple(round(x, 4) for x in self.validation_accuracy[kept]))


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, read from its folder or from a summary of runs."""

    config: RunConfig  # of the run; ``data.source`` is the data's name, without the folders that it lies in
    record: RunRecord  # its outcome; a summary leaves out seconds, settings of the models and versions
    curve: Curve | None  # of the head's training; None where it was not kept
    source: str  # what the run was given as ``--data``, for commands; the name where it is not known

    @property
    def data(self) -> str:
        """Name of the data."""
        return self.config.data.source


def read_finished_runs(paths: Iterable[Path]) -> list[FinishedRun]:
    """All finished runs under folders, and all of summaries (``.json``); UserError where there are none."""
    runs: list[FinishedRun] = []
    for path in paths:
        if path.is_dir():
            found = [_from_folder(RunFolder(file.parent)) for file in sorted(path.rglob("result.json"))]
        elif path.suffix == ".json" and path.exists():
            found = _from_summary(path)
        else:
            raise UserError(f"{path} is neither a folder of runs nor a .json file that `qllmft paper` wrote.")
        if not found:
            raise UserError(f"there is no finished run under {path}: no result.json. `qllmft train` makes runs.")
        runs += found
    return runs


def write_finished_runs(runs: Sequence[FinishedRun], file: Path, with_curves: Sequence[FinishedRun] = ()) -> None:
    """Write a summary of runs, one line a run; those of ``with_curves`` keep their curves, thinned."""
    kept = {id(run) for run in with_curves}
    lines = [json.dumps(_as_dict(r if id(r) in kept else replace(r, curve=None)), ensure_ascii=False) for r in runs]
    content = f'{{"format": {FORMAT}, "runs": [\n' + ",\n".join(lines) + "\n]}\n"
    with writing(f"the summary {file}"):
        write_text(file, content)


# --- folders ----------------------------------------------------------------------------------------------------------


def _from_folder(folder: RunFolder) -> FinishedRun:
    config = folder.read_config()
    record = folder.read_result()
    assert record is not None  # its file is how the folder was found
    return FinishedRun(_named(config), record, Curve.of(folder.metrics()), config.data.source)


def _named(config: RunConfig) -> RunConfig:
    """``config`` with the last part of a local path as its data's name; names on the hub stay whole."""
    source = config.data.source
    local = Path(source).exists() or PurePath(source).is_absolute()
    name = PurePath(source).name if local else source
    return config.model_copy(update={"data": config.data.model_copy(update={"source": name})})


# --- summaries --------------------------------------------------------------------------------------------------------


def _as_dict(run: FinishedRun) -> dict[str, Any]:
    record = run.record
    entry: dict[str, Any] = {
        "settings": differing(run.config, RunConfig()),
        "data": {"name": run.data, "fingerprint": record.data.fingerprint, **record.data.sizes},
        "dimension": record.body.dimension,
        "models": [
            {
                "name": model.name,
                "parameters": model.parameters,
                "validation": [model.validation.right, model.validation.total],
                "test": [model.tested.right, model.tested.total],
                **({} if model.test_exact is None else {"test_exact": round(model.test_exact, 6)}),
            }
            for model in record.models
        ],
    }
    if run.curve is not None:
        curve = run.curve.thinned()
        entry["curve"] = [list(curve.epochs), list(curve.train_loss), list(curve.validation_accuracy)]
    return entry


def _from_summary(file: Path) -> list[FinishedRun]:
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise UserError(f"{file} has format {content['format']}, expected {FORMAT}; write it again.")
        return [_from_dict(entry, f"{file}, run {i + 1}") for i, entry in enumerate(content["runs"])]
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UserError(f"{file} is not a summary that `qllmft paper` wrote: {error!r}.") from error


def _from_dict(entry: dict[str, Any], origin: str) -> FinishedRun:
    config = parse_config(with_settings({}, entry["settings"]), origin)
    data = dict(entry["data"])
    name, fingerprint = data.pop("name"), data.pop("fingerprint")
    models = tuple(
        ModelResult(
            name=model["name"],
            parameters=model["parameters"],
            validation=Accuracy(*model["validation"]),
            test=Accuracy(*model["test"]),
            test_exact=model.get("test_exact"),
        )
        for model in entry["models"]
    )
    record = RunRecord(
        identity=config.identity,
        seed=config.seed,
        data=DataRecord(name, fingerprint, (), data),
        body=BodyRecord(config.body.model, "", entry["dimension"]),
        selected_epoch=0,
        models=models,
    )
    curve = entry.get("curve")
    return FinishedRun(config, record, None if curve is None else Curve(*(tuple(part) for part in curve)), name)
