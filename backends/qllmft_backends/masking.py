"""Addresses in messages and files: without names, passwords and keys."""

from __future__ import annotations

import re

HIDDEN = "***"

# a password may itself hold @ and /: all up to the last @ counts; a path has one slash for the two
_USER = re.compile(r"(?<=\w\w:/)(/?)(\S*@)")
# masked already, or how to write one
_SHOWN = re.compile(r"[^:@/\s]*:\*\*\*@|\*\*\*@|USER:PASSWORD@")
_SECRET_OPTION = re.compile(
    r"([?&;][^=&;\s]*(?:password|passwd|pwd|token|key|secret|signature|credential)[^=&;\s]*=)[^&;\s'\"]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return ``text`` with three stars for the name and password of each address, and for its secret options.

    >>> masked("no answer from postgresql://ann:S3cr@tPW@host/db?sslmode=require&password=x")
    'no answer from postgresql://***@host/db?sslmode=require&password=***'
    >>> masked("postgresql://ann:***@host/db is masked, and https://host/a has nothing to hide")
    'postgresql://ann:***@host/db is masked, and https://host/a has nothing to hide'
    """
    if ":/" not in text:
        return text
    text = _USER.sub(
        lambda found: found[0] if _SHOWN.fullmatch(found[2]) else f"{found[1]}{HIDDEN}@", text
    )
    return _SECRET_OPTION.sub(rf"\1{HIDDEN}", text)
