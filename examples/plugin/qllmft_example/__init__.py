"""An ansatz, a backend and a baseline for qllmft; nothing is imported before its name is used."""
