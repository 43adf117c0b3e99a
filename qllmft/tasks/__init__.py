"""Tasks, one object each: loss, score with its interval, words, checks, and the statistics that compare models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from qllmft.tasks.accuracy import Accuracy
from qllmft.tasks.comparison import PairedDifference, judge_differences
from qllmft.tasks.measure import ACCURACY, ScoreName, percent, with_minus
from qllmft.tasks.multilabel import MULTILABEL
from qllmft.tasks.regression import REGRESSION
from qllmft.tasks.statistics import (
    ALPHA,
    POWER,
    MeanInterval,
    detectable_effect,
    holm,
)
from qllmft.tasks.task import CLASSIFICATION, Task, TaskName

__all__ = [
    "ACCURACY",
    "ALPHA",
    "CLASSIFICATION",
    "MULTILABEL",
    "POWER",
    "REGRESSION",
    "TASKS",
    "TASK_OF_SCORE",
    "Accuracy",
    "MeanInterval",
    "PairedDifference",
    "Task",
    "TaskName",
    "detectable_effect",
    "holm",
    "infer_task",
    "judge_differences",
    "percent",
    "with_minus",
]

TASKS: Mapping[TaskName, Task] = {
    task.name: task for task in (CLASSIFICATION, REGRESSION, MULTILABEL)
}
TASK_OF_SCORE: Mapping[ScoreName, Task] = {task.measure.name: task for task in TASKS.values()}


def infer_task(labels: NDArray[Any]) -> Task:
    """Return the task of labels (N,), real targets (N, T) or integers 0 and 1 (N, L)."""
    if labels.ndim == 1:
        return CLASSIFICATION
    return REGRESSION if labels.dtype.kind == "f" else MULTILABEL
