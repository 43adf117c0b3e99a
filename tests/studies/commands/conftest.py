"""Commands of studies and sweeps."""

import pytest

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture(scope="module", autouse=True)
def short_baselines_of_commands(short_baselines):
    """No test here looks at the epochs of a baseline."""
