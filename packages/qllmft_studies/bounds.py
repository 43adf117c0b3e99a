"""Bounds of studies, searches and their files."""

from __future__ import annotations

# points of a search, or rows of a study, times seeds: each is checked before the first run; the largest table of the
# paper has 1,500
MAX_CAMPAIGN_RUNS = 20_000
MAX_PREDICTIONS_BYTES = 512 * 2**20  # of all arrays of a study's predictions, once decompressed
