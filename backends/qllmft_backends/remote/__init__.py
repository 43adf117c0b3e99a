"""Paid jobs elsewhere: one ledger, one way to send, settle, collect and cancel, and routes to the providers.

The backends themselves are in `remote.ionq.backend`, which needs the extra ``ionq``, and `remote.machines.backend`.
"""

from qllmft_backends.errors import CostRefusedError, LedgerError
from qllmft_backends.remote.errors import (
    DamagedRecordWarning,
    DuplicateJobWarning,
    IonQAuthError,
    IonQKeyMissingError,
    IonQQuotaError,
    JobFailedError,
    JobTimeoutError,
    PaidTrainingError,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
    SessionWarning,
    UnreportedResultWarning,
)
from qllmft_backends.remote.ionq.options import (
    IonQConnection,
    IonQForteOptions,
    IonQSimulatorOptions,
)
from qllmft_backends.remote.ledger.ledger import Ledger, ledgers_in
from qllmft_backends.remote.listing import cancel, cancel_ledger, ledger_jobs, server_jobs, wait
from qllmft_backends.remote.rows import Job, JobsInterrupt, Total, job_total

__all__ = [
    "CostRefusedError",
    "DamagedRecordWarning",
    "DuplicateJobWarning",
    "IonQAuthError",
    "IonQConnection",
    "IonQForteOptions",
    "IonQKeyMissingError",
    "IonQQuotaError",
    "IonQSimulatorOptions",
    "Job",
    "JobFailedError",
    "JobTimeoutError",
    "JobsInterrupt",
    "Ledger",
    "LedgerError",
    "PaidTrainingError",
    "RemoteError",
    "RemoteRequestError",
    "RemoteTransientError",
    "SessionWarning",
    "Total",
    "UnreportedResultWarning",
    "cancel",
    "cancel_ledger",
    "job_total",
    "ledger_jobs",
    "ledgers_in",
    "server_jobs",
    "wait",
]
