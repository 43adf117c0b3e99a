"""A copy of the trained run, into whose folder analyses are written."""

import shutil

import pytest


@pytest.fixture
def run(trained_run, tmp_path):
    return shutil.copytree(trained_run, tmp_path / "run")
