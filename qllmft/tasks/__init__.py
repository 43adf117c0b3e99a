"""Tasks: losses, scores with their intervals, and the statistics that compare models."""
