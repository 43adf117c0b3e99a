"""Comparison of two finished runs: settings that differ, and the heads' answers to the same test texts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from qllmft.config.settings import settings_of
from qllmft.errors import UserError
from qllmft.run.folder import RunFolder
from qllmft.run.predictions import TestPredictions
from qllmft.run.record import RunRecord
from qllmft.statistics import LEVEL, mcnemar


@dataclass(frozen=True)
class TextDifference:
    """Difference of the accuracies of two heads on the same texts.

    >>> TextDifference(only_first=12, only_second=4, total=100).interval
    (-0.00..., 0.15...)
    """

    only_first: int  # number of texts that only the first head got right
    only_second: int  # number of texts that only the second head got right
    total: int  # number of texts

    @property
    def value(self) -> float:
        """Return the accuracy of the first head minus that of the second, in [-1, 1]."""
        return (self.only_first - self.only_second) / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Return the limits of the 95 % interval for paired shares by Bonett and Price (2012).

        One more text of either kind keeps it from vanishing if the heads differ on no text.
        """
        n = self.total + 2
        first, second = (self.only_first + 1) / n, (self.only_second + 1) / n
        error = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt((first + second - (first - second) ** 2) / n)
        return first - second - error, first - second + error

    @property
    def p(self) -> float:
        """Return the p of McNemar's exact test."""
        return mcnemar(self.only_first, self.only_second)

    def as_dict(self) -> dict[str, object]:
        """Return the difference as JSON values."""
        return {**vars(self), "value": self.value, "interval95": list(self.interval), "p": self.p}


@dataclass(frozen=True)
class RunComparison:
    """Comparison of two finished runs."""

    first: RunRecord
    second: RunRecord
    settings: dict[str, tuple[Any, Any]]  # values in both runs by dotted name, of the settings that differ
    difference: TextDifference | None  # None if the test texts are not the same
    reason: str = ""  # why there is no difference

    def as_dict(self) -> dict[str, object]:
        """Return the comparison as JSON values."""
        return {
            "runs": [self.first.identity, self.second.identity],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "difference": self.difference.as_dict() if self.difference else None,
            "reason": self.reason or None,
        }


def compare_runs(first: RunFolder, second: RunFolder) -> RunComparison:
    """Compare two finished runs, text by text if they were tested on the same texts."""
    ours, theirs = settings_of(first.read_config()), settings_of(second.read_config())
    names = sorted(ours.keys() | theirs.keys())
    settings = {name: (ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)}
    records = _finished(first), _finished(second)
    reason = _why_not_paired(first, second, *records)
    answers = [each for folder in (first, second) if (each := folder.read_predictions())]
    if not reason and (len(answers) < 2 or answers[0].labels.tolist() != answers[1].labels.tolist()):
        reason = "the answers in predictions.json are missing, or are those to other texts"
    difference = None if reason else _paired(answers, [record.head.name for record in records])
    return RunComparison(*records, settings, difference, reason)


def _paired(answers: list[TestPredictions], heads: list[str]) -> TextDifference:
    first, second = (given.answers_of(name) == given.labels for given, name in zip(answers, heads, strict=True))
    return TextDifference(int((first & ~second).sum()), int((second & ~first).sum()), len(first))


def _finished(folder: RunFolder) -> RunRecord:
    record = folder.read_result()
    if record is None:
        raise UserError(f"the run in {folder.path} is not finished; run its command again, then compare.")
    return record


def _why_not_paired(first: RunFolder, second: RunFolder, ours: RunRecord, theirs: RunRecord) -> str:
    """Return the reason for which the test texts of two runs differ, or "" if they are the same."""
    configs = first.read_config(), second.read_config()
    data = [config.data.model_copy(update={"source": ""}) for config in configs]
    if (ours.data.fingerprint, ours.data.labels) != (theirs.data.fingerprint, theirs.data.labels):
        return "the runs have other texts or labels"
    if data[0] != data[1]:
        return "the runs split their texts in other ways"
    if configs[0].data.protocol == "paper" and ours.seed != theirs.seed:
        return "the runs have other seeds, and so other test texts"
    return ""
