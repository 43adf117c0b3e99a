"""Route to IonQ: jobs through qiskit-ionq's payloads and this package's own requests, and their sessions.

A session holds jobs that the server itself counts together, and stops at a price or after a time: IonQ's API v0.4
(POST /sessions, POST /sessions/{id}/end, ``session_id`` of a job); in beta, for some customers.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from qiskit import QuantumCircuit

from qllmft_backends.remote.batch import Template
from qllmft_backends.remote.errors import NOT_FOUND, RemoteError, RemoteRequestError, SessionWarning
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ionq.library import IonQBackend, IonQTranspileLevelWarning
from qllmft_backends.remote.ionq.listed_jobs import IonQJobs, token_of
from qllmft_backends.remote.ionq.options import IonQForteOptions
from qllmft_backends.remote.ionq.reading import JobResults
from qllmft_backends.remote.ledger.chunk import FREE_MACHINE, TOKEN_IN_NAME, Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import Probabilities, mapping
from qllmft_backends.remote.options import Deadline
from qllmft_backends.remote.route import RemoteJob, Route
from qllmft_backends.remote.rows import ENDED_FREE

_ENDED = ("completed", *ENDED_FREE)
_MAX_REASON = 300  # characters of the server's text
_UNAUTHORIZED = 401
_DEFAULT_UNIT = "usd"  # of a session's cap


class _Backend(IonQBackend):  # type: ignore[misc]
    """Backend of qiskit-ionq with our client in it.

    It is constructed directly, because `IonQProvider` asks for the number of qubits at the address in the environment,
    or in a stray ``.env``, and falls back to 4.
    """

    def __init__(self, client: Client, api_name: str, qubits: int) -> None:
        self._our_client = client
        simulator = api_name == FREE_MACHINE
        with warnings.catch_warnings():
            # The warning is about transpiling with the user's default level; these circuits are
            # never transpiled.
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


class IonQRoute(Route):
    """Route to one server with one key."""

    name = "IonQ"
    packages = ("qiskit", "qiskit-ionq")
    carries_tokens = True

    def __init__(self, client: Client) -> None:
        self.client, self.waits = client, client.connection

    @property
    def is_mock(self) -> bool:
        """Return whether the server's latest answer is the mock server's."""
        return bool(self.client.transport.mock_server)

    def index(self, ledger: Ledger) -> IonQJobs:
        """Return the list of the server's jobs (see `Route`)."""
        return IonQJobs(self.client, ledger)

    def price(self, setup: Setup, template: Template) -> dict[str, Any]:
        """Return the server's price of one circuit (see `Client.price`)."""
        return self.client.price(setup, template, session=bool(self._caps()))

    def post(
        self,
        circuits: Sequence[QuantumCircuit],
        setup: Setup,
        token: str,
        ledger: str,
        session: str | None,
    ) -> str:
        """Send circuits as one job, once (see `Route`).

        Args:
            circuits: bound and measured, in the job's order; several make a multi-circuit job.
            setup: machine, width and shots; on the simulator noise and seed, else the mitigation.
            token: client token, whole in the job's metadata and its first characters in the job's
                name.
            ledger: id of the ledger, for the job's metadata.
            session: id of the session to send it in; None: without one.

        Raises:
            RemoteError: see `Client.submit_job`.
        """
        return _run(
            self.client,
            list(circuits) if len(circuits) > 1 else circuits[0],
            setup,
            # the API allows letters, digits, spaces, - and _
            name=f"qllmft {token[:TOKEN_IN_NAME]}",
            extra_metadata={"client_token": token, "ledger": ledger},
            session_id=session,
        )

    def describe(self, job_id: str) -> RemoteJob:
        """Return a job (see `Route`)."""
        job = self.client.job(job_id)
        status = str(job.get("status"))
        # submitted, ready, started, or one that this version does not have: it has not ended
        ended = status in _ENDED
        return RemoteJob(
            job_id, status, ended, status == "completed", _reason(job), token_of(job), job
        )

    def read(self, chunk: Chunk, job: RemoteJob) -> Sequence[Probabilities | None]:
        """Return the results of a job that has ended (see `Route`)."""
        results = JobResults(self.client, chunk, job.content)
        return results.probabilities() if job.completed else results.completed()

    def charges(self, chunk: Chunk, job: RemoteJob) -> dict[str, Any]:
        """Return the charge and the energy of a completed job (see `Client.cost` and `Client.consumption`)."""
        return self.client.cost(str(chunk.job_id)) | self.client.consumption(job.content)

    def cancel(self, job_id: str) -> str:
        """Cancel a job, and return its status."""
        return str(self.client.cancel_job(job_id).get("status", "canceled"))

    def check(self, setup: Setup) -> None:
        """Raise `RemoteRequestError` for an unknown machine, a circuit too wide for it, or a mitigation it lacks."""
        try:
            machine = self.client.describe_backend(setup.backend)
        except RemoteRequestError as error:
            if error.status != NOT_FOUND:
                raise
            known = (
                ", ".join(name.removeprefix("qpu.") for name in self.client.machines()) or "none"
            )
            raise error.reworded(
                f"the server has no machine {setup.backend}. Nothing was sent. Name one of its machines with the "
                f"option target: {known}."
            ) from None
        offered = machine.get("supported_error_mitigations")
        if (
            setup.symmetry_verification
            and isinstance(offered, list)
            and "symmetry_verification" not in offered
        ):
            raise RemoteRequestError(
                f"{setup.backend} offers no symmetry_verification, but {', '.join(map(str, offered)) or 'none'}. "
                "Nothing was sent. Omit symmetry_verification, or name another machine."
            )
        qubits = machine.get("qubits")
        if isinstance(qubits, int) and setup.n_qubits > qubits:
            raise RemoteRequestError(
                f"the circuit has {setup.n_qubits} qubits and {setup.backend} has {qubits}. Nothing was sent. "
                "Use a smaller head, or another backend."
            )

    def server_time(self) -> float | None:
        """Return the time by the server's clock (see `Transport.server_time`)."""
        return self.client.transport.server_time()

    def until(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Stop repeating reads at ``deadline``."""
        return self.client.transport.until(deadline)

    def open_session(self, backend: str, unit: str | None) -> str | None:
        """Open a session with the caps of the options, and return its id, or None without caps.

        Raises:
            RemoteRequestError: if the server has no sessions, or confirms other caps. Nothing was sent.
            RemoteError: if it cannot be asked.
        """
        caps = self._caps(unit)
        if not caps:
            return None
        url = self.client.make_path("sessions")
        answer = mapping(self._session_answer(url, {"backend": backend, "settings": caps}))
        session, kept = answer.get("id"), mapping(answer.get("settings"))
        if not isinstance(session, str) or not session or "/" in session:
            raise RemoteRequestError(
                f"POST {url} answered without a session's id. No circuit was sent. Run again later."
            )
        wrong = [name for name, cap in caps.items() if not _confirmed(kept.get(name), cap)]
        if wrong:
            self.end_session(session)
            raise RemoteRequestError(
                f"the server opened the session {session} without the caps that were asked for ({', '.join(wrong)}): "
                "no circuit was sent. Omit session_max_cost and session_max_minutes, and set max_cost, kept here."
            )
        return session

    def end_session(self, session: str) -> bool:
        """End a session, also with jobs under way. Return False, with a `SessionWarning`, if the server did not."""
        url = self.client.make_path("sessions", session, "end")
        try:
            self.client.transport.once("POST", url, headers=self.client.api_headers)
        except RemoteError as error:
            warnings.warn(
                f"the session {session} could not be ended: {error} It ends by itself at its caps.",
                SessionWarning,
                stacklevel=3,
            )
            return False
        return True

    def _caps(self, unit: str | None = None) -> dict[str, Any]:
        """Return the field ``settings`` of a new session, empty without caps; ``unit`` is that of the prices."""
        caps: dict[str, Any] = {}
        options = self.waits
        if not isinstance(options, IonQForteOptions):
            return caps
        if options.session_max_cost is not None:
            caps["cost_limit"] = {"unit": unit or _DEFAULT_UNIT, "value": options.session_max_cost}
        if options.session_max_minutes is not None:
            caps["duration_limit_min"] = options.session_max_minutes
        return caps

    def _session_answer(self, url: str, body: Mapping[str, Any]) -> Any:
        """Ask for a session, once, and return the server's answer."""
        client = self.client
        try:
            return client.transport.once(
                "POST", url, body=json.dumps(body), headers=client.api_headers
            ).json()
        except RemoteError as error:
            if error.status == _UNAUTHORIZED:
                raise
            refused = error.status is not None and error.status < 500
            kind = RemoteRequestError if refused else type(error)
            raise kind(
                f"no session was opened: {error} No circuit was sent. Sessions are in beta and IonQ opens them to some "
                "customers only: omit session_max_cost and session_max_minutes, and set max_cost, which is kept here.",
                status=error.status,
            ) from None


def post_dry_run(client: Client, setup: Setup, circuit: QuantumCircuit) -> str:
    """Send a bound, measured circuit to be compiled only, once, and return the job's id. It has no client token."""
    return _run(client, circuit, setup, name="qllmft dry run", dry_run=True)


def _run(
    client: Client, circuits: QuantumCircuit | list[QuantumCircuit], setup: Setup, **more: Any
) -> str:
    backend = _Backend(client, setup.backend, setup.n_qubits)
    if setup.free:
        # Set here: as arguments of run() the library would draw the shots anew on this side.
        backend.set_options(noise_model=setup.noise_model, sampler_seed=setup.seed)
    else:
        # As raw settings, which every version of the library passes on: 1.1.1 takes an enum, its
        # successor keywords.
        mitigation = {"debiasing": setup.error_mitigation == "debiasing"}
        if setup.symmetry_verification:
            mitigation["symmetry_verification"] = True
        more["job_settings"] = {"error_mitigation": mitigation}
    return str(backend.run(circuits, shots=setup.shots, **more).job_id())


def _reason(job: Mapping[str, Any]) -> str:
    failure = job.get("failure")
    texts = (
        [failure.get(k) for k in ("code", "message", "error")]
        if isinstance(failure, dict)
        else [failure]
    )
    reason = ": ".join(text[:_MAX_REASON] for text in dict.fromkeys(map(str, filter(None, texts))))
    return f"{job.get('status')}{f' ({reason})' if reason else ''}"


def _confirmed(kept: Any, cap: Any) -> bool:
    if isinstance(cap, dict):
        return all(_confirmed(mapping(kept).get(name), value) for name, value in cap.items())
    return bool(kept == cap)
