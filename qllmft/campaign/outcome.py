"""What a sweep ends with: its ranking by validation, and the test accuracy of the winner and of each row's winner."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qllmft.campaign.queue import QueueReporter
from qllmft.campaign.screening import Screening, main_effects, screening_signs
from qllmft.campaign.search import SearchPlan
from qllmft.campaign.space import Point, Value
from qllmft.campaign.store import ERROR, POINT, RESULT, SearchState
from qllmft.config import RunConfig
from qllmft.config.presets import load_preset
from qllmft.config.settings import differing
from qllmft.errors import UserError
from qllmft.files import write_text
from qllmft.published import published
from qllmft.run import run_tracked
from qllmft.statistics import Accuracy, MeanInterval


@dataclass(frozen=True)
class RankedConfiguration:
    """A configuration in the ranking."""

    identity: str  # of its first seed
    point: Point  # what was chosen for each parameter
    validation: tuple[float, ...]  # accuracy by seed, in [0, 1]
    validation_loss: tuple[float, ...]  # by seed, in nats
    parameters: int  # trained ones
    seconds: float  # of training, all seeds together

    @property
    def mean(self) -> float:
        """Validation accuracy over the seeds."""
        return math.fsum(self.validation) / len(self.validation)

    @property
    def mean_loss(self) -> float:
        """Validation loss over the seeds."""
        return math.fsum(self.validation_loss) / len(self.validation_loss)


@dataclass(frozen=True)
class TestedWinner:
    """The winner on the test set."""

    by_seed: tuple[Accuracy, ...]

    @property
    def _over_seeds(self) -> MeanInterval:
        return MeanInterval.of([accuracy.value for accuracy in self.by_seed])

    @property
    def mean(self) -> float:
        """Over the seeds, in [0, 1]."""
        return self._over_seeds.mean

    @property
    def interval(self) -> tuple[float, float]:
        """95 %: Wilson's for one seed (the test set's sampling alone), Student's over several (seeds' scatter)."""
        return self._over_seeds.interval or self.by_seed[0].interval

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        by_seed = [accuracy.as_dict() for accuracy in self.by_seed]
        return {"mean": self.mean, "interval95": list(self.interval), "by_seed": by_seed}


@dataclass(frozen=True)
class RowWinner:
    """The best of one row of the paper's results by validation, on the test set."""

    row: Point  # the values that make the row
    best: RankedConfiguration  # the first of the ranking among those of the row
    tested: TestedWinner  # of that
    published: float | None  # the paper's accuracy of the row, in percent; None where it prints none

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = {"row": self.row, "winner": self.best.identity, "point": self.best.point, "validation": self.best.mean}
        return {**own, "test": self.tested.as_dict(), "published": self.published}


def ranking(state: SearchState) -> list[RankedConfiguration]:
    """All finished configurations, the best first: by validation accuracy, then validation loss, then parameters."""
    rows = []
    for identity, trial in state.done.items():
        result = trial.user_attrs[RESULT]
        rows.append(
            RankedConfiguration(
                identity,
                trial.user_attrs[POINT],
                tuple(result["validation"]),
                tuple(result["validation_loss"]),
                result["parameters"],
                math.fsum(result["seconds"]),
            )
        )
    return sorted(rows, key=lambda row: (-row.mean, row.mean_loss, row.parameters))


def effects(state: SearchState) -> Screening | None:
    """Main effects of a finished screening; None for other searches."""
    plan = state.plan
    if plan.sampler != "screening":
        return None
    ends = [(parameter.labels[0], parameter.labels[-1]) for parameter in plan.parameters]
    values = [state.done[identity].user_attrs[RESULT]["validation"] for identity in plan.points]
    names = [parameter.name for parameter in plan.parameters]
    return main_effects(names, ends, screening_signs(len(names)), np.array(values, np.float64))


def best_of_rows(plan: SearchPlan, ranked: Sequence[RankedConfiguration]) -> list[RankedConfiguration]:
    """The first of the ranking in each row, in the order of the levels; none where the search has no rows."""
    best: dict[tuple[Value, ...], RankedConfiguration] = {}
    for each in ranked:
        best.setdefault(tuple(each.point[name] for name in plan.rows), each)
    labels = {parameter.name: parameter.labels for parameter in plan.parameters}
    order = itertools.product(*(labels[name] for name in plan.rows)) if plan.rows else ()
    return [best[row] for row in order if row in best]


def published_accuracy(plan: SearchPlan, point: Point) -> float | None:
    """What the paper prints, in percent, as the best of its sweep with the head of ``point``; None where nothing."""
    config = plan.configurations(point)[0]
    for value in published().of("accuracy"):
        if value.sweep == f"Table {plan.table}" and value.preset is not None:
            names = differing(config, load_preset(value.preset).config())
            if not [name for name in names if name.startswith(("model.", "noise.")) and name != "model.batch_norm"]:
                return value.value
    return None


def finish(
    state: SearchState, rows: Sequence[RankedConfiguration], folder: Path, reporter: QueueReporter
) -> tuple[TestedWinner, list[RowWinner], Screening | None]:
    """Read the test set for the first of ``rows`` and the first of each of the paper's rows; write ``sweep.json``.

    No other configuration is tested. One that another machine trained is trained again in the ``runs`` of ``folder``.

    Raises:
        UserError: where a configuration failed.
        KeyboardInterrupt: where a training of a winner was interrupted.
    """
    if state.failed:
        identity, trial = next(iter(state.failed.items()))
        raise UserError(
            f"{len(state.failed)} of {state.plan.size} configurations failed, so there is no winner; the first, "
            f"{identity}: {trial.user_attrs[ERROR]} `qllmft sweep` tries them again."
        )
    plan, runs = state.plan, folder / "runs"
    best_rows = best_of_rows(plan, rows)
    chosen = {each.identity: each for each in (rows[0], *best_rows)}
    tested = {
        identity: TestedWinner(tuple(_test(config, runs, reporter) for config in plan.configurations(each.point)))
        for identity, each in chosen.items()
    }
    of_rows = [
        RowWinner(
            {name: best.point[name] for name in plan.rows},
            best,
            tested[best.identity],
            published_accuracy(plan, best.point),
        )
        for best in best_rows
    ]
    winner, screening = tested[rows[0].identity], effects(state)
    content = {
        "plan": plan.model_dump(mode="json"),
        "ranking": [asdict(row) for row in rows],
        "winner": rows[0].identity,
        "test": winner.as_dict(),
        **({"rows": [row.as_dict() for row in of_rows]} if of_rows else {}),
        **({} if screening is None else {"screening": asdict(screening)}),
    }
    write_text(folder / "sweep.json", json.dumps(content, indent=1) + "\n")
    return winner, of_rows, screening


def _test(config: RunConfig, runs: Path, reporter: QueueReporter) -> Accuracy:
    record = run_tracked(config, runs / config.identity, reporter, reporter.tracking).record
    if record is None:
        raise KeyboardInterrupt
    return record.head.tested
