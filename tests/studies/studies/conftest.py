"""Studies of a second with the tiny body."""

from pathlib import Path

import pytest
from small_texts import write_reviews
from tiny_studies import COMMAND, STUDY, Watcher, settings

from qllmft_studies.executors import Executor
from qllmft_studies.study import run_study

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture
def texts(tmp_path) -> Path:
    return write_reviews(tmp_path / "texts.tsv", 35)


@pytest.fixture(scope="session")
def observed_outcome(tmp_path_factory, tiny_body, undrawn_figures):
    """(folder, record, page) of the tiny study, and who watched it being made."""
    folder = tmp_path_factory.mktemp("study")
    watcher = Watcher()
    common_settings = settings(write_reviews(folder / "texts.tsv", 35), tiny_body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.report.style.as_svg", undrawn_figures)
        patch.setattr("qllmft_studies.progress.REPORT_INTERVAL_S", 0.0)  # after every epoch
        record = run_study(STUDY, folder, common_settings, COMMAND, Executor(watcher))
        page = folder / "report.html"
    return (folder, record, page), watcher


@pytest.fixture
def tiny_outcome(observed_outcome):
    return observed_outcome[0]
