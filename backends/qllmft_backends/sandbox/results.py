"""Answers of the mock server to the requests of results: probabilities, variants, single shots, compiled circuits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from qllmft_backends.sandbox.circuits import compiled
from qllmft_backends.sandbox.job import StoredJob
from qllmft_backends.sandbox.request import RefusedError, Request
from qllmft_backends.sandbox.store import Store

_SHARPENING = {"average": 1.0, "voting": 3.0, "dnl": 2.0, "majority": 4.0}  # powers; invented


class Results:
    """Handlers of results on a store."""

    _store: Store

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
        job, kind, how = (
            self._store.get(job_id),
            request.fault_kind,
            request.query.get("aggregation", "average"),
        )
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


def _bits(state: str, job: StoredJob) -> str:
    """Return a decimal state as bits, qubit 0 first."""
    return f"{int(state):0{job.qubits}b}"[::-1]


def _sharpened(job: StoredJob, how: str) -> dict[str, float]:
    """Return a circuit's probabilities, sharpened by ``how`` with debiasing."""
    results = dict(job.results or {})
    if how not in _SHARPENING:
        raise RefusedError(400, f"aggregation {how!r}")
    if (
        not job.payload.get("settings", {}).get("error_mitigation", {}).get("debiasing")
        or how == "average"
    ):
        return results
    powers = {state: p ** _SHARPENING[how] for state, p in results.items()}
    return {state: p / sum(powers.values()) for state, p in powers.items()}


def _faulty(result: dict[str, float], kind: str) -> dict[str, float]:
    states = list(result)
    if kind == "empty":
        return {}
    if kind == "missing":
        return {state: result[state] for state in states[:-1]}
    return result | {states[0]: float("nan")} if kind == "not_a_number" else result
