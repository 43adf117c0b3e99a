"""Counts in sentences."""

from qllmft_backends.text import format_count

__all__ = ["format_count"]
