"""Commands of the core."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def short_baselines_of_commands(short_baselines):
    """No test here looks at the epochs of a baseline."""
