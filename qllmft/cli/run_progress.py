"""What a person sees of a run: progress bars while it works, a table when it is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qllmft.cli.backend import attend_training
from qllmft.cli.console import DRAWN_EVERY_S, names, numbers, plain_table, printable, progress_bars, say
from qllmft.run import ModelResult, Reporter, RunRecord
from qllmft.training import EpochMetrics
from qllmft_backends import Backend

PLAIN_LINES = 10  # lines about training where there is no terminal to draw a bar on


class ConsoleReporter(Reporter):
    """Draws progress bars with loss, validation accuracy and time left; plain lines where output is not a terminal."""

    def __init__(self, console: Console, *, yes: bool = False) -> None:
        self._console = console
        self._yes = yes

    def message(self, text: str) -> None:
        """One line."""
        say(text, self._console)

    def backend(self, backend: Backend) -> None:
        """Its price, line by line."""
        attend_training(backend, self.message, yes=self._yes)

    @contextmanager
    def embedding(self, total: int, body: str) -> Iterator[Callable[[int], None]]:
        """A bar over the texts."""
        with progress_bars(self._console) as progress:
            task = progress.add_task(f"embedding {total:,} texts with {body}", total=total, fields="")
            yield lambda n: progress.advance(task, n)
        if not self._console.is_terminal:
            self.message(f"embedded {total:,} texts with {body}")

    @contextmanager
    def training(self, epochs: int, done: int) -> Iterator[Callable[[EpochMetrics], None]]:
        """A bar over the epochs."""
        if done:
            self.message(f"continuing after epoch {done} of {epochs}")
        with progress_bars(self._console) as progress:
            task = progress.add_task("training", total=epochs, completed=done, fields="")

            drawn_at = -DRAWN_EVERY_S

            def report(m: EpochMetrics) -> None:
                nonlocal drawn_at
                if self._console.is_terminal and m.epoch < epochs and time.monotonic() - drawn_at < DRAWN_EVERY_S:
                    return
                drawn_at = time.monotonic()
                numbers = f"loss {m.train_loss:.4f}  validation {100 * m.validation_accuracy:.1f} %"
                progress.update(task, completed=m.epoch, fields=numbers)
                if not self._console.is_terminal and m.epoch % max(1, epochs // PLAIN_LINES) == 0:
                    self.message(f"epoch {m.epoch}/{epochs}  {numbers}")

            yield report

    @contextmanager
    def contrastive(self, steps: int, done: int) -> Iterator[Callable[[int], None]]:
        """A bar over the steps."""
        if done:
            self.message(f"continuing the contrastive step after {done:,} of {steps:,} batches")
        with progress_bars(self._console) as progress:
            task = progress.add_task("contrastive step", total=steps, completed=done, fields="")
            yield lambda step: progress.update(task, completed=step)

    @contextmanager
    def fitting(self, name: str) -> Iterator[None]:
        """A spinner."""
        with self._console.status(Text(printable(f"fitting {name}"))):
            yield


def result_table(record: RunRecord) -> Table:
    """The table at the end of a run: every head on the same split, and the same embeddings where the body is frozen.

    It is for a `PlainConsole`: its strings are no markup.
    """
    sizes = record.data.sizes
    table = plain_table(
        *names("model"),
        *numbers("parameters", "validation", "test [95 % interval]", "seconds"),
        title=f"{record.data.source}: {sizes['train']} training, {sizes['validation']} validation, "
        f"{sizes['test']:,} test texts\nbody {record.body}, D = {record.body.dimension}; "
        f"seed {record.seed}; epoch {record.selected_epoch} selected",
        caption="; ".join(_notes(record)) or None,
    )
    for model in record.models:
        validation = f"{100 * model.validation.value:.1f} %"
        test = "\n".join([f"{model.tested}", *_by_class(model)])
        table.add_row(model.name, f"{model.parameters:,}", validation, test, f"{model.seconds:.1f}")
    return table


def _by_class(model: ModelResult) -> Iterator[str]:
    """What accuracy leaves open where classes are uneven or more than two: a line below it."""
    scores = model.test_classes
    if scores and (scores.uneven or len(scores.texts) > 2):
        yield f"balanced {100 * scores.balanced:.1f}, F1 {100 * scores.macro_f1:.1f}"


def _notes(record: RunRecord) -> Iterator[str]:
    """What is to be said beside the table."""
    for model in record.models:
        if model.validation_exact is not None and model.test_exact is not None:
            yield (
                f"{model.name} without its circuit's noise: validation {100 * model.validation_exact:.1f} %, "
                f"test {100 * model.test_exact:.2f} %"
            )
    if record.trajectories:
        yield f"with its noise: {record.trajectories}"
    if (scores := record.head.test_classes) and any(True for _ in _by_class(record.head)):
        yield f"balanced accuracy and macro-F1: means over the labels; one label has {100 * scores.majority:.1f} %"
    for model in record.models:
        if model.test_classes and model.test_classes.constant:
            yield f"{model.name} gives the same answer to every text"
    if record.body.learned and record.body.learned.with_head and len(record.models) > 1:
        yield "rivals read the body as it was before it learned with the head"
