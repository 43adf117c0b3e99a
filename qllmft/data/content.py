"""Content of a file of texts: its format, compression and encoding, found from its bytes and not only from its name."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import BinaryIO, TextIO, cast

from qllmft.data import cells
from qllmft.data.cells import MAX_TEXT
from qllmft.data.file_bytes import DataFile, open_file
from qllmft.errors import UserError

CHUNK_BYTES = 100_000  # bytes that are examined at once
MAX_LINE_BYTES = 20 * MAX_TEXT  # of a line of a table, which may have several texts
_HEAD = 4_096  # bytes that tell the format
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
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
}
_MIN_SHARE = 0.3  # of NUL bytes at even or odd places of UTF-16, whose letters are mostly Latin

# bytes of a word with a letter beyond ASCII
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_LETTERS = "A-Za-zÀ-ÏÑ-ÖØ-Üß-ïñ-öø-üÿŒœŠšŽžŸ"
_SIGNS = "«»¡¿£€¢¥§©®™·´ªº†‡‰½¼¾²³°±×÷µ¶¨¯¬¦ƒ¹˜ˆ\xa0"
# Signs stand beside words. One between letters, as in "by³o", is a letter of another encoding, as is a capital after a
# small letter.
_WESTERN = re.compile(rf"[{_SIGNS}‹›„‚]*(?:[{_LETTERS}]|[“”‘’–—…•\xad/])*[{_SIGNS}‹›„‚]*")
_MIXED_CASE = re.compile(r"[a-zß-ÿ][À-ÜŒŠŽŸ]")
_MAX_FOREIGN = 0.3  # share of words without an ASCII letter, such as those of Cyrillic or Greek


@dataclass(frozen=True)
class TextFile:
    """Regular file of text whose bytes were examined once."""

    path: DataFile
    zipped: bool = False  # by gzip
    encoding: str = "utf-8-sig"  # of Python's codecs
    newline: str = "\n"  # ends a line
    facts: tuple[str, ...] = field(default=())  # what is unusual, in words

    @contextmanager
    def lines(self) -> Iterator[TextIO]:
        """Open the file and return its lines with their ends."""
        with (
            open_bytes(self.path, zipped=self.zipped) as file,
            # only the end of this file's lines ends one, so that another one in a text stays there
            TextIOWrapper(file, self.encoding, newline=self.newline) as text,
        ):
            yield text


@contextmanager
def open_bytes(path: DataFile, *, zipped: bool, most: int | None = None) -> Iterator[BinaryIO]:
    """Open a regular file of at most ``most`` bytes, and unpack it if it is ``zipped``."""
    try:
        with open_file(path, most) as file:
            if not zipped:
                yield file
                return
            with gzip.open(file) as unpacked:
                yield cast("BinaryIO", unpacked)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} cannot be unpacked: {error}. Expected a whole gzip file. Copy or download it again."
        ) from error


def detect_format(path: DataFile) -> tuple[str, bool]:
    """Return the suffix in small letters that fits the content of a regular file, and whether gzip packed it."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = _head(path, zipped=False).startswith(_GZIP)
    if suffixes and suffixes[-1] in (".gz", ".gzip"):
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    head = _head(path, zipped=zipped)
    if head.startswith(_OLD_EXCEL):
        raise UserError(
            f"{path} is a file of Excel 2003 or older. Save it as .xlsx or as .csv (CSV UTF-8)."
        )
    if head.startswith(_ZIP):
        return ".xlsx", zipped
    if head.startswith(_PARQUET):
        return ".parquet", zipped
    if (
        head.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:14]
        .lower()
        .startswith((b"<!doctype html", b"<html"))
    ):
        raise UserError(
            f"{path} is a web page, expected a table. Download the file itself, not the page about it."
        )
    for mark, kind in _OTHER_FORMATS.items():
        if head.startswith(mark):
            raise UserError(f"{path} {kind}.")
    if zipped and head.startswith(_GZIP):
        raise UserError(f"{path} is packed twice by gzip. Unpack it once: gunzip {path.name}.")
    if head.startswith(b"version https://git-lfs"):
        raise UserError(f"{path} is a pointer of Git LFS, expected a table. Run: git lfs pull.")
    return suffix, zipped


def _head(path: DataFile, *, zipped: bool) -> bytes:
    with open_bytes(path, zipped=zipped) as file:
        return file.read(_HEAD)


