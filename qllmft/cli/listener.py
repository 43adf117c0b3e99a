"""Display of runs and campaigns: progress bars, or lines if output is not a terminal."""

from __future__ import annotations

from typing import Any, Self

from qllmft.cli.consent import set_unattended_callbacks
from qllmft.cli.console import PlainConsole, progress_bars, say
from qllmft.events import (
    BackendReady,
    CampaignAdvanced,
    EpochEnded,
    Event,
    FoldEnded,
    FoldStarted,
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

    The stages of a fold of a cross-validation share one bar.

    If output is not a terminal, it prints lines: about the stages and epochs of a run, or in a campaign when a run
    starts and ends. A context manager around the command. Several threads may send events.
    """

    def __init__(self, *, yes: bool = False, campaign: bool = False) -> None:
        super().__init__(console=PlainConsole(stderr=True))
        self._yes = yes
        self._in_campaign = campaign
        self._bars = progress_bars(self._console, counted=not campaign)
        self._campaign_bar = self._bars.add_task(
            "starting", total=None, fields="", visible=campaign
        )
        self._run_bar = self._bars.add_task("", total=None, fields="", visible=False)
        self._campaign: CampaignAdvanced | None = None
        self._running: set[str] = set()  # labels
        self._last_number = 0  # of the runs of a campaign that have started

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
                activity = f"training through {backend.name} sends paid circuits at every step"
                limits_hint = ", and limits: --backend-option max_cost=..., circuit_budget=..."
                set_unattended_callbacks(
                    backend, self.message, activity, limits_hint, yes=self._yes
                )
            case CampaignAdvanced():
                self._show_campaign(event)
            case RunStarted(label, here):
                if here:
                    self._bars.reset(self._run_bar, description=label, fields="", visible=True)
                if self._campaign and not self._console.is_terminal:
                    self._announce_run(label, self._campaign)
                self._running.add(label)
            case RunEnded(label, validation, task):
                self._running.discard(label)
                self.log(
                    f"{label}: validation of the head {TASKS[task].measure.with_unit(validation)}"
                )
            case FoldStarted(number, folds):
                self._bars.reset(
                    self._run_bar,
                    total=None,
                    description=f"fold {number} of {folds}",
                    fields="",
                    visible=True,
                )
            case FoldEnded():
                self._update_run_bar(visible=False)
            case StageAdvanced(_, done):
                self._update_run_bar(completed=done)
            case EpochEnded(metrics):
                count = f"epoch {metrics.epoch}/{self._stage.total}  " if self._in_campaign else ""
                self._update_run_bar(
                    completed=metrics.epoch, fields=count + self.epoch_text(metrics)
                )
            case StageEnded() if self._has_one_bar:
                self._update_run_bar(fields="")
            case StageEnded("fitting" | "compiling"):
                self._update_run_bar(visible=False)

    def _show_campaign(self, campaign: CampaignAdvanced) -> None:
        """Show how many runs of a campaign are finished."""
        if self._campaign is None:
            done = f", {campaign.finished} of them finished already" if campaign.finished else ""
            self.message(f"{campaign.runs} runs{done}")
        # the tests of a search are another list of runs, which may be as long
        if (
            self._campaign is None
            or self._campaign.runs != campaign.runs
            or self._campaign.finished > campaign.finished
        ):
            self._last_number = 0
        self._campaign = campaign
        self._bars.update(
            self._campaign_bar,
            description=f"{campaign.finished} of {campaign.runs} runs",
            total=1.0,
            completed=campaign.share,
            fields=self._remaining_text(),
        )

    def _announce_run(self, label: str, campaign: CampaignAdvanced) -> None:
        """Print the number of a run that starts."""
        # a run that ends is counted as finished a moment later
        under_way = campaign.finished + len(self._running)
        number = min(campaign.runs, max(self._last_number, under_way) + 1)
        self._last_number = number
        run_text = f"run {number} of {campaign.runs}: {label}"
        self.message(", ".join(filter(None, [run_text, self._remaining_text()])))

    @property
    def _has_one_bar(self) -> bool:
        """Return whether the stages of a run share one bar."""
        return self._in_campaign or self._fold is not None

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
        stage_name = stage_text(started)
        total = started.total
        if not self._has_one_bar:
            self._run_bar = self._bars.add_task(
                stage_name, total=total or 1, completed=started.done, fields=""
            )
        else:  # None leaves the bar as it is
            self._update_run_bar(
                fields=stage_name, total=total or None, completed=started.done if total else None
            )

    def _update_run_bar(self, **changes: Any) -> None:
        self._bars.update(self._run_bar, **changes)

    def _remaining_text(self) -> str:
        """Return the time left and the best score of a campaign, as far as they are known."""
        if self._campaign is None:
            return ""
        words = [left_text(self._campaign.seconds_left)]
        best = self._campaign.best
        if best is not None:
            words.append(f"best {TASKS[self._campaign.task].measure.with_unit(best)}")
        return ", ".join(filter(None, words))
