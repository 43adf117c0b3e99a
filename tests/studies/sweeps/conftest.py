"""Texts of small sweeps."""

import os

import pytest
from ray_nodes import cluster
from small_texts import write_reviews

__all__ = ["cluster"]

collect_ignore = ["conftest.py"]


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("sweeps") / "texts.tsv")


@pytest.fixture
def environment():
    """Of processes that a test starts."""
    return {
        k: v
        for k, v in os.environ.items()
        if k not in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    }
