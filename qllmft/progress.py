"""Progress of runs as lines of text: at a Python prompt, in a notebook and in a file."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from qllmft.events import DataChecked, EpochEnded, Event, Message, StageAdvanced, StageEnded, StageStarted
from qllmft.training import EpochMetrics

LINES = 10  # about one training


class LineListener:
    """Listener that prints messages, stages and about every tenth epoch with its accuracy on the texts of ``part``."""

    def __init__(self, part: str = "validation", console: Console | None = None) -> None:
        self._console = console or Console()
        self._part = part
        self._stage = StageStarted("fitting")
        self._done = 0

    def __call__(self, event: Event) -> None:
        """Print the event if it is one for people."""
        match event:
            case Message(text):
                self.message(text)
            case DataChecked(findings):
                for sentence in findings.sentences():
                    self.message(sentence)
            case StageStarted():
                self._stage, self._done = event, event.done
                self._start(event)
            case StageAdvanced(_, done):
                self._done = done
            case EpochEnded(metrics):
                self._epoch(metrics, self._stage.total)
            case StageEnded("embedding") if self._done == self._stage.total:
                self.line(f"embedded {self._stage.total:,} texts with {self._stage.name}")

    def message(self, text: str) -> None:
        """Print one line."""
        self._console.print(Text(text), soft_wrap=True)

    def line(self, text: str) -> None:
        """Print one line of progress."""
        self.message(text)

    def epoch_text(self, metrics: EpochMetrics) -> str:
        """Return the loss and the accuracy of an epoch."""
        return f"loss {metrics.train_loss:.4f}  {self._part} {100 * metrics.validation_accuracy:.1f} %"

    def _start(self, started: StageStarted) -> None:
        match started:
            case StageStarted("training", _, total, done) if 0 < done < total:
                self.message(f"continuing after epoch {done} of {total}")
            case StageStarted("contrastive", _, total, done) if 0 < done < total:
                self.message(f"continuing the contrastive step after {done:,} of {total:,} batches")
            case StageStarted("fitting", name):
                self.line(f"fitting {name}")

    def _epoch(self, metrics: EpochMetrics, epochs: int) -> None:
        if metrics.epoch == epochs or metrics.epoch % max(1, epochs // LINES) == 0:
            self.line(f"epoch {metrics.epoch}/{epochs}  {self.epoch_text(metrics)}")


def stage_text(started: StageStarted) -> str:
    """Return a short description of a stage."""
    return {
        "embedding": f"embedding {started.total:,} texts with {started.name}",
        "contrastive": "contrastive step",
        "training": "training",
        "fitting": f"fitting {started.name}",
    }[started.stage]
