"""Counts in sentences."""


def count_of(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1.

    >>> count_of(1, "epoch"), count_of(1200, "test text")
    ('1 epoch', '1,200 test texts')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
