"""Display of a campaign: a bar over all runs with the time left, and a bar over the current run."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console

from qllmft.cli.console import progress_bars, say
from qllmft.events import (
    CampaignAdvanced,
    EpochEnded,
    Event,
    RunEnded,
    RunStarted,
    StageAdvanced,
    StageEnded,
    StageStarted,
)
from qllmft.progress import LineListener, stage_text
from qllmft.run.timing import duration_text


def left_text(seconds: float | None) -> str:
    """Return the time left in words, or "" if it is unknown."""
    if seconds is None:
        return ""
    return "under a minute left" if seconds < 60 else f"about {duration_text(seconds)} left"


class CampaignConsole(LineListener):
    """Listener that draws two bars; if output is not a terminal, it prints a line when a run starts and ends.

    A context manager around all runs. Several threads may send events.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console=console)
        self._progress = progress_bars(console, counted=False)
        self._all = self._progress.add_task("starting", total=None, fields="")
        self._one = self._progress.add_task("", total=None, fields="", visible=False)
        self._campaign: CampaignAdvanced | None = None
        self._running: set[str] = set()  # labels

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        super().__call__(event)
        match event:
            case CampaignAdvanced():
                self._advance(event)
            case RunStarted(label, here):
                if here:
                    self._progress.reset(self._one, description=label, fields="", visible=True)
                self._start_run(label)
            case RunEnded(label, validation):
                self._running.discard(label)
                if not self._console.is_terminal:
                    self.message(f"{label}: validation {100 * validation:.2f} %")
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

    def message(self, text: str) -> None:
        """Print one line above the bars."""
        say(text, self._progress.console)

    def line(self, text: str) -> None:
        """Print nothing, because there is a line per run."""

    def _advance(self, event: CampaignAdvanced) -> None:
        if self._campaign is None:
            done = f", {event.finished} of them finished already" if event.finished else ""
            self.message(f"{event.runs} runs{done}")
        self._campaign = event
        runs = f"{event.finished} of {event.runs} runs"
        self._progress.update(self._all, description=runs, total=1.0, completed=event.share, fields=self._words())

    def _start_run(self, label: str) -> None:
        if not self._console.is_terminal and self._campaign:
            number = self._campaign.finished + len(self._running) + 1
            self.message("; ".join(filter(None, [f"run {number} of {self._campaign.runs}: {label}", self._words()])))
        self._running.add(label)

    def _words(self) -> str:
        if self._campaign is None:
            return ""
        best = self._campaign.best
        words = [left_text(self._campaign.seconds_left), "" if best is None else f"best {100 * best:.2f} %"]
        return ", ".join(filter(None, words))
