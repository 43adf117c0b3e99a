"""What a person sees of a run: lines at a Python prompt, in a notebook and in a file; the command line draws bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.text import Text

from qllmft.run import Reporter
from qllmft.training import EpochMetrics

LINES = 10  # about one training

Move = Callable[..., None]  # moves a bar: ``advance`` by or ``completed`` steps, and the ``fields`` beside it


class LineReporter(Reporter):
    """Prints a line at every tenth of the training and for whatever else is said; the same in terminal and notebook.

    Args:
        part: what the accuracy after each epoch is of.
        console: where it prints.
    """

    def __init__(self, part: str = "validation", console: Console | None = None) -> None:
        self._console = console or Console()
        self._part = part

    def message(self, text: str) -> None:
        """One line."""
        self._console.print(Text(text), soft_wrap=True)

    def line(self, text: str) -> None:
        """One line about the progress of what has a bar elsewhere."""
        self.message(text)

    def bar(self, _words: str, _total: int, _done: int = 0) -> AbstractContextManager[Move]:
        """Around work of so many steps; gives what moves the bar, of which there is none here."""
        return nullcontext(lambda **_: None)

    @contextmanager
    def embedding(self, total: int, body: str) -> Iterator[Callable[[int], None]]:
        """A bar over the texts, or a line at the end."""
        with self.bar(f"embedding {total:,} texts with {body}", total) as move:
            yield lambda n: move(advance=n)
        self.line(f"embedded {total:,} texts with {body}")

    @contextmanager
    def training(self, epochs: int, done: int) -> Iterator[Callable[[EpochMetrics], None]]:
        """A bar over the epochs, or a line at every tenth of them."""
        if 0 < done < epochs:
            self.message(f"continuing after epoch {done} of {epochs}")
        with self.bar("training", epochs, done) as move:

            def report(m: EpochMetrics) -> None:
                numbers = f"loss {m.train_loss:.4f}  {self._part} {100 * m.validation_accuracy:.1f} %"
                move(completed=m.epoch, fields=numbers)
                if m.epoch == epochs or m.epoch % max(1, epochs // LINES) == 0:
                    self.line(f"epoch {m.epoch}/{epochs}  {numbers}")

            yield report

    @contextmanager
    def contrastive(self, steps: int, done: int) -> Iterator[Callable[[int], None]]:
        """A bar over the batches."""
        if 0 < done < steps:
            self.message(f"continuing the contrastive step after {done:,} of {steps:,} batches")
        with self.bar("contrastive step", steps, done) as move:
            yield lambda step: move(completed=step)

    @contextmanager
    def fitting(self, name: str) -> Iterator[None]:
        """A line at the start."""
        self.line(f"fitting {name}")
        yield
