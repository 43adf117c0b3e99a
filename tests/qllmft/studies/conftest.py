"""Studies of a second with the tiny body."""

from pathlib import Path

import pytest
from small_texts import write_reviews
from tiny_studies import COMMAND, STUDY, settings

from qllmft.experiments.compare import run_study
from qllmft.report import finish_study

collect_ignore = ["conftest.py"]  # it holds no doctests, and other folders have a module of this name


@pytest.fixture
def texts(tmp_path) -> Path:
    return write_reviews(tmp_path / "texts.tsv", 35)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny_body):
    """(folder, record, page) of the tiny study."""
    folder = tmp_path_factory.mktemp("study")
    given = settings(write_reviews(folder / "texts.tsv", 35), tiny_body)
    record = run_study(STUDY, folder, given, COMMAND)
    return folder, record, finish_study(folder, record)
