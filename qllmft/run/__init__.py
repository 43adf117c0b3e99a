"""Training runs: the main job, its folder and its record."""

from qllmft.run.experiment import Outcome, run_experiment
from qllmft.run.folder import RunFolder
from qllmft.run.inputs import SharedInputs
from qllmft.run.record import ModelResult, RunRecord
from qllmft.run.tracking import Tracking, run_tracked

__all__ = [
    "ModelResult",
    "Outcome",
    "RunFolder",
    "RunRecord",
    "SharedInputs",
    "Tracking",
    "run_experiment",
    "run_tracked",
]
