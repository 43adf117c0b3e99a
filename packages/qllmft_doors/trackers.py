"""Trackers of TensorBoard, MLflow and Weights & Biases, whose packages are imported when one is made."""

from __future__ import annotations

import hashlib
import os
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from qllmft.trackers import TrackedRun, Tracker, final_numbers
from qllmft_base.current_folder import ignores_current_folder, refuse_settings
from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, read_text

# of the current folder, which may name another server
_WANDB_FILES = ("config-defaults.yaml", "wandb/settings", ".wandb/settings")
_WANDB_SETTINGS = {
    # send no printed lines, program, machine, user, code or installed packages
    "console": "off",
    "disable_git": True,
    "save_code": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "x_transaction_log_flush_interval": 0.1,  # seconds; a kill loses as much of an offline run
}


class TensorBoard(Tracker):
    """Tracker in the run's folder ``tensorboard``.

    It has scalars by epoch, settings and final table as text, and both as the hyperparameters and metrics of HParams.
    """

    def __init__(self) -> None:
        import tensorboard  # noqa: F401 - its ImportError has the package's name, torch's has not
        from torch.utils.tensorboard import SummaryWriter

        self._writer_in = SummaryWriter

    def start(self, run: TrackedRun) -> str:
        """Open another event file, which readers merge with the former ones."""
        self._writer = self._writer_in(str(run.folder / "tensorboard"))
        self._settings = {
            name: value if isinstance(value, bool | str | float | int) else str(value)
            for name, value in run.settings.items()
        }
        if run.key is None:
            self._writer.add_text("settings", _markdown(run.settings))
        return run.identity

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log one point of each curve, and write it to disk at once."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Log the final table, but not the files, which are in the same folder already."""
        numbers = final_numbers(record)
        self._writer.add_text("table", _markdown(numbers))
        self._writer.close()
        # "." is the folder itself, not one more run
        self._writer.add_hparams(
            self._settings, {name: float(value) for name, value in numbers.items()}, run_name="."
        )
        self._writer.close()

    def aborted(self) -> None:
        """Close the file."""
        self._writer.close()


def _metric_name(name: str) -> str:
    """Return a name with the characters that MLflow accepts.

    >>> _metric_name("logistic regression (C = 1)/test")
    'logistic regression C 1/test'
    """
    words = re.sub(r"[^\w./ -]+", " ", name)
    return "/".join(" ".join(part.split()) for part in words.split("/"))


def _markdown(values: Mapping[str, Any]) -> str:
    """Return a table of names and values."""
    rows = (
        "|".join("`" + str(cell).replace("|", "\\|") + "`" for cell in row)
        for row in values.items()
    )
    return "\n".join(["|name|value|", "|---|---|", *(f"|{row}|" for row in rows)])


