"""Runs: the main job, its record, and the use of what it trained."""

from qllmft.run.experiment import Outcome, run_experiment
from qllmft.run.folder import RunFolder
from qllmft.run.model_store import load_model
from qllmft.run.predictor import Prediction, Predictor
from qllmft.run.record import ModelResult, RunRecord
from qllmft.run.reporter import Reporter

__all__ = [
    "ModelResult",
    "Outcome",
    "Prediction",
    "Predictor",
    "Reporter",
    "RunFolder",
    "RunRecord",
    "load_model",
    "run_experiment",
]
