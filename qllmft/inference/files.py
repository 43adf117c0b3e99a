"""Texts of a file for a trained model: `predict` and `serve` find their columns by the same rules."""

from __future__ import annotations

from collections.abc import Mapping

from qllmft.config import DataConfig, parse_config
from qllmft.data.sources import refuse_settings, settings_without_effect_on_file
from qllmft_base.errors import UserError
from qllmft_tables.file_bytes import DataFile
from qllmft_tables.tables import table_suffix
from qllmft_tables.texts import TextColumns


def find_text_columns(
    file: DataFile,
    data: DataConfig,
    columns: tuple[str | None, str | None],
    table: Mapping[str, str | None],
    *,
    pairs: bool,
) -> TextColumns:
    """Return what is read of a file, whose content is not needed.

    Args:
        file: with one text per line, or a table.
        data: of the run, which tells the columns and how a table is written unless others are given.
        columns: of the texts and of the second texts of pairs, None: the run's.
        table: settings of the data by name that say how the table is written.
        pairs: the model compares two texts.

    Raises:
        UserError: for a wrong setting.
    """
    settings = {name: value for name, value in table.items() if value is not None}
    table_settings = parse_config({"data": settings}, "the options of the file").data
    refuse_settings(table_settings, file.name, settings_without_effect_on_file(file))
    column = columns[0] or data.text_columns[0]
    if columns[1] and not pairs:
        raise UserError(
            f"--pair-column is {columns[1]!r}, and the model reads single texts. Omit it."
        )
    delimiter = table_settings.delimiter or data.delimiter
    # a file of lines may have as many delimiters as the run's table by chance
    is_table = table_suffix(file) not in ("", ".txt")
    names = table_settings.column_names or (data.column_names if is_table else None) or ()
    second = (columns[1] or data.pair_column or "text2",) if pairs else ()
    return TextColumns((column, *second), delimiter, tuple(names))
