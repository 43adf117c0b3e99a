"""Training runs: the main job, its folder and its record."""

from qllmft.run.experiment import Outcome, run_experiment
from qllmft.run.folder import RunFolder
from qllmft.run.record import ModelResult, RunRecord
from qllmft.run.reporter import PassingReporter, Reporter
from qllmft.run.tracking import TrackedReporter, Tracking, run_tracked

__all__ = [
    "ModelResult",
    "Outcome",
    "PassingReporter",
    "Reporter",
    "RunFolder",
    "RunRecord",
    "TrackedReporter",
    "Tracking",
    "run_experiment",
    "run_tracked",
]
