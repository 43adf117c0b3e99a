"""Comparison of two finished runs: settings that differ, and the heads' answers to the same test texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qllmft.config import RunConfig
from qllmft.config.settings import differing
from qllmft.run.folder import RunFolder
from qllmft.run.record import RunRecord
from qllmft.tasks.accuracy import TextDifference


@dataclass(frozen=True)
class RunComparison:
    """Comparison of two finished runs."""

    first: RunRecord
    second: RunRecord
    # values in both runs by dotted name, of the settings that differ
    settings: dict[str, tuple[Any, Any]]
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
    configs = first.read_config(), second.read_config()
    ours, theirs = differing(*configs), differing(*reversed(configs))
    settings = {name: (ours[name], theirs[name]) for name in ours}
    records = first.finished(), second.finished()
    reason = _why_not_paired(configs, records)
    answers = [
        each
        for folder in (first, second)
        if (each := folder.read_predictions()) and each.task.one_label
    ]
    if not reason and (
        len(answers) < 2 or answers[0].labels.tolist() != answers[1].labels.tolist()
    ):
        reason = "the answers in predictions.json are missing, or are those to other texts"
    if reason:
        return RunComparison(*records, settings, None, reason)
    of_heads = (
        given.answers_of(record.head.name) for given, record in zip(answers, records, strict=True)
    )
    return RunComparison(*records, settings, TextDifference.of(answers[0].labels, *of_heads))


def _why_not_paired(
    configs: tuple[RunConfig, RunConfig], records: tuple[RunRecord, RunRecord]
) -> str:
    """Return the reason for which the test texts of two runs differ, or "" if they are the same."""
    ours, theirs = records
    data = [config.data.model_copy(update={"source": ""}) for config in configs]
    if (ours.data.fingerprint, ours.data.labels) != (theirs.data.fingerprint, theirs.data.labels):
        return "the runs have other texts or labels"
    if data[0] != data[1]:
        return "the runs split their texts in other ways"
    if configs[0].data.protocol == "paper" and ours.seed != theirs.seed:
        return "the runs have other seeds, and so other test texts"
    return ""
