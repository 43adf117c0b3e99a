"""Runs whose epochs and records are sent to trackers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from qllmft.bounds import MAX_TRACKED_FILE_BYTES
from qllmft.config import RunConfig
from qllmft.config.settings import flat_settings
from qllmft.events import EpochEnded, Event, FinishedBefore, Message, OnEvent, StageStarted
from qllmft.run.experiment import run_experiment
from qllmft.run.folder import run_folder
from qllmft.run.outcome import Outcome
from qllmft.run.record import RunRecord
from qllmft.tasks import TASKS
from qllmft.trackers import TrackedRun, Tracker, make_tracker
from qllmft.training import EpochMetrics
from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, read_text, write_json
from qllmft_base.text import error_text, mask_credentials

# writes the model of a run's folder, with its body, into a new folder
Pack = Callable[[Path, Path], object]


class TrackerWarning(UserWarning):
    """A tracker failed and gets nothing more of a run."""


@dataclass(frozen=True)
class Tracking:
    """Trackers of runs, not part of a configuration or of a run's identity."""

    names: tuple[str, ...] = ()  # in `qllmft.trackers.TRACKERS`
    files: bool = False  # send the small files of a run, too; some contain texts
    campaign: Path | None = None  # folder of the study or the sweep of the runs

    @classmethod
    def from_names(cls, names: str | Iterable[str] | None, *, files: bool = False) -> Tracking:
        """Check the names of trackers, each of which may be several with commas between them; None is no tracker."""
        name_list = [names] if isinstance(names, str) else names
        if name_list is None:
            name_list = ()
        if not isinstance(name_list, Iterable):
            raise UserError(
                f"track is {names!r:.60}, expected names of trackers. Example: train(track=['mlflow'])."
            )
        parts = ",".join(map(str, name_list)).split(",")
        names_without_duplicates = tuple(
            dict.fromkeys(part.strip() for part in parts if part.strip())
        )
        for name in names_without_duplicates:
            make_tracker(name)
        if files and not names_without_duplicates:
            raise UserError("--track-files needs a tracker. Add one, such as --track mlflow.")
        return cls(names_without_duplicates, files)


