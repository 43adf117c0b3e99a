"""The paper's experiments: which runs belong to each, what they say of it, and what is counted without a run."""

from qllmft.paper.results.measured import Circumstances, Experiment, Measured, measure

__all__ = ["Circumstances", "Experiment", "Measured", "measure"]
