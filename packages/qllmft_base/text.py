"""Text of others in messages and files: without passwords, and without an effect on a terminal."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

HIDDEN = "***"
HALF_PAIR = re.compile("[\ud800-\udfff]")  # half of a surrogate pair, which UTF-8 cannot encode

# a password may itself hold @ and /: all up to the last @ counts; a path has one slash for the two
_CREDENTIALS_PATTERN = re.compile(r"(?<=\w\w:/)(/?)(\S*@)")
_LONG_NUMBER_PATTERN = re.compile(r"(\d[\d,]{9})(?:,*+\d){40,}+")
# masked already, or how to write one
_MASKED_PATTERN = re.compile(r"[^:@/\s]*:\*\*\*@|\*\*\*@|USER:PASSWORD@")
_SECRET_OPTION_PATTERN = re.compile(
    r"([?&;][^=&;\s]*(?:password|passwd|pwd|token|key|secret|signature|credential)[^=&;\s]*=)[^&;\s'\"]+",
    re.IGNORECASE,
)
_ESCAPES_PATTERN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|\x9b[0-?]*[ -/]*[@-~]"
)
# C0 and C1 controls, line and paragraph separators, changes of writing direction, bytes that were
# not UTF-8
_CONTROL_PATTERN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def mask_credentials(text: str) -> str:
    """Return ``text`` with three stars for the name and password of each address, and for its secret options.

    >>> mask_credentials("no answer from postgresql://ann:S3cr@tPW@host/db?sslmode=require&password=x")
    'no answer from postgresql://***@host/db?sslmode=require&password=***'
    >>> mask_credentials("postgresql://ann:***@host/db is masked, and https://host/a has nothing to hide")
    'postgresql://ann:***@host/db is masked, and https://host/a has nothing to hide'
    """
    if ":/" not in text:
        return text
    text = _CREDENTIALS_PATTERN.sub(
        lambda match: match[0] if _MASKED_PATTERN.fullmatch(match[2]) else f"{match[1]}{HIDDEN}@",
        text,
    )
    return _SECRET_OPTION_PATTERN.sub(rf"\1{HIDDEN}", text)


def shorten_numbers(text: str) -> str:
    """Return ``text`` with the first digits of each number that is longer than any that means something.

    >>> shorten_numbers(f"seed is {'7' * 400}, expected {2**63 - 1:,}")
    'seed is 7777777777..., expected 9,223,372,036,854,775,807'
    """
    return _LONG_NUMBER_PATTERN.sub(r"\1...", text)


def shorten_text(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters, the last of which is … if it was longer.

    >>> shorten_text("a good film", 11), shorten_text("a good film", 7)
    ('a good film', 'a good…')
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def clean(text: str) -> str:
    r"""Return ``text`` for a terminal: without escape codes, invisible characters, and credentials in addresses.

    >>> clean("\x1b[31mred\x1b[0m\x07 line\nhttps://me:pw@host/x")
    'red line https://***@host/x'
    """
    if text.isascii() and text.isprintable():
        return mask_credentials(text)
    text = _ESCAPES_PATTERN.sub("", text)
    visible = (" " if c in "\n\r\t" else c for c in text)
    text = "".join(
        c
        for c in visible
        if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    )
    return mask_credentials(text)


def printable(text: str) -> str:
    r"""Return text in one line, with control characters as escapes.

    >>> printable("red\x1b[31m\tnext\n")
    'red\\x1b[31m\\tnext\\n'
    """
    return _CONTROL_PATTERN.sub(
        lambda match: match.group().encode("unicode_escape").decode("ascii"), text
    )


def json_text(value: Any, indent: int | None = None) -> str:
    r"""Return a value as JSON in UTF-8, with control characters as escapes.

    >>> json_text({"text": "schön\x9b31m"})
    '{"text": "schön\\u009b31m"}'
    """
    text = json.dumps(
        value, indent=indent, ensure_ascii=False, default=lambda array: array.tolist()
    )
    return _CONTROL_PATTERN.sub(
        lambda match: match.group() if match.group() == "\n" else f"\\u{ord(match.group()):04x}",
        text,
    )


def unique_fields(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of an object of JSON (``object_pairs_hook``), or raise ValueError for a name twice."""
    values = dict(fields)
    if len(values) < len(fields):
        names = [name for name, _ in fields]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:40]!r} is there twice")
    return values


def error_text(error: BaseException) -> str:
    """Return kind and text of an error, without line ends."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def format_count(n: int, noun: str, verbs: tuple[str, str] = ("", "")) -> str:
    """Return a number with its noun, in the plural unless it is 1, and one of two verbs, the first for 1.

    >>> format_count(1, "epoch"), format_count(1200, "test text", ("is", "are"))
    ('1 epoch', '1,200 test texts are')
    """
    verb = verbs[n != 1]
    return f"{n:,} {noun}{'' if n == 1 else 's'}{verb and f' {verb}'}"
