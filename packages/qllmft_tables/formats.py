"""Format of a file, told by its first bytes."""

from __future__ import annotations

import codecs

HEAD_BYTES = 4_096  # that tell the format
MARK = "\ufeff"  # byte order mark, which is no text
GZIP = b"\x1f\x8b"
_HTML = (b"<!doctype html", b"<html")
_WORKBOOKS = (
    b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0",
)  # of Excel 2007 and of OpenDocument; of older Excel
_PARQUET = b"PAR1"
_OTHER_FORMATS = {
    codecs.BOM_UTF32_LE: "is UTF-32, expected UTF-8. Convert it: iconv -f utf-32 -t utf-8",
    codecs.BOM_UTF32_BE: "is UTF-32, expected UTF-8. Convert it: iconv -f utf-32 -t utf-8",
    b"BZh": "is packed by bzip2, expected a table. Unpack it first: bunzip2",
    b"\xfd7zXZ\0": "is packed by xz, expected a table. Unpack it first: unxz",
    b"\x28\xb5\x2f\xfd": "is packed by Zstandard, expected a table. Unpack it first: unzstd",
    b"7z\xbc\xaf\x27\x1c": "is a 7-Zip archive, expected a table. Unpack it first",
    b"%PDF-": "is a PDF document, expected a table. Save the table as .csv",
    b"{\\rtf": "is a document in RTF, expected a table. Save it as text",
    b"SQLite format 3": "is a database of SQLite, expected a table. Export the table as .csv",
    b"ARROW1": "is an Arrow file, expected a table. Save it as .parquet",
    b"version https://git-lfs": "is a pointer of Git LFS, expected a table. Run: git lfs pull",
}
_MIN_SHARE = 0.3  # of NUL bytes at even or odd places of UTF-16, whose letters are mostly Latin


class ContentError(ValueError):
    """Content that is no table. The message goes on after the name of the file."""


def find_format(head: bytes) -> str:
    """Return ``workbook``, ``parquet``, ``gzip`` or ``text``, or raise `ContentError` for what is no table.

    >>> find_format(b"PAR1"), find_format(b"text,label")
    ('parquet', 'text')
    """
    if head.startswith(_WORKBOOKS):
        return "workbook"
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(GZIP):
        return "gzip"
    if head.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:14].lower().startswith(_HTML):
        raise ContentError(
            " is a web page, expected a table. Download the file itself, not the page about it."
        )
    for mark, kind in _OTHER_FORMATS.items():
        if head.startswith(mark):
            raise ContentError(f" {kind}.")
    return "text"


def find_wide_encoding(head: bytes) -> str:
    """Return the name of UTF-16 with or without a byte order mark, or "" for other bytes."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    pairs = len(head) // 2
    even = head[::2].count(0)
    odd = head[1::2].count(0)
    if pairs and odd > _MIN_SHARE * pairs and not even:
        return "utf-16-le"
    if pairs and even > _MIN_SHARE * pairs and not odd:
        return "utf-16-be"
    # other scripts have fewer NUL bytes: those of blanks, marks and ends of lines
    for name, zeros, other_zeros in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros and not other_zeros and _is_text(head[: 2 * pairs], name):
            return name
    return ""


def _is_text(content: bytes, encoding: str) -> bool:
    """Return whether the first bytes of a file are lines of printable text in an encoding."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(content)
    except UnicodeDecodeError:
        return False
    lines = text.splitlines()
    return len(lines) > 1 and all(line.replace("\t", "").isprintable() for line in lines)
