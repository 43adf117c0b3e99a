"""Use of a trained model: predict, evaluate, measure on a backend, export and share."""

from qllmft.inference.circuits import model_circuits
from qllmft.inference.decision import Prediction
from qllmft.inference.predictor import Predictor

__all__ = ["Prediction", "Predictor", "model_circuits"]
