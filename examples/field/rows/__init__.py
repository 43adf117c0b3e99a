"""Rows of the bench, a file for each: see ``Head`` in ``examples/field/head.py``."""
