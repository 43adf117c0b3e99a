"""Runs that a figure is drawn from: those of equal circumstances, and the ones that are missing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.paper.measured import Circumstances, Experiment, Measured, measure
from qllmft import RunConfig, UserError
from qllmft.campaign import FinishedRun
from qllmft.config import flat_settings


@dataclass(frozen=True)
class FigureRequest:
    """Choice of a figure and of the runs that it is drawn from."""

    name: str  # of the figure
    runs: Sequence[FinishedRun] = ()  # all finished ones; unused if the figure needs none
    folder: Path = Path("runs")  # of the runs, for the commands in errors
    partial: bool = False  # draw the figure even if runs are missing
    # of the head in figures 9 and 10, and of the training in figure 12; None for the paper's
    preset: str | None = None


@dataclass(frozen=True)
class FigureRuns:
    """Results that a figure is drawn from."""

    circumstances: Circumstances  # of every run
    measured: dict[Any, Measured]  # of the experiments with runs, by their keys
    missing: tuple[Experiment, ...]  # experiments without a run


def filter_runs(runs: Iterable[FinishedRun], settings: Mapping[str, Any]) -> list[FinishedRun]:
    """Return the runs with the given settings, by dotted name. UserError for an unknown name, or if none is left."""
    setting_names = flat_settings(RunConfig()).keys()
    matching_runs = list(runs)
    for name, value in settings.items():
        if name not in setting_names:
            raise UserError(
                f"--where {name}: there is no such setting, expected one such as train.epochs=100."
            )
        values = [flat_settings(run.config).get(name) for run in matching_runs]
        matching_runs = [
            run for run, run_value in zip(matching_runs, values, strict=True) if run_value == value
        ]
        if not matching_runs:
            run_values = ", ".join(sorted({str(run_value) for run_value in values}))
            raise UserError(f"--where {name}={value}: no run has it. The runs have {run_values}.")
    return matching_runs


def select(request: FigureRequest, experiments: Mapping[Any, Experiment]) -> FigureRuns:
    """Return the results of a figure's experiments, given by key."""
    by_circumstances: dict[Circumstances, dict[Any, Measured]] = {}
    for key, experiment in experiments.items():
        for measured in measure(experiment, request.runs):
            by_circumstances.setdefault(measured.circumstances, {})[key] = measured
    if not by_circumstances:
        state = "has no run of the paper's experiment"
        raise UserError(_missing_text(request, list(experiments.values()), request.runs[:1], state))
    if len(by_circumstances) > 1:
        counts_text = "; ".join(
            f"{c} ({len(measured_by_key)} points)"
            for c, measured_by_key in by_circumstances.items()
        )
        raise UserError(
            f"figure {request.name} would mix runs of different circumstances: {counts_text}. Choose with "
            f"{_choice(by_circumstances)}."
        )
    ((circumstances, measured_by_key),) = by_circumstances.items()
    missing = tuple(
        experiment for key, experiment in experiments.items() if key not in measured_by_key
    )
    if missing and not request.partial:
        example = next(iter(measured_by_key.values())).chosen.runs
        remedy = " Or draw the runs that exist: --partial."
        raise UserError(_missing_text(request, missing, example, "is incomplete", remedy))
    return FigureRuns(circumstances, measured_by_key, missing)


def _choice(circumstances: Iterable[Circumstances]) -> str:
    """Return the option that chooses one of the circumstances."""
    first, second, *_ = map(_settings, circumstances)
    name = next((name for name in first if first[name] != second[name]), None)
    if name is None:  # other texts of the same name, or another body
        return "another --runs"
    value = second[name] if first[name] is None else first[name]
    return f"--where {name}={value}, or with another --runs"


def _settings(circumstances: Circumstances) -> dict[str, Any]:
    split = {f"data.{name}": value for name, value in circumstances.split_settings}
    trained = {"train.epochs": circumstances.training[1], "noise.shots": circumstances.shots}
    return {**trained, "body.model": circumstances.body, "data.source": circumstances.data, **split}


def _missing_text(
    request: FigureRequest,
    missing: Sequence[Experiment],
    example: Sequence[FinishedRun],
    state: str,
    remedy: str = "",
) -> str:
    """Return an error with the commands that make the missing runs in the circumstances of ``example``."""
    extra = ""
    seeds = ""
    if example:
        run = example[0]
        words = ["--data", run.record.data.source, "--body", run.config.body.model]
        words += ["--epochs", str(run.config.train.epochs)]
        if run.config.noise.shots != missing[0].config.noise.shots:
            words += ["--shots", str(run.config.noise.shots)]
        extra = shlex.join(words)
        if len(example) > 1:
            seed_options = " | ".join(str(other_run.config.seed) for other_run in example)
            seeds = f" Give each the seeds of the others too: --seed {seed_options}."
    out = request.folder if request.folder.suffix != ".json" else Path("runs")
    begin = f"figure {request.name} {state} under {request.folder}; these make the missing runs.{seeds}{remedy}"
    commands = [
        f"{e.command(extra)} --no-baselines --out {shlex.quote(str(out / e.name))}" for e in missing
    ]
    return "\n  ".join([begin, *commands])
