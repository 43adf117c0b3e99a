"""Text that is not plain UTF-8, written as plain UTF-8 by the process that reads foreign files.

Plain text is UTF-8 without byte order marks. Gzip, UTF-16 and Windows-1252 are converted, and byte order marks are left
out wherever they are.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from qllmft_tables.formats import (
    GZIP,
    HEAD_BYTES,
    MARK,
    ContentError,
    find_format,
    find_wide_encoding,
)
from qllmft_tables.line_check import CHUNK_BYTES, LineBounds, LineCheck

# bytes of a word with a letter beyond ASCII
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_LETTERS = "A-Za-zÀ-ÏÑ-ÖØ-Üß-ïñ-öø-üÿŒœŠšŽžŸ"
_SIGNS = "«»¡¿£€¢¥§©®™·´ªº†‡‰½¼¾²³°±×÷µ¶¨¯¬¦ƒ¹˜ˆ\xa0"
# Signs stand beside words. One between letters, as in "by³o", is a letter of another encoding, as is a capital after a
# small letter.
_WESTERN = re.compile(rf"[{_SIGNS}‹›„‚]*(?:[{_LETTERS}]|[“”‘’–—…•\xad/])*[{_SIGNS}‹›„‚]*")
_MIXED_CASE = re.compile(r"[a-zß-ÿ][À-ÜŒŠŽŸ]")
_MAX_FOREIGN = 0.3  # share of words without an ASCII letter, such as those of Cyrillic or Greek
# a capital before a closing mark of Windows-1252, as in CAFÉ”, which looks like UTF-8
_CAPITAL_AND_MARK = re.compile(rb"(?<![a-z\x80-\xff])[\xc4-\xdf][\x85\x91-\x97\x99\x9b\xbb]")


def convert_text(
    content: BinaryIO, output: BinaryIO, bounds: LineBounds, name: str
) -> dict[str, Any]:
    """Write the lines of a file as plain text, and return what ends them and what is unusual, in words.

    Args:
        content: the file, which can be read again.
        output: gets the plain text.
        bounds: of the plain text.
        name: of the file, for remedies.

    Raises:
        ContentError: for what is no text, and beyond a bound.
    """
    try:
        return _Conversion(content, output, bounds, name).convert()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ContentError(
            f" cannot be unpacked: {error}. Expected a whole gzip file. Copy or download it again."
        ) from error


class _Conversion:
    """One conversion of a file of text."""

    def __init__(self, content: BinaryIO, output: BinaryIO, bounds: LineBounds, name: str) -> None:
        self._content = content
        self._output = output
        self._bounds = bounds
        self._name = name
        self._n_marks = 0
        self._zipped = content.read(len(GZIP)) == GZIP
        self._facts = ["gzip"] if self._zipped else []

    def convert(self) -> dict[str, Any]:
        """Write the plain text, and return its facts."""
        head = next(self._chunks(HEAD_BYTES), b"")
        if self._zipped:
            self._check_inside(head)
        if wide := find_wide_encoding(head):
            self._facts.append("UTF-16")
            check = self._write_wide(wide)
        else:
            check, is_utf8 = self._write_utf8()
            if not is_utf8:
                self._output.seek(0)
                self._output.truncate()
                self._n_marks = 0
                self._write_western(check.newline, has_mark=head.startswith(codecs.BOM_UTF8))
        if check.newline == "\r":
            self._facts.append("carriage returns as ends of lines")
        if self._n_marks:
            marks = (
                "a byte order mark" if self._n_marks == 1 else f"{self._n_marks:,} byte order marks"
            )
            self._facts.append(f"{marks} left out")
        return {"newline": check.newline, "facts": self._facts}

    def _check_inside(self, head: bytes) -> None:
        """Raise `ContentError` unless gzip packed a text."""
        unpack = f"Unpack it first: gunzip {self._name}."
        kind = find_format(head)
        if kind == "gzip":
            raise ContentError(f" is packed twice by gzip. Unpack it once: gunzip {self._name}.")
        if kind == "parquet":
            raise ContentError(f" is a .parquet file in gzip. {unpack}")
        if kind == "workbook":
            raise ContentError(f" is a workbook or a zip file in gzip. {unpack}")

    def _chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the bytes of the unpacked file from its beginning."""
        self._content.seek(0)
        file = (
            cast("BinaryIO", gzip.GzipFile(fileobj=self._content))
            if self._zipped
            else self._content
        )
        while chunk := file.read(size):
            yield chunk

    def _write(self, text: str) -> bytes:
        """Write text without byte order marks, of which the first one of a file is usual, and return its bytes."""
        if MARK in text:
            is_first = self._output.tell() == 0 and text.startswith(MARK)
            self._n_marks += text.count(MARK) - is_first
            text = text.replace(MARK, "")
        part = text.encode()
        self._output.write(part)
        return part

    def _write_wide(self, encoding: str) -> LineCheck:
        """Write UTF-16."""
        check = LineCheck(self._bounds, self._name)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for chunk in self._chunks():
                check.feed(self._write(decoder.decode(chunk)))
        except UnicodeDecodeError:
            raise ContentError(
                f", line {check.number} or later: it begins as UTF-16 and is not UTF-16 throughout. Save the file "
                "again as UTF-8."
            ) from None
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise ContentError(
                f": line {check.number} ends within a character of UTF-16. Copy or download the file again."
            ) from None
        return check

    def _write_utf8(self) -> tuple[LineCheck, bool]:
        """Write UTF-8 up to a byte that is none, and return whether there is no such byte."""
        check = LineCheck(self._bounds, self._name)
        decoder = codecs.getincrementaldecoder("utf-8")()
        is_utf8 = True
        for chunk in self._chunks():
            check.feed(chunk)
            try:
                if is_utf8:
                    self._write(decoder.decode(chunk))
            except UnicodeDecodeError:
                is_utf8 = False
        try:
            decoder.decode(b"", final=is_utf8)
        except UnicodeDecodeError:
            is_utf8 = False
        return check, is_utf8

    def _write_western(self, newline: str, *, has_mark: bool) -> None:
        """Write Windows-1252, or raise `ContentError` if bytes are those of another encoding, or of two."""
        survey = _Survey()
        for number, line in enumerate(self._lines(newline.encode()), start=1):
            if not line.isascii():
                survey.examine(number, line)
        survey.check(self._name, has_mark=has_mark)
        self._facts.append(f"Windows-1252 ({survey.example!r})")
        check = LineCheck(self._bounds, self._name)
        for chunk in self._chunks():
            check.feed(self._write(chunk.decode("cp1252")))

    def _lines(self, newline: bytes) -> Iterator[bytes]:
        """Yield the lines of a file whose lines were checked, without their ends."""
        start = b""
        for chunk in self._chunks():
            *lines, start = (start + chunk).split(newline)
            yield from lines
        yield start


