"""What single trackers have of a run or a campaign."""

import pytest
from tiny_runs import config
from wandb_file import wandb_records

from qllmft.campaign.executors import Executor
from qllmft.campaign.runs import Plan, PlannedRun
from qllmft.errors import UserError
from qllmft.events import ignore
from qllmft.run import Tracking, run_tracked
from qllmft.trackers import make_tracker

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture
def two_tracked_runs(corpus, tmp_path):
    """Return a function that does two runs of a campaign's folder with one tracker."""

    def do(name):
        tracking = Tracking.from_names(name)
        runs = tmp_path / "table2" / "runs"
        changed = [config(corpus), config(corpus).model_copy(update={"seed": 1})]
        plan = Plan([PlannedRun(each, f"run {each.seed}") for each in changed])
        Executor(tracking=tracking).execute(plan, runs)
        return [each.identity for each in changed]

    return do


# MLflow's use of SQLAlchemy
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_runs_of_a_campaign_are_children_of_one_in_mlflow(two_tracked_runs, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    names = two_tracked_runs("mlflow")
    client = MlflowClient(f"sqlite:///{tmp_path}/store.db")
    found = client.search_runs([client.get_experiment_by_name("qllmft").experiment_id])
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if run is not parent]
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

    outcome = run_tracked(config(corpus), out, ignore, Tracking.from_names("tensorboard"))
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
