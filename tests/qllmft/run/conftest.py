import pytest
from run_fixtures import body, corpus, loaded, out

from qllmft.training import loop

__all__ = ["body", "corpus", "loaded", "out"]
# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Stores of the test's own, and a checkpoint after every epoch."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)
    for name, value in {
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_TRACKING_URI": (tmp_path / "mlflow").as_uri(),
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_DIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module", autouse=True)
def short_baselines_of_runs(short_baselines):
    """No test here looks at the epochs of a baseline."""
