import pytest
from run_fixtures import body, loaded, out
from tiny_runs import write_corpus

from qllmft.training import loop

__all__ = ["body", "loaded", "out"]
# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A small file of texts; tests do not change it."""
    return write_corpus(tmp_path_factory.mktemp("texts") / "corpus.tsv")


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
