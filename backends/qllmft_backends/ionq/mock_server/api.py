"""Answers of the mock server to the requests of IonQ's API v0.4 that the backends send."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qllmft_backends.ionq.mock_server.faults import OUTCOMES, Fault
from qllmft_backends.ionq.mock_server.job import RefusedError, StoredJob
from qllmft_backends.ionq.mock_server.shapes import backend, characterization, cost, estimate, job_description
from qllmft_backends.ionq.mock_server.store import BACKENDS, Store

_PAGE = 25


@dataclass(frozen=True)
class Request:
    """Parsed request.

    Attributes:
        method: ``GET``, ``POST`` or ``PUT``.
        path: its parts, the API's version first.
        query: parameters of the address.
        body: bytes.
        fault: fault of this request, if any.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    body: bytes
    fault: Fault | None

    @property
    def kind(self) -> str:
        """Return the kind of the fault, or "" without a fault."""
        return self.fault.kind if self.fault else ""


class Api:
    """API on a store.

    Attributes:
        results_style: see `MockServer`.
    """

    def __init__(self, store: Store, results_style: str) -> None:
        self._store = store
        self.results_style = results_style

    def answer(self, request: Request, check_key: Callable[[], None]) -> tuple[int, Any]:
        """Return HTTP status and JSON value. ``check_key`` is called if the request needs a key.

        Raises:
            RefusedError: as the API would refuse.
        """
        if request.path[:1] != ("v0.4",):
            raise RefusedError(404, f"no /{'/'.join(request.path)}; the API is below /v0.4")
        match (request.method, *request.path[1:]):
            case ("GET", "backends"):
                return 200, [backend(name) for name in BACKENDS]
            case ("GET", "backends", name) if name in BACKENDS:
                return 200, backend(name)
            case ("GET", "backends", name, "characterizations") if name in BACKENDS:
                return 200, {"characterizations": [characterization(name)] if name != "simulator" else [], "pages": 0}
        check_key()
        return self._sessions(request) if request.path[1:2] == ("sessions",) else self._jobs(request)

    def _sessions(self, request: Request) -> tuple[int, Any]:
        store = self._store
        with store.lock:
            match (request.method, *request.path[2:]):
                case ("POST",):
                    session = store.sessions.open(json_object(request.body), BACKENDS, store.now())
                    return 201, session.describe(store.now())
                case ("GET", session_id):
                    return 200, store.sessions.get(session_id).describe(store.now())
                case ("POST", session_id, "end"):
                    session = store.sessions.get(session_id)
                    session.ended = True
                    return 200, session.describe(store.now())
        raise RefusedError(404, f"no {request.method} /{'/'.join(request.path)}")

    def _jobs(self, request: Request) -> tuple[int, Any]:
        store = self._store
        match (request.method, *request.path[1:]):
            case ("POST", "jobs"):
                outcome = request.kind if request.kind in OUTCOMES else ""
                job = store.submit(json_object(request.body), outcome, request.fault.value if request.fault else None)
                return 201, {"id": job.id, "status": job.status, "session_id": job.payload.get("session_id")}
            case ("GET", "jobs"):
                return 200, self._list(request.query)
            case ("GET", "jobs", "estimate"):
                answer = estimate(request.query)
                if request.fault and request.kind == "price":
                    answer |= dict.fromkeys(("estimated_cost", "estimated_total_cost"), request.fault.value)
                return 200, answer
            case ("GET", "jobs", job_id):
                job = store.get(job_id)
                odd = {"status": "pondering"} if request.kind == "odd_state" else {}
                style = "none" if request.kind == "no_shots" and not job.children else self.results_style
                return 200, job_description(job, style) | odd
            case ("GET", "jobs", job_id, "cost"):
                return 200, cost(store.get(job_id))
            case ("GET", "jobs", job_id, "results" | "artifacts", "shots"):
                return 200, _shots(store.get(job_id), request.kind)
            case ("GET", "jobs", job_id, "results", "probabilities"):
                return 200, self._results(store.get(job_id), request)
            case ("GET", "jobs", job_id, "results", "probabilities", "aggregated") | (
                "GET",
                "jobs",
                job_id,
                "artifacts",
                "probabilities" | "probabilities-aggregate",
            ):
                return 200, self._results(store.get(job_id), request, aggregated=True)
            case ("PUT", "jobs", job_id, "status", "cancel"):
                return 200, {"id": job_id, "status": store.cancel(job_id).status}
        raise RefusedError(404, f"no {request.method} /{'/'.join(request.path)}")

    def _list(self, query: Mapping[str, str]) -> dict[str, Any]:
        jobs = sorted(self._store.jobs.values(), key=lambda j: -j.number)
        jobs = [j for j in jobs if query.get("target") in (None, j.backend)]
        jobs = [j for j in jobs if query.get("status") in (None, j.status)]
        start, size = int(query.get("next", "0")), min(_PAGE, int(query.get("limit", _PAGE)))
        following = str(start + size) if start + size < len(jobs) else None
        page = [job_description(j, self.results_style) for j in jobs[start : start + size]]
        return {"jobs": page, "next": following}

    def _results(self, job: StoredJob, request: Request, aggregated: bool = False) -> dict[str, Any]:
        kind, how = request.kind, request.query.get("aggregation", "average")
        if job.status != "completed" or (job.children and not aggregated):
            raise RefusedError(404, f"job {job.id} has no such result (it is {job.status})")
        if not job.children:
            return _spoiled(_sharpened(job, how), kind)
        jobs = self._store.jobs
        children = list(reversed(job.children)) if kind == "reorder" else job.children
        results: dict[str, Any] = {child: _sharpened(jobs[child], how) for child in children}
        if kind == "missing":
            del results[children[-1]]
        elif kind in ("empty", "not_a_number"):
            results[children[-1]] = _spoiled(results[children[-1]], kind)
        return results


