"""Texts in another language or script than that of a language model, told by its tokenizer alone.

A tokenizer has most words of its own languages as one piece, and cuts those of others into short pieces.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING

from qllmft.embed.reading import Reader
from qllmft_base.text import shorten_text

if TYPE_CHECKING:
    from tokenizers import Encoding

MAX_READ = 400  # texts of a table, evenly spaced, from which the share is estimated
MAX_SHOWN = 30  # characters of a text in a message
LEAST_SHARE = 0.1  # share of such texts in a table from which it is reported
# chosen on the first halves of the texts in lab/experiments/languages.toml and on training texts of SST-2
_FEWEST_LETTERS = 8  # of a text that is judged
_LEAST_WHOLE = 0.5  # share of the letters that are in words of one piece
_LEAST_LENGTH = 3.2  # letters of a piece, on average
_FEWEST_PIECES = 1_000  # of a script that the model reads, in its vocabulary
# pieces of a vocabulary of many languages; those of one language have 20,000 to 60,000
_MULTILINGUAL_PIECES = 100_000
_FIRST_OTHER_SCRIPT = 0x370  # the code points before are Latin letters and signs
_JOINT_SCRIPTS = {"HIRAGANA": "CJK", "KATAKANA": "CJK"}
MULTILINGUAL_MODELS = (
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    "intfloat/multilingual-e5-small",
)


def language_sentences(texts: Sequence[str], reader: Reader, model: str) -> list[str]:
    """Return sentences if many texts look like another language or script than the model's, or none.

    Args:
        texts: all different ones of a table.
        reader: tokenizer of the language model.
        model: its name.
    """
    if reader.tokenizer.get_vocab_size() >= _MULTILINGUAL_PIECES:
        return []
    read = texts[:: -(-len(texts) // MAX_READ) or 1]
    foreign = [*compress(read, find_foreign(read, reader))]
    if len(foreign) < max(1.0, LEAST_SHARE * len(read)):
        return []
    about = "about " if len(read) < len(texts) else ""
    looks = f"{about}{100 * len(foreign) / len(read):.0f} % of the texts look like another language or script"
    if model == "minilm":
        sentence = f"minilm reads English, and {looks}"
    else:
        sentence = f"{looks[0].upper()}{looks[1:]} than {model} reads"
    example = max(foreign, key=lambda text: sum(map(str.isalpha, text[:MAX_SHOWN])))
    return [
        f"{sentence}, such as {shorten_text(example, MAX_SHOWN)!r}.",
        f"Language models for many languages: --body {' or '.join(MULTILINGUAL_MODELS)}.",
    ]


def find_foreign(texts: Sequence[str], reader: Reader) -> list[bool]:
    """Return whether each text looks like another language or script than those of the tokenizer.

    A text of fewer than eight letters does not.
    """
    scripts = _scripts(reader) if any(map(_has_other_script, texts)) else frozenset()
    encodings = reader.tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [
        _is_in_other_script(text, scripts) or _is_cut_up(text, encoding, reader.unknown)
        for text, encoding in zip(texts, encodings, strict=True)
    ]


def _is_cut_up(text: str, encoding: Encoding, unknown: int | None) -> bool:
    """Return whether most letters of a text are in words of several short pieces, or of an unknown piece."""
    words: dict[int | None, list[int]] = {}  # start, end, number of pieces, number of unknown ones
    for word, (start, end), piece in zip(
        encoding.word_ids, encoding.offsets, encoding.ids, strict=True
    ):
        place = words.setdefault(word, [start, end, 0, 0])
        place[1] = end
        place[2] += 1
        place[3] += piece == unknown
    letters = pieces = whole = 0
    for start, end, count, n_unknown in words.values():
        word_text = text[start:end].strip()
        if word_text.isalpha() and not word_text.isupper():  # in capitals, it may be a code
            letters += len(word_text)
            pieces += len(word_text) if n_unknown else count
            whole += len(word_text) if count == 1 and not n_unknown else 0
    enough = letters >= _FEWEST_LETTERS
    return enough and whole < _LEAST_WHOLE * letters and letters < _LEAST_LENGTH * pieces


def _has_other_script(text: str) -> bool:
    """Return whether a text has a letter of another script than Latin."""
    return not text.isascii() and any(
        ord(sign) >= _FIRST_OTHER_SCRIPT and sign.isalpha() for sign in text
    )


def _is_in_other_script(text: str, scripts: frozenset[str]) -> bool:
    """Return whether half of a text's letters, or more, are of scripts that a tokenizer does not read."""
    if text.isascii():
        return False
    letters = [sign for sign in text if sign.isalpha()]
    others = [
        sign
        for sign in letters
        if ord(sign) >= _FIRST_OTHER_SCRIPT and _script(sign) not in scripts
    ]
    return 0 < len(letters) <= 2 * len(others)


def _scripts(reader: Reader) -> frozenset[str]:
    """Return the scripts other than Latin that a vocabulary has many pieces of."""
    counts = Counter(
        _script(piece[-1]) for piece in reader.tokenizer.get_vocab() if not piece.isascii()
    )
    return frozenset(script for script, count in counts.items() if count >= _FEWEST_PIECES)


def _script(sign: str) -> str:
    """Return the script of a letter, as in its name.

    >>> [_script(sign) for sign in "яก良の"]
    ['CYRILLIC', 'THAI', 'CJK', 'CJK']
    """
    name = unicodedata.name(sign, "").partition(" ")[0]
    return _JOINT_SCRIPTS.get(name, name)
