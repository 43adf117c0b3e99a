"""What the sandbox answers: the requests of IonQ's API v0.4 that the backends send."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qllmft_backends.ionq.sandbox.faults import FATES, Fault
from qllmft_backends.ionq.sandbox.job import Refused, StoredJob
from qllmft_backends.ionq.sandbox.shapes import backend, characterization, cost, estimate, job_description
from qllmft_backends.ionq.sandbox.store import BACKENDS, Store

_PAGE = 25


@dataclass(frozen=True)
class Request:
    """A request, read.

    Attributes:
        method: ``GET``, ``POST`` or ``PUT``.
        path: its parts, the API's version first.
        query: of the address.
        body: bytes.
        fault: that it meets; None: none.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    body: bytes
    fault: Fault | None

    @property
    def kind(self) -> str:
        """Of the fault; "" where there is none."""
        return self.fault.kind if self.fault else ""


class Api:
    """The API on a store.

    Attributes:
        results_style: see `Sandbox`.
    """

    def __init__(self, store: Store, results_style: str) -> None:
        self._store = store
        self.results_style = results_style

    def answer(self, request: Request, check_key: Callable[[], None]) -> tuple[int, Any]:
        """HTTP status and JSON value; ``check_key`` is asked where a key is needed.

        Raises:
            Refused: as the API would refuse.
        """
        if request.path[:1] != ("v0.4",):
            raise Refused(404, f"no /{'/'.join(request.path)}; the API is below /v0.4")
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
                    return 201, store.sessions.open(json_object(request.body), BACKENDS, store.now()).describe(
                        store.now()
                    )
                case ("GET", session_id):
                    return 200, store.sessions.get(session_id).describe(store.now())
                case ("POST", session_id, "end"):
                    session = store.sessions.get(session_id)
                    session.ended = True
                    return 200, session.describe(store.now())
        raise Refused(404, f"no {request.method} /{'/'.join(request.path)}")

    def _jobs(self, request: Request) -> tuple[int, Any]:
        store = self._store
        match (request.method, *request.path[1:]):
            case ("POST", "jobs"):
                fate = request.kind if request.kind in FATES else ""
                says = {"says": request.fault.value} if request.fault and request.fault.value else {}
                job = store.submit(json_object(request.body), fate, **says)
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
        raise Refused(404, f"no {request.method} /{'/'.join(request.path)}")

    def _list(self, query: Mapping[str, str]) -> dict[str, Any]:
        jobs = sorted(self._store.jobs.values(), key=lambda j: -j.number)
        jobs = [j for j in jobs if query.get("target") in (None, j.payload["backend"])]
        jobs = [j for j in jobs if query.get("status") in (None, j.status)]
        start, size = int(query.get("next", "0")), min(_PAGE, int(query.get("limit", _PAGE)))
        following = str(start + size) if start + size < len(jobs) else None
        page = [job_description(j, self.results_style) for j in jobs[start : start + size]]
        return {"jobs": page, "next": following}

    def _results(self, job: StoredJob, request: Request, aggregated: bool = False) -> dict[str, Any]:
        kind, how = request.kind, request.query.get("aggregation", "average")
        if job.status != "completed" or (job.children and not aggregated):
            raise Refused(404, f"job {job.id} has no such result (it is {job.status})")
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
    """A circuit's single shots as the fault leaves them."""
    if job.status != "completed" or job.children or not job.sampled:
        raise Refused(404, f"job {job.id} has no single shots (it is {job.status})")
    shots = job.single_shots()
    if kind in ("missing", "empty"):
        return shots[:-1] if kind == "missing" else []
    if kind == "out_of_range":
        return [str(1 << job.payload["input"]["qubits"]), *shots[1:]]
    if kind == "contradiction":
        return [str(int(shots[0]) ^ 1), *shots[1:]]
    return shots


_SHARPENING = {"average": 1.0, "voting": 3.0, "dnl": 2.0}  # powers; pretended


def _sharpened(job: StoredJob, how: str) -> dict[str, float]:
    """A circuit's probabilities; with debiasing sharpened as ``how`` has it."""
    results = dict(job.results or {})
    if how not in _SHARPENING:
        raise Refused(400, f"aggregation {how!r}")
    if not job.payload.get("settings", {}).get("error_mitigation", {}).get("debiasing") or how == "average":
        return results
    powers = {state: p ** _SHARPENING[how] for state, p in results.items()}
    return {state: p / sum(powers.values()) for state, p in powers.items()}


def _spoiled(result: dict[str, float], kind: str) -> dict[str, float]:
    """A circuit's probabilities as the fault leaves them."""
    states = list(result)
    if kind == "empty":
        return {}
    if kind == "missing":
        return {state: result[state] for state in states[:-1]}
    if kind == "not_a_number":
        return result | {states[0]: float("nan")}
    return result


def json_object(body: bytes) -> dict[str, Any]:
    """A request's body.

    Raises:
        Refused: it is no JSON object.
    """
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Refused(400, "the body is not a JSON object")
    return data


def error(status: int, message: str) -> dict[str, Any]:
    """A refusal, as the API words it."""
    return {"statusCode": status, "error": "Sandbox Error", "message": message}
