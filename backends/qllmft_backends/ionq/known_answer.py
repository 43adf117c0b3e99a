"""A circuit whose answer is known, sent before paid ones: a machine, or a library, that errs is found out for little.

It holds a gate on every qubit and CNOT gates along them, gives one basis state, and that state is no mirror image of
itself: a reversed or shifted order of qubits shows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from qllmft_backends.ionq.chunks import Probabilities, content_hash
from qllmft_backends.ionq.client import Client
from qllmft_backends.ionq.collector import collect
from qllmft_backends.ionq.compile import compile_template
from qllmft_backends.ionq.errors import IonQJobFailedError
from qllmft_backends.ionq.ledger import Ledger
from qllmft_backends.ionq.options import IonQOptions
from qllmft_backends.ionq.roster import Roster
from qllmft_backends.ionq.sender import send
from qllmft_backends.ionq.work import Work, chunks_of

DEFAULT_SHOTS = 50


def known_circuit(n_qubits: int) -> tuple[QuantumCircuit, int]:
    """The circuit and its answer, a basis state (qubit 0 the least significant bit).

    >>> [f"{known_circuit(n)[1]:0{n}b}" for n in (1, 2, 3, 4, 5, 7)]
    ['1', '01', '001', '0001', '01001', '0001001']
    """
    state = sum(1 << q for q in range(0, n_qubits, 3))
    if n_qubits > 1 and n_qubits % 3 == 1:
        state ^= 1 << (n_qubits - 1)  # else it would be its own mirror image
    circuit, flips = QuantumCircuit(n_qubits, name="known answer"), state ^ state << 1
    for qubit in range(n_qubits):
        circuit.ry(np.pi * (flips >> qubit & 1), qubit)
    for control in range(n_qubits - 1):
        circuit.cx(control, control + 1)
    return circuit, state


def known_work(work: Work, shots: int) -> Work:
    """The request for the known circuit that goes before ``work``; the same again for the same ``work``."""
    template = compile_template(known_circuit(work.setup.n_qubits)[0])
    setup = replace(
        work.setup,
        circuit_sha256=template.sha256,
        shots=shots,
        error_mitigation="none",
        symmetry_verification=False,
        repetition=int(content_hash(work.setup, work.values)[:12], 16),
    )
    return Work(template, np.empty((1, 0)), setup)


def check_answer(result: Probabilities, n_qubits: int, where: str) -> None:
    """Compare ``result`` with the answer, qubit by qubit, by the majority of the shots: noise flips some of them.

    Raises:
        IonQJobFailedError: names the qubits that are wrong.
    """
    _, state = known_circuit(n_qubits)
    right = [sum(p for s, p in result.items() if (s ^ state) >> q & 1 == 0) for q in range(n_qubits)]
    wrong = [q for q, share in enumerate(right) if share <= 0.5]
    if wrong:
        shares = ", ".join(f"{right[q]:.2f}" for q in wrong[:5])
        raise IonQJobFailedError(
            f"the circuit with a known answer ({where}) came back wrong on the qubits {wrong}: the right value in a "
            f"share of {shares} of the shots, expected more than 0.50. Nothing else was sent. Look at the machine's "
            "status, wait, then set another repetition; known_answer_shots=0 sends without this check."
        )


def ask_known_answer(
    client: Client,
    ledger: Ledger,
    roster: Roster,
    known: Work,
    options: IonQOptions,
    facts: dict[str, Any],
    session: str | None = None,
) -> int:
    """Send the known circuit, unless the ledger has it, wait for it, and compare; how many circuits were sent.

    Raises:
        IonQJobFailedError: it came back wrong, or with no result.
        IonQError: see `send` and `collect`.
    """
    sent = 0
    if ledger.find(known.setup, known.values, retry_failed=options.retry_failed) == [None]:
        chunk = ledger.plan(known.setup, known.values, **facts)
        send(client, ledger, roster, chunk, known.template, options, session)
        sent = 1
    (chunk,) = chunks_of(ledger.find(known.setup, known.values))
    problems = collect(client, ledger, [chunk], options)
    if problems:
        raise problems[chunk.id]
    if not chunk.results or chunk.results[0] is None:
        raise IonQJobFailedError(
            f"the circuit with a known answer has no result: {chunk.label}: {chunk.failure}. Nothing else was sent. "
            "Set retry_failed to send it again, or known_answer_shots=0 to go without."
        )
    check_answer(chunk.results[0], known.setup.n_qubits, chunk.label)
    return sent
