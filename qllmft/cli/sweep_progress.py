"""What a person sees of a sweep: one bar over all trials with the time left, one over the running one, tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from qllmft.cli.console import DRAWN_EVERY_S
from qllmft.config import RunConfig
from qllmft.experiments.search.outcome import Row, Tested
from qllmft.experiments.search.plan import Plan
from qllmft.experiments.search.rival import RivalResult
from qllmft.experiments.search.screening import Screening
from qllmft.experiments.search.space import Point, Space, load_space, space_names
from qllmft.experiments.search.study import Board
from qllmft.experiments.search.time_left import TimeLeft
from qllmft.experiments.search.worker import SweepReporter
from qllmft.training import EpochMetrics

BEST_SHOWN = 10
COLUMNS = 4  # parameters that have columns of their own; more of them share one


class ConsoleSweepReporter(SweepReporter):
    """Bars where output is a terminal, else a line for each finished trial. Several threads may report.

    Args:
        console: where to.
        plan: of the study.
    """

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._plan = plan
        self._time_left = TimeLeft(plan)
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._all: TaskID | None = None
        self._done: set[str] | None = None  # identities of finished trials that were told; None before the first look
        self._best = 0.0
        self._epochs: tuple[str, float] | None = None  # identity of the running trial, and its share
        self._identity = ""

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """While the bars are drawn."""
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[fields]}"),
            console=self._console,
            disable=not self._console.is_terminal,
            refresh_per_second=1 / DRAWN_EVERY_S,
            transient=True,
        ) as progress:
            self._progress = progress
            self._all = progress.add_task("sweep", total=1.0, fields="")
            try:
                yield
            finally:
                self._progress = None

    def message(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def standing(self, board: Board) -> None:
        """The bar over all trials; a line for each that was finished since the last look."""
        with self._lock:
            self._time_left.update(board)
            self._epochs = None
            told = self._done
            self._done = set(board.done)
            self._best = max((trial.value or 0.0 for trial in board.done.values()), default=0.0)
            if told is None:
                if board.done:
                    self.message(f"{len(board.done)} of {self._plan.size} configurations are done already")
            elif not self._console.is_terminal:
                for trial in (trial for identity, trial in board.done.items() if identity not in told):
                    value = trial.value or 0.0
                    self.message(
                        f"{len(board.done) + board.repeats}/{self._plan.size}  {described(trial.user_attrs['point'])}  "
                        f"validation {100 * value:.2f} %  best {100 * self._best:.2f} %{self._left()}"
                    )
            self._draw(len(board.done) + board.repeats)

    def trial(self, point: Point, config: RunConfig) -> None:
        """Remember what is trained next."""
        self._identity = config.identity
        self._describe = described(point)

    @contextmanager
    def training(self, epochs: int, done: int) -> Iterator[Callable[[EpochMetrics], None]]:
        """The bar over the running trial's epochs."""
        if done and done < epochs:
            self.message(f"continuing {self._identity} after epoch {done} of {epochs}")
        progress = self._progress
        task = progress.add_task("trial", total=epochs, completed=done, fields=self._describe) if progress else None

        def report(metrics: EpochMetrics) -> None:
            if progress is None or task is None:
                return
            numbers = f"{self._describe}  validation {100 * metrics.validation_accuracy:.1f} %"
            progress.update(task, completed=metrics.epoch, fields=numbers)
            self._epochs = (self._identity, metrics.epoch / epochs)
            with self._lock:
                self._draw(None)

        try:
            yield report
        finally:
            if progress and task is not None:
                progress.remove_task(task)

    def _left(self) -> str:
        seconds = self._time_left.seconds(*(self._epochs or (None, 0.0)))
        return "" if seconds is None else f"  left {timedelta(seconds=round(seconds))}"

    def _draw(self, done: int | None) -> None:
        if self._progress is None or self._all is None:
            return
        if done is not None:
            self._trials_done = done
        share = self._time_left.share(*(self._epochs or (None, 0.0)))
        best = f"  best {100 * self._best:.2f} %" if self._best else ""
        fields = f"{self._trials_done}/{self._plan.size}{best}{self._left()}"
        self._progress.update(self._all, completed=share, fields=fields)

    _describe = ""
    _trials_done = 0


def short(name: str) -> str:
    """A parameter's name without its section."""
    return name.rsplit(".", 1)[-1]


def label_text(label: object) -> str:
    """A level as people write it."""
    return f"{label:.4g}" if isinstance(label, float) else str(label)


