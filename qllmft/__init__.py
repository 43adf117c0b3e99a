"""qllmft."""
