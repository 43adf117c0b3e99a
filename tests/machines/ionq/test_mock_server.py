"""The mock server by itself: its simulator against Qiskit's matrices, its HTTP, its totals. Needs no IonQ package."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request

import pytest
from faulty_server import Fault, MockServer, Store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qllmft_backends.errors import BackendError
from qllmft_machines.sandbox.store import BACKENDS


def call(url, method="GET", body=None, key="any"):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"apiKey {key}"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        assert "mock server" in response.headers["X-QLLMFT-Sandbox"]
        return json.loads(response.read())


def refusal(*request, **more):
    """Status, headers and message of a request that is refused."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(*request, **more)
    with caught.value as answer:
        return answer.code, answer.headers, json.loads(answer.read())["message"]


def payload(shots=100, backend="qpu.forte-1", **more):
    body = {"gateset": "qis", "qubits": 3, "circuit": [{"gate": "x", "targets": [1]}]}
    job = {"type": "ionq.circuit.v1", "backend": backend, "shots": shots, "input": body}
    return job | more


def several(circuits):
    body = {"gateset": "qis", "qubits": 3, "circuits": circuits}
    return payload(type="ionq.multi-circuit.v1", input=body)


def await_end(box, job_id):
    for _ in range(500):
        job = call(f"{box.url}/jobs/{job_id}")
        if job["status"] in ("completed", "failed"):
            return job
        time.sleep(0.01)
    raise AssertionError(job)


def test_a_job_from_submission_to_result():
    with MockServer(store=Store(qpu_noise="ideal")) as box:
        job = call(f"{box.url}/jobs", "POST", payload(metadata={"a": "b"}))
        assert job["sandbox"].startswith("local mock server")
        described = await_end(box, job["id"])
        assert described["metadata"] == {"a": "b"}
        root = box.url.removesuffix("/v0.4")
        assert call(root + described["results"]["probabilities"]["url"]) == {"2": 1.0}
        assert [j["id"] for j in call(f"{box.url}/jobs")["jobs"]] == [job["id"]]
        assert {b["backend"] for b in call(f"{box.url}/backends")} == set(BACKENDS)
        query = "backend=qpu.forte-1&1q_gates=10&2q_gates=1&shots=1000"
        estimate = call(f"{box.url}/jobs/estimate?{query}")
        assert estimate["estimated_cost"] == estimate["estimated_total_cost"] == pytest.approx(0.02)
        assert estimate["cost_unit"] == "sandbox-credit"
        state = call(f"{root}/sandbox/state")
        assert (state["jobs"], state["circuits_paid"], state["shots_paid"]) == (1, 1, 100)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (payload(shots=10_001), "TooManyShots"),
        (payload(shots=0), "TooManyShots: 0, expected 1 to 10,000"),
        (payload(shots="10001"), "TooManyShots: 10001, expected 1 to 10,000"),
        (payload(shots="1e3"), "shots are '1e3', expected a whole number or a string of its digits"),
        (payload(shots=1.5), "shots are 1.5, expected a whole number"),
        (payload(shots=None), "shots are None, expected a whole number"),
        (payload(backend="qpu.aria-1"), "unknown backend"),
        (payload(type="ionq.qasm3.v1"), "not supported"),
        (payload(input={"gateset": "qis", "qubits": 40, "circuit": []}), "NotEnoughQubits"),
        (payload(input={"gateset": "other", "qubits": 4, "circuit": []}), "takes 'qis'"),
        (payload(input={"gateset": "qis", "qubits": 4, "circuit": [{"gate": "warp", "targets": [0]}]}), "warp"),
        *((payload(backend="simulator", noise={"model": "aria-1", "seed": seed}), "malformed request")
          for seed in (-1, 1.5, "x")),
        ([1], "not a JSON object"),
    ],
)  # fmt: skip
def test_bad_requests_are_answered_like_the_api(body, message):
    with MockServer() as box:
        code, _, told = refusal(f"{box.url}/jobs", "POST", body)
        assert (code, message in told) == (400, True), told
        assert box.store.totals()["jobs"] == 0


