"""Audits of circuits: planted faults, sound models, and architectures of other authors."""
