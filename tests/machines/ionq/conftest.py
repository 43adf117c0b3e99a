"""Mock servers, and backends that point at them."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.metadata import version
from urllib.parse import urlsplit

import pytest
from faulty_server import MockServer, Store

from ionq import FAST, TOKEN

library_version = lru_cache(version)


@pytest.fixture
def problem():
    from ionq.helpers import make_problem

    return make_problem(7)


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    for name in ("QISKIT_IONQ_API_URL", "IONQ_API_URL", "IONQ_API_KEY", "IONQ_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # where the default ledger lies


@pytest.fixture
def _simulated_once(monkeypatch):
    """The mock server reads and simulates a circuit the first time that a test sends it: most send the same ones."""
    from ionq.simulated_once import find_probabilities, read_circuit
    from qllmft_machines.sandbox import circuits, simulation

    monkeypatch.setattr(circuits.ActiveCircuit, "from_gates", read_circuit)
    monkeypatch.setattr(simulation, "_ideal_probabilities", find_probabilities)


@pytest.fixture
def box(_simulated_once):
    """A mock server whose machines make no errors, so that answers can be compared with exact ones."""
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal")) as server:
        yield server


@pytest.fixture
def answers(monkeypatch):
    """Every answer that a mock server sends, as `specification.Answer`."""
    from ionq.specification import Answer
    from qllmft_machines.sandbox import server

    answers = []
    send = server._Handler._send

    def record(handler, status, body, headers=None):
        path = urlsplit(handler.path).path
        answers.append(Answer(handler.command, path, status, json.loads(body)))
        send(handler, status, body, headers)

    monkeypatch.setattr(server._Handler, "_send", record)
    return answers


@pytest.fixture
def connection(box):
    """To the mock server."""
    from qllmft_machines import IonQConnection

    return IonQConnection(url=box.url, poll_interval_s=0.02, settle_s=0.1, retry_s=0.0)


@pytest.fixture
def folder(tmp_path):
    """Of the one ledger of each test."""
    return tmp_path / "ledger"


@pytest.fixture
def _library_named_once(monkeypatch):
    """qiskit-ionq reads the files of its package for the version that each job names."""
    helpers = pytest.importorskip("qiskit_ionq.helpers", reason="qiskit-ionq is not installed")
    monkeypatch.setattr(helpers, "version", library_version)


@pytest.fixture
def forte(box, folder, _library_named_once):
    """Make an `IonQForte` on the mock server: 3 circuits a job."""
    from qllmft_machines.ionq.backend import IonQForte, IonQForteOptions

    usual = {"url": box.url, "ledger": folder, "yes": True, "circuits_per_job": 3, **FAST}
    return lambda **options: IonQForte(IonQForteOptions(**(usual | options)))


@pytest.fixture
def simulator(box, folder, _library_named_once):
    """Make an `IonQSimulator` on the mock server: 3 circuits a job."""
    from qllmft_machines.ionq.backend import IonQSimulator, IonQSimulatorOptions

    usual = {"url": box.url, "ledger": folder, "circuits_per_job": 3, **FAST}
    return lambda **options: IonQSimulator(IonQSimulatorOptions(**(usual | options)))
