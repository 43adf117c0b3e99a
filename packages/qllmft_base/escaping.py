"""Text from users in Markdown, LaTeX and HTML, without an effect of its own: one function per format."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from markupsafe import Markup

# characters that turn the direction of the text after them
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_HIDDEN = {ord(c): "\ufffd" for c in _DIRECTIONS} | {
    code: "\ufffd"
    for code in range(0xA0)
    if unicodedata.category(chr(code)) == "Cc" and chr(code) not in "\t\n\r"
}
_MARKDOWN = re.compile(r"[\\`*|]|(?<!\w)_|_(?!\w)|\](?=[(:\[])|^[#>]|^[-+](?= )")
_INDENT = re.compile(r"^ {3,}")  # with a blank after them, four of them begin a block of code
_HTML = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)")
_TEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {
        "±": r"$\pm$",
        "−": "$-$",
        "○": r"$\circ$",
        "●": r"$\bullet$",
        "–": "--",
        "<": "$<$",
        ">": "$>$",
        "|": "$|$",
    }
    # at the start of a row they are arguments of the \\ before it
    | {"[": "{[}", "]": "{]}", "*": "{*}"}
)


def one_line(text: str) -> str:
    r"""Return text in one line without control characters.

    >>> one_line("a\n\\input{b} \x1b c")
    'a \\input{b} c'
    """
    return " ".join(_printable(text).split())


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def markdown(value: Any) -> str:
    r"""Return a value in one line of Markdown. Signs that have no effect at their place are left alone.

    >>> print(markdown("<b> a_b | [x](y) [0, 1]"), markdown(Markup("**bold**")))
    &lt;b> a_b \| [x\](y) [0, 1] **bold**
    """
    if isinstance(value, Markup):
        return value
    return _without_tags(_MARKDOWN.sub(r"\\\g<0>", _INDENT.sub("", _printable(str(value)))))


def code(text: str) -> Markup:
    """Return text as code in Markdown, between as many backticks as it needs."""
    line = one_line(text) or "(empty)"
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    padding = " " if "`" in line else ""
    return Markup(f"{fence}{padding}{line}{padding}{fence}")  # noqa: S704 - Markdown


def verbatim(text: str) -> Markup:
    """Return text in one line for an indented block of Markdown or a comment of LaTeX, which have no escapes."""
    return Markup(one_line(text))  # noqa: S704 - not HTML


def without_html(text: str) -> Markup:
    """Return Markdown of a study's author without HTML."""
    return Markup(_without_tags(text))  # noqa: S704 - Markdown


def _without_tags(text: str) -> str:
    return _HTML.sub(lambda match: {"<": "&lt;", "&": "&amp;"}[match[0]], text)


def tex(value: Any) -> str:
    """Return a value in LaTeX, with its special characters escaped and our tables' signs as commands."""
    return value if isinstance(value, Markup) else _printable(str(value)).translate(_TEX)


def visible(page: str) -> str:
    r"""Return a page with a sign for each control character and each change of direction.

    >>> visible("\x1b[31m \u202e \x9b")
    '�[31m � �'
    """
    return page.translate(_HIDDEN)
