"""Route to IonQ: jobs through qiskit-ionq's payloads and this package's own requests, and their sessions.

A session holds jobs that the server itself counts together, and stops at a price or after a time: IonQ's API v0.4
(POST /sessions, POST /sessions/{id}/end, ``session_id`` of a job); in beta, for some customers.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from qllmft_machines.batch import Circuits, Template
from qllmft_machines.bounds import MAX_REASON_CHARACTERS
from qllmft_machines.errors import (
    NOT_FOUND,
    RemoteError,
    RemoteRequestError,
    SessionWarning,
)
from qllmft_machines.ionq.client import Client, IonQJobs, find_client_token
from qllmft_machines.ionq.library import write_job
from qllmft_machines.ionq.options import IonQConnection, IonQForteOptions
from qllmft_machines.ionq.reading import JobResults
from qllmft_machines.ledger.chunk import TOKEN_IN_NAME, Chunk, Setup
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import Probabilities, is_amount, value_at_path
from qllmft_machines.options import Deadline
from qllmft_machines.route import RemoteJob, Route
from qllmft_machines.rows import UNCHARGED_STATES

_UNAUTHORIZED = 401
_DEFAULT_UNIT = "usd"  # of a session's cap
_COMPUTE_TIME_FIELD = "estimated_quantum_compute_time_us"


class IonQRoute(Route):
    """Route to one server with one key."""

    name = "IonQ"
    packages = ("qiskit", "qiskit-ionq")
    carries_tokens = True

    def __init__(self, connection: IonQConnection) -> None:
        self.client = Client(connection)
        self.waits = connection

    @property
    def is_mock(self) -> bool:
        """Return whether the server's latest answer is the mock server's."""
        return self.client.transport.mock_server

    def index(self, ledger: Ledger) -> IonQJobs:
        """Return the list of the server's jobs (see `Route`)."""
        return IonQJobs(self, self.client, ledger)

    def price(self, setup: Setup, template: Template) -> dict[str, Any]:
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
            "session": str(bool(self._session_caps())).lower(),
        }
        try:
            estimate = self.client.get_object("jobs", "estimate", **query)
        except RemoteRequestError as error:
            if error.status != NOT_FOUND:
                raise
            return {"price_each": None, "note": str(error)}
        # v0.4 renamed its fields in 2026: both forms are read.
        price = _first_value(estimate, "estimated_total_cost", "estimated_cost")
        unit = _first_value(estimate, "estimated_unit", "cost_unit")
        if price is not None and not is_amount(price):
            raise RemoteRequestError(
                f"the server's price of a circuit is {str(price)[:80]!r}, expected a finite number of 0 or more. "
                "Nothing was sent on it. Check that the option url names IonQ's API, or ask IonQ."
            )
        return {
            "price_each": None if price is None else float(price),
            "unit": None if unit is None else str(unit),
            "note": "The server gives no price."
            if price is None
            else "The price is the server's estimate of one circuit, times their number. It is not binding."
            + _rates_text(estimate),
        }

    def send(
        self, circuits: Circuits, setup: Setup, token: str, ledger: str, session: str | None
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
            RemoteError: ``ambiguous`` if the job may have been accepted.
        """
        name = f"qllmft {token[:TOKEN_IN_NAME]}"  # the API allows letters, digits, spaces, - and _
        metadata = {"client_token": token, "ledger": ledger}
        body = write_job(circuits, setup, metadata, name=name, session_id=session)
        return self.client.send_job(body)

    def describe(self, job_id: str) -> RemoteJob:
        """Return a job (see `Route`)."""
        job = self.client.job(job_id)
        status = str(job.get("status"))
        failure = job.get("failure")
        # submitted, ready, started, or one that this version does not have: it has not ended
        completed = status == "completed"
        ended = status in ("completed", *UNCHARGED_STATES)
        failure_parts = [failure]
        if isinstance(failure, dict):
            failure_parts = [failure.get(name) for name in ("code", "message", "error")]
        reason_texts = dict.fromkeys(
            str(text)[:MAX_REASON_CHARACTERS] for text in failure_parts if text
        )
        reason = f"{status} ({': '.join(reason_texts)})" if reason_texts else status
        return RemoteJob(status, ended, completed, reason, find_client_token(job), job)

    def read_results(self, chunk: Chunk, job: RemoteJob) -> Sequence[Probabilities | None]:
        """Return the results of a job that has ended (see `Route`)."""
        results = JobResults(self.client, chunk, job.content)
        return results.probabilities() if job.completed else results.completed_probabilities()

    def charges(self, chunk: Chunk, job: RemoteJob) -> dict[str, Any]:
        """Return the charge of a completed job, and the server's measurements: ``kwh``, ``billed_us``, ``kw``.

        Those that the server does not report are left out.
        """
        charge_fields: dict[str, Any] = {}
        charge = value_at_path(self.client.get_once("jobs", str(chunk.job_id), "cost"), "cost")
        if is_amount(value_at_path(charge, "value")):
            unit = str(charge.get("unit") or "") or None
            charge_fields = {"cost": float(charge["value"]), "cost_unit": unit}
        names = {"kwh": "kwh", "billed_us": "billed_quantum_compute_time_us"}
        measurements = {
            field: value_at_path(job.content, "stats", name) for field, name in names.items()
        }
        if any(is_amount(value) for value in measurements.values()):
            machine = self.client.get_once("backends", str(job.content.get("backend")))
            measurements["kw"] = value_at_path(machine, "kw")
        return charge_fields | {
            name: float(amount) for name, amount in measurements.items() if is_amount(amount)
        }

    def cancel(self, job_id: str) -> str:
        """Cancel a job, and return its status."""
        return self.client.cancel(job_id)

    def check(self, setup: Setup) -> None:
        """Raise `RemoteRequestError` for an unknown machine, a circuit too wide for it, or a mitigation it lacks."""
        try:
            machine = self.client.get_object("backends", setup.backend)
        except RemoteRequestError as error:
            if error.status != NOT_FOUND:
                raise
            backends_answer = self.client.get("backends")
            rows = (
                backends_answer
                if isinstance(backends_answer, list)
                else value_at_path(backends_answer, "backends") or []
            )
            backend_names = [str(value_at_path(row, "backend")) for row in rows]
            machine_names = [
                name.removeprefix("qpu.") for name in backend_names if name.startswith("qpu.")
            ]
            raise error.with_message(
                f"the server has no device {setup.backend}. Nothing was sent. Name one of its devices with the "
                f"option target: {', '.join(machine_names) or 'none'}."
            ) from None
        offered_mitigations = machine.get("supported_error_mitigations")
        qubits = machine.get("qubits")
        known_mitigations = (
            offered_mitigations
            if isinstance(offered_mitigations, list)
            else ["symmetry_verification"]
        )
        if setup.symmetry_verification and "symmetry_verification" not in known_mitigations:
            raise RemoteRequestError(
                f"{setup.backend} offers no symmetry_verification, but "
                f"{', '.join(map(str, known_mitigations)) or 'none'}. Nothing was sent. Omit symmetry_verification, or "
                "name another device."
            )
        if isinstance(qubits, int) and setup.n_qubits > qubits:
            raise RemoteRequestError(
                f"the circuit has {setup.n_qubits} qubits and {setup.backend} has {qubits}. Nothing was sent. "
                "Use a smaller head, or another backend."
            )

    def server_time(self) -> float | None:
        """Return the time by the server's clock (see `Transport.server_time`)."""
        return self.client.transport.server_time()

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Stop repeating reads at ``deadline``."""
        with self.client.transport.until(deadline):
            yield

    def open_session(self, backend: str, unit: str | None) -> str | None:
        """Open a session with the caps of the options, and return its id, or None without caps.

        Raises:
            RemoteRequestError: if the server has no sessions, or confirms other caps. Nothing was sent.
            RemoteError: if it cannot be asked.
        """
        caps = self._session_caps(unit)
        if not caps:
            return None
        try:
            answer = self.client.send(
                "sessions", body=json.dumps({"backend": backend, "settings": caps})
            )
        except RemoteError as error:
            if error.status == _UNAUTHORIZED:
                raise
            is_refused = error.status is not None and error.status < 500
            error_class = RemoteRequestError if is_refused else type(error)
            raise error_class(
                f"no session was opened: {error} No circuit was sent. Sessions are in beta and IonQ opens them to some "
                "customers only: omit session_max_cost and session_max_minutes, and set max_cost, which is kept here.",
                status=error.status,
            ) from None
        session = value_at_path(answer, "id")
        if not isinstance(session, str) or not session or "/" in session:
            raise RemoteRequestError(
                f"POST {self.client.address('sessions')} answered without a session's id. No circuit was sent. Run "
                "again later."
            )
        server_caps = {name: value_at_path(answer, "settings", name) for name in caps}
        unconfirmed_caps = [
            name for name, cap in caps.items() if not _keeps_cap(server_caps[name], cap)
        ]
        if unconfirmed_caps:
            self.end_session(session)
            raise RemoteRequestError(
                f"the server opened the session {session} without the caps that were asked for "
                f"({', '.join(unconfirmed_caps)}): no circuit was sent. Omit session_max_cost and session_max_minutes, "
                "and set max_cost, kept here."
            )
        return session

    def end_session(self, session: str) -> bool:
        """End a session, also with jobs under way. Return False, with a `SessionWarning`, if the server did not."""
        try:
            self.client.send("sessions", session, "end")
        except RemoteError as error:
            text = (
                f"the session {session} could not be ended: {error} It ends by itself at its caps."
            )
            warnings.warn(text, SessionWarning, stacklevel=3)
            return False
        return True

    def _session_caps(self, unit: str | None = None) -> dict[str, Any]:
        """Return the field ``settings`` of a new session, empty without caps; ``unit`` is that of the prices."""
        caps: dict[str, Any] = {}
        options = self.waits
        if isinstance(options, IonQForteOptions) and options.session_max_cost is not None:
            caps["cost_limit"] = {"unit": unit or _DEFAULT_UNIT, "value": options.session_max_cost}
        if isinstance(options, IonQForteOptions) and options.session_max_minutes is not None:
            caps["duration_limit_min"] = options.session_max_minutes
        return caps


def _keeps_cap(server_cap: Any, cap: Any) -> bool:
    """Return whether the server kept a cap. It may describe it by more names."""
    if isinstance(cap, dict) and isinstance(server_cap, dict):
        return cap.items() <= server_cap.items()
    return bool(server_cap == cap)


def _rates_text(estimate: Mapping[str, Any]) -> str:
    """Return the units of the estimate's rate card and the predicted compute time of a circuit, for people."""
    card = value_at_path(estimate, "rate_card", "rates")
    time_us = estimate.get(_COMPUTE_TIME_FIELD)
    rates = card if isinstance(card, list) else []
    units = {str(value_at_path(rate, "unit"))[:40] for rate in rates} - {"None"}
    text = f" IonQ bills by {', '.join(sorted(units))}." if units else ""
    if is_amount(time_us):
        text += f" A circuit takes about {time_us / 1e6:.3g} s of quantum compute time."
    return text


def _first_value(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)
