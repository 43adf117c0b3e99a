"""Paid jobs of a run for its page, and their energies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qllmft.energy.formula import FORTE, qpu_energy_kj
from qllmft_circuits.inspect import CircuitCounts
from qllmft_machines import Job as Job
from qllmft_machines import ledger_jobs, ledgers_in


def paid_jobs(folder: Path) -> list[Job]:
    """Return the jobs of all ledgers in a folder that were accepted and are not free. No server is asked."""
    jobs = [job for ledger in ledgers_in(folder) for job in ledger_jobs(ledger)]
    return [job for job in jobs if job.job_id and (job.price != 0 or job.cost)]


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
