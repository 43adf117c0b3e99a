"""Figures 9 to 11 of the paper, in their form, from the records of the experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.paper.accuracy import LAYERS, PRESETS, AccuracyFigure, Point
from lab.paper.experiment.plan import Plan, PlannedTraining, trainings
from lab.paper.experiment.readings import TEST_TEXTS, validation_rank
from lab.paper.measured import count_parameters
from qllmft.tasks import MeanInterval
from qllmft_studies.published import paper_numbers

TABLES = {"9": ("X",), "10": ("XI",), "11": ("VI", "XV")}  # of each figure's trainings
FIGURES = {
    "9": "accuracy over main block layers",
    "10": "accuracy over re-uploading layers",
    "11": "accuracy with gate noise",
}
BODY = "frozen"

# (label of the curve, number of layers or qubits)
Place = tuple[str, int]


def paper_figure(
    plan: Plan, records: Mapping[str, dict[str, Any]], name: str
) -> AccuracyFigure | None:
    """Return the data of a figure from finished trainings on the frozen body, or None if there are none.

    A figure of noise takes the seeds that have noise only.
    """
    finished = [
        training
        for training in trainings(plan)
        if training.table in TABLES[name] and training.body == BODY and training.name in records
    ]
    seeds = {training.seed for training in finished if training.table == TABLES[name][-1]}
    by_place: dict[Place, list[PlannedTraining]] = {}
    for training in finished:
        place = _layers_place(name, training) if name in LAYERS else _noise_place(training)
        if training.seed in seeds and place is not None:
            by_place.setdefault(place, []).append(training)
    points = tuple(
        _point(place, found, records, every_run=name in LAYERS)
        for place, found in sorted(by_place.items())
    )
    if not points:
        return None
    circumstances = f"all-mpnet-base-v2, {plan.epochs} epochs"
    if name in LAYERS:
        return AccuracyFigure(name, circumstances, points, {})
    presets = {q: f"single-{q}q" for q in sorted({point.x for point in points})}
    printed = {q: paper_numbers().value_for_preset("accuracy", presets[q]) for q in presets}
    return AccuracyFigure(
        name,
        circumstances,
        points,
        {q: count_parameters(preset) or 0 for q, preset in presets.items()},
        tuple((q, value.value) for q, value in printed.items() if value is not None),
    )


def _layers_place(name: str, training: PlannedTraining) -> Place:
    """Return the place of a training of table X or XI."""
    over, curves = LAYERS[name]
    settings = dict(training.settings)
    return f"${curves.symbol}$ = {settings[curves.setting]}", int(settings[over.setting])


def _noise_place(training: PlannedTraining) -> Place | None:
    """Return the place of a training without or with gate noise, or None if the figure does not have its preset."""
    family, _, qubits = training.row.rpartition("-")
    for label, preset in PRESETS["11"].items():
        if preset == f"{family}-{{}}q":
            return label, int(qubits.removesuffix("q"))
    return None


def _point(
    place: Place,
    found: list[PlannedTraining],
    records: Mapping[str, dict[str, Any]],
    *,
    every_run: bool,
) -> Point:
    """Return the mean over seeds with the learning rate that validation selects, and the other accuracies."""
    chosen: dict[int, PlannedTraining] = {}
    for training in found:
        best = chosen.setdefault(training.seed, training)
        if validation_rank(records[training.name]) > validation_rank(records[best.name]):
            chosen[training.seed] = training
    accuracies = {t.name: records[t.name]["selected"] / TEST_TEXTS for t in found}
    selected = [accuracies[training.name] for training in chosen.values()]
    names = {training.name for training in chosen.values()}
    others = tuple(value for name, value in accuracies.items() if every_run or name not in names)
    rate = dict(next(iter(chosen.values())).settings)["train.lr"]
    return Point(*place, MeanInterval.from_values(selected), float(rate), others)
