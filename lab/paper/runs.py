"""Finished runs in folders or in one JSON file that summarises them."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, replace
from pathlib import Path, PurePath
from typing import Any

from qllmft import RunConfig, UserError
from qllmft.campaign import FinishedRun
from qllmft.config import find_differing, parse_config, with_settings
from qllmft.run import RunFolder, RunRecord
from qllmft_studies.runs import Curve

FORMAT = 1
CURVE_POINTS = 200  # of a thinned curve


def thin_curve(curve: Curve) -> Curve:
    """Return at most `CURVE_POINTS` evenly spaced epochs, including the last, rounded to 4 digits."""
    step = max(1, -(-len(curve.epochs) // CURVE_POINTS))
    places = slice((len(curve.epochs) - 1) % step, None, step)
    losses = tuple(round(x, 4) for x in curve.train_loss[places])
    accuracies = tuple(round(x, 4) for x in curve.score[places])
    return Curve(curve.epochs[places], losses, accuracies)


def read_runs(paths: Iterable[Path]) -> list[FinishedRun]:
    """Read all finished runs below folders and in summaries (``.json``). UserError if a path has none.

    The name of their data is the last part of its path, or its whole name on the hub. The record keeps the path.
    A body has its published name.
    """
    runs: list[FinishedRun] = []
    for path in paths:
        if path.is_dir():
            folders = [RunFolder(file.parent) for file in sorted(path.rglob("result.json"))]
            path_runs = [_with_published_names(FinishedRun.read(folder)) for folder in folders]
        elif path.suffix == ".json" and path.exists():
            path_runs = _read_summary(path)
        else:
            raise UserError(
                f"{path} is neither a folder of runs nor a .json file that `python -m lab.paper page` wrote."
            )
        if not path_runs:
            raise UserError(
                f"there is no finished run under {path}: no result.json. `qllmft train` makes runs."
            )
        runs += path_runs
    return runs


def write_runs(
    runs: Sequence[FinishedRun], file: Path, with_curves: Collection[FinishedRun] = ()
) -> None:
    """Write a summary, one line per run. The runs of ``with_curves`` keep their curves, thinned."""
    curve_ids = {id(run) for run in with_curves}
    lines = [
        json.dumps(_to_json(run, keep_curve=id(run) in curve_ids), ensure_ascii=False)
        for run in runs
    ]
    content = f'{{"format": {FORMAT}, "runs": [\n' + ",\n".join(lines) + "\n]}\n"
    file.write_text(content, encoding="utf-8")


def _with_published_names(run: FinishedRun) -> FinishedRun:
    source = run.config.data.source
    config = run.config
    if Path(source).exists() or PurePath(source).is_absolute():
        data = config.data.model_copy(update={"source": PurePath(source).name})
        config = config.model_copy(update={"data": data})
    if config.body.model != run.record.body.model:
        body = config.body.model_copy(update={"model": run.record.body.model})
        config = config.model_copy(update={"body": body})
    return replace(run, config=config)


def _to_json(run: FinishedRun, *, keep_curve: bool) -> dict[str, Any]:
    record = replace(
        run.record,
        identity=run.config.identity,
        data=replace(run.record.data, source=run.config.data.source, findings=None),
        models=tuple(
            replace(model, seconds=0.0, settings={}, test_classes=None)
            for model in run.record.models
        ),
        versions={},
    )
    return {
        "settings": find_differing(run.config, RunConfig()),
        "record": record.to_json(),
        "validation_loss": run.validation_loss,
        "curve": list(astuple(thin_curve(run.curve))) if keep_curve and run.curve else None,
    }


def _read_summary(file: Path) -> list[FinishedRun]:
    try:
        content = json.loads(file.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise UserError(
                f"{file} has format {content['format']}, expected {FORMAT}. Write it again."
            )
        return [
            _from_json(entry, f"{file}, run {i + 1}") for i, entry in enumerate(content["runs"])
        ]
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{file} is not a summary that `python -m lab.paper page` wrote: {error!r}."
        ) from error


def _from_json(entry: dict[str, Any], origin: str) -> FinishedRun:
    config = parse_config(with_settings({}, entry["settings"]), origin)
    record = RunRecord.from_json(entry["record"], origin)
    parts = entry["curve"]
    curve = None if parts is None else Curve(*(tuple(part) for part in parts))
    for number in [
        entry["validation_loss"] or 0.0,
        *(number for part in parts or () for number in part),
    ]:
        # NaN compares as False
        if isinstance(number, bool) or not abs(number) <= sys.float_info.max:
            raise ValueError(f"a loss or a point of the curve is {number!r}")
    return FinishedRun(config, record, entry["validation_loss"], curve)
