"""Examples draw the figures of their pages."""

import pytest

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture(scope="module", autouse=True)
def pages_with_figures(drawn_figures):
    """An example runs as its reader runs it."""
