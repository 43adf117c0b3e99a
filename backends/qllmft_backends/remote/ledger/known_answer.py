"""Answer of a job's circuit with a known answer, and the check of its result."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from qllmft_backends.remote.ledger.payload import Probabilities


def known_state(client_token: str, n_qubits: int) -> int:
    """Return the answer of a job's circuit with a known answer (qubit 0 the least significant bit).

    It follows from the job's client token, so that the results of another job do not pass for its own, and differs from
    its mirror image, so that a reversed order of qubits shows.

    >>> [f"{known_state('a token', n):0{n}b}" for n in (1, 2, 4, 7)]
    ['1', '01', '0111', '0111111']
    """
    state: int = int(sha256(client_token.encode()).hexdigest(), 16) % 2**n_qubits
    text = f"{state:0{n_qubits}b}"
    mirrored = n_qubits > 1 and text == text[::-1]
    return state ^ (1 << (n_qubits - 1) if mirrored else 0)


def known_answer_error(
    expected: int | None, n_qubits: int, results: Sequence[Probabilities | None]
) -> str | None:
    """Return the error in the first of ``results``, or None if it is right or no other circuit has a result.

    The answer is compared qubit by qubit, by the majority of the shots: noise flips some of them. Without an expected
    answer there is no error.
    """
    if expected is None or not any(results[1:]):
        return None
    if not results[0]:
        return "the circuit with a known answer has no result"
    differing = [(state ^ expected, p) for state, p in results[0].items()]
    right = [sum(p for bits, p in differing if not bits >> q & 1) for q in range(n_qubits)]
    wrong = [q for q, share in enumerate(right) if share <= 0.5]
    if not wrong:
        return None
    shares = ", ".join(f"{right[q]:.2f}" for q in wrong[:5])
    return (
        f"the circuit with a known answer came back wrong on the qubits {wrong}: the right value in a share of "
        f"{shares} of the shots, expected more than 0.50"
    )