class TrackingListener:
    """Listener that forwards a run's epochs to trackers, a context manager around the run.

    A tracker starts with the training, under the run's lock, or at the end of a run that was finished before.
    ``trackers.json`` in the run's folder holds the key that each tracker continues with, the last epoch that it got,
    and whether it got the end. The epoch is written before it is sent, so a tracker gets no epoch twice.
    """

    def __init__(
        self, config: RunConfig, out: Path | None, tracking: Tracking, on_event: OnEvent
    ) -> None:
        self._config = config
        self._tracking = tracking
        self._on_event = on_event
        self._folder = run_folder(config, out)
        self._waiting = {name: make_tracker(name) for name in tracking.names}
        self._running: dict[str, Tracker] = {}
        self._state: dict[str, dict[str, Any]] = {}  # content of trackers.json
        self._was_finished = False  # before this call

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name, tracker in list(self._running.items()):
            with self._drop_on_error(name):
                tracker.aborted()

    def __call__(self, event: Event) -> None:
        """Start the trackers with the training, send each epoch, first those they missed, and pass the event on."""
        match event:
            case StageStarted("training") if self._waiting:
                self._start()
            case EpochEnded(metrics):
                self._send(metrics)
            case FinishedBefore():
                self._was_finished = True
        self._on_event(event)

    def end(self, record: RunRecord, pack: Pack | None = None) -> None:
        """Send the record of the finished run, and its files and its model by ``pack`` if the user asked for it.

        A run that was finished before is sent to the trackers that did not get its end.
        """
        if self._was_finished:
            self._leave_out_ended()
            self._start()
        sends_files = self._tracking.files and bool(self._running)
        model_trackers = [
            tracker_name
            for tracker_name in self._running
            if type(self._running[tracker_name]).model is not Tracker.model
        ]
        if pack is not None and sends_files and model_trackers:
            with TemporaryDirectory() as place:
                folder = Path(place) / "model"
                try:
                    pack(self._folder.path, folder)
                except (UserError, OSError) as error:
                    self._on_event(Message(f"The model is not logged: {error}"))
                    model_trackers = []
                for name in model_trackers:
                    with self._drop_on_error(name):
                        self._running[name].model(folder)
        files = self.files_to_send() if sends_files else []
        for name, tracker in list(self._running.items()):
            with self._drop_on_error(name):
                tracker.end(record.to_json(), files)
                self._state[name]["ended"] = True
                write_json(self._folder.trackers_file, self._state)
        self._running.clear()

    def _leave_out_ended(self) -> None:
        """Leave out the trackers that got the end of the run."""
        state = read_state(self._folder.trackers_file)
        for name in [name for name in self._waiting if state.get(name, {}).get("ended")]:
            del self._waiting[name]

    def _start(self) -> None:
        """Start the trackers, and send the epochs that they do not have."""
        self._running = self._waiting
        self._waiting = {}
        self._state = read_state(self._folder.trackers_file)
        measure = TASKS[self._config.data.task].measure.name
        settings = {**flat_settings(self._config), "measure": measure}  # of the score
        for name, tracker in list(self._running.items()):
            state = self._state.setdefault(name, {"key": None, "epoch": 0})
            state["ended"] = False
            tracked_run = TrackedRun(
                self._config.identity,
                self._folder.path,
                settings,
                state["key"],
                self._tracking.campaign,
            )
            with self._drop_on_error(name):
                state["key"] = tracker.start(tracked_run)
                write_json(self._folder.trackers_file, self._state)
        for metrics in self._folder.metrics():
            self._send(metrics)

    def _send(self, metrics: EpochMetrics) -> None:
        """Send an epoch to the trackers that do not have it."""
        numbers = {name: value for name, value in asdict(metrics).items() if value is not None}
        epoch = numbers.pop("epoch")
        del numbers["measure"]
        for name, tracker in list(self._running.items()):
            if self._state[name]["epoch"] < epoch:
                with self._drop_on_error(name):
                    self._state[name]["epoch"] = epoch
                    write_json(self._folder.trackers_file, self._state)
                    tracker.epoch(epoch, numbers)

    @contextmanager
    def _drop_on_error(self, name: str) -> Iterator[None]:
        """Drop a tracker, with a warning, if the block raises."""
        try:
            yield
        except Exception as error:
            self._running.pop(name, None)
            text = (
                f"the tracker {name!r} is left out of the rest of the run {self._config.identity}: "
            )
            warnings.warn(mask_credentials(text + error_text(error)), TrackerWarning, stacklevel=4)

    def files_to_send(self) -> list[Path]:
        """Return the files of the run that are small enough, and report the others."""
        folder = self._folder
        candidates = [
            *(folder.config_file, folder.metrics_file, folder.validation_file),
            *(folder.predictions_file, folder.result_file, folder.report_file),
            *sorted(folder.model_folder.glob("*")),
        ]
        small = []
        # a link in a run from elsewhere could name any file of this user
        for file in (path for path in candidates if path.is_file() and not path.is_symlink()):
            if (size := file.stat().st_size) > MAX_TRACKED_FILE_BYTES:
                text = f"{file} has {size:,} bytes and is not sent: trackers get up to {MAX_TRACKED_FILE_BYTES:,}."
                self._on_event(Message(text))
            else:
                small.append(file)
        return small


def run_tracked(
    config: RunConfig, out: Path | None, on_event: OnEvent, tracking: Tracking, **options: Any
) -> Outcome:
    """Do a run without its report, and send it to trackers.

    Args:
        config: of the run.
        out: the run's folder; ``runs/<identity>`` if None.
        on_event: receives the events of the run, after the trackers.
        tracking: names of the trackers, and whether they get files.
        **options: those of `run_experiment`.
    """
    with TrackingListener(config, out, tracking, on_event) as trackers:
        outcome = run_experiment(config, out, trackers, **options)
        if outcome.record:
            trackers.end(outcome.record)
        return outcome


def read_state(file: Path) -> dict[str, dict[str, Any]]:
    """Read ``trackers.json``, or return an empty state if it is missing or malformed."""
    try:
        content = parse_json(read_text(file))
        return {
            name: {
                "key": tracker_state["key"],
                "epoch": int(tracker_state["epoch"]),
                "ended": tracker_state.get("ended") is True,
            }
            for name, tracker_state in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return {}
