"""Attacks on running commands: the options of the table, a corpus, an undisturbed run."""

import sys
from pathlib import Path

import pytest

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]
ROOT = Path(__file__).parents[2]
# small_texts, sandbox_job, hub_stand_in
sys.path[:0] = [
    str(Path(__file__).parents[1] / part) for part in ("qllmft", "qllmft/cli", "qllmft/sharing")
]

from reliability_table import Table  # noqa: E402
from small_texts import write_reviews  # noqa: E402

TABLE = pytest.StashKey[Table]()


def pytest_addoption(parser):
    parser.addoption(
        "--page",
        action="store_true",
        help="all tries, and docs/records/reliability.json and docs/results/reliability.md are written",
    )
    parser.addoption(
        "--share", type=float, help="share of the tries; by default 0.1, and 1 with --page"
    )


@pytest.fixture
def table(pytestconfig):
    """The table of the session; with --page it is written after each test, so that a session may be stopped."""
    share = pytestconfig.getoption("--share", default=None)
    whole = pytestconfig.getoption("--page", default=False)
    table = pytestconfig.stash.setdefault(TABLE, Table(share or (1.0 if whole else 0.1)))
    yield table
    if whole:
        table.write(ROOT / "docs")


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("texts") / "reviews.tsv")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, reviews, tiny_body):
    from small_commands import train

    return train(reviews, tiny_body, tmp_path_factory.mktemp("undisturbed"))
