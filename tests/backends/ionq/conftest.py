"""Sandboxes, and backends that point at them."""

from __future__ import annotations

import os

import pytest

from ionq.helpers import FAST, TOKEN, make_problem
from qllmft_backends.ionq.sandbox import Sandbox, Store


@pytest.fixture
def problem():
    return make_problem(7)


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    for name in ("QISKIT_IONQ_API_URL", "IONQ_API_URL", "IONQ_API_KEY", "IONQ_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # where the default ledger lies


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """What is written through outlives a lost power supply, which no test has; a killed process needs none of it."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def box():
    """A sandbox whose machines make no errors, so that answers can be compared with exact ones."""
    with Sandbox(token=TOKEN, store=Store(qpu_noise="ideal")) as sandbox:
        yield sandbox


@pytest.fixture
def forte(box, tmp_path):
    """Make an `IonQForte` on the sandbox: 3 circuits a job, one ledger for each test."""
    from qllmft_backends.ionq.backend import IonQForte, IonQForteOptions

    def make(**options):
        given = {"url": box.url, "ledger": tmp_path / "ledger", "yes": True, "circuits_per_job": 3, **FAST, **options}
        return IonQForte(IonQForteOptions(**given))

    return make


@pytest.fixture
def simulator(box, tmp_path):
    """Make an `IonQSimulator` on the sandbox."""
    from qllmft_backends.ionq.backend import IonQSimulator, IonQSimulatorOptions

    def make(**options):
        given = {"url": box.url, "ledger": tmp_path / "ledger", "circuits_per_job": 3, **FAST, **options}
        return IonQSimulator(IonQSimulatorOptions(**given))

    return make
