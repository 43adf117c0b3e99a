"""Progress of runs as lines of text: at a Python prompt, in a notebook and in a file."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from qllmft.events import (
    DataChecked,
    EpochEnded,
    Event,
    FinishedBefore,
    FoldEnded,
    FoldStarted,
    Message,
    StageAdvanced,
    StageEnded,
    StageStarted,
)
from qllmft.run.needs import duration_text
from qllmft.tasks import TASK_OF_SCORE, TASKS
from qllmft.training import EpochMetrics
from qllmft_base.text import format_count

LINES = 10  # about one training
EVERY_S = 60.0  # between two lines of a stage that reports its steps
FIRST_S = 5.0  # after its first report, a stage that will take a minute or more has its first line


class MinuteLines:
    """Listener that says how far a stage is, such as the embedding of many texts, with the time left.

    A stage of a minute or more has a line after its first seconds, and then one a minute.

    Args:
        say: receives the lines.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._stage = StageStarted("fitting")
        self._start: tuple[float, int] | None = None  # time and number of steps of the first report
        self._last = 0.0  # time of the last line, or of the stage's start
        self._is_first = True  # no line of the stage yet

    def __call__(self, event: Event) -> None:
        """Say a line if the event is progress and it is time for one."""
        match event:
            case StageStarted():
                self._stage = event
                self._start = None
                self._last = time.monotonic()
                self._is_first = True
            case StageAdvanced(stage, done) if stage == self._stage.stage:
                now = time.monotonic()
                if self._start is None:
                    self._start = now, done
                    return
                started, done_before = self._start
                left_s = self._seconds_left(now - started, done, done - done_before)
                if done < self._stage.total and self._is_due(now, now - started, left_s):
                    self._last = now
                    self._is_first = False
                    self._say(self._line(done, left_s))

    def _seconds_left(self, seconds: float, done: int, new_steps: int) -> float | None:
        """Return the time left after ``done`` steps, of which ``new_steps`` ones took so many seconds."""
        return seconds * (self._stage.total - done) / new_steps if new_steps > 0 else None

    def _is_due(self, now: float, seconds: float, left_s: float | None) -> bool:
        """Return whether a line is due, so many seconds after the stage's first report."""
        if now - self._last >= EVERY_S:
            return True
        is_long = left_s is not None and seconds + left_s >= EVERY_S
        return self._is_first and seconds >= FIRST_S and is_long

    def _line(self, done: int, left_s: float | None) -> str:
        """Return the line after ``done`` steps."""
        line = f"{stage_text(self._stage)}: {done:,} of {self._stage.total:,}"
        return line if left_s is None else f"{line}, {left_text(left_s)}"


def left_text(seconds: float | None) -> str:
    """Return the time left in words, or "" if it is unknown."""
    if seconds is None:
        return ""
    return "under a minute left" if seconds < 60 else f"about {duration_text(seconds)} left"


class LineListener:
    """Listener that prints messages, stages and about every tenth epoch with its accuracy on the texts of ``part``.

    In a cross-validation each fold has one line, and one a minute if it takes longer. What several folds say is said
    once.
    """

    def __init__(self, part: str = "validation", console: Console | None = None) -> None:
        self._console = console or Console()
        self._part = part
        self._stage = StageStarted("fitting")
        self._done = 0
        self._minutes = MinuteLines(self.log)
        self._fold: FoldStarted | None = None
        self._fold_sentences: set[str] = set()  # that a fold has said
        self._last_fold_line = 0.0  # time

    def __call__(self, event: Event) -> None:
        """Print the event if it is one for people."""
        self._minutes(event)
        match event:
            case FoldStarted():
                self._fold = event
                self._last_fold_line = time.monotonic()
            case FoldEnded():
                self._fold = None
                self.message(fold_text(event))
            case FinishedBefore() if self._fold:
                pass
            case Message(text):
                self._say(text)
            case DataChecked(findings, splits, tables, labels):
                if self._fold is None or self._fold.number == 1:
                    for sentence in (*tables, splits, *labels):
                        self.message(sentence)
                for sentence in findings.sentences():
                    self._say(sentence)
            case StageStarted():
                self._stage = event
                self._done = event.done
                self._start(event)
            case StageAdvanced(_, done):
                self._done = done
            case EpochEnded(metrics):
                epoch = metrics.epoch
                epochs = self._stage.total
                if self._has_line(epoch, epochs):
                    fold = f"fold {self._fold.number}, " if self._fold else ""
                    self.line(f"{fold}epoch {epoch}/{epochs}  {self.epoch_text(metrics)}")
            case StageEnded("embedding") if self._done == self._stage.total and not self._fold:
                self.line(
                    f"embedded {format_count(self._stage.total, 'text')} with {self._stage.name}"
                )

    def _has_line(self, epoch: int, epochs: int) -> bool:
        """Return whether an epoch has a line: every tenth, or in a fold one a minute."""
        if self._fold is None:
            return epoch == epochs or epoch % max(1, epochs // LINES) == 0
        now = time.monotonic()
        if now - self._last_fold_line < EVERY_S:
            return False
        self._last_fold_line = now
        return True

    def _say(self, text: str) -> None:
        """Print one line, unless an earlier fold has said the same."""
        if self._fold:
            if text in self._fold_sentences:
                return
            self._fold_sentences.add(text)
        self.message(text)

    def message(self, text: str) -> None:
        """Print one line."""
        self._console.print(Text(text), soft_wrap=True)

    def line(self, text: str) -> None:
        """Print one line of progress."""
        self.message(text)

    def log(self, text: str) -> None:
        """Print one line of a long stage, unless a bar shows the same."""
        self.message(text)

    def epoch_text(self, metrics: EpochMetrics) -> str:
        """Return the loss and the score of an epoch."""
        measure = TASK_OF_SCORE[metrics.measure].measure
        score_text = measure.with_unit(metrics.score, measure.coarse)
        return f"loss {metrics.train_loss:.4f}  {self._part} {score_text}"

    def _start(self, started: StageStarted) -> None:
        match started:
            case StageStarted("training", _, total, done) if 0 < done < total:
                self.message(f"continuing after epoch {done} of {total}")
            case StageStarted("contrastive", _, total, done) if 0 < done < total:
                self.message(f"continuing the contrastive step after {done:,} of {total:,} batches")
            case StageStarted("fitting" | "choosing") if self._fold:
                pass
            case StageStarted("fitting" | "choosing" | "compiling"):
                self.line(stage_text(started))


def fold_text(fold: FoldEnded) -> str:
    """Return the line of a finished fold: ``fold 1 of 5: validation 75.0 %, 7 s``."""
    measure = TASKS[fold.task].measure
    duration = "finished before" if fold.seconds is None else duration_text(fold.seconds)
    validation = measure.with_unit(fold.validation, measure.coarse)
    return f"fold {fold.number} of {fold.folds}: validation {validation}, {duration}"


def stage_text(started: StageStarted) -> str:
    """Return a short description of a stage."""
    return {
        "embedding": f"embedding {format_count(started.total, 'text')} with {started.name}",
        "contrastive": "contrastive step",
        "choosing": f"choosing of {started.name}",
        "compiling": f"compiling the circuits for {started.name}",
        "training": "training",
        "fitting": f"fitting {started.name}",
    }[started.stage]
