"""Paid jobs of a run for its page, and their energies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qllmft.energy.formula import formula_kj, measured_kj
from qllmft_backends.remote import Job as Job
from qllmft_backends.remote import ledger_jobs, ledgers_in


def paid_jobs(folder: Path) -> list[Job]:
    """Return the jobs of all ledgers in a folder that were accepted and are not free. No server is asked."""
    jobs = [job for ledger in ledgers_in(folder) for job in ledger_jobs(ledger)]
    return [job for job in jobs if job.job_id and (job.price != 0 or job.cost)]


def energies_by_job(jobs: Sequence[Job]) -> list[tuple[float | None, float | None]]:
    """Return the energies per circuit of each job, as the server measured it and by the formula, in kilojoules."""
    return [(measured_kj(job), formula_kj(job)) for job in jobs]
