"""Values that trackers get, read back from the real packages without a network; and failing trackers."""

import json
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest
from stopped_runs import Stop, killed, without_seconds
from tiny_runs import assert_same, config, settings
from wandb_file import wandb_records

from qllmft.api import train
from qllmft.campaign.local import execute_run
from qllmft.campaign.runs import PlannedRun
from qllmft.config.settings import flat
from qllmft.errors import UserError
from qllmft.events import Message, ignore
from qllmft.plugins import register
from qllmft.run import RunFolder, Tracking, run_experiment, run_tracked, tracking
from qllmft.run.tracking import TrackerWarning
from qllmft.trackers import TRACKERS, Tracker

pytestmark = pytest.mark.usefixtures("offline")

REAL = ("tensorboard", "mlflow", "wandb")
EPOCHS = [("epoch", epoch) for epoch in (1, 2, 3, 4)]


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
def noted(monkeypatch):
    """The class of a tracker that is registered as ``noted``."""
    register("tracker", "noted", Noted)
    monkeypatch.setattr(Noted, "calls", [])
    yield Noted
    TRACKERS.unregister("noted")


def in_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    values = [(each.step, each.value) for each in events.Scalars("validation_loss")]
    shown = [events.Tensors(f"{name}/text_summary") for name in ("settings", "table")]
    return values, "".join(each.tensor_proto.string_val[0].decode() for (each,) in shown)


def in_mlflow(tmp_path):
    from mlflow import MlflowClient

    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("qllmft").experiment_id])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "validation_loss")
    values = [(each.step, each.value) for each in history]
    return values, f"{run.data.params} {run.data.metrics} {run.data.tags}"


def in_wandb(tmp_path):
    files = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    files.sort(key=lambda file: file.stat().st_mtime_ns)
    assert len({file.name for file in files}) == 1  # two sessions, one run
    for _ in range(100):  # the run's last block is on the disk a moment after its end
        records = [record for file in files for record in wandb_records(file)]
        if records and records[-1].HasField("exit"):
            break
        time.sleep(0.05)
    values = []
    for line in (record.history for record in records if record.HasField("history")):
        names = ("/".join(item.nested_key) or item.key for item in line.item)
        items = dict(zip(names, (json.loads(item.value_json) for item in line.item), strict=True))
        if "validation_loss" in items:
            values.append((items["_step"], items["validation_loss"]))
    return values, " ".join(str(record) for record in records)


def assert_told_once(name, tmp_path, outcome):
    """The curve of the run's own file, the table's accuracies, the settings, and no text."""
    read = {"tensorboard": in_tensorboard, "mlflow": in_mlflow, "wandb": in_wandb}
    values, told = read[name](tmp_path)
    own = [metrics.validation_loss for metrics in outcome.folder.metrics()]
    assert [step for step, _ in values] == [1, 2, 3, 4]
    assert [value for _, value in values] == pytest.approx(own, rel=1e-6)
    assert "quantum head/test" in told
    assert str(outcome.record.head.tested.value)[:12] in told
    assert "train.embedding_noise" in told
    assert "text number" not in told


def test_none_is_no_tracker():
    assert Tracking.from_names(None) == Tracking.from_names(()) == Tracking()


@pytest.mark.parametrize("name", REAL)
def test_an_interrupted_run_goes_on_as_one_run_of_the_tracker(corpus, out, tmp_path, name):
    assert run_tracked(config(corpus), out, Stop(2), Tracking.from_names(name)).record is None
    outcome = run_tracked(config(corpus), out, ignore, Tracking.from_names(name))
    assert_told_once(name, tmp_path, outcome)
    untracked = run_experiment(config(corpus), tmp_path / "untracked")
    assert without_seconds(outcome.record.to_json()) == without_seconds(untracked.record.to_json())
    assert outcome.folder.config_file.read_bytes() == untracked.folder.config_file.read_bytes()


def test_a_killed_run_goes_on_to_the_same_bits_and_no_epoch_is_told_twice(
    corpus, out, tmp_path, monkeypatch
):
    # the process of this one's W&B is not the killed one's
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    names = ("tensorboard", "wandb")  # MLflow's client returns when its store has the values
    killed(Path(__file__).with_name("killed_run.py"), corpus, out, 3, *names)
    folder = RunFolder(out)
    assert ([m.epoch for m in folder.metrics()], folder.checkpoint.epochs_done()) == ([1, 2, 3], 2)
    with folder.metrics_file.open("a") as file:
        file.write('{"epoch": 4, "train_lo')  # as if it had been killed within the next line
    outcome = run_tracked(config(corpus), out, ignore, Tracking.from_names(names))
    for name in names:
        assert_told_once(name, tmp_path, outcome)
    assert_same(folder, run_experiment(config(corpus), tmp_path / "whole"))


