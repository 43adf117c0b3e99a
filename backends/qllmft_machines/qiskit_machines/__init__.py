"""Any Qiskit backend or V2 primitive: circuits compiled to a machine, run, and counted; paid jobs in a ledger.

The backend itself is in `qllmft_machines.qiskit_machines.backend`. A provider's packages are imported when it is named.
"""
