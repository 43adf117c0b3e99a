"""What any tracker is told of a run, and trackers that fail or cannot be had."""

import sys
from typing import ClassVar

import pytest
from stopped_runs import Stop
from tiny_runs import config, settings

from qllmft.api import train, train_and_report
from qllmft.config.settings import flat
from qllmft.events import Message, ignore
from qllmft.plugins import register
from qllmft.run import Tracking, run_experiment, run_tracked, tracking
from qllmft.run.tracking import TrackerWarning, TrackingListener
from qllmft.trackers import TRACKERS, Tracker
from qllmft_base.errors import UserError
from qllmft_studies.local import execute_run
from qllmft_studies.runs import PlannedRun

pytestmark = pytest.mark.usefixtures("offline")

REAL = ("tensorboard", "mlflow", "wandb")
EPOCHS = [("epoch", epoch) for epoch in (1, 2, 3, 4)]


def tracked_config(corpus):
    """The configuration of a run that has no baselines."""
    return config(corpus, baselines__names=[])


class Noted(Tracker):
    """Keeps all calls of all runs; fails in the method ``fails_at``."""

    calls: ClassVar[list[tuple]] = []
    fails_at: str | None = None

    def _note(self, name, *what):
        self.calls.append((name, *what))
        if self.fails_at == name:
            raise OSError("no answer from https://ann:S3cret@host/api\nat all")

    def start(self, run):
        self._note("start", run.key)
        return "a key"

    def epoch(self, epoch, metrics):
        self._note("epoch", epoch)

    def end(self, record, files):
        self._note("end", "test" in record["models"][0], [file.name for file in files])

    def aborted(self):
        self._note("aborted")


@pytest.fixture
def noting_tracker(monkeypatch):
    """The class of a tracker that is registered as ``noted``."""
    register("tracker", "noted", Noted)
    monkeypatch.setattr(Noted, "calls", [])
    yield Noted
    TRACKERS.unregister("noted")


def test_none_is_no_tracker():
    assert Tracking.from_names(None) == Tracking.from_names(()) == Tracking()


@pytest.mark.parametrize("fails_at", ["start", "epoch", "end"])
def test_a_failing_tracker_costs_a_warning_and_no_other_tracker(
    corpus, out, noting_tracker, monkeypatch, fails_at
):
    register("tracker", "failing", type("Failing", (Noted,), {"calls": [], "fails_at": fails_at}))
    try:
        with pytest.warns(TrackerWarning) as warned:
            outcome = run_tracked(
                tracked_config(corpus), out, ignore, Tracking.from_names("failing,noted")
            )
    finally:
        TRACKERS.unregister("failing")
    (text,) = [str(warning.message) for warning in warned]
    assert text == (
        f"the tracker 'failing' is left out of the rest of the run {tracked_config(corpus).identity}: "
        "OSError: no answer from https://***@host/api at all"
    )
    assert outcome.record == outcome.folder.read_result()
    assert noting_tracker.calls == [("start", None), *EPOCHS, ("end", True, [])]


def test_a_tracker_that_comes_later_is_told_what_it_missed(corpus, out, noting_tracker):
    run_experiment(tracked_config(corpus), out, Stop(2))
    run_tracked(tracked_config(corpus), out, Stop(2), Tracking.from_names("noted"))
    run_tracked(tracked_config(corpus), out, ignore, Tracking.from_names("noted"))
    assert noting_tracker.calls == [
        *(("start", None), ("epoch", 1), ("epoch", 2), ("aborted",)),
        *(("start", "a key"), ("epoch", 3), ("epoch", 4), ("end", True, [])),
    ]


def test_a_run_that_was_finished_before_is_told_once_as_a_whole(corpus, out, noting_tracker):
    run_experiment(tracked_config(corpus), out)
    for _ in range(2):
        run_tracked(tracked_config(corpus), out, ignore, Tracking.from_names("noted"))
    assert noting_tracker.calls == [("start", None), *EPOCHS, ("end", True, [])]


