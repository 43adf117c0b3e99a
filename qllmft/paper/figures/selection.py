"""What a figure is to be made of, and its runs: those of equal circumstances, and what is missing among them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qllmft.campaign.finished import FinishedRun
from qllmft.config import RunConfig
from qllmft.config.settings import settings_of
from qllmft.errors import UserError
from qllmft.paper.results import Circumstances, Experiment, Measured, measure


@dataclass(frozen=True)
class Request:
    """What a figure is to be made of."""

    name: str  # of the figure
    runs: Sequence[FinishedRun] = ()  # all finished ones; empty for figures that need none
    folder: Path = Path("runs")  # where they came from and missing ones belong, for the commands in errors
    partial: bool = False  # draw what is there where runs are missing
    preset: str | None = None  # of figure 12, whose training; None: the paper's


@dataclass(frozen=True)
class Selection:
    """The results that a figure is drawn from."""

    circumstances: Circumstances  # of every run
    measured: dict[Any, Measured]  # by the experiments' keys, in their order; those that have runs
    missing: tuple[Experiment, ...]  # experiments without a run


def where(runs: Iterable[FinishedRun], settings: Mapping[str, Any]) -> list[FinishedRun]:
    """The runs that have the given settings, by dotted names; UserError for an unknown name, or where none is left."""
    known = settings_of(RunConfig()).keys()
    kept = list(runs)
    for name, value in settings.items():
        if name not in known:
            raise UserError(f"--where {name}: there is no such setting; expected one such as train.epochs=100.")
        found = [settings_of(run.config).get(name) for run in kept]
        kept = [run for run, has in zip(kept, found, strict=True) if has == value]
        if not kept:
            values = ", ".join(sorted({str(has) for has in found}))
            raise UserError(f"--where {name}={value}: no run has it; the runs have {values}.")
    return kept


def select(request: Request, experiments: Mapping[Any, Experiment]) -> Selection:
    """The results of the experiments that a figure shows, each by what the figure calls it.

    Raises:
        UserError: where runs of different circumstances would be mixed, or some are missing and the figure is not to be
            drawn of a part.
    """
    by_circumstances: dict[Circumstances, dict[Any, Measured]] = {}
    for key, experiment in experiments.items():
        for measured in measure(experiment, request.runs):
            by_circumstances.setdefault(measured.circumstances, {})[key] = measured
    if not by_circumstances:
        raise UserError(_missing_text(request, list(experiments.values()), (), "has no run"))
    if len(by_circumstances) > 1:
        listed = "; ".join(f"{c} ({len(found)} points)" for c, found in by_circumstances.items())
        raise UserError(
            f"figure {request.name} would mix runs of different circumstances: {listed}. Choose with "
            f"{_choice(by_circumstances)}."
        )
    ((circumstances, found),) = by_circumstances.items()
    missing = tuple(experiment for key, experiment in experiments.items() if key not in found)
    if missing and not request.partial:
        example = next(iter(found.values())).chosen.runs
        raise UserError(_missing_text(request, missing, example, "is incomplete"))
    return Selection(circumstances, found, missing)


def _choice(circumstances: Iterable[Circumstances]) -> str:
    """What tells two of the circumstances apart."""
    first, second, *_ = (_settings(each) for each in circumstances)
    name = next((name for name in first if first[name] != second[name]), None)
    if name is None:  # other texts of the same name, or another body
        return "another --runs"
    value = second[name] if first[name] is None else first[name]
    return f"--where {name}={value}, or with another --runs"


def _settings(circumstances: Circumstances) -> dict[str, Any]:
    drawn = {f"data.{name}": value for name, value in circumstances.drawn}
    trained = {"train.epochs": circumstances.training[1], "noise.shots": circumstances.shots}
    return {**trained, "body.model": circumstances.body, "data.source": circumstances.data, **drawn}


def _missing_text(request: Request, missing: Sequence[Experiment], example: Sequence[FinishedRun], what: str) -> str:
    """The error: which runs are missing, and commands that make them in the circumstances of ``example``."""
    extra, seeds = "", ""
    if example:
        run = example[0]
        words = [
            "--data",
            run.record.data.source,
            "--body",
            run.config.body.model,
            "--epochs",
            str(run.config.train.epochs),
        ]
        if run.config.noise.shots != missing[0].config.noise.shots:
            words += ["--shots", str(run.config.noise.shots)]
        extra = shlex.join(words)
        if len(example) > 1:
            given = " | ".join(str(each.config.seed) for each in example)
            seeds = f" Give each the seeds of the others too: --seed {given}."
    folder = request.folder
    out = folder if folder.suffix != ".json" else Path("runs")
    lines = []
    for experiment in missing:
        name = "-".join([experiment.preset, *(f"{n.split('.')[-1]}{v}" for n, v in experiment.overrides.items())])
        lines.append(f"  {experiment.command(extra)} --no-baselines --out {shlex.quote(str(out / name))}")
    rest = "" if not example else " Or draw what there is: --partial."
    begin = f"figure {request.name} {what} under {folder}; these make the missing runs.{seeds}{rest}"
    return "\n".join([begin, *lines])
