"""Sweeps: searches over settings, on one machine or many, decided on validation accuracy alone."""
