"""Machines elsewhere: a ledger of their jobs, IonQ, and any machine behind Qiskit's interfaces."""
