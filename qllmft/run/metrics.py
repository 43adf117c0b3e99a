"""The file of a run's epochs, a line of JSON each."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from qllmft.bounds import LARGEST_METRIC
from qllmft.tasks import TASK_OF_SCORE
from qllmft.training import EpochMetrics
from qllmft_base.files import parse_json, read_bytes


def metrics_line(metrics: EpochMetrics) -> str:
    """Return the line of an epoch."""
    return json.dumps(asdict(metrics), allow_nan=False, ensure_ascii=False) + "\n"


def read_metrics(file: Path) -> list[EpochMetrics]:
    """Return the epochs of all complete lines, since a crash may have cut the last one short."""
    complete_epochs: list[EpochMetrics] = []
    content = read_bytes(file) if file.exists() else b""
    for line in content.splitlines():
        try:
            metrics = EpochMetrics(**parse_json(line.decode("utf-8")))
            numbers = vars(metrics).copy()
            measure = numbers.pop("measure")
            if numbers["score_exact"] is None:
                del numbers["score_exact"]
            # NaN compares as False, and integers of hundreds of digits have no float
            ordinary = all(abs(number) <= LARGEST_METRIC for number in numbers.values())
            if measure not in TASK_OF_SCORE or not ordinary:
                break
        except (ValueError, TypeError):
            break
        complete_epochs.append(metrics)
    return complete_epochs
