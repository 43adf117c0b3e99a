"""Attacks on running commands: the options of the table, a corpus, an undisturbed run."""

from pathlib import Path

import pytest
from reliability_table import Table
from small_texts import write_reviews

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]
ROOT = Path(__file__).parents[2]


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
    writes_page = pytestconfig.getoption("--page", default=False)
    table = pytestconfig.stash.setdefault(TABLE, Table(share or (1.0 if writes_page else 0.1)))
    yield table
    if writes_page:
        table.write(ROOT / "docs")


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("texts") / "reviews.tsv")


@pytest.fixture(scope="session")
def reference(tmp_path_factory, reviews, tiny_body):
    from small_commands import train

    return train(reviews, tiny_body, tmp_path_factory.mktemp("undisturbed"))