def test_shots_may_be_a_string_of_digits():
    """As cirq-ionq sends them. They are told as a number, which the API's specification asks for."""
    with MockServer(store=Store(qpu_noise="ideal")) as box:
        described = await_end(box, call(f"{box.url}/jobs", "POST", payload(shots="70"))["id"])
        assert described["shots"] == 70
        assert len(call(f"{box.url}/jobs/{described['id']}/results/shots")) == 70
        assert box.store.totals()["shots_paid"] == 70
        call(f"{box.url}/jobs", "POST", payload(shots=70))
        assert list(box.store.totals()["times"].values()) == [2], "the same circuit, paid twice"


def test_a_session_on_the_simulator():
    with MockServer() as box:
        body = {"backend": "simulator", "settings": {"job_count_limit": 1}}
        session = call(f"{box.url}/sessions", "POST", body)
        assert (session["backend"], session["active"]) == ("simulator", True)
        job = payload(backend="simulator", session_id=session["id"])
        assert await_end(box, call(f"{box.url}/jobs", "POST", job)["id"])["status"] == "completed"
        body["settings"] = {"duration_limit_min": "x"}
        assert refusal(f"{box.url}/sessions", "POST", body)[0] == 400
        assert [listed["id"] for listed in call(f"{box.url}/sessions")["sessions"]] == [
            session["id"]
        ]
        *_, told = refusal(f"{box.url}/sessions", "POST", {"backend": "qpu.aria-1"})
        assert told == f"no sessions on 'qpu.aria-1', expected one of {', '.join(BACKENDS)}"


def test_a_session_that_refused_its_only_job_has_none():
    with MockServer() as box:
        cap = {"cost_limit": {"unit": "sandbox-credit", "value": 1e-9}}
        body = {"backend": "qpu.forte-1", "settings": cap}
        session = call(f"{box.url}/sessions", "POST", body)["id"]
        *_, told = refusal(f"{box.url}/jobs", "POST", payload(session_id=session))
        assert "would cost more than 1e-09 sandbox-credit" in told
        assert call(f"{box.url}/sessions/{session}")["status"] == "created"


def test_jobs_and_sessions_are_in_the_project_of_the_key():
    with MockServer() as box:
        project = call(f"{box.url}/whoami")["project_id"]
        job = call(f"{box.url}/jobs/{call(f'{box.url}/jobs', 'POST', payload())['id']}")
        session = call(f"{box.url}/sessions", "POST", {"backend": "qpu.forte-1"})
        context = call(f"{box.url}/jobs/estimate?backend=qpu.forte-1")["estimate_context"]
        assert project == job["project_id"] == session["project_id"] == context["project"]


def test_a_job_is_deleted_in_any_state(tmp_path):
    """One that has not ended does not run any more, and is not paid for."""
    job = several([{"circuit": [{"gate": "x", "targets": [q]}]} for q in range(2)])
    file = tmp_path / "jobs.json"
    with MockServer(store=Store(latency_s=0.2, state_file=file)) as box:
        first, second = (call(f"{box.url}/jobs", "POST", job)["id"] for _ in range(2))
        child = box.store.jobs[first].children[0]
        *_, told = refusal(f"{box.url}/jobs/{child}", "DELETE")
        assert f"is a child of {first}. Delete that" in told
        while call(f"{box.url}/jobs/{first}")["status"] == "submitted":
            pass
        for job_id in (first, second):
            assert call(f"{box.url}/jobs/{job_id}", "DELETE")["status"] == "deleted"
        assert call(f"{box.url}/jobs")["jobs"] == []
        assert box.store.totals()["circuits_paid"] == 0
    assert Store(state_file=file).jobs == {}


def raw(box, text, key="any"):
    """Send text as it is, after a key, and return the status of the answer."""
    host, port = box.url.removeprefix("http://").removesuffix("/v0.4").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        line, later_lines = text.split("\r\n", 1)
        connection.sendall(
            f"{line}\r\nAuthorization: apiKey {key}\r\n{later_lines}".encode("latin-1")
        )
        return int(connection.makefile("rb").readline().split()[1])


def post(body, length=None):
    return f"POST /v0.4/jobs HTTP/1.1\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n{body}"


