"""Texts as the language model reads them: those it does not know, and different ones that are one text to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from qllmft.counts import count_of
from qllmft.data import Table
from qllmft.data.cells import visible_text
from qllmft.embed.reading import Reader, TextReading

_SHOWN = 30  # characters of a text in a message


def reading_sentences(tables: Mapping[str, Table], reader: Reader, model: str) -> Iterator[str]:
    """Yield sentences about the texts that a language model does not know, cuts or reads as equal ones.

    Args:
        tables: by the name of their part, such as "test".
        reader: of the language model.
        model: its name.
    """
    parts_of: dict[str, set[str]] = {}
    for name, table in tables.items():
        for text in table.to_embed:
            parts_of.setdefault(text, set()).add(name)
    texts = list(parts_of)
    readings = dict(zip(texts, reader.read(texts), strict=True))
    if sentence := unknown_sentence(readings, model):
        yield sentence
    if cut := sum(reading.cut for reading in readings.values()):
        yield cut_sentence(cut, reader.window, model)
    groups: dict[bytes, list[str]] = {}
    for text, reading in readings.items():
        groups.setdefault(reading.tokens, []).append(text)
    equal = [group for group in groups.values() if _are_different(group)]
    if equal:
        crossing = sum(len(set().union(*(parts_of[text] for text in group))) > 1 for group in equal)
        first, second = _different(equal[0])
        same = count_of(sum(map(len, equal)), "different text", ("is", "are"))
        yield (
            f"{same} equal to another one for {model}, such as {_short(first)} and {_short(second)}. "
            f"{count_of(crossing, 'group', ('is', 'are'))} in more than one of training, validation and test."
        )


def unknown_sentence(readings: Mapping[str, TextReading], model: str) -> str:
    """Return a sentence with the number of texts that hold unknown characters and little else, or "" if none does.

    Args:
        readings: by text.
        model: name of the language model.
    """
    unknown = [text for text, reading in readings.items() if reading.unknown]
    mostly = [text for text in unknown if readings[text].mostly_unknown]
    if not mostly:
        return ""
    example = _short(max(unknown, key=lambda text: (readings[text].unknown, -len(text))))
    holding = count_of(len(unknown), "text", ("holds", "hold"))
    little = f"{len(mostly):,} of them {'holds' if len(mostly) == 1 else 'hold'} little else"
    return (
        f"{holding} characters that {model} does not know, and {little}, such as {example}. Another language model "
        "(--body) may know them."
    )


def cut_sentence(count: int, window: int, model: str) -> str:
    """Return a sentence with the number of texts of which a language model does not read the end.

    Args:
        count: of the texts.
        window: number of tokens that are read.
        model: name of the language model.
    """
    text = count_of(count, "text", ("has", "have"))
    return f"{text} more than the {window} tokens that {model} reads: the rest of them is cut off."


def _short(text: str) -> str:
    """Return the beginning of a text in quotes."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


def _are_different(texts: Sequence[str]) -> bool:
    """Return whether texts differ in more than what copies differ in."""
    return len(texts) > 1 and len({visible_text(text.casefold()) for text in texts}) > 1


def _different(texts: Sequence[str]) -> tuple[str, str]:
    """Return two texts that are no copies of each other."""
    first = texts[0]
    key = visible_text(first.casefold())
    return first, next(text for text in texts if visible_text(text.casefold()) != key)
