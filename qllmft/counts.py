"""Counts in sentences."""


def format_count(n: int, noun: str, verbs: tuple[str, str] = ("", "")) -> str:
    """Return a number with its noun, in the plural unless it is 1, and one of two verbs, the first for 1.

    >>> format_count(1, "epoch"), format_count(1200, "test text", ("is", "are"))
    ('1 epoch', '1,200 test texts are')
    """
    verb = verbs[n != 1]
    return f"{n:,} {noun}{'' if n == 1 else 's'}{verb and f' {verb}'}"