ENDLESS = "9" * 5_000
ONE_GATE = [{"gate": "rx", "targets": [0], "rotation": 1e999}]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"GET /v0.4/jobs HTTP/1.1\r\nX: {'x' * 70_000}\r\n\r\n", 431),
        ("GET http://[ HTTP/1.1\r\n\r\n", 400),
        ("GET /nowhere HTTP/1.1\r\n\r\n", 404),
        ("GET /v0.4/jobs?next=x HTTP/1.1\r\n\r\n", 400),
        (f"GET /v0.4/jobs?limit={ENDLESS} HTTP/1.1\r\n\r\n", 400),
        ("GET /v0.4/jobs/estimate?shots=x HTTP/1.1\r\n\r\n", 400),
        (f"GET /v0.4/jobs/estimate?backend=q&shots={'9' * 400} HTTP/1.1\r\n\r\n", 400),
        ("POST /v0.4/jobs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        *((post("", length), 400) for length in ("x", "-1", "1e3", "")),
        *((post("", length), 413) for length in (500_000_000, ENDLESS)),
        *((post(body), 400) for body in ("", "{", "[" * 100_000, ENDLESS, '{"shots": ' + ENDLESS + "}")),
        *((post(json.dumps(payload(**wrong))), 400) for wrong in (
            {"backend": []}, {"input": 5}, {"noise": 5, "backend": "simulator"}, {"shots": "x"}, {"session_id": []},
            {"input": {"gateset": "qis", "qubits": "x", "circuit": []}},
            {"input": {"gateset": "qis", "qubits": 3, "circuit": 5}},
            {"input": {"gateset": "qis", "qubits": 3, "circuit": [5]}},
            {"input": {"gateset": "qis", "qubits": 3, "circuit": ONE_GATE}},
            {"type": "ionq.multi-circuit.v1", "input": {"gateset": "qis", "qubits": 3, "circuits": [5]}},
        )),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_malformed_requests_are_answered(text, status, capfd):
    with MockServer() as box:
        assert raw(box, text) == status
        assert call(f"{box.url}/jobs")["jobs"] == []
    assert capfd.readouterr() == ("", "")


ROUTES = [
    "jobs", "jobs/estimate", "jobs/JOB", "jobs/JOB/cost", "jobs/JOB/results/probabilities", "jobs/JOB/status/cancel",
    "backends", "backends/qpu.forte-1/characterizations", "sessions", "sessions/x/end", "whoami",
]  # fmt: skip
ODD = ["", "x", "-1", "0", "1e3", "9" * 400, ENDLESS, "%00", "%ff", "..", "NaN", "[]", "é", "a b"]
QUERIES = [
    *("limit", "next", "shots", "qubits", "1q_gates", "2q_gates"),
    *("backend", "type", "aggregation", "session", "sharpen"),
]
LINES = [
    *("Content-Type: x", "Expect: 100-continue", "Connection: \x01"),
    *("Range: bytes=9-", "Cookie", ":", "X" * 200),
]


@pytest.fixture
def open_box():
    """A mock server that takes any key, and the id of its first job."""
    with MockServer() as box:
        job_id = call(f"{box.url}/jobs", "POST", payload())["id"]
        await_end(box, job_id)
        yield box, job_id


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_request_is_answered(data, open_box, capfd):
    """Method, route, query, header lines and body are each right or odd."""
    box, job_id = open_box  # requests may add jobs, and what is drawn must not depend on them

    def one(choices):
        return data.draw(st.sampled_from(choices))

    method = one(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "get", "É"])
    route = one(ROUTES).replace("JOB", one([job_id, *ODD]))
    pairs = [(one(QUERIES), one(ODD)) for _ in range(data.draw(st.integers(0, 3)))]
    query = "&".join(f"{name}={value}" for name, value in pairs)
    right_body = json.dumps(payload()).encode()
    start, end = sorted(data.draw(st.tuples(*2 * [st.integers(0, len(right_body))])))
    odd = one([data.draw(st.binary(max_size=9)), b"NaN", b"[]", b'"', b"-1", ENDLESS.encode()])
    body = one([odd, right_body, right_body[:start] + odd + right_body[end:]])
    length = one([str(len(body)), str(len(body)), "", "-1", "x", ENDLESS, "0"])
    lines = [f"{method} /v0.4/{route}?{query} HTTP/1.1", f"Content-Length: {length}"]
    lines += data.draw(st.lists(st.sampled_from(LINES), max_size=2))
    assert 100 <= raw(box, "\r\n".join([*lines, "", body.decode("latin-1")])) < 600
    assert capfd.readouterr() == ("", "")


