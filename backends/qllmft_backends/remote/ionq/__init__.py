"""IonQ: simulators and trapped ions in the cloud.

The backends themselves are in the module ``backend``, which needs the extra ``ionq``; this part does not.
"""

from qllmft_backends.errors import CostRefusedError, LedgerError
from qllmft_backends.remote.ionq.errors import (
    DuplicateJobWarning,
    IonQAuthError,
    IonQError,
    IonQJobFailedError,
    IonQQuotaError,
    IonQRequestError,
    IonQTimeoutError,
    IonQTransientError,
    PaidTrainingError,
    SessionWarning,
)
from qllmft_backends.remote.ionq.job import Job, JobsInterrupt, Total, job_total
from qllmft_backends.remote.ionq.jobs import cancel, cancel_ledger, ledger_jobs, server_jobs, wait
from qllmft_backends.remote.ionq.options import (
    IonQConnection,
    IonQForteOptions,
    IonQSimulatorOptions,
)
from qllmft_backends.remote.ledger.ledger import Ledger

__all__ = [
    "CostRefusedError",
    "DuplicateJobWarning",
    "IonQAuthError",
    "IonQConnection",
    "IonQError",
    "IonQForteOptions",
    "IonQJobFailedError",
    "IonQQuotaError",
    "IonQRequestError",
    "IonQSimulatorOptions",
    "IonQTimeoutError",
    "IonQTransientError",
    "Job",
    "JobsInterrupt",
    "Ledger",
    "LedgerError",
    "PaidTrainingError",
    "SessionWarning",
    "Total",
    "cancel",
    "cancel_ledger",
    "job_total",
    "ledger_jobs",
    "server_jobs",
    "wait",
]
