"""Doors to other tools: scikit-learn, SetFit, MLflow, trackers, and a model behind HTTP."""
