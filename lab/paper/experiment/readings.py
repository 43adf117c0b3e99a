"""Accuracies that the counts of the experiment give, if the rate, the epoch, the seed or the body is chosen in turn.

A reading is one way to make a number of a row of the paper: by validation alone, or by the test texts as well. Only the
first is a result. The others say how much each choice adds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from lab.paper.experiment.plan import BodyState, Plan, PlannedTraining, trainings
from qllmft_studies.published import Published, paper_numbers

TEST_TEXTS = 9_101
ResultTable = Literal["Table II", "Table III", "Table IV"]
RESULT_TABLES = ("Table II", "Table III", "Table IV")
Body = Literal["frozen", "tuned", "mixed"]
BODIES: tuple[Body, ...] = ("frozen", "tuned", "mixed")
Choice = Literal["validation", "rate", "epoch", "seed"]
CHOICES: dict[Choice, str] = {
    "validation": "validation chooses settings and epoch, mean over seeds",
    "rate": "test texts choose settings, mean over seeds",
    "epoch": "test texts choose settings and epoch, mean over seeds",
    "seed": "test texts choose settings, epoch and seed",
}
RESAMPLES = 2_000
RESAMPLING_SEED = 36
CLASSICAL_ROWS = {
    "svc": "svc",
    "svc-full": "svc",
    "logistic-regression": "logistic_regression",
}  # names of the records by preset


@dataclass(frozen=True)
class Candidate:
    """One setting of a row for one seed, as counts of right answers."""

    validation: tuple[float, float]  # right answers and negative loss; higher is better
    selected: int  # test answers at the epoch that validation selects
    best: int | None  # test answers at the best counted epoch; None: no epoch between was counted
    parameters: int  # trained, or support vectors


@dataclass(frozen=True)
class Row:
    """Row of the paper, with the candidates of each seed on one body."""

    published: Published
    body: BodyState  # of the runs
    candidates: dict[int, list[Candidate]]  # by seed; a seed with a missing run is absent

    def accuracies(self, choice: Choice) -> dict[int, float] | None:
        """Return the accuracy in percent of each seed, or None if the counts do not have this choice."""
        if not self.candidates:
            return None
        if choice == "validation":
            return self._percent(
                {
                    seed: max(candidates, key=lambda candidate: candidate.validation).selected
                    for seed, candidates in self.candidates.items()
                }
            )
        if choice == "rate":
            return self._percent(
                {seed: max(c.selected for c in found) for seed, found in self.candidates.items()}
            )
        best_counts = {
            seed: [candidate.best for candidate in candidates]
            for seed, candidates in self.candidates.items()
        }
        if any(None in counts for counts in best_counts.values()):
            # without counts of other epochs, the best seed is that of the best setting
            return self.accuracies("rate") if choice == "seed" else None
        return self._percent(
            {seed: max(filter(None, counts)) for seed, counts in best_counts.items()}
        )

    def value(self, choice: Choice) -> float | None:
        """Return the row's accuracy in percent: the mean over seeds, or the best seed."""
        accuracies = self.accuracies(choice)
        if accuracies is None:
            return None
        values = list(accuracies.values())
        return max(values) if choice == "seed" else float(np.mean(values))

    @staticmethod
    def _percent(counts: Mapping[int, int]) -> dict[int, float]:
        return {seed: 100 * count / TEST_TEXTS for seed, count in counts.items()}


def published_rows() -> list[Published]:
    """Return the rows of tables II to IV, each preset once, where the paper prints it first."""
    rows: dict[str, Published] = {}
    for value in paper_numbers().values_for("accuracy"):
        if value.where in RESULT_TABLES and value.preset is not None:
            rows.setdefault(value.preset, value)
    return list(rows.values())


def read_rows(plan: Plan, records: Mapping[str, dict[str, Any]], body: Body) -> list[Row]:
    """Return the paper's rows with the candidates of their finished runs.

    Args:
        plan: the experiment's.
        records: finished trainings by name.
        body: of the runs; "mixed" takes each row's by the plan's rule.
    """
    planned = trainings(plan)
    rows = []
    for published in published_rows():
        preset = str(published.preset)
        mixed_body: BodyState = "frozen" if preset in plan.mixed_frozen else "tuned"
        row_body: BodyState = mixed_body if body == "mixed" else body
        row_name = CLASSICAL_ROWS.get(preset, preset)
        row_trainings = [
            training
            for training in planned
            if training.body == row_body
            and training.row == row_name
            and f"Table {training.table}" == published.sweep
        ]
        finished = [training for training in row_trainings if training.name in records]
        candidates = {
            seed: list(_candidates(finished, records, seed, most=preset == "svc-full"))
            for seed in _seeds_of_equal_counts(finished)
        }
        rows.append(Row(published, row_body, candidates))
    return rows


