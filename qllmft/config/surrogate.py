"""Configuration of the classical surrogate of a model."""

from __future__ import annotations

from qllmft.config.section import Positive, Section


class SurrogateConfig(Section):
    """Classical surrogate in place of a model's circuits."""

    rank: Positive | None = None  # eigenvalues per quadratic form; None: all, which is exact
    # Schmidt values kept across each cut of the head; None: all, which is exact
    bond: Positive | None = None
