"""Answers of the mock server to the requests of IonQ's API v0.4."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from qllmft_machines.errors import PARSE_ERRORS
from qllmft_machines.sandbox import shapes
from qllmft_machines.sandbox.job import ACCOUNT, StoredJob
from qllmft_machines.sandbox.programs import compile_to_native
from qllmft_machines.sandbox.request import RefusedError, Request
from qllmft_machines.sandbox.shapes import SHARPENING, ResultsForm
from qllmft_machines.sandbox.store import BACKENDS, Store

_PAGE_SIZE = 25
# (name that requests are counted by, method and path below the version, handler); the groups of a path are the
# arguments of the handler
_ROUTES = [
    ("backends", "GET backends", "backends"),
    ("backends", "GET backends/([^/]+)", "backend"),
    ("backends", "GET backends/([^/]+)/characterizations(?:/([^/]+))?", "characterizations"),
    ("account", "GET whoami", "whoami"),
    ("account", "GET organizations/([^/]+)/usage", "usage"),
    ("account", "GET schemas/formats/([^/]+)", "format"),
    ("sessions", "POST sessions", "open_session"),
    ("sessions", "GET sessions", "sessions"),
    ("sessions", "GET sessions/([^/]+)/jobs", "session_jobs"),
    ("sessions", "GET sessions/([^/]+)", "session"),
    ("sessions", "POST sessions/([^/]+)/(end)", "session"),
    ("submit", "POST jobs", "submit"),
    ("submit", "POST jobs/([^/]+)/(clone|move)", "resubmit"),
    ("list", "GET jobs", "list"),
    ("delete", "DELETE jobs(?:/([^/]+))?", "delete"),
    ("cancel", "PUT jobs(?:/([^/]+))?/status/cancel", "cancel"),
    ("estimate", "GET jobs/estimate", "estimate"),
    ("poll", "GET jobs/([^/]+)", "job"),
    ("cost", "GET jobs/([^/]+)/cost", "cost"),
    ("shots", "GET jobs/([^/]+)/(?:results|artifacts)/shots(-v2)?", "shots"),
    (
        "results",
        "GET jobs/([^/]+)/(?:results|artifacts)/probabilities(/aggregated|-aggregate)?",
        "results",
    ),
    ("results", "GET jobs/([^/]+)/artifacts/(probabilities-v2|aggregation-[a-z]+)", "registers"),
    ("results", r"GET jobs/([^/]+)/artifacts/variant-(\d+)", "variant"),
    ("results", "GET jobs/([^/]+)/artifacts/native", "native"),
]


def find_route(request: Request) -> tuple[str, str, tuple[Any, ...]]:
    """Return the route's name, the name of its handler and the handler's arguments. "other" is no route."""
    target = f"{request.method} {request.path.removeprefix('/v0.4/').rstrip('/')}"
    for name, pattern, handler in _ROUTES:
        path_match = re.fullmatch(pattern, target)
        if path_match and request.path.startswith("/v0.4/"):
            return name, handler, path_match.groups()
    return "other", "", ()


class Api:
    """API on a store.

    Attributes:
        results_form: form in which a job names its results: ``url`` (v0.4 as qiskit-ionq 1.1.1 reads it),
            ``artifacts`` (v0.4 as published in 2026), or ``v2`` (the same with bits by register in the place of decimal
            states).
    """

    def __init__(self, store: Store, results_form: ResultsForm = "url") -> None:
        self._store = store
        self.results_form = results_form

    def answer(self, request: Request) -> tuple[int, Any]:
        """Return HTTP status and JSON value, or raise `RefusedError`."""
        _, handler, arguments = find_route(request)
        if not handler:
            raise RefusedError(f"no {request.method} {request.path}: the API is below /v0.4", 404)
        try:
            with self._store.lock:
                answer = getattr(self, f"_{handler}")(request, *arguments)
        except PARSE_ERRORS as problem:
            reason = f"{type(problem).__name__}: {problem}"
            raise RefusedError(f"malformed request ({reason[:200]})") from None
        return 201 if handler in ("open_session", "submit", "resubmit") else 200, answer

    def _backends(self, _: Request) -> list[dict[str, Any]]:
        return [shapes.backend(name) for name in BACKENDS]

    def _backend(self, _: Request, name: str) -> dict[str, Any]:
        if name not in BACKENDS:
            raise RefusedError(f"no backend {name}", 404)
        return shapes.backend(name)

    def _characterizations(
        self, request: Request, name: str, characterization_id: str | None
    ) -> dict[str, Any]:
        self._backend(request, name)
        with_former_names = self.results_form == "url"
        characterizations = (
            [shapes.characterization(name, with_former_names=with_former_names)]
            if name != "simulator"
            else []
        )
        if characterization_id is None:
            return {"characterizations": characterizations, "pages": 0}
        if not characterizations or characterizations[0]["id"] != characterization_id:
            raise RefusedError(f"no characterization {characterization_id} of {name}", 404)
        return characterizations[0]

    def _whoami(self, _: Request) -> dict[str, Any]:
        return {"key_id": ACCOUNT, "key_name": shapes.LABEL, "project_id": ACCOUNT}

    def _usage(self, request: Request, organization: str) -> dict[str, Any]:
        parent_jobs = [job for job in self._store.jobs.values() if job.parent is None]
        return shapes.usage(parent_jobs, organization, request.query)

    def _format(self, _: Request, name: str) -> dict[str, Any]:
        if name not in shapes.FORMATS:
            raise RefusedError(f"no format {name}", 404)
        schema = "https://json-schema.org/draft-07/schema"
        return {"$schema": schema, "$id": name, "type": shapes.FORMATS[name]}

    def _sessions(self, request: Request) -> dict[str, Any]:
        now = self._store.now()
        active = request.query.get("active")
        session_descriptions = [session.describe(now) for session in self._store.sessions.values()]
        session_descriptions = [
            session
            for session in session_descriptions
            if active in (None, str(session["active"]).lower())
        ]
        return {"organization_id": ACCOUNT, "sessions": session_descriptions}

    def _session_jobs(self, request: Request, session_id: str) -> dict[str, Any]:
        self._store.session(session_id)
        return self._list(replace(request, query={**request.query, "session_id": session_id}))

    def _open_session(self, request: Request) -> dict[str, Any]:
        return self._store.open_session(request.json())

    def _session(self, _: Request, session_id: str, end: str = "") -> dict[str, Any]:
        session = self._store.session(session_id)
        now = self._store.now()
        if end and session.ended_at is None:
            session.ended_at = now
        return session.describe(now)

    def _submit(self, request: Request) -> dict[str, Any]:
        return _submission_answer(self._store.submit(request.json()))

    def _resubmit(self, request: Request, job_id: str, verb: str) -> dict[str, Any]:
        """Send the circuits of a job again, with the settings of the body; ``move`` cancels the job before."""
        former_job = self._store.get(job_id)
        if former_job.parent:
            raise RefusedError(f"job {job_id} is a child")
        if verb == "move":
            self._store.cancel(job_id)
        return _submission_answer(self._store.submit({**former_job.payload, **request.json()}))

    def _list(self, request: Request) -> dict[str, Any]:
        query = request.query
        jobs = sorted(self._store.jobs.values(), key=lambda j: -j.number)
        jobs = [
            j
            for j in jobs
            if j.backend in query.get("target", j.backend).split(",")
            and query.get("session_id") in (None, j.payload.get("session_id"))
            and query.get("parent_job_id") in (None, j.parent)
            and query.get("status") in (None, j.status)
        ]
        start = int(query.get("next", "0"))
        size = min(_PAGE_SIZE, int(query.get("limit", _PAGE_SIZE)))
        next_start = str(start + size) if start + size < len(jobs) else None
        page = [shapes.job_description(j, self.results_form) for j in jobs[start : start + size]]
        for job in page:
            del job["child_job_ids"]  # only GET jobs/{id} has them
        return {"jobs": page, "next": next_start}

    def _estimate(self, request: Request) -> dict[str, Any]:
        return shapes.describe_price(request.query, with_former_names=self.results_form == "url")

    def _job(self, _: Request, job_id: str) -> dict[str, Any]:
        return shapes.job_description(self._store.get(job_id), self.results_form)

    def _cost(self, _: Request, job_id: str) -> dict[str, Any]:
        return shapes.cost(self._store.get(job_id))

    def _cancel(self, request: Request, job_id: str | None) -> dict[str, Any]:
        if job_id is not None:
            return {"id": job_id, "status": self._store.cancel(job_id).status}
        ids = list(request.json()["ids"])
        return {
            "ids": [self._store.cancel(listed_id).id for listed_id in ids],
            "status": "canceled",
        }

    def _delete(self, request: Request, job_id: str | None) -> dict[str, Any]:
        ids = list(request.json()["ids"]) if job_id is None else [job_id]
        for deleted_id in ids:
            self._store.delete(deleted_id)
        id_fields = {"ids": ids} if job_id is None else {"id": job_id}
        return {**id_fields, "status": "deleted"}

    def _shots(self, _: Request, job_id: str, version: str | None) -> Any:
        """Return single shots, as decimal states or, in version 2, as bits."""
        job = self._store.get(job_id)
        if job.status != "completed" or job.children or not job.sampled:
            raise RefusedError(f"job {job.id} has no single shots (it is {job.status})", 404)
        shots = job.single_shots()
        if version is None:
            return shots
        return {"shots": [_as_register(list(map(int, _to_bits(state, job)))) for state in shots]}

    def _results(self, request: Request, job_id: str, aggregate_path: str | None) -> dict[str, Any]:
        job = self._store.get(job_id)
        aggregation = request.query.get("aggregation", "average")
        if job.status != "completed" or (job.children and not aggregate_path):
            raise RefusedError(f"job {job.id} has no such result (it is {job.status})", 404)
        if not job.children:
            return _sharpen(job, aggregation)
        return {child: _sharpen(self._store.jobs[child], aggregation) for child in job.children}

    def _registers(self, request: Request, job_id: str, artifact: str) -> dict[str, Any]:
        """Return results in version 2 of their form: bits by register, qubit 0 first."""
        aggregation = artifact.removeprefix("aggregation-")
        job = self._store.get(job_id)
        query = {"aggregation": aggregation} if aggregation != artifact else {}
        result = self._results(replace(request, query=query), job_id, None)
        bits = {_to_bits(state, job): probability for state, probability in result.items()}
        if not query:
            return {"probabilities": _as_register(bits)}
        counts = {state: probability * job.shots for state, probability in bits.items()}
        return {"histogram": _as_register(counts)}

    def _variant(self, _: Request, job_id: str, number: str) -> dict[str, Any]:
        """Return the counts of one variant of a debiased circuit."""
        job = self._store.get(job_id)
        counts = Counter(_to_bits(state, job) for state in job.variant_shots()[int(number)])
        return {"histogram": _as_register(dict(counts))}

    def _native(self, _: Request, job_id: str) -> dict[str, Any]:
        """Return the compiled circuit of a dry run."""
        job = self._store.get(job_id)
        if not job.dry_run or job.children:
            raise RefusedError(f"job {job.id} is no dry run of a circuit", 404)
        gateset = str(job.payload["input"].get("gateset", "qis"))
        return compile_to_native(job.circuits[0], job.qubits, gateset)


def _submission_answer(job: StoredJob) -> dict[str, Any]:
    return {"id": job.id, "status": job.status, "session_id": job.payload.get("session_id")}


def _as_register(values: Any) -> dict[str, Any]:
    return {"registers": {"output_all": values}}


def _to_bits(state: str, job: StoredJob) -> str:
    """Return a decimal state as bits, qubit 0 first."""
    return f"{int(state):0{job.qubits}b}"[::-1]


def _sharpen(job: StoredJob, aggregation: str) -> dict[str, float]:
    """Return a circuit's probabilities, sharpened by ``aggregation`` with debiasing."""
    results = dict(job.results or {})
    if aggregation not in SHARPENING:
        raise RefusedError(f"aggregation {aggregation!r}")
    if aggregation == "average" or not job.debiased:
        return results
    sharpened = {state: p ** SHARPENING[aggregation] for state, p in results.items()}
    return {state: p / sum(sharpened.values()) for state, p in sharpened.items()}
