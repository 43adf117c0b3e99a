"""Values that trackers have of runs and campaigns, read back from the real packages without a network."""

import json
import time
from pathlib import Path

import pytest
from killed_run import tracked_config
from stopped_runs import Stop, killed, without_seconds
from tiny_runs import HashBody, assert_same
from wandb_file import wandb_records

from qllmft.events import ignore
from qllmft.run import RunFolder, Tracking, run_experiment, run_tracked, vectors
from qllmft.trackers import make_tracker
from qllmft_base.errors import UserError
from qllmft_studies.executors import Executor
from qllmft_studies.runs import Plan, PlannedRun

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(scope="module")
def untracked_run(corpus, tmp_path_factory, short_baselines_of_runs):
    """The outcome of the run that the tests track."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "embed", HashBody())
        return run_experiment(tracked_config(corpus), tmp_path_factory.mktemp("untracked") / "run")


@pytest.fixture
def two_tracked_runs(corpus, tmp_path):
    """Return a function that does two runs of a campaign's folder with one tracker."""

    def do(name):
        tracking = Tracking.from_names(name)
        runs = tmp_path / "table2" / "runs"
        changed = [tracked_config(corpus), tracked_config(corpus).model_copy(update={"seed": 1})]
        plan = Plan([PlannedRun(run_config, f"run {run_config.seed}") for run_config in changed])
        Executor(tracking=tracking).execute(plan, runs)
        return [run_config.identity for run_config in changed]

    return do


def in_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    values = [(point.step, point.value) for point in events.Scalars("validation_loss")]
    summaries = [events.Tensors(f"{name}/text_summary") for name in ("settings", "table")]
    return values, "".join(tensor.tensor_proto.string_val[0].decode() for (tensor,) in summaries)


def in_mlflow(tmp_path):
    from mlflow import MlflowClient

    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("qllmft").experiment_id])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "validation_loss")
    values = [(point.step, point.value) for point in history]
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
    readers = {"tensorboard": in_tensorboard, "mlflow": in_mlflow, "wandb": in_wandb}
    values, told = readers[name](tmp_path)
    losses = [metrics.validation_loss for metrics in outcome.folder.metrics()]
    assert [step for step, _ in values] == [1, 2, 3, 4]
    assert [value for _, value in values] == pytest.approx(losses, rel=1e-6)
    assert "quantum head/test" in told
    assert str(outcome.record.head.tested.value)[:12] in told
    assert "train.embedding_noise" in told
    assert "text number" not in told


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_an_interrupted_run_goes_on_as_one_run_of_the_tracker(
    corpus, out, tmp_path, untracked_run, name
):
    assert (
        run_tracked(tracked_config(corpus), out, Stop(2), Tracking.from_names(name)).record is None
    )
    outcome = run_tracked(tracked_config(corpus), out, ignore, Tracking.from_names(name))
    assert_told_once(name, tmp_path, outcome)
    assert without_seconds(outcome.record.to_json()) == without_seconds(
        untracked_run.record.to_json()
    )
    assert outcome.folder.config_file.read_bytes() == untracked_run.folder.config_file.read_bytes()


def test_a_killed_run_goes_on_to_the_same_bits_and_no_epoch_is_told_twice(
    corpus, out, tmp_path, untracked_run, monkeypatch
):
    # the process of this one's W&B is not the killed one's
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    names = ("tensorboard", "wandb")  # MLflow's client returns when its store has the values
    killed(Path(__file__).with_name("killed_run.py"), corpus, out, 3, *names)
    folder = RunFolder(out)
    assert ([m.epoch for m in folder.metrics()], folder.checkpoint.epochs_done()) == ([1, 2, 3], 2)
    with folder.metrics_file.open("a") as file:
        file.write('{"epoch": 4, "train_lo')  # as if it had been killed within the next line
    outcome = run_tracked(tracked_config(corpus), out, ignore, Tracking.from_names(names))
    for name in names:
        assert_told_once(name, tmp_path, outcome)
    assert_same(folder, untracked_run)


# MLflow's use of SQLAlchemy
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_runs_of_a_campaign_are_children_of_one_in_mlflow(two_tracked_runs, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    names = two_tracked_runs("mlflow")
    client = MlflowClient(f"sqlite:///{tmp_path}/store.db")
    runs = client.search_runs([client.get_experiment_by_name("qllmft").experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert (parent.info.run_name, parent.info.status) == ("table2", "FINISHED")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert sorted(run.info.run_name for run in children) == sorted(names)
    # it is cached, and would be open when the session ends
    client._tracking_client.store.engine.dispose()


def test_runs_of_a_campaign_are_a_group_in_wandb(two_tracked_runs, tmp_path):
    two_tracked_runs("wandb")
    groups = []
    for file in tmp_path.glob("wandb/offline-run-*/*.wandb"):
        groups += [record.run.run_group for record in wandb_records(file) if record.HasField("run")]
    assert set(groups) == {"table2"}
    assert len(groups) >= 2


def test_tensorboard_has_hyperparameters_and_final_numbers(corpus, out, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    outcome = run_tracked(tracked_config(corpus), out, ignore, Tracking.from_names("tensorboard"))
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = HParamsPluginData.FromString(content).session_start_info.hparams
    assert start["train.epochs"].number_value == 4
    assert start["body.model"].string_value
    tested = outcome.record.head.tested.value
    assert events.Scalars("quantum head/test")[0].value == pytest.approx(tested)
    assert [path.name for path in (out / "tensorboard").iterdir() if path.is_dir()] == []


def test_mlflow_has_a_database_by_default_and_a_folder_is_refused_before_any_work(
    tmp_path, monkeypatch
):
    from mlflow import environment_variables

    if not hasattr(environment_variables, "MLFLOW_ALLOW_FILE_STORE"):
        pytest.skip("this MLflow takes folders")

    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    assert not environment_variables.MLFLOW_ALLOW_FILE_STORE.get()
    with pytest.raises(
        UserError, match=r"refuses. Set MLFLOW_TRACKING_URI to a database, such as sq"
    ):
        Tracking.from_names("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    # of an older MLflow, which would be taken as the store
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    assert make_tracker("mlflow")._store == "sqlite:///mlflow.db"