def _seeds_of_equal_counts(finished: Sequence[PlannedTraining]) -> list[int]:
    """Return the seeds that have as many trainings as most seeds have, the larger number among equals."""
    counts = Counter(training.seed for training in finished)
    frequencies = Counter(counts.values())
    usual = max(frequencies, key=lambda count: (frequencies[count], count), default=0)
    return [seed for seed, count in counts.items() if count == usual]


def validation_rank(record: Mapping[str, Any]) -> tuple[float, float]:
    """Return what selects a training: right validation answers, and among equals the smaller loss."""
    return record["validation"], -record["validation_loss"]


def _candidates(
    finished: Sequence[PlannedTraining],
    records: Mapping[str, dict[str, Any]],
    seed: int,
    *,
    most: bool,
) -> Iterator[Candidate]:
    """Yield the settings of a seed; of a support vector classifier only those with the ``most`` vectors."""
    for training in finished:
        if training.seed != seed:
            continue
        record = records[training.name]
        if not training.is_grid:
            between = record.get("between")
            best = None if between is None else max(*between, record["selected"], record["last"])
            yield Candidate(validation_rank(record), record["selected"], best, record["parameters"])
            continue
        largest = max(parameters for *_, parameters in record["points"])
        for validation_count, test_count, parameters in record["points"]:
            if not most or parameters == largest:
                # a classical fit has one epoch
                yield Candidate((validation_count, 0.0), test_count, test_count, parameters)


@dataclass(frozen=True)
class Distance:
    """Distance of a reading from the paper's numbers."""

    rows: int  # that both have
    root_mean_square: float  # percentage points
    # 95 %, over resampled seeds; None of the best seed, and where all rows have one seed
    interval: tuple[float, float] | None
    pairs: int  # of rows with different published numbers
    same_order: int  # pairs that the reading has in the paper's order


def distance(rows: Sequence[Row], choice: Choice) -> Distance | None:
    """Return the distance of a reading from the published numbers, or None if no row has it."""
    found = [
        (row, value)
        for row in rows
        if (value := row.value("rate" if choice == "epoch" and not _has_epochs(row) else choice))
        is not None
    ]
    if not found:
        return None
    published = np.array([row.published.value for row, _ in found])
    values = np.array([value for _, value in found])
    pairs = [
        (first, second)
        for first, second in combinations(range(len(found)), 2)
        if published[first] != published[second]
    ]
    same_order = sum(
        (published[first] - published[second]) * (values[first] - values[second]) > 0
        for first, second in pairs
    )
    interval = None
    if choice != "seed" and any(len(row.candidates) > 1 for row, _ in found):
        interval = _resampled([row for row, _ in found], choice)
    return Distance(
        len(found), _root_mean_square(values - published), interval, len(pairs), int(same_order)
    )


def _has_epochs(row: Row) -> bool:
    return row.accuracies("epoch") is not None


def _root_mean_square(differences: Any) -> float:
    return float(np.sqrt(np.mean(np.square(differences))))


def _resampled(rows: Sequence[Row], choice: Choice) -> tuple[float, float]:
    """Return the 95 % interval of the distance over seeds drawn with replacement, the same for all rows."""
    seeds = sorted({seed for row in rows for seed in row.candidates})
    accuracies = np.full((len(rows), len(seeds)), np.nan)
    for place, row in enumerate(rows):
        row_choice: Choice = "rate" if choice == "epoch" and not _has_epochs(row) else choice
        for seed, value in (row.accuracies(row_choice) or {}).items():
            accuracies[place, seeds.index(seed)] = value
    published = np.array([row.published.value for row in rows])
    means = np.nanmean(accuracies, axis=1)
    random = np.random.default_rng(RESAMPLING_SEED)
    distances = []
    for _ in range(RESAMPLES):
        drawn = accuracies[:, random.integers(len(seeds), size=len(seeds))]
        is_present = ~np.isnan(drawn)
        counts = is_present.sum(axis=1)
        sums = np.where(is_present, drawn, 0.0).sum(axis=1)
        # a row of fewer seeds that no draw met has its own mean
        drawn_means = np.where(counts > 0, sums / np.maximum(counts, 1), means)
        distances.append(_root_mean_square(drawn_means - published))
    low, high = np.percentile(distances, [2.5, 97.5])
    return float(low), float(high)
