"""Data: labelled texts in, three splits out."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.data.corpus import Corpus as Corpus
    from qllmft.data.corpus import Findings as Findings
    from qllmft.data.corpus import Table as Table
    from qllmft.data.protocol import split_corpus as split_corpus
    from qllmft.data.sources import SUFFIXES as SUFFIXES
    from qllmft.data.sources import corpus_in_memory as corpus_in_memory
    from qllmft.data.sources import read_corpus as read_corpus
    from qllmft.data.splits import Splits as Splits

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
