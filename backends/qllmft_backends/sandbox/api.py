"""Answers of the mock server to the requests of IonQ's API v0.4."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from qllmft_backends.sandbox import shapes
from qllmft_backends.sandbox.circuits import compiled
from qllmft_backends.sandbox.job import ACCOUNT, StoredJob
from qllmft_backends.sandbox.request import OUTCOMES, RefusedError, Request, json_object
from qllmft_backends.sandbox.shapes import (
    SHARPENING,
    ResultsForm,
    backend,
    characterization,
    cost,
    estimate,
    job_description,
)
from qllmft_backends.sandbox.store import BACKENDS, Store

_PAGE = 25
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# (route of `Fault.on`, method and path below the version); the groups of a path are the arguments
# of the handler
_ROUTES = [
    ("backends", "GET backends", "backends"),
    ("backends", "GET backends/([^/]+)", "backend"),
    ("backends", "GET backends/([^/]+)/characterizations", "characterizations"),
    ("backends", "GET backends/([^/]+)/characterizations/([^/]+)", "one_characterization"),
    ("account", "GET whoami", "whoami"),
    ("account", "GET organizations/([^/]+)/usage", "usage"),
    ("account", "GET schemas/formats/([^/]+)", "format"),
    ("sessions", "POST sessions", "open_session"),
    ("sessions", "GET sessions", "sessions"),
    ("sessions", "GET sessions/([^/]+)/jobs", "session_jobs"),
    ("sessions", "GET sessions/([^/]+)", "session"),
    ("sessions", "POST sessions/([^/]+)/end", "end_session"),
    ("submit", "POST jobs", "submit"),
    ("submit", "POST jobs/([^/]+)/(clone|move)", "resubmit"),
    ("list", "GET jobs", "list"),
    ("delete", "DELETE jobs", "delete_all"),
    ("delete", "DELETE jobs/([^/]+)", "delete"),
    ("cancel", "PUT jobs/status/cancel", "cancel_all"),
    ("estimate", "GET jobs/estimate", "estimate"),
    ("poll", "GET jobs/([^/]+)", "job"),
    ("cost", "GET jobs/([^/]+)/cost", "cost"),
    ("shots", "GET jobs/([^/]+)/(?:results|artifacts)/shots(-v2)?", "shots"),
    ("results", "GET jobs/([^/]+)/results/probabilities", "results"),
    ("results", "GET jobs/([^/]+)/results/probabilities/aggregated", "aggregated"),
    ("results", "GET jobs/([^/]+)/artifacts/probabilities(?:-aggregate)?", "aggregated"),
    ("results", "GET jobs/([^/]+)/artifacts/(probabilities-v2|aggregation-[a-z]+)", "registers"),
    ("results", r"GET jobs/([^/]+)/artifacts/variant-(\d+)", "variant"),
    ("results", "GET jobs/([^/]+)/artifacts/native", "native"),
    ("cancel", "PUT jobs/([^/]+)/status/cancel", "cancel"),
]


def route_of(request: Request) -> tuple[str, str, tuple[str, ...]]:
    """Return the route's name, the name of its handler and the handler's arguments. "other" is no route."""
    target = f"{request.method} {request.path.removeprefix('/v0.4/').rstrip('/')}"
    for name, pattern, handler in _ROUTES:
        found = re.fullmatch(pattern, target)
        if found and request.path.startswith("/v0.4/"):
            return name, handler, found.groups()
    return "other", "", ()


class Api:
    """API on a store.

    Attributes:
        results_form: form in which a job names its results: ``url`` (v0.4 as qiskit-ionq 1.1.1 reads it),
            ``artifacts`` (v0.4 as published in 2026), ``v2`` (the same with bits by register in the place of decimal
            states), or ``none``, so that each child has to be read.
    """

    def __init__(self, store: Store, results_form: ResultsForm = "url") -> None:
        self._store = store
        self.results_form = results_form

    def answer(self, request: Request) -> tuple[int, Any]:
        """Return HTTP status and JSON value, or raise `RefusedError`."""
        _, handler, arguments = route_of(request)
        if not handler:
            raise RefusedError(404, f"no {request.method} {request.path}; the API is below /v0.4")
        try:
            with self._store.lock:
                answer = getattr(self, f"_{handler}")(request, *arguments)
        except _MALFORMED as problem:
            reason = f"{type(problem).__name__}: {problem}"
            raise RefusedError(400, f"malformed request ({reason[:200]})") from None
        return 201 if handler in ("open_session", "submit", "resubmit") else 200, answer

    def _backends(self, _: Request) -> list[dict[str, Any]]:
        return [backend(name) for name in BACKENDS]

    def _backend(self, _: Request, name: str) -> dict[str, Any]:
        if name not in BACKENDS:
            raise RefusedError(404, f"no backend {name}")
        return backend(name)

    def _characterizations(self, request: Request, name: str) -> dict[str, Any]:
        self._backend(request, name)
        former = self.results_form == "url"
        found = [characterization(name, former=former)] if name != "simulator" else []
        return {"characterizations": found, "pages": 0}

    def _one_characterization(self, request: Request, name: str, identity: str) -> dict[str, Any]:
        found = self._characterizations(request, name)["characterizations"]
        if not found or found[0]["id"] != identity:
            raise RefusedError(404, f"no characterization {identity} of {name}")
        return dict(found[0])

    def _whoami(self, _: Request) -> dict[str, Any]:
        return {"key_id": ACCOUNT, "key_name": shapes.LABEL, "project_id": ACCOUNT}

    def _usage(self, request: Request, organization: str) -> dict[str, Any]:
        with_price = [job for job in self._store.jobs.values() if job.parent is None]
        return shapes.usage(with_price, organization, request.query)

    def _format(self, _: Request, name: str) -> dict[str, Any]:
        if name not in shapes.FORMATS:
            raise RefusedError(404, f"no format {name}")
        return {
            "$schema": "https://json-schema.org/draft-07/schema",
            "$id": name,
            "type": shapes.FORMATS[name],
        }

    def _sessions(self, request: Request) -> dict[str, Any]:
        now, active = self._store.now(), request.query.get("active")
        found = [session.describe(now) for session in self._store.sessions.known.values()]
        found = [session for session in found if active in (None, str(session["active"]).lower())]
        return {"organization_id": ACCOUNT, "sessions": found}

    def _session_jobs(self, request: Request, session_id: str) -> dict[str, Any]:
        self._session(request, session_id)
        return self._list(replace(request, query={**request.query, "session_id": session_id}))

    def _open_session(self, request: Request) -> dict[str, Any]:
        now = self._store.now()
        return self._store.sessions.open(json_object(request.body), BACKENDS, now).describe(now)

    def _session(self, _: Request, session_id: str) -> dict[str, Any]:
        return self._store.sessions.get(session_id).describe(self._store.now())

    def _end_session(self, request: Request, session_id: str) -> dict[str, Any]:
        self._store.sessions.get(session_id).end(self._store.now())
        return self._session(request, session_id)

    def _submit(self, request: Request) -> dict[str, Any]:
        outcome = request.fault_kind if request.fault_kind in OUTCOMES else ""
        message = request.fault.value if request.fault else None
        job = self._store.submit(json_object(request.body), outcome, message)
        return {"id": job.id, "status": job.status, "session_id": job.payload.get("session_id")}

    def _resubmit(self, request: Request, job_id: str, verb: str) -> dict[str, Any]:
        """Send the circuits of a job again, with the settings of the body; ``move`` cancels the job before."""
        former = self._store.get(job_id)
        if former.parent:
            raise RefusedError(400, f"job {job_id} is a child")
        if verb == "move":
            self._store.cancel(job_id)
        job = self._store.submit({**former.payload, **json_object(request.body)})
        return {"id": job.id, "status": job.status, "session_id": job.payload.get("session_id")}

    def _list(self, request: Request) -> dict[str, Any]:
        query = request.query
        jobs = sorted(self._store.jobs.values(), key=lambda j: -j.number)
        jobs = [j for j in jobs if "target" not in query or j.backend in query["target"].split(",")]
        jobs = [j for j in jobs if query.get("session_id") in (None, j.payload.get("session_id"))]
        jobs = [j for j in jobs if query.get("parent_job_id") in (None, j.parent)]
        jobs = [j for j in jobs if query.get("status") in (None, j.status)]
        start, size = int(query.get("next", "0")), min(_PAGE, int(query.get("limit", _PAGE)))
        following = str(start + size) if start + size < len(jobs) else None
        page = [job_description(j, self.results_form) for j in jobs[start : start + size]]
        for job in page:
            del job["child_job_ids"]  # only GET jobs/{id} has them
        return {"jobs": page, "next": following}

    def _estimate(self, request: Request) -> dict[str, Any]:
        answer = estimate(request.query, former=self.results_form == "url")
        if request.fault and request.fault_kind == "price":
            answer |= dict.fromkeys(("estimated_cost", "estimated_total_cost"), request.fault.value)
        return answer

    def _job(self, request: Request, job_id: str) -> dict[str, Any]:
        job = self._store.get(job_id)
        hidden = request.fault_kind == "no_shots" and not job.children
        return job_description(job, "none" if hidden else self.results_form) | (
            {"status": "pondering"} if request.fault_kind == "odd_state" else {}
        )

    def _cost(self, _: Request, job_id: str) -> dict[str, Any]:
        return cost(self._store.get(job_id))

    def _cancel(self, _: Request, job_id: str) -> dict[str, Any]:
        return {"id": job_id, "status": self._store.cancel(job_id).status}

    def _cancel_all(self, request: Request) -> dict[str, Any]:
        ids = list(json_object(request.body)["ids"])
        return {"ids": [self._store.cancel(job_id).id for job_id in ids], "status": "canceled"}

    def _delete(self, _: Request, job_id: str) -> dict[str, Any]:
        self._store.delete(job_id)
        return {"id": job_id, "status": "deleted"}

    def _delete_all(self, request: Request) -> dict[str, Any]:
        ids = list(json_object(request.body)["ids"])
        for job_id in ids:
            self._store.delete(job_id)
        return {"ids": ids, "status": "deleted"}

    def _shots(self, request: Request, job_id: str, version: str | None) -> Any:
        shots = self._single_shots(request, job_id)
        if version is None:
            return shots
        width = self._store.get(job_id).qubits
        rows = [[int(state) >> qubit & 1 for qubit in range(width)] for state in shots]
        return {"shots": [{"registers": {"output_all": bits}} for bits in rows]}

    def _single_shots(self, request: Request, job_id: str) -> list[str]:
        job, kind = self._store.get(job_id), request.fault_kind
        if job.status != "completed" or job.children or not job.sampled:
            raise RefusedError(404, f"job {job.id} has no single shots (it is {job.status})")
        shots = job.single_shots()
        if kind in ("missing", "empty"):
            return shots[:-1] if kind == "missing" else []
        if kind == "out_of_range":
            return [str(1 << job.qubits), *shots[1:]]
        return [str(int(shots[0]) ^ 1), *shots[1:]] if kind == "contradiction" else shots

    def _results(self, request: Request, job_id: str, aggregated: bool = False) -> dict[str, Any]:
        job, kind = self._store.get(job_id), request.fault_kind
        how = request.query.get("aggregation", "average")
        if job.status != "completed" or (job.children and not aggregated):
            raise RefusedError(404, f"job {job.id} has no such result (it is {job.status})")
        if not job.children:
            return _faulty(_sharpened(job, how), kind)
        children = list(reversed(job.children)) if kind == "reorder" else job.children
        results: dict[str, Any] = {
            child: _sharpened(self._store.jobs[child], how) for child in children
        }
        if kind == "missing":
            del results[children[-1]]
        elif kind in ("empty", "not_a_number"):
            results[children[-1]] = _faulty(results[children[-1]], kind)
        return results

    def _registers(self, request: Request, job_id: str, artifact: str) -> dict[str, Any]:
        """Return results in version 2 of their form: bits by register, qubit 0 first."""
        how, job = artifact.removeprefix("aggregation-"), self._store.get(job_id)
        combined = how != artifact
        query = {"aggregation": how} if combined else {}
        result = self._results(replace(request, query=query), job_id)
        bits = {_bits(state, job): p for state, p in result.items()}
        if not combined:
            return {"probabilities": {"registers": {"output_all": bits}}}
        return {
            "histogram": {
                "registers": {"output_all": {state: p * job.shots for state, p in bits.items()}}
            }
        }

    def _variant(self, request: Request, job_id: str, number: str) -> dict[str, Any]:
        """Return the counts of one variant of a debiased circuit."""
        del request
        job = self._store.get(job_id)
        counts = Counter(_bits(state, job) for state in job.shots_of_variants()[int(number)])
        return {"histogram": {"registers": {"output_all": dict(counts)}}}

    def _native(self, request: Request, job_id: str) -> dict[str, Any]:
        """Return the compiled circuit of a dry run."""
        del request
        job = self._store.get(job_id)
        if not job.dry_run or job.children:
            raise RefusedError(404, f"job {job.id} is no dry run of a circuit")
        return compiled(
            job.circuits[0], job.qubits, str(job.payload["input"].get("gateset", "qis"))
        )

    def _aggregated(self, request: Request, job_id: str) -> dict[str, Any]:
        return self._results(request, job_id, aggregated=True)


def error(status: int, message: str) -> dict[str, Any]:
    """Return a refusal in the API's form."""
    return {"statusCode": status, "error": "Mock Server Error", "message": message}


def _bits(state: str, job: StoredJob) -> str:
    """Return a decimal state as bits, qubit 0 first."""
    return f"{int(state):0{job.qubits}b}"[::-1]


def _sharpened(job: StoredJob, how: str) -> dict[str, float]:
    """Return a circuit's probabilities, sharpened by ``how`` with debiasing."""
    results = dict(job.results or {})
    if how not in SHARPENING:
        raise RefusedError(400, f"aggregation {how!r}")
    if (
        not job.payload.get("settings", {}).get("error_mitigation", {}).get("debiasing")
        or how == "average"
    ):
        return results
    powers = {state: p ** SHARPENING[how] for state, p in results.items()}
    return {state: p / sum(powers.values()) for state, p in powers.items()}


def _faulty(result: dict[str, float], kind: str) -> dict[str, float]:
    states = list(result)
    if kind == "empty":
        return {}
    if kind == "missing":
        return {state: result[state] for state in states[:-1]}
    return result | {states[0]: float("nan")} if kind == "not_a_number" else result