def _shots(job: StoredJob, kind: str) -> list[str]:
    """Return a circuit's single shots, changed by the fault."""
    if job.status != "completed" or job.children or not job.sampled:
        raise RefusedError(404, f"job {job.id} has no single shots (it is {job.status})")
    shots = job.single_shots()
    if kind in ("missing", "empty"):
        return shots[:-1] if kind == "missing" else []
    if kind == "out_of_range":
        return [str(1 << job.qubits), *shots[1:]]
    if kind == "contradiction":
        return [str(int(shots[0]) ^ 1), *shots[1:]]
    return shots


_SHARPENING = {"average": 1.0, "voting": 3.0, "dnl": 2.0}  # powers; invented


def _sharpened(job: StoredJob, how: str) -> dict[str, float]:
    """Return a circuit's probabilities, sharpened by ``how`` with debiasing."""
    results = dict(job.results or {})
    if how not in _SHARPENING:
        raise RefusedError(400, f"aggregation {how!r}")
    if not job.payload.get("settings", {}).get("error_mitigation", {}).get("debiasing") or how == "average":
        return results
    powers = {state: p ** _SHARPENING[how] for state, p in results.items()}
    return {state: p / sum(powers.values()) for state, p in powers.items()}


def _spoiled(result: dict[str, float], kind: str) -> dict[str, float]:
    """Return a circuit's probabilities, changed by the fault."""
    states = list(result)
    if kind == "empty":
        return {}
    if kind == "missing":
        return {state: result[state] for state in states[:-1]}
    if kind == "not_a_number":
        return result | {states[0]: float("nan")}
    return result


def json_object(body: bytes) -> dict[str, Any]:
    """Return a request's body.

    Raises:
        RefusedError: if it is no JSON object.
    """
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise RefusedError(400, "the body is not a JSON object")
    return data


def error(status: int, message: str) -> dict[str, Any]:
    """Return a refusal in the API's form."""
    return {"statusCode": status, "error": "Mock Server Error", "message": message}
