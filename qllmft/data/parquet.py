"""Columns of parquet files, which may unpack to many times their size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qllmft.data.cells import MOST_BYTES, MOST_ROWS, MOST_TEXT, check_columns
from qllmft.errors import UserError
from qllmft.files import open_regular

ROWS_AT_ONCE = 1_000


@contextmanager
def open_parquet(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Open a file as a `pyarrow.parquet.ParquetFile` whose repeated texts in ``columns`` take their memory once."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, read_metadata

    try:
        with open_regular(path, None) as opened:
            metadata = read_metadata(opened)
            check_columns(metadata.num_columns, path)
            paths = {metadata.schema.column(i).path for i in range(metadata.num_columns)}
            names = metadata.schema.to_arrow_schema().names
            if twice := [name for name in columns if names.count(name) > 1]:
                raise UserError(
                    f"{path} has several columns named {twice[0]!r}, expected one. Rename the others."
                )
            with ParquetFile(
                opened, metadata=metadata, read_dictionary=sorted(paths & set(columns))
            ) as file:
                yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path} cannot be read as parquet: {error}") from error


def batches(
    file: Any, columns: Sequence[str], path: Path, *, keeps_all: bool
) -> Iterator[list[list[Any]]]:
    """Yield the values of columns of `open_parquet` in batches of rows, a list per column.

    Args:
        file: the open file.
        columns: names of the columns.
        path: of the file, for messages.
        keeps_all: bound the unpacked size of the whole file; else that of each of its groups of rows.

    Raises:
        UserError: if the file unpacks to more rows or bytes than the bounds.
    """
    metadata = file.metadata
    sizes = []
    for i in range(metadata.num_row_groups):
        chunks = [metadata.row_group(i).column(j) for j in range(metadata.num_columns)]
        sizes.append(
            sum(
                c.total_uncompressed_size
                for c in chunks
                if c.path_in_schema.split(".")[0] in columns
            )
        )
    size = sum(sizes) if keeps_all else max(sizes, default=0)
    if size > MOST_BYTES or (keeps_all and metadata.num_rows > MOST_ROWS):
        raise UserError(
            f"{path} unpacks to {metadata.num_rows:,} rows and {size:,} bytes; expected at most {MOST_ROWS:,} rows and "
            f"{MOST_BYTES:,} bytes. Split it."
        )
    rows = 0
    for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(columns)):
        yield [
            _values(batch.column(name), f"{path}, rows {rows + 1} to {rows + len(batch)}")
            for name in columns
        ]
        rows += len(batch)


def _values(column: Any, place: str) -> list[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    kind = column.type.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
        if longest > MOST_TEXT:
            raise UserError(
                f"{place}: a cell has {longest:,} bytes, expected at most {MOST_TEXT:,}. Split it."
            )
    values = column.dictionary.to_pylist()
    return [None if index is None else values[index] for index in column.indices.to_pylist()]
