"""What a person at a Python prompt or in a notebook sees of a run: a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from qllmft.run import Reporter
from qllmft.training import EpochMetrics

LINES = 10  # about one training


class LineReporter(Reporter):
    """Prints a line at every tenth of the training and for whatever else is said; the same in terminal and notebook.

    Args:
        part: what the accuracy after each epoch is of.
    """

    def __init__(self, part: str = "validation") -> None:
        self._console = Console()
        self._part = part

    def message(self, text: str) -> None:
        """One line."""
        self._console.print(Text(text), soft_wrap=True)

    @contextmanager
    def embedding(self, total: int, body: str) -> Iterator[Callable[[int], None]]:
        """A line at the end."""
        yield lambda _: None
        self.message(f"embedded {total:,} texts with {body}")

    @contextmanager
    def training(self, epochs: int, done: int) -> Iterator[Callable[[EpochMetrics], None]]:
        """A line at every tenth of the epochs."""
        if done:
            self.message(f"continuing after epoch {done} of {epochs}")

        def report(m: EpochMetrics) -> None:
            if m.epoch == epochs or m.epoch % max(1, epochs // LINES) == 0:
                accuracy = 100 * m.validation_accuracy
                self.message(f"epoch {m.epoch}/{epochs}  loss {m.train_loss:.4f}  {self._part} {accuracy:.1f} %")

        yield report

    @contextmanager
    def fitting(self, name: str) -> Iterator[None]:
        """A line at the start."""
        self.message(f"fitting {name}")
        yield
