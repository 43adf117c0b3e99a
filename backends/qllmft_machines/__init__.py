"""Paid jobs elsewhere: one ledger, one way to send, settle, collect and cancel, and routes to the providers.

The backends themselves are in `ionq.backend`, which needs the extra ``ionq``, and in `qiskit_machines.backend`.
"""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_machines.ionq.options import IonQConnection as IonQConnection
    from qllmft_machines.ionq.options import IonQForteOptions as IonQForteOptions
    from qllmft_machines.ionq.options import IonQSimulatorOptions as IonQSimulatorOptions
    from qllmft_machines.ledger.ledger import Ledger as Ledger
    from qllmft_machines.ledger.ledger import ledgers_in as ledgers_in
    from qllmft_machines.listing import cancel as cancel
    from qllmft_machines.listing import cancel_ledger as cancel_ledger
    from qllmft_machines.listing import ledger_jobs as ledger_jobs
    from qllmft_machines.listing import server_jobs as server_jobs
    from qllmft_machines.listing import wait as wait
    from qllmft_machines.rows import Job as Job
    from qllmft_machines.rows import JobsInterrupt as JobsInterrupt
    from qllmft_machines.rows import Total as Total
    from qllmft_machines.rows import job_total as job_total

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