def test_a_run_that_ended_before_its_tracker_was_told_is_told_later(
    corpus, out, noting_tracker, monkeypatch
):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("qllmft.report.write_report", stop)
    with pytest.raises(KeyboardInterrupt):
        train_and_report(tracked_config(corpus), out, ignore, Tracking.from_names("noted"))
    for _ in range(2):
        run_tracked(tracked_config(corpus), out, ignore, Tracking.from_names("noted"))
    assert noting_tracker.calls == [
        *(("start", None), *EPOCHS, ("aborted",)),
        *(("start", "a key"), ("end", True, [])),
    ]


def test_runs_of_a_queue_and_the_test_of_a_winner(corpus, tmp_path, noting_tracker):
    for read_test in (False, True, True):
        planned = PlannedRun(tracked_config(corpus), "a run", read_test)
        execute_run(planned, tmp_path, ignore, Tracking.from_names(["noted"]))
    assert noting_tracker.calls == [
        *(("start", None), *EPOCHS, ("end", False, [])),
        *(("start", "a key"), ("end", True, [])),
    ]


def test_files_are_sent_where_asked_for_and_small(corpus, out, noting_tracker, monkeypatch):
    monkeypatch.setattr(tracking, "MAX_TRACKED_FILE_BYTES", 20_000)
    events = []
    tree = flat(settings(corpus)) | {"baselines.names": []}
    values = {name.replace(".", "__"): v for name, v in tree.items() if name != "data.source"}
    tracking_options = {"track": ["noted"], "track_files": True, "on_event": events.append}
    train(corpus, preset="single-10q", out=out, **tracking_options, **values)
    *_, (_, _, files) = noting_tracker.calls
    of_model = ["model.json", "model.safetensors"]
    names = ["config.toml", "metrics.jsonl", *of_model, "predictions.json", "result.json"]
    assert sorted(files) == names
    page = out / "report.html"
    size = f"{page} has {page.stat().st_size:,} bytes and is not sent"
    assert Message(f"{size}: trackers get up to 20,000.") in events


@pytest.mark.parametrize(
    ("names", "files", "message"),
    [
        ("tensorbord", False, "no tracker 'tensorbord', expected one of tensorboard, mlflow, wandb"),
        *((n, False, f"'{n}' needs the package {n}: pip install 'qllmft[track]'") for n in REAL),
        ((), True, "--track-files needs a tracker. Add one"),
    ],
)  # fmt: skip
def test_what_is_refused_before_any_work(monkeypatch, names, files, message):
    for name in REAL:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError) as error:
        Tracking.from_names(names, files=files)
    assert message in str(error.value)


def test_a_tracker_that_cannot_be_made_is_named(noting_tracker, monkeypatch):
    def fail(_):
        raise ValueError("no token")

    monkeypatch.setattr(Noted, "__init__", fail)
    message = "the tracker 'noted' cannot be made: ValueError: no token. Repair its constructor"
    with pytest.raises(UserError, match=message):
        Tracking.from_names("noted")


def test_a_tracker_that_takes_models_gets_one_if_files_are_asked_for(corpus, out, tmp_path):
    class Models(Noted):
        calls: ClassVar[list[tuple]] = []

        def model(self, folder):
            self._note("model", [file.name for file in folder.iterdir()])

    def track_with_model(folder, on_event, tracking, pack):
        config = tracked_config(corpus)
        with TrackingListener(config, folder, tracking, on_event) as trackers:
            trackers.end(run_experiment(config, folder, trackers).record, pack)

    def pack(run, folder):
        assert run == out
        folder.mkdir()
        (folder / "model.json").touch()

    def fail(run, folder):
        raise UserError("the body is gone.")

    register("tracker", "models", Models)
    try:
        tracking_with_files = Tracking.from_names("models", files=True)
        track_with_model(out, ignore, tracking_with_files, pack)
        assert [call[0] for call in Models.calls[-2:]] == ["model", "end"]
        assert Models.calls[-2] == ("model", ["model.json"])
        events = []
        track_with_model(tmp_path / "b", events.append, tracking_with_files, fail)
        assert Message("The model is not logged: the body is gone.") in events
        track_with_model(tmp_path / "c", ignore, Tracking.from_names("models"), pack)
        assert [call[0] for call in Models.calls].count("model") == 1
    finally:
        TRACKERS.unregister("models")
