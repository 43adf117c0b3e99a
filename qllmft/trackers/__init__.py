"""Trackers: services and files that keep the curves of many runs side by side."""

from qllmft.trackers.registry import TRACKERS, make_tracker
from qllmft.trackers.tracker import TrackedRun, Tracker, final_numbers

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "final_numbers", "make_tracker"]
