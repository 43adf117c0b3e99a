"""Runs: the main job, its record, and the use of what it trained."""

from qllmft.run.experiment import Outcome, run_experiment
from qllmft.run.folder import RunFolder
from qllmft.run.learned_body import body_name
from qllmft.run.model_store import StoredModel, load_model, save_model
from qllmft.run.predictor import Prediction, Predictor
from qllmft.run.reporter import Reporter
from qllmft.run.statistics import Accuracy
from qllmft.run.versions import versions

__all__ = [
    "Accuracy",
    "Outcome",
    "Prediction",
    "Predictor",
    "Reporter",
    "RunFolder",
    "StoredModel",
    "body_name",
    "load_model",
    "run_experiment",
    "save_model",
    "versions",
]
