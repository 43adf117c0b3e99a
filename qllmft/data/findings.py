"""What reading and splitting found in the texts: said once in a run, and kept in its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

FIRST_ROWS = 5  # bad ones that are named


@dataclass(frozen=True)
class Findings:
    """Counts; all of them are 0 where there is nothing to say."""

    skipped_rows: int = 0  # left out, for they had no text or no label
    first_skipped: tuple[str, ...] = ()  # the first of them, as errors name rows
    dropped_rows: int = 0  # left out as duplicates; see `Corpus.without_duplicates`
    repeated_texts: int = 0  # different texts that are there more than once, white space aside
    crossing_texts: int = 0  # those of them that are in more than one of training, validation and test
    contradictory_texts: int = 0  # those of them that have more than one label
    # number of texts drawn, by name of the labels of which there are fewer than were asked for
    drawn: Mapping[str, int] = field(default_factory=dict)

    def sentences(self) -> Iterator[str]:
        """What a person is told."""
        if self.skipped_rows:
            first = listed(self.first_skipped, self.skipped_rows)
            yield f"{_rows(self.skipped_rows)} left out, without a text or a label: {first}."
        if self.dropped_rows:
            yield f"{_rows(self.dropped_rows)} left out as duplicates."
        if self.repeated_texts:
            yield (
                f"Duplicates: {self.repeated_texts:,} texts are there more than once, {self.crossing_texts:,} of them "
                f"in more than one of training, validation and test, {self.contradictory_texts:,} with different "
                "labels. --duplicates drop leaves them out."
            )
        if self.drawn:
            few = [f"{count} of {name!r}" for name, count in self.drawn.items()]
            yield f"There are fewer texts of a label than were to be drawn: {listed(few, len(few), ', ')} are drawn."


def _rows(count: int) -> str:
    return f"{count:,} row is" if count == 1 else f"{count:,} rows are"


def listed(parts: Sequence[str], total: int, between: str = "; ") -> str:
    """The first of ``total`` parts, and how many there are beyond.

    >>> listed(["row 2", "row 5"], 9)
    'row 2; row 5; and 7 more'
    """
    shown = list(parts[:FIRST_ROWS])
    return between.join(shown + ([f"and {total - len(shown):,} more"] if total > len(shown) else []))
