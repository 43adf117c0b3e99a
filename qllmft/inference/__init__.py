"""Use of a trained model: predict, evaluate, measure on a backend, export and share."""

from qllmft.inference.predictor import Prediction, Predictor

__all__ = ["Prediction", "Predictor"]