@pytest.mark.parametrize("fails_at", ["start", "epoch", "end"])
def test_a_failing_tracker_costs_a_warning_and_no_other_tracker(
    corpus, out, noted, monkeypatch, fails_at
):
    register("tracker", "failing", type("Failing", (Noted,), {"calls": [], "fails_at": fails_at}))
    try:
        with pytest.warns(TrackerWarning) as warned:
            outcome = run_tracked(config(corpus), out, ignore, Tracking.from_names("failing,noted"))
    finally:
        TRACKERS.unregister("failing")
    (text,) = [str(warning.message) for warning in warned]
    assert text == (
        f"the tracker 'failing' is left out of the rest of the run {config(corpus).identity}: "
        "OSError: no answer from https://***@host/api at all"
    )
    assert outcome.record == outcome.folder.read_result()
    assert noted.calls == [("start", None), *EPOCHS, ("end", True, [])]


def test_a_tracker_that_comes_later_is_told_what_it_missed(corpus, out, noted):
    run_experiment(config(corpus), out, Stop(2))
    run_tracked(config(corpus), out, Stop(2), Tracking.from_names("noted"))
    run_tracked(config(corpus), out, ignore, Tracking.from_names("noted"))
    assert noted.calls == [
        *(("start", None), ("epoch", 1), ("epoch", 2), ("aborted",)),
        *(("start", "a key"), ("epoch", 3), ("epoch", 4), ("end", True, [])),
    ]


def test_a_run_that_was_finished_before_is_told_once_as_a_whole(corpus, out, noted):
    run_experiment(config(corpus), out)
    for _ in range(2):
        run_tracked(config(corpus), out, ignore, Tracking.from_names("noted"))
    assert noted.calls == [("start", None), *EPOCHS, ("end", True, [])]


def test_a_run_that_ended_before_its_tracker_was_told_is_told_later(corpus, out, noted):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # while the report is written
        run_tracked(config(corpus), out, ignore, Tracking.from_names("noted"), finish=stop)
    for _ in range(2):
        run_tracked(config(corpus), out, ignore, Tracking.from_names("noted"))
    assert noted.calls == [
        *(("start", None), *EPOCHS, ("aborted",)),
        *(("start", "a key"), ("end", True, [])),
    ]


def test_runs_of_a_queue_and_the_test_of_a_winner(corpus, tmp_path, noted):
    for read_test in (False, True, True):
        planned = PlannedRun(config(corpus), "a run", read_test)
        execute_run(planned, tmp_path, ignore, Tracking.from_names(["noted"]))
    assert noted.calls == [
        *(("start", None), *EPOCHS, ("end", False, [])),
        *(("start", "a key"), ("end", True, [])),
    ]


def test_files_are_sent_where_asked_for_and_small(corpus, out, noted, monkeypatch):
    monkeypatch.setattr(tracking, "MAX_FILE_BYTES", 20_000)
    events = []
    tree = flat(settings(corpus)) | {"baselines.names": []}
    given = {name.replace(".", "__"): v for name, v in tree.items() if name != "data.source"}
    sent = {"track": ["noted"], "track_files": True, "on_event": events.append}
    train(corpus, preset="single-10q", out=out, **sent, **given)
    *_, (_, _, files) = noted.calls
    of_model = ["model.json", "model.safetensors"]
    names = ["config.toml", "metrics.jsonl", *of_model, "predictions.json", "result.json"]
    assert sorted(files) == names
    page = out / "report.html"
    size = f"{page} has {page.stat().st_size:,} bytes and is not sent"
    assert Message(f"{size}: trackers get up to 20,000.") in events


@pytest.mark.parametrize(
    ("asked", "files", "message"),
    [
        ("tensorbord", False, "no tracker 'tensorbord', expected one of tensorboard, mlflow, wandb"),
        *((n, False, f"'{n}' needs the package {n}: pip install '.[track]'") for n in REAL),
        ((), True, "--track-files needs a tracker. Add one"),
    ],
)  # fmt: skip
def test_what_is_refused_before_any_work(monkeypatch, asked, files, message):
    for name in REAL:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError) as error:
        Tracking.from_names(asked, files=files)
    assert message in str(error.value)


def test_a_tracker_that_cannot_be_made_is_named(noted, monkeypatch):
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

    def pack(run, folder):
        assert run == out
        folder.mkdir()
        (folder / "model.json").touch()

    def fail(run, folder):
        raise UserError("the body is gone.")

    register("tracker", "models", Models)
    try:
        sent = Tracking.from_names("models", files=True)
        run_tracked(config(corpus), out, ignore, sent, pack=pack)
        assert [call[0] for call in Models.calls[-2:]] == ["model", "end"]
        assert Models.calls[-2] == ("model", ["model.json"])
        events = []
        run_tracked(config(corpus), tmp_path / "b", events.append, sent, pack=fail)
        assert Message("The model is not logged: the body is gone.") in events
        run_tracked(
            config(corpus), tmp_path / "c", ignore, Tracking.from_names("models"), pack=pack
        )
        assert [call[0] for call in Models.calls].count("model") == 1
    finally:
        TRACKERS.unregister("models")
