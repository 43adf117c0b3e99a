"""Ansatz, backend, baseline and tracker for qllmft. A module is imported when its name is first used."""
