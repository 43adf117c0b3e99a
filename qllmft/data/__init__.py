"""Data: labelled texts in, three splits out."""

from qllmft.data.corpus import Corpus, Table
from qllmft.data.protocol import Splits, split_corpus
from qllmft.data.sources import SUFFIXES, read_corpus

__all__ = ["SUFFIXES", "Corpus", "Splits", "Table", "read_corpus", "split_corpus"]
