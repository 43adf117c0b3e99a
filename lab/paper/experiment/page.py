"""Page of the paper's experiment at its own size, ``docs/results/paper-experiment.md``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.paper.experiment.epochs import FEW_EPOCHS, LEVEL, compare_epochs
from lab.paper.experiment.paper_figures import FIGURES, paper_figure
from lab.paper.experiment.plan import Plan, PlannedTraining, trainings
from lab.paper.experiment.readings import (
    BODIES,
    CHOICES,
    Body,
    Candidate,
    Choice,
    Distance,
    Row,
    distance,
    read_rows,
)
from qllmft.report import render_template
from qllmft_studies.published import paper_numbers

SIDES: tuple[Body, ...] = ("frozen", "tuned")
CONTROL = ("nn-head-0", "logistic-regression")  # two names of a logistic regression
# rows of tables II to IV that the readings do without, while they have no runs
LEFT_OUT = {
    "single-18q": "its training takes more than an hour and was not done",
    "multi-18q": "its training takes more than an hour and was not done",
}
INFLUENTIAL = "svc-full"  # the row that the distances are also shown without
OTHER_LAYERS = ("X", "XI")  # tables of a preset with other numbers of layers
NONE = "—"


@dataclass(frozen=True)
class Cost:
    """Processor time of one training of 22,400 steps."""

    row: str  # preset
    trainings: int
    fastest: float  # seconds
    slowest: float  # seconds
    published: str  # hours, as printed


def render_page(plan: Plan, records: Mapping[str, dict[str, Any]]) -> str:
    """Return the page in Markdown of the finished trainings; equal records give equal text."""
    planned = trainings(plan)
    rows = {body: read_rows(plan, records, body) for body in BODIES}
    distances = {
        (choice, body): distance(rows[body], choice) for choice in CHOICES for body in BODIES
    }
    others = {body: [r for r in rows[body] if r.published.preset != INFLUENTIAL] for body in BODIES}
    distances_of_others = {
        (choice, body): distance(others[body], choice) for choice in CHOICES for body in BODIES
    }
    left_out = _left_out(rows)
    return render_template(
        "lab.paper.experiment",
        "page.md.j2",
        plan=plan,
        nearest=_nearest(distances, len(rows["frozen"]) - len(left_out)),
        left_out=left_out,
        rows_with_runs=max(sum(bool(row.candidates) for row in rows[body]) for body in SIDES),
        n_rows=len(rows["frozen"]),
        choices=CHOICES,
        bodies=BODIES,
        header=_header(),
        lines=[_line(row, tuned) for row, tuned in zip(*(rows[s] for s in SIDES), strict=True)],
        distances=_by_choice(distances, _distance_text),
        influential=_influential(rows["frozen"]),
        distances_of_others=_by_choice(distances_of_others, _distance_text),
        orders=_by_choice(distances, _order_text),
        control=_control(rows),
        few_epochs=FEW_EPOCHS,
        level=LEVEL,
        epochs=compare_epochs(plan, records),
        costs=_costs(planned, records),
        figures=FIGURES,
        drawn=[name for name in FIGURES if paper_figure(plan, records, name)],
        progress=_progress(planned, records),
        done=sum(training.name in records for training in planned),
        planned=len(planned),
        hours=sum(record["seconds"] for record in records.values()) / 3600,
        commits=sorted({record["commit"] for record in records.values()}),
    )


def _header() -> list[str]:
    sides = [f"{body}: {name}" for body in SIDES for name in ("seeds × settings", *CHOICES)]
    return ["row", "table", "published", *sides]


def _by_choice(
    distances: Mapping[tuple[Choice, Body], Distance | None],
    text: Callable[[Distance | None], str],
) -> list[list[str]]:
    """Return a line of a table for each choice, with a cell for each body."""
    return [[choice, *(text(distances[choice, body]) for body in BODIES)] for choice in CHOICES]


def _line(frozen: Row, tuned: Row) -> list[str]:
    """Return the cells of a row: label, table, published number, and the readings on both bodies."""
    published = frozen.published
    cells = [published.label, published.where.removeprefix("Table "), f"{published.value:.2f}"]
    for row in (frozen, tuned):
        cells.append(_sizes(row.candidates))
        cells += [_number(row.value(choice)) for choice in CHOICES]
    return cells


def _sizes(candidates: Mapping[int, Sequence[Candidate]]) -> str:
    """Return the numbers of seeds and of settings, the smallest number if the seeds have different ones."""
    if not candidates:
        return NONE
    return f"{len(candidates)} × {min(map(len, candidates.values()))}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _distance_text(found: Distance | None) -> str:
    if found is None:
        return NONE
    text = f"{found.root_mean_square:.2f}"
    if found.interval is not None:
        text += f" [{found.interval[0]:.2f}, {found.interval[1]:.2f}]"
    return f"{text}, {found.rows} rows"


def _order_text(found: Distance | None) -> str:
    return NONE if found is None else f"{found.same_order} of {found.pairs}"


def _left_out(rows: Mapping[Body, Sequence[Row]]) -> list[tuple[str, str]]:
    """Return the label of each row that is left out and has no run, with the reason."""
    by_preset = {
        preset: [row for side in SIDES for row in rows[side] if row.published.preset == preset]
        for preset in LEFT_OUT
    }
    return [
        (found[0].published.label, LEFT_OUT[preset])
        for preset, found in by_preset.items()
        if not any(row.candidates for row in found)
    ]


def _nearest(
    distances: Mapping[tuple[Choice, Body], Distance | None], n_rows: int
) -> tuple[Choice, Body, Distance] | None:
    """Return the reading nearest to the paper, or None if none has that many rows yet."""
    complete = {
        key: value for key, value in distances.items() if value is not None and value.rows >= n_rows
    }
    if not complete:
        return None
    choice, body = min(complete, key=lambda key: complete[key].root_mean_square)
    return choice, body, complete[choice, body]


def _influential(rows: Sequence[Row]) -> str:
    """Return the label of the row that the distances are also shown without."""
    (label,) = (row.published.label for row in rows if row.published.preset == INFLUENTIAL)
    return label


def _control(rows: Mapping[Body, Sequence[Row]]) -> list[list[str]]:
    """Return the lines of the two rows that are the same model: the paper's numbers, and ours by reading."""
    pairs = {
        body: [row for preset in CONTROL for row in rows[body] if row.published.preset == preset]
        for body in SIDES
    }
    printed = [row.published.value for row in pairs["frozen"]]
    lines = [_control_line("the paper's", "as printed", *printed)]
    for body in SIDES:
        for choice, words in CHOICES.items():
            network, regression = (row.value(choice) for row in pairs[body])
            if network is not None and regression is not None:
                lines.append(_control_line(body, words, network, regression))
    return lines


