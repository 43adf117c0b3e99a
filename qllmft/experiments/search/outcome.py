"""What a sweep ends with: its ranking by validation, and the winner's test accuracy."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.experiments.queue import QueueReporter
from qllmft.experiments.search.plan import SearchPlan
from qllmft.experiments.search.screening import Screening, main_effects, screening_signs
from qllmft.experiments.search.space import Point
from qllmft.experiments.search.store import ERROR, POINT, RESULT, SearchState
from qllmft.files import write_text
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
    def mean(self) -> float:
        """Over the seeds, in [0, 1]."""
        return math.fsum(accuracy.value for accuracy in self.by_seed) / len(self.by_seed)

    @property
    def interval(self) -> tuple[float, float]:
        """95 %: Wilson's for one seed (the test set's sampling alone), Student's over several (seeds' scatter)."""
        if len(self.by_seed) == 1:
            return self.by_seed[0].interval
        interval = MeanInterval.of([accuracy.value for accuracy in self.by_seed]).interval
        assert interval is not None  # there are several
        return interval


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


def finish(
    state: SearchState, rows: Sequence[RankedConfiguration], folder: Path, reporter: QueueReporter
) -> TestedWinner:
    """Read the test set for the first of ``rows``, and for no other; write ``sweep.json``.

    A winner that another machine trained is trained again in the ``runs`` of ``folder``.

    Raises:
        UserError: where a configuration failed.
        KeyboardInterrupt: where a training of the winner was interrupted.
    """
    if state.failed:
        identity, trial = next(iter(state.failed.items()))
        raise UserError(
            f"{len(state.failed)} of {state.plan.size} configurations failed, so there is no winner; the first, "
            f"{identity}: {trial.user_attrs[ERROR]} `qllmft sweep` tries them again."
        )
    winner = rows[0]
    configurations = state.plan.configurations(winner.point)
    tested = TestedWinner(tuple(_test(config, folder / "runs", reporter) for config in configurations))
    write_text(folder / "sweep.json", json.dumps(_record(state.plan, rows, tested, effects(state)), indent=1) + "\n")
    return tested


def _test(config: RunConfig, runs: Path, reporter: QueueReporter) -> Accuracy:
    record = run_tracked(config, runs / config.identity, reporter, reporter.tracking).record
    if record is None:
        raise KeyboardInterrupt
    return record.head.tested


def _record(
    plan: SearchPlan, rows: Sequence[RankedConfiguration], tested: TestedWinner, screening: Screening | None
) -> dict[str, Any]:
    return {
        "plan": plan.model_dump(mode="json"),
        "ranking": [asdict(row) for row in rows],
        "winner": rows[0].identity,
        "test": {
            "mean": tested.mean,
            "interval95": list(tested.interval),
            "by_seed": [accuracy.as_dict() for accuracy in tested.by_seed],
        },
        **({} if screening is None else {"screening": asdict(screening)}),
    }
