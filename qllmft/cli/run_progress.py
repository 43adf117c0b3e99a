"""What a person sees of a run: progress bars while it works, a table when it is finished."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qllmft.cli.backend import attend_training
from qllmft.cli.console import names, numbers, plain_table, printable, progress_bars, say
from qllmft.progress import LineReporter, Move
from qllmft.run import ModelResult, RunRecord
from qllmft_backends import Backend


class ConsoleReporter(LineReporter):
    """Draws progress bars with loss, validation accuracy and time left; lines where output is not a terminal."""

    def __init__(self, console: Console, *, yes: bool = False) -> None:
        super().__init__(console=console)
        self._yes = yes

    def message(self, text: str) -> None:
        """One line."""
        say(text, self._console)

    def line(self, text: str) -> None:
        """One line where there is no bar."""
        if not self._console.is_terminal:
            self.message(text)

    def backend(self, backend: Backend) -> None:
        """Its price, line by line."""
        attend_training(backend, self.message, yes=self._yes)

    @contextmanager
    def bar(self, words: str, total: int, done: int = 0) -> Iterator[Move]:
        """A bar of its own."""
        with progress_bars(self._console) as progress:
            task = progress.add_task(words, total=total, completed=done, fields="")
            yield partial(progress.update, task)

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
        yield "baselines read the body as it was before it learned with the head"