def described(point: Point) -> str:
    """A point in a few words."""
    return ", ".join(f"{short(name)} {label_text(label)}" for name, label in point.items())


def headline(space: Space, plan: Plan) -> str:
    """What is searched, in one line."""
    table = "" if space.table == "none" else f"table {space.table}, "
    seeds = f", {plan.seeds} seeds each" if plan.seeds > 1 else ""
    return f"{space.name}: {table}{space.title}; {plan.sampler}, {plan.size} trials{seeds}"


def _plain_table(title: str | None = None) -> Table:
    return Table(
        title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )


def spaces_table() -> Table:
    """All searches."""
    table = _plain_table()
    table.add_column("sweep", no_wrap=True)
    table.add_column("table")
    for column in ("grid", "--quick"):
        table.add_column(column, justify="right")
    table.add_column("what")
    for name in space_names():
        space = load_space(name)
        rival = space.rival is not None
        sizes = ("its own", "") if rival else (f"{space.size:,}", f"{space.quick.size:,}" if space.quick else "")
        table.add_row(name, "" if space.table == "none" else space.table, *sizes, escape(space.title))
    return table


def ranking_table(plan: Plan, rows: Sequence[Row]) -> Table:
    """The best configurations by validation; no test set in it."""
    shown = rows[:BEST_SHOWN]
    table = _plain_table(f"the best {len(shown)} of {len(rows)} configurations, by validation")
    for column in ("validation", "loss", "parameters", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    few = len(plan.parameters) <= COLUMNS
    for column in [short(parameter.name) for parameter in plan.parameters] if few else ["settings"]:
        table.add_column(column, justify="right" if few else "left")
    for row in shown:
        labels = [label_text(row.point[parameter.name]) for parameter in plan.parameters]
        numbers = (f"{100 * row.mean:.2f} %", f"{row.mean_loss:.4f}", f"{row.parameters:,}", f"{row.seconds:.1f}")
        table.add_row(*numbers, *(labels if few else [described(row.point)]))
    return table


def effects_table(screening: Screening) -> Table:
    """Main effects, in points of validation accuracy."""
    table = _plain_table("main effects on validation accuracy, in percentage points: high level minus low level")
    table.add_column("setting", no_wrap=True)
    for column in ("low", "high", "effect ± standard error", "p"):
        table.add_column(column, justify="right", no_wrap=True)
    for effect in screening.effects:
        table.add_row(
            short(effect.name),
            label_text(effect.low),
            label_text(effect.high),
            f"{100 * effect.effect:+.2f} ± {100 * effect.standard_error:.2f}",
            f"{effect.p_value:.3f}",
        )
    table.caption = (
        f"Standard error from {screening.error_from}; {screening.degrees_of_freedom} degrees of freedom. "
        f"p is not corrected for {len(screening.effects)} settings."
    )
    table.caption_justify = "left"
    return table


def verdict(board: Board, rows: Sequence[Row], tested: Tested) -> Iterator[str]:
    """The winner, and what its figures are worth."""
    winner = rows[0]
    settings = ", ".join(f"{name} = {label_text(label)}" for name, label in winner.point.items())
    low, high = tested.interval
    over = "" if len(tested.by_seed) == 1 else f", mean of {len(tested.by_seed)} seeds"
    yield f"Winner by validation: {settings}."
    yield escape(
        f"Its test accuracy: {100 * tested.mean:.2f} % [95 % interval {100 * low:.1f}, {100 * high:.1f}]{over}; "
        f"validation {100 * winner.mean:.2f} %, the highest of {len(rows)} and so too high an estimate."
    )
    if board.repeats:
        yield f"{board.repeats} trials repeated a configuration and took its value."


def rival_table(space: Space, results: Sequence[RivalResult]) -> Table:
    """A classical rival's choice on each split."""
    table = _plain_table(f"{space.title}, the whole grid of table {space.table}, chosen on validation")
    for column in ("seed", "validation", "test [95 % interval]", "parameters"):
        table.add_column(escape(column), justify="right", no_wrap=True)
    table.add_column("chosen")
    for result in results:
        low, high = result.test.interval
        table.add_row(
            str(result.seed),
            f"{100 * result.validation.value:.2f} %",
            escape(f"{100 * result.test.value:.2f} % [{100 * low:.1f}, {100 * high:.1f}]"),
            f"{result.parameters:,}",
            escape(", ".join(f"{name} = {value}" for name, value in result.settings.items())),
        )
    return table
