"""What the folders below share, circuits and references, is imported by name from this one."""

import pytest

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture
def prompt_lists(monkeypatch):
    """Services whose lists of jobs are late by a second at most: ``settle_s`` may be as short."""
    monkeypatch.setattr("qllmft_machines.send.MIN_SETTLE_S", 0.0)
