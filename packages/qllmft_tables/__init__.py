"""Strict reader of tables: every row of a file as it stands there, or an error that names the line."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_tables.blocks import Fault as Fault
    from qllmft_tables.columns import Columns as Columns
    from qllmft_tables.tables import SUFFIXES as SUFFIXES
    from qllmft_tables.tables import FileTable as FileTable
    from qllmft_tables.tables import open_table as open_table
    from qllmft_tables.tables import read_table as read_table
    from qllmft_tables.texts import read_pairs as read_pairs
    from qllmft_tables.texts import read_texts as read_texts

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
