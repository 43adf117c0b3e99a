"""Machine of a ledger, opened again by the name in it."""

from __future__ import annotations

from qllmft_backends.errors import BackendError
from qllmft_backends.remote.ledger.chunk import Chunk
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.machines.backend import jobs_of
from qllmft_backends.remote.machines.options import QiskitOptions
from qllmft_backends.remote.machines.providers import PROVIDERS, open_machine
from qllmft_backends.remote.route import Route


def route_of(ledger: Ledger, chunk: Chunk) -> Route:
    """Return the route to the machine that ``chunk`` was sent to.

    Raises:
        BackendError: if no name opens the machine, or the ledger is not at its place.
    """
    address = chunk.setup.backend
    provider, _, machine = address.partition(":")
    if provider not in PROVIDERS or not PROVIDERS[provider].remote:
        raise BackendError(
            f"{chunk.label} was sent to {address}, an object of Python, which no name opens again. Repeat the same "
            "call with that object: it collects the job, and pays for nothing twice."
        )
    options = QiskitOptions.model_validate(
        {"provider": provider, "machine": machine, "ledger": ledger.folder.parent}
    )
    jobs = jobs_of(open_machine(options), options)
    if jobs is None:
        raise BackendError(f"{address} has no jobs to read.")
    if jobs.ledger.folder != ledger.folder:
        raise BackendError(
            f"the ledger of {address} is {ledger.folder}, expected {jobs.ledger.folder}. Move it there."
        )
    return jobs.route
