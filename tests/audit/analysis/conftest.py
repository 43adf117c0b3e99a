"""A copy of the trained run, into whose folder analyses are written."""

import shutil

import pytest


@pytest.fixture(scope="module", autouse=True)
def pages_with_figures(drawn_figures):
    """This folder tests what the figures show."""


@pytest.fixture
def run(trained_run, tmp_path):
    return shutil.copytree(trained_run, tmp_path / "run")
