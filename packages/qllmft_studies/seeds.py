"""Seeds of a study: a number of them, or a range."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, InstanceOf, PlainSerializer


def seed_range(choice: Any) -> Any:
    """Return a range of seeds: from a number, from ``{ from = 8, count = 10 }``, or from text such as ``8-17``.

    >>> seed_range(5), seed_range({"from": 8, "count": 10}), seed_range("8-17")
    (range(0, 5), range(8, 18), range(8, 18))
    """
    if isinstance(choice, range):
        return choice
    start: Any = 0
    stop: Any = choice
    if isinstance(choice, str) and (
        range_match := re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", choice)
    ):
        start, stop = (
            (0, int(range_match[1]))
            if range_match[2] is None
            else (int(range_match[1]), int(range_match[2]) + 1)
        )
    elif isinstance(choice, dict) and choice.keys() == {"from", "count"}:
        start = choice["from"]
        count = choice["count"]
        stop = start + count if type(start) is type(count) is int else None
    if any(type(value) is not int for value in (start, stop)) or not 0 <= start < stop:
        raise ValueError(
            f"got {choice!r}, expected a number of seeds of at least 1, or a range such as 8-17. In a file: "
            "{ from = 8, count = 10 }"
        )
    return range(start, stop)


Seeds = Annotated[
    InstanceOf[range], BeforeValidator(seed_range), PlainSerializer(list, when_used="json")
]


def seeds_text(seeds: range | tuple[int, ...]) -> str:
    """Return seeds for people.

    >>> seeds_text(range(8, 18)), seeds_text(range(3, 4))
    ('seeds 8 to 17', 'seed 3')
    """
    return f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
