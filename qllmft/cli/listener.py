"""Display of runs and campaigns: progress bars, or lines if output is not a terminal."""

from __future__ import annotations

from typing import Any, Self

from qllmft.cli.consent import attend_unasked
from qllmft.cli.console import PlainConsole, progress_bars, say
from qllmft.events import (
    BackendReady,
    CampaignAdvanced,
    EpochEnded,
    Event,
    RunEnded,
    RunStarted,
    StageAdvanced,
    StageEnded,
    StageStarted,
)
from qllmft.progress import LineListener, left_text, stage_text
from qllmft.tasks import TASKS


class ConsoleListener(LineListener):
    """Listener that draws a bar per stage of a run, or in a campaign a bar over all runs and one over the current run.

    If output is not a terminal, it prints lines: about the stages and epochs of a run, or in a campaign when a run
    starts and ends. A context manager around the command. Several threads may send events.
    """

    def __init__(self, *, yes: bool = False, campaign: bool = False) -> None:
        super().__init__(console=PlainConsole(stderr=True))
        self._yes, self._in_campaign = yes, campaign
        self._bars = progress_bars(self._console, counted=not campaign)
        self._all = self._bars.add_task("starting", total=None, fields="", visible=campaign)
        self._one = self._bars.add_task("", total=None, fields="", visible=False)
        self._campaign: CampaignAdvanced | None = None
        self._running: set[str] = set()  # labels

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        super().__call__(event)
        match event:
            case BackendReady(backend) if not self._in_campaign:
                doing = f"training through {backend.name} sends paid circuits at every step"
                more = ", and limits: --backend-option max_cost=..., circuit_budget=..."
                attend_unasked(backend, self.message, doing, more, yes=self._yes)
            case CampaignAdvanced(runs, finished):
                if self._campaign is None:
                    done = f", {finished} of them finished already" if finished else ""
                    self.message(f"{runs} runs{done}")
                self._campaign = event
                words, count = self._words(), f"{finished} of {runs} runs"
                self._bars.update(
                    self._all, description=count, total=1.0, completed=event.share, fields=words
                )
            case RunStarted(label, here):
                if here:
                    self._bars.reset(self._one, description=label, fields="", visible=True)
                if self._campaign and not self._console.is_terminal:
                    number = self._campaign.finished + len(self._running) + 1
                    begun = f"run {number} of {self._campaign.runs}: {label}"
                    self.message("; ".join(filter(None, [begun, self._words()])))
                self._running.add(label)
            case RunEnded(label, validation, task):
                self._running.discard(label)
                self.log(f"{label}: validation {TASKS[task].measure.stated(validation)}")
            case StageAdvanced(_, done):
                self._show(completed=done)
            case EpochEnded(metrics):
                count = f"epoch {metrics.epoch}/{self._stage.total}  " if self._in_campaign else ""
                self._show(completed=metrics.epoch, fields=count + self.epoch_text(metrics))
            case StageEnded("fitting" | "compiling") if not self._in_campaign:
                self._show(visible=False)
            case StageEnded() if self._in_campaign:
                self._show(fields="")

    def message(self, text: str) -> None:
        """Print one line above the bars."""
        say(text, console=self._console)

    def line(self, text: str) -> None:
        """Print one line of progress, unless there are bars or a line per run."""
        if not self._in_campaign:
            self.log(text)

    def log(self, text: str) -> None:
        """Print one line of a long stage unless there are bars."""
        if not self._console.is_terminal:
            self.message(text)

    def _start(self, started: StageStarted) -> None:
        super()._start(started)
        words, total = stage_text(started), started.total
        if not self._in_campaign:
            self._one = self._bars.add_task(
                words, total=total or 1, completed=started.done, fields=""
            )
        else:  # None leaves the bar as it is
            self._show(fields=words, total=total or None, completed=started.done if total else None)

    def _show(self, **changes: Any) -> None:
        self._bars.update(self._one, **changes)

    def _words(self) -> str:
        """Return the time left and the best score of a campaign, as far as they are known."""
        if self._campaign is None:
            return ""
        words, best = [left_text(self._campaign.seconds_left)], self._campaign.best
        if best is not None:
            words.append(f"best {TASKS[self._campaign.task].measure.stated(best)}")
        return ", ".join(filter(None, words))
