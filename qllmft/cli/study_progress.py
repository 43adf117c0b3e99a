"""What a person sees of a study: one bar over all runs with the time left, one over the epochs of the running one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from qllmft.cli.console import DRAWN_EVERY_S
from qllmft.experiments.compare.work import StudyReporter
from qllmft.training import EpochMetrics


def left(elapsed_s: float, done: float, total: float) -> str:
    """Time left, in words, from the cost done in ``elapsed_s`` seconds; "" before anything is done."""
    if done <= 0:
        return ""
    minutes = elapsed_s * max(0.0, total - done) / done / 60
    if minutes < 1:
        return "under a minute left"
    return f"about {minutes:.0f} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"


class StudyConsole(StudyReporter):
    """Two bars; a line a run where output is not a terminal. A context manager around the whole study."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[fields]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=1 / DRAWN_EVERY_S,
        )
        self._all = self._progress.add_task("starting", total=None, fields="")
        self._one = self._progress.add_task("", total=None, fields="", visible=False)
        self._runs = self._number = 0
        self._done = self._skipped = self._cost = 0.0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def message(self, text: str) -> None:
        """One line."""
        self._progress.console.print(text, markup=False, highlight=False)

    def runs(self, total: int, finished: int, cost: float) -> None:
        """The whole bar begins."""
        self._runs, self._number, self._cost = total, finished, cost
        self.message(f"{total} runs" + (f", {finished} of them finished already" if finished else ""))
        self._started = time.monotonic()

    def run(self, label: str, seed: int) -> None:
        """The next run."""
        self._number += 1
        self._progress.update(self._all, description=f"run {self._number} of {self._runs}")
        self._progress.reset(self._one, description=f"{label}, seed {seed}", fields="", visible=True)
        if not self._console.is_terminal:
            words = [f"run {self._number} of {self._runs}: {label}, seed {seed}", self._time_left()]
            self.message("; ".join(filter(None, words)))

    def worked(self, cost: float, *, earlier: bool = False) -> None:
        """The whole bar moves; what an earlier call did tells nothing of this one's speed."""
        self._done += cost
        self._skipped += cost if earlier else 0.0
        self._progress.update(self._all, total=self._cost, completed=self._done, fields=self._time_left())

    def _time_left(self) -> str:
        return left(time.monotonic() - self._started, self._done - self._skipped, self._cost - self._skipped)

    @contextmanager
    def embedding(self, total: int, body: str) -> Iterator[Callable[[int], None]]:
        """The lower bar counts texts."""
        self._progress.update(self._one, total=total, completed=0, fields=f"embedding {total:,} texts with {body}")
        yield lambda n: self._progress.advance(self._one, n)
        self._progress.update(self._one, fields="")

    @contextmanager
    def training(self, epochs: int, done: int) -> Iterator[Callable[[EpochMetrics], None]]:
        """The lower bar counts epochs."""
        if done:
            self.message(f"continuing after epoch {done} of {epochs}")
        self._progress.update(self._one, total=epochs, completed=done)

        def show(m: EpochMetrics) -> None:
            fields = f"epoch {m.epoch}/{epochs}  validation {100 * m.validation_accuracy:.1f} %"
            self._progress.update(self._one, completed=m.epoch, fields=fields)

        yield show

    @contextmanager
    def contrastive(self, steps: int, done: int) -> Iterator[Callable[[int], None]]:
        """The lower bar counts batches."""
        self._progress.update(self._one, total=steps, completed=done, fields="contrastive step")
        yield lambda step: self._progress.update(self._one, completed=step)
        self._progress.update(self._one, fields="")

    @contextmanager
    def fitting(self, name: str) -> Iterator[None]:
        """The lower bar names the rival."""
        self._progress.update(self._one, fields=f"fitting {name}")
        yield