def test_the_key_is_checked_before_the_body_is_read():
    with MockServer(token="right-key") as box:
        begun = time.monotonic()
        assert raw(box, post("", 1_000_000), key="wrong-key") == 401
        assert time.monotonic() - begun < 5


def test_a_wrong_key_and_faults_over_http():
    with MockServer(token="right-key") as box:
        assert refusal(f"{box.url}/jobs", key="wrong-key")[0] == 401
        box.faults.arm(Fault("status", "list", code=429, retry_after="7"))
        code, headers, _ = refusal(f"{box.url}/jobs", key="right-key")
        assert (code, headers["Retry-After"]) == (429, "7")
        assert call(f"{box.url}/jobs", key="right-key")["jobs"] == []


def test_jobs_last_across_restarts_when_a_file_is_named(tmp_path):
    file = tmp_path / "state.json"
    with MockServer(store=Store(state_file=file, latency_s=30)) as box:
        job_id = call(f"{box.url}/jobs", "POST", payload())["id"]
    with MockServer(store=Store(state_file=file)) as box:
        assert await_end(box, job_id)["status"] == "completed"
        assert box.store.totals()["circuits_paid"] == 1


def test_the_state_file_is_only_appended_to(tmp_path):
    """Each circuit is written once, whatever the number of jobs and of their states."""
    file = tmp_path / "state.json"
    gates = [{"gate": "ry", "targets": [0], "rotation": 0.1}] * 50
    sizes = []
    body = several([{"name": f"c{i}", "circuit": gates} for i in range(20)])
    with MockServer(store=Store(qpu_noise="ideal", state_file=file)) as box:
        for _ in range(3):
            earlier_content = file.read_bytes() if file.exists() else b""
            job_id = call(f"{box.url}/jobs", "POST", body)["id"]
            children = await_end(box, job_id)["child_job_ids"]
            assert file.read_bytes().startswith(earlier_content)
            sizes.append(file.stat().st_size - len(earlier_content))
    assert len(children) == 20
    assert max(sizes) < 2 * len(json.dumps(body)) + 20 * 500
    with file.open("a") as torn:
        torn.write('{"changed": "half a li')
    reopened = Store(state_file=file)
    assert len(reopened.jobs) == 63
    assert reopened.jobs[children[3]].circuits == [gates]
    assert {j.status for j in reopened.jobs.values()} == {"completed"}
    reopened.submit(payload())
    reopened.close()
    assert len(Store(state_file=file).jobs) == 64


@pytest.mark.parametrize(
    "text", ["my notes\n", "[1]\n", '{"id": "a"}\n', "7\n"], ids=["text", "list", "part", "number"]
)
def test_a_state_file_of_something_else_is_refused_and_kept(tmp_path, text):
    file = tmp_path / "notes.txt"
    file.write_text(text)
    with pytest.raises(BackendError, match=r"line 1 of .*notes\.txt is no job of the mock server"):
        Store(state_file=file)
    assert file.read_text() == text


def test_a_state_file_that_cannot_be_written_is_refused_before_a_job_comes(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Store(state_file=tmp_path / "none" / "state.json")


def test_changes_of_a_job_whose_submission_was_not_written_are_left_out(tmp_path):
    file = tmp_path / "state.json"
    with MockServer(store=Store(state_file=file)) as box:
        for _ in range(2):
            kept_id = call(f"{box.url}/jobs", "POST", payload())["id"]
            await_end(box, kept_id)
    first_line, later_lines = file.read_text().split("\n", 1)
    file.write_text(f"{first_line[:50]}\n{later_lines}")
    assert list(Store(state_file=file).jobs) == [kept_id]
