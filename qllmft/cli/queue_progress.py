"""What a person sees of many runs: one bar over all of them with the time left, one over the run at work."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console

from qllmft.campaign.queue import QueueReporter, Standing
from qllmft.cli.console import progress_bars, say
from qllmft.events import EpochEnded, Event, StageAdvanced, StageEnded, StageStarted
from qllmft.progress import LineListener, stage_text
from qllmft.run import Tracking


def left_text(seconds: float | None) -> str:
    """Time left in words; "" where it is not known."""
    if seconds is None:
        return ""
    minutes = seconds / 60
    if minutes < 1:
        return "under a minute left"
    return f"about {minutes:.0f} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"


class QueueConsole(LineListener, QueueReporter):
    """Two bars; a line at the beginning and at the end of each run where output is not a terminal.

    A context manager around all runs. Several threads may report.
    """

    def __init__(self, console: Console, tracking: Tracking | None = None) -> None:
        super().__init__(console=console)
        self.tracking = tracking or Tracking()
        self._progress = progress_bars(console, counted=False)
        self._all = self._progress.add_task("starting", total=None, fields="")
        self._one = self._progress.add_task("", total=None, fields="", visible=False)
        self._standing: Standing | None = None
        self._at_work: set[str] = set()  # labels

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def message(self, text: str) -> None:
        """One line."""
        say(text, self._progress.console)

    def line(self, text: str) -> None:
        """Nothing: there is a line for each run."""

    def stands(self, standing: Standing) -> None:
        """The upper bar moves; the first time a line says how many runs there are."""
        if self._standing is None:
            done = f", {standing.finished} of them finished already" if standing.finished else ""
            self.message(f"{standing.runs} runs{done}")
        self._standing = standing
        runs = f"{standing.finished} of {standing.runs} runs"
        self._progress.update(self._all, description=runs, total=1.0, completed=standing.share, fields=self._words())

    def run_begins(self, label: str) -> None:
        """The lower bar begins again."""
        self._progress.reset(self._one, description=label, fields="", visible=True)
        self.run_begins_elsewhere(label)

    def run_begins_elsewhere(self, label: str) -> None:
        """A line where output is not a terminal."""
        if not self._console.is_terminal and self._standing:
            number = self._standing.finished + len(self._at_work) + 1
            self.message("; ".join(filter(None, [f"run {number} of {self._standing.runs}: {label}", self._words()])))
        self._at_work.add(label)

    def run_ends(self, label: str, validation: float) -> None:
        """A line where output is not a terminal."""
        self._at_work.discard(label)
        if not self._console.is_terminal:
            self.message(f"{label}: validation {100 * validation:.2f} %")

    def _words(self) -> str:
        if self._standing is None:
            return ""
        best = self._standing.best
        words = [left_text(self._standing.seconds_left), "" if best is None else f"best {100 * best:.2f} %"]
        return ", ".join(filter(None, words))

    def __call__(self, event: Event) -> None:
        """Move the lower bar."""
        super().__call__(event)
        match event:
            case StageStarted("fitting", name):
                self._progress.update(self._one, fields=f"fitting {name}")
            case StageStarted(_, _, total, done):
                self._progress.update(self._one, total=total, completed=done, fields=stage_text(event))
            case StageAdvanced(_, done):
                self._progress.update(self._one, completed=done)
            case EpochEnded(metrics):
                words = f"epoch {metrics.epoch}/{self._stage.total}  {self.epoch_text(metrics)}"
                self._progress.update(self._one, completed=metrics.epoch, fields=words)
            case StageEnded(stage) if stage != "fitting":
                self._progress.update(self._one, fields="")
