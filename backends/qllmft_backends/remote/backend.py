"""Base of the backends that send jobs away: consent, callbacks and reports on one `Jobs`."""

from __future__ import annotations

from typing import Any

from qllmft_backends.backend import Backend
from qllmft_backends.remote.collect import OnProgress
from qllmft_backends.remote.cost import Announce, Confirm
from qllmft_backends.remote.jobs import Callbacks, Jobs


class JobsBackend(Backend):
    """Base of the backends that send jobs away, a `RemoteBackend`. ``jobs`` is None if nothing leaves this machine."""

    options: Any
    jobs: Jobs | None

    @property
    def consented(self) -> bool:
        """Return the option ``yes``."""
        return bool(self.options.yes)

    @property
    def has_ledger(self) -> bool:
        """Return whether the ledger's folder holds one. A call that sent nothing leaves an empty folder."""
        return self.jobs is not None and self.jobs.ledger.path.exists()

    def attend(
        self,
        *,
        confirm: Confirm | None = None,
        announce: Announce | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Set the callbacks of later calls (see `RemoteBackend.attend`)."""
        if self.jobs is not None:
            self.jobs.callbacks = Callbacks(confirm, announce, on_progress)

    def running_jobs(self) -> str:
        """Return a report of the jobs that are still running at the server (see `RemoteBackend.running_jobs`)."""
        return "" if self.jobs is None else self.jobs.running()
