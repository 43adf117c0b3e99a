"""Results of the paper's experiments from runs, and counts that need no run."""
