"""Accuracy after few and after all epochs of the same trainings: what 800 epochs add to 40."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lab.paper.experiment.plan import Plan, trainings
from lab.paper.experiment.readings import TEST_TEXTS
from qllmft.tasks import PairedDifference

FEW_EPOCHS = 40  # of the studies on this language model
LEVEL = 0.05  # of the test whose minimum detectable effect is shown


@dataclass(frozen=True)
class EpochPair:
    """Accuracies in percent of one head on one body: means over its settings, and then over seeds.

    Attributes:
        row: preset.
        body: of the runs.
        runs: number of trainings.
        few: after `FEW_EPOCHS` epochs.
        all: after the last epoch.
        difference: all minus few, paired by seed.
    """

    row: str
    body: str
    runs: int
    few: float
    all: float
    difference: PairedDifference

    @property
    def cells(self) -> list[str]:
        """Return the cells of a line of the page's table."""
        seeds = self.difference.n or 1
        interval = self.difference.interval
        effect = self.difference.detectable(LEVEL) if seeds > 1 else None
        return [
            self.row,
            self.body,
            str(seeds),
            str(self.runs),
            f"{self.few:.2f}",
            f"{self.all:.2f}",
            _signed(self.difference.value),
            "—" if interval is None else f"[{', '.join(map(_signed, interval))}]",
            "—" if effect is None else f"{effect:.1f}",
        ]

    @property
    def sentence(self) -> str | None:
        """Return what the seeds say about the difference, or None of one seed."""
        p = self.difference.p
        if p is None:
            return None
        found = "are not significantly different"
        if p < LEVEL:
            side = "more" if self.difference.value > 0 else "less"
            found = f"differ: the last is significantly {side} accurate"
        return (
            f"{self.row}, {self.body}: epoch {FEW_EPOCHS} and the last one {found} (p = {p:.2g})."
        )


def _signed(value: float) -> str:
    """Return a number with its sign, which zero has not.

    >>> _signed(-0.004), _signed(-1.386)
    ('0.00', '−1.39')
    """
    text = f"{value:+.2f}".replace("-", "−")
    return text[1:] if text[1:] == "0.00" else text


def compare_epochs(plan: Plan, records: Mapping[str, dict[str, Any]]) -> list[EpochPair]:
    """Return a pair for each head and body whose finished trainings kept counts between their epochs."""
    counts: dict[tuple[str, str], dict[int, list[tuple[int, int]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for training in trainings(plan):
        if training.every is not None and training.name in records:
            record = records[training.name]
            # the first count is of epoch `every`
            few = record["between"][FEW_EPOCHS // training.every - 1]
            counts[training.row, training.body][training.seed].append((few, record["last"]))
    return [_pair(row, body, by_seed) for (row, body), by_seed in counts.items()]


def _pair(row: str, body: str, counts_by_seed: Mapping[int, list[tuple[int, int]]]) -> EpochPair:
    few, last = (
        [
            100 * fmean(pair[side] for pair in pairs) / TEST_TEXTS
            for pairs in counts_by_seed.values()
        ]
        for side in (0, 1)
    )
    return EpochPair(
        row,
        body,
        sum(len(pairs) for pairs in counts_by_seed.values()),
        fmean(few),
        fmean(last),
        PairedDifference.from_values(last, few),
    )
