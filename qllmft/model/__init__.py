"""Trained models on disk."""

from qllmft.model.store import StoredModel, load_model, save_model

__all__ = ["StoredModel", "load_model", "save_model"]