def examine(
    path: DataFile,
    *,
    zipped: bool = False,
    most: int | None = None,
    longest: int = MAX_LINE_BYTES,
) -> TextFile:
    """Find the encoding and the ends of lines of a regular file.

    Args:
        path: of the file.
        zipped: gzip packed it.
        most: number of bytes that it may have when it is unpacked; None: any.
        longest: number of bytes that a line may have.

    Raises:
        UserError: for a byte that belongs to no encoding that is read, for a NUL byte, or beyond a bound.
    """
    head = _head(path, zipped=zipped)
    facts = ("gzip",) if zipped else ()
    if wide := _wide_encoding(head):
        newline = _find_newline(path, zipped, wide)
        return TextFile(path, zipped, wide, newline, (*facts, "UTF-16"))
    has_newline = has_return = False
    size = 0
    run = 0  # bytes since the last end of a line
    decoder = codecs.getincrementaldecoder("utf-8")()
    valid = True
    with open_bytes(path, zipped=zipped, most=most) as file:
        while chunk := file.read(CHUNK_BYTES):
            size += len(chunk)
            if most is not None and size > most:
                raise UserError(
                    f"{path} unpacks to more than {most:,} bytes, expected at most that many. Split it."
                )
            if b"\0" in chunk:
                raise _nul_byte(path, zipped, size - len(chunk) + chunk.index(0))
            if valid:
                valid = _is_valid(decoder, chunk)
            has_newline = has_newline or b"\n" in chunk
            has_return = has_return or b"\r" in chunk
            mark = b"\n" if has_newline else b"\r"
            first = chunk.find(mark)
            run += len(chunk) if first < 0 else first
            if run > longest:
                line = _line_at(path, zipped, size - len(chunk))
                raise UserError(
                    f"{path}, line {line}: it has more than {longest:,} bytes, expected at most {MAX_TEXT:,} "
                    "in a text. Is this a table?"
                )
            run = run if first < 0 else len(chunk) - chunk.rfind(mark) - 1
    newline = "\r" if has_return and not has_newline else "\n"
    if newline == "\r":
        facts = (*facts, "carriage returns as ends of lines")
    if valid and _is_valid(decoder, b"", final=True):
        return TextFile(path, zipped, "utf-8-sig", newline, facts)
    if head.startswith(codecs.BOM_UTF8):
        raise _not_utf8(path, zipped)
    example = _western_word(path, zipped)
    return TextFile(path, zipped, "cp1252", newline, (*facts, f"Windows-1252 ({example!r})"))


def _is_valid(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(head: bytes) -> str:
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


def _find_newline(path: DataFile, zipped: bool, encoding: str) -> str:
    """Return the end of the lines of UTF-16, or raise UserError if it is damaged."""
    decoder = codecs.getincrementaldecoder(encoding)()
    returns = False
    with open_bytes(path, zipped=zipped, most=cells.MAX_BYTES) as file:
        final = False
        while not final:
            chunk = file.read(CHUNK_BYTES)
            final = not chunk
            try:
                text = decoder.decode(chunk, final)
            except UnicodeDecodeError:
                raise UserError(
                    f"{path} begins as UTF-16 and is not UTF-16 throughout. Save it again as UTF-8."
                ) from None
            if "\n" in text:
                return "\n"
            returns = returns or "\r" in text
    return "\r" if returns else "\n"


def _line_at(path: DataFile, zipped: bool, place: int) -> int:
    """Return the number of the line with a byte of a file."""
    newlines = returns = 0
    with open_bytes(path, zipped=zipped) as file:
        while place > 0:
            chunk = file.read(min(place, CHUNK_BYTES))
            newlines += chunk.count(b"\n")
            returns += chunk.count(b"\r")
            place -= len(chunk)
    return (newlines or returns) + 1


def _nul_byte(path: DataFile, zipped: bool, place: int) -> UserError:
    return UserError(
        f"{path}, line {_line_at(path, zipped, place)}: it has a NUL byte, expected text. Remove all of them: "
        f"tr -d '\\000' < {path.name} > clean-{path.name}."
    )


def _western_word(path: DataFile, zipped: bool) -> str:
    """Return a word of a file in Windows-1252, or raise UserError if its bytes are those of another encoding."""
    words = foreign = 0
    word = example = ""
    with open_bytes(path, zipped=zipped) as file:
        for line in file:
            if line.isascii():
                continue
            for letters in _WORD.findall(line):
                word = letters.decode("cp1252", "replace")
                if not _WESTERN.fullmatch(word) or _MIXED_CASE.search(word):
                    raise _not_utf8(path, zipped)
                if len(word) == 1 and word.isalpha():  # è, é, à and ó are words
                    continue
                words += 1
                foreign += word.isalpha() and not any(letter.isascii() for letter in word)
                example = example or (word if word.isalpha() and len(word) > 2 else "")
    if foreign > _MAX_FOREIGN * words:
        raise _not_utf8(path, zipped)
    return example or word


def _not_utf8(path: DataFile, zipped: bool) -> UserError:
    """Return the error for the first byte of a file that is not UTF-8."""
    with open_bytes(path, zipped=zipped) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return UserError(
                    f"{path}, line {number}: byte {line[error.start]:#04x} is not UTF-8, and the file does not look "
                    "like Windows-1252. Convert it from its own encoding first. If that is cp1250, for instance: iconv "
                    f"-f cp1250 -t utf-8 {path.name}."
                )
    raise AssertionError(f"{path} was not UTF-8 before and is now")
