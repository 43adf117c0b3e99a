"""Ledger of remote jobs and results on disk, for every machine."""
