"""Studies of a second: a body that loads nothing, one thread for torch."""

from pathlib import Path

import pytest
import torch
from tiny_studies import SETTINGS, STUDY, embed_by_hash, write_texts

from qllmft.experiments.compare import run_study
from qllmft.report import finish_study
from qllmft.run import vectors

collect_ignore = ["conftest.py"]  # it holds no doctests, and other folders have a module of this name


@pytest.fixture(autouse=True)
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def body(monkeypatch):
    monkeypatch.setattr(vectors, "embed", embed_by_hash)


@pytest.fixture
def texts(tmp_path) -> Path:
    return write_texts(tmp_path / "texts.tsv")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """(folder, record, page) of the tiny study."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "embed", embed_by_hash)
        settings = {**SETTINGS, "data.source": str(write_texts(folder / "texts.tsv"))}
        record = run_study(STUDY, folder, settings, "qllmft study tiny --data <texts>")
        return folder, record, finish_study(folder, record)
