"""Consent to the circuits of several calls, asked for before the first one is sent."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from qiskit import QuantumCircuit

from qllmft_backends.protocol import ConsentBackend, Evaluator, Floats, remote_or_none


def consent_to_calls(
    backend: Evaluator, calls: Iterable[tuple[QuantumCircuit, Floats]]
) -> AbstractContextManager[None]:
    """Return a context for several calls of a backend, which asks once for consent to all of them if they are paid.

    Args:
        backend: runs the calls.
        calls: circuit without measurements and values (B, P) of each.

    Raises:
        CostRefusedError: if their price is above a limit, or not agreed to; nothing was sent.
        BackendError: of a remote backend without the methods of one.
    """
    if remote_or_none(backend) is None or not isinstance(backend, ConsentBackend):
        return nullcontext()
    if not backend.has_limits:
        return nullcontext()
    estimates = [backend.estimate(circuit, values) for circuit, values in calls if len(values)]
    if len(estimates) < 2:  # one call asks by itself
        return nullcontext()
    return backend.consent(backend.merge_estimates(estimates))
