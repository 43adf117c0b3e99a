"""Campaigns of many runs: plans, execution, results over seeds, and records."""
