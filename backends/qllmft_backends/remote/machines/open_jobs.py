"""Jobs of a remote machine's ledger, collected or cancelled by the name of the machine in it."""

from __future__ import annotations

from pathlib import Path

from qllmft_backends.errors import BackendError
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.machines.jobs import RemoteJobs
from qllmft_backends.remote.machines.options import QiskitOptions
from qllmft_backends.remote.machines.providers import PROVIDERS, open_machine

URL = "qiskit"  # address in the setup of every job of the backend


def is_of_qiskit(folder: Path) -> bool:
    """Return whether a ledger holds jobs of the backend ``qiskit``."""
    ledger = Ledger(folder)
    ledger.refresh()
    return any(chunk.setup.url == URL for chunk in ledger.chunks.values())


def wait(folder: Path) -> None:
    """Collect every job of a ledger that has not ended. Nothing is sent.

    Raises:
        BackendError: if the machine cannot be opened, a job has not ended at the deadline, or a doubtful job cannot be
            looked up.
    """
    jobs = _opened(folder)
    if jobs is not None:
        jobs.collect_all()


def cancel(folder: Path) -> list[str]:
    """Cancel every job of a ledger that has not ended, and return one line per job."""
    jobs = _opened(folder)
    return [] if jobs is None else jobs.cancel_all()


def _opened(folder: Path) -> RemoteJobs | None:
    """Return the jobs of a ledger with their machine, or None if all have ended."""
    ledger = Ledger(folder)
    ledger.refresh()
    chunks = [chunk for chunk in ledger.chunks.values() if chunk.state in ("sent", "submitted")]
    if not chunks:
        return None
    address = chunks[0].setup.backend
    provider, _, machine = address.partition(":")
    if provider not in PROVIDERS or not PROVIDERS[provider].remote:
        raise BackendError(
            f"{chunks[0].label} was sent to {address}, an object of Python, which no name opens again. Repeat the same "
            "call with that object: it collects the job, and pays for nothing twice."
        )
    options = QiskitOptions.model_validate(
        {"provider": provider, "machine": machine, "ledger": folder.parent}
    )
    found = open_machine(options)
    if found.route is None:
        raise BackendError(f"{address} has no jobs to read.")
    jobs = RemoteJobs(options, found, found.route)
    if jobs.ledger.folder != ledger.folder:
        raise BackendError(
            f"the ledger of {address} is {folder}, expected {jobs.ledger.folder}. Move it there."
        )
    return jobs
