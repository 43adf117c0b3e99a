"""IonQ's own typed client, `ionq-core`, against the mock server, whose answers fit the specification."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from ionq.specification import misfits
from qllmft_machines.sandbox import MockServer, Store

pytest.importorskip("ionq_core", reason="ionq-core is not installed: pip install ionq-core")

from ionq_core import IonQClient, SessionManager, gates, wait_for_job
from ionq_core.api.backends import get_backend, get_backends
from ionq_core.api.characterizations import get_characterization, get_characterizations_for_backend
from ionq_core.api.default import (
    cancel_job,
    cancel_jobs,
    clone_job,
    create_job,
    delete_job,
    delete_jobs,
    estimate_job_cost,
    get_job,
    get_job_artifact,
    get_job_cost,
    get_job_probabilities,
    get_jobs,
    get_session,
    get_session_jobs,
    get_sessions,
    move_job,
)
from ionq_core.api.schemas import get_format_schema
from ionq_core.api.whoami import get_whoami
from ionq_core.models import (
    CircuitJobCreationPayload,
    CloneJobPayload,
    JobsBulkOperationRequest,
    JSONMultiCircuitJob,
)

H_CX = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 2}]
MS = {"gate": "ms", "targets": [2, 0], "phases": [0.1, 0.4], "angle": 0.15}
IDEAL = {"backend": "simulator", "noise": {"model": "ideal"}}


@pytest.fixture(params=["url", "v2"])
def box(request, answers):
    with MockServer(store=Store(qpu_noise="ideal"), results_form=request.param) as server:
        yield server
    assert request.param == "url" or misfits(answers) == []


@pytest.fixture
def client(box):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # http
        client = IonQClient(api_key="any", base_url=box.url, max_retries=0)
    with client:
        yield client


def single(circuit=H_CX, gateset="qis", backend="qpu.forte-1", **more):
    body = {"qubits": 3, "gateset": gateset, "circuit": circuit}
    payload = {"type": "ionq.circuit.v1", "backend": backend, "shots": 1000, "input": body, **more}
    return CircuitJobCreationPayload.from_dict(payload)


def send(client, payload):
    return create_job.sync(client=client, body=payload).id


def complete(client, payload):
    return wait_for_job(client, send(client, payload), poll_interval=0.02)


def probabilities(client, job_id):
    return get_job_probabilities.sync(uuid=job_id, client=client).additional_properties


def statuses(client, ids):
    return [get_job.sync(uuid=job_id, client=client).status for job_id in ids]


def test_a_job_from_its_price_to_its_results(box, client):
    price = estimate_job_cost.sync(client=client, backend="qpu.forte-1", shots=1000)
    assert price.estimate_context.organization
    assert price.rate_card.rates[0].unit == "gates"
    job = complete(client, single(metadata={"a": "b"}))
    counts = job.stats.gate_counts.additional_properties
    assert (job.status, counts) == ("completed", {"1q": 1, "2q": 1})
    assert job.submitted_at <= job.started_at <= job.completed_at
    assert set(probabilities(client, job.id)) == {"0", "5"}
    for artifact in job.results.additional_properties.values():
        assert get_job_artifact.sync_detailed(job.id, artifact.id, client=client).status_code == 200
    assert get_job_cost.sync(uuid=job.id, client=client).cost.value > 0
    assert [listed_job.id for listed_job in get_jobs.sync(client=client).jobs] == [job.id]
    with pytest.raises(Exception, match="completed"):
        cancel_job.sync(uuid=job.id, client=client)


def test_many_circuits_and_jobs_that_are_sent_again(client):
    entries = [{"circuit": H_CX}, {"circuit": [{"gate": "x", "target": 1}]}]
    body = {"qubits": 3, "gateset": "qis", "circuits": entries}
    payload = IDEAL | {"type": "ionq.multi-circuit.v1", "input": body}
    job = complete(client, JSONMultiCircuitJob.from_dict(payload))
    assert len(job.child_job_ids) == 2
    assert probabilities(client, job.child_job_ids[1]) == {"2": 1.0}
    named = CloneJobPayload.from_dict({"name": "again"})
    clone = clone_job.sync(uuid=job.id, client=client, body=named)
    assert wait_for_job(client, clone.id, poll_interval=0.02).name == "again"
    assert delete_job.sync(uuid=clone.id, client=client).status == "deleted"
    bulk = JobsBulkOperationRequest(ids=[job.id])
    assert delete_jobs.sync(client=client, body=bulk).ids == [job.id]
    assert get_jobs.sync(client=client).jobs == []


def test_jobs_that_are_canceled_or_moved(box, client):
    box.store._latency_s = 30.0
    ids = [send(client, single()) for _ in range(3)]
    assert get_job_cost.sync(uuid=ids[0], client=client).estimated_cost.value > 0
    elsewhere = CloneJobPayload.from_dict({"backend": "qpu.forte-enterprise-1"})
    moved = move_job.sync(uuid=ids[0], client=client, body=elsewhere)
    assert statuses(client, ids) == ["canceled", "submitted", "submitted"]
    assert get_job.sync(uuid=moved.id, client=client).backend == "qpu.forte-enterprise-1"
    bulk = JobsBulkOperationRequest(ids=ids[1:])
    assert cancel_jobs.sync(client=client, body=bulk).status == "canceled"
    assert delete_job.sync(uuid=moved.id, client=client).status == "deleted"
    with pytest.raises(Exception, match=f"no job {moved.id}"):
        get_job.sync(uuid=moved.id, client=client)


@pytest.mark.parametrize("backend", ["qpu.forte-1", "simulator"])
def test_sessions(client, backend):
    with SessionManager(client, backend, max_jobs=1) as session:
        payload = single(backend=backend, session_id=session.session_id)
        job = complete(client, payload)
        assert session.status() == "started"
        listed = get_session_jobs.sync(session.session_id, client=client).jobs
        assert [listed_job.id for listed_job in listed] == [job.id]
        with pytest.raises(Exception, match="has its 1 jobs"):
            send(client, payload)
    assert get_session.sync(session_id=session.session_id, client=client).ended_at
    assert get_sessions.sync(client=client, active=True).sessions == []
    assert len(get_sessions.sync(client=client).sessions) == 1


def test_machines_and_account(client):
    account = get_whoami.sync(client=client)
    assert account.key_id
    job = get_job.sync(uuid=send(client, single()), client=client)
    assert job.project_id == str(account.project_id)
    names = {machine.backend for machine in get_backends.sync(client=client)}
    assert {"simulator", "qpu.forte-1"} <= names
    assert get_backend.sync("qpu.forte-1", client=client).qubits == 36
    history = get_characterizations_for_backend.sync("qpu.forte-1", client=client)
    (newest,) = history.characterizations
    assert get_characterization.sync("qpu.forte-1", newest.id, client=client).qubits == 36
    assert get_format_schema.sync("ionq.native.v1", client=client).type_ == "object"


def test_native_gates_against_the_matrices_of_ionq_core(client):
    """Its matrices have the first target in the higher bit."""
    native = [
        ({"gate": "gpi2", "target": 0, "phase": 0.1}, gates.gpi2_matrix(0.1), [0]),
        ({"gate": "gpi", "target": 1, "phase": 0.3}, gates.gpi_matrix(0.3), [1]),
        ({"gate": "gpi2", "target": 2, "phase": 0.7}, gates.gpi2_matrix(0.7), [2]),
        (MS, gates.ms_matrix(0.1, 0.4, 0.15), [0, 2]),
        ({"gate": "gpi2", "target": 0, "phase": 0.2}, gates.gpi2_matrix(0.2), [0]),
        ({"gate": "zz", "targets": [1, 2], "angle": 0.1}, gates.zz_matrix(0.1), [2, 1]),
        ({"gate": "gpi2", "target": 2, "phase": 0.9}, gates.gpi2_matrix(0.9), [2]),
    ]
    circuit = QuantumCircuit(3)
    for _, matrix, qubits in native:
        circuit.unitary(np.array(matrix), qubits)
    payload = single([gate for gate, _, _ in native], "native", **IDEAL)
    measured = probabilities(client, complete(client, payload).id)
    expected = Statevector(circuit).probabilities()
    np.testing.assert_allclose([measured.get(str(s), 0.0) for s in range(8)], expected, atol=1e-6)
    mixed = payload.to_dict()
    mixed["input"]["gateset"] = "qis"
    with pytest.raises(Exception, match="gates of another one"):
        client.get_httpx_client().post("/jobs", json=mixed)


def test_a_program_in_openqasm_3(client):
    pytest.importorskip("qiskit_qasm3_import")
    program = """OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; bit[3] c; ry(0.7) q[1]; cx q[1], q[2];
    c[0] = measure q[0]; c[1] = measure q[1]; c[2] = measure q[2];"""

    def payload(text):
        body = IDEAL | {"type": "ionq.qasm3.v1", "input": {"data": text}}
        return CircuitJobCreationPayload.from_dict(body)

    measured = probabilities(client, complete(client, payload(program)).id)
    assert measured == pytest.approx({"0": np.cos(0.35) ** 2, "6": np.sin(0.35) ** 2}, abs=1e-6)
    registers = (f"qubit[{size}] q;" for size in ("1000000000", "1_000_000", "10**9"))
    for large in (*registers, "for int i in [0:99] {}"):
        with pytest.raises(Exception, match="takes no loops, powers or registers like"):
            send(client, payload(f"OPENQASM 3.0; {large}"))
    with pytest.raises(Exception, match="the mock server does not have 'reset'"):
        send(client, payload("OPENQASM 3.0; qubit q; reset q;"))
