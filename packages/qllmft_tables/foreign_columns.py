"""Columns of a parquet file, written by the process that reads foreign files."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from qllmft_tables.bounds import MAX_COLUMNS, MAX_TEXT
from qllmft_tables.cell_codec import encode_cells, encode_nested
from qllmft_tables.formats import ContentError

ROWS_AT_ONCE = 1_000
_BUFFER_BYTES = 1_000_000
_NS_PER_US = 1_000


def write_columns(
    content: BinaryIO, output: BinaryIO, max_rows: int, names: Collection[str]
) -> dict[str, Any]:
    """Write columns in blocks of rows, and return the names of all columns, and the places of those that are written.

    Args:
        content: the file.
        output: gets a line for each block: its number of rows, and the cells of each column.
        max_rows: number of rows that the file may have.
        names: of columns; those that differ from one of them by more than capitals, blanks and marks are left out.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, read_metadata

    try:
        metadata = read_metadata(content)
        if metadata.num_columns > MAX_COLUMNS:
            raise ContentError(
                f" has {metadata.num_columns:,} columns, expected at most {MAX_COLUMNS:,}. Leave out the unread ones."
            )
        if metadata.num_rows > max_rows:
            raise ContentError(
                f" unpacks to {metadata.num_rows:,} rows, expected at most {max_rows:,}. Split it."
            )
        file_names = metadata.schema.to_arrow_schema().names
        letters = {_letters(name) for name in names}
        counts = Counter(file_names)  # pyarrow cannot tell columns of one name apart
        places = [
            place
            for place, name in enumerate(file_names)
            if counts[name] == 1 and _letters(name) in letters
        ]
        read_names = [file_names[place] for place in places]
        paths = {metadata.schema.column(i).path for i in range(metadata.num_columns)}
        file = ParquetFile(
            content,
            metadata=metadata,
            read_dictionary=sorted(paths & {*read_names}),
            buffer_size=_BUFFER_BYTES,
        )
        for block in _blocks(file, read_names) if places else ():
            output.write(encode_cells(block))
    except (pa.ArrowMemoryError, MemoryError):
        raise MemoryError from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ContentError(f" cannot be read as parquet: {error}") from None
    return {"names": file_names, "places": places}


def _letters(name: str) -> str:
    """Return the letters and digits of a name, in small letters."""
    text = unicodedata.normalize("NFC", name).casefold()
    return "".join(character for character in text if character.isalnum())


def _blocks(file: Any, names: list[str]) -> Iterator[list[Any]]:
    """Yield the number of rows and the columns of each block."""
    first = 1
    for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=names, use_threads=False):
        yield [
            len(batch),
            [_Column(name, batch.column(name), first).encode() for name in names],
        ]
        first += len(batch)


class _Column:
    """Some rows of a column."""

    def __init__(self, name: str, column: Any, first: int) -> None:
        self._column = column
        self._place = f", rows {first} to {first + len(column) - 1}, column {name!r}"
        self._first = first
        self._name = name

    def encode(self) -> list[Any]:
        """Return the kind ``cells`` with the cells, or ``codes`` with different cells and the place of each row's."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not pa.types.is_dictionary(self._column.type):
            return ["cells", self._cells(self._column)]
        codes = self._column.indices
        used_codes = codes.unique().drop_null()
        values = self._column.dictionary.take(used_codes)
        codes = pc.index_in(codes, value_set=used_codes)
        return ["codes", self._cells(values), codes.to_pylist()]

    def _cells(self, column: Any) -> list[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = column.type
        if pa.types.is_float64(kind):
            return list(column.to_pylist())
        if pa.types.is_floating(kind):  # 0.1 for that of 32 bits, and not 0.10000000149
            numbers = column.to_numpy(zero_copy_only=False)
            return [float(str(number)) for number in numbers]
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
            self._compare(pc.binary_length(column), MAX_TEXT, "bytes")
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._compare(pc.list_value_length(column), MAX_COLUMNS, "values")
        elif pa.types.is_timestamp(kind) and kind.unit == "ns":
            return _times(column)
        elif pa.types.is_duration(kind) and kind.unit == "ns":
            column = column.cast(pa.duration("us"), safe=False)
        cells = self._to_python(column)
        return [encode_nested(cell) for cell in cells] if pa.types.is_nested(kind) else cells

    def _compare(self, sizes: Any, most: int, unit: str) -> None:
        import pyarrow.compute as pc

        largest = pc.max(sizes).as_py() or 0
        if largest > most:
            raise ContentError(
                f"{self._place}: a cell has {largest:,} {unit}, expected at most {most:,}. Split it."
            )

    def _to_python(self, column: Any) -> list[Any]:
        try:
            return list(column.to_pylist())
        except UnicodeDecodeError:
            raise
        except (OverflowError, ValueError):
            pass
        for place in range(len(column)):
            try:
                column[place].as_py()
            except (OverflowError, ValueError):
                raise ContentError(
                    f", row {self._first + place}: {self._name!r} is a time out of range, expected years from 1 to "
                    "9999. Correct it, or leave the row out."
                ) from None
        raise ContentError(f"{self._place}: a value is out of range.")


def _times(column: Any) -> list[Any]:
    """Return times as far as Python has them, and those with nanoseconds as text."""
    import pyarrow as pa

    times = column.cast(pa.timestamp("us", column.type.tz), safe=False).to_pylist()
    texts = column.cast(pa.string()).to_pylist()
    numbers = column.cast(pa.int64()).to_pylist()
    return [
        text if number is not None and number % _NS_PER_US else time
        for time, text, number in zip(times, texts, numbers, strict=True)
    ]
