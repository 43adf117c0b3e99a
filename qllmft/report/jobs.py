"""Rows of a run's page on its paid jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qllmft.energy.measured import formula_kj, measured_kj

if TYPE_CHECKING:
    from qllmft_backends.remote import Job


class PaidJob(NamedTuple):
    """Job with its energies per circuit, as they are shown."""

    job: Job
    measured: str
    formula: str


def paid_jobs(folder: Path) -> list[PaidJob]:
    """Return the jobs of all ledgers in a folder that were accepted and are not free. No server is asked."""
    from qllmft_backends.remote.ledger.ledger import ledgers_in

    folders = ledgers_in(folder)
    if not folders:
        return []
    from qllmft_backends.remote import ledger_jobs

    jobs = [job for each in folders for job in ledger_jobs(each)]
    return [
        PaidJob(job, _shown(measured_kj(job)), _shown(formula_kj(job)))
        for job in jobs
        if job.job_id and (job.price != 0 or job.cost)
    ]


def _shown(energy_kj: float | None) -> str:
    return "–" if energy_kj is None else f"{energy_kj:.4g}"
