"""Runs: the main job, its record, and the use of what it trained."""

from qllmft.run.experiment import Outcome, run_experiment
from qllmft.run.folder import RunFolder
from qllmft.run.model_store import load_model
from qllmft.run.predictor import Prediction, Predictor
from qllmft.run.record import ModelResult, RunRecord
from qllmft.run.reporter import PassingReporter, Reporter
from qllmft.run.tracking import TrackedReporter, Tracking, run_tracked

__all__ = [
    "ModelResult",
    "Outcome",
    "PassingReporter",
    "Prediction",
    "Predictor",
    "Reporter",
    "RunFolder",
    "RunRecord",
    "TrackedReporter",
    "Tracking",
    "load_model",
    "run_experiment",
    "run_tracked",
]
