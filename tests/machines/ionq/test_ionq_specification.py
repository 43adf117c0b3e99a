"""Each operation of IonQ's specification is answered, and in the published forms every answer fits it."""

from __future__ import annotations

import pytest
from faulty_server import Fault, MockServer, Store

from ionq.specification import OPERATIONS, find_operation, misfits
from qllmft_machines.sandbox.shapes import FORMATS
from qllmft_machines.sandbox.store import BACKENDS

httpx = pytest.importorskip("httpx", reason="httpx is not installed: pip install httpx")

H_CX = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 2}]
NATIVE = [
    {"gate": "gpi2", "target": 0, "phase": 0.1},
    {"gate": "zz", "targets": [0, 1], "angle": 0.1},
]


def single(gates=H_CX, gateset="qis", **more):
    body = {"qubits": 3, "gateset": gateset, "circuit": gates}
    return {
        "type": "ionq.circuit.v1",
        "backend": "qpu.forte-1",
        "shots": 500,
        "input": body,
        **more,
    }


def several(**more):
    body = {"qubits": 3, "gateset": "qis", "circuits": [{"circuit": H_CX}, {"circuit": H_CX[:1]}]}
    return single(type="ionq.multi-circuit.v1", input=body, **more)


JOBS = [
    single(shots="500", name="a", metadata={"b": "c"}),
    single(settings={"error_mitigation": {"debiasing": True}}),
    single(settings={"compilation": {"opt": 1}}),
    single(NATIVE, "native"),
    single(dry_run=True),
    single(NATIVE, "native", dry_run=True),
    single(backend="simulator"),
    single(backend="simulator", noise={"model": "ideal"}),
    single(backend="simulator", noise={"model": "aria-1", "seed": 7}),
    several(),
    several(backend="simulator", noise={"model": "ideal"}),
    several(dry_run=True),
]
REFUSED = {
    "GET": (
        "nowhere",
        "jobs/x",
        "jobs/x/cost",
        "backends/x",
        "sessions/x",
        "jobs/estimate?shots=x",
    ),
    "POST": ("jobs", "sessions", "jobs/x/clone", "sessions/x/end"),
    "PUT": ("jobs/x/status/cancel", "jobs/status/cancel"),
    "DELETE": ("jobs/x", "jobs"),
}


def send(http, job):
    return http.post("jobs", json=job).json()["id"]


def read_job(http, job_id):
    """Read all that there is of a job, when it has ended, and of its children."""
    while (job := http.get(f"jobs/{job_id}").json())["completed_at"] is None:
        pass
    http.get(f"jobs/{job_id}/cost")
    http.get(f"jobs/{job_id}/results/probabilities")
    output = job["output"]
    mitigation = output.get("error_mitigation", {})
    variants = mitigation.get("debiasing", {}).get("variants", [])
    for artifact in (
        *(job["results"] or {}).values(),
        *mitigation.get("aggregations", {}).values(),
        *(entry for variant in variants for entry in variant["results"].values()),
        *output.get("compilation", {}).get("compiled_circuits", {}).values(),
    ):
        assert http.get(f"jobs/{job_id}/artifacts/{artifact['id']}").status_code == 200
    for child in job["child_job_ids"] or ():
        read_job(http, child)


def stop_jobs(box, http):
    """End jobs in all other ways than by their results."""
    for kind in ("job_failed", "job_half_failed"):
        box.faults.arm(Fault(kind, "submit"))
        read_job(http, send(http, several()))
    box.faults.arm(Fault("never_ends", "submit", times=-1))
    ids = [send(http, single()) for _ in range(6)]
    http.put(f"jobs/{ids[0]}/status/cancel")
    read_job(http, ids[0])
    http.put("jobs/status/cancel", json={"ids": ids[1:3]})
    http.post(f"jobs/{ids[3]}/move", json={"backend": "qpu.forte-enterprise-1"})
    http.post(f"jobs/{ids[3]}/clone", json={"name": "again"})
    http.delete(f"jobs/{ids[4]}")
    http.request("DELETE", "jobs", json={"ids": [ids[0], ids[5]]})
    for query in ("", "?limit=2", "?limit=2&next=2", "?status=canceled", "?target=simulator"):
        http.get(f"jobs{query}")


def use_sessions(http):
    settings = {
        "job_count_limit": 2,
        "duration_limit_min": 5,
        "cost_limit": {"unit": "sandbox-credit", "value": 9.0},
    }
    for backend, more_fields in (("qpu.forte-1", {"settings": settings}), ("simulator", {})):
        session = http.post("sessions", json={"backend": backend, **more_fields}).json()["id"]
        read_job(http, send(http, single(backend=backend, session_id=session)))
        http.get(f"sessions/{session}")
        http.get(f"sessions/{session}/jobs")
        http.get("sessions?active=true")
        http.post(f"sessions/{session}/end")


def read_machines(http):
    http.get("backends")
    for name in BACKENDS:
        http.get(f"backends/{name}")
        of_machine = f"backends/{name}/characterizations"
        for characterization in http.get(of_machine).json()["characterizations"]:
            http.get(f"{of_machine}/{characterization['id']}")
        http.get(f"jobs/estimate?backend={name}&qubits=3&1q_gates=1&2q_gates=2&shots=500")
    http.get("jobs/estimate?backend=qpu.forte-1&error_mitigation=true")


def read_account(http):
    organization = http.get("whoami").json()["project_id"]
    for name in FORMATS:
        http.get(f"schemas/formats/{name}")
    for modality in ("daily", "monthly"):
        query = f"start_date=2026-01-01&end_date=2026-12-31&group_by=project&modality={modality}"
        http.get(f"organizations/{organization}/usage?{query}")


@pytest.mark.parametrize("results_form", ["artifacts", "v2"])
def test_each_operation_is_answered_as_published(answers, results_form):
    """Times of a characterization are whole seconds there, so gate times are left out in these forms."""
    headers = {"Authorization": "apiKey right"}
    with (
        MockServer(token="right", store=Store(qpu_noise="ideal"), results_form=results_form) as box,
        httpx.Client(base_url=f"{box.url}/", headers=headers) as http,
    ):
        for job in JOBS:
            read_job(http, send(http, job))
        use_sessions(http)
        stop_jobs(box, http)
        read_machines(http)
        read_account(http)
        for method, paths in REFUSED.items():
            for path in paths:
                assert http.request(method, path).status_code in (400, 404)
        assert http.get("jobs", headers={"Authorization": "apiKey wrong"}).status_code == 401
    assert misfits(answers) == []
    answered = {find_operation(answer) for answer in answers if answer.status < 400}
    assert answered == set(OPERATIONS)
    assert len(answers) > 80
