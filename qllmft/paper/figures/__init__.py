"""Figures 5 to 12 of the paper, redrawn from runs, with the paper's printed numbers as hollow markers.

`catalogue` has them by name. `qllmft.report.style` is the style of every figure.
"""
