"""Events of runs and campaigns: plain values that a listener shows, stores or forwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from qllmft.data import Findings
    from qllmft.tasks import TaskName
    from qllmft.training import EpochMetrics
    from qllmft_backends import Backend

Stage = Literal["embedding", "contrastive", "choosing", "compiling", "training", "fitting"]


@dataclass(frozen=True)
class Message:
    """One line of text for people."""

    text: str


@dataclass(frozen=True)
class TextsRead(Message):
    """Line about texts as the language model reads them, the same for all runs on them."""


@dataclass(frozen=True)
class FinishedBefore(Message):
    """Line about a run that an earlier call has finished."""


@dataclass(frozen=True)
class DataChecked:
    """Result of the checks of a run's texts."""

    findings: Findings
    splits: str = ""  # number of rows of each part, and the rule of the split
    tables: tuple[str, ...] = ()  # what was taken from each file, in words
    labels: tuple[str, ...] = ()  # lines of a table with the number of texts of each label


@dataclass(frozen=True)
class BackendReady:
    """Backend of the head's circuit in training, before the first circuit is sent."""

    backend: Backend


@dataclass(frozen=True)
class StageStarted:
    """Start of a stage of a run."""

    stage: Stage
    name: str = ""  # of the body, or of the model that is fitted
    total: int = 0  # texts, batches or epochs; 0 if the stage reports no progress
    done: int = 0  # completed by an earlier call


@dataclass(frozen=True)
class StageAdvanced:
    """Progress within a stage, except for training, which sends `EpochEnded`."""

    stage: Stage
    done: int  # texts or batches completed so far


@dataclass(frozen=True)
class EpochEnded:
    """End of an epoch of the training stage."""

    metrics: EpochMetrics


@dataclass(frozen=True)
class StageEnded:
    """End of a stage, also if it failed."""

    stage: Stage


@dataclass(frozen=True)
class FoldStarted:
    """Start of the run of a fold of a cross-validation."""

    number: int  # from 1
    folds: int  # number of folds


@dataclass(frozen=True)
class FoldEnded:
    """End of the run of a fold of a cross-validation."""

    number: int  # from 1
    folds: int  # number of folds
    validation: float  # score of the head
    task: TaskName
    seconds: float | None  # wall time of this call; None if an earlier call has finished the run


@dataclass(frozen=True)
class RunStarted:
    """Start of a run of a campaign."""

    label: str
    in_this_process: bool = True  # False if another process of the command does it


@dataclass(frozen=True)
class RunEnded:
    """End of a run of a campaign, in any process."""

    label: str
    validation: float  # score of the task
    task: TaskName = "classification"


@dataclass(frozen=True)
class CampaignAdvanced:
    """Progress of a campaign, counting the work of every process."""

    runs: int  # number of runs
    finished: int  # number of finished runs
    share: float  # of the estimated cost that is done, in [0, 1]
    # highest validation score so far; None if the campaign selects none
    best: float | None = None
    seconds_left: float | None = None  # None before anything was done
    task: TaskName = "classification"


Event = (
    Message
    | DataChecked
    | BackendReady
    | StageStarted
    | StageAdvanced
    | EpochEnded
    | StageEnded
    | FoldStarted
    | FoldEnded
    | RunStarted
    | RunEnded
    | CampaignAdvanced
)
OnEvent = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Do nothing."""


@contextmanager
def stage(
    on_event: OnEvent, name: Stage, subject: str = "", total: int = 0, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Send the start and the end of a stage around a block.

    Args:
        on_event: receives the events.
        name: of the stage.
        subject: thing that the stage works on, in words.
        total: number of steps; 0 if it is not known.
        done: number of steps that were done before.

    Yields:
        Function of the number of steps done, which sends the progress.
    """
    on_event(StageStarted(name, subject, total, done))
    try:
        yield lambda done: on_event(StageAdvanced(name, done))
    finally:
        on_event(StageEnded(name))
