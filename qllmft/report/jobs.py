"""Rows of a run's page on its paid jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qllmft.energy.measured import formula_kj, measured_kj

if TYPE_CHECKING:
    from qllmft_backends.ionq import Job


@dataclass(frozen=True)
class PaidJob:
    """Job with its price and its energies, as they are shown."""

    job: Job

    @property
    def circuits(self) -> str:
        """Return the number of circuits, with those of a known answer after a plus."""
        known = f"+{self.job.known_circuits}" if self.job.known_circuits else ""
        return f"{self.job.circuits:,}{known}"

    @property
    def price(self) -> str:
        """Return the charge, or the estimate after a tilde."""
        amount = self.job.amount
        estimated = "~" if self.job.cost is None else ""
        return "–" if amount is None else f"{estimated}{amount:,.2f} {self.job.unit or ''}".rstrip()

    @property
    def measured(self) -> str:
        """Return the measured energy per circuit."""
        return _shown(measured_kj(self.job))

    @property
    def formula(self) -> str:
        """Return the energy per circuit by the formula."""
        return _shown(formula_kj(self.job))


def paid_jobs(folder: Path) -> list[PaidJob]:
    """Return the jobs of all ledgers in a folder that were accepted and are not free. No server is asked."""
    from qllmft_backends.ledger.ledger import ledgers_in

    folders = ledgers_in(folder)
    if not folders:
        return []
    from qllmft_backends.ionq import ledger_jobs

    jobs = [job for each in folders for job in ledger_jobs(each)]
    return [PaidJob(job) for job in jobs if job.job_id and (job.price != 0 or job.cost)]


def _shown(energy_kj: float | None) -> str:
    return "–" if energy_kj is None else f"{energy_kj:.4g}"
