"""Audits by some checks."""

from importlib import import_module

import pytest

import qllmft
from qllmft.events import ignore
from qllmft_audit.audit import CHECKS


@pytest.fixture
def audit_by(monkeypatch):
    """A function that makes the checks of some codes only."""

    def audit(codes, *arguments, **options):
        checks = [check for check in CHECKS if check.code in codes]
        monkeypatch.setattr(import_module("qllmft_audit.audit.audit"), "CHECKS", checks)
        return qllmft.audit(*arguments, **{"on_event": ignore, **options})

    return audit
