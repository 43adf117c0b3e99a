"""Ledger of remote jobs and results on disk, and consent to their price, for every machine."""

from qllmft_backends.errors import LedgerError
from qllmft_backends.remote.ledger.chunk import FREE_MACHINE, UNDER_WAY, Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Ledger, Place

__all__ = ["FREE_MACHINE", "UNDER_WAY", "Chunk", "Ledger", "LedgerError", "Place", "Setup"]
