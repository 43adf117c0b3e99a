"""Thin adapter on qiskit-ionq: its payloads and its reading functions, over our own transport.

`qllmft_backends.remote.ionq.library` lists the parts that are used. Its HTTP is not: it
repeats a submission after a failure that may have been a success, reads forever while the server is away, and asks the
address in the environment, without a key, for the number of qubits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

from qiskit import QuantumCircuit

from qllmft_backends.remote.batch import Template
from qllmft_backends.remote.errors import (
    NOT_FOUND,
    JobFailedError,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
)
from qllmft_backends.remote.ionq.library import IonQClient, library_version, qiskit_to_ionq
from qllmft_backends.remote.ionq.options import JOB_MAX_BYTES, IonQConnection
from qllmft_backends.remote.ionq.token import load_token
from qllmft_backends.remote.ionq.transport import Transport
from qllmft_backends.remote.ledger.chunk import Setup
from qllmft_backends.remote.ledger.payload import is_amount, mapping
from qllmft_backends.remote.ledger.variants import described

_PAGE = 25  # jobs per page, the API's maximum
_PROBABILITIES = "ionq.result.probabilities.json.v1"  # descriptors of the newer form of v0.4
_PROBABILITIES_V2 = "ionq.result.probabilities.json.v2"
_SHOTS, _SHOTS_V2 = "ionq.result.shots.json.v1", "ionq.result.shots.json.v2"
_NATIVE = "ionq.native.v1"
_OF_VARIANTS = ("ionq.result.histogram.json.v2", _PROBABILITIES_V2, _PROBABILITIES)
_AGGREGATE = "ionq.result.probabilities-aggregate.json.v1"


class Client(IonQClient):  # type: ignore[misc]
    """Client of jobs, prices and results, with all requests through `Transport`, which alone holds the key."""

    def __init__(self, connection: IonQConnection) -> None:
        super().__init__(token="held by the transport", url=connection.address())  # noqa: S106
        self.connection = connection
        self.transport = Transport(connection, load_token(connection.token_file))

    @cached_property
    def api_headers(self) -> dict[str, str]:
        """Return the library's headers without the key, which `Transport` adds to each request."""
        return {
            name: value for name, value in super().api_headers.items() if name != "Authorization"
        }

    def get_with_retry(
        self, req_path: str, params: Any = None, headers: Any = None, timeout: float | None = None
    ) -> Any:
        """Replace the library's only GET, whose endless retry of `IonQRetriableError` thereby never starts.

        The names and the order of the arguments are the library's.

        Args:
            req_path: absolute address.
            params: query of the address, by name.
            headers: besides the key's.
            timeout: not read; each request has ``request_timeout_s`` of the transport.

        Returns:
            The server's `Answer`.

        Raises:
            RemoteError: see `Transport.repeated`.
        """
        del timeout  # the transport has its own
        return self.transport.repeated("GET", req_path, params=params, headers=headers)

    def submit_job(self, job: Any) -> dict[str, Any]:
        """POST a job, once.

        Raises:
            RemoteError: ``ambiguous`` if the job may have been accepted.
        """
        body = qiskit_to_ionq(
            job.circuit, job.backend(), job._passed_args, job.extra_query_params, job.extra_metadata
        )
        if len(body.encode()) > JOB_MAX_BYTES:
            raise RemoteRequestError(
                f"the job has {len(body.encode()):,} bytes, and IonQ takes up to {JOB_MAX_BYTES:,}. Nothing was sent. "
                "Send fewer circuits per job: circuits_per_job.",
                unsent=True,
            )
        circuits = job.circuit if isinstance(job.circuit, list | tuple) else [job.circuit]
        _check_body(json.loads(body), circuits)
        url = self.make_path("jobs")
        answer = self.transport.once("POST", url, body=body, headers=self.api_headers).json()
        if (
            not isinstance(answer, dict)
            or not isinstance(answer.get("id"), str)
            or not answer["id"]
        ):
            raise RemoteTransientError(
                f"POST {url} answered without a job's id: {self.transport.scrub(json.dumps(answer))}.",
                transient=True,
                ambiguous=True,
            )
        return answer

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Cancel a job. Repeating it does no harm."""
        url = self.make_path("jobs", job_id, "status", "cancel")
        return dict(mapping(self.transport.repeated("PUT", url, headers=self.api_headers).json()))

    def describe_backend(self, name: str) -> dict[str, Any]:
        """Return the server's description of a backend: ``qubits``, ``status``, ..."""
        return self._get_object(self.make_path("backends", name))

    def machines(self) -> list[str]:
        """Return the names of the machines that the server lists, such as ``qpu.forte-1``."""
        listed = self._read(self.make_path("backends"))
        rows = listed if isinstance(listed, list) else mapping(listed).get("backends") or []
        names = [mapping(row).get("backend") for row in rows]
        return [name for name in names if isinstance(name, str) and name.startswith("qpu.")]

    def job(self, job_id: str) -> dict[str, Any]:
        """Return the server's description of a job."""
        url = self.make_path("jobs", job_id)
        job = self._get_object(url)
        if job.get("id") != job_id:
            raise RemoteTransientError(
                f"GET {url} answered job {str(job.get('id'))[:80]!r} instead. Run again later."
            )
        return job

    def jobs(
        self, backend: str | None = None, limit: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the jobs of this key's project, page by page, without children of multi-circuit jobs."""
        following: str | None = None
        found, seen, url = 0, set(), self.make_path("jobs")
        while True:
            if following in seen or (following and self.transport.expired):
                raise RemoteTransientError(
                    "the server's list of jobs does not come to an end. Run again later."
                )
            seen.add(following)
            params = {"limit": _PAGE, "target": backend, "next": following}
            page = self._get_object(url, {k: v for k, v in params.items() if v is not None})
            jobs = page.get("jobs") or []
            if not isinstance(jobs, list) or not all(
                isinstance(mapping(job).get("id"), str) for job in jobs
            ):
                raise RemoteTransientError(
                    f"GET {url} answered a list of jobs that cannot be read. Run again later."
                )
            for job in jobs:
                if not job.get("parent_job_id"):
                    yield job
                    found += 1
                    if limit is not None and found >= limit:
                        return
            following = page.get("next")
            if not following:
                return

    def price(self, setup: Setup, template: Template, *, session: bool) -> dict[str, Any]:
        """Return the server's estimate for one circuit as fields of a `CostEstimate`, None if it has no prices.

        Raises:
            RemoteError: if the server cannot be asked, or the price is no finite number of 0 or more.
        """
        query = {
            "type": "ionq.circuit.v1",
            "backend": setup.backend,
            "1q_gates": template.one_qubit_gates,
            "2q_gates": template.two_qubit_gates,
            "qubits": setup.n_qubits,
            "shots": setup.shots,
            "error_mitigation": str(setup.error_mitigation != "none").lower(),
            "session": str(session).lower(),
        }
        try:
            estimate = self._get_object(self.make_path("jobs", "estimate"), query)
        except RemoteRequestError as error:
            if error.status != NOT_FOUND:
                raise
            return {"price_each": None, "note": str(error)}
        # v0.4 renamed its fields in 2026: both forms are read.
        price = _first(estimate, "estimated_total_cost", "estimated_cost")
        queue_ms = estimate.get("current_predicted_queue_time")
        unit = _first(estimate, "estimated_unit", "cost_unit")
        if price is not None and not is_amount(price):
            raise RemoteRequestError(
                f"the server's price of a circuit is {str(price)[:80]!r}, expected a finite number of 0 or more. "
                "Nothing was sent on it. Check that the option url names IonQ's API, or ask IonQ."
            )
        return {
            "price_each": None if price is None else float(price),
            "unit": None if unit is None else str(unit),
            "queue_s": float(queue_ms) / 1000 if is_amount(queue_ms) else None,
            "note": "the server gives no price"
            if price is None
            else f"one circuit's estimate times their number; not binding{_rates(estimate)}",
        }

    def consumption(self, job: Mapping[str, Any]) -> dict[str, float]:
        """Return the server's measurements of a completed job: ``kwh``, ``billed_us`` and the backend's ``kw``.

        Those that the server does not report are left out. They are read once and never waited for.
        """
        stats = mapping(job.get("stats"))
        found = {"kwh": stats.get("kwh"), "billed_us": stats.get("billed_quantum_compute_time_us")}
        if any(is_amount(value) for value in found.values()):
            try:
                url = self.make_path("backends", str(job.get("backend")))
                found["kw"] = mapping(
                    self.transport.once("GET", url, headers=self.api_headers).json()
                ).get("kw")
            except RemoteError:
                pass
        return {name: float(value) for name, value in found.items() if is_amount(value)}

    def cost(self, job_id: str) -> dict[str, Any]:
        """Return the charge of a job that has ended: ``cost`` and ``cost_unit``, empty if the server reports none."""
        try:
            url = self.make_path("jobs", job_id, "cost")
            answer = self.transport.once("GET", url, headers=self.api_headers).json()
        except RemoteError:
            return {}  # few servers have it; the results do not wait for it
        charged = mapping(mapping(answer).get("cost"))
        if not is_amount(charged.get("value")):
            return {}
        return {
            "cost": float(charged["value"]),
            "cost_unit": str(charged.get("unit") or "") or None,
        }

    def _read(self, url: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.get_with_retry(url, params=params, headers=self.api_headers).json()

    def _get_object(self, url: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = self._read(url, params)
        if not isinstance(answer, dict):
            raise RemoteTransientError(
                f"GET {url} answered {self.transport.scrub(json.dumps(answer))}; expected a JSON object. "
                "Check the option url."
            )
        return answer

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
        url = mapping(results.get("shots")).get("url")
        artifact = _artifact_id(results, _SHOTS, _SHOTS_V2)
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


def _check_body(body: Mapping[str, Any], circuits: Sequence[QuantumCircuit]) -> None:
    """Refuse a job of the library that is not as wide as the circuits, or lacks some of them."""
    sent = (body["input"].get("qubits"), len(body["input"].get("circuits") or [None]))
    expected = (max(circuit.num_qubits for circuit in circuits), len(circuits))
    if sent != expected:
        raise RemoteRequestError(
            f"qiskit-ionq {library_version} wrote a job of {sent[1]} circuits on {sent[0]} qubits for {expected[1]} "
            f"circuits on {expected[0]}. Nothing was sent. Install the tested version: pip install '.[ionq]'.",
            unsent=True,
        )


def _rates(estimate: Mapping[str, Any]) -> str:
    """Return the units of the estimate's rate card and the predicted compute time of a circuit, for people."""
    card = mapping(estimate.get("rate_card")).get("rates")
    units = (
        {str(mapping(rate).get("unit"))[:40] for rate in card} if isinstance(card, list) else set()
    )
    time_us = estimate.get("estimated_quantum_compute_time_us")
    return (f"; billed by {', '.join(sorted(units))}" if units - {"None"} else "") + (
        f"; {time_us / 1e6:.3g} s of quantum compute time per circuit" if is_amount(time_us) else ""
    )


def _first(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _artifact_id(descriptors: Mapping[str, Any], *names: str) -> str | None:
    """Return the id of the first of the artifacts ``names`` that ``descriptors`` has, or None."""
    ids = (mapping(descriptors.get(name)).get("id") for name in names)
    return next((each for each in ids if isinstance(each, str) and each), None)
