"""Client of the service: jobs and prices, and the results of jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from qllmft_backends.remote.errors import JobFailedError, RemoteRequestError
from qllmft_backends.remote.ionq.job_client import JobClient
from qllmft_backends.remote.ledger.payload import mapping
from qllmft_backends.remote.ledger.variants import described

_PROBABILITIES = "ionq.result.probabilities.json.v1"  # descriptors of the newer form of v0.4
_PROBABILITIES_V2 = "ionq.result.probabilities.json.v2"
_SHOTS, _SHOTS_V2 = "ionq.result.shots.json.v1", "ionq.result.shots.json.v2"
_NATIVE = "ionq.native.v1"
_OF_VARIANTS = ("ionq.result.histogram.json.v2", _PROBABILITIES_V2, _PROBABILITIES)
_AGGREGATE = "ionq.result.probabilities-aggregate.json.v1"


class Client(JobClient):
    """Client of jobs, prices and results."""

    def probabilities(
        self, job: Mapping[str, Any], children: Sequence[str], aggregation: str | None = None
    ) -> dict[str, Any]:
        """Return raw probabilities of a completed job, keyed by the id of each child (of the job without children).

        They are read from the address that the job names, from its artifact, or child by child: v0.4 has had all three.
        ``aggregation`` is the combination of a debiased job's variants, an artifact of each circuit or a parameter of
        the address; None: the server's default.

        Raises:
            JobFailedError: if they are no JSON object, or are at another address.
        """
        job_id, results = str(job["id"]), mapping(job.get("results"))
        url = mapping(results.get("probabilities")).get("url")
        artifact = _artifact_id(
            results, *([_AGGREGATE] if children else [_PROBABILITIES, _PROBABILITIES_V2])
        )
        combined = None if aggregation is None else self._aggregated(job, children, aggregation)
        if combined is not None:
            return combined
        if isinstance(url, str):
            address = self._absolute(url, job_id)
            payload = self._read(
                address, None if aggregation is None else {"aggregation": aggregation}
            )
        elif aggregation is not None:
            raise RemoteRequestError(
                f"job {job_id} names neither results of the aggregation {aggregation!r} nor an address at which the "
                "server can be asked for them. Nothing is lost: aggregation='average' reads the server's own."
            )
        elif artifact is not None:
            payload = self._artifact(job_id, artifact)
        elif children:
            return {child: self.circuit_probabilities(child) for child in children}
        else:
            payload = self.circuit_probabilities(job_id)
        if children and not isinstance(payload, dict):
            raise JobFailedError(
                f"the results of job {job_id} are a JSON {type(payload).__name__}, expected an object with one entry "
                "per circuit. They stay at the server and the job's id in the ledger; nothing is sent again."
            )
        return dict(payload) if children else {job_id: payload}

    def _aggregated(
        self, job: Mapping[str, Any], children: Sequence[str], aggregation: str
    ) -> dict[str, Any] | None:
        """Return the artifacts that combine a debiased job's variants, by circuit, or None if a circuit has none."""
        found = {}
        for circuit in children or [str(job["id"])]:
            output = mapping((self.job(circuit) if children else job).get("output"))
            aggregations = mapping(mapping(output.get("error_mitigation")).get("aggregations"))
            artifact = _artifact_id(aggregations, aggregation)
            if artifact is None:
                return None
            found[circuit] = self._artifact(circuit, artifact)
        return found

    def variants(self, job: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the variants of a completed, debiased circuit, each with its results as sent."""
        found = []
        for variant in described(job):
            artifact = _artifact_id(mapping(variant.get("results")), *_OF_VARIANTS)
            results = None if artifact is None else self._artifact(str(job["id"]), artifact)
            found.append({**variant, "results": results})
        return found

    def compiled(self, job: Mapping[str, Any]) -> Any:
        """Return the native gates of a completed dry run of one circuit, as sent."""
        compilation = mapping(mapping(job.get("output")).get("compilation"))
        artifact = _artifact_id(mapping(compilation.get("compiled_circuits")), _NATIVE)
        if artifact is None:
            raise RemoteRequestError(
                f"job {job['id']} names no compiled circuit {_NATIVE}. Omit compiled_estimate."
            )
        return self._artifact(str(job["id"]), artifact)

    def circuit_probabilities(self, job_id: str) -> Any:
        """Return raw probabilities of one circuit."""
        return self._read(self.make_path("jobs", job_id, "results", "probabilities"))

    def shots(self, job: Mapping[str, Any]) -> Any:
        """Return the basis state of each shot of a completed circuit, in the order of measurement, as sent.

        The sending of a job does not ask for them; the job names them if the server has them.
        An `RemoteRequestError` means that the job, of one circuit or a child, names none.
        """
        job_id, results = str(job["id"]), mapping(job.get("results"))
        url, artifact = (
            mapping(results.get("shots")).get("url"),
            _artifact_id(results, _SHOTS, _SHOTS_V2),
        )
        if isinstance(url, str):
            return self._read(self._absolute(url, job_id))
        if artifact is not None:
            return self._artifact(job_id, artifact)
        raise RemoteRequestError(f"job {job_id} names no single shots among its results")

    def _absolute(self, url: str, job_id: str) -> str:
        """Return the address of results that a job names without a host. The host is the API's own."""
        root, version = str(self._url).rsplit("/", 1)
        if not re.fullmatch(rf"/{re.escape(version)}/[\w/.-]*", url) or ".." in url:
            raise JobFailedError(
                f"job {job_id} names {url!r} as the address of its results; expected one below /{version}/. "
                "Nothing was read. The result stays at the server and the job's id in the ledger."
            )
        return root + url

    def _artifact(self, job_id: str, artifact: str) -> Any:
        return self._read(self.make_path("jobs", job_id, "artifacts", quote(artifact, safe="")))


def _artifact_id(descriptors: Mapping[str, Any], *names: str) -> str | None:
    """Return the id of the first of the artifacts ``names`` that ``descriptors`` has, or None."""
    ids = (mapping(descriptors.get(name)).get("id") for name in names)
    return next((each for each in ids if isinstance(each, str) and each), None)
