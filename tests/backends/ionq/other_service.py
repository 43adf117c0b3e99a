"""Service with IonQ's API v0.4 that misbehaves on request. It shares no code with the mock server, nor with qllmft."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# by this name a test that changes this machine's clock leaves the server's as it is
from time import time as now
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

PRICE = 0.01  # of a circuit, in US dollars
PAGE = 25
NAMES = {"cnot": "x", "not": "x", "si": "sdg", "ti": "tdg", "v": "sx", "vi": "sxdg"}
ROUTES = {
    "submit": "POST /v0.4/jobs",
    "list": "GET /v0.4/jobs",
    "estimate": "GET /v0.4/jobs/estimate",
    "backend": "GET /v0.4/backends/([^/]+)",
    "poll": "GET /v0.4/jobs/([^/]+)",
    "cost": "GET /v0.4/jobs/([^/]+)/cost",
    "results": "GET /v0.4/jobs/([^/]+)/results/probabilities",
}


class HangUpError(Exception):
    """The connection ends without an answer."""


class StatusError(Exception):
    """The answer is the HTTP status in the arguments."""


class OtherService:
    """Service on this machine, a context manager that serves inside.

    Attributes:
        jobs: accepted ones by id, as posted, with ``id``, ``submitted_at`` and ``child_job_ids``.
        before: functions by route, called with the number of the request (from 0) before it has any effect.
        after: functions by route, called with that number and the answer; they return the answer to send, or raise.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.before: dict[str, Callable[[int], None]] = {}
        self.after: dict[str, Callable[[int, Any], Any]] = {}
        self.requests: Counter[str] = Counter()
        self._http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"service": self})
        )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.005,), daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v0.4"

    def __enter__(self) -> OtherService:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def paid(self) -> Counter[str]:
        """Return how often each circuit was paid. Those with a known answer are one: they rotate by 0 or π only."""
        circuits = [gates for job in list(self.jobs.values()) for gates in _circuits(job)]
        angles = [{gate.get("rotation", 0.0) for gate in gates} for gates in circuits]
        pairs = zip(circuits, angles, strict=True)
        return Counter(
            "known answer" if seen <= {0.0, np.pi} else json.dumps(gates) for gates, seen in pairs
        )

    def submit(self, body: bytes) -> dict[str, Any]:
        job = json.loads(body) | {"id": str(uuid.uuid4()), "status": "completed"}
        several = "circuits" in job["input"]
        job["child_job_ids"] = (
            [f"{job['id']}-{i}" for i in range(len(_circuits(job)))] if several else None
        )
        job["submitted_at"] = datetime.fromtimestamp(now(), UTC).isoformat()
        self.jobs[job["id"]] = job
        return {"id": job["id"], "status": "ready", "session_id": None}

    def list(self, next: str = "0", **_: str) -> dict[str, Any]:  # noqa: A002 - the API's name
        jobs, start = [self.poll(name) for name in reversed(self.jobs)], int(next)
        end = start + PAGE
        return {"jobs": jobs[start:end], "next": str(end) if end < len(jobs) else None}

    def poll(self, name: str) -> dict[str, Any]:
        job = self.jobs[name]
        results = {"probabilities": {"url": f"/v0.4/jobs/{name}/results/probabilities"}}
        return {key: value for key, value in job.items() if key != "input"} | {"results": results}

    def results(self, name: str) -> dict[str, Any]:
        job = self.jobs[name]
        qubits, shots = job["input"]["qubits"], job["shots"]
        found = [_frequencies(gates, qubits, shots) for gates in _circuits(job)]
        return (
            dict(zip(job["child_job_ids"], found, strict=True))
            if job["child_job_ids"]
            else found[0]
        )

    def estimate(self, **_: str) -> dict[str, Any]:
        return {"estimated_total_cost": PRICE, "estimated_unit": "usd"}

    def cost(self, name: str) -> dict[str, Any]:
        return {"cost": {"value": PRICE * len(_circuits(self.jobs[name])), "unit": "usd"}}

    def backend(self, name: str) -> dict[str, Any]:
        return {"backend": name, "status": "available", "qubits": 36}


class _Handler(BaseHTTPRequestHandler):
    service: OtherService

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(now() if timestamp is None else timestamp, usegmt=True)

    def _serve(self) -> None:
        service, parts = self.service, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = f"{self.command} {parts.path}"
        route, groups = next(
            (r, m.groups()) for r, p in ROUTES.items() if (m := re.fullmatch(p, target))
        )
        number = service.requests[route]
        service.requests[route] += 1
        query = dict(parse_qsl(parts.query)) if route == "list" else {}
        try:
            service.before.get(route, lambda number: None)(number)
            answer = getattr(service, route)(*([body] if route == "submit" else groups), **query)
            answer = service.after.get(route, lambda number, answer: answer)(number, answer)
            self._send(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())
        except StatusError as error:
            self._send(error.args[0], b"{}")
        except KeyError:
            self._send(404, b"{}")
        except (HangUpError, OSError):
            self.close_connection = True

    do_GET = do_POST = _serve

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _circuits(job: dict[str, Any]) -> list[list[dict[str, Any]]]:
    given = job["input"]
    return (
        [each["circuit"] for each in given["circuits"]]
        if "circuits" in given
        else [given["circuit"]]
    )


def _frequencies(gates: list[dict[str, Any]], qubits: int, shots: int) -> dict[str, float]:
    """Return frequencies of basis states by Qiskit's simulation; the shots of a circuit are the same each time."""
    circuit = QuantumCircuit(qubits)
    for gate in gates:
        controls = gate.get("controls") or ([gate["control"]] if "control" in gate else [])
        targets = gate.get("targets") or [gate["target"]]
        angles = [gate["rotation"]] if "rotation" in gate else []
        name = NAMES.get(gate["gate"], gate["gate"])
        getattr(circuit, "c" * len(controls) + name)(*angles, *controls, *targets)
    seed = sha256(json.dumps(gates).encode()).digest()
    chances = Statevector(circuit).probabilities()
    counts = np.random.default_rng(list(seed)).multinomial(shots, chances / chances.sum())
    return {str(state): int(n) / shots for state, n in enumerate(counts) if n}
