"""Within one seed: the texts that one of two heads got right and the other wrong, and McNemar's exact test on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qllmft.experiments.compare.record import RowResult
from qllmft.run import RunFolder
from qllmft.statistics import mcnemar


@dataclass(frozen=True)
class Discordance:
    """Two trained heads on the same test texts.

    Attributes:
        seed: of both.
        only_subject: texts that the subject alone got right.
        only_rival: texts that the rival alone got right.
    """

    seed: int
    only_subject: int
    only_rival: int

    @property
    def p(self) -> float:
        """Of McNemar's exact test, about these two trained heads on other texts like these, and nothing else."""
        return mcnemar(self.only_subject, self.only_rival)


def discordances(folder: Path, subject: RowResult, rival: RowResult) -> list[Discordance]:
    """Seed by seed, from the answers that the runs in ``folder`` kept; empty where a run kept none."""
    found = []
    for seed, (of_subject, of_rival) in enumerate(zip(subject.runs, rival.runs, strict=True)):
        ours = RunFolder(folder / "runs" / of_subject).read_predictions()
        theirs = RunFolder(folder / "runs" / of_rival).read_predictions()
        if ours is None or theirs is None:
            return []
        right = ours.answers[subject.model] == ours.labels
        other = theirs.answers[rival.model] == theirs.labels
        found.append(Discordance(seed, int((right & ~other).sum()), int((~right & other).sum())))
    return found
