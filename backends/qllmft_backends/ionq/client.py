"""The thin adapter on qiskit-ionq 1.1.1: its payloads and its reading functions, over our own transport.

What is taken from the library: the translation of circuits, `IonQBackend.run`, the client's reading functions. What is
not: its HTTP, which repeats a submission after a failure that may have been a success, reads forever while the server
is away, and asks the address in the environment, without a key, for the number of qubits.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from qiskit import QuantumCircuit
from qiskit_ionq import ErrorMitigation
from qiskit_ionq.exceptions import IonQTranspileLevelWarning
from qiskit_ionq.helpers import qiskit_to_ionq
from qiskit_ionq.ionq_backend import IonQBackend
from qiskit_ionq.ionq_client import IonQClient

from qllmft_backends.ionq.errors import IonQRequestError, IonQTransientError
from qllmft_backends.ionq.ledger import Setup
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.token import load_token
from qllmft_backends.ionq.transport import Deadline, Transport

_PAGE = 25  # jobs of one page, the API's maximum
_CLOCK_SKEW_S = 600.0
_PROBABILITIES = "ionq.result.probabilities.json.v1"  # descriptors of the newer form of v0.4
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

    @property
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
        url = self.make_path("jobs")
        answer = self.transport.once("POST", url, body=body, headers=self.api_headers).json()
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise IonQTransientError(
                f"POST {url} answered without a job's id: {self.transport.scrub(json.dumps(answer))}.",
                transient=True,
                ambiguous=True,
            )
        return answer

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Cancel a job; may be repeated without harm."""
        url = self.make_path("jobs", job_id, "status", "cancel")
        answer: dict[str, Any] = self.transport.put(url, self.api_headers).json()
        return answer

    def backend_facts(self, name: str) -> dict[str, Any]:
        """What the server says about a backend: ``qubits``, ``status``, ..."""
        return self._get_object(self.make_path("backends", name))

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as the server describes it."""
        return self._get_object(self.make_path("jobs", job_id))

    def jobs(self, backend: str | None = None, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """The jobs of this key's project, page by page; children of multi-circuit jobs left out."""
        following: str | None = None
        found = 0
        while True:
            params = {"limit": _PAGE, "target": backend, "next": following}
            page = self._get_object(self.make_path("jobs"), {k: v for k, v in params.items() if v is not None})
            for job in page.get("jobs") or []:
                if not job.get("parent_job_id"):
                    yield job
                    found += 1
                    if limit is not None and found >= limit:
                        return
            following = page.get("next")
            if not following:
                return

    def find(self, client_tokens: Sequence[str], backend: str, since: float) -> str | None:
        """The id of the job that carries one of ``client_tokens``; None: the server has none.

        The API does not say in which order it lists jobs. Where those seen so far run from new to old, the search ends
        at one older than ``since`` (seconds since 1970, with 10 minutes for clocks that differ); else it reads all.
        """
        newest_first, last = True, float("inf")
        for job in self.jobs(backend):
            if (job.get("metadata") or {}).get("client_token") in client_tokens:
                return str(job["id"])
            at = _timestamp(job.get("submitted_at"))
            newest_first = newest_first and at is not None and at <= last
            if at is not None:
                last = at
                if newest_first and at < since - _CLOCK_SKEW_S:
                    return None
        return None

    def price(self, setup: Setup, one_qubit_gates: int, two_qubit_gates: int) -> dict[str, Any]:
        """The server's estimate for one circuit: ``cost``, ``unit`` (None where it names none), seconds to wait."""
        estimate = self.estimate_job(
            backend=setup.backend,
            oneq_gates=one_qubit_gates,
            twoq_gates=two_qubit_gates,
            qubits=setup.n_qubits,
            shots=setup.shots,
            error_mitigation=setup.error_mitigation != "none",
        ).to_dict()
        # v0.4 renamed its fields in 2026; qiskit-ionq 1.1.1 reads only the older names.
        queue_ms = estimate.get("current_predicted_queue_time")
        return {
            "cost": _first(estimate, "estimated_total_cost", "estimated_cost"),
            "unit": _first(estimate, "estimated_unit", "cost_unit"),
            "queue_s": None if queue_ms is None else float(queue_ms) / 1000,
        }

    def probabilities(self, job: Mapping[str, Any], children: Sequence[str]) -> dict[str, Any]:
        """Raw probabilities of a completed job, keyed by the id of each child (of the job, where it has none).

        Read from the address that the job names, from its artifact, or child by child: v0.4 has had all three.
        """
        job_id, results = str(job["id"]), job.get("results") or {}
        url = (results.get("probabilities") or {}).get("url")
        artifact = (results.get(_AGGREGATE if children else _PROBABILITIES) or {}).get("id")
        if isinstance(url, str):
            payload = self.get_results(url)
        elif isinstance(artifact, str):
            payload = self.get_artifact(job_id, artifact)
        elif children:
            return {child: self.circuit_probabilities(child) for child in children}
        else:
            payload = self.circuit_probabilities(job_id)
        return dict(payload) if children else {job_id: payload}

    def circuit_probabilities(self, job_id: str) -> dict[str, Any]:
        """Raw probabilities of one circuit."""
        return self._get_object(self.make_path("jobs", job_id, "results", "probabilities"))

    def _get_object(self, url: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = self.get_with_retry(url, params=params, headers=self.api_headers).json()
        if not isinstance(answer, dict):
            raise IonQTransientError(
                f"GET {url} answered {self.transport.scrub(json.dumps(answer))}; expected a JSON object. "
                "Check the option url."
            )
        return answer


class _Backend(IonQBackend):  # type: ignore[misc]
    """The library's backend with our client in it.

    Made directly, because `IonQProvider` asks for the number of qubits at the address in the environment, or in a stray
    ``.env``, and falls back to 4.
    """

    def __init__(self, client: Client, api_name: str, qubits: int) -> None:
        self._our_client = client
        simulator = api_name == "simulator"
        with warnings.catch_warnings():
            # The warning is about transpiling with the user's default level; these circuits are never transpiled.
            warnings.simplefilter("ignore", IonQTranspileLevelWarning)
            super().__init__(
                provider=None,
                name="ionq_simulator" if simulator else f"ionq_{api_name}",
                description="through qllmft",
                gateset="qis",
                num_qubits=qubits,
                simulator=simulator,
            )

    def _create_client(self) -> Client:
        return self._our_client


def post(client: Client, circuits: Sequence[QuantumCircuit], setup: Setup, client_token: str) -> str:
    """Send bound, measured circuits as one job, once; the job's id.

    Raises:
        IonQError: ``ambiguous`` where the job may have been accepted.
    """
    backend = _Backend(client, setup.backend, setup.n_qubits)
    extra: dict[str, Any] = {}
    if setup.backend == "simulator":
        # Set here: as arguments of run() the library would draw the shots anew on this side.
        backend.set_options(noise_model=setup.noise_model, sampler_seed=setup.seed)
    else:
        debias = setup.error_mitigation == "debiasing"
        extra["error_mitigation"] = ErrorMitigation.DEBIASING if debias else ErrorMitigation.NO_DEBIASING
    job = backend.run(
        list(circuits) if len(circuits) > 1 else circuits[0],
        shots=setup.shots,
        name=f"qllmft {client_token[:12]}",  # the API allows letters, digits, spaces, - and _
        extra_metadata={"client_token": client_token},
        **extra,
    )
    return str(job.job_id())


def check_width(client: Client, setup: Setup) -> None:
    """Stop before sending a circuit that is wider than the machine.

    Raises:
        IonQRequestError: names both numbers.
    """
    qubits = client.backend_facts(setup.backend).get("qubits")
    if isinstance(qubits, int) and setup.n_qubits > qubits:
        raise IonQRequestError(
            f"the circuit has {setup.n_qubits} qubits and {setup.backend} has {qubits}. Nothing was sent. "
            "Use a smaller head, or another backend."
        )


def _first(mapping: Mapping[str, Any], *names: str) -> Any:
    return next((mapping[name] for name in names if mapping.get(name) is not None), None)


def _timestamp(text: Any) -> float | None:
    """Seconds since 1970 of an ISO time; None where it cannot be read."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


__all__ = ["Client", "Deadline", "check_width", "post"]
