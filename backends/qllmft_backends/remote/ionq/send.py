"""Sending of chunks, each accepted once: no second POST before the first is known to have had no effect."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

from qiskit import QuantumCircuit

from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ionq.compile import Template
from qllmft_backends.remote.ionq.errors import (
    NOT_FOUND,
    IonQError,
    IonQRequestError,
    IonQTransientError,
)
from qllmft_backends.remote.ionq.job_index import TOKEN_IN_NAME, JobIndex
from qllmft_backends.remote.ionq.known_answer import known_answer
from qllmft_backends.remote.ionq.library import IonQBackend, IonQTranspileLevelWarning
from qllmft_backends.remote.ionq.transport import Deadline
from qllmft_backends.remote.ledger.chunk import FREE_MACHINE, Chunk, Setup
from qllmft_backends.remote.ledger.known_answer import known_state
from qllmft_backends.remote.ledger.ledger import Ledger

_FIRST_PAUSE_S = 1.0
_CLOCK_RESOLUTION_S = 1.0  # of the header Date


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


def settle(index: JobIndex, chunk: Chunk, patience_s: float) -> None:
    """Find out whether a doubtful chunk (sent, no job id) was accepted: look up its client token among the jobs.

    Afterwards the chunk is ``submitted``, or ``planned`` again. It counts as never accepted if the server does not
    list it ``patience_s`` after the last attempt. If the server accepts it later still, the next call finds that
    before it sends anything, and `JobIndex.reconcile` records the second job.

    Raises:
        IonQError: if the server cannot be asked; the chunk stays doubtful, and is not sent again.
    """
    wait = None if patience_s else Deadline(0.0)
    while True:
        # before the list, which is then that of a settled server
        settled = wait is not None and wait.left() == 0
        try:
            index.refresh(complete=settled)
        except IonQError as error:
            raise error.reworded(
                f"{error} Chunk {chunk.id} may have been accepted before; it is not sent again until the server has "
                "been asked for its client token. Run again later: nothing is paid twice."
            ) from None
        index.reconcile()
        if chunk.job_id is not None:
            return
        if settled:
            for token in {a.client_token for a in chunk.attempts if not a.refused}:
                index.ledger.refused(
                    chunk, token, f"not among the server's jobs after {patience_s:g} s"
                )
            return
        if wait is None:
            wait = Deadline(_patience_left(chunk, patience_s, index.server_time()))
        time.sleep(min(index.client.connection.poll_interval_s, wait.left()))


def _patience_left(chunk: Chunk, patience_s: float, server_time: float | None) -> float:
    """Return the rest of ``patience_s`` since the last attempt by the server's clock; this machine's may be wrong."""
    times = [attempt.server_at for attempt in chunk.attempts if not attempt.refused]
    if server_time is None or None in times:
        return patience_s
    elapsed = server_time - max(time for time in times if time is not None) - _CLOCK_RESOLUTION_S
    return min(patience_s, max(0.0, patience_s - elapsed))


def send(index: JobIndex, chunk: Chunk, template: Template, session: str | None = None) -> None:
    """Send a planned chunk, in ``session`` if there is one. Afterwards it is ``submitted``.

    After every answer other than a plain acceptance the server is asked for the client token: at once after a refusal,
    for ``settle_s`` after a possible success (5xx, a redirection, no answer, one without an id). Transient failures
    (429, 5xx, a lost connection) are repeated for ``retry_s`` seconds at most.

    ``index`` was read in this call. An `IonQError` says whether the chunk was not accepted, or is doubtful.
    """
    client, ledger, connection = index.client, index.ledger, index.client.connection
    setup, circuits = (
        chunk.setup,
        template.bind(chunk.values, [f"{chunk.id}-{i}" for i in range(len(chunk.values))]),
    )
    patience = Deadline(connection.retry_s)
    pause = min(_FIRST_PAUSE_S, connection.poll_interval_s)
    while True:
        found = index.find(ledger.tokens(setup, [chunk.values], chunk.checked))
        if found:  # lost from the ledger, or accepted late
            ledger.sending(chunk, client.transport.server_time())
            index.adopt(chunk, found[0])
            return
        token = ledger.sending(chunk, client.transport.server_time(), session)
        known = (
            [known_answer(setup.n_qubits, known_state(token, setup.n_qubits)).circuit]
            if chunk.checked
            else []
        )
        try:
            job_id = post(index, [*known, *circuits], setup, token, session)
            _check_new(ledger, chunk, job_id)
        except IonQError as error:
            failure = error
        else:
            ledger.submitted(chunk, job_id, token, sandbox=client.transport.mock_server)
            return
        if failure.unsent:
            ledger.refused(chunk, token, str(failure))
        else:
            settle(index, chunk, connection.settle_s if failure.ambiguous else 0.0)
            if chunk.job_id is not None:
                return
        wait = max(pause, failure.retry_after_s or 0.0)
        if not failure.transient or wait > patience.left():
            raise failure.reworded(
                f"{failure} Chunk {chunk.id} ({chunk.circuits} circuits) was not accepted and costs nothing; jobs "
                "accepted before are in the ledger. Run again to continue from there."
            )
        time.sleep(wait)
        pause *= 2
        index.refresh()


def post(
    index: JobIndex,
    circuits: Sequence[QuantumCircuit],
    setup: Setup,
    client_token: str,
    session: str | None = None,
) -> str:
    """Send bound, measured circuits as one job, once, and return the job's id."""
    return _run(
        index.client,
        list(circuits) if len(circuits) > 1 else circuits[0],
        setup,
        # the API allows letters, digits, spaces, - and _
        name=f"qllmft {client_token[:TOKEN_IN_NAME]}",
        extra_metadata={"client_token": client_token, "ledger": index.ledger.identity.id},
        session_id=session,
    )


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


def _check_new(ledger: Ledger, chunk: Chunk, job_id: str) -> None:
    for other in ledger.chunks.values():
        if job_id in (other.job_id, *other.duplicates):
            raise IonQTransientError(
                f"POST jobs for chunk {chunk.id} answered the id of another job, that of {other.label}.",
                transient=True,
                ambiguous=True,
            )


def check_machine(client: Client, setup: Setup) -> None:
    """Raise `IonQRequestError` for an unknown machine, a circuit too wide for it, or a mitigation that it lacks."""
    try:
        machine = client.describe_backend(setup.backend)
    except IonQRequestError as error:
        if error.status != NOT_FOUND:
            raise
        known = ", ".join(name.removeprefix("qpu.") for name in client.machines()) or "none"
        raise error.reworded(
            f"the server has no machine {setup.backend}. Nothing was sent. Name one of its machines with the option "
            f"target: {known}."
        ) from None
    offered = machine.get("supported_error_mitigations")
    if (
        setup.symmetry_verification
        and isinstance(offered, list)
        and "symmetry_verification" not in offered
    ):
        raise IonQRequestError(
            f"{setup.backend} offers no symmetry_verification, but {', '.join(map(str, offered)) or 'none'}. Nothing "
            "was sent. Omit symmetry_verification, or name another machine."
        )
    qubits = machine.get("qubits")
    if isinstance(qubits, int) and setup.n_qubits > qubits:
        raise IonQRequestError(
            f"the circuit has {setup.n_qubits} qubits and {setup.backend} has {qubits}. Nothing was sent. "
            "Use a smaller head, or another backend."
        )
