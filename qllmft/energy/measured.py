"""Energy of the circuits of paid jobs: as the server measured it, and by the paper's formula."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qllmft.energy.formula import FORTE, qpu_energy_kj
from qllmft_circuits import CircuitCounts

if TYPE_CHECKING:
    from qllmft_backends.remote import Job


def measured_kj(job: Job) -> float | None:
    """Return the energy per circuit that the server measured, in kilojoules, or None if it reported none."""
    return None if job.kwh is None else 3600 * job.kwh / (job.circuits + job.known_circuits)


def formula_kj(job: Job) -> float | None:
    """Return the energy per circuit by the paper's formula, in kilojoules, or None if the gates are unknown."""
    if (
        job.qubits is None
        or job.one_qubit_gates is None
        or job.two_qubit_gates is None
        or job.shots is None
    ):
        return None
    counts = CircuitCounts(
        job.qubits, job.one_qubit_gates, job.two_qubit_gates, depth=0, weights=0, data_angles=0
    )
    return qpu_energy_kj(counts, replace(FORTE, shots=job.shots))
