"""Clients of IonQ's API against the mock server, each as its users call it, and ionq-core's own integration tests.

`make test-machines` has all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from ionq.specification import find_operation, misfits
from qllmft_machines.sandbox import MockServer, Store
from qllmft_machines.sandbox.job import ACCOUNT

pytestmark = pytest.mark.slow

PROGRAMS = [(0.4, 1.1, 2.0), (2.0, 1.1, 0.4)]  # angles of RY on each qubit; a chain of CX follows
SHOTS = 4000


def import_client(name, package):
    """A module of a client; without its package the test is skipped."""
    return pytest.importorskip(name, reason=f"{package} is not installed: make test-machines")


def circuit(angles):
    program = QuantumCircuit(3)
    for qubit, angle in enumerate(angles):
        program.ry(angle, qubit)
    program.cx(0, 1)
    program.cx(1, 2)
    return program


def gates(angles):
    """The same circuit as the API has it."""
    rotations = [{"gate": "ry", "target": q, "rotation": a} for q, a in enumerate(angles)]
    return [*rotations, *({"gate": "cnot", "control": q, "target": q + 1} for q in (0, 1))]


def frequencies(counts, shots=SHOTS):
    """Of the 8 states, the first qubit the least significant bit."""
    return np.array([counts.get(state, 0) / shots for state in range(8)])


def reverse(state):
    """A state with the first qubit the most significant bit, as cirq and PennyLane have it."""
    return int(f"{state:03b}"[::-1], 2)


def by_cirq(box, target, monkeypatch):
    cirq_ionq = import_client("cirq_ionq", "cirq-ionq")
    import cirq

    qubits = cirq.LineQubit.range(3)
    programs = [
        cirq.Circuit(
            *(cirq.ry(angle)(qubit) for qubit, angle in zip(qubits, angles, strict=True)),
            cirq.CNOT(*qubits[:2]),
            cirq.CNOT(*qubits[1:]),
            cirq.measure(*qubits, key="all"),
        )
        for angles in PROGRAMS
    ]
    service = cirq_ionq.Service(remote_host=box.url, api_key="any", default_target="simulator")
    first = service.run(programs[0], SHOTS, target=target, seed=1)
    _, second = service.run_batch(programs, SHOTS, target=target, seed=2)
    counts = [result.histogram(key="all") for result in (first, second)]
    return [frequencies({reverse(s): n for s, n in count.items()}) for count in counts]


def by_pennylane(box, target, monkeypatch):
    client = import_client("pennylane_ionq.api_client", "pennylane-ionq")
    import pennylane as qp

    monkeypatch.setattr(client.APIClient, "BASE_URL", box.url)  # no option names another server
    if target == "simulator":
        device = qp.device("ionq.simulator", wires=3, api_key="any")
    else:
        device = qp.device("ionq.qpu", backend="forte-1", wires=3, api_key="any")

    def probabilities(angles):
        for wire, angle in enumerate(angles):
            qp.RY(angle, wires=wire)
        qp.CNOT(wires=[0, 1])
        qp.CNOT(wires=[1, 2])
        return qp.probs(wires=range(3))

    node = qp.set_shots(qp.QNode(probabilities, device), SHOTS)
    return [node(angles)[[reverse(state) for state in range(8)]] for angles in PROGRAMS]


def by_qiskit(box, target, monkeypatch):
    qiskit_ionq = import_client("qiskit_ionq", "qiskit-ionq")
    monkeypatch.setenv("QISKIT_IONQ_API_URL", box.url)
    backend = qiskit_ionq.IonQProvider("any", url=box.url).get_backend(f"ionq_{target}")
    programs = [circuit(angles) for angles in PROGRAMS]
    for program in programs:
        program.measure_all()
    counts = backend.run(programs, shots=SHOTS).result().get_counts()
    return [frequencies({int(bits, 2): n for bits, n in count.items()}) for count in counts]


def by_ionq_core(box, target, monkeypatch):
    ionq_core = import_client("ionq_core", "ionq-core")
    from ionq_core.api.default import create_job, get_job_probabilities
    from ionq_core.models import JSONMultiCircuitJob

    entries = [{"circuit": gates(angles)} for angles in PROGRAMS]
    body = {"qubits": 3, "gateset": "qis", "circuits": entries}
    job = {"type": "ionq.multi-circuit.v1", "backend": target, "shots": SHOTS, "input": body}
    with ionq_core.IonQClient(api_key="any", base_url=box.url) as client:
        sent_job = create_job.sync(client=client, body=JSONMultiCircuitJob.from_dict(job))
        children = ionq_core.wait_for_job(client, sent_job.id, poll_interval=0.1).child_job_ids
        distributions = [
            get_job_probabilities.sync(uuid=child, client=client) for child in children
        ]
    counts = [
        {int(s): p for s, p in distribution.additional_properties.items()}
        for distribution in distributions
    ]
    return [frequencies(count, shots=1) for count in counts]


CLIENTS = [  # and the forms of results that they read
    pytest.param(by_cirq, "url", id="cirq-ionq-url"),
    pytest.param(by_cirq, "artifacts", id="cirq-ionq-artifacts"),
    pytest.param(by_cirq, "v2", id="cirq-ionq-v2"),
    pytest.param(by_pennylane, "url", id="pennylane-ionq-url"),
    pytest.param(by_qiskit, "url", id="qiskit-ionq-url"),
    pytest.param(by_ionq_core, "url", id="ionq-core-url"),
    pytest.param(by_ionq_core, "artifacts", id="ionq-core-artifacts"),
    pytest.param(by_ionq_core, "v2", id="ionq-core-v2"),
]


@pytest.mark.filterwarnings("ignore::UserWarning")  # http, and advice on transpilation
@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
@pytest.mark.parametrize(("ask", "results_form"), CLIENTS)
def test_frequencies(ask, results_form, target, monkeypatch, answers):
    """Within 5 standard errors of the exact probabilities, and one shot. In the published form the answers fit."""
    with MockServer(store=Store(qpu_noise="ideal"), results_form=results_form) as box:
        frequencies_by_program = ask(box, target, monkeypatch)
    for angles, measured in zip(PROGRAMS, frequencies_by_program, strict=True):
        exact = Statevector(circuit(angles)).probabilities()
        errors = np.sqrt(exact * (1 - exact) / SHOTS) + 1 / SHOTS
        assert (np.abs(measured - exact) / errors).max() < 5
    published = [answer for answer in answers if find_operation(answer)]  # cirq-ionq asks for more
    assert results_form == "url" or misfits(published) == []


@pytest.mark.parametrize("results_form", ["url", "artifacts", "v2"])
def test_the_integration_tests_of_ionq_core(results_form):
    """They are for IonQ's service, and for an account that has jobs."""
    folder = os.environ.get("QLLMFT_IONQ_CORE")
    if not folder:
        pytest.skip(
            "QLLMFT_IONQ_CORE does not name the unpacked source distribution of ionq-core: "
            "pip download --no-deps --no-binary ionq-core ionq-core==0.2.0"
        )
    body = {"gateset": "qis", "qubits": 3, "circuit": gates(PROGRAMS[0])}
    options = "-m integration -o addopts= -o anyio_mode=auto -p no:cacheprovider -W ignore"
    with MockServer(store=Store(latency_s=0.2), results_form=results_form) as box:
        for _ in range(3):
            box.store.submit({"type": "ionq.circuit.v1", "backend": "simulator", "input": body})
        account = {"IONQ_API_KEY": "any", "IONQ_API_URL": box.url, "IONQ_ORG_ID": ACCOUNT}
        process = subprocess.run(
            [sys.executable, "-m", "pytest", "tests/integration", *options.split()],
            cwd=folder,
            env=os.environ | account,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert "= 28 passed in " in process.stdout, process.stdout + process.stderr
