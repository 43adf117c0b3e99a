"""The thin adapter on qiskit-ionq 1.1.1: its payloads and its reading functions, over our own transport.

What is taken from the library: the translation of circuits, the client's reading functions, and `IonQBackend.run` in
`post`. What is not: its HTTP, which repeats a submission after a failure that may have been a success, reads forever
while the server is away, and asks the address in the environment, without a key, for the number of qubits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

from qiskit import QuantumCircuit
from qiskit_ionq import __version__ as library_version
from qiskit_ionq.helpers import qiskit_to_ionq
from qiskit_ionq.ionq_client import IonQClient

from qllmft_backends.ionq.chunks import is_amount
from qllmft_backends.ionq.errors import IonQError, IonQJobFailedError, IonQRequestError, IonQTransientError
from qllmft_backends.ionq.ledger import Setup
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.token import load_token
from qllmft_backends.ionq.transport import Transport

_PAGE = 25  # jobs of one page, the API's maximum
_PROBABILITIES = "ionq.result.probabilities.json.v1"  # descriptors of the newer form of v0.4
_SHOTS = "ionq.result.shots.json.v1"
_AGGREGATE = "ionq.result.probabilities-aggregate.json.v1"


class Client(IonQClient):  # type: ignore[misc]
    """The library's client; every request goes through `Transport`, which alone holds the key.

    Args:
        connection: address and patience; the key is read from where it says.

    Raises:
        IonQAuthError: where there is no key.
    """

    def __init__(self, connection: IonQConnection) -> None:
        super().__init__(token="held by the transport", url=connection.address())  # noqa: S106
        self.transport = Transport(connection, load_token(connection.token_file))

    @cached_property
    def api_headers(self) -> dict[str, str]:
        """The library's headers without the key, which `Transport` adds on the wire."""
        return {name: value for name, value in super().api_headers.items() if name != "Authorization"}

    def get_with_retry(
        self, req_path: str, params: Any = None, headers: Any = None, timeout: float | None = None
    ) -> Any:
        """The one GET of the library, made patient.

        It raises our errors, so that the library's own endless retry of `IonQRetriableError` never starts.
        """
        del timeout  # the transport has its own
        return self.transport.get(req_path, params, headers)

    def submit_job(self, job: Any) -> dict[str, Any]:
        """POST a job, once.

        Raises:
            IonQError: ``ambiguous`` where the job may have been accepted.
        """
        body = qiskit_to_ionq(job.circuit, job.backend(), job._passed_args, job.extra_query_params, job.extra_metadata)
        circuits = job.circuit if isinstance(job.circuit, list | tuple) else [job.circuit]
        _check_body(json.loads(body), circuits)
        url = self.make_path("jobs")
        answer = self.transport.once("POST", url, body=body, headers=self.api_headers).json()
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str) or not answer["id"]:
            raise IonQTransientError(
                f"POST {url} answered without a job's id: {self.transport.scrub(json.dumps(answer))}.",
                transient=True,
                ambiguous=True,
            )
        return answer

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Cancel a job; may be repeated without harm."""
        url = self.make_path("jobs", job_id, "status", "cancel")
        answer = self.transport.put(url, self.api_headers).json()
        return answer if isinstance(answer, dict) else {}

    def backend_facts(self, name: str) -> dict[str, Any]:
        """What the server says about a backend: ``qubits``, ``status``, ..."""
        return self._get_object(self.make_path("backends", name))

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as the server describes it."""
        url = self.make_path("jobs", job_id)
        job = self._get_object(url)
        if job.get("id") != job_id:
            raise IonQTransientError(f"GET {url} answered job {str(job.get('id'))[:80]!r} instead. Run again later.")
        return job

    def jobs(self, backend: str | None = None, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """The jobs of this key's project, page by page; children of multi-circuit jobs left out."""
        following: str | None = None
        found, seen = 0, set()
        while True:
            if following in seen or (following and self.transport.expired):
                raise IonQTransientError("the server's list of jobs does not come to an end. Run again later.")
            seen.add(following)
            params = {"limit": _PAGE, "target": backend, "next": following}
            url = self.make_path("jobs")
            page = self._get_object(url, {k: v for k, v in params.items() if v is not None})
            jobs = page.get("jobs") or []
            if not isinstance(jobs, list) or not all(isinstance(_mapping(job).get("id"), str) for job in jobs):
                raise IonQTransientError(f"GET {url} answered a list of jobs that cannot be read. Run again later.")
            for job in jobs:
                if not job.get("parent_job_id"):
                    yield job
                    found += 1
                    if limit is not None and found >= limit:
                        return
            following = page.get("next")
            if not following:
                return

    def price(
        self, setup: Setup, one_qubit_gates: int, two_qubit_gates: int, *, session: bool = False
    ) -> dict[str, Any]:
        """The server's estimate for one circuit: ``cost``, ``unit`` (None where it names none), seconds to wait.

        Args:
            setup: machine, width, shots and mitigation.
            one_qubit_gates: of the circuit.
            two_qubit_gates: of the circuit.
            session: whether it is to be sent in a session.

        Raises:
            IonQRequestError: where the price is no number of 0 or more.
        """
        estimate = self._get_object(
            self.make_path("jobs", "estimate"),
            {
                "type": "ionq.circuit.v1",
                "backend": setup.backend,
                "1q_gates": one_qubit_gates,
                "2q_gates": two_qubit_gates,
                "qubits": setup.n_qubits,
                "shots": setup.shots,
                "error_mitigation": str(setup.error_mitigation != "none").lower(),
                "session": str(session).lower(),
            },
        )
        # v0.4 renamed its fields in 2026: both forms are read.
        price = _first(estimate, "estimated_total_cost", "estimated_cost")
        queue_ms = estimate.get("current_predicted_queue_time")
        unit = _first(estimate, "estimated_unit", "cost_unit")
        return {
            "cost": None if price is None else _amount(price, "the server's price of a circuit"),
            "unit": None if unit is None else str(unit),
            "queue_s": float(queue_ms) / 1000 if isinstance(queue_ms, int | float) else None,
        }

    def cost(self, job_id: str) -> dict[str, Any]:
        """What a job that has ended was charged: ``cost`` and ``cost_unit``; empty where the server does not tell."""
        try:
            told = self.transport.once("GET", self.make_path("jobs", job_id, "cost"), headers=self.api_headers).json()
        except IonQError:
            return {}  # known to few servers; the results do not wait for it
        charged = _mapping(_mapping(told).get("cost"))
        if not is_amount(charged.get("value")):
            return {}
        return {"cost": float(charged["value"]), "cost_unit": str(charged.get("unit") or "") or None}

    def probabilities(
        self, job: Mapping[str, Any], children: Sequence[str], aggregation: str | None = None
    ) -> dict[str, Any]:
        """Raw probabilities of a completed job, keyed by the id of each child (of the job, where it has none).

        Read from the address that the job names, from its artifact, or child by child: v0.4 has had all three.

        Args:
            job: as the server describes it.
            children: their ids; empty for a job of one circuit.
            aggregation: how a debiased job's variants are combined; None: as the server does unasked.

        Raises:
            IonQJobFailedError: where they are no JSON object, or lie at another address.
        """
        job_id, results = str(job["id"]), _mapping(job.get("results"))
        url = _mapping(results.get("probabilities")).get("url")
        artifact = _mapping(results.get(_AGGREGATE if children else _PROBABILITIES)).get("id")
        if isinstance(url, str):
            address = self._below(url, job_id)
            payload = self._read(address, None if aggregation is None else {"aggregation": aggregation})
        elif aggregation is not None:
            raise IonQRequestError(
                f"job {job_id} names no address of its results, and only there the server can be asked for the "
                f"aggregation {aggregation!r}. Nothing is lost: aggregation='average' reads what the server gives."
            )
        elif isinstance(artifact, str):
            payload = self._artifact(job_id, artifact)
        elif children:
            return {child: self.circuit_probabilities(child) for child in children}
        else:
            payload = self.circuit_probabilities(job_id)
        if children and not isinstance(payload, dict):
            raise IonQJobFailedError(
                f"the results of job {job_id} are a JSON {type(payload).__name__}, expected an object with one entry a "
                "circuit. They stay at the server and the job's id in the ledger; nothing is sent again."
            )
        return dict(payload) if children else {job_id: payload}

    def circuit_probabilities(self, job_id: str) -> Any:
        """Raw probabilities of one circuit."""
        return self._read(self.make_path("jobs", job_id, "results", "probabilities"))

    def shots(self, job: Mapping[str, Any]) -> Any:
        """The basis state of each shot of a completed circuit, in the order of measurement, as the server has them.

        Nothing in the sending of a job asks for them; the server names them where it has them.

        Args:
            job: as the server describes it: of one circuit, or the child of one of several.

        Raises:
            IonQJobFailedError: where they lie at another address.
            IonQRequestError: where the job names none.
        """
        job_id, results = str(job["id"]), _mapping(job.get("results"))
        url, artifact = _mapping(results.get("shots")).get("url"), _mapping(results.get(_SHOTS)).get("id")
        if isinstance(url, str):
            return self._read(self._below(url, job_id))
        if isinstance(artifact, str):
            return self._artifact(job_id, artifact)
        raise IonQRequestError(f"job {job_id} names no single shots among its results")

    def _below(self, url: str, job_id: str) -> str:
        """The whole address of results that a job names without a host, which is the API's own."""
        root, version = str(self._url).rsplit("/", 1)
        if not re.fullmatch(rf"/{re.escape(version)}/[\w/.-]*", url) or ".." in url:
            raise IonQJobFailedError(
                f"job {job_id} names {url!r} as the address of its results; expected one below /{version}/. "
                "Nothing was read. The result stays at the server and the job's id in the ledger."
            )
        return root + url

    def _artifact(self, job_id: str, artifact: str) -> Any:
        return self._read(self.make_path("jobs", job_id, "artifacts", quote(artifact, safe="")))

    def _read(self, url: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.get_with_retry(url, params=params, headers=self.api_headers).json()

    def _get_object(self, url: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = self._read(url, params)
        if not isinstance(answer, dict):
            raise IonQTransientError(
                f"GET {url} answered {self.transport.scrub(json.dumps(answer))}; expected a JSON object. "
                "Check the option url."
            )
        return answer


def _check_body(body: Mapping[str, Any], circuits: Sequence[QuantumCircuit]) -> None:
    """Make sure that what the library wrote for the API is as wide as the circuits, and holds all of them.

    Raises:
        IonQRequestError: names both; nothing was sent.
    """
    sent = (body["input"].get("qubits"), len(body["input"].get("circuits") or [None]))
    expected = (max(circuit.num_qubits for circuit in circuits), len(circuits))
    if sent != expected:
        raise IonQRequestError(
            f"qiskit-ionq {library_version} wrote a job of {sent[1]} circuits on {sent[0]} qubits for {expected[1]} "
            f"circuits on {expected[0]}. Nothing was sent. Install the tested version: pip install 'qllmft[ionq]'.",
            unsent=True,
        )


def _first(mapping: Mapping[str, Any], *names: str) -> Any:
    return next((mapping[name] for name in names if mapping.get(name) is not None), None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _amount(value: Any, what: str) -> float:
    if not is_amount(value):
        raise IonQRequestError(
            f"{what} is {str(value)[:80]!r}, expected a finite number of 0 or more. Nothing was sent on it. Check that "
            "the option url names IonQ's API, or ask IonQ."
        )
    return float(value)
