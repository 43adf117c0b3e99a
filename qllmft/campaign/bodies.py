"""Share of the paper's margin that the body explains: its gain in points next to that of the kind of head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.campaign.results import best
from qllmft.published import published
from qllmft.tasks.statistics import PairedDifference

_TRAINED = " and body"  # ends the name of a head that was trained together with its body


@dataclass(frozen=True)
class Gain:
    """Effect of one change on the test accuracy, paired by seed."""

    heads: str  # the head whose body changes, or a quantum head less a classical one
    body: str  # the new body, or the body of both heads
    of_body: bool  # whether the body changes
    seeds: tuple[float, ...]  # differences of test accuracies by seed, in [-1, 1]

    @property
    def difference(self) -> PairedDifference:
        """Return the mean difference with its 95 % interval."""
        return PairedDifference.of(self.seeds, (0.0,) * len(self.seeds))

    @property
    def shares(self) -> tuple[float, ...]:
        """Return mean and 95 % interval as shares of `papers_margin`, or the mean alone for one seed."""
        return tuple(
            value / papers_margin()
            for value in (self.difference.mean, *(self.difference.interval or ()))
        )


def papers_margin() -> float:
    """Return, in [0, 1], table II's best quantum head minus SVC 296, its best classical head of similar size."""
    return next(each.value for each in published().of("difference") if each.than == "svc") / 100


def gains(record: StudyRecord) -> list[Gain]:
    """Return the gain of each head from every other body, then the gain of the kind of head on each body.

    The heads of a kind are the best of the body's group on validation. A study without bodies has no gains.
    """
    groups = {body: [row for row in record.rows if row.group == body] for body in record.bodies}
    before = {_head(row): row for row in groups[record.bodies[0]]} if groups else {}
    found = [
        Gain(first.label, body, True, _differences(after, first))
        for body in record.bodies[1:]
        for after in groups[body]
        if (first := before.get(_head(after)))
    ]
    for body, rows in groups.items():
        pair = [best(row for row in rows if row.side == side) for side in ("subject", "baseline")]
        names = [before.get(_head(row), row).label for row in pair]
        found.append(Gain(" less ".join(names), body, False, _differences(*pair)))
    return found


def gains_of_the_papers_heads(record: StudyRecord) -> list[Gain]:
    """Return, on each body, the paper's own quantum heads less the classical head that validation prefers.

    A head that validation prefers among the quantum ones is left out, because `gains` has it.
    """
    found = []
    for body in record.bodies:
        rows = [row for row in record.rows if row.group == body]
        leader, baseline = (
            best(row for row in rows if row.side == side) for side in ("subject", "baseline")
        )
        found += [
            Gain(f"{row.label} less {baseline.label}", body, False, _differences(row, baseline))
            for row in rows
            if row.side == "subject"
            and row is not leader
            and published().of_preset("accuracy", row.preset)
        ]
    return found


def leading_gains(record: StudyRecord) -> tuple[Gain, Gain, Gain]:
    """Return the gain of the best classical head from the second body, and of the kind of head on the first two.

    The best classical head is that on the first body by validation.
    """
    first, second = record.bodies[:2]
    baseline = best(row for row in record.rows_of("baseline") if row.group == first)
    found = gains(record)
    body = next(
        gain
        for gain in found
        if (gain.of_body, gain.heads, gain.body) == (True, baseline.label, second)
    )
    kinds = {gain.body: gain for gain in found if not gain.of_body}
    return body, kinds[first], kinds[second]


def _head(row: RowResult) -> tuple[str, str]:
    """Return the key of a head on any body: its preset and its model in the runs' records."""
    return row.preset, row.model.removesuffix(_TRAINED)


def _differences(row: RowResult, other: RowResult) -> tuple[float, ...]:
    return tuple(np.subtract(row.compared, other.compared).tolist())
