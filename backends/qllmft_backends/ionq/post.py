"""Sending a job through qiskit-ionq's own backend, with our client in it; and what a machine cannot take."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from qiskit import QuantumCircuit
from qiskit_ionq.exceptions import IonQTranspileLevelWarning
from qiskit_ionq.ionq_backend import IonQBackend

from qllmft_backends.ionq.client import Client
from qllmft_backends.ionq.errors import IonQRequestError
from qllmft_backends.ionq.ledger import Setup


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


def post(
    client: Client,
    circuits: Sequence[QuantumCircuit],
    setup: Setup,
    client_token: str,
    ledger_id: str,
    session: str | None = None,
) -> str:
    """Send bound, measured circuits as one job, once, in ``session`` (an id) where there is one; the job's id.

    Raises:
        IonQError: ``ambiguous`` where the job may have been accepted.
    """
    backend = _Backend(client, setup.backend, setup.n_qubits)
    extra: dict[str, Any] = {}
    if setup.backend == "simulator":
        # Set here: as arguments of run() the library would draw the shots anew on this side.
        backend.set_options(noise_model=setup.noise_model, sampler_seed=setup.seed)
    else:
        # As raw settings, which every version of the library passes on: 1.1.1 takes an enum, its successor keywords.
        mitigation = {"debiasing": setup.error_mitigation == "debiasing"}
        if setup.symmetry_verification:
            mitigation["symmetry_verification"] = True
        extra["job_settings"] = {"error_mitigation": mitigation}
    job = backend.run(
        list(circuits) if len(circuits) > 1 else circuits[0],
        shots=setup.shots,
        name=f"qllmft {client_token[:12]}",  # the API allows letters, digits, spaces, - and _
        extra_metadata={"client_token": client_token, "ledger": ledger_id},
        session_id=session,
        **extra,
    )
    return str(job.job_id())


def check_machine(client: Client, setup: Setup) -> None:
    """Stop before sending what the machine cannot take: a wider circuit, or symmetry verification.

    Raises:
        IonQRequestError: names what it takes.
    """
    facts = client.backend_facts(setup.backend)
    offered = facts.get("supported_error_mitigations")
    if setup.symmetry_verification and isinstance(offered, list) and "symmetry_verification" not in offered:
        raise IonQRequestError(
            f"{setup.backend} offers no symmetry_verification, but {', '.join(map(str, offered)) or 'none'}. Nothing "
            "was sent. Leave symmetry_verification out, or name another machine."
        )
    qubits = facts.get("qubits")
    if isinstance(qubits, int) and setup.n_qubits > qubits:
        raise IonQRequestError(
            f"the circuit has {setup.n_qubits} qubits and {setup.backend} has {qubits}. Nothing was sent. "
            "Use a smaller head, or another backend."
        )
