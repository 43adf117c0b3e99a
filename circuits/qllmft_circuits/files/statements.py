"""Statements of OpenQASM 3: each different one is parsed once, because the parser takes 50 µs for a byte."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TypeAlias

import openqasm3

from qllmft_circuits.bounds import TOKEN_PATTERN

Statement: TypeAlias = "openqasm3.ast.Statement | openqasm3.ast.Pragma"

# their lines end without a semicolon, or have a grammar of their own
_OTHER_GRAMMARS = frozenset({"@", "#", "pragma", "cal", "defcal", "defcalgrammar"})


def parse_statements(text: str) -> list[Statement]:
    """Return the statements of a text, as ``openqasm3.parse`` does; lines of repeated ones are those of another text.

    Raises:
        QASM3ParsingError: if the text is no OpenQASM 3.

    >>> parse_statements("x q; h q; x q;") == openqasm3.parse("x q; h q; x q;").statements
    True
    """
    pieces = split_statements(text)
    distinct_pieces = list(dict.fromkeys(pieces))
    if len(distinct_pieces) == len(pieces):
        return list(openqasm3.parse(text).statements)
    try:
        distinct_statements = openqasm3.parse("\n".join(distinct_pieces)).statements
    except openqasm3.parser.QASM3ParsingError:
        return list(openqasm3.parse(text).statements)  # the error names a line of this text
    starts = list(accumulate((piece.count("\n") + 1 for piece in distinct_pieces), initial=1))
    statements: dict[str, list[Statement]] = {piece: [] for piece in distinct_pieces}
    for statement in distinct_statements:
        assert statement.span is not None  # the parser sets it
        piece = distinct_pieces[bisect_right(starts, statement.span.start_line) - 1]
        statements[piece].append(statement)
    return [statement for piece in pieces for statement in statements[piece]]


def split_statements(text: str) -> list[str]:
    r"""Return the parts of a text that end with a semicolon outside of brackets, and its rest.

    >>> split_statements("gate g a { h a; x a; } g q; // ; \nh q;")
    ['gate g a { h a; x a; } g q;', '// ; \nh q;']
    """
    pieces: list[str] = []
    depth = 0
    start = 0
    for token in TOKEN_PATTERN.finditer(text):
        symbol = token[0]
        if symbol in _OTHER_GRAMMARS or (symbol == "OPENQASM" and pieces):
            return [text]
        if symbol in "([{":
            depth += 1
        elif symbol in ")]}":
            depth -= 1
        elif symbol == ";" and depth == 0:
            pieces.append(text[start : token.end()].strip())
            start = token.end()
    remainder = text[start:].strip()
    return [*pieces, remainder] if remainder else pieces