class _Survey:
    """What encodings the lines beyond ASCII have in a file that is not UTF-8 throughout."""

    def __init__(self) -> None:
        self.example = ""  # word of Windows-1252
        self._n_words = 0
        self._n_foreign = 0
        self._is_western = True
        self._n_plain = 0  # lines in UTF-8
        self._n_other = 0
        self._first_plain = 0  # number of a line
        self._first_other = (0, 0)  # number of a line, and a byte of it

    def examine(self, number: int, line: bytes) -> None:
        """Count the words of a line."""
        try:
            line.decode()
        except UnicodeDecodeError as error:
            self._n_other += 1
            if not self._first_other[0]:
                self._first_other = (number, line[error.start])
        else:
            if not _CAPITAL_AND_MARK.sub(b"", line).isascii():
                self._n_plain += 1
                self._first_plain = self._first_plain or number
                return
        for letters in _WORD.findall(line) if self._is_western else ():
            self._count_word(letters.decode("cp1252", "replace"))

    def _count_word(self, word: str) -> None:
        if not _WESTERN.fullmatch(word) or _MIXED_CASE.search(word):
            self._is_western = False
        if len(word) == 1 and word.isalpha():  # è, é, à and ó are words
            return
        self._n_words += 1
        self._n_foreign += word.isalpha() and not any(letter.isascii() for letter in word)
        is_long = word.isalpha() and len(word) > 2
        if not self.example or (is_long and not self.example.isalpha()):
            self.example = word

    def check(self, name: str, *, has_mark: bool) -> None:
        """Raise `ContentError` unless all lines are those of Windows-1252."""
        number, byte = self._first_other
        is_western = self._is_western and self._n_foreign <= _MAX_FOREIGN * self._n_words
        if self._n_plain and (is_western or self._n_plain >= self._n_other):
            raise ContentError(
                f", line {number}: byte {byte:#04x} is not UTF-8, and line {self._first_plain} is UTF-8. Save the "
                "file again, all of it as UTF-8."
            )
        if not is_western or has_mark:
            raise ContentError(
                f", line {number}: byte {byte:#04x} is not UTF-8, and the file does not look like Windows-1252. "
                "Convert it from its own encoding first. If that is cp1250, for instance: iconv -f cp1250 -t utf-8 "
                f"{name}."
            )
