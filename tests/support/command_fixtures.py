"""What tests of commands share, in every package: one trained run, copies of it, and a paid job of its model."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_ending import finish_command
from sandbox_job import sandbox_job
from small_texts import write_reviews
from trained_run import Trained


@pytest.fixture(scope="session")
def run(tmp_path_factory, tiny_body):
    """The trained run, see `Trained`; a process trains it once."""
    folder = tmp_path_factory.mktemp("cli")
    trained_run = Trained(folder / "run", write_reviews(folder / "reviews.tsv"), tiny_body)
    # before any fixture of a module, and compared with runs that have `short_baselines`
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.training.head.MAX_EPOCHS", 60)
        finish_command(*trained_run.arguments())
    return trained_run


@pytest.fixture(scope="module")
def few_penalties():
    """Models without a circuit have the choice of two penalties: no test of the module looks at these models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.baselines.without_circuit.CONTROL_STRENGTHS", [1.0, 10.0])
        yield


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the run's folder, which a test may change."""
    return Path(shutil.copytree(run.path, tmp_path / "copy"))


@pytest.fixture
def edited_run(copy):
    """A function that changes entries of the copied run's ``model.json``, those of a part by a dictionary."""

    def edit(**changes):
        file = copy / "model" / "model.json"
        record = json.loads(file.read_text())
        for name, value in changes.items():
            record[name] = record[name] | value if isinstance(value, dict) else value
        file.write_text(json.dumps(record))
        return copy

    return edit


@pytest.fixture
def job(run, cli, monkeypatch, tmp_path):
    """The run beside a mock server of IonQ's service; see `sandbox_job.Job`."""
    with sandbox_job(run, cli, monkeypatch, tmp_path) as job:
        yield job


@pytest.fixture
def calibrated_job(job):
    """The job of a run with 30 calibration texts; the tiny one has six."""
    from qllmft.inference import Predictor

    predictor = Predictor.load(job.path)
    texts = [f"{word} film {number}" for number in range(15) for word in ("good", "not very bad")]
    scales = np.random.default_rng(0).uniform(0.5, 1.5, (30, 1)).astype(np.float32)
    replace(predictor.novelty, calibration=predictor.embed(texts) * scales).save(job.path)
    return job


@pytest.fixture
def visit_server(monkeypatch):
    """A function that replaces a server's wait for Ctrl-C by calls of a client."""
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
    from starlette.testclient import TestClient

    from qllmft_doors.serving import port

    def visit(calls):
        def run_app(app, listening):
            with TestClient(app, base_url=port.address_of(listening)) as client:
                while not app.failure:
                    if client.get("/health").json()["status"] != "loading":
                        calls(client)
                        return
                    time.sleep(0.01)
            raise app.failure

        monkeypatch.setattr(port, "run_app", run_app)

    return visit


@pytest.fixture
def no_work(monkeypatch):
    """Embedding and training are errors."""

    def forbidden(*arguments, **options):
        raise AssertionError("work was done")

    monkeypatch.setattr("qllmft.training.head.fit", forbidden)
    monkeypatch.setattr("qllmft.embed.body.load_transformer", forbidden)
