"""A local server that speaks IonQ's API v0.4, for tests and for trying things without an account.

It listens on this machine only, runs circuits on its own small simulator, and says in every answer that it is a
sandbox: in a header and, but for results, whose keys are states or children, in a field.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from qllmft_backends.ionq.sandbox.faults import Fault, Faults
from qllmft_backends.ionq.sandbox.simulator import NOISE
from qllmft_backends.ionq.sandbox.store import BACKENDS, PRICE_UNIT, Refused, Store, StoredJob, price
from qllmft_backends.noise import pauli_error_probability

HEADER = "X-QLLMFT-Sandbox"
SAYS = "local sandbox of qllmft: no ions, no IonQ, no money"
_PAGE = 25


class Sandbox:
    """The server. A context manager: it serves inside.

    Args:
        port: 0 for a free one.
        token: the only key to accept; None: any.
        results_style: how a job names its results: ``url`` (v0.4 as qiskit-ionq 1.1.1 reads it), ``artifacts`` (v0.4 as
            published in 2026), or ``none``, so that each child has to be read.
        faults: armed from the start.
        store: jobs and till; a fresh one by default.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        token: str | None = None,
        results_style: str = "url",
        faults: Iterable[Fault] = (),
        store: Store | None = None,
    ) -> None:
        self.store = store or Store()
        self.faults = Faults(list(faults))
        self.token = token
        self.results_style = results_style
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.sandbox = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v0.4"

    def __enter__(self) -> Sandbox:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self.store.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    sandbox: Sandbox

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or is killed, is no error of the server's."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        path = [p for p in parts.path.split("/") if p]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        box = self.server.sandbox
        if path[:1] == ["sandbox"]:
            self._answer(200, self._control(method, path[1:], body))
            return
        route = _route(method, path)
        with box.store.lock:
            box.store.requests[route] += 1
            fault = box.faults.take(route)
        try:
            self._obey(fault, lambda: self._api(method, path, dict(parse_qsl(parts.query)), body, fault))
        except Refused as refused:
            self._answer(refused.status, _error(refused.status, str(refused)))

    def _obey(self, fault: Fault | None, do: Any) -> None:
        """Answer a request, with what the fault makes of it."""
        kind = fault.kind if fault else ""
        if kind == "drop_before":
            self._hang_up()
            return
        if fault is not None and kind == "slow":
            time.sleep(fault.seconds)
        if fault is not None and kind in ("status", "status_after"):
            if kind == "status_after":
                do()
            headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            self._answer(fault.code, _error(fault.code, "the sandbox was told to answer so"), headers)
            return
        status, answer = do()
        if kind == "drop_after":
            self._hang_up()
        elif kind == "not_json":
            self._send(200, b"<html>please log in</html>", "text/html", {})
        else:
            self._answer(status, answer)

    def _api(
        self, method: str, path: list[str], query: dict[str, str], body: bytes, fault: Fault | None
    ) -> tuple[int, Any]:
        box, kind = self.server.sandbox, fault.kind if fault else ""
        if path[:1] != ["v0.4"]:
            raise Refused(404, f"no {self.path}; the API is below /v0.4")
        match (method, *path[1:]):
            case ("GET", "backends"):
                return 200, [_backend(name) for name in BACKENDS]
            case ("GET", "backends", name) if name in BACKENDS:
                return 200, _backend(name)
            case ("GET", "backends", name, "characterizations") if name in BACKENDS:
                return 200, {"characterizations": [_characterization(name)] if name != "simulator" else [], "pages": 0}
        self._check_key()
        match (method, *path[1:]):
            case ("POST", "jobs"):
                job = box.store.submit(_object(body), kind if kind in _FATES else "")
                return 201, {"id": job.id, "status": job.status, "session_id": None}
            case ("GET", "jobs"):
                return 200, self._list(query)
            case ("GET", "jobs", "estimate"):
                return 200, _estimate(query)
            case ("GET", "jobs", job_id):
                job = box.store.get(job_id)
                return 200, self._job(job) | ({"status": "pondering"} if kind == "odd_state" else {})
            case ("GET", "jobs", job_id, "results", "probabilities"):
                return 200, self._results(box.store.get(job_id), kind == "reorder")
            case ("GET", "jobs", job_id, "results", "probabilities", "aggregated") | (
                "GET",
                "jobs",
                job_id,
                "artifacts",
                "probabilities" | "probabilities-aggregate",
            ):
                return 200, self._results(box.store.get(job_id), kind == "reorder", aggregated=True)
            case ("PUT", "jobs", job_id, "status", "cancel"):
                return 200, {"id": job_id, "status": box.store.cancel(job_id).status}
        raise Refused(404, f"no {method} {self.path}")

    def _check_key(self) -> None:
        given = self.headers.get("Authorization", "")
        expected = self.server.sandbox.token
        if not given.startswith("apiKey ") or (expected is not None and given != f"apiKey {expected}"):
            raise Refused(401, "Invalid key provided")

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        store = self.server.sandbox.store
        jobs = sorted(store.jobs.values(), key=lambda j: -j.number)
        jobs = [j for j in jobs if query.get("target") in (None, j.payload["backend"])]
        jobs = [j for j in jobs if query.get("status") in (None, j.status)]
        start, size = int(query.get("next", "0")), min(_PAGE, int(query.get("limit", _PAGE)))
        following = str(start + size) if start + size < len(jobs) else None
        return {"jobs": [self._job(j) for j in jobs[start : start + size]], "next": following}

    def _job(self, job: StoredJob) -> dict[str, Any]:
        style, results = self.server.sandbox.results_style, None
        if job.status == "completed":
            address = f"/v0.4/jobs/{job.id}/results/probabilities" + ("/aggregated" if job.children else "")
            name = "probabilities-aggregate" if job.children else "probabilities"
            form = f"ionq.result.{name}.json.v1"
            results = {
                "url": {"probabilities": {"url": address}},
                "artifacts": {form: {"id": name, "format": form, "media_type": "application/json"}},
                "none": {},
            }[style]
        return {
            "id": job.id,
            "status": job.status,
            "type": "ionq.circuit.v1" if job.parent else job.payload["type"],
            "backend": job.payload["backend"],
            "dry_run": False,
            "submitter_id": "sandbox",
            "project_id": None,
            "parent_job_id": job.parent,
            "child_job_ids": job.children or None,
            "session_id": None,
            "metadata": job.payload.get("metadata"),
            "name": job.name,
            "submitted_at": job.submitted_at,
            "shots": job.payload.get("shots"),
            "noise": job.payload.get("noise"),
            "settings": job.payload.get("settings", {}),
            "failure": job.failure,
            "execution_duration_ms": 0,
            "stats": {"qubits": job.payload["input"].get("qubits", 1), "circuits": len(job.circuits)},
            "results": results,
            "output": {},
        }

    def _results(self, job: StoredJob, reorder: bool, aggregated: bool = False) -> dict[str, Any]:
        if job.status != "completed" or (job.children and not aggregated):
            raise Refused(404, f"job {job.id} has no such result (it is {job.status})")
        if not job.children:
            return dict(job.results or {})
        jobs = self.server.sandbox.store.jobs
        return {child: jobs[child].results for child in (reversed(job.children) if reorder else job.children)}

    def _control(self, method: str, path: list[str], body: bytes) -> dict[str, Any]:
        """/sandbox: what no real server has."""
        box = self.server.sandbox
        match (method, *path):
            case ("POST", "faults"):
                fault = Fault.from_json(_object(body))
                with box.store.lock:
                    box.faults.arm(fault)
                return {"armed": fault.kind}
            case ("POST", "clear"):
                with box.store.lock:
                    box.faults.clear()
                return {"armed": None}
            case _:
                return box.store.till()

    def _answer(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        if isinstance(answer, dict) and not _is_results(answer):
            answer = {**answer, "sandbox": SAYS}
        self._send(status, json.dumps(answer).encode(), "application/json", headers or {})

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {HEADER: SAYS, "Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


_FATES = ("job_failed", "job_half_failed", "never_ends")


def _is_results(answer: dict[str, Any]) -> bool:
    """Results are keyed by state or by child: a field of ours would be read as one of them."""
    return bool(answer) and all(key.isdigit() or len(key) == 36 for key in answer)


def _route(method: str, path: list[str]) -> str:
    """The name of a request in `Fault.on` and in the counts of requests."""
    match (method, *path[1:]):
        case ("GET", "backends", *_):
            return "backends"
        case ("GET", "jobs", "estimate"):
            return "estimate"
        case ("POST", "jobs"):
            return "submit"
        case ("GET", "jobs"):
            return "list"
        case ("GET", "jobs", _):
            return "poll"
        case ("GET", "jobs", _, "results" | "artifacts", *_):
            return "results"
        case ("PUT", "jobs", _, "status", "cancel"):
            return "cancel"
    return "other"


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Refused(400, "the body is not a JSON object")
    return data


def _error(status: int, message: str) -> dict[str, Any]:
    return {"statusCode": status, "error": "Sandbox Error", "message": message}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _backend(name: str) -> dict[str, Any]:
    return {
        "backend": name,
        "status": "available",
        "qubits": BACKENDS[name],
        "average_queue_time": 0,
        "last_updated": _now(),
        "supported_error_mitigations": ["debiasing"],
        "sandbox": SAYS,
    }


def _characterization(name: str) -> dict[str, Any]:
    """Process fidelities that fit the noise model (F = 1 - 3r/4 and 1 - 15r/16), Forte's gate times in seconds."""
    noise = NOISE[name.removeprefix("qpu.")]
    one, two = (1 - pauli_error_probability(noise.rate(n), n) for n in (1, 2))
    return {
        "id": "00000000-0000-4000-8000-000000000001",
        "backend": name,
        "date": _now(),
        "qubits": BACKENDS[name],
        "connectivity": [],
        "fidelity": {"spam": {"median": 1.0}, "1q": {"median": one}, "2q": {"median": two}},
        "timing": {"readout": 150e-6, "reset": 50e-6, "1q": 130e-6, "2q": 970e-6, "t1": 100, "t2": 1},
        "sandbox": SAYS,
    }


def _estimate(query: dict[str, str]) -> dict[str, Any]:
    """With the names of both forms of v0.4."""
    cost = price(query)
    return {
        "input_values": query,
        "estimate_context": query,
        "estimated_at": _now(),
        "cost_unit": PRICE_UNIT,
        "estimated_unit": PRICE_UNIT,
        "estimated_cost": cost,
        "estimated_total_cost": cost,
        "estimated_execution_time": 0,
        "current_predicted_queue_time": 0,
        "rate_information": {},
        "rate_card": {"rates": [], "id": "sandbox"},
    }
