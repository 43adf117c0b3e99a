"""An ansatz, a backend and a rival for qllmft; nothing is imported before its name is used."""