def _control_line(body: str, words: str, network: float, regression: float) -> list[str]:
    numbers = (f"{network:.2f}", f"{regression:.2f}", f"{network - regression:+.2f}")
    return [body, words, *numbers]


def _costs(planned: Sequence[PlannedTraining], records: Mapping[str, dict[str, Any]]) -> list[Cost]:
    """Return the processor time of one training of each head, in the order of the plan."""
    seconds_by_row: dict[str, list[float]] = {}
    for training in planned:
        has_layers = training.table in OTHER_LAYERS
        if not training.is_grid and not has_layers and training.name in records:
            seconds_by_row.setdefault(training.row, []).append(records[training.name]["seconds"])
    times = paper_numbers().values_for("training_time")
    return [
        Cost(
            row,
            len(seconds),
            min(seconds),
            max(seconds),
            ", ".join(
                f"{time.value:g} h on {time.label.rpartition(' on ')[2]}"
                for time in times
                if time.preset == row
            )
            or NONE,
        )
        for row, seconds in seconds_by_row.items()
    ]


def _progress(
    planned: Sequence[PlannedTraining], records: Mapping[str, dict[str, Any]]
) -> list[list[str]]:
    """Return a line for each table and body: trainings of the plan, and finished ones."""
    counts: dict[tuple[str, str], list[bool]] = {}
    for training in planned:
        counts.setdefault((training.table, training.body), []).append(training.name in records)
    return [[table, body, str(len(done)), str(sum(done))] for (table, body), done in counts.items()]
