"""How much of the paper's margin the body explains: points that it gives beside those that the head's kind gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qllmft.campaign.comparison import preferred
from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.published import published
from qllmft.statistics import PairedDifference

_TRAINED = " and body"  # ends the name of a head that its body learned with


@dataclass(frozen=True)
class Move:
    """What one change does to the test accuracy, paired by seed."""

    what: str  # the head whose body changes, or a quantum head less a classical one
    where: str  # the body that it changes to, or the one that both heads are on
    of_body: bool  # whether the body is what changes
    seeds: tuple[float, ...]  # differences of test accuracies seed by seed, in [-1, 1]

    @property
    def difference(self) -> PairedDifference:
        """Their mean with its 95 % interval."""
        return PairedDifference.of(self.seeds, (0.0,) * len(self.seeds))

    @property
    def shares(self) -> tuple[float, ...]:
        """Mean and 95 % interval as shares of `papers_margin`, which is one number without any; one seed has none."""
        return tuple(value / papers_margin() for value in (self.difference.mean, *(self.difference.interval or ())))


def papers_margin() -> float:
    """Table II's best quantum head less its best classical head of about as many parameters, SVC 296; in [0, 1]."""
    return next(each.value for each in published().of("difference") if each.than == "svc") / 100


def moves(record: StudyRecord) -> list[Move]:
    """First what every other body does to each head, then what the head's kind does on each body.

    The heads of a kind are those of the body's group that validation prefers. A study without bodies has no moves.
    """
    groups = {body: [row for row in record.rows if row.group == body] for body in record.bodies}
    before = {_head(row): row for row in groups[record.bodies[0]]} if groups else {}
    found = [
        Move(first.label, body, True, _gain(after, first))
        for body in record.bodies[1:]
        for after in groups[body]
        if (first := before.get(_head(after)))
    ]
    for body, rows in groups.items():
        pair = [preferred([row for row in rows if row.side == side]) for side in ("subject", "baseline")]
        names = [before.get(_head(row), row).label for row in pair]
        found.append(Move(" less ".join(names), body, False, _gain(*pair)))
    return found


def of_the_sentence(record: StudyRecord) -> tuple[Move, Move, Move]:
    """What the second body does to the classical head that validation prefers on the first, and kinds on both."""
    first, second = record.bodies[:2]
    baseline = preferred([row for row in record.rows_of("baseline") if row.group == first])
    found = moves(record)
    body = next(move for move in found if (move.of_body, move.what, move.where) == (True, baseline.label, second))
    kinds = {move.where: move for move in found if not move.of_body}
    return body, kinds[first], kinds[second]


def _head(row: RowResult) -> tuple[str, str]:
    """What names a head whatever its body: its preset and the model in the runs' records."""
    return row.preset, row.model.removesuffix(_TRAINED)


def _gain(row: RowResult, other: RowResult) -> tuple[float, ...]:
    return tuple(np.subtract(row.compared, other.compared).tolist())
