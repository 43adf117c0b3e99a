"""Experiments of many runs: searches over settings, comparisons over seeds, and the records of what was run."""
