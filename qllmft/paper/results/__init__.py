"""Results of the paper's experiments from runs, and counts that need no run."""

from qllmft.paper.results.measured import Circumstances, Experiment, Measured, measure

__all__ = ["Circumstances", "Experiment", "Measured", "measure"]
