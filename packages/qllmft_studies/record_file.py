"""Files of JSON that finished studies and sweeps leave, with the format that wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, read_text, reading


@contextmanager
def reading_record(
    folder: Path, file: str, expected_format: int, kind: str
) -> Iterator[dict[str, Any]]:
    """Give the content of a record to the block, whose errors of values are those of a damaged file.

    Args:
        folder: of the finished study or sweep.
        file: name of the record in it.
        expected_format: number that the record begins with.
        kind: "study" or "sweep", for messages.

    Raises:
        UserError: if the record is missing or has another form.
    """
    path = folder / file
    if not path.exists():
        raise UserError(
            f"there is no finished {kind} in {folder} ({file} is missing). The {kind}'s own command continues it."
        )
    with reading(path, f"The {kind}'s own command makes it again."):
        content = parse_json(read_text(path))
        if content.get("format") != expected_format:
            raise ValueError(
                f"it has format {content.get('format')!r}, and this version reads {expected_format}"
            )
        yield content
