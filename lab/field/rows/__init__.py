"""Rows of the bench, a file for each: see ``Head`` in ``lab/field/head.py``."""