class MLflow(Tracker):
    """Tracker with settings as parameters, epochs and the final table as metrics, the folder as a tag.

    The store is set by ``MLFLOW_TRACKING_URI`` and ``MLFLOW_TRACKING_TOKEN`` (``mlflow.db`` in the working directory if
    not set), the experiment by ``MLFLOW_EXPERIMENT_NAME`` (``qllmft`` if not set). The runs of a study or a sweep are
    children of one run with the name of its folder. With files, the model of a single run is logged too.

    Raises:
        UserError: if the store is a folder and this version of MLflow refuses folders.
    """

    def __init__(self) -> None:
        from mlflow import MlflowClient, environment_variables, get_tracking_uri
        from mlflow.entities import Metric, Param
        from mlflow.tracking import is_tracking_uri_set

        self._connect = MlflowClient
        self._metric = Metric
        self._param = Param
        self._store = get_tracking_uri() if is_tracking_uri_set() else "sqlite:///mlflow.db"
        allowed = getattr(environment_variables, "MLFLOW_ALLOW_FILE_STORE", None)
        is_folder = re.match(r"file:|(?!databricks)[^:]*$", self._store)
        if is_folder and allowed is not None and not allowed.get():
            raise UserError(
                f"the tracker 'mlflow' got the folder {self._store} as its store, which MLflow refuses. Set "
                "MLFLOW_TRACKING_URI to a database, such as sqlite:///mlflow.db, or to a server."
            )

    def start(self, run: TrackedRun) -> str:
        """Make a run, or reopen the one of the key."""
        self._client = self._connect(self._store)
        if run.key is not None:
            self._client.update_run(run.key, status="RUNNING")
            self._run = run.key
            return run.key
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "qllmft")
        experiment = self._client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self._client.create_experiment(name)
        tags = {"folder": str(run.folder.absolute())}
        if run.campaign is not None:
            tags["mlflow.parentRunId"] = self._find_or_make_parent(
                str(number), run.campaign.absolute()
            )
        created_run = self._client.create_run(number, run_name=run.identity, tags=tags)
        self._run = str(created_run.info.run_id)
        settings = [self._param(name, str(value)) for name, value in run.settings.items()]
        self._client.log_batch(self._run, params=settings)
        return self._run

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log one point of each curve."""
        self._log(metrics, epoch)

    def model(self, folder: Path) -> None:
        """Log the model as the artefact ``model``, of MLflow's kind ``pyfunc``, which `mlflow models serve` takes."""
        pair = "pair" in parse_json(read_text(folder / "model.json"))
        with TemporaryDirectory() as place, warnings.catch_warnings():
            # MLflow's, of its own type hints and of a missing example
            warnings.simplefilter("ignore")
            from mlflow.models import ModelSignature
            from mlflow.pyfunc import save_model
            from mlflow.types.schema import ColSpec, DataType, Schema

            names = ("first", "second") if pair else ("text",)
            columns = [ColSpec(DataType.string, name) for name in names]
            save_model(
                f"{place}/model",
                # imported where it is loaded; nothing is pickled
                loader_module="qllmft_doors.mlflow_model",
                data_path=str(folder),
                pip_requirements=[f"qllmft[demo]=={version('qllmft')}"],
                signature=ModelSignature(inputs=Schema(columns)),
            )
            self._client.log_artifacts(self._run, f"{place}/model", "model")

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Log the final table as metrics MODEL/COLUMN, and the files as artefacts."""
        numbers = final_numbers(record).items()
        self._log({_metric_name(name): value for name, value in numbers})
        for file in files:
            self._client.log_artifact(self._run, str(file))
        self._client.set_terminated(self._run, "FINISHED")

    def aborted(self) -> None:
        """Mark the run as killed."""
        self._client.set_terminated(self._run, "KILLED")

    def _find_or_make_parent(self, experiment: str, campaign: Path) -> str:
        """Return the run above those of a study or a sweep, which its first run makes."""
        name = hashlib.sha256(str(campaign).encode()).hexdigest()[:16]
        # processes that share the runs start at the same time
        with FileLock(campaign / ".mlflow.lock"):
            campaign_filter = f"tags.campaign = '{name}'"
            if existing_runs := self._client.search_runs(
                [experiment], campaign_filter, max_results=1
            ):
                return str(existing_runs[0].info.run_id)
            tags = {"campaign": name, "folder": str(campaign)}
            created_run = self._client.create_run(experiment, run_name=campaign.name, tags=tags)
            self._client.set_terminated(created_run.info.run_id, "FINISHED")
            return str(created_run.info.run_id)

    def _log(self, numbers: Mapping[str, float], step: int = 0) -> None:
        now_ms = int(1000 * time.time())
        metrics = [self._metric(name, float(x), now_ms, step) for name, x in numbers.items()]
        self._client.log_batch(self._run, metrics=metrics)


class WeightsAndBiases(Tracker):
    """Tracker with settings as configuration, epochs as history, final table as summary, folder as notes.

    The runs of a study or a sweep are a group with the name of its folder.

    The account is set by ``WANDB_API_KEY``, the project by ``WANDB_PROJECT`` (``qllmft`` if not set), the folder of its
    files by ``WANDB_DIR`` (the run's folder if not set).
    """

    def __init__(self) -> None:
        if ignores_current_folder():
            refuse_settings(_WANDB_FILES, "wandb")
        import wandb

        self._wandb = wandb

    def start(self, run: TrackedRun) -> str:
        """Make a run, or continue the one of the key."""
        self._identity = run.identity
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "qllmft"),
            dir=os.environ.get("WANDB_DIR", str(run.folder)),
            id=run.key,
            resume="allow",
            reinit="create_new",
            name=run.identity,
            group=run.campaign.absolute().name if run.campaign else None,
            notes=str(run.folder.absolute()),
            config=dict(run.settings),
            settings=self._wandb.Settings(**_WANDB_SETTINGS),
        )
        return str(self._run.id)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log one point of each curve."""
        self._run.log(dict(metrics), step=epoch, commit=True)

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Log the final table as the summary's MODEL/COLUMN, and the files as one artefact."""
        self._run.summary.update(final_numbers(record))
        if files:
            artefact = self._wandb.Artifact(f"run-{self._identity}", type="run")
            for file in files:
                artefact.add_file(str(file))
            self._run.log_artifact(artefact)
        self._run.finish()

    def aborted(self) -> None:
        """Mark the run as failed, the service's only other state."""
        self._run.finish(exit_code=1)
