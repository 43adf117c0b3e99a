"""Findings about the texts, from reading and splitting: shown once per run, and kept in its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

FIRST_ROWS = 5  # number of bad rows that are named


@dataclass(frozen=True)
class Findings:
    """Counts of unusual rows and texts; all are 0 for clean data."""

    skipped_rows: int = 0  # rows without a text or a label that were left out
    first_skipped: tuple[str, ...] = ()  # names of the first of them
    dropped_rows: int = 0  # duplicates that were left out; see `Corpus.without_duplicates`
    repeated_texts: int = 0  # different texts that occur more than once, up to white space
    crossing_texts: int = 0  # repeated texts in more than one of training, validation and test
    contradictory_texts: int = 0  # repeated texts with more than one label
    # number of drawn texts, by name of each label that has fewer than requested
    drawn: Mapping[str, int] = field(default_factory=dict)
    # number of texts of those labels in the test
    tested: Mapping[str, int] = field(default_factory=dict)
    requested: int = 0  # number of texts to draw per label

    def sentences(self) -> Iterator[str]:
        """Yield the findings in words."""
        if self.skipped_rows:
            first = listed(self.first_skipped, self.skipped_rows)
            yield f"{_rows(self.skipped_rows)} left out, without a text or a label: {first}."
        if self.dropped_rows:
            yield f"{_rows(self.dropped_rows)} left out as duplicates."
        if self.repeated_texts:
            yield (
                f"Duplicates: {self.repeated_texts:,} texts occur more than once, {self.crossing_texts:,} of them "
                f"in more than one of training, validation and test, {self.contradictory_texts:,} with different "
                "labels. --duplicates drop leaves them out."
            )
        if self.drawn:
            counts = {name: (count, self.tested.get(name, 0)) for name, count in self.drawn.items()}
            few = [
                f"{sum(both)} texts of {name!r} ({both[0]} train and validate, {both[1]} test)"
                for name, both in counts.items()
            ]
            yield f"{listed(few, len(few), ', ')}: {self.requested} per label are requested."


def _rows(count: int) -> str:
    return f"{count:,} row is" if count == 1 else f"{count:,} rows are"


def listed(parts: Sequence[str], total: int, between: str = "; ") -> str:
    """Join the first of ``total`` parts, and add the number of the others.

    >>> listed(["row 2", "row 5"], 9)
    'row 2; row 5; and 7 more'
    """
    shown = list(parts[:FIRST_ROWS])
    return between.join(
        shown + ([f"and {total - len(shown):,} more"] if total > len(shown) else [])
    )
