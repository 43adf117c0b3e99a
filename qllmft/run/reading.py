"""Texts as the language model reads them: those it does not know, and different ones that are one text to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from qllmft.data import Table
from qllmft.embed.language import language_sentences
from qllmft.embed.reading import Reader, TextReading
from qllmft_base.text import format_count, shorten_text
from qllmft_tables.cells import visible_text

_MAX_SHOWN_CHARACTERS = 30  # characters of a text in a message


def reading_sentences(tables: Mapping[str, Table], reader: Reader, model: str) -> Iterator[str]:
    """Yield sentences about texts in another language, and those that a model does not know, cuts or reads as equal.

    Args:
        tables: by the name of their part, such as "test".
        reader: of the language model.
        model: its name.
    """
    parts_by_text: dict[str, set[str]] = {}
    for name, table in tables.items():
        for text in table.to_embed:
            parts_by_text.setdefault(text, set()).add(name)
    texts = list(parts_by_text)
    readings = dict(zip(texts, reader.read_texts(texts), strict=True))
    if about_language := language_sentences(texts, reader, model):
        yield " ".join(about_language)
    elif sentence := unknown_sentence(readings, model):
        yield sentence
    if cut := sum(reading.cut for reading in readings.values()):
        yield cut_sentence(cut, reader.window, model)
    groups: dict[bytes, list[str]] = {}
    for text, reading in readings.items():
        groups.setdefault(reading.tokens, []).append(text)
    equal_groups = [group for group in groups.values() if _are_different(group)]
    if equal_groups:
        crossing_groups = sum(
            len(set().union(*(parts_by_text[text] for text in group))) > 1 for group in equal_groups
        )
        first, second = _different_pair(equal_groups[0])
        count_text = format_count(sum(map(len, equal_groups)), "different text", ("is", "are"))
        yield (
            f"{count_text} equal to another one for {model}, such as {_quote_beginning(first)} and "
            f"{_quote_beginning(second)}. {format_count(crossing_groups, 'group', ('is', 'are'))} in more than one of "
            "training, validation and test."
        )


def unknown_sentence(readings: Mapping[str, TextReading], model: str) -> str:
    """Return a sentence with the number of texts that hold unknown characters and little else, or "" if none does.

    Args:
        readings: by text.
        model: name of the language model.
    """
    texts_with_unknown = [text for text, reading in readings.items() if reading.unknown]
    mostly_unknown = [text for text in texts_with_unknown if readings[text].mostly_unknown]
    if not mostly_unknown:
        return ""
    example = _quote_beginning(
        max(texts_with_unknown, key=lambda text: (readings[text].unknown, -len(text)))
    )
    holding_text = format_count(len(texts_with_unknown), "text", ("holds", "hold"))
    mostly_text = f"{len(mostly_unknown):,} of them {'holds' if len(mostly_unknown) == 1 else 'hold'} little else"
    return (
        f"{holding_text} characters that {model} does not know, and {mostly_text}, such as {example}. Another language "
        "model (--body) may know them."
    )


def cut_sentence(count: int, window: int, model: str) -> str:
    """Return a sentence with the number of texts of which a language model does not read the end.

    Args:
        count: of the texts.
        window: number of tokens that are read.
        model: name of the language model.
    """
    text = format_count(count, "text", ("has", "have"))
    return f"{text} more than the {window} tokens that {model} reads: the rest of them is cut off."


def _quote_beginning(text: str) -> str:
    """Return the beginning of a text in quotes."""
    return repr(shorten_text(text, _MAX_SHOWN_CHARACTERS))


def _are_different(texts: Sequence[str]) -> bool:
    """Return whether texts differ in more than what copies differ in."""
    return len(texts) > 1 and len({visible_text(text.casefold()) for text in texts}) > 1


def _different_pair(texts: Sequence[str]) -> tuple[str, str]:
    """Return two texts that are no copies of each other."""
    first = texts[0]
    key = visible_text(first.casefold())
    return first, next(text for text in texts if visible_text(text.casefold()) != key)
